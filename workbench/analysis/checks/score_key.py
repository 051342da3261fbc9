"""How often is the key right? Prints shares with n and 95 % Wilson intervals.

    python -m workbench.analysis.checks.score_key [clips per genre, 24 if not given] [FILE ...]

Programmed clips of the embedded engine, 30 s each, whose key is known: for each of the nine
genres that nothing in `key` was tuned on, all 24 keys in turn. Then, without labels, on a quarter
of them: played faster or slower by up to six semitones, the key must move by as much; detuned by
a third of a semitone, or through Ogg Vorbis and back, it must stay. Last, white noise has no key
and must be refused.

`... score_key 12 tuned` scores the genres that were tuned on instead. Of audio files, whose key
nobody knows, the same questions without labels are asked: `... score_key 0 FILE ...` asks only
those.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import soxr

from workbench.analysis.checks.score_untouched import coded_copy
from workbench.analysis.features import Features, FloatArray
from workbench.analysis.key import (
    RELATION_SCORES,
    Key,
    KeyRelation,
    estimate_key,
    key_relation,
)
from workbench.analysis.rates import Share, share_of
from workbench.clip import Clip
from workbench.errors import AudioError
from workbench.sketch import GENRES, RATE_HZ, plan_from_words, render
from workbench.words import KeyName, parse_key

TUNED_GENRES, SCORED_GENRES = list(GENRES)[::2], list(GENRES)[1::2]
_CLIP_S = 30.0
_FIRST_SEED = 70_000
_DETUNED_SEMITONES = 0.35
_MARGIN_BINS = (0.02, 0.1, 0.2, 2.0)


@dataclass(frozen=True, slots=True, eq=False)
class KeyedClip:
    """A programmed clip: its genre, its true key, its samples (2, n) at 48 kHz."""

    genre: str
    key: KeyName
    samples: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class _Heard:
    """A clip with the key that was heard in it."""

    samples: FloatArray
    rate_hz: int
    key: KeyName


def keyed_clips(genres: Sequence[str], numbers: Sequence[int]) -> Iterator[KeyedClip]:
    """Programmed clips of known key; 24 numbers in turn are all 24 keys, 12 major ones first.

    Parameters
    ----------
    genres : sequence of str
        Names in `workbench.sketch.GENRES`.
    numbers : sequence of int
        Which of each, 0 to 99.

    Yields
    ------
    KeyedClip
        30 s each, each of another seed.

    Examples
    --------
    >>> str(next(keyed_clips(["folk"], [0])).key)
    'C major'
    """
    for place, genre in enumerate(genres):
        for number in numbers:
            asked = KeyName((7 * number + 5 * place) % 12, ("major", "minor")[number // 12 % 2])
            plan, _ = plan_from_words(
                [genre],
                lyrics_sections=[],
                tempo_bpm=None,
                key=str(asked),
                time_signature=None,
                duration_s=_CLIP_S,
                seed=_FIRST_SEED + 100 * place + number,
                vocal=number % 3 == 0,
            )
            samples, truth = render(plan)
            yield KeyedClip(genre, parse_key(truth.key), samples)


def key_or_none(samples: FloatArray, rate_hz: int) -> Key | None:
    """The key of a clip, or None where it is refused."""
    try:
        return estimate_key(Features(samples, rate_hz))
    except AudioError:
        return None


def _accuracy_lines(answers: Sequence[tuple[str, KeyName, Key | None]]) -> Iterator[str]:
    relations: list[KeyRelation | None] = [
        key_relation(found.key, truth) if found else None for _, truth, found in answers
    ]
    score = np.mean([RELATION_SCORES[r] if r else 0.0 for r in relations])
    yield f"weighted score: {score:.3f} n={len(answers)} (undefined counts 0)"
    yield f"exact: {share_of([r == 'same' for r in relations])} (undefined counts as wrong)"
    yield f"exact or relative: {share_of([r in ('same', 'relative') for r in relations])}"
    for relation, count in Counter(relations).most_common():
        yield f"  {relation or 'undefined'}: {count}"
    for name in dict.fromkeys(genre for genre, _, _ in answers):
        hits = [r == "same" for r, (genre, _, _) in zip(relations, answers, strict=True)
                if genre == name]  # fmt: skip
        yield f"  exact, {name}: {share_of(hits)}"
    for mode in ("major", "minor"):
        hits = [r == "same" for r, (_, truth, _) in zip(relations, answers, strict=True)
                if truth.mode == mode]  # fmt: skip
        yield f"  exact, {mode}: {share_of(hits)}"


def _calibration_lines(answers: Sequence[tuple[str, KeyName, Key | None]]) -> Iterator[str]:
    given = [(found, found.key == truth) for _, truth, found in answers if found]
    for low, high in pairwise(_MARGIN_BINS):
        inside = [(found.confidence, hit) for found, hit in given if low <= found.key_margin < high]
        if inside:
            stated = np.mean([confidence for confidence, _ in inside])
            share = share_of([hit for _, hit in inside])
            yield f"  margin {low:g} to {high:g}: confidence {stated:.2f}, exact {share}"


def _moved(clip: _Heard, semitones: float) -> Key | None:
    """The key heard when the clip is played faster, so that all of it rises by `semitones`."""
    factor = 2 ** (semitones / 12)
    samples = soxr.resample(clip.samples.T, clip.rate_hz * factor, clip.rate_hz).T
    return key_or_none(np.ascontiguousarray(samples), clip.rate_hz)


def _label_free_lines(clips: Sequence[_Heard]) -> Iterator[str]:
    followed, detuned, unmoved = [], [], []
    for number, clip in enumerate(clips):
        step = (-6, -4, -3, -1, 1, 2, 4, 5)[number % 8]
        wanted = clip.key._replace(tonic=(clip.key.tonic + step) % 12)
        moved = _moved(clip, step)
        followed.append(moved is not None and moved.key == wanted)
        bent = _moved(clip, _DETUNED_SEMITONES * (-1) ** number)
        detuned.append(bent is not None and bent.key == clip.key)
        coded = key_or_none(coded_copy(clip.samples, clip.rate_hz, "OGG"), clip.rate_hz)
        unmoved.append(coded is not None and coded.key == clip.key)
    yield f"transposed by -6 to 5 semitones, key follows: {share_of(followed)}"
    yield f"detuned by 35 cents, key stays: {share_of(detuned)}"
    yield f"Ogg Vorbis round trip, key stays: {share_of(unmoved)}"


def _refusal_line(count: int) -> str:
    rng = np.random.default_rng(1)
    refused = []
    for _ in range(count):
        noise = (0.1 * rng.standard_normal((1, 10 * RATE_HZ))).astype(np.float32)
        refused.append(key_or_none(noise, RATE_HZ) is None)
    return f"noise refused: {share_of(refused)}"


def _report_lines(per_genre: int, genres: Sequence[str]) -> Iterator[str]:
    answers: list[tuple[str, KeyName, Key | None]] = []
    probes: list[_Heard] = []
    for number, clip in enumerate(keyed_clips(genres, range(per_genre))):
        found = key_or_none(clip.samples, RATE_HZ)
        answers.append((clip.genre, clip.key, found))
        if found and number % 4 == 0:
            probes.append(_Heard(clip.samples, RATE_HZ, found.key))
    yield from _accuracy_lines(answers)
    yield from _calibration_lines(answers)
    yield from _label_free_lines(probes)
    yield _refusal_line(30)


def _file_lines(paths: Sequence[str]) -> Iterator[str]:
    heard = []
    for path in paths:
        clip = Clip.read(path)
        found = key_or_none(clip.samples, clip.rate_hz)
        if found:
            heard.append(_Heard(clip.samples, clip.rate_hz, found.key))
    yield f"files with a key: {Share(len(heard), len(paths))}"
    yield from _label_free_lines(heard)


def main(arguments: Sequence[str]) -> None:
    """Print the figures; see the module for the arguments."""
    per_genre = int(arguments[0]) if arguments else 24
    genres = TUNED_GENRES if "tuned" in arguments[1:2] else SCORED_GENRES
    files = arguments[2 if "tuned" in arguments[1:2] else 1 :]
    if per_genre:
        for line in _report_lines(per_genre, genres):
            sys.stdout.write(line + "\n")
    if files:
        for line in _file_lines(files):
            sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
