"""What a table observed of a quantity, and what it could not: values kept, gaps counted by reason.

Also the words that every statistic shares: units from names, numbers as text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from workbench.errors import RequestError

LEVEL = 0.95
ALPHA = 1 - LEVEL
NOT_MEASURED = "not measured"

# Units ride at the end of names; the longest ending counts.
_UNITS: Mapping[str, str] = {
    "pct_per_min": "%/min",
    "pct": "%",
    "bpm": "BPM",
    "dbfs": "dBFS",
    "dbtp": "dBTP",
    "db": "dB",
    "lufs": "LUFS",
    "lu": "LU",
    "hz": "Hz",
    "ms": "ms",
    "s": "s",
    "usd": "USD",
}


def unit_of(name: str) -> str:
    """The unit that a quantity's name ends in, "" where it has none.

    Examples
    --------
    >>> unit_of("tempo_error_pct"), unit_of("loudness_lufs"), unit_of("key_score"), unit_of("gaps")
    ('%', 'LUFS', '', '')
    """
    return _UNITS.get(_ending(name), "")


def words_of(name: str) -> str:
    """A column's name as words, without its unit.

    Examples
    --------
    >>> words_of("asked_duration_s"), words_of("tempo_drift_pct_per_min"), words_of("seed")
    ('asked duration', 'tempo drift', 'seed')
    >>> words_of("style")
    'tag set'
    >>> words_of("axis_options.seam_level_db"), words_of("axis_language")
    ('seam level', 'language')
    """
    name = name.removeprefix("axis_").removeprefix("options.")
    if name == "style":
        return "tag set"
    return name.removesuffix(f"_{_ending(name)}").replace("_", " ")


def _ending(name: str) -> str:
    endings = (ending for ending in _UNITS if name.endswith(f"_{ending}"))
    return max(endings, key=len, default="")


def difference_unit(name: str) -> str:
    """The unit of a difference: of two levels it is LU or dB, of two percentages it is points.

    Examples
    --------
    >>> difference_unit("loudness_lufs"), difference_unit("true_peak_dbtp")
    ('LU', 'dB')
    >>> difference_unit("tempo_error_pct")
    'percentage points'
    """
    unit = unit_of(name)
    points = "percentage points"
    return {"LUFS": "LU", "dBFS": "dB", "dBTP": "dB", "%": points}.get(unit, unit)


def with_unit(number: float, unit: str) -> str:
    """A number to three digits, with its unit.

    Examples
    --------
    >>> with_unit(2.0417, "dB"), with_unit(-0.5, ""), with_unit(1234.5, "s")
    ('2.04 dB', '-0.5', '1234 s')
    >>> with_unit(0.00000513, "USD")
    '0.00000513 USD'
    >>> with_unit(1, "percentage points")
    '1 percentage point'
    """
    digits = f"{number:.3g}"
    if math.isfinite(number) and abs(number) >= 1000:
        digits = f"{number:.0f}"
    elif 0 < abs(number) < 1e-4:  # nobody reads powers of ten in a price
        digits = np.format_float_positional(number, precision=3, fractional=False, trim="-")
    one = unit.replace("points", "point") if number == 1 else unit
    return f"{digits} {one}".strip()


def percent(share: float) -> str:
    """A share in percent.

    Examples
    --------
    >>> percent(0.914)
    '91 %'
    """
    return f"{100 * share:.0f} %"


def range_text(low: float, high: float, unit: str = "") -> str:
    """An interval in words; one without ends says so.

    Examples
    --------
    >>> range_text(1.2, 2.9, "dB"), range_text(float("-inf"), float("inf"))
    ('1.2 to 2.9 dB', 'anything')
    """
    if not math.isfinite(high - low):
        return "anything"
    return f"{with_unit(low, '')} to {with_unit(high, unit)}"


def counted(count: int, word: str) -> str:
    """A count and its noun.

    Examples
    --------
    >>> counted(1, "take"), counted(3, "take")
    ('1 take', '3 takes')
    """
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def need_columns(table: pd.DataFrame, names: Sequence[str]) -> None:
    """Check that a table has the columns asked for.

    Raises
    ------
    RequestError
        Names the column that is missing.
    """
    missing = [name for name in names if name not in table]
    if missing:
        raise RequestError(f"the table has no column {', '.join(missing)}: measure or name it.")


def observed(table: pd.DataFrame, value: str, by: Sequence[str]) -> pd.DataFrame:
    """Rows of a table in which a quantity is defined, with the columns that group them.

    Yes and no count as 1 and 0, so a share is compared as a mean.

    Raises
    ------
    RequestError
        If a column is missing, or the quantity is text other than yes and no.
    """
    need_columns(table, [value, *by])
    kept = table.loc[_defined(table, value), [*by, value]].copy()
    if pd.api.types.is_float_dtype(kept[value]):
        return kept
    try:
        numbers = kept[value].replace({"yes": 1.0, "no": 0.0})
        kept[value] = numbers.astype("float64")
    except (TypeError, ValueError):
        raise RequestError(
            f"{value} is text: compare a number, such as whether it is the word you want."
        ) from None
    return kept


def undefined(table: pd.DataFrame, value: str) -> dict[str, int]:
    """How many rows have no value, by reason.

    Examples
    --------
    >>> table = pd.DataFrame({"key_score": [1.0, np.nan], "key_score_reason": [None, "silent"]})
    >>> undefined(table, "key_score")
    {'silent': 1}
    """
    gaps = table[~_defined(table, value)]
    if gaps.empty:
        return {}
    reasons = pd.Series(NOT_MEASURED, index=gaps.index, dtype=object)
    for column in ("state", "reason", f"{value}_reason"):  # each says more than the one before
        if column in gaps:
            said = gaps[column].fillna("").astype(str)
            reasons = reasons.mask((said != "") & (said != "done"), said)
    return {str(reason): int(n) for reason, n in reasons.value_counts().items()}


def undefined_text(value: str, reasons: Mapping[str, int]) -> str:
    """A closing sentence on takes without a value; "" where there are none."""
    if not reasons:
        return ""
    said = "; ".join(f"{n} x {reason.rstrip('.')}" for reason, n in reasons.items())
    return f" Left out, {value} being undefined: {said}."


def _defined(table: pd.DataFrame, value: str) -> pd.Series:
    if pd.api.types.is_numeric_dtype(table[value]):
        return pd.Series(np.isfinite(table[value].astype("float64")), index=table.index)
    return table[value].notna()


def mean_interval(numbers: np.ndarray) -> tuple[float, float, float]:
    """A mean with the ends of Student's 95 % interval; no ends below two numbers.

    Examples
    --------
    >>> [round(x, 2) for x in mean_interval(np.array([1.0, 2.0, 3.0]))]
    [2.0, -0.48, 4.48]
    """
    n = len(numbers)
    if n < 2:
        return (float(numbers[0]) if n else math.nan), -math.inf, math.inf
    mean = float(numbers.mean())
    half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1) * numbers.std(ddof=1) / math.sqrt(n))
    return mean, mean - half, mean + half
