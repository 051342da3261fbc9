"""Fit the confidence of tempo estimates on programmed clips, and store the numbers.

`python -m workbench.analysis.checks.fit_tempo [CLIPS]` renders 108 programmed clips (or as many
as named), damages each four times, adds clips without pulse for an eighth of that number, fits
the two logistic curves of `confidence` and rewrites `data/tempo_confidence.json`. The same seeds
give the same material; a few minutes on one core.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import scipy.optimize

from workbench.analysis.checks.material import TruthClip, damaged, pulseless_clip, sketch_clip
from workbench.analysis.confidence import WEIGHTS_FILE, folded_signs, octave_signs
from workbench.analysis.features import Features
from workbench.analysis.pulse import DoubleArray, PulseEvidence
from workbench.analysis.tempo import most_plausible, tempo_error_pct, tempo_folded_error_pct

_CLIPS = 108
_DAMAGES = 4
_RIGHT_PCT = 4.0
# Keeps slopes finite should the material be separable.
_RIDGE = 1e-3


def tuning_clips(count: int) -> Iterator[TruthClip]:
    """Damaged programmed clips, each disturbed by the one before it, then pulseless ones."""
    other = sketch_clip(count)
    for seed in range(count):
        clip = sketch_clip(seed)
        for damage in range(_DAMAGES):
            yield damaged(clip, other, _DAMAGES * seed + damage)
        other = clip
    for seed in range(count * _DAMAGES // 8):
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
        likelihood = np.mean(np.logaddexp(0, -sides * (signs @ weights)))
        return float(likelihood + _RIDGE * np.sum(weights[1:] ** 2))

    fitted = scipy.optimize.minimize(cost, np.zeros(signs.shape[1]))
    return [round(float(weight), 4) for weight in fitted.x]


def main(count: int) -> None:
    """Make the material, fit both curves, store them."""
    folded, octave = [], []
    for clip in tuning_clips(count):
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
    stored = {
        "made_by": "python -m workbench.analysis.checks.fit_tempo",
        "programmed_clips": count,
        "answers": len(folded),
    }
    for name, rows in (("folded", folded), ("octave", octave)):
        table = np.array(rows, dtype=np.float64)
        stored[name] = fit_curve(table[:, :-1], table[:, -1] > 0)
    WEIGHTS_FILE.write_text(json.dumps(stored, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{WEIGHTS_FILE.name}: {json.dumps(stored)}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else _CLIPS)
