"""Two rankings: how often they agree, and how sure that is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.statistics.simulated import assert_covers, assert_false_alarms, both_sizes, measured
from workbench.errors import RequestError
from workbench.statistics import rank_agreement


@both_sizes
@pytest.mark.parametrize("items", [12, 40])
@pytest.mark.parametrize("share", [0.5, 0.65, 0.8])
def test_intervals_hold_the_true_share_of_pairs(studies: int, items: int, share: float) -> None:
    rng = np.random.default_rng(items)
    tau = 2 * share - 1
    rho = math.sin(math.pi / 2 * tau)  # of jointly normal scores
    hits = alarms = 0
    for _ in range(studies):
        final, noise = rng.normal(size=(2, items))
        found = rank_agreement(rho * final + math.sqrt(1 - rho**2) * noise, final)
        hits += found.low <= tau <= found.high
        alarms += found.verdict != "inconclusive"
    measured(f"coverage {studies=} {items=} {share=}: {hits / studies:.4f}, {alarms=}")
    assert_covers(hits, studies)
    if share == 0.5:
        assert_false_alarms(alarms, studies, at_most_only=True)


def test_a_draft_that_is_right_in_80_of_100_pairs_is_found() -> None:
    rng = np.random.default_rng(0)
    final, noise = rng.normal(size=(2, 60))
    rho = math.sin(math.pi / 2 * 0.6)
    found = rank_agreement(rho * final + math.sqrt(1 - rho**2) * noise, final)
    assert found.verdict == "agree"
    assert found.share_alike == pytest.approx(0.8, abs=0.08)
    assert "The two rankings agree" in found.sentence


def test_opposed_and_level_rankings() -> None:
    opposed = rank_agreement(range(10), range(10, 0, -1))
    assert opposed.tau == pytest.approx(-1)
    assert opposed.verdict == "disagree"
    assert opposed.low == pytest.approx(-1, abs=0.03)
    level = rank_agreement([1, 1, 1], [1, 2, 3])
    assert math.isnan(level.tau)
    assert "predicts nothing" in level.sentence


def test_few_items_say_nothing_and_gaps_are_counted() -> None:
    found = rank_agreement([1, 2, 3, math.nan], [1, 2, 3, 4])
    assert (found.n, found.undefined, found.verdict) == (3, 1, "inconclusive")
    assert "1 item left out" in found.sentence
    with pytest.raises(RequestError, match="an order needs two"):
        rank_agreement([1, math.nan], [1, 2])
    with pytest.raises(RequestError, match="a score for each"):
        rank_agreement([1, 2], [1, 2, 3])
