"""Shares of variance: what was planted is found."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pandas as pd
import pytest

from tests.statistics.simulated import assert_covers, both_sizes, measured
from workbench.errors import RequestError
from workbench.statistics import variance_components

SDS = {"tags": 2.0, "seed": 1.0, "rest": 1.0}
SHARES = {"tags": 4 / 6, "seed": 1 / 6, "rest": 1 / 6}


def planted(
    rng: np.random.Generator, sizes: tuple[int, int] = (8, 12), lost: float = 0.0
) -> pd.DataFrame:
    """Every tag with every seed, each with an effect of known spread; a share of takes lost."""
    rows = pd.DataFrame(product(range(sizes[0]), range(sizes[1])), columns=["tags", "seed"])
    effects = [
        rng.normal(scale=SDS[name], size=size)
        for name, size in zip(("tags", "seed"), sizes, strict=True)
    ]
    rows["tempo_bpm"] = (
        effects[0][rows["tags"]] + effects[1][rows["seed"]] + rng.normal(size=len(rows))
    )
    rows.loc[rng.random(len(rows)) < lost, "tempo_bpm"] = math.nan
    return rows


@both_sizes
@pytest.mark.parametrize("lost", [0.0, 0.2])
def test_intervals_hold_the_planted_shares(studies: int, lost: float) -> None:
    rng = np.random.default_rng(5)
    sds = np.zeros((studies, 3))
    hits = dict.fromkeys(SHARES, 0)
    for study in range(studies):
        found = variance_components(planted(rng, lost=lost), "tempo_bpm", ["tags", "seed"])
        for place, name in enumerate(SHARES):
            share = found.share(name)
            sds[study, place] = share.sd
            hits[name] += share.low <= SHARES[name] <= share.high
    measured(f"coverage {studies=} {lost=} {[n / studies for n in hits.values()]}")
    for name in SHARES:
        assert_covers(hits[name], studies)
    # Unbiased: the mean estimated variance is the planted one.
    assert (sds**2).mean(axis=0) == pytest.approx([4.0, 1.0, 1.0], rel=0.15)


def test_a_factor_that_does_nothing_has_an_interval_that_holds_nothing() -> None:
    rng = np.random.default_rng(6)
    table = planted(rng)
    table["engine"] = rng.integers(3, size=len(table))
    found = variance_components(table, "tempo_bpm", ["tags", "seed", "engine"])
    assert found.share("engine").low == 0
    assert found.share("engine").share < 0.05
    assert found.shares[0].factor == "tags"
    assert sum(share.share for share in found.shares) == pytest.approx(1)


def test_the_sentence_names_the_split_and_the_gaps() -> None:
    table = planted(np.random.default_rng(7), (20, 20), lost=0.1)
    found = variance_components(table, "tempo_bpm", ["tags", "seed"])
    assert found.n == table["tempo_bpm"].notna().sum()
    assert found.undefined == {"not measured": 400 - found.n}
    for said in ("tags 6", "BPM", "95 % intervals", f"{400 - found.n} x not measured"):
        assert said in found.sentence
    assert "“tags” is the largest" in found.sentence


@both_sizes
def test_few_levels_have_intervals_that_hold_the_truth_too(studies: int) -> None:
    """3 tag sets and 5 seeds; also of what several factors share together."""
    rng = np.random.default_rng(11)
    hits = dict.fromkeys((*SHARES, "luck"), 0)
    for _ in range(studies):
        found = variance_components(planted(rng, (3, 5)), "tempo_bpm", ["tags", "seed"])
        for name in SHARES:
            share = found.share(name)
            hits[name] += share.low <= SHARES[name] <= share.high
        luck = found.together("seed", "rest")
        hits["luck"] += luck.low <= 2 / 6 <= luck.high
    measured(f"coverage of 3 x 5 {studies=} { {n: k / studies for n, k in hits.items()} }")
    for name, count in hits.items():
        assert_covers(count, studies, at_least_only=name in ("seed", "rest"))


def test_together_adds_shares_and_leaves_out_what_has_one_level() -> None:
    table = planted(np.random.default_rng(12)).assign(engine="sketch")
    found = variance_components(table, "tempo_bpm", ["tags", "seed", "engine"])
    luck = found.together("seed", "rest", "engine")
    assert luck.share == pytest.approx(1 - found.share("tags").share)
    tags = found.share("tags")
    assert (luck.low, luck.high) == pytest.approx((1 - tags.high, 1 - tags.low))


def test_few_levels_are_inconclusive() -> None:
    table = planted(np.random.default_rng(8), (2, 4))
    found = variance_components(table, "tempo_bpm", ["tags", "seed"])
    assert "inconclusive" in found.sentence


def test_a_constant_did_not_vary_and_a_single_level_has_no_share() -> None:
    table = planted(np.random.default_rng(9)).assign(tempo_bpm=120.0, engine="sketch")
    found = variance_components(table, "tempo_bpm", ["tags", "engine"])
    assert "did not vary" in found.sentence
    assert found.share("engine").levels == 1


def test_factors_that_cannot_be_told_apart_are_refused() -> None:
    table = planted(np.random.default_rng(10))
    table["style"] = table["tags"] * 10
    with pytest.raises(RequestError, match="cannot tell"):
        variance_components(table, "tempo_bpm", ["tags", "style"])
    with pytest.raises(RequestError, match="cannot tell"):
        variance_components(table[:2], "tempo_bpm", ["seed"])
