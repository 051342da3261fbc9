"""How comparisons and shares are told: what is claimed first, what is open with its price."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from workbench import plots, statistics
from workbench.statistics import Difference
from workbench.statistics.observed import (
    counted,
    percent,
    range_text,
    unit_of,
    with_unit,
    words_of,
)
from workbench.take import State

# More than these are in the table; an answer is read, not searched.
_CLAIMS_MAX, _OPEN_MAX = 6, 3


def level_text(by: str, level: Any) -> str:
    """A level by its column's words and unit.

    Examples
    --------
    >>> level_text("axis_options.seam_level_db", 3), level_text("engine", "sketch")
    ('seam level 3 dB', 'engine sketch')
    """
    return f"{words_of(by)} {level} {unit_of(by)}".strip()


def share_text(hits: int, n: int, noun: str) -> str:
    """A share with its interval.

    Examples
    --------
    >>> share_text(8, 10, "takes"), share_text(0, 0, "edges")
    ('8 of 10 takes (80 %; 95 % interval 49 % to 94 %)', '0 of 0 edges')
    """
    found = plots.share_interval(hits, n)
    if not n:
        return f"{hits} of {n} {noun}"
    ends = f"{percent(found.low)} to {percent(found.high)}"
    return f"{hits} of {n} {noun} ({percent(found.mean)}; 95 % interval {ends})"


def told(found: Sequence[Difference], takes: pd.DataFrame, where: str = "") -> list[str]:
    """Comparisons in sentences: claims, then what is open and what would settle it, then the rest.

    Parameters
    ----------
    found : sequence of Difference
        Held together.
    takes : DataFrame
        The finished takes, for the price of one.
    where : str
        In front of the first sentence, such as the engine's name.
    """
    if not found:
        return ["Nothing could be compared: that needs two levels with takes that were measured."]
    claimed = sorted(
        (each for each in found if each.verdict in ("higher", "lower")),
        key=lambda each: -abs(each.effect_size),
    )
    alike = [each for each in found if each.verdict == "alike"]
    unsure = [each for each in found if each.verdict == "inconclusive"]
    unsure.sort(key=lambda each: each.p_alone)
    said = [each.sentence for each in claimed[:_CLAIMS_MAX]]
    said += _rest(len(claimed) - _CLAIMS_MAX, "more differ")
    for each in unsure[:_OPEN_MAX]:
        said += [each.sentence, *_settling(each, takes)]
    said += _rest(len(unsure) - _OPEN_MAX, "more comparisons are inconclusive")
    said += [_alike(alike)] if alike else []
    if len(claimed) > 1:
        said[0] = f"{len(claimed)} of {len(found)} comparisons differ, most of all: {said[0]}"
    first = where + said[0] if where else _capital(said[0])
    return [first, *map(_capital, said[1:])]


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]


def _rest(count: int, what: str) -> list[str]:
    return [f"{count} {what}: see the numbers."] if count > 0 else []


def _settling(found: Difference, takes: pd.DataFrame) -> list[str]:
    if found.n < 2:
        return []
    levels = (found.level, found.baseline)
    own = takes[takes[found.by].isin(levels)] if found.by in takes else takes
    usd, credits = (_mean(own, name) for name in ("charged_usd", "charged_credits"))
    return [statistics.takes_to_settle(found, usd, price_credits=credits).sentence]


def _mean(takes: pd.DataFrame, name: str) -> float:
    mean = pd.to_numeric(takes[name]).mean() if name in takes else float("nan")
    return 0.0 if pd.isna(mean) else float(mean)


def _alike(found: Sequence[Difference]) -> str:
    """Levels that are the same to within what matters, in one sentence."""
    if len(found) == 1:
        return found[0].sentence
    values = list(dict.fromkeys(each.value for each in found))
    levels = list(dict.fromkeys(f"“{x}”" for d in found for x in (d.baseline, d.level)))
    named = f" with {words_of(found[0].by)} {_list(levels)}" if len(values) == 1 else ""
    parts = []
    for value in values:
        own = [each for each in found if each.value == value]
        low, high = min(each.low for each in own), max(each.high for each in own)
        largest = max((each.effect_size for each in own), key=abs)
        pairs = sorted({each.n for each in own})
        parts.append(
            f"{words_of(value)}{named} to within {with_unit(own[0].matters, own[0].unit)} (95 % "
            f"intervals from {range_text(low, high, own[0].unit)}; effect sizes up to "
            f"{with_unit(abs(largest), 'standard deviations')}; "
            f"{' or '.join(map(str, pairs))} pairs)"
        )
    return f"The same in {counted(len(found), 'comparison')}: {'; '.join(parts)}."


def _list(words: Sequence[str]) -> str:
    """Words in a row.

    Examples
    --------
    >>> _list(["a", "b", "c"]), _list(["a"])
    ('a, b and c', 'a')
    """
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]


def rows_of(found: Sequence[Difference], where: str = "") -> list[dict[str, Any]]:
    """Comparisons as rows of the answer's table."""
    return [
        {
            "where": where,
            "measurement": each.value,
            "level": str(each.level),
            "baseline": str(each.baseline),
            "estimate": each.estimate,
            "low": each.low,
            "high": each.high,
            "unit": each.unit,
            "effect_size": each.effect_size,
            "p": each.p,
            "pairs": each.n,
            "verdict": each.verdict,
        }
        for each in found
    ]


def price_text(takes: pd.DataFrame) -> str:
    """What takes were made for an answer, and what they cost."""
    done = int((takes["state"] == State.DONE).sum())
    credits = takes["charged_credits"].sum()
    prepaid = f" and {credits:g} credits" if credits else ""
    unknown = takes[takes["state"] == State.UNKNOWN]
    doubt = (
        f"; {counted(len(unknown), 'take')} of unknown outcome may cost "
        f"{plots.money(unknown['quoted_usd'].sum())} USD more"
        if len(unknown)
        else ""
    )
    usd = plots.money(takes["charged_usd"].sum())
    return f"This answer took {counted(done, 'take')} and cost {usd} USD{prepaid}{doubt}."
