"""The frontier: who gives most for the price, and how sure that is."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from tests.statistics.simulated import assert_covers, assert_false_alarms, both_sizes, measured
from workbench.errors import RequestError
from workbench.statistics import pareto_frontier

# Cheap and poor, dear and good, and one that both beat: dearer than the good one, and worse.
TRUE = {"cheap": (1.0, 5.0), "good": (3.0, 8.0), "beaten": (4.0, 6.0)}


def engines(rng: np.random.Generator, takes: int, spread: float = 1.0) -> pd.DataFrame:
    parts = [
        pd.DataFrame(
            {
                "engine": name,
                "charged_usd": rng.normal(cost, 0.1, takes),
                "score": rng.normal(score, spread, takes),
            }
        )
        for name, (cost, score) in TRUE.items()
    ]
    return pd.concat(parts, ignore_index=True)


def test_the_frontier_is_found_and_said() -> None:
    found = pareto_frontier(engines(np.random.default_rng(0), 30), "charged_usd", "score", "engine")
    assert [point.level for point in found] == ["cheap", "good", "beaten"]
    assert [point.verdict for point in found] == ["on the frontier", "on the frontier", "beaten"]
    assert [point.on_frontier for point in found] == [True, True, False]
    assert "“beaten” is beaten (a chance of 0 % to be on the frontier)" in found[2].sentence
    assert "USD" in found[0].sentence


def test_the_other_end_may_be_the_good_one() -> None:
    table = engines(np.random.default_rng(0), 30)
    found = pareto_frontier(table, "charged_usd", "score", "engine", best="low")
    assert [point.on_frontier for point in found] == [True, False, False]


@both_sizes
@pytest.mark.parametrize("takes", [3, 5, 10])
@pytest.mark.parametrize("pair", ["", "seed"])
def test_the_probability_is_honest_where_two_are_alike(studies: int, takes: int, pair: str) -> None:
    """A dearer engine exactly as good is on the frontier by luck: half of the time."""
    rng = np.random.default_rng(takes)
    chances, sure, hits = [], 0, 0
    for _ in range(studies):
        table = pd.DataFrame({"engine": ["a"] * takes + ["b"] * takes})
        table["seed"] = [*range(takes)] * 2
        table["charged_usd"] = [1.0] * takes + [2.0] * takes
        luck = np.tile(rng.normal(scale=3, size=takes), 2) if pair else 0  # shared by the seed
        table["score"] = rng.normal(size=2 * takes) + luck
        point = pareto_frontier(table, "charged_usd", "score", "engine", pair=pair)[1]
        chances.append(point.probability)
        sure += point.verdict != "inconclusive"
        hits += point.value_low <= 0 <= point.value_high
    measured(
        f"{studies=} {takes=} {pair=}: mean {np.mean(chances):.3f}, sure {sure / studies:.4f}, "
        f"coverage {hits / studies:.4f}"
    )
    assert np.mean(chances) == pytest.approx(0.5, abs=0.06)
    # Student's spread of two engines without shared luck is a little cautious (Behrens, Fisher).
    assert_false_alarms(sure, studies, at_most_only=not pair)
    assert_covers(hits, studies)


def test_engines_that_measure_alike_take_for_take_differ_in_price_alone() -> None:
    table = engines(np.random.default_rng(3), 4)
    table["seed"] = [*range(4)] * 3
    cheap = table[table["engine"] == "cheap"]
    twin = cheap.assign(engine="twin", charged_usd=cheap["charged_usd"] + 1)
    both = pd.concat([cheap, twin])
    paired = pareto_frontier(both, "charged_usd", "score", "engine", pair="seed")
    assert [point.verdict for point in paired] == ["on the frontier", "beaten"]
    # Without their seeds nothing says that the twin is not better by luck.
    alone = pareto_frontier(both, "charged_usd", "score", "engine")
    assert alone[1].verdict == "inconclusive"


def test_one_take_has_no_place_and_beats_nobody() -> None:
    table = engines(np.random.default_rng(4), 4)
    lone = pd.concat([table, pd.DataFrame([{"engine": "lone", "charged_usd": 0.1, "score": 99.0}])])
    found = {p.level: p for p in pareto_frontier(lone, "charged_usd", "score", "engine")}
    assert found["lone"].verdict == "inconclusive"
    assert "two takes or more are needed" in found["lone"].sentence
    assert found["good"].on_frontier
    only = pareto_frontier(lone[-1:], "charged_usd", "score", "engine")
    assert [point.verdict for point in only] == ["inconclusive"]


def test_gaps_are_counted_and_levels_without_takes_are_shown() -> None:
    table = engines(np.random.default_rng(2), 5)
    table.loc[table["engine"] == "good", "score"] = math.nan
    table.loc[0, "charged_usd"] = math.nan
    found = {p.level: p for p in pareto_frontier(table, "charged_usd", "score", "engine")}
    assert found["good"].n == 0
    assert math.isnan(found["good"].probability)
    assert found["good"].undefined == {"not measured": 5}
    assert (found["cheap"].n, found["cheap"].undefined) == (4, {"not measured": 1})
    with pytest.raises(RequestError, match="no column price"):
        pareto_frontier(table, "price", "score", "engine")
