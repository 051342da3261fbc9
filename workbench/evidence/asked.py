"""What a question is put to, and what an answer is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd

from workbench.take import State

if TYPE_CHECKING:
    from workbench.evidence.drawings import Plot
    from workbench.report import Drawn
    from workbench.study import Study

TEMPO_OFF = "tempo_error_size_pct"
# What a plan may vary beside seeds; lyrics are left out, because each language has its own.
_CHOSEN = ("engine", "style", "asked_tempo_bpm", "asked_duration_s", "asked_key", "tempo_carrier")

# Columns of an answer's table that say what a row is of.
_NAMES = ("where", "measurement", "setting", "level", "baseline", "factor")


@dataclass(frozen=True)
class Evidence:
    """What a question is put to."""

    takes: pd.DataFrame
    study: Study
    options: Mapping[str, Any]

    @property
    def done(self) -> pd.DataFrame:
        """Finished takes, with the size of the tempo error beside its sign."""
        done = self.takes[self.takes["state"] == State.DONE].copy()
        if "tempo_folded_error_pct" in done:
            done[TEMPO_OFF] = pd.to_numeric(done["tempo_folded_error_pct"]).abs()
        return done

    @property
    def budget_usd(self) -> Decimal | None:
        """The study's cap, if it has one."""
        return self.study.budget_usd

    def within(self, by: str) -> list[str]:
        """What was chosen beside `by`, the same for each of its levels: takes are matched there.

        A column that goes with the levels, as the tempo does with tags that name one, matches
        nothing and is left out. The plan decides, whatever became of its takes.
        """
        axes = (str(name) for name in self.takes if str(name).startswith("axis_"))
        names = [name for name in (*_CHOSEN, *axes) if name in self.takes and name != by]
        kept = []
        for name in names:
            own = [set(part.astype(str)) for _, part in self.takes.groupby(by)[name]]
            if len(own[0]) > 1 and all(values == own[0] for values in own):
                kept.append(name)
        return kept


@dataclass(frozen=True)
class Answer:
    """Sentences, the first of them the shortest way to say it, and the figures behind them.

    `more_takes` are those that the answer took beside the study's own, a row each.
    """

    sentences: tuple[str, ...]
    table: pd.DataFrame
    plots: tuple[Plot, ...] = ()
    more_takes: pd.DataFrame = field(default_factory=pd.DataFrame)

    @property
    def text(self) -> str:
        """All sentences in one."""
        return " ".join(self.sentences)

    @property
    def numbers(self) -> dict[str, str]:
        """Each estimate of the table with its interval, by what it is of.

        Examples
        --------
        >>> row = {"measurement": "width_db", "level": "b", "unit": "dB", "estimate": 2.0}
        >>> Answer((), pd.DataFrame([row | {"low": 1.0, "high": 3.0, "verdict": "higher"}])).numbers
        {'width_db, b': '2 (1 to 3) dB higher'}
        """
        value = next((name for name in ("estimate", "share") if name in self.table), "")
        if not value:
            return {}
        said = {}
        for row in self.table.astype(object).to_dict("records"):
            of = [str(row[name]) for name in _NAMES if row.get(name)]
            ends = f"{row[value]:.3g} ({row['low']:.3g} to {row['high']:.3g})"
            told = f"{ends} {row.get('unit', '')} {row.get('verdict', '')}"
            said[", ".join(of)] = " ".join(told.split())
        return said

    def draw(self) -> tuple[Drawn, ...]:
        """The figures behind the answer."""
        return tuple(plot.draw() for plot in self.plots)


@dataclass(frozen=True)
class Question:
    """A question that an experiment asks; `limits` says what its answer does not cover."""

    text: str
    limits: str
    answer: Callable[[Evidence], Answer]
