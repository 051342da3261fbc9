"""How far is the tempo ruler from the truth, and what does it cost?

`python -m workbench.analysis.checks.score_tempo [--programmed N] [FOLDER ...]` prints tables, a
row per group, each with its n and 95 % interval (Wilson; bootstrap by clip for medians and AUC):
programmed clips from scoring seeds, clips without pulse, and the clips of every folder that has a
`manifest.json`. Beside ours stand the plain `librosa.feature.tempo` and `beat_track`.

- Acc1: within 4 % of the truth; Acc2: of the truth times 1, 2, 3, 1/2 or 1/3 (Gouyon et al. 2006).
- Resampled: the clip made faster by a known factor, and whether the estimate follows within
  0.5 %, octaves forgotten. Needs no truth.
- Verification: the truth as request once, and four wrong requests at least 4.2 % off in any
  octave; octave-strict: also twice and half the truth as wrong requests. Near misses are requests
  2.5 to 4 % too fast and too slow, which should be called a mismatch, too.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import librosa
import numpy as np
import soxr
from rich.console import Console
from rich.table import Table

from workbench.analysis.beat_scores import BeatScores, score_beats
from workbench.analysis.beats import track_beats
from workbench.analysis.checks.material import (
    FIRST_SCORING_SEED,
    TruthClip,
    folder_clips,
    pulseless_clip,
    sketch_clip,
)
from workbench.analysis.features import FEATURE_RATE_HZ, Features
from workbench.analysis.pulse import FASTEST_BPM, SLOWEST_BPM, DoubleArray, PulseEvidence
from workbench.analysis.rates import area_under_curve, bootstrap_interval, share_of
from workbench.analysis.tempo import (
    RATIOS,
    Tempo,
    estimate_tempo,
    octave_margin,
    tempo_folded_error_pct,
    verify_tempo,
)

FACTORS = (0.90, 0.94, 0.97, 1.03, 1.06, 1.10)
_FOLLOWS_PCT = 0.5
_WRONG_REQUESTS = 4
# Distance of wrong requests from the truth in octaves, 4.2 % at least.
_WRONG_OCTAVES = (0.06, 0.94)
_NEAR_MISSES = (1.025, 1.04)
_STAGES = ("features", "tempo", "beats")
_PAGE_WIDTH = 180
_CONFIDENCE_EDGES = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True)
class Scored:
    """What was found of one clip. Scores: (the true request, the wrong ones ...)."""

    group: str
    truth_bpm: float
    tempo: Tempo
    plain_bpm: float
    plain_beats_bpm: float
    follows: tuple[bool, ...]
    scores_2pct: DoubleArray
    scores_4pct: DoubleArray
    strict_scores: DoubleArray
    verdicts: tuple[str, ...]
    near_verdicts: tuple[str, ...]
    beats: BeatScores | None


def score_clip(clip: TruthClip, seed: int) -> Scored:
    """Measure one clip of known tempo in every way the tables show.

    Parameters
    ----------
    clip : TruthClip
        With a tempo.
    seed : int
        Draws the wrong requests.

    Returns
    -------
    Scored

    Raises
    ------
    ValueError
        If the clip has no tempo.
    """
    if clip.tempo_bpm is None:
        raise ValueError(f"{clip.name} has no tempo to score against.")
    features = Features(clip.samples, clip.rate_hz)
    tempo = estimate_tempo(features)
    evidence = PulseEvidence(features.onset_bands)
    asked = [clip.tempo_bpm, *wrong_requests_bpm(clip.tempo_bpm, seed)]
    strict_asked = [*asked, clip.tempo_bpm / 2, clip.tempo_bpm * 2]
    plain_bpm, plain_beats_bpm = _plain_tempos_bpm(features)
    return Scored(
        group=clip.group,
        truth_bpm=clip.tempo_bpm,
        tempo=tempo,
        plain_bpm=plain_bpm,
        plain_beats_bpm=plain_beats_bpm,
        follows=tuple(follows(features, tempo, factor) for factor in FACTORS),
        scores_2pct=np.array([verify_tempo(evidence, r)[1] for r in asked]),
        scores_4pct=np.array([verify_tempo(evidence, r, tol_pct=4.0)[1] for r in asked]),
        strict_scores=np.array([_strict_score(evidence, r) for r in strict_asked]),
        verdicts=tuple(verify_tempo(evidence, r)[0] for r in asked),
        near_verdicts=tuple(
            verify_tempo(evidence, r)[0] for r in near_misses_bpm(clip.tempo_bpm, seed)
        ),
        beats=(
            None
            if clip.beats_s is None
            else score_beats(clip.beats_s, track_beats(features, tempo))
        ),
    )


def wrong_requests_bpm(truth_bpm: float, seed: int) -> DoubleArray:
    """Four tempos, each at least 4.2 % off the truth in any octave."""
    generator = np.random.default_rng(seed)
    wrong: DoubleArray = truth_bpm * 2 ** generator.uniform(*_WRONG_OCTAVES, _WRONG_REQUESTS)
    return wrong


def near_misses_bpm(truth_bpm: float, seed: int) -> DoubleArray:
    """Two tempos, 2.5 to 4 % above the truth and as much below it."""
    ratios = np.random.default_rng(seed).uniform(*_NEAR_MISSES, 2)
    return np.array([truth_bpm * ratios[0], truth_bpm / ratios[1]])


def accuracy_table(scored: list[Scored]) -> Table:
    """Accuracies of ours and of the plain library calls by group."""
    table = _table("Tempo against the truth", "estimate", "Acc1 4 %", "Acc2 4 %", "Acc1 1 %")
    table.add_column("Acc2 1 %")
    table.add_column("median |folded error| %")
    readers: dict[str, Callable[[Scored], float]] = {
        "ours": lambda one: one.tempo.tempo_bpm or float("nan"),
        "librosa.feature.tempo": lambda one: one.plain_bpm,
        "librosa.beat.beat_track": lambda one: one.plain_beats_bpm,
    }
    for group, members in _by_group(scored):
        truth_bpm = np.array([one.truth_bpm for one in members])
        for name, read in readers.items():
            found_bpm = np.array([read(one) for one in members])
            once = np.abs(found_bpm / truth_bpm - 1)
            any_ratio = np.min(
                [np.abs(found_bpm / (truth_bpm * ratio) - 1) for ratio in RATIOS.values()], axis=0
            )
            shares = [share_of(e <= t) for t in (0.04, 0.01) for e in (once, any_ratio)]
            table.add_row(group, name, *map(str, shares), _median_error(found_bpm, truth_bpm))
    return table


def confidence_table(scored: list[Scored]) -> Table:
    """Stated confidence against the share that was right, as given and with octaves allowed."""
    table = _table("Confidence", "stated", "mean stated", "right within 4 %")
    for group, members in _by_group(scored):
        given = [one for one in members if one.tempo.tempo_bpm is not None]
        for name, stated, errors in (
            ("confidence", [one.tempo.confidence for one in given], _errors(given, folded=False)),
            (
                "confidence_folded",
                [one.tempo.confidence_folded for one in given],
                _errors(given, folded=True),
            ),
        ):
            values = np.array(stated)
            for low, high in itertools.pairwise(_CONFIDENCE_EDGES):
                inside = (values > low) & (values <= high)
                if inside.any():
                    right = share_of(errors[inside] <= 0.04)
                    label = f"{name} {low:.1f}..{high:.1f}"
                    table.add_row(group, label, f"{values[inside].mean():.2f}", str(right))
    return table


def verification_table(scored: list[Scored]) -> Table:
    """AUC at 2 % and 4 %, octave-strict at 2 %; precision and recall of the verdict at 2 %."""
    table = _table("Verification", "AUC 2 %", "AUC 4 %", "AUC strict", "precision", "recall")
    table.add_column("decisions right")
    table.add_column("near misses refused")
    for group, members in _by_group(scored):
        said_match = [
            (verdict == "match", place == 0, verdict != "undecided")
            for one in members
            for place, verdict in enumerate(one.verdicts)
        ]
        table.add_row(
            group,
            *(
                _auc(np.array([getattr(one, name) for one in members]))
                for name in ("scores_2pct", "scores_4pct", "strict_scores")
            ),
            str(share_of([true for match, true, _ in said_match if match])),
            str(share_of([match for match, true, _ in said_match if true])),
            str(share_of([match == true for match, true, decided in said_match if decided])),
            str(share_of([said == "mismatch" for one in members for said in one.near_verdicts])),
        )
    return table


def following_table(scored: list[Scored]) -> Table:
    """Whether the estimate follows a known resampling, and how well beats are placed."""
    table = _table("Resampled, and beats", "follows within 0.5 %", "clips with beats", "F-measure")
    table.add_column("CMLt")
    table.add_column("AMLt")
    for group, members in _by_group(scored):
        beats = [one.beats for one in members if one.beats is not None]
        means = [
            _mean(np.array([getattr(one, name) for one in beats])) if beats else "-"
            for name in ("f_measure", "cmlt", "amlt")
        ]
        follows = share_of([one for clip in members for one in clip.follows])
        table.add_row(group, str(follows), str(len(beats)), *means)
    return table


def pulseless_line(count: int) -> str:
    """How clips without any pulse are answered."""
    clips = [pulseless_clip(FIRST_SCORING_SEED + index) for index in range(count)]
    found = [estimate_tempo(Features(clip.samples, clip.rate_hz)) for clip in clips]
    undefined = share_of([one.tempo_bpm is None for one in found])
    mean = np.mean([one.confidence for one in found])
    return f"Clips without pulse: undefined {undefined}; mean confidence of all {mean:.2f}"


def speed_line() -> str:
    """Processor time for 60 s of stereo at 48 kHz: features, then tempo, then beats."""
    samples = sketch_clip(FIRST_SCORING_SEED, duration_s=60.0).samples
    best = [float("inf")] * 3
    for _ in range(3):
        marks = [time.process_time()]
        features = Features(samples, 48_000)
        _ = features.onset_bands
        marks.append(time.process_time())
        tempo = estimate_tempo(features)
        marks.append(time.process_time())
        track_beats(features, tempo)
        marks.append(time.process_time())
        best = [min(pair) for pair in zip(best, np.diff(marks).tolist(), strict=True)]
    shown = [f"{name} {1e3 * spent:.0f} ms" for name, spent in zip(_STAGES, best, strict=True)]
    return f"60 s of stereo at 48 kHz, best of three: {', '.join(shown)}"


def _plain_tempos_bpm(features: Features) -> tuple[float, float]:
    mono = features.mono_22k
    plain = librosa.feature.tempo(y=mono, sr=FEATURE_RATE_HZ)
    beats, _ = librosa.beat.beat_track(y=mono, sr=FEATURE_RATE_HZ)
    return float(np.ravel(plain)[0]), float(np.ravel(beats)[0])


def follows(features: Features, tempo: Tempo, factor: float) -> bool:
    """Whether the estimate follows when the clip is made faster, octaves forgotten, to 0.5 %."""
    faster = soxr.resample(features.mono_22k, FEATURE_RATE_HZ, FEATURE_RATE_HZ / factor)
    found = estimate_tempo(Features(faster[None], FEATURE_RATE_HZ))
    if tempo.tempo_bpm is None or found.tempo_bpm is None:
        return False
    error_pct = tempo_folded_error_pct(found.tempo_bpm, tempo.tempo_bpm * factor)
    return abs(error_pct) <= _FOLLOWS_PCT


def _strict_score(evidence: PulseEvidence, requested_bpm: float) -> float:
    if not SLOWEST_BPM <= requested_bpm <= FASTEST_BPM:
        return float("-inf")
    return min(verify_tempo(evidence, requested_bpm)[1], octave_margin(evidence, requested_bpm))


def _errors(scored: list[Scored], *, folded: bool) -> DoubleArray:
    ratios = np.array([(one.tempo.tempo_bpm or np.nan) / one.truth_bpm for one in scored])
    if folded:
        ratios = np.array([1 + tempo_folded_error_pct(ratio, 1.0) / 100 for ratio in ratios])
    errors: DoubleArray = np.abs(ratios - 1)
    return errors


def _median_error(found_bpm: DoubleArray, truth_bpm: DoubleArray) -> str:
    errors = np.array(
        [
            abs(tempo_folded_error_pct(found, truth)) if found > 0 else np.inf
            for found, truth in zip(found_bpm, truth_bpm, strict=True)
        ]
    )
    low, high = bootstrap_interval(len(errors), lambda drawn: float(np.median(errors[drawn])))
    return f"{np.median(errors):.3f} [{low:.3f}, {high:.3f}]"


def _mean(values: DoubleArray) -> str:
    low, high = bootstrap_interval(len(values), lambda drawn: float(np.mean(values[drawn])))
    return f"{values.mean():.3f} [{low:.3f}, {high:.3f}]"


def _auc(scores: DoubleArray) -> str:
    def area(clips: DoubleArray) -> float:
        return area_under_curve(clips[:, 0], clips[:, 1:].ravel())

    low, high = bootstrap_interval(len(scores), lambda drawn: area(scores[drawn]), rounds=200)
    return f"{area(scores):.3f} [{low:.3f}, {high:.3f}]"


def _by_group(scored: list[Scored]) -> Iterator[tuple[str, list[Scored]]]:
    for group in sorted({one.group for one in scored}):
        yield group, [one for one in scored if one.group == group]


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left")
    for column in ("group", *columns):
        table.add_column(column)
    return table


def main() -> None:
    """Print every table; see the module."""
    parser = argparse.ArgumentParser(description="Score the tempo ruler against known tempos.")
    parser.add_argument("folders", nargs="*", type=Path, help="folders with a manifest.json")
    parser.add_argument("--programmed", type=int, default=90, help="programmed clips (90)")
    asked = parser.parse_args()
    programmed = (sketch_clip(FIRST_SCORING_SEED + index) for index in range(asked.programmed))
    scored = [score_clip(clip, seed) for seed, clip in enumerate(programmed)]
    for folder in asked.folders:
        scored += [score_clip(clip, seed) for seed, clip in enumerate(folder_clips(folder))]
    console = Console(width=_PAGE_WIDTH)
    for show in (accuracy_table, following_table, verification_table, confidence_table):
        console.print(show(scored))
    console.print(pulseless_line(max(12, asked.programmed // 2)))
    console.print(speed_line())


if __name__ == "__main__":
    main()
