"""Fit the confidence of tempo estimates on damaged clips, and store the numbers.

`python -m workbench.analysis.checks.fit_tempo [--programmed N] [FOLDER ...]` renders 108
programmed clips, damages each four times, adds clips without pulse, an eighth of that number, and
does the same to the clips of every folder that has a `manifest.json`. The two logistic curves of
`confidence` are fitted and `data/tempo_confidence.json` rewritten: `folded` on the programmed
clips, whose tempo is exact; `octave` on both kinds with half the weight each, as programmed clips
repeat the patterns of their genre at any tempo and are harder to place in an octave than
recordings. The same seeds give the same material; a few minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import scipy.optimize

from workbench.analysis.checks.material import (
    TruthClip,
    damaged,
    folder_clips,
    pulseless_clip,
    sketch_clip,
)
from workbench.analysis.confidence import WEIGHTS_FILE, folded_signs, octave_signs
from workbench.analysis.features import Features
from workbench.analysis.pulse import DoubleArray, PulseEvidence
from workbench.analysis.tempo import most_plausible, tempo_error_pct, tempo_folded_error_pct

_DAMAGES = 4
_RIGHT_PCT = 4.0
# Keeps slopes finite should the material be separable.
_RIDGE = 1e-3


def tuning_clips(clips: Iterable[TruthClip]) -> Iterator[TruthClip]:
    """Each clip damaged four times and disturbed by the one before it, then pulseless clips.

    Parameters
    ----------
    clips : iterable of TruthClip
        With known tempo; the first one only disturbs the second.

    Yields
    ------
    TruthClip
    """
    remaining = iter(clips)
    other, damages = next(remaining), 0
    for clip in remaining:
        for _ in range(_DAMAGES):
            yield damaged(clip, other, damages)
            damages += 1
        other = clip
    for seed in range(damages // 8):
        yield pulseless_clip(seed)


def fit_curve(signs: DoubleArray, right: npt.NDArray[np.bool_], weight: DoubleArray) -> list[float]:
    """Weights of the logistic curve that best tells right from wrong.

    Parameters
    ----------
    signs : np.ndarray, float64, shape (n, k)
        First column 1.
    right : np.ndarray, bool, shape (n,)
        Whether each answer was right.
    weight : np.ndarray, float64, shape (n,)
        How much each answer counts, > 0.

    Returns
    -------
    list of k floats
        By maximum likelihood with a slight ridge on the slopes.

    Examples
    --------
    >>> signs = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
    >>> intercept, slope = fit_curve(signs, np.array([False, True, False, True]), np.ones(4))
    >>> slope > 0
    True
    """
    sides = np.where(right, 1.0, -1.0)

    def cost(weights: DoubleArray) -> float:
        likelihood = np.average(np.logaddexp(0, -sides * (signs @ weights)), weights=weight)
        return float(likelihood + _RIDGE * np.sum(weights[1:] ** 2))

    fitted = scipy.optimize.minimize(cost, np.zeros(signs.shape[1]))
    return [round(float(weight), 4) for weight in fitted.x]


def answers(clips: Iterable[TruthClip]) -> tuple[DoubleArray, DoubleArray]:
    """The signs of each curve with, in the last column, whether the answer was right.

    Parameters
    ----------
    clips : iterable of TruthClip
        As `tuning_clips` gives them.

    Returns
    -------
    folded : np.ndarray, float64, shape (n, 4)
        A row per clip.
    octave : np.ndarray, float64, shape (m, 3)
        A row per clip that was right up to octaves.
    """
    folded, octave = [], []
    for clip in clips:
        evidence = PulseEvidence(Features(clip.samples, clip.rate_hz).onset_bands)
        tempo_bpm, margin = most_plausible(evidence)
        truth_bpm = clip.tempo_bpm
        near = truth_bpm is not None and (
            abs(tempo_folded_error_pct(tempo_bpm, truth_bpm)) <= _RIGHT_PCT
        )
        folded.append((*folded_signs(evidence, tempo_bpm), near))
        if near and truth_bpm is not None:
            right = abs(tempo_error_pct(tempo_bpm, truth_bpm)) <= _RIGHT_PCT
            octave.append((*octave_signs(margin), right))
    return np.array(folded, dtype=np.float64), np.array(octave, dtype=np.float64)


def main() -> None:
    """Make the material, fit both curves, store them."""
    parser = argparse.ArgumentParser(description="Fit the confidence of tempo estimates.")
    parser.add_argument("folders", nargs="*", type=Path, help="folders with a manifest.json")
    parser.add_argument("--programmed", type=int, default=108, help="programmed clips (108)")
    asked = parser.parse_args()
    kinds = [answers(tuning_clips(map(sketch_clip, range(asked.programmed + 1))))]
    if asked.folders:
        recorded = (clip for folder in asked.folders for clip in folder_clips(folder))
        kinds.append(answers(tuning_clips(recorded)))
    stored: dict[str, object] = {
        "made_by": "python -m workbench.analysis.checks.fit_tempo",
        "answers_on_programmed_clips": len(kinds[0][0]),
        "answers_on_recordings": len(kinds[1][0]) if asked.folders else 0,
    }
    programmed_folded, _ = kinds[0]
    curves = {"folded": [programmed_folded], "octave": [octave for _, octave in kinds]}
    for name, tables in curves.items():
        table = np.concatenate(tables)
        weight = np.concatenate([np.full(len(one), 1 / len(one)) for one in tables])
        stored[name] = fit_curve(table[:, :-1], table[:, -1] > 0, weight)
    WEIGHTS_FILE.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{WEIGHTS_FILE.name}: {json.dumps(stored)}\n")


if __name__ == "__main__":
    main()
