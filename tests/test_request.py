"""Requests: what is checked, what is remembered, what travels how."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.clip import Clip
from workbench.errors import AudioError, RequestError
from workbench.request import (
    Inpaint,
    Outpaint,
    Request,
    Source,
    Span,
    carry,
    request_from_json,
)


def test_a_digest_never_changes() -> None:
    # It names takes in stores that exist.
    # pragma: allowlist nextline secret
    said = "80ca1de76f933470bcfa85755dbcabf3f33f5cb1a33bf552b3b037e8473b25bc"
    assert Request(tags="a").digest == said


def test_a_field_at_its_default_does_not_change_the_digest() -> None:
    assert Request(tags="a", duration_s=60.0, options={}).digest == Request(tags="a").digest
    assert Request(tags="a", duration_s=30).digest == Request(tags="a", duration_s=30.0).digest
    assert Request(tags="a", duration_s=30).digest != Request(tags="a").digest


@given(
    tags=st.text(min_size=1).filter(lambda t: any(p.strip() for p in t.split(","))),
    lyrics=st.text(),
    seed=st.integers(-1, 2**31 - 1),
    duration_s=st.floats(0.001, 600),
)
def test_json_gives_back_the_same_request(
    tags: str, lyrics: str, seed: int, duration_s: float
) -> None:
    try:
        wish = Request(tags=tags, lyrics=lyrics, seed=seed, duration_s=duration_s)
    except RequestError:
        return  # two tempi among random tags
    again = request_from_json(wish.to_json())
    assert again == wish
    assert again.digest == wish.digest


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"tags": " , "}, "at least one tag"),
        ({"tags": "a, 75 BPM", "tempo_bpm": 80}, "75 BPM"),
        ({"tags": "75 bpm, 80 bpm"}, "tempi"),
        ({"tags": "a", "seed": 2**31}, "seed"),
        ({"tags": "a", "seed": 1.5}, "seed"),
        ({"tags": "a", "duration_s": 0}, "duration_s"),
        ({"tags": "a", "duration_s": float("nan")}, "duration_s"),
        ({"tags": "a", "tempo_bpm": 29}, "tempo_bpm"),
        ({"tags": "a", "key": "H minor"}, "H minor"),
        ({"tags": "a", "time_signature": 5}, "time_signature"),
        ({"tags": "a", "language": "<b>"}, "language"),
        ({"tags": "a", "duration": 3}, "no such field"),
        ({"kind": "remix", "tags": "a"}, "remix"),
        ({"kind": "inpaint", "tags": "a"}, "source"),
        ({}, "tags"),
    ],
)
def test_an_impossible_wish_is_one_clear_sentence(fields: dict[str, object], said: str) -> None:
    with pytest.raises(RequestError, match=said) as raised:
        request_from_json(fields)
    text = str(raised.value)
    assert "\n" not in text
    assert len(text) < 200


@pytest.mark.parametrize(
    ("span", "expected"),
    [
        (Span(start_s=20, end_s=40), (20, 40)),
        (Span(start_s=15, start_from="end", end_s=0, end_from="end"), (45, 60)),
        (Span(start_s=0, end_s=10, end_from="end"), (0, 50)),
    ],
)
def test_a_span_counts_from_either_end(span: Span, expected: tuple[float, float]) -> None:
    assert span.resolve(60) == expected


@pytest.mark.parametrize(
    "span",
    [Span(start_s=40, end_s=20), Span(start_s=0, end_s=61), Span(start_s=70, start_from="end")],
)
def test_a_span_outside_the_source_is_refused(span: Span) -> None:
    with pytest.raises(RequestError, match="within the 60 s"):
        span.resolve(60)


def test_a_source_is_its_content_wherever_it_lies(tmp_path: Path) -> None:
    clip = Clip(np.zeros((2, 100), np.float32), 48_000)
    for name in ("a.wav", "b.wav"):
        clip.write(tmp_path / name)
    one, other = (Inpaint(tags="x", source=tmp_path / name) for name in ("a.wav", "b.wav"))
    assert one.digest == other.digest
    assert request_from_json(one.to_json()).digest == one.digest
    Clip(np.ones((2, 100), np.float32), 48_000).write(tmp_path / "b.wav")
    assert Inpaint(tags="x", source=tmp_path / "b.wav").digest != one.digest


def test_a_source_that_changed_since_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    Clip(np.zeros((2, 100), np.float32), 48_000).write(path)
    source = Source.of(path)
    Clip(np.ones((2, 100), np.float32), 48_000).write(path)
    with pytest.raises(AudioError, match="changed"):
        source.read()


def test_an_outpaint_adds_something(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="adds something"):
        Outpaint(tags="x", source="https://a.example/b.mp3", before_s=0, after_s=0)


@pytest.mark.parametrize(
    ("carrier", "has_field", "tags", "field"),
    [
        ("auto", True, "jazz", 90),
        ("auto", False, "jazz, 90 BPM", None),
        ("tag", True, "jazz, 90 BPM", None),
        ("both", True, "jazz, 90 BPM", 90),
        ("field", True, "jazz", 90),
    ],
)
def test_a_tempo_travels_as_its_carrier_says(
    carrier: str, has_field: bool, tags: str, field: float | None
) -> None:
    wish = Request.from_json({"tags": "jazz", "tempo_bpm": 90, "tempo_carrier": carrier})
    carried = carry(wish, frozenset({"tempo_bpm"} if has_field else ()))
    assert (carried.tags, carried.tempo_bpm) == (tags, field)


def test_a_tempo_said_in_the_tags_moves_to_the_field_when_asked() -> None:
    wish = Request(tags="jazz, 90 BPM", tempo_carrier="field")
    assert carry(wish, frozenset({"tempo_bpm"}))[:2] == ("jazz", 90)


def test_a_tempo_field_that_an_engine_lacks_is_refused() -> None:
    with pytest.raises(RequestError, match="no tempo field"):
        carry(Request(tags="jazz", tempo_bpm=90, tempo_carrier="field"), frozenset())


def test_what_an_engine_has_no_field_for_is_said_as_a_tag() -> None:
    wish = Request(tags="jazz", key="Am", time_signature=3, language="ja")
    carried = carry(wish, frozenset({"language"}))
    assert carried.tags == "jazz, A minor, 3/4 time"
    assert (carried.key, carried.time_signature, carried.language) == (None, None, "ja")
