"""Differences: true in 95 of 100 intervals, quiet where there is nothing, honest about gaps."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from tests.statistics.simulated import (
    assert_covers,
    assert_false_alarms,
    both_sizes,
    measured,
    paired_table,
)
from workbench.errors import RequestError
from workbench.statistics import compare_levels, held_together, paired_difference


@both_sizes
@pytest.mark.parametrize("pairs", [3, 5, 20])
@pytest.mark.parametrize("skewed", [False, True])
def test_intervals_hold_the_truth(studies: int, pairs: int, skewed: bool) -> None:
    rng = np.random.default_rng(pairs)
    hits = 0
    for _ in range(studies):
        table = paired_table(rng, pairs, {"a": 0, "b": 2}, skewed)
        found = paired_difference(table, "loudness_lufs", "tags", "seed")
        hits += found.low <= 2 <= found.high
    measured(f"coverage {studies=} {pairs=} {skewed=}: {hits / studies:.4f}")
    # Differences with long tails widen Student's interval: it errs on the safe side.
    assert_covers(hits, studies, at_least_only=skewed)


@both_sizes
def test_a_null_raises_the_nominal_number_of_false_alarms(studies: int) -> None:
    rng = np.random.default_rng(1)
    alarms = 0
    for _ in range(studies):
        table = paired_table(rng, 8, {"a": 0, "b": 0})
        found = paired_difference(table, "loudness_lufs", "tags", "seed")
        alarms += found.verdict != "inconclusive"
    measured(f"false alarms {studies=}: {alarms / studies:.4f}")
    assert_false_alarms(alarms, studies)


@pytest.mark.parametrize("studies", [100, pytest.param(2000, marks=pytest.mark.slow)])
def test_many_comparisons_share_one_false_alarm_rate(studies: int) -> None:
    rng = np.random.default_rng(2)
    alarms = uncorrected = 0
    for _ in range(studies):
        table = paired_table(rng, 8, dict.fromkeys("abcd", 0.0))
        found = compare_levels(table, "loudness_lufs", "tags", "seed")
        alarms += any(each.verdict != "inconclusive" for each in found)
        uncorrected += any(each.low > 0 or each.high < 0 for each in found)
    measured(
        f"family false alarms {studies=}: {alarms / studies:.4f}, raw {uncorrected / studies:.4f}"
    )
    assert_false_alarms(alarms, studies, at_most_only=True)
    assert uncorrected / studies > 0.1  # what the correction is for


def test_two_decibels_are_found_and_said() -> None:
    table = paired_table(np.random.default_rng(0), 12, {"plain": 0, "loud": 2})
    found = paired_difference(table, "loudness_lufs", "tags", "seed")
    assert found.verdict == "higher"
    assert found.effect_size == pytest.approx(found.estimate / found.sd * (1 - 3 / 43))
    assert found.sentence.startswith("loudness with tags “loud” is ")
    for said in ("LU higher than with “plain”", "95 % interval", "effect size", "12 pairs"):
        assert said in found.sentence
    swapped = paired_difference(table, "loudness_lufs", "tags", "seed", levels=("loud", "plain"))
    assert (swapped.verdict, swapped.estimate) == ("lower", -found.estimate)


def test_a_null_within_what_matters_is_alike_and_else_inconclusive() -> None:
    table = paired_table(np.random.default_rng(3), 40, {"a": 0, "b": 0})
    alike = paired_difference(table, "loudness_lufs", "tags", "seed", matters=1.0)
    assert alike.verdict == "alike"
    assert "the same as with “a” to within 1 LU" in alike.sentence
    unsure = paired_difference(table, "loudness_lufs", "tags", "seed")
    assert unsure.verdict == "inconclusive"
    assert unsure.sentence.startswith("Inconclusive")


def test_undefined_and_unpaired_takes_are_counted_by_reason() -> None:
    table = paired_table(np.random.default_rng(0), 6, {"a": 0, "b": 2})
    table["state"] = "done"
    table["loudness_lufs_reason"] = None
    table.loc[[1, 4], "loudness_lufs"] = math.nan
    table.loc[1, "loudness_lufs_reason"] = "silent."
    table.loc[4, "state"] = "failed"
    found = paired_difference(table, "loudness_lufs", "tags", "seed")
    assert (found.n, found.unpaired) == (4, 2)
    assert found.undefined == {"silent.": 1, "failed": 1}
    assert "2 takes without a partner." in found.sentence
    assert "1 x silent" in found.sentence
    assert "1 x failed" in found.sentence


def test_takes_of_one_level_and_pair_are_averaged_first() -> None:
    table = pd.DataFrame(
        {
            "engine": ["x", "x", "y", "y"] * 2,
            "tags": ["a", "b"] * 4,
            "seed": [0] * 4 + [1] * 4,
            "gaps": [0, 2, 1, 5, 0, 2, 3, 3],
        }
    )
    found = paired_difference(table, "gaps", "engine", "seed")
    assert (found.n, found.estimate, found.takes_per_pair) == (2, 2.0, 4.0)


def test_what_was_chosen_is_matched_and_does_not_count_as_luck() -> None:
    """A seed's luck is shared by its tag sets, so that four sets of five seeds are five pairs."""
    rng = np.random.default_rng(6)
    rows = pd.DataFrame(
        [(s, t, e) for s in range(5) for t in range(4) for e in "xy"],
        columns=["seed", "style", "engine"],
    )
    hits = {"matched": 0, "as if all were luck": 0}
    for _ in range(300):
        shift = rng.normal(size=5)  # of this seed, on engine y, whatever the tags
        table = rows.assign(gaps=rng.normal(scale=0.3, size=len(rows)) + 10.0 * rows["style"])
        table.loc[table["engine"] == "y", "gaps"] += shift[table["seed"]][table["engine"] == "y"]
        found = paired_difference(table, "gaps", "engine", "seed", within=["style"])
        hits["matched"] += found.low <= 0 <= found.high
        both = table.assign(cell=table["seed"].astype(str) + "/" + table["style"].astype(str))
        naive = paired_difference(both, "gaps", "engine", "cell")
        hits["as if all were luck"] += naive.low <= 0 <= naive.high
    measured(f"coverage of 300: {hits}")
    assert_covers(hits["matched"], 300)
    assert hits["as if all were luck"] < 0.8 * 300  # what `within` is for


