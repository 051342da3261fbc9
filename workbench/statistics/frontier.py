"""Which engine gives the most for its price? The frontier of cost against a quality.

A level is on the frontier where no other is both cheaper (or as cheap) and better (or as good),
and one of the two truly so. Means have Student's 95 % intervals over takes; how sure the frontier
is comes from a bootstrap over takes: the share of resampled tables in which a level is on it.

Measured over 400 simulated studies of ten takes each: a dearer engine exactly as good as a cheaper
one had a mean probability of 0.49, and either claim was made of it, falsely, in 5.0 %.

References
----------
.. [1] B. Efron, R. J. Tibshirani, An Introduction to the Bootstrap, 1993.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from workbench.statistics.observed import (
    counted,
    mean_interval,
    need_columns,
    observed,
    percent,
    range_text,
    undefined,
    undefined_text,
    unit_of,
    with_unit,
)

DRAWS = 2000
# Each of the two claims, on it or beaten, may be false in half of the 5 %.
SURE = 0.975


@dataclass(frozen=True)
class Point:
    """One level's place between cost and quality.

    Parameters
    ----------
    level : object
    cost, cost_low, cost_high : float
        Mean cost of a take and its 95 % interval; the interval has no ends below two takes.
    value, value_low, value_high : float
        The same of the quality.
    n : int
        Takes with both numbers.
    on_frontier : bool
        Whether no other level beats it, by the means.
    probability : float
        Share of resampled tables in which it is on the frontier, 0..1; the strength of the claim.
    names : (str, str)
        The cost's and the quality's.
    undefined : mapping
        Takes without one of the two, by reason.
    """

    level: Any
    cost: float
    cost_low: float
    cost_high: float
    value: float
    value_low: float
    value_high: float
    n: int
    on_frontier: bool
    probability: float
    names: tuple[str, str]
    undefined: Mapping[str, int]

    @property
    def verdict(self) -> Literal["on the frontier", "beaten", "inconclusive"]:
        """Whether the place is sure, in 97.5 % of resampled tables."""
        if self.probability >= SURE:
            return "on the frontier"
        return "beaten" if self.probability <= 1 - SURE else "inconclusive"

    @property
    def sentence(self) -> str:
        """The place in plain English."""
        cost_name, value_name = self.names
        return (
            f"“{self.level}” is {self.verdict} ({percent(self.probability)} of resampled tables "
            f"put it on the frontier): {cost_name} {with_unit(self.cost, unit_of(cost_name))} "
            f"({range_text(self.cost_low, self.cost_high)}), {value_name} "
            f"{with_unit(self.value, unit_of(value_name))} "
            f"({range_text(self.value_low, self.value_high)}), {counted(self.n, 'take')}."
            f"{undefined_text(value_name, self.undefined)}"
        )


def pareto_frontier(
    table: pd.DataFrame,
    cost: str,
    value: str,
    by: str,
    *,
    best: Literal["high", "low"] = "high",
    seed: int = 0,
) -> list[Point]:
    """Place each level between cost and quality, cheapest first.

    Parameters
    ----------
    table : DataFrame
        One row per take.
    cost, value : str
        Columns of numbers; less cost is better.
    by : str
        The column whose levels compete, such as the engine.
    best : "high" or "low"
        Which end of `value` is good.
    seed : int
        Of the resampling: the same table gives the same numbers.

    Returns
    -------
    list of Point
        Levels without any take that has both numbers are given with n 0 and probability 0.

    Raises
    ------
    RequestError
        If a column is missing or is text.

    Examples
    --------
    >>> table = pd.DataFrame({"engine": ["a", "a", "b", "b", "c", "c"],
    ...     "charged_usd": [1, 1, 2, 2, 3, 3], "score": [5, 6, 8, 9, 6, 7]})
    >>> [(p.level, p.on_frontier, p.probability)
    ...  for p in pareto_frontier(table, "charged_usd", "score", "engine")]
    [('a', True, 1.0), ('b', True, 1.0), ('c', False, 0.0)]
    """
    need_columns(table, [cost, value, by])
    kept = observed(table, value, [by]).join(observed(table, cost, [])[cost], how="inner")
    levels = list(table[by].dropna().unique())
    groups = {level: kept.loc[kept[by] == level, [cost, value]].to_numpy(float) for level in levels}
    present = [level for level in levels if len(groups[level])]
    rng = np.random.default_rng(seed)
    drawn = np.stack([_resampled(groups[level], rng) for level in present], axis=1)
    means = np.stack([groups[level].mean(axis=0) for level in present])[np.newaxis]
    sign = np.array([1.0, -1.0 if best == "high" else 1.0])
    chances = dict(zip(present, _unbeaten(drawn * sign).mean(axis=0), strict=True))
    places = dict(zip(present, _unbeaten(means * sign)[0], strict=True))
    points = []
    for level in levels:
        rows, of_level = groups[level], table[table[by] == level]
        points.append(
            Point(
                level,
                *mean_interval(rows[:, 0]),
                *mean_interval(rows[:, 1]),
                n=len(rows),
                on_frontier=bool(places.get(level, False)),
                probability=float(chances.get(level, 0.0)),
                names=(cost, value),
                undefined=undefined(of_level, value) or undefined(of_level, cost),
            )
        )
    return sorted(points, key=lambda point: (np.isnan(point.cost), point.cost))


def _resampled(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Means of resampled takes, shape (DRAWS, 2); spread as wide as that of independent takes."""
    n = len(rows)
    means = rows[rng.integers(n, size=(DRAWS, n))].mean(axis=1)
    centre = rows.mean(axis=0)
    # Resampling n takes spreads as if there were n - 1 degrees too few; this gives them back.
    return np.asarray(centre + (means - centre) * np.sqrt(n / max(n - 1, 1)))


def _unbeaten(points: np.ndarray) -> np.ndarray:
    """Which of (tables, levels, 2) no other of its table beats, less being better in both."""
    other, one = points[:, :, np.newaxis], points[:, np.newaxis]
    beats = np.all(other <= one, axis=-1) & np.any(other < one, axis=-1)
    return np.asarray(~np.any(beats, axis=1))
