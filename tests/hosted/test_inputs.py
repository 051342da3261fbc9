"""What travels where, and what is refused before anything is sent."""

from __future__ import annotations

import base64
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from tests.hosted.conftest import WISH, Log, delivered, outcome
from tests.hosted.far import Far
from workbench.clip import Clip
from workbench.engines.hosted import (
    HostedEngine,
    Settings,
    runcomfy_1_5,
    runcomfy_base,
    runcomfy_elevenlabs,
    skystudio_custom,
    skystudio_simple,
)
from workbench.errors import EngineRefused, RequestError
from workbench.request import AnyRequest, Inpaint, Outpaint, Request, Source, Span

URL = "https://cdn.example/song.mp3"


def sent_by(engine: HostedEngine, request: Any, far: Far) -> tuple[str, dict[str, Any]]:
    """Path and inputs of the one submit that a request leads to."""
    delivered(engine, request)
    (call,) = [c for c in far.calls if c.route in ("submit", "sky-submit")]
    return call.path, call.json.get("input", call.json)


@pytest.fixture
def song(tmp_path: Path) -> Path:
    """A stereo float source of 20 s, partly beyond full scale."""
    path = tmp_path / "song.wav"
    samples = 1.2 * np.sin(np.arange(20 * 8000) * 0.1)
    sf.write(path, np.stack([samples, -samples], 1), 8000, subtype="FLOAT")
    return path


def test_ace_step_says_tempo_and_key_in_tags(far: Far, settings: Settings) -> None:
    wish = Request(
        tags="jazz", tempo_bpm=90, key="A minor", language="ja", duration_s=30, seed=3,
        lyrics="[Verse]\nla la",
    )  # fmt: skip
    path, sent = sent_by(runcomfy_base(settings), wish, far)
    assert path == "/v1/models/acestep-ai/ace-step/text-to-audio"
    assert sent == {
        "tags": "jazz, 90 BPM, A minor, ja vocals",
        "lyrics": "[Verse]\nla la",
        "duration": 30,
        "seed": 3,
    }


def test_ace_step_1_5_and_instrumental(far: Far, settings: Settings) -> None:
    path, sent = sent_by(runcomfy_1_5(settings), WISH.but(lyrics="[Instrumental]"), far)
    assert path == "/v1/models/acestep-ai/ace-step-1.5/text-to-audio"
    assert sent["lyrics"] == "[inst]"


@pytest.mark.parametrize(
    ("make", "said"), [(runcomfy_base, "words of its own"), (runcomfy_1_5, "without vocals")]
)
def test_blank_lyrics_are_left_out_and_noted(
    make: Any, said: str, far: Far, settings: Settings
) -> None:
    made = delivered(make(settings), WISH.but(lyrics=""))
    assert "lyrics" not in made.sent["input"]
    assert said in made.notes[0]


def test_elevenlabs_gets_one_prompt(far: Far, settings: Settings) -> None:
    wish = WISH.but(lyrics="[Verse]\nla", options={"output_format": "wav_cd_quality"})
    _, sent = sent_by(runcomfy_elevenlabs(settings), wish, far)
    assert sent == {
        "prompt": "jazz, piano\n\nLyrics:\n[Verse]\nla",
        "music_length_ms": 30_000,
        "force_instrumental": False,
        "output_format": "wav_cd_quality",
    }


def test_skystudio_custom_has_fields_of_its_own(far: Far, settings: Settings) -> None:
    wish = Request(
        tags="jazz, 90 BPM", language="ja", key="C major", lyrics="[Verse]\nla", duration_s=12.5
    )
    path, sent = sent_by(skystudio_custom(settings), wish, far)
    assert path == "/sky/generate"
    assert sent == {
        "prompt": "jazz, C major",
        "duration": 12.5,
        "instrumental": False,
        "lyrics": "[Verse]\nla",
        "vocal_language": "ja",
        "bpm": 90.0,
        "seed": 0,
    }