def test_a_take_that_is_missing_does_not_shift_the_rest() -> None:
    """Where a style is lost on one side only, its partner is left out, not averaged in."""
    table = pd.DataFrame(
        [(s, t, e) for s in range(3) for t in (0, 50) for e in "xy"],
        columns=["seed", "style", "engine"],
    )
    table["gaps"] = table["style"] + 1.0 * (table["engine"] == "y")
    found = paired_difference(table.drop(index=3), "gaps", "engine", "seed", within=["style"])
    assert (found.estimate, found.n, found.unpaired) == (1.0, 3, 1)
    assert paired_difference(table.drop(index=3), "gaps", "engine", "seed").estimate != 1.0


def test_comparisons_of_several_quantities_are_held_together() -> None:
    table = paired_table(np.random.default_rng(4), 10, {"a": 0, "b": 3})
    one = paired_difference(table, "loudness_lufs", "tags", "seed")
    two = compare_levels(table.assign(gaps=table["loudness_lufs"] / 2), "gaps", "tags", "seed")
    held = held_together([one, *two])
    assert [each.comparisons for each in held] == [2, 2]
    assert held[0].p == pytest.approx(2 * one.p)
    assert held_together(held) == held
    assert held_together([]) == []


def test_too_few_pairs_are_inconclusive() -> None:
    table = paired_table(np.random.default_rng(0), 1, {"a": 0, "b": 9})
    found = paired_difference(table, "loudness_lufs", "tags", "seed")
    assert (found.verdict, found.n, found.low, found.high) == (
        "inconclusive",
        1,
        -math.inf,
        math.inf,
    )
    assert "two are needed" in found.sentence
    none = paired_difference(table[:1], "loudness_lufs", "tags", "seed", levels=("a", "b"))
    assert (none.verdict, none.n, none.unpaired) == ("inconclusive", 0, 1)
    assert math.isnan(none.estimate)


def test_pairs_that_all_differ_alike_need_five_or_more_to_say_so() -> None:
    table = pd.DataFrame({"tags": ["a", "b"] * 6, "seed": np.repeat(range(6), 2)})
    table["gaps"] = [0.0, 1.0] * 6
    many = paired_difference(table, "gaps", "tags", "seed")
    assert (many.verdict, many.p, many.effect_size) == ("higher", 2.0**-5, math.inf)
    few = paired_difference(table[:8], "gaps", "tags", "seed")
    assert (few.verdict, few.p) == ("inconclusive", 0.125)
    same = paired_difference(table.assign(gaps=1.0), "gaps", "tags", "seed", matters=0.5)
    assert (same.verdict, same.p, same.effect_size) == ("alike", 1.0, 0.0)


def test_yes_and_no_count_as_shares_and_other_text_is_refused() -> None:
    table = pd.DataFrame({"tags": ["a", "b"] * 8, "seed": np.repeat(range(8), 2)})
    table["clipped"] = ["no", "yes"] * 7 + ["no", "no"]
    found = paired_difference(table, "clipped", "tags", "seed")
    assert (found.verdict, found.estimate) == ("higher", 7 / 8)
    with pytest.raises(RequestError, match="is text"):
        paired_difference(table.assign(clipped="perhaps"), "clipped", "tags", "seed")


def test_what_cannot_be_compared_is_refused() -> None:
    table = paired_table(np.random.default_rng(0), 3, {"a": 0, "b": 0, "c": 0})
    with pytest.raises(RequestError, match="3 levels"):
        paired_difference(table, "loudness_lufs", "tags", "seed")
    with pytest.raises(RequestError, match="no column width_db"):
        paired_difference(table, "width_db", "tags", "seed", levels=("a", "b"))
    with pytest.raises(RequestError, match="no level 'z'"):
        compare_levels(table, "loudness_lufs", "tags", "seed", baseline="z")
    with pytest.raises(RequestError, match="comparing needs two"):
        compare_levels(table[table["tags"] == "a"], "loudness_lufs", "tags", "seed")


def test_levels_are_compared_with_a_baseline_at_one_rate() -> None:
    table = paired_table(np.random.default_rng(4), 10, {"a": 0, "b": 3, "c": 0})
    found = compare_levels(table, "loudness_lufs", "tags", "seed", baseline="a")
    assert [(each.level, each.verdict) for each in found] == [
        ("b", "higher"),
        ("c", "inconclusive"),
    ]
    alone = paired_difference(table, "loudness_lufs", "tags", "seed", levels=("a", "b"))
    assert found[0].p == pytest.approx(2 * alone.p)
    assert "2 comparisons held together" in found[0].sentence
