"""How much do takes differ that were asked for in the same words, with other seeds?

Distances between two takes, over the length of the shorter one:

- `aligned_mel_db`: root mean square difference of 64 log-mel bands, frame by frame, in dB; the
  median difference (a gain) removed.
- `aligned_chroma`: 1 - mean cosine of chroma, frame by frame, 0..1.
- `timbre_db`: root mean square difference of each band's mean and deviation over time, in dB,
  the median removed: the sound of it, wherever the notes lie.
- `tempo_octaves`: size of the log2 of the tempo ratio with whole octaves removed, 0..0.5.
- whether both are in the same key.

A `Spread` is the median over all pairs of takes with a 95 % bootstrap interval. Takes are drawn,
not pairs: pairs that share a take are not independent, and drawing them makes intervals too
narrow. Between two anchors the median becomes an index: 0 is what the same seed twice gives
(nothing, if the engine repeats itself), 1 is what other tags give.

References: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentile
interval); Field and Welsh, Bootstrapping Clustered Data, JRSS B 69(3), 2007 (draw the clusters).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
import numpy.typing as npt

from workbench.analysis.features import Features, FloatArray
from workbench.analysis.key import estimate_key
from workbench.analysis.likeness import (
    chroma_cosine,
    fingerprint,
    frame_mel_difference_db,
    mel_levels_db,
)
from workbench.analysis.tempo import estimate_tempo
from workbench.errors import AudioError
from workbench.words import KeyName

SHORTEST_S = 1.0
_DRAWS = 1000
_INTERVAL_PCT = (2.5, 97.5)
# Rounding alone: takes that differ by less sound and measure the same.
_REPEATS_WITHIN_DB = 0.01

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spread:
    """Median over pairs, with the 95 % interval over draws of the takes (low, high)."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Distance:
    """How far apart two takes are; each 0 for a take and itself.

    Attributes
    ----------
    aligned_mel_db, timbre_db : float
        dB, >= 0.
    aligned_chroma : float
        0..1.
    tempo_octaves : float or None
        0..0.5; None where a take has no tempo.
    same_key : bool or None
        None where a take has no key.
    """

    aligned_mel_db: float
    aligned_chroma: float
    timbre_db: float
    tempo_octaves: float | None
    same_key: bool | None


@dataclass(frozen=True, slots=True)
class Diversity:
    """How takes of one request differ from seed to seed.

    Attributes
    ----------
    takes, pairs : int
        How many takes, and pairs of them.
    aligned_mel_db, aligned_chroma, timbre_db : Spread
        Medians over pairs, with intervals.
    tempo_octaves : Spread or None
        The same over takes that have a tempo; None under two.
    same_key_share : float or None
        Share of the pairs with keys that are in the same one; None without such pairs.
    identical_pairs : int
        Pairs of takes without any difference: the seed did nothing there.
    same_seed_mel_db : float or None
        Lower anchor; None if nothing was repeated.
    repeatable : bool or None
        Did the same seed give the same music each time? None if nothing was repeated.
    other_tags_mel_db : float or None
        Upper anchor; None if there were no other tags.
    index : Spread or None
        `aligned_mel_db` between the anchors; None without other tags. Without repeats the lower
        anchor is taken as 0.
    """

    takes: int
    pairs: int
    aligned_mel_db: Spread
    aligned_chroma: Spread
    timbre_db: Spread
    tempo_octaves: Spread | None
    same_key_share: float | None
    identical_pairs: int
    same_seed_mel_db: float | None
    repeatable: bool | None
    other_tags_mel_db: float | None
    index: Spread | None


def take_distance(take: Features, other: Features) -> Distance:
    """How far apart two takes are.

    Parameters
    ----------
    take, other : Features
        Two clips of at least 1 s; compared over the length of the shorter one.

    Returns
    -------
    Distance
        All distances.

    Raises
    ------
    AudioError
        If a clip is shorter than 1 s or silent.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal((1, 44_100)) / 10
    >>> take = Features(noise, 22_050)
    >>> take_distance(take, take).aligned_mel_db
    0.0
    """
    return _distance(_Summary.of(take), _Summary.of(other))


