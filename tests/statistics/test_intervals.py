"""Intervals of shares and of means: how often they hold the truth, few takes included."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from tests.statistics.simulated import MANY, assert_covers, measured
from workbench import plots
from workbench.statistics.observed import mean_interval


@pytest.mark.parametrize("n", [3, 5, 10, 40])
def test_wilsons_interval_holds_the_true_share(n: int) -> None:
    """Computed, not simulated: a share has only n + 1 outcomes, so its coverage is a sum.

    It cannot be 95 % for every true share; averaged over all of them it is.
    """
    ends = [plots.share_interval(hits, n) for hits in range(n + 1)]
    shares = np.linspace(0.005, 0.995, 199)
    outcomes = np.asarray(stats.binom.pmf(np.arange(n + 1)[:, None], n, shares))
    holds = np.array([(each.low <= shares) & (shares <= each.high) for each in ends])
    coverage = (outcomes * holds).sum(axis=0)
    measured(f"Wilson {n=}: mean {coverage.mean():.4f}, worst {coverage.min():.4f}")
    assert 0.93 <= coverage.mean() <= 0.97
    assert coverage.min() >= 0.80


@pytest.mark.parametrize("n", [3, 5, 10, 40])
@pytest.mark.parametrize("luck", ["normal", "sizes of normal"])
def test_students_interval_holds_the_true_mean(n: int, luck: str) -> None:
    """Also of the sizes of errors, which lean to one side: there few takes cover a little less."""
    rng = np.random.default_rng(n)
    drawn = rng.normal(size=(MANY, n))
    truth = 0.0
    if luck != "normal":
        drawn, truth = np.abs(drawn), float(np.sqrt(2 / np.pi))
    hits = 0
    for row in drawn:
        _, low, high = mean_interval(row)
        hits += low <= truth <= high
        shown = plots.mean_interval(pd.Series(row))
        assert (shown.low, shown.high) == pytest.approx((low, high))
    measured(f"Student {n=} {luck}: {hits / MANY:.4f}")
    if luck == "normal":
        assert_covers(hits, MANY)
    else:
        assert hits / MANY >= 0.90
