"""The key is heard on chords of known key, in and out of tune, and refused where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.analysis.checks.score_key import keyed_clips
from workbench.analysis.checks.score_untouched import coded_copy
from workbench.analysis.features import Features, FloatArray
from workbench.analysis.key import (
    RELATION_SCORES,
    Key,
    estimate_key,
    key_relation,
    key_score,
    relative_key,
)
from workbench.errors import AudioError
from workbench.words import KeyName, parse_key

RATE_HZ = 22_050
ALL_KEYS = [KeyName(tonic, mode) for mode in ("major", "minor") for tonic in range(12)]
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}


def chord(root_note: int, intervals: tuple[int, ...], *, cents: float) -> FloatArray:
    """One second of a triad over its bass, six overtones each, decaying."""
    times_s = np.arange(RATE_HZ) / RATE_HZ
    sound = np.zeros(RATE_HZ)
    for note in (root_note - 12, *(root_note + interval for interval in intervals)):
        pitch_hz = 440 * 2 ** ((note - 69 + cents / 100) / 12)
        for overtone in range(1, 7):
            sound += np.sin(2 * np.pi * overtone * pitch_hz * times_s) / overtone
    faded: FloatArray = (0.05 * sound * np.exp(-1.5 * times_s)).astype(np.float32)
    return faded


def progression(key: KeyName, *, cents: float = 0.0) -> FloatArray:
    """Tonic, fourth, fifth, tonic, twelve seconds; the fifth of a minor key is major."""
    scale = SCALES[key.mode]
    chords = []
    for degree in (0, 3, 4, 0):
        third, fifth = ((scale[(degree + k) % 7] - scale[degree]) % 12 for k in (2, 4))
        if degree == 4:
            third = 4
        chords.append(chord(48 + key.tonic + scale[degree], (0, third, fifth), cents=cents))
    return np.tile(np.concatenate(chords), 3)[np.newaxis]


def drums(*, seconds: int = 12) -> FloatArray:
    """Bursts of noise, four in a second."""
    rng = np.random.default_rng(0)
    times_s = np.arange(seconds * RATE_HZ) / RATE_HZ
    bursts = rng.standard_normal(len(times_s)) * np.exp(-(times_s % 0.25) / 0.03)
    sound: FloatArray = (0.3 * bursts).astype(np.float32)
    return sound[np.newaxis]


def heard(samples: FloatArray) -> Key:
    return estimate_key(Features(samples, RATE_HZ))


@pytest.mark.parametrize("key", ALL_KEYS, ids=str)
def test_each_of_the_24_keys_is_heard(key: KeyName) -> None:
    found = heard(progression(key))
    assert found.key == key
    assert found.relative == relative_key(key)
    assert found.pair == f"{key} / {relative_key(key)}"
    assert found.relative_margin > 0
    assert 0.5 < found.confidence <= 1


@pytest.mark.parametrize("cents", [-40.0, -20.0, 20.0, 40.0])
def test_a_detuned_instrument_stays_in_its_key_and_its_tuning_is_read(cents: float) -> None:
    found = heard(progression(KeyName(3, "major"), cents=cents))
    assert found.key == KeyName(3, "major")
    assert found.tuning_cents == pytest.approx(cents, abs=3)


def test_loud_drums_do_not_hide_the_key() -> None:
    key = KeyName(10, "minor")
    music = progression(key)
    louder_db = 10 * np.log10(np.mean(drums() ** 2) / np.mean(music**2))
    assert louder_db > -3
    assert heard(music + drums()).key == key


@pytest.mark.parametrize("container", ["OGG", "MP3"])
def test_a_codec_moves_neither_key_nor_margin(container: str) -> None:
    music = progression(KeyName(1, "minor"))
    before, after = heard(music), heard(coded_copy(music, RATE_HZ, container))
    assert after.key == before.key
    assert after.key_margin == pytest.approx(before.key_margin, abs=0.02)
    assert after.tuning_cents == pytest.approx(before.tuning_cents, abs=1)


def test_most_programmed_songs_are_heard_in_their_key() -> None:
    clips = list(keyed_clips(["house", "folk", "waltz"], range(2)))
    scores = [key_score(estimate_key(Features(c.samples, 48_000)).key, c.key) for c in clips]
    assert np.mean(scores) >= 0.6


def test_chromatic_music_has_no_key() -> None:
    steps = [chord(48 + 7 * step % 12, (0, 4, 8), cents=0) for step in range(12)]
    chromatic = np.concatenate(steps)[np.newaxis]
    with pytest.raises(AudioError, match=r"no clear key|no tones"):
        heard(chromatic)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (progression(KeyName(0, "major"))[:, : 7 * RATE_HZ], "7.0 s long"),
        (np.zeros((1, 10 * RATE_HZ), np.float32), "silent"),
        (drums(), r"no key|no clear key"),
        (
            np.random.default_rng(0).standard_normal((1, 10 * RATE_HZ)).astype(np.float32),
            "no tones",
        ),
        (np.full((1, 10 * RATE_HZ), 0.5, np.float32), "no tones"),
    ],
    ids=["short", "silent", "drums", "noise", "offset"],
)
def test_what_has_no_key_is_refused_with_the_reason(samples: FloatArray, reason: str) -> None:
    with pytest.raises(AudioError, match=reason):
        heard(samples)


@pytest.mark.parametrize(
    ("estimated", "asked", "relation"),
    [
        ("C# minor", "Db minor", "same"),
        ("G major", "C major", "fifth above"),
        ("E minor", "A minor", "fifth above"),
        ("F major", "C major", "other"),
        ("A minor", "C", "relative"),
        ("Eb major", "Cm", "relative"),
        ("C minor", "C major", "parallel"),
        ("B minor", "C major", "other"),
    ],
)
def test_relations_and_their_scores(estimated: str, asked: str, relation: str) -> None:
    found = key_relation(parse_key(estimated), parse_key(asked))
    assert found == relation
    assert key_score(parse_key(estimated), parse_key(asked)) == RELATION_SCORES[found]


def test_relative_keys_come_in_pairs() -> None:
    assert all(relative_key(relative_key(key)) == key for key in ALL_KEYS)