def measure_diversity(
    takes: Sequence[Features],
    *,
    repeats: Sequence[tuple[Features, Features]] = (),
    others: Sequence[Features] = (),
    seed: int = 0,
) -> Diversity:
    """Diversity of takes that differ only in their seed.

    Parameters
    ----------
    takes : sequence of Features
        At least two clips of at least 1 s.
    repeats : sequence of (Features, Features)
        The same request and seed, made twice: the lower anchor.
    others : sequence of Features
        Takes of other tags: the upper anchor, their median distance to the takes.
    seed : int
        Of the bootstrap: the same seed gives the same interval.

    Returns
    -------
    Diversity
        Medians, intervals, anchors and index.

    Raises
    ------
    AudioError
        If there are fewer than two takes, a clip is shorter than 1 s or silent, or the other
        tags sound no more different than the same seed twice.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> takes = [Features(rng.standard_normal((1, 44_100)) / 10, 22_050) for _ in range(3)]
    >>> found = measure_diversity(takes, repeats=[(takes[0], takes[0])])
    >>> found.pairs, found.repeatable, found.identical_pairs
    (3, True, 0)
    """
    if len(takes) < 2:
        raise AudioError(f"Diversity needs at least two takes; {len(takes)} given.")
    summaries = [_Summary.of(take) for take in takes]
    distances = {
        pair: _distance(summaries[pair[0]], summaries[pair[1]])
        for pair in combinations(range(len(takes)), 2)
    }
    rng = np.random.default_rng(seed)
    mel_db = _matrix(distances, len(takes), lambda distance: distance.aligned_mel_db)
    across_db = _across_db(summaries, others)
    same_seed_db = _same_seed_db(repeats)
    keys = [d.same_key for d in distances.values() if d.same_key is not None]
    return Diversity(
        takes=len(takes),
        pairs=len(distances),
        aligned_mel_db=_spread(mel_db, rng),
        aligned_chroma=_spread(_matrix(distances, len(takes), lambda d: d.aligned_chroma), rng),
        timbre_db=_spread(_matrix(distances, len(takes), lambda d: d.timbre_db), rng),
        tempo_octaves=_tempo_spread(distances, summaries, rng),
        same_key_share=float(np.mean(keys)) if keys else None,
        identical_pairs=sum(d.aligned_mel_db == 0 for d in distances.values()),
        same_seed_mel_db=float(np.median(same_seed_db)) if same_seed_db else None,
        repeatable=max(same_seed_db) <= _REPEATS_WITHIN_DB if same_seed_db else None,
        other_tags_mel_db=None if across_db is None else float(np.median(across_db)),
        index=None if across_db is None else _index(mel_db, across_db, same_seed_db, rng),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Summary:
    """What a take is compared by, worked out once."""

    levels_db: FloatArray
    chroma: FloatArray
    tempo_bpm: float | None
    key: KeyName | None

    @staticmethod
    def of(take: Features) -> _Summary:
        if take.duration_s < SHORTEST_S:
            raise AudioError(
                f"A take is {take.duration_s:.2f} s long; comparing needs {SHORTEST_S:g} s."
            )
        print_ = fingerprint(take)
        if print_.mel_power.max() <= 0:
            raise AudioError("A take is silent, so it cannot be compared with others.")
        return _Summary(
            mel_levels_db(print_.mel_power),
            print_.chroma,
            estimate_tempo(take).tempo_bpm,
            _key_or_none(take),
        )


def _key_or_none(take: Features) -> KeyName | None:
    try:
        return estimate_key(take).key
    except AudioError:
        return None


def _distance(take: _Summary, other: _Summary) -> Distance:
    frames = min(len(take.levels_db), len(other.levels_db))
    levels_db, others_db = take.levels_db[:frames], other.levels_db[:frames]
    others_db = others_db - np.median(others_db - levels_db)
    by_frame_db = frame_mel_difference_db(levels_db, others_db)
    cosine = chroma_cosine(take.chroma[:frames], other.chroma[:frames])
    tempo_octaves = None
    if take.tempo_bpm and other.tempo_bpm:
        octaves = np.log2(take.tempo_bpm / other.tempo_bpm)
        tempo_octaves = float(abs(octaves - np.round(octaves)))
    return Distance(
        aligned_mel_db=float(np.sqrt(np.mean(np.square(by_frame_db, dtype=np.float64)))),
        # Rounding may leave the cosine of a row with itself a hair off 1.
        aligned_chroma=float(np.clip(1 - cosine.mean(), 0, 1)),
        timbre_db=_timbre_db(levels_db, others_db),
        tempo_octaves=tempo_octaves,
        same_key=take.key == other.key if take.key and other.key else None,
    )


def _timbre_db(levels_db: FloatArray, others_db: FloatArray) -> float:
    means_db = others_db.mean(axis=0) - levels_db.mean(axis=0)
    deviations_db = others_db.std(axis=0) - levels_db.std(axis=0)
    both_db = np.concatenate([means_db - np.median(means_db), deviations_db])
    return float(np.sqrt(np.mean(np.square(both_db, dtype=np.float64))))


def _matrix(
    distances: dict[tuple[int, int], Distance],
    count: int,
    of: Callable[[Distance], float | None],
) -> Matrix:
    """Symmetric matrix of one distance, NaN on the diagonal and where undefined."""
    matrix = np.full((count, count), np.nan)
    for (i, j), distance in distances.items():
        value = of(distance)
        matrix[i, j] = matrix[j, i] = np.nan if value is None else value
    return matrix


def _across_db(summaries: Sequence[_Summary], others: Sequence[Features]) -> Matrix | None:
    """Distance of each take to each take of other tags, (takes, others)."""
    if not others:
        return None
    other_summaries = [_Summary.of(other) for other in others]
    return np.array([[_distance(a, b).aligned_mel_db for b in other_summaries] for a in summaries])


def _same_seed_db(repeats: Sequence[tuple[Features, Features]]) -> list[float]:
    return [take_distance(first, second).aligned_mel_db for first, second in repeats]


@cache
def _pairs_of(count: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    return np.triu_indices(count, 1)


def _pair_median(matrix: Matrix, drawn: npt.NDArray[np.intp]) -> float:
    """Median over pairs of different takes among those drawn; NaN if all are one take."""
    first, second = _pairs_of(len(drawn))
    # A take drawn twice is paired with itself on the diagonal, whose NaN leaves it out.
    values = matrix[drawn[first], drawn[second]]
    values = values[~np.isnan(values)]
    return float(np.median(values)) if len(values) else float("nan")


def _drawn(count: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """One bootstrap draw of `count` items, with replacement."""
    return rng.integers(count, size=(count,), dtype=np.intp)


def _spread(matrix: Matrix, rng: np.random.Generator) -> Spread:
    count = len(matrix)
    draws = [_pair_median(matrix, _drawn(count, rng)) for _ in range(_DRAWS)]
    low, high = np.nanpercentile(draws, _INTERVAL_PCT)
    return Spread(_pair_median(matrix, np.arange(count)), float(low), float(high))


def _tempo_spread(
    distances: dict[tuple[int, int], Distance],
    summaries: Sequence[_Summary],
    rng: np.random.Generator,
) -> Spread | None:
    with_tempo = [i for i, summary in enumerate(summaries) if summary.tempo_bpm]
    if len(with_tempo) < 2:
        return None
    matrix = _matrix(distances, len(summaries), lambda d: d.tempo_octaves)
    return _spread(matrix[np.ix_(with_tempo, with_tempo)], rng)


def _index(
    mel_db: Matrix, across_db: Matrix, same_seed_db: Sequence[float], rng: np.random.Generator
) -> Spread:
    """(pair - same seed) / (other tags - same seed), takes and others drawn together."""
    lower_db = float(np.median(same_seed_db)) if same_seed_db else 0.0
    if np.median(across_db) <= lower_db:
        raise AudioError(
            "Other tags sound no more different than the same seed twice, "
            "so there is no scale for diversity; choose tags that differ more."
        )

    def index(takes: npt.NDArray[np.intp], others: npt.NDArray[np.intp]) -> float:
        ceiling_db = float(np.median(across_db[np.ix_(takes, others)]))
        return (_pair_median(mel_db, takes) - lower_db) / (ceiling_db - lower_db)

    rows, columns = across_db.shape
    draws = [index(_drawn(rows, rng), _drawn(columns, rng)) for _ in range(_DRAWS)]
    low, high = np.nanpercentile(draws, _INTERVAL_PCT)
    return Spread(index(np.arange(rows), np.arange(columns)), float(low), float(high))
