"""The frontier: who gives most for the price, and how sure that is."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from tests.statistics.simulated import both_sizes, measured
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
    assert (
        "“beaten” is beaten (0 % of resampled tables put it on the frontier)" in found[2].sentence
    )
    assert "USD" in found[0].sentence


def test_the_other_end_may_be_the_good_one() -> None:
    table = engines(np.random.default_rng(0), 30)
    found = pareto_frontier(table, "charged_usd", "score", "engine", best="low")
    assert [point.on_frontier for point in found] == [True, False, False]


@both_sizes
def test_the_probability_is_honest_where_two_are_alike(studies: int) -> None:
    """A dearer engine exactly as good is on the frontier by luck: half of the time."""
    rng = np.random.default_rng(1)
    chances, sure = [], 0
    for _ in range(studies):
        table = pd.DataFrame({"engine": ["a"] * 10 + ["b"] * 10})
        table["charged_usd"] = [1.0] * 10 + [2.0] * 10
        table["score"] = rng.normal(size=20)
        point = pareto_frontier(table, "charged_usd", "score", "engine")[1]
        chances.append(point.probability)
        sure += point.verdict != "inconclusive"
    measured(f"{studies=}: mean {np.mean(chances):.3f}, sure {sure / studies:.4f}")
    assert np.mean(chances) == pytest.approx(0.5, abs=0.06)
    # Nominally 5 % for both claims together; a bootstrap of ten takes is a little bold.
    assert sure / studies < 0.10


def test_gaps_are_counted_and_levels_without_takes_are_shown() -> None:
    table = engines(np.random.default_rng(2), 5)
    table.loc[table["engine"] == "good", "score"] = math.nan
    table.loc[0, "charged_usd"] = math.nan
    found = {p.level: p for p in pareto_frontier(table, "charged_usd", "score", "engine")}
    assert (found["good"].n, found["good"].probability) == (0, 0.0)
    assert found["good"].undefined == {"not measured": 5}
    assert (found["cheap"].n, found["cheap"].undefined) == (4, {"not measured": 1})
    with pytest.raises(RequestError, match="no column price"):
        pareto_frontier(table, "price", "score", "engine")
