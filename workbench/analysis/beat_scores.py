"""How well do estimated beats agree with known ones?

Conventions: beats in seconds, rising; scores 0..1. `f_measure` counts beats within 70 ms;
`continuity` asks, of each beat, also that the interval before it fits (17.5 %). CMLt holds the
metrical level fixed, AMLt takes the best of the level, twice, half and the off-beat.

Reference: Davies, Degara & Plumbley, Evaluation Methods for Musical Audio Beat Tracking
Algorithms, QMUL C4DM-TR-09-06, 2009. The first 5 s are ignored, as there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from workbench.analysis.pulse import DoubleArray

_IGNORED_S = 5.0
_WINDOW_S = 0.07
_CONTINUITY = 0.175


@dataclass(frozen=True)
class BeatScores:
    """F-measure and the two continuity scores, each 0..1."""

    f_measure: float
    cmlt: float
    amlt: float


def score_beats(truth_s: DoubleArray, beats_s: DoubleArray) -> BeatScores:
    """Score estimated beats against known ones.

    Parameters
    ----------
    truth_s, beats_s : np.ndarray, float64, shapes (n,) and (m,)
        Known and estimated beats in seconds, rising.

    Returns
    -------
    BeatScores
        All zero when either has fewer than two beats after the first 5 s.

    Examples
    --------
    >>> truth_s = np.arange(0, 20, 0.5)
    >>> score_beats(truth_s, truth_s + 0.01)
    BeatScores(f_measure=1.0, cmlt=1.0, amlt=1.0)
    >>> score_beats(truth_s, truth_s[::2])
    BeatScores(f_measure=0.6666666666666666, cmlt=0.0, amlt=1.0)
    """
    truth, beats = (np.asarray(b)[np.asarray(b) >= _IGNORED_S] for b in (truth_s, beats_s))
    if min(len(truth), len(beats)) < 2:
        return BeatScores(0.0, 0.0, 0.0)
    halves = (truth[1:] + truth[:-1]) / 2
    levels = [truth, np.sort(np.append(truth, halves)), halves, truth[::2], truth[1::2]]
    continuities = [_continuity(level, beats) for level in levels]
    return BeatScores(_f_measure(truth, beats), continuities[0], max(continuities))


def _f_measure(truth_s: DoubleArray, beats_s: DoubleArray) -> float:
    nearest, error_s = _nearest(truth_s, beats_s)
    # Beats lie further apart than two windows, so each known beat has at most one true match;
    # a second estimate near it is a false alarm.
    matched = len(np.unique(nearest[error_s <= _WINDOW_S]))
    return 2 * matched / (len(truth_s) + len(beats_s))


def _continuity(truth_s: DoubleArray, beats_s: DoubleArray) -> float:
    if len(truth_s) < 2:
        return 0.0
    nearest, error_s = _nearest(truth_s, beats_s)
    intervals_s = np.diff(truth_s, prepend=2 * truth_s[0] - truth_s[1])[nearest]
    own_s = np.diff(beats_s, prepend=2 * beats_s[0] - beats_s[1])
    in_place = error_s <= _CONTINUITY * intervals_s
    in_pace = np.abs(own_s / intervals_s - 1) <= _CONTINUITY
    right = len(np.unique(nearest[in_place & in_pace]))
    return right / max(len(truth_s), len(beats_s))


def _nearest(truth_s: DoubleArray, beats_s: DoubleArray) -> tuple[np.ndarray, DoubleArray]:
    """For each estimated beat the index of the nearest known one and the distance in seconds."""
    after = np.clip(np.searchsorted(truth_s, beats_s), 1, len(truth_s) - 1)
    nearer = np.where(beats_s - truth_s[after - 1] <= truth_s[after] - beats_s, after - 1, after)
    return nearer, np.abs(beats_s - truth_s[nearer])
