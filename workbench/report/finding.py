"""What a question found, as a report shows it: sentences, numbers, figures, and their limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import pandas as pd
from matplotlib.figure import Figure

ROWS_MAX = 40


class Drawn(NamedTuple):
    """A figure with its title, and a caption that says how it was made and how sure it is."""

    title: str
    caption: str
    figure: Figure


@dataclass(frozen=True)
class Finding:
    """What was asked of a study, and what came of it.

    Parameters
    ----------
    question : str
    sentences : tuple of str
        The answer, the shortest way to say it first.
    limits : str
        What the answer does not cover.
    table : DataFrame
        The numbers behind the sentences.
    figures : tuple of Drawn
    again : str
        The command that makes it all anew.
    """

    question: str = ""
    sentences: tuple[str, ...] = ()
    limits: str = ""
    table: pd.DataFrame = field(default_factory=pd.DataFrame)
    figures: tuple[Drawn, ...] = ()
    again: str = ""

    @property
    def cells(self) -> list[list[str]]:
        """The table as text: headings, then rows; numbers to four digits, at most 40 rows.

        Examples
        --------
        >>> Finding(table=pd.DataFrame({"level": ["a", None], "n": [0.123456, 2]})).cells
        [['level', 'n'], ['a', '0.1235'], ['–', '2']]
        """
        rows = self.table.head(ROWS_MAX).itertuples(index=False)
        return [
            [str(name) for name in self.table.columns],
            *(list(map(_cell, row)) for row in rows),
        ]

    @property
    def rows_left_out(self) -> int:
        """Rows that `cells` has no room for."""
        return max(0, len(self.table) - ROWS_MAX)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "–" if pd.isna(value) else f"{value:.4g}"
    return "–" if value is None or value is pd.NA else str(value)
