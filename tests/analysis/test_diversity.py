"""Distances between takes: nothing for the same take, more the more of it is replaced."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.analysis.checks.score_untouched import coded_copy
from workbench.analysis.diversity import measure_diversity, take_distance
from workbench.analysis.features import Features, FloatArray
from workbench.errors import AudioError

RATE_HZ = 22_050


def tune(seed: int, *, seconds: int = 8, brightness: float = 1.0) -> FloatArray:
    """Random notes of one scale, eight in a second, each with four overtones."""
    rng = np.random.default_rng(seed)
    times_s = np.arange(RATE_HZ // 8) / RATE_HZ
    notes = []
    for _ in range(8 * seconds):
        pitch_hz = 220 * 2 ** (rng.choice([0, 2, 4, 7, 9, 12]) / 12)
        overtones = [
            brightness**k * np.sin(2 * np.pi * (k + 1) * pitch_hz * times_s) for k in range(4)
        ]
        notes.append(np.sum(overtones, axis=0) * np.exp(-times_s * rng.uniform(5, 20)))
    return (0.1 * np.concatenate(notes)).astype(np.float32)[np.newaxis]


def take(samples: FloatArray) -> Features:
    return Features(samples, RATE_HZ)


def test_a_take_is_at_no_distance_from_itself() -> None:
    distance = take_distance(take(tune(0)), take(tune(0)))
    assert distance.aligned_mel_db == 0
    assert distance.timbre_db == 0
    assert distance.aligned_chroma == pytest.approx(0, abs=1e-6)
    assert distance.tempo_octaves in (0, None)
    assert distance.same_key in (True, None)


def test_a_gain_is_no_distance_and_a_codec_next_to_none() -> None:
    original = take(tune(0))
    assert take_distance(original, take(tune(0) / np.float32(2))).aligned_mel_db < 1e-3
    coded = take_distance(original, take(coded_copy(tune(0), RATE_HZ, "MP3")))
    assert coded.aligned_mel_db < 0.5 * take_distance(original, take(tune(1))).aligned_mel_db


def test_distances_do_not_fall_as_more_is_replaced() -> None:
    original = tune(0)
    distances = []
    for share in (0.1, 0.2, 0.3, 0.5, 0.7, 1.0):
        mixed = original.copy()
        count = round(share * mixed.shape[1])
        mixed[:, :count] = tune(1)[:, :count]
        distances.append(take_distance(take(original), take(mixed)))
    for name in ("aligned_mel_db", "aligned_chroma"):
        values = [getattr(distance, name) for distance in distances]
        assert values == sorted(values)
        assert values[-1] > 2 * values[0] > 0


def test_timbre_hears_the_sound_and_not_the_notes() -> None:
    first, other_notes, other_sound = tune(0), tune(1), tune(0, brightness=0.3)
    notes = take_distance(take(first), take(other_notes))
    sound = take_distance(take(first), take(other_sound))
    assert sound.timbre_db > 1.5 * notes.timbre_db
    assert sound.aligned_chroma < notes.aligned_chroma


def test_seeds_lie_between_the_anchors() -> None:
    takes = [take(tune(seed)) for seed in range(5)]
    noise = np.random.default_rng(0).standard_normal((3, 1, 8 * RATE_HZ), dtype=np.float32)
    found = measure_diversity(
        takes, repeats=[(takes[0], take(tune(0)))], others=[take(sound) for sound in noise]
    )
    assert (found.takes, found.pairs, found.identical_pairs) == (5, 10, 0)
    assert found.repeatable is True
    assert found.same_seed_mel_db == 0
    assert found.index is not None
    assert 0 < found.index.low <= found.index.median <= found.index.high < 1
    assert found.aligned_mel_db.low <= found.aligned_mel_db.median <= found.aligned_mel_db.high
    assert found.other_tags_mel_db is not None
    assert found.index.median == pytest.approx(
        found.aligned_mel_db.median / found.other_tags_mel_db
    )


def test_a_seed_without_effect_reads_zero_and_is_counted() -> None:
    takes = [take(tune(0)) for _ in range(4)]
    found = measure_diversity(takes, others=[take(tune(9, brightness=0.2))])
    assert found.identical_pairs == found.pairs == 6
    assert found.aligned_mel_db.median == found.aligned_mel_db.high == 0
    assert found.index is not None
    assert found.index.median == 0
    assert found.repeatable is None


def test_an_engine_that_does_not_repeat_itself_is_flagged() -> None:
    takes = [take(tune(0)), take(tune(1))]
    found = measure_diversity(takes, repeats=[(takes[0], take(tune(2)))])
    assert found.repeatable is False
    assert found.same_seed_mel_db is not None
    assert found.same_seed_mel_db > 1
    assert found.index is None


def test_the_interval_is_repeatable_and_narrows_with_takes() -> None:
    few = [take(tune(seed)) for seed in range(4)]
    many = few + [take(tune(seed)) for seed in range(4, 10)]
    once, again = measure_diversity(few, seed=3), measure_diversity(few, seed=3)
    assert once == again
    wide, narrow = once.aligned_mel_db, measure_diversity(many, seed=3).aligned_mel_db
    assert narrow.high - narrow.low < wide.high - wide.low


@pytest.mark.parametrize(
    ("takes", "reason"),
    [
        ([tune(0)], "two takes"),
        ([tune(0), tune(1)[:, : RATE_HZ // 2]], "0.50 s long"),
        ([tune(0), np.zeros((1, RATE_HZ * 2), np.float32)], "silent"),
    ],
    ids=["one", "short", "silent"],
)
def test_what_cannot_be_compared_is_refused(takes: list[FloatArray], reason: str) -> None:
    with pytest.raises(AudioError, match=reason):
        measure_diversity([take(samples) for samples in takes])


def test_anchors_that_coincide_are_refused() -> None:
    takes = [take(tune(0)), take(tune(1))]
    with pytest.raises(AudioError, match="no scale"):
        measure_diversity(takes, repeats=[(takes[0], takes[1])], others=[takes[0]])
