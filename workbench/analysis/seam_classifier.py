"""One score for all statistics at an edge: a noisy-or over families of statistics.

The numbers of the classifier that ships lie in `data/seams.json`, with the recipe by which
`python -m workbench.analysis.fit_seams` makes them again. `seams` reads edges with it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal, Self

import numpy as np

from workbench.analysis.products import DoubleArray
from workbench.analysis.seam_names import FAMILIES, STATISTICS

SeamVerdict = Literal["clear", "possible", "none found"]

CLEAR_RATE = 0.01
POSSIBLE_RATE = 0.05
"""Shares of untouched places that score above the bounds of the verdicts."""


@dataclass(frozen=True)
class Classifier:
    """An edge is heard if any family of statistics hears it; here is what each family hears.

    With `s = sign(z) log(1 + |z|)`, the evidence of a family is its intercept plus the sum over
    its statistics of `weight[i, k] * max(0, s[i] - log(1 + knots[k]))`, and its chance to hear the
    edge `1 / (1 + exp(-evidence))`. With h = -log(chance that none hears it), the score is
    `h / (2 + h)`: the chance that one does comes so near 1 that bad and worse look alike.

    Parameters
    ----------
    knots : np.ndarray, shape (knots,)
        In units of z, >= 0.
    weights : np.ndarray, shape (statistics, knots)
        All >= 0: a larger change never lowers the score.
    intercepts : np.ndarray, shape (families,)
        Evidence at an edge like any other place, in the order of `FAMILIES`.
    untouched_scores : np.ndarray, shape (1001,)
        Quantiles, from 0 to 1, of the score at untouched places.
    """

    knots: DoubleArray
    weights: DoubleArray
    intercepts: DoubleArray
    untouched_scores: DoubleArray

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """Read what `fit_seams` wrote; statistics and families are matched by name."""
        return cls(
            knots=np.array(data["knots"]),
            weights=np.array([data["weights"][statistic.name] for statistic in STATISTICS]),
            intercepts=np.array([data["intercepts"][family] for family in FAMILIES]),
            untouched_scores=np.array(data["untouched_scores"]),
        )

    def score(self, z: DoubleArray) -> DoubleArray:
        """Score of each row of z, (..., statistics) to (...), 0..1."""
        risen = (hinges(z, self.knots) * self.weights).sum(axis=-1)
        evidence = risen @ family_members() + self.intercepts
        heard = np.logaddexp(0, evidence).sum(axis=-1)
        scores: DoubleArray = heard / (2 + heard)
        return scores

    def false_alarm_rate(self, score: float) -> float:
        """Share of untouched places that score at least this, at most 1 and never below 0.1 %."""
        steps = len(self.untouched_scores) - 1
        below = int(np.searchsorted(self.untouched_scores, score))
        return float(np.clip(1 - below / steps, 1 / steps, 1))

    def verdict(self, score: float) -> SeamVerdict:
        """clear above the score of 1 % of untouched places, possible above that of 5 %."""
        clear, possible = np.interp(
            [1 - CLEAR_RATE, 1 - POSSIBLE_RATE],
            np.linspace(0, 1, len(self.untouched_scores)),
            self.untouched_scores,
        )
        if score > clear:
            return "clear"
        return "possible" if score > possible else "none found"


def hinges(z: DoubleArray, knots: DoubleArray) -> DoubleArray:
    """How far each z, on a logarithmic scale, lies above each knot; (..., S) to (..., S, knots).

    Examples
    --------
    >>> hinges(np.array([-5.0, 0.0, np.e**2 - 1]), np.array([0.0, np.e - 1])).tolist()
    [[0.0, 0.0], [0.0, 0.0], [2.0, 1.0]]
    """
    squashed = np.sign(z) * np.log1p(np.abs(z))
    above: DoubleArray = np.maximum(squashed[..., None] - np.log1p(knots), 0)
    return above


@cache
def family_members() -> DoubleArray:
    """Which statistic is of which family, ones and zeros, (statistics, families)."""
    members = [[statistic.family == family for family in FAMILIES] for statistic in STATISTICS]
    return np.array(members, dtype=np.float64)


@cache
def stored_classifier() -> Classifier:
    """The classifier that ships, from `data/seams.json`."""
    file = resources.files("workbench.analysis") / "data" / "seams.json"
    return Classifier.from_json(json.loads(file.read_text(encoding="utf-8")))
