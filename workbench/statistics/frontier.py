"""Which engine gives the most for its price? The frontier of cost against a quality.

A level is on the frontier where no other is both cheaper (or as cheap) and better (or as good),
and one of the two truly so. Means have Student's 95 % intervals. How sure the frontier is comes
from drawing all means anew, each with Student's spread about the one seen [1]_, and counting how
often a level is on it. Levels that share their seeds share the luck of a draw, so that two that
measure alike take for take stay alike. A bootstrap is bolder than its word at the three to ten
takes that are usual here, and says of a single take that it is sure; this is neither.

References
----------
.. [1] A. Gelman et al., Bayesian Data Analysis, 3rd ed., 2013, section 3.2: the posterior of a
   mean under the noninformative prior is Student's t about the sample's mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import stats

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
    words_of,
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
        Share of draws in which it is on the frontier, 0..1; the strength of the claim. NaN where
        fewer than two draws of luck leave its spread unknown: such a level competes with nobody.
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
        """Whether the place is sure, in 97.5 % of draws."""
        if self.probability >= SURE:
            return "on the frontier"
        return "beaten" if self.probability <= 1 - SURE else "inconclusive"

    @property
    def sentence(self) -> str:
        """The place in plain English."""
        cost_name, value_name = self.names
        chance = (
            "two takes or more are needed"
            if np.isnan(self.probability)
            else f"a chance of {percent(self.probability)} to be on the frontier"
        )
        head = f"“{self.level}” is {self.verdict}"
        if self.verdict == "inconclusive":
            head = f"The place of “{self.level}” is inconclusive"
        return (
            f"{head} ({chance}): {words_of(cost_name)} "
            f"{with_unit(self.cost, unit_of(cost_name))} a take "
            f"({range_text(self.cost_low, self.cost_high)}), {words_of(value_name)} "
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
    pair: str = "",
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
    pair : str
        What was drawn at random and takes of several levels share, usually the seed; takes of one
        level within a pair count as one. Each take by itself if not given.
    best : "high" or "low"
        Which end of `value` is good.
    seed : int
        Of the draws: the same table gives the same numbers.

    Returns
    -------
    list of Point
        Levels without any take that has both numbers are given with n 0.

    Raises
    ------
    RequestError
        If a column is missing or is text.

    Examples
    --------
    >>> table = pd.DataFrame({"engine": ["a"] * 4 + ["b"] * 4 + ["c"] * 4,
    ...     "charged_usd": [1] * 4 + [2] * 4 + [3] * 4,
    ...     "score": [5, 6, 5, 6, 18, 19, 18, 19, 6, 7, 6, 7]})
    >>> [(p.level, p.on_frontier, p.verdict)
    ...  for p in pareto_frontier(table, "charged_usd", "score", "engine")]
    [('a', True, 'on the frontier'), ('b', True, 'on the frontier'), ('c', False, 'beaten')]
    """
    need_columns(table, [cost, value, by, *([pair] if pair else [])])
    table = table.reset_index(drop=True)
    kept = observed(table, value, [by]).join(observed(table, cost, [])[cost], how="inner")
    luck = table.loc[kept.index, pair] if pair else pd.Series(range(len(kept)), kept.index)
    levels = list(table[by].dropna().unique())
    groups = {
        level: kept.loc[kept[by] == level, [cost, value]].groupby(luck).mean() for level in levels
    }
    able = [level for level in levels if len(groups[level]) > 1]
    sign = np.array([1.0, -1.0 if best == "high" else 1.0])
    chances, places = {}, {}
    if able:
        drawn = _drawn([groups[level] for level in able], np.random.default_rng(seed))
        means = np.stack([groups[level].to_numpy().mean(axis=0) for level in able])[np.newaxis]
        chances = dict(zip(able, _unbeaten(drawn * sign).mean(axis=0), strict=True))
        places = dict(zip(able, _unbeaten(means * sign)[0], strict=True))
    points = []
    for level in levels:
        rows, of_level = groups[level].to_numpy(), table[table[by] == level]
        points.append(
            Point(
                level,
                *mean_interval(rows[:, 0]),
                *mean_interval(rows[:, 1]),
                n=int((kept[by] == level).sum()),
                on_frontier=bool(places.get(level, False)),
                probability=float(chances.get(level, np.nan)),
                names=(cost, value),
                undefined=undefined(of_level, value) or undefined(of_level, cost),
            )
        )
    return sorted(points, key=lambda point: (np.isnan(point.cost), point.cost))


def _drawn(groups: Sequence[pd.DataFrame], rng: np.random.Generator) -> np.ndarray:
    """Means drawn anew, shape (DRAWS, levels, 2).

    A weighted sum of deviations, with one normal weight for each pair and one chi-squared scale,
    is Student's t with the deviations' own covariance; where levels share a pair they share its
    weight, and so a difference between levels is drawn as its paired differences spread.
    """
    pairs = groups[0].index.append([group.index for group in groups[1:]])
    weights = pd.DataFrame(rng.standard_normal((pairs.nunique(), DRAWS)), index=pairs.unique())
    quantile = rng.random((DRAWS, 1))
    parts = []
    for group in groups:
        rows, n = group.to_numpy(), len(group)
        if pairs.is_unique:  # nothing is shared
            quantile = rng.random((DRAWS, 1))
        scale = np.sqrt(n * stats.chi2.ppf(quantile, n - 1))
        spread = np.einsum("pd,pk->dk", weights.loc[group.index].to_numpy(), rows - rows.mean(0))
        parts.append(rows.mean(axis=0) + spread / scale)
    return np.stack(parts, axis=1)


def _unbeaten(points: np.ndarray) -> np.ndarray:
    """Which of (tables, levels, 2) no other of its table beats, less being better in both."""
    other, one = points[:, :, np.newaxis], points[:, np.newaxis]
    close = np.isclose(other, one, rtol=1e-9, atol=0)  # alike but for rounding
    beats = np.all((other < one) | close, axis=-1) & np.any((other < one) & ~close, axis=-1)
    return np.asarray(~np.any(beats, axis=1))
