"""One self-contained HTML file per study: answer, figures, costs, players, limits, provenance.

It opens offline anywhere: no script, no font, no address outside the file, and a policy in its
head that forbids the browser to fetch any. Every string from outside goes through the template's
escaping. Beside it lie the data as CSV with a data dictionary.
"""

from __future__ import annotations

import uuid
from pathlib import Path

import pandas as pd

from workbench.report.numbers import answer
from workbench.report.page import render
from workbench.store import Store
from workbench.tables import COLUMNS, table

__all__ = ["answer", "render", "write_report"]


def write_report(
    store: Store,
    name: str,
    folder: str | Path | None = None,
    *,
    question: str = "",
    answer: str = "",
) -> Path:
    """Write ``report.html``, ``takes.csv`` and ``columns.csv`` of a study.

    Parameters
    ----------
    store : Store
    name : str
        The study.
    folder : path, optional
        Where to; the store's own folder if not given.
    question, answer : str
        What was asked and found; by itself a report asks about tempo.

    Returns
    -------
    Path
        The HTML file. Each file is complete or, where there was none before, absent.

    Raises
    ------
    StoreError
        If there is no such study.
    """
    folder = Path(folder or store.folder)
    folder.mkdir(parents=True, exist_ok=True)
    takes = table(store, name)
    _write(folder / "takes.csv", takes.to_csv(index=False))
    _write(folder / "columns.csv", _dictionary(takes).to_csv(index=False))
    path = folder / "report.html"
    _write(path, render(store, name, takes, question=question, answer=answer))
    return path


def _dictionary(takes: pd.DataFrame) -> pd.DataFrame:
    def said(column: str) -> str:
        if column.endswith("_reason"):
            return f"why {column.removesuffix('_reason')} is undefined; empty where it is defined"
        if column.startswith("axis_"):
            return f"value on the axis {column.removeprefix('axis_')}"
        return COLUMNS.get(column, "measurement; the unit ends its name")

    return pd.DataFrame({"column": list(takes.columns), "meaning": map(said, takes.columns)})


def _write(path: Path, text: str) -> None:
    # Two processes may write the same report at once.
    incoming = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    incoming.write_text(text, encoding="utf-8")
    incoming.replace(path)
