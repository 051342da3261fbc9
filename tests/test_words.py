"""Tags, tempo in tags, lyrics and keys, on ordinary and hostile text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import RequestError
from workbench.words import (
    PITCH_NAMES,
    ablate,
    is_instrumental,
    parse_key,
    parse_lyrics,
    parse_tags,
    same_tags,
    swap,
    tempo_in_tags,
)

SEED_TAGS = "lo-fi hip-hop, mellow, vinyl crackle, rhodes piano, soft drums, 75 BPM"


@given(st.text())
def test_parsing_tags_again_changes_nothing(text: str) -> None:
    tags = parse_tags(text)
    assert parse_tags(", ".join(tags)) == tags
    assert len({tag.casefold() for tag in tags}) == len(tags)


def test_order_and_case_are_kept_and_compared_without_case() -> None:
    assert parse_tags("B, a , b") == ("B", "a")
    assert same_tags("Jazz,PIANO", " jazz , piano")
    assert not same_tags("jazz, piano", "piano, jazz")


@pytest.mark.parametrize(
    ("text", "tempo"),
    [
        (SEED_TAGS, 75),
        ("house 124bpm", 124),
        ("slow, 72.5 BPM", 72.5),
        ("90-bpm groove", 90),
        ("1990 bpmx", None),
        ("album of 1999", None),
        ("", None),
    ],
)
def test_the_tempo_in_tags_is_understood(text: str, tempo: float | None) -> None:
    assert tempo_in_tags(text) == tempo


def test_lyrics_split_at_their_markers() -> None:
    text = "[Verse]\nChalk on the palms\n\n[Chorus]\nWe rise\n[Bridge]\nSoft piano\n[Outro]\nfade"
    sections = parse_lyrics(text)
    assert [s.name for s in sections] == ["Verse", "Chorus", "Bridge", "Outro"]
    assert sections[0].lines == ("Chalk on the palms",)


def test_brackets_inside_a_line_are_no_marker() -> None:
    assert parse_lyrics("la [Verse] la")[0].lines == ("la [Verse] la",)


@given(st.text())
def test_any_text_is_lyrics(text: str) -> None:
    kept = [line for section in parse_lyrics(text) for line in section.lines]
    assert all(line in text for line in kept)


@pytest.mark.parametrize("text", ["[inst]", "[instrumental]", " [INST] \n"])
def test_instrumental_markers_are_known(text: str) -> None:
    assert is_instrumental(text)


@pytest.mark.parametrize("text", ["", "[inst]\nla la", "[Verse]", "inst"])
def test_what_is_not_just_a_marker_is_not_instrumental(text: str) -> None:
    assert not is_instrumental(text)


def test_every_key_is_read_back() -> None:
    for tonic, name in enumerate(PITCH_NAMES):
        for mode in ("major", "minor"):
            assert parse_key(f"{name} {mode}") == (tonic, mode)


@pytest.mark.parametrize("text", ["", "H", "C minorish", "A b c", "<script>"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match="no key"):
        parse_key(text)


def test_swapping_needs_the_tag_and_ablating_drops_each_once() -> None:
    assert swap("a, b", "B", ["c"]) == ("a, b", "a, c")
    with pytest.raises(RequestError, match="to swap"):
        swap("a, b", "x", ["c"])
    assert ablate("a") == ("a",)
    assert sorted(ablate("a, b, c")) == ["a, b", "a, b, c", "a, c", "b, c"]
