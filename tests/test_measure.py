"""Measures: each gives its quantities, defined or with a reason, beside what was asked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from workbench import sketch
from workbench.clip import Clip
from workbench.engines.base import Attempt, Delivery
from workbench.engines.sketch import SketchEngine
from workbench.measure import (
    CHANNELS,
    DURATION,
    EXTENT,
    KEY,
    LOUDNESS,
    LOUDNESS_RANGE,
    PEAK,
    SEAMS,
    SILENCE,
    STANDARD,
    TEMPO,
    UNTOUCHED,
    Measure,
    Subject,
)
from workbench.request import AnyRequest, Inpaint, Outpaint, Request, Span

RATE_HZ = 48_000


def song(seconds: float = 14.0) -> Clip:
    plan, _ = sketch.plan_from_words(
        ["house"],
        lyrics_sections=[],
        tempo_bpm=124,
        key="A minor",
        time_signature=None,
        duration_s=seconds,
        seed=5,
        vocal=False,
    )
    return Clip(sketch.render(plan)[0], RATE_HZ)


SONG = song()
SILENT = Clip(np.zeros((2, 12 * RATE_HZ), np.float32), RATE_HZ)
BROKEN = Clip(np.full((2, 12 * RATE_HZ), np.nan, np.float32), RATE_HZ)


def ask(measure: Measure, clip: Clip, request: AnyRequest | None = None) -> dict[str, object]:
    return {m.name: m.value for m in measure(Subject(clip, request))}


def test_every_measure_gives_every_quantity_with_value_or_reason() -> None:
    for measure in STANDARD:
        found = measure(Subject(SONG, Request(tags="x", tempo_bpm=124, key="Am", duration_s=14)))
        assert tuple(m.name for m in found) == measure.quantities
        for m in found:
            assert m.method == f"{measure.name}/{measure.version}"
            assert (m.value is None) == bool(m.reason)
    names = [name for measure in STANDARD for name in measure.quantities]
    assert len(set(names)) == len(names)


def test_tempo_is_held_against_what_was_asked() -> None:
    as_asked = ask(TEMPO, SONG, Request(tags="house, 124 BPM"))
    assert as_asked["tempo_bpm"] == pytest.approx(124, rel=0.002)
    assert (as_asked["tempo_match"], as_asked["tempo_ratio_class"]) == ("match", "same")
    doubled = ask(TEMPO, SONG, Request(tags="x", tempo_bpm=62))
    assert doubled["tempo_ratio_class"] == "double"
    assert doubled["tempo_error_pct"] == pytest.approx(100, abs=0.5)
    assert doubled["tempo_folded_error_pct"] == pytest.approx(0, abs=0.5)
    off = ask(TEMPO, SONG, Request(tags="x", tempo_bpm=110))
    assert off["tempo_match"] == "mismatch"
    assert off["tempo_folded_error_pct"] == pytest.approx(100 * (124 / 110 - 1), abs=0.5)


def test_a_first_measurement_loads_nothing_slow(tmp_path: Path) -> None:
    SONG.write(tmp_path / "song.wav")
    code = (
        "import sys\nfrom workbench.clip import Clip\nfrom workbench.measure import *\n"
        "subject = Subject(Clip.read(sys.argv[1]))\n"
        "assert all(measure(subject) for measure in STANDARD)\n"
        "slow = {'numba', 'librosa', 'torch', 'pandas', 'scipy.signal', 'scipy.stats'}\n"
        "sys.exit(' '.join(slow & set(sys.modules)) or 0)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "song.wav")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_was_not_asked_is_not_held_against_anything() -> None:
    found = {m.name: m for m in TEMPO(Subject(SONG))}
    assert found["tempo_error_pct"].value is None
    assert found["tempo_error_pct"].reason == "not asked for"


def test_key_is_held_against_what_was_asked() -> None:
    found = ask(KEY, SONG, Request(tags="x", key="A minor"))
    assert (found["key"], found["key_score"]) == ("A minor", 1.0)
    fifth = ask(KEY, SONG, Request(tags="x", key="F# major"))
    assert float(str(fifth["key_score"])) < 0.3


def test_length_is_held_against_what_was_asked() -> None:
    found = ask(DURATION, SONG, Request(tags="x", duration_s=15))
    assert found == {"duration_s": 14.0, "duration_error_s": -1.0}


def test_a_louder_copy_reads_louder_by_as_much() -> None:
    half = Clip(SONG.samples * np.float32(0.5), RATE_HZ)
    for name in ("loudness_lufs", "momentary_max_lufs"):
        difference = float(str(ask(LOUDNESS, SONG)[name])) - float(str(ask(LOUDNESS, half)[name]))
        assert difference == pytest.approx(6.02, abs=0.02)
    peak = float(str(ask(PEAK, SONG)["true_peak_dbtp"]))
    assert peak - float(str(ask(PEAK, half)["true_peak_dbtp"])) == pytest.approx(6.02, abs=0.02)


def test_clipping_silence_and_dropouts_read_bad_where_they_are() -> None:
    assert ask(PEAK, SONG)["clipped"] == "no"
    loud = Clip(np.clip(SONG.samples * 8, -1, 1), RATE_HZ)
    assert ask(PEAK, loud)["clipped"] == "yes"
    clean = ask(SILENCE, SONG)
    assert (clean["gaps"], clean["dropouts"]) == (0, 0)
    holed = SONG.samples.copy()
    holed[:, 5 * RATE_HZ : 5 * RATE_HZ + 960] = 0
    holed[:, 8 * RATE_HZ : 9 * RATE_HZ] = 0
    found = ask(SILENCE, Clip(holed, RATE_HZ))
    assert found["gaps"] == 1
    assert float(str(found["dropouts"])) >= 1
    padded = np.pad(SONG.samples, ((0, 0), (RATE_HZ, 2 * RATE_HZ)))
    late = ask(SILENCE, Clip(padded, RATE_HZ))
    assert late["lead_silence_s"] == pytest.approx(1, abs=0.1)
    assert float(str(late["tail_silence_s"])) >= 1.9


def test_mono_and_width() -> None:
    assert ask(CHANNELS, SONG)["mono"] == "no"
    narrow = Clip(np.repeat(SONG.samples[:1], 2, axis=0), RATE_HZ)
    found = ask(CHANNELS, narrow)
    assert (found["mono"], found["width_db"]) == ("yes", None)


@pytest.mark.parametrize(
    ("clip", "measure", "said"),
    [
        (SONG.cut(0, 3), TEMPO, "short"),
        (SONG.cut(0, 3), KEY, "8 s"),
        (SONG.cut(0, 0.2), LOUDNESS, "short"),
        (SONG.cut(0, 1), LOUDNESS_RANGE, "short"),
        (SILENT, TEMPO, "silent"),
        (SILENT, LOUDNESS, "silent"),
        (SILENT, PEAK, "silent"),
        (Clip(SONG.samples[:1], RATE_HZ), CHANNELS, "two channels"),
        (BROKEN, TEMPO, "NaN"),
    ],
)
def test_what_cannot_be_measured_is_undefined_with_its_reason(
    clip: Clip, measure: Measure, said: str
) -> None:
    found = measure(Subject(clip))
    assert all(m.value is None for m in found)
    assert all(said in m.reason for m in found), found[0].reason


# --- edits --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("edits") / "song.flac"
    song(16.0).write(path)
    return path


def made(request: AnyRequest) -> Clip:
    [(_, delivery)] = SketchEngine().generate([Attempt(request, "key")])
    assert isinstance(delivery, Delivery)
    assert isinstance(delivery.audio, Clip)
    return delivery.audio


def repair(source: Path, **options: float | bool) -> Inpaint:
    span = Span(start_s=5, end_s=10)
    return Inpaint(tags="house, 124 BPM", source=source, span=span, seed=3, options=options)


def test_a_worse_edge_scores_higher_and_says_why(source: Path) -> None:
    clean, loud = repair(source), repair(source, seam_level_db=8, seam_hard_cut=True)
    before, after = (ask(SEAMS, made(wish), wish) for wish in (clean, loud))
    # At the start even the clean edit brings other hats: heard anyway, and more so when loud.
    for edge, more in (("start", 0.0), ("end", 0.3)):
        name = f"seam_score_{edge}"
        assert float(str(after[name])) > float(str(before[name])) + more
        assert after[f"seam_verdict_{edge}"] == "clear"
        assert "step in level" in str(after[f"seam_reasons_{edge}"])


def test_what_an_edit_should_keep_is_compared_with_its_source(source: Path) -> None:
    wish = repair(source)
    edited = made(wish)
    kept = {m.name: m for m in UNTOUCHED(Subject(edited, wish))}
    assert kept["kept_verdict"].value == "identical"
    assert kept["kept_snr_db"].reason == "no difference"
    assert abs(float(str(ask(EXTENT, edited, wish)["edit_extent_error_s"]))) <= 0.25
    elsewhere = edited.samples.copy()
    elsewhere[:, 12 * RATE_HZ : 14 * RATE_HZ] = elsewhere[:, 2 * RATE_HZ : 4 * RATE_HZ][:, ::-1]
    assert ask(UNTOUCHED, Clip(elsewhere, RATE_HZ), wish)["kept_verdict"] == "changed"
    # Told another span, the same edit is half a second off.
    late = Inpaint(tags="x", source=source, span=Span(start_s=5.5, end_s=10.5))
    error_s = float(str(ask(EXTENT, edited, late)["edit_extent_error_s"]))
    assert error_s == pytest.approx(-0.5, abs=0.25)


def test_an_extension_has_an_edge_where_the_source_ends(source: Path) -> None:
    wish = Outpaint(tags="house, 124 BPM", source=source, after_s=6, seed=3)
    edited = made(wish)
    seams = {m.name: m for m in SEAMS(Subject(edited, wish))}
    assert "no edge" in seams["seam_score_start"].reason
    assert 0 <= float(str(seams["seam_score_end"].value)) <= 1
    assert ask(UNTOUCHED, edited, wish)["kept_verdict"] == "identical"
    both = Outpaint(tags="house, 124 BPM", source=source, before_s=6, after_s=5, seed=3)
    assert ask(UNTOUCHED, made(both), both)["kept_verdict"] == "identical"


def test_without_source_an_edit_is_undefined_with_its_reason(source: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.flac"
    copy.write_bytes(source.read_bytes())
    wish = Inpaint(tags="x", source=copy, span=Span(start_s=5, end_s=10))
    copy.unlink()
    for measure in (SEAMS, UNTOUCHED, EXTENT):
        for text in measure(Subject(SONG, Request(tags="x"))):
            assert text.reason == "not an edit"
        for gone in measure(Subject(SONG, wish)):
            assert "there is no file" in gone.reason


def test_a_source_of_another_rate_is_compared_at_the_rate_of_the_edit(
    source: Path, tmp_path: Path
) -> None:
    song(16.0).at_rate(44_100).write(tmp_path / "song.wav")
    wish = Inpaint(tags="x", source=tmp_path / "song.wav", span=Span(start_s=5, end_s=10))
    found = ask(UNTOUCHED, made(repair(source)), wish)
    assert found["kept_verdict"] == "same waveform"
