"""Do tags mean what they say, and is everything else named in the notes?"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from workbench.sketch import GENRES, Plan, plan_from_words, render
from workbench.sketch.moods import MOODS


def planned(*tags: str, **changes: Any) -> tuple[Plan, tuple[str, ...]]:
    fields: dict[str, Any] = {
        "lyrics_sections": [],
        "tempo_bpm": 100.0,
        "key": "C major",
        "time_signature": None,
        "duration_s": 30.0,
        "seed": 0,
        "vocal": False,
    }
    return plan_from_words(tags, **{**fields, **changes})


@pytest.mark.parametrize(
    ("word", "genre"), [(word, genre.name) for genre in GENRES.values() for word in genre.words]
)
def test_every_genre_word_finds_its_genre(word: str, genre: str) -> None:
    assert planned(f" {word.upper()} ")[0].genre == genre


@pytest.mark.parametrize("mood", MOODS)
def test_every_mood_word_is_understood_and_noted(mood: str) -> None:
    for word in MOODS[mood].words:
        plan, notes = planned("pop", word)
        assert mood in plan.moods, word
        assert any(word in text for text in notes)


def test_tags_of_a_usual_request() -> None:
    plan, notes = planned(
        "lo-fi hip-hop", "mellow", "vinyl crackle", "rhodes piano", "soft drums", "75 BPM",
        tempo_bpm=None,
    )  # fmt: skip
    assert (plan.genre, plan.tempo_bpm) == ("lo-fi hip-hop", 75.0)
    assert plan.moods == {"calm", "crackle", "rhodes"}
    assert "tag 'vinyl crackle' adds noise" in notes
    assert not any("not understood" in text for text in notes)


def test_seed_tags_with_voices_need_no_excuse() -> None:
    plan, notes = planned(
        "indie pop", "anthemic", "electric guitar", "driving drums", "female vocal", "120 BPM",
        vocal=True,
    )  # fmt: skip
    assert (plan.genre, plan.vocal) == ("indie pop", True)
    assert not any("not understood" in text for text in notes)


def test_every_unknown_tag_is_named_once() -> None:
    _, notes = planned("house", "glorp", "wub wub snorkel", "glorp")
    assert sum("glorp" in text for text in notes) == 1
    assert sum("wub wub snorkel" in text for text in notes) == 1


def test_a_refused_instrument_is_not_played() -> None:
    for tag in ("no piano", "without piano"):
        plan, notes = planned("house", tag)
        assert not plan.moods
        assert any(tag in text for text in notes)


def test_choices_are_told() -> None:
    plan, notes = planned("sparkly", tempo_bpm=None, key=None)
    text = " / ".join(notes)
    assert "no genre among the tags: rendered as pop" in text
    assert "tempo not asked: 110 BPM, usual for pop" in text
    assert f"key not asked: {plan.key}, drawn by the seed" in text


def test_two_genres_say_which_is_played() -> None:
    plan, notes = planned("jazz", "techno")
    assert plan.genre == "jazz"
    assert any("'techno' is not played" in text for text in notes)


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "'; DROP TABLE takes; --",
        "../../etc/passwd",
        "\x00\x1b[31m",
        "{tag} %s {0.__class__}",
        "(((((a+)+)+)+",
        "日本語のロック 🎸",
        "x" * 5000,
        "",
    ],
)
def test_hostile_tags_are_only_text(text: str) -> None:
    plan, notes = planned("rock", text, duration_s=5.0, lyrics_sections=[text])
    assert plan.genre == "rock"
    assert text.strip() == "" or sum(text.strip() in line for line in notes) == 1
    assert render(plan)[0].shape == (2, 240_000)


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ("A minor", "A minor"),
        ("f# Major", "F# major"),
        ("Bb", "Bb major"),
        ("Ebm", "Eb minor"),
        ("C♯ min", "C# minor"),
        ("g flat major", "F# major"),
        ("Cb major", "B major"),
    ],
)
def test_keys_in_many_spellings(asked: str, key: str) -> None:
    plan, notes = planned("house", key=asked)
    assert plan.key == key
    assert not any("key" in text for text in notes)


def test_a_key_that_is_none_is_told() -> None:
    _, notes = planned("house", key="H dur")
    assert any("key 'H dur' is not understood" in text for text in notes)


def test_limits_are_held_and_told() -> None:
    plan, notes = planned("house", tempo_bpm=400.0, duration_s=1000.0, time_signature=6)
    assert (plan.tempo_bpm, plan.duration_s, plan.meter) == (300.0, 600.0, 3)
    assert len(notes) == 3


def test_lyrics_sections_drive_the_form() -> None:
    plan, _ = planned("rock", lyrics_sections=["Intro", "Verse 1", "CHORUS x2", "Rap part"])
    assert [name for name, _ in plan.sections] == ["intro", "verse", "chorus", "rap part"]


def test_a_short_piece_has_a_short_form() -> None:
    counts = [len(planned("rock", duration_s=s)[0].sections) for s in (5.0, 20.0, 40.0, 240.0)]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (1, 8)


def test_waltz_counts_three_and_seeds_draw_keys() -> None:
    assert planned("waltz")[0].meter == 3
    assert planned("waltz", time_signature=4)[0].meter == 4
    keys = {planned("house", key=None, seed=seed)[0].tonic for seed in range(40)}
    assert len(keys) > 8
    assert np.all([0 <= key < 12 for key in keys])
