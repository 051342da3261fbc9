"""How likely is a tempo estimate right?

Two logistic curves, fitted on programmed clips as they are, shortened, filtered, drowned in noise
or mixed with another piece; `python -m workbench.analysis.checks.fit_tempo` makes that material
again and rewrites the numbers in `data/tempo_confidence.json`. Calibrated means: among answers
given with confidence about c, a share c is right. Right is within 4 % of the truth.

- `folded`: right up to octaves; from how far the tempo stands out, against the best other tempo
  and against the mean of all. Noise without any pulse counts among the wrong answers.
- `octave`: the octave too, given that; from how much more plausible it is than the next.
  Programmed clips repeat the patterns of their genre at any tempo, and are harder to place in an
  octave than recordings, of which more are right than is said.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from workbench.analysis.pulse import PulseEvidence

WEIGHTS_FILE = Path(__file__).parent / "data" / "tempo_confidence.json"
_NEAR_PCT = 4.0


class Weights(NamedTuple):
    """Intercept and slopes of the two curves."""

    folded: tuple[float, float, float]
    octave: tuple[float, float]


def folded_signs(evidence: PulseEvidence, tempo_bpm: float) -> tuple[float, float, float]:
    """What `folded` is read from: 1, contrast with the best rival, log of peak over mean.

    Parameters
    ----------
    evidence : PulseEvidence
        Of the clip, with some strength above zero.
    tempo_bpm : float
        The estimate.

    Returns
    -------
    tuple of three floats
        To be weighted by `Weights.folded`.

    Examples
    --------
    >>> bands = np.zeros((8, 600), dtype=np.float32)
    >>> bands[:, ::20] = 1.0
    >>> one, contrast, peak = folded_signs(PulseEvidence(bands), 129.2)
    >>> contrast > 0.3, peak > 1
    (True, True)
    """
    strengths = evidence.phase_strength
    peak = float(np.log(strengths.max() / strengths.mean()))
    return 1.0, evidence.phase_contrast(tempo_bpm, _NEAR_PCT), peak


def octave_signs(plausibility_margin: float) -> tuple[float, float]:
    """What `octave` is read from: 1 and the margin over the next octave, log scale.

    Examples
    --------
    >>> octave_signs(0.5)
    (1.0, 0.5)
    """
    return 1.0, plausibility_margin


def chance(weights: tuple[float, ...], signs: tuple[float, ...]) -> float:
    """The logistic curve at a weighted sum, 0..1.

    Examples
    --------
    >>> chance((0.0, 1.0), (1.0, 0.0))
    0.5
    """
    return float(1 / (1 + np.exp(-np.dot(weights, signs))))


@cache
def weights() -> Weights:
    """The fitted weights, from `data/tempo_confidence.json`.

    Examples
    --------
    >>> len(weights().folded), len(weights().octave)
    (3, 2)
    """
    stored = json.loads(WEIGHTS_FILE.read_text(encoding="utf-8"))
    return Weights(tuple(stored["folded"]), tuple(stored["octave"]))
