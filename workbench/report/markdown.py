"""The report as Markdown: the same facts as the page, without players."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from workbench.report import page

_MARKS = re.compile(r"([\\`*_{}\[\]<>#|~$])")
_ROWS_MAX = 40


def render(facts: dict[str, Any]) -> str:
    """Markdown from what `page.facts` says.

    Tables longer than 40 rows are cut there and say so: all rows are in the files beside.
    """
    environment = page.environment(autoescape=False)
    environment.filters |= {"plain": plain, "listed": listed}
    return environment.get_template("report.md.j2").render(facts)


def plain(text: object) -> str:
    """Text from outside on one line, shown by Markdown as it is.

    Examples
    --------
    >>> print(plain("a_b | <i>"))
    a\\_b \\| \\<i\\>
    """
    return _MARKS.sub(r"\\\1", " ".join(str(text).split()))


def listed(table: pd.DataFrame) -> str:
    """A DataFrame as a Markdown table, numbers to four digits.

    Examples
    --------
    >>> print(listed(pd.DataFrame({"a|b": ["x"], "n": [0.123456]})))
    | a\\|b | n |
    |---|---|
    | x | 0.1235 |
    """
    lines = [list(table.columns), *table.head(_ROWS_MAX).itertuples(index=False)]
    rows = ["| " + " | ".join(plain(_cell(value)) for value in line) + " |" for line in lines]
    rows.insert(1, "|" + "---|" * len(table.columns))
    more = len(table) - _ROWS_MAX
    return "\n".join(rows + ([f"\n{more} more rows are in `answer.csv`."] if more > 0 else []))


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "–" if pd.isna(value) else f"{value:.4g}"
    return "–" if value is None or value is pd.NA else str(value)
