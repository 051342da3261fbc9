"""Planning: the power that is promised is the power that is got."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from scipy import stats

from tests.statistics.simulated import both_sizes, measured, paired_table
from workbench.errors import RequestError
from workbench.statistics import Difference, paired_difference, power, takes_to_settle


def found_share(studies: int, pairs: int, difference: float, sd: float) -> float:
    """Share of simulated studies that find a true difference."""
    rng = np.random.default_rng(pairs)
    drawn = rng.normal(difference, sd, size=(studies, pairs))
    return float(np.mean(np.asarray(stats.ttest_1samp(drawn, 0.0, axis=1).pvalue) < 0.05))


def pilot(**changes: object) -> Difference:
    table = paired_table(np.random.default_rng(0), 6, {"a": 0, "b": 1})
    return replace(paired_difference(table, "loudness_lufs", "tags", "seed"), **changes)  # type: ignore[arg-type]


@both_sizes
@pytest.mark.parametrize(("difference", "target"), [(1.0, 0.8), (0.5, 0.8), (2.0, 0.9)])
def test_takes_to_settle_gives_the_power_it_promises(
    studies: int, difference: float, target: float
) -> None:
    known = pilot(estimate=difference, sd=1.4)
    settling = takes_to_settle(known, "0.05", target=target)  # type: ignore[arg-type]
    share = found_share(studies, settling.pairs, difference, 1.4)
    measured(f"power {studies=} {difference=} {target=}: {share:.4f} at {settling.pairs} pairs")
    slack = 3.3 * (target * (1 - target) / studies) ** 0.5
    # Whole pairs overshoot a little, most where few are needed.
    assert target - slack <= share <= target + slack + 0.05
    one_less = found_share(20_000, settling.pairs - 1, difference, 1.4)
    assert one_less < target + 0.01
    assert settling.more_takes == 2 * max(0, settling.pairs - known.n)
    assert settling.more_usd == settling.more_takes * Decimal("0.05")


@both_sizes
def test_power_beforehand_is_the_power_got(studies: int) -> None:
    plan = power(10, 1.4, difference=1.0)
    share = found_share(studies, 10, 1.0, 1.4)
    measured(f"promised {plan.power:.4f}, got {share:.4f}, {studies=}")
    assert share == pytest.approx(plan.power, abs=3.3 * (0.25 / studies) ** 0.5)
    at_edge = found_share(studies, 10, plan.detectable, 1.4)
    assert at_edge == pytest.approx(0.8, abs=3.3 * (0.16 / studies) ** 0.5)


def test_more_levels_need_more() -> None:
    two, four = power(10, 1.0), power(10, 1.0, levels=4, price_usd=0.1)
    assert four.comparisons == 6
    assert four.detectable > two.detectable
    assert (four.takes, four.cost_usd) == (40, Decimal("4.0"))


@both_sizes
def test_a_small_difference_is_settled_by_showing_that_it_does_not_matter(studies: int) -> None:
    """Told from nothing, or told to be less than what matters: whichever takes fewer."""
    known = pilot(estimate=0.2, matters=1.0, sd=1.4)
    settling = takes_to_settle(known, 0.1)
    assert settling.pairs == takes_to_settle(pilot(estimate=0.8, sd=1.4), 0.1).pairs
    near = takes_to_settle(pilot(estimate=-0.7, matters=1.0, sd=1.4), 0.1)
    assert near.pairs == takes_to_settle(pilot(estimate=0.7, sd=1.4), 0.1).pairs
    assert "if the true difference is the 0.2 LU seen" in settling.sentence
    rng = np.random.default_rng(9)
    drawn = rng.normal(0.2, 1.4, size=(studies, settling.pairs))
    ends = stats.ttest_1samp(drawn, 0.0, axis=1).confidence_interval(0.95)
    alike = float(np.mean((np.asarray(ends.low) > -1) & (np.asarray(ends.high) < 1)))
    measured(f"called alike {studies=}: {alike:.4f} at {settling.pairs} pairs, 0.8 promised")
    assert alike == pytest.approx(0.8, abs=3.3 * (0.16 / studies) ** 0.5 + 0.02)


def test_what_is_inconclusive_is_never_said_to_have_enough_takes() -> None:
    rng = np.random.default_rng(8)
    seen = 0
    for _ in range(200):
        table = paired_table(rng, 12, {"a": 0, "b": float(rng.uniform(-1, 1))})
        found = paired_difference(table, "loudness_lufs", "tags", "seed", matters=1.5)
        if found.verdict == "inconclusive":
            seen += 1
            assert not takes_to_settle(found, 0.1).is_settled
    assert seen > 20


def test_credits_are_named_beside_dollars() -> None:
    settling = takes_to_settle(pilot(estimate=0.5, sd=1.0), 0.0, price_credits=6)
    assert settling.more_credits == 6 * settling.more_takes
    assert f"and {6 * settling.more_takes} credits)" in settling.sentence


def test_settled_hopeless_and_unknown() -> None:
    assert takes_to_settle(pilot(estimate=9.0, sd=1.0), 0.1).is_settled
    said = takes_to_settle(pilot(estimate=9.0, sd=1.0), 0.1).sentence
    assert said.startswith("As many takes as these settle it with 80 % certainty")
    hopeless = takes_to_settle(pilot(estimate=1e-6, sd=1.0), 0.1)
    assert not hopeless.is_settled
    assert "No affordable number" in hopeless.sentence
    assert takes_to_settle(pilot(estimate=1.0, sd=0.0), 0.1).pairs == 2
    with pytest.raises(RequestError, match="two complete pairs"):
        takes_to_settle(pilot(n=1), 0.1)


def test_a_plan_of_one_pair_detects_nothing() -> None:
    plan = power(1, 1.0, difference=5.0)
    assert (plan.detectable, plan.power) == (float("inf"), 0.0)
    assert "can detect nothing" in plan.sentence


@pytest.mark.parametrize("wrong", [{"pairs": -1}, {"sd": 0}, {"levels": 1}, {"target": 1.0}])
def test_a_number_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    plan: dict[str, float] = {"pairs": 5, "sd": 1.0, **wrong}
    with pytest.raises(RequestError):
        power(**plan)  # type: ignore[arg-type]
