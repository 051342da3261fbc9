"""One self-contained HTML file per study: answer, figures, costs, players, limits, provenance.

It opens offline anywhere: no script, no font, no address outside the file, and a policy in its
head that forbids the browser to fetch any. Every string from outside goes through the template's
escaping. Beside it lie the same facts as Markdown, and the data as CSV and Parquet with a data
dictionary.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from workbench import plots
from workbench.measure import STANDARD
from workbench.report import markdown, page
from workbench.report.finding import Drawn, Finding
from workbench.report.known import ruler
from workbench.report.numbers import answer
from workbench.report.put import put
from workbench.report.rulers import write_ruler_report
from workbench.statistics.observed import unit_of
from workbench.store import Store
from workbench.tables import COLUMNS, table

__all__ = ["Drawn", "Finding", "answer", "ruler", "write_report", "write_ruler_report"]

# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_report(
    store: Store,
    name: str,
    folder: str | Path | None = None,
    *,
    finding: Finding | None = None,
) -> Path:
    """Write a study's report: ``report.html``, ``report.md``, and its takes as data.

    The data are ``takes.csv`` and ``takes.parquet``, a row per take, with ``columns.csv`` saying
    what each column holds; a finding's numbers are ``answer.csv``, and its figures
    ``figure-1.svg`` and so on. In CSV a ' goes before a text that a spreadsheet would run.

    Parameters
    ----------
    store : Store
    name : str
        The study.
    folder : path, optional
        Where to; the store's own folder if not given.
    finding : Finding, optional
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
    finding = finding or Finding()
    put(folder / "takes.csv", _csv(takes))
    put(folder / "takes.parquet", _typed(takes).to_parquet(index=False))
    put(folder / "columns.csv", _csv(_dictionary(takes)))
    if len(finding.table.columns):
        put(folder / "answer.csv", _csv(finding.table))
    files = []
    for number, drawn in enumerate(finding.figures, start=1):
        files.append(f"figure-{number}.svg")
        put(folder / files[-1], plots.svg(drawn.figure))
    said = page.facts(store, name, takes, finding)
    put(folder / "report.md", markdown.render({**said, "files": files}))
    path = folder / "report.html"
    put(path, page.render(store, takes, said))
    return path


def _typed(takes: pd.DataFrame) -> pd.DataFrame:
    """Numbers as numbers, all else as text: Parquet holds one type per column."""
    text = [name for name in takes if not pd.api.types.is_numeric_dtype(takes[name])]
    return takes.astype(dict.fromkeys(text, "string"))


def _csv(rows: pd.DataFrame) -> str:
    """CSV, with a ' before each text that a spreadsheet would run; Parquet has it as it is."""

    def safe(value: object) -> object:
        return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value

    text = rows.select_dtypes(exclude="number").columns
    rows = rows.assign(**{name: rows[name].map(safe) for name in text})
    # RFC 4180's line ends; with them a text that holds either character is quoted.
    return rows.to_csv(index=False, lineterminator="\r\n")


def _dictionary(takes: pd.DataFrame) -> pd.DataFrame:
    """What each column of the takes holds: its type in Parquet, its unit, its meaning."""
    by_ruler = {name: each.method for each in STANDARD for name in each.quantities}

    def said(column: str) -> str:
        if column.endswith("_reason"):
            return f"why {column.removesuffix('_reason')} is undefined; empty where it is defined"
        if column.startswith("axis_"):
            return f"value on the axis {column.removeprefix('axis_')}"
        if column in by_ruler:
            return f"measured by the ruler {by_ruler[column]}; empty where it is undefined"
        return COLUMNS.get(column, "measurement")

    rows = [
        {"column": name, "type": str(kind), "unit": unit_of(name), "meaning": said(name)}
        for name, kind in zip(takes.columns, _typed(takes).dtypes, strict=True)
    ]
    return pd.DataFrame(rows)
