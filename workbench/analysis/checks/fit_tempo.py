"""Fit the confidence of tempo estimates on clips, most of them damaged, and store the numbers.

`python -m workbench.analysis.checks.fit_tempo [--programmed N]` renders 180 programmed clips,
damages each four times and adds an eighth as many clips without pulse. The two logistic curves
of `confidence` are fitted and `data/tempo_confidence.json` rewritten. Recordings have no part in
it: their octave is what somebody wrote or heard, that of programmed clips is exact. The same
seeds give the same material; some minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import scipy.optimize

from workbench.analysis.checks.material import (
    TruthClip,
    damaged,
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
    """Each clip as it is and damaged four times with the one before it, then pulseless clips.

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
        yield clip
        for _ in range(_DAMAGES):
            yield damaged(clip, other, damages)
            damages += 1
        other = clip
    for seed in range(damages // 8):
        yield pulseless_clip(seed)


def fit_curve(signs: DoubleArray, right: npt.NDArray[np.bool_]) -> list[float]:
    """Weights of the logistic curve that best tells right from wrong.

    Parameters
    ----------
    signs : np.ndarray, float64, shape (n, k)
        First column 1.
    right : np.ndarray, bool, shape (n,)
        Whether each answer was right.

    Returns
    -------
    list of k floats
        By maximum likelihood with a slight ridge on the slopes.

    Examples
    --------
    >>> signs = np.array([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0], [1.0, 3.0]])
    >>> intercept, slope = fit_curve(signs, np.array([False, True, False, True]))
    >>> slope > 0
    True
    """
    sides = np.where(right, 1.0, -1.0)

    def cost(weights: DoubleArray) -> float:
        likelihood = np.logaddexp(0, -sides * (signs @ weights)).mean()
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
    parser.add_argument("--programmed", type=int, default=180, help="programmed clips (180)")
    asked = parser.parse_args()
    folded, octave = answers(tuning_clips(map(sketch_clip, range(asked.programmed + 1))))
    stored = {
        "made_by": "python -m workbench.analysis.checks.fit_tempo",
        "answers": len(folded),
        "folded": fit_curve(folded[:, :-1], folded[:, -1] > 0),
        "octave": fit_curve(octave[:, :-1], octave[:, -1] > 0),
    }
    WEIGHTS_FILE.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{WEIGHTS_FILE.name}: {json.dumps(stored)}\n")


if __name__ == "__main__":
    main()
