"""Does one level measure higher than another? Paired differences, and several at once.

A pair is what was drawn at random and both levels share, usually the seed, and nothing else. What
was chosen (tag sets, lengths) is named as `within`: the difference is taken there, take against
take, and then averaged over the pair, because the takes of one seed share its luck and do not
count as many. The interval is Student's on the differences of pairs: the mixed model with a random
intercept for each pair, where every pair is complete. Several comparisons are held together by
Holm's step-down correction [2]_: their p values, and so their verdicts, are corrected; their
intervals are each a 95 % interval by itself.

References
----------
.. [1] J. Cohen, Statistical Power Analysis for the Behavioral Sciences, 2nd ed., 1988.
.. [2] S. Holm, A simple sequentially rejective multiple test procedure, 1979.
.. [3] L. V. Hedges, Distribution theory for Glass's estimator of effect size, 1981.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import stats

from workbench.errors import RequestError
from workbench.statistics.observed import (
    ALPHA,
    LEVEL,
    counted,
    difference_unit,
    need_columns,
    observed,
    range_text,
    undefined,
    undefined_text,
    with_unit,
    words_of,
)

Verdict = Literal["higher", "lower", "alike", "inconclusive"]


@dataclass(frozen=True)
class Difference:
    """How much higher `level` measures than `baseline`.

    Parameters
    ----------
    value, by : str
        The quantity, and the column whose levels are compared.
    level, baseline : object
        The two levels.
    estimate, low, high : float
        Mean of (level - baseline) over pairs and its 95 % interval, in `unit`; the interval has
        no ends below two pairs, and the estimate is NaN without any.
    unit : str
    n : int
        Complete pairs.
    takes_per_pair : float
        Takes that one pair cost, on average.
    sd : float
        Standard deviation of the differences between pairs.
    p : float
        Two-sided, corrected for `comparisons` (Holm).
    p_alone : float
        The same for this comparison by itself.
    effect_size : float
        `estimate` in standard deviations of the differences, with Hedges's correction for few
        pairs; infinite where every pair differs by the same amount.
    verdict : str
        "higher" or "lower" at a 5 % false-alarm rate; "alike" where the whole interval lies
        within what matters; "inconclusive" otherwise.
    matters : float
        The smallest difference worth telling, in `unit`; 0 where none was named.
    comparisons : int
        How many were asked together.
    unpaired : int
        Takes whose partner is missing.
    undefined : mapping
        Takes without the measurement, by reason.
    """

    value: str
    by: str
    level: Any
    baseline: Any
    estimate: float
    low: float
    high: float
    unit: str
    n: int
    takes_per_pair: float
    sd: float
    p: float
    p_alone: float
    effect_size: float
    verdict: Verdict
    matters: float
    comparisons: int
    unpaired: int
    undefined: Mapping[str, int]

    @property
    def sentence(self) -> str:
        """The answer in plain English, with its interval, effect size and gaps."""
        return f"{self._claim()}{self._gaps()}"

    def _claim(self) -> str:
        names = f"{words_of(self.value)} with {words_of(self.by)} “{self.level}”"
        against = f"with “{self.baseline}”"
        if self.n < 2:
            had = "no complete pair" if self.n == 0 else "one complete pair"
            return f"Inconclusive: {had} of “{self.level}” and “{self.baseline}”; two are needed."
        evidence = (
            f"(95 % interval {range_text(self.low, self.high, self.unit)}; "
            f"effect size {with_unit(self.effect_size, 'standard deviations')}, "
            f"{size_word(self.effect_size)}; {counted(self.n, 'pair')}{self._corrected()})"
        )
        size = with_unit(abs(self.estimate), self.unit)
        if self.verdict == "alike":
            bound = with_unit(self.matters, self.unit)
            return f"{names} is the same as {against} to within {bound} {evidence}."
        if self.verdict == "inconclusive":
            direction = "higher" if self.estimate > 0 else "lower"
            return f"Inconclusive: {names} came out {size} {direction} than {against} {evidence}."
        return f"{names} is {size} {self.verdict} than {against} {evidence}."

    def _corrected(self) -> str:
        together = f", {self.comparisons} comparisons held together" if self.comparisons > 1 else ""
        p = "p < 0.001" if self.p < 0.001 else f"p = {self.p:.2g}"
        return f", {p}{together}"

    def _gaps(self) -> str:
        alone = f" {counted(self.unpaired, 'take')} without a partner." if self.unpaired else ""
        return alone + undefined_text(self.value, self.undefined)


def size_word(effect_size: float) -> str:
    """Cohen's word [1]_ for an effect size in standard deviations.

    Examples
    --------
    >>> [size_word(size) for size in (0.1, -0.3, 0.6, 2.0)]
    ['negligible', 'small', 'medium', 'large']
    """
    bounds = {0.2: "negligible", 0.5: "small", 0.8: "medium"}
    return next((word for bound, word in bounds.items() if abs(effect_size) < bound), "large")


def paired_difference(
    table: pd.DataFrame,
    value: str,
    by: str,
    pair: str,
    *,
    within: Sequence[str] = (),
    levels: tuple[Any, Any] | None = None,
    matters: float = 0.0,
) -> Difference:
    """Compare a quantity between two levels, take against take.

    Parameters
    ----------
    table : DataFrame
        One row per take, as `workbench.table` gives it.
    value : str
        A column of numbers, or of yes and no.
    by : str
        The column whose two levels are compared.
    pair : str
        What was drawn at random and both takes share, usually the seed.
    within : sequence of str
        What both takes share besides, by choice: tag sets, lengths.
    levels : (baseline, level), optional
        Which two, in this order; needed where `by` has more. Else in order of appearance.
    matters : float
        The smallest difference worth telling, in the unit of `value`.

    Raises
    ------
    RequestError
        If a column is missing, or `by` does not have two levels.

    Examples
    --------
    >>> table = pd.DataFrame({"tags": ["a", "b"] * 3, "seed": [0, 0, 1, 1, 2, 2],
    ...                       "loudness_lufs": [-20, -18.1, -19, -17, -21, -18.9]})
    >>> found = paired_difference(table, "loudness_lufs", "tags", "seed")
    >>> found.verdict, round(found.estimate, 3), found.unit, found.n
    ('higher', 2.0, 'LU', 3)
    """
    if levels is None:
        need_columns(table, [value, by])
        # A level all of whose measurements are undefined is still a level.
        present = list(table[by].dropna().unique())
        if len(present) != 2:
            raise RequestError(
                f"{by} has {counted(len(present), 'level')} where two are compared: name two, or "
                f"compare all."
            )
        levels = (present[0], present[1])
    cells = _cells(table, value, by, [pair, *within])
    return _difference(table, cells, value, by, levels, matters)


def compare_levels(
    table: pd.DataFrame,
    value: str,
    by: str,
    pair: str,
    *,
    within: Sequence[str] = (),
    baseline: Any = None,
    matters: float = 0.0,
) -> list[Difference]:
    """Compare every two levels, or each with a baseline, at one false-alarm rate for all.

    Parameters
    ----------
    table, value, by, pair, within, matters
        As for `paired_difference`.
    baseline : object, optional
        The level that all others are compared with; every two of them if not given.

    Returns
    -------
    list of Difference
        In order of appearance; p values and verdicts corrected by Holm.

    Raises
    ------
    RequestError
        If a column or the baseline is missing, or there are fewer than two levels.

    Examples
    --------
    >>> table = pd.DataFrame({"tags": ["a", "b", "c"] * 2, "seed": [0, 0, 0, 1, 1, 1],
    ...                       "gaps": [0, 1, 5, 1, 1, 7]})
    >>> [(d.baseline, d.level, d.estimate) for d in compare_levels(table, "gaps", "tags", "seed")]
    [('a', 'b', 0.5), ('a', 'c', 5.5), ('b', 'c', 5.0)]
    """
    need_columns(table, [value, by])
    levels = list(table[by].dropna().unique())
    if baseline is not None and baseline not in levels:
        raise RequestError(f"{by} has no level {baseline!r}: it has {levels}.")
    if len(levels) < 2:
        raise RequestError(f"{by} has {counted(len(levels), 'level')}: comparing needs two.")
    if baseline is None:
        chosen = list(combinations(levels, 2))
    else:
        chosen = [(baseline, level) for level in levels if level != baseline]
    cells = _cells(table, value, by, [pair, *within])
    return held_together([_difference(table, cells, value, by, two, matters) for two in chosen])


def held_together(found: Sequence[Difference]) -> list[Difference]:
    """Comparisons of several quantities or groups under one false-alarm rate (Holm).

    Parameters
    ----------
    found : sequence of Difference
        From wherever; what they were held together with before does not count.

    Returns
    -------
    list of Difference
        In the same order; p values and verdicts corrected.

    Examples
    --------
    >>> table = pd.DataFrame({"tags": ["a", "b"] * 6, "seed": [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5],
    ...                       "gaps": [0, 1] * 6})
    >>> one = paired_difference(table, "gaps", "tags", "seed")
    >>> one.p, held_together(held_together([one, one]))[0].p
    (0.03125, 0.0625)
    """
    from statsmodels.stats.multitest import multipletests

    if not found:
        return []
    _, corrected, _, _ = multipletests([each.p_alone for each in found], method="holm")
    held = [
        replace(each, p=float(p), comparisons=len(found))
        for each, p in zip(found, corrected, strict=True)
    ]
    return [replace(each, verdict=_verdict(each)) for each in held]


def _cells(table: pd.DataFrame, value: str, by: str, shared: Sequence[str]) -> pd.DataFrame:
    """Mean and number of takes of each level and of what its takes share, the pair first."""
    names = [by, *shared]
    grouped = observed(table, value, names).groupby(names, dropna=False)[value]
    return pd.DataFrame({"mean": grouped.mean(), "size": grouped.size()})


def _difference(
    table: pd.DataFrame,
    cells: pd.DataFrame,
    value: str,
    by: str,
    levels: tuple[Any, Any],
    matters: float,
) -> Difference:
    base, other = (
        cells[cells.index.get_level_values(by) == level].droplevel(by) for level in levels
    )
    both = base.index.intersection(other.index)
    matched = other.loc[both, "mean"] - base.loc[both, "mean"]
    if matched.index.nlevels > 1:
        matched = matched.groupby(level=0, dropna=False).mean()
    differences = matched.to_numpy(float)
    used = int(base.loc[both, "size"].sum() + other.loc[both, "size"].sum())
    low, high, p = _interval(differences)
    n = len(differences)
    found = Difference(
        value=value,
        by=by,
        level=levels[1],
        baseline=levels[0],
        estimate=float(differences.mean()) if n else math.nan,
        low=low,
        high=high,
        unit=difference_unit(value),
        n=n,
        takes_per_pair=used / n if n else 2.0,
        sd=float(differences.std(ddof=1)) if n > 1 else math.nan,
        p=p,
        p_alone=p,
        effect_size=_effect_size(differences),
        verdict="inconclusive",
        matters=matters,
        comparisons=1,
        unpaired=int(base["size"].sum() + other["size"].sum()) - used,
        undefined=undefined(table[table[by].isin(levels)], value),
    )
    return replace(found, verdict=_verdict(found))


def _interval(differences: np.ndarray) -> tuple[float, float, float]:
    """Ends of the 95 % interval of the mean, and p; no ends below two differences."""
    n = len(differences)
    if n < 2:
        return -math.inf, math.inf, 1.0
    mean = float(differences.mean())
    if _all_alike(differences):
        # Student's t has no scale here; the sign test still has: all n fell on one side.
        return mean, mean, 1.0 if mean == 0 else 2.0 ** (1 - n)
    tested = stats.ttest_1samp(differences, 0.0)
    ends = tested.confidence_interval(LEVEL)
    return float(ends.low), float(ends.high), float(tested.pvalue)


def _effect_size(differences: np.ndarray) -> float:
    n = len(differences)
    if n < 2:
        return math.nan
    mean = float(differences.mean())
    if _all_alike(differences):
        return math.copysign(math.inf, mean) if mean else 0.0
    correction = 1 - 3 / (4 * (n - 1) - 1)
    return mean / float(differences.std(ddof=1)) * correction


def _all_alike(differences: np.ndarray) -> bool:
    """Whether they differ by no more than rounding."""
    return bool(np.ptp(differences) <= 1e-12 * max(1.0, float(np.abs(differences).max())))


def _verdict(found: Difference) -> Verdict:
    if found.n >= 2 and -found.matters < found.low and found.high < found.matters:
        return "alike"
    if found.p < ALPHA:
        return "higher" if found.estimate > 0 else "lower"
    return "inconclusive"