def test_skystudio_simple_sends_an_idea(far: Far, settings: Settings) -> None:
    wish = WISH.but(tempo_bpm=90, options={"format": "mp3"})
    _, sent = sent_by(skystudio_simple(settings), wish, far)
    assert sent == {
        "prompt": "jazz, piano, 90 BPM",
        "duration": 30.0,
        "instrumental": True,
        "format": "mp3",
    }


def test_a_local_source_travels_as_pcm16(far: Far, settings: Settings, song: Path) -> None:
    edit = Inpaint(tags="jazz", source=song, span=Span(start_s=15, start_from="end", end_s=0,
                                                      end_from="end"))  # fmt: skip
    log = Log()
    made = delivered(runcomfy_base(settings), edit, log=log)
    (call,) = [c for c in far.calls if c.route == "submit"]
    assert call.path == "/v1/models/acestep-ai/ace-step/audio-inpaint"
    sent = call.json
    assert (sent["start_time"], sent["start_time_relative_to"]) == (15, "end")
    assert (sent["end_time"], sent["end_time_relative_to"]) == (0, "end")
    head, _, payload = sent["audio"].partition(",")
    assert head == "data:audio/wav;base64"
    data = base64.b64decode(payload)
    assert sf.info(io.BytesIO(data)).subtype == "PCM_16"
    clip = Clip.from_bytes(data)
    expected = np.clip(Clip.read(song).samples, -1, 1)
    assert np.abs(clip.samples - expected).max() < 1.01 / 32768
    for record in (made.sent, log.events[0].data["sent"]):
        assert record["input"]["audio"]["sha256"] == edit.source.sha256
        assert len(json.dumps(record)) < 1000


def test_an_address_travels_as_it_is(far: Far, settings: Settings) -> None:
    edit = Outpaint(tags="jazz", source=URL, before_s=30, after_s=60, lyrics="[inst]")
    path, sent = sent_by(runcomfy_base(settings), edit, far)
    assert path == "/v1/models/acestep-ai/ace-step/audio-outpaint"
    assert sent["audio"] == URL
    assert (sent["extend_before_duration"], sent["extend_after_duration"]) == (30, 60)


def test_a_source_that_changed_is_not_sent(far: Far, settings: Settings, song: Path) -> None:
    edit = Outpaint(tags="jazz", source=song)
    sf.write(song, np.zeros((8000, 2)), 8000)
    result = outcome(runcomfy_base(settings), edit)
    assert isinstance(result, EngineRefused)
    assert "changed" in str(result)
    song.unlink()
    assert isinstance(outcome(runcomfy_base(settings), edit), EngineRefused)
    assert far.count("submit") == 0


