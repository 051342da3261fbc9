"""Do the distances between takes grow with how different the takes are?

`python -m workbench.analysis.checks.score_diversity [--songs N] [FOLDER ...]` prints figures with
their n and 95 % bootstrap intervals by song.

The ladder: a song of the embedded engine, and retakes of it in which a share of 0.1 to 0.6 of the
bars (the *variance* of the retake) is played anew, by another seed at the same tempo and in the
same key. Which bars, and what is played there, is drawn for each retake alone, so that nothing
but the variance orders them. Distances must not fall along the ladder. Beside it stand the
anchors: the same seed twice, and another genre; and an encode-decode round trip.

Of folders with a `manifest.json`: the distance of an edit (`edit_span_s`) from its source inside
and outside the span, and between songs.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path

import numpy as np

from workbench.analysis.checks.score_untouched import coded_copy
from workbench.analysis.diversity import Distance, take_distance
from workbench.analysis.features import Features, FloatArray
from workbench.analysis.products import DoubleArray
from workbench.analysis.rates import bootstrap_interval, share_of
from workbench.clip import Clip
from workbench.sketch import GENRES, RATE_HZ, Plan, plan_from_words, render

VARIANCES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
DISTANCES = ("aligned_mel_db", "aligned_chroma", "timbre_db")

_FIRST_SEED = 90_000
_SONG_S = 30.0
_RETAKES = 4
_FADE_S = 0.01


@dataclass(frozen=True, eq=False)
class Rungs:
    """Distances of one song from its retakes and anchors.

    Attributes
    ----------
    ladder : np.ndarray, float64, shape (variances, 3)
        Median over retakes of each of `DISTANCES`.
    again, coded, other : np.ndarray, float64, shape (3,)
        The same seed rendered twice, a Vorbis round trip, and a song of another genre.
    """

    ladder: DoubleArray
    again: DoubleArray
    coded: DoubleArray
    other: DoubleArray

    def steps_up(self, distance: str) -> list[bool]:
        """Whether a distance does not fall, for each step of the ladder."""
        steps = np.diff(self.ladder[:, DISTANCES.index(distance)]) >= 0
        return [bool(step) for step in steps]


def song_plan(number: int) -> Plan:
    """The plan of one song, genres in turn.

    Examples
    --------
    >>> song_plan(0).genre != song_plan(1).genre
    True
    """
    plan, _ = plan_from_words(
        [sorted(GENRES)[number % len(GENRES)]],
        lyrics_sections=[],
        tempo_bpm=None,
        key=None,
        time_signature=None,
        duration_s=_SONG_S,
        seed=_FIRST_SEED + number,
        vocal=False,
    )
    return plan


def retake(song: FloatArray, plan: Plan, variance: float, seed: int) -> FloatArray:
    """A song with some of its bars played anew.

    Parameters
    ----------
    song : np.ndarray, float32, shape (2, n)
        What `plan` renders to.
    plan : Plan
        Its plan.
    variance : float
        Share of the bars to play anew, 0..1.
    seed : int
        Draws the bars and plays them.

    Returns
    -------
    np.ndarray, float32, shape (2, n)
        Crossfaded for 10 ms after each change between old and new.

    Examples
    --------
    >>> plan = song_plan(0)
    >>> song = render(plan)[0]
    >>> bool((retake(song, plan, 0.0, 1) == song).all()), retake(song, plan, 1.0, 1).shape[1]
    (True, 1440000)
    """
    rng = np.random.default_rng([plan.seed, seed])
    bars = int(np.ceil(plan.duration_s / plan.bar_s))
    anew = rng.permutation(bars) < round(variance * bars)
    if not anew.any():
        return song
    other = render(replace(plan, seed=int(rng.integers(2**31))))[0]
    bar_of = np.minimum((np.arange(song.shape[1]) / RATE_HZ / plan.bar_s).astype(int), bars - 1)
    fade = round(_FADE_S * RATE_HZ)
    switched = np.concatenate([np.full(fade, anew[0]), anew[bar_of]]).astype(np.float64)
    total = np.cumsum(switched)
    share = ((total[fade:] - total[:-fade]) / fade).astype(np.float32)
    return song + share * (other - song)


def climb(number: int, variances: Sequence[float] = VARIANCES) -> Rungs:
    """Every distance of one song, retakes four per variance."""
    plan = song_plan(number)
    song = render(plan)[0]
    here = Features(song, RATE_HZ)

    def away(samples: FloatArray) -> DoubleArray:
        return _as_row(take_distance(here, Features(samples, RATE_HZ)))

    ladder = [
        np.median([away(retake(song, plan, v, 10 * rung + k)) for k in range(_RETAKES)], axis=0)
        for rung, v in enumerate(variances)
    ]
    return Rungs(
        ladder=np.array(ladder),
        again=away(render(plan)[0]),
        coded=away(coded_copy(song, RATE_HZ, "OGG")),
        other=away(render(song_plan(number + 1))[0]),
    )


def _as_row(distance: Distance) -> DoubleArray:
    return np.array([getattr(distance, name) for name in DISTANCES])


def _median(values: DoubleArray) -> str:
    low, high = bootstrap_interval(len(values), lambda drawn: float(np.median(values[drawn])))
    return f"{np.median(values):.3g} [{low:.3g}, {high:.3g}]"


def _ladder_lines(songs: Sequence[Rungs]) -> Iterator[str]:
    yield f"medians over {len(songs)} songs: {', '.join(DISTANCES)}"
    for rung, variance in enumerate(VARIANCES):
        rows = np.array([song.ladder[rung] for song in songs])
        yield f"  variance {variance:.1f}: {'; '.join(_median(column) for column in rows.T)}"
    for name in ("again", "coded", "other"):
        rows = np.array([getattr(song, name) for song in songs])
        yield f"  {name}: {'; '.join(_median(column) for column in rows.T)}"
    for distance in DISTANCES:
        up = share_of([step for song in songs for step in song.steps_up(distance)])
        yield f"steps of the ladder where {distance} does not fall: {up}"
    below = share_of([bool((s.ladder[:, 0] < s.other[0]).all()) for s in songs])
    yield f"songs nearer to every retake than to another genre, aligned_mel_db: {below}"


def _folder_lines(folder: Path) -> Iterator[str]:
    items = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["items"]
    for item in items:
        if not item.get("edit_span_s"):
            continue
        source = next(i for i in items if i["group"] == item["group"] and i is not item)
        clips = [Clip.read(folder / each["file"]) for each in (source, item)]
        start_s, end_s = item["edit_span_s"]
        spans = {"inside": (start_s, end_s), "outside": (end_s, clips[0].duration_s)}
        for where, (first_s, last_s) in spans.items():
            pair = [_heard(clip.cut(first_s + 0.5, last_s - 0.5)) for clip in clips]
            row = _as_row(take_distance(*pair))
            yield f"{item['file']} from its source, {where}: {', '.join(f'{v:.3g}' for v in row)}"
    songs = [_heard(Clip.read(folder / i["file"])) for i in items if i["group"] == "ace_song"]
    if len(songs) > 1:
        rows = np.array([_as_row(take_distance(a, b)) for a, b in combinations(songs, 2)])
        medians = ", ".join(f"{value:.3g}" for value in np.median(rows, axis=0))
        yield f"between {len(songs)} songs, medians of {len(rows)} pairs: {medians}"


def _heard(clip: Clip) -> Features:
    return Features(clip.samples, clip.rate_hz)


def main() -> None:
    """Print the figures; see the module."""
    parser = argparse.ArgumentParser(description="Score the distances between takes.")
    parser.add_argument("folders", nargs="*", type=Path, help="folders with a manifest.json")
    parser.add_argument("--songs", type=int, default=36, help="programmed songs (36)")
    asked = parser.parse_args()
    for line in _ladder_lines([climb(number) for number in range(asked.songs)]):
        sys.stdout.write(line + "\n")
    for folder in asked.folders:
        for line in _folder_lines(folder):
            sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