EDITS = {
    "source not https": Inpaint(tags="a", source="http://cdn.example/a.mp3"),
    "window backwards": Inpaint(tags="a", source=URL, span=Span(start_s=40, end_s=20)),
    "window backwards from the end": Inpaint(
        tags="a", source=URL, span=Span(start_s=0, end_s=15, start_from="end", end_from="end")
    ),
    "too deep": Inpaint(tags="a", source=URL, span=Span(start_s=250, end_s=260)),
    "too much before": Outpaint(tags="a", source=URL, before_s=241, after_s=0),
    "too much in all": Outpaint(tags="a", source=URL, before_s=200, after_s=100),
    "unknown option": Outpaint(tags="a", source=URL, options={"seam": 1}),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_impossible_edits_are_refused(edit: Any, settings: Settings) -> None:
    with pytest.raises(RequestError):
        runcomfy_base(settings).check(edit)


def test_edits_of_a_known_length(settings: Settings, song: Path) -> None:
    engine = runcomfy_base(settings)
    engine.check(Inpaint(tags="a", source=song, span=Span(start_s=2, end_s=20)))
    with pytest.raises(RequestError, match="20 s of the source"):
        engine.check(Inpaint(tags="a", source=song, span=Span(start_s=2, end_s=21)))
    engine.check(Outpaint(tags="a", source=song, before_s=100, after_s=120))
    longer = Outpaint(tags="a", source=song, before_s=100, after_s=121)
    with pytest.raises(RequestError, match="allow_beyond_240_s"):
        engine.check(longer)
    engine.check(longer.but(options={"allow_beyond_240_s": True}))


@pytest.mark.parametrize(
    ("rate_hz", "channels", "duration_s", "said"),
    [
        (48_000, 3, 1, "3 channels"),
        (4_000, 1, 1, "4000 Hz"),
        (48_000, 2, 90, "16 MiB"),
        (8_000, 1, 3700, "16 MiB"),
    ],
)
def test_sources_beyond_the_caps(
    settings: Settings, tmp_path: Path, rate_hz: int, channels: int, duration_s: int, said: str
) -> None:
    path = tmp_path / "long.flac"
    sf.write(path, np.zeros((rate_hz * duration_s, channels), np.int16), rate_hz)
    with pytest.raises(RequestError, match=said):
        runcomfy_base(settings).check(Inpaint(tags="a", source=path))


def test_an_hour_is_the_end_of_a_source() -> None:
    from workbench.engines.hosted.schema import check_window

    check_window(Span(), 3600)
    with pytest.raises(RequestError, match="60 minutes"):
        check_window(Span(), 3601)
    with pytest.raises(RequestError, match="at most 240 s"):
        check_window(Span(start_s=10, end_s=10, end_from="end"), 300)


TEXT = Request(tags="a", duration_s=30)
REFUSED = {
    "base too long": (runcomfy_base, TEXT.but(duration_s=241)),
    "base too short": (runcomfy_base, TEXT.but(duration_s=4)),
    "base fraction": (runcomfy_base, TEXT.but(duration_s=30.5)),
    "base tempo field": (runcomfy_base, TEXT.but(tempo_bpm=90, tempo_carrier="field")),
    "base option": (runcomfy_base, TEXT.but(options={"output_format": "x"})),
    "1.5 edit": (runcomfy_1_5, Outpaint(tags="a", source=URL)),
    "elevenlabs too long": (runcomfy_elevenlabs, TEXT.but(duration_s=301)),
    "elevenlabs too short": (runcomfy_elevenlabs, TEXT.but(duration_s=4.999)),
    "elevenlabs format": (runcomfy_elevenlabs, TEXT.but(options={"output_format": "flac"})),
    "simple lyrics": (skystudio_simple, TEXT.but(lyrics="[Verse]\nla")),
    "simple edit": (skystudio_simple, Outpaint(tags="a", source=URL)),
    "simple option": (skystudio_simple, TEXT.but(options={"speed": 1})),
    "custom too short": (skystudio_custom, TEXT.but(duration_s=9.9)),
    "custom too long": (skystudio_custom, TEXT.but(duration_s=301)),
}


@pytest.mark.parametrize(("make", "request_"), REFUSED.values(), ids=REFUSED.keys())
def test_what_a_model_cannot_do_is_refused(make: Any, request_: Any, settings: Settings) -> None:
    with pytest.raises(RequestError) as caught:
        make(settings).check(request_)
    assert str(caught.value).endswith(".")


def test_quotes_follow_what_is_billed(far: Far, settings: Settings, song: Path) -> None:
    engine = runcomfy_base(settings)
    asked: dict[str, AnyRequest] = {
        "0.048000": TEXT.but(duration_s=240),
        "0.004000": Inpaint(tags="a", source=song, span=Span(end_s=10)),
        "0.720000": Inpaint(tags="a", source=URL),
        "0.010000": Outpaint(tags="a", source=song, before_s=10, after_s=20),
        "0.048000 ": Outpaint(tags="a", source=URL, before_s=10, after_s=20),
    }
    for amount, request in asked.items():
        assert engine.quote(request).amount_usd == Decimal(amount)
    assert engine.quote(TEXT).basis.startswith("30 s at 0.0002 USD/s")
    credits = skystudio_custom(settings).quote(TEXT.but(duration_s=12.5))
    assert (credits.credits, credits.amount_usd) == (Decimal("12.5"), Decimal("0.025000"))


def test_a_source_by_address_needs_no_file() -> None:
    assert Source.of(URL).url == URL
