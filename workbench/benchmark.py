"""What a benchmark leaves: a table on the screen, and table, figure and origin in a folder.

A benchmark measures things once or several times, in seconds, bytes or whatever they have, each
against a goal, a named baseline of the same run, or both. Ratios hold within one run on one
machine; absolute figures hold for the machine that ``origin.json`` names.

    runs/bench-NAME/table.csv     one row per thing
    runs/bench-NAME/figure.svg    every value, the median, the goal
    runs/bench-NAME/origin.json   command, commit, machine, load
"""

from __future__ import annotations

import json
import math
import os
import shlex
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from workbench.errors import RequestError
from workbench.provenance import provenance

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RUNS = Path("runs")
_ROW_INCH, _AXIS_INCH = 0.34, 0.75
_LOG_FROM = 30  # where the largest is so many times the least, the axis counts in factors


class Found(NamedTuple):
    """One thing that was measured.

    Parameters
    ----------
    what : str
        Names it within the benchmark.
    values : sequence of float
        One for each time it was measured.
    unit : str
        Such as "s", "MB" or "takes/s"; things of one unit share an axis.
    against : str
        What of the same run it is set against; empty if nothing.
    at_most, at_least : float, optional
        The goal, which the median is to keep.
    """

    what: str
    values: Sequence[float]
    unit: str
    against: str = ""
    at_most: float | None = None
    at_least: float | None = None


def table(found: Sequence[Found]) -> pd.DataFrame:
    """Median, least and most of each, its ratio to the baseline, and whether the goal is met.

    Raises
    ------
    RequestError
        If a baseline is not among them, or has another unit.

    Examples
    --------
    >>> seen = table([Found("plain", [2.0, 4.0, 3.0], "s"), Found("ours", [1.5], "s", "plain")])
    >>> seen[["what", "n", "median", "least", "most", "ratio"]].to_dict("records")[1]
    {'what': 'ours', 'n': 1, 'median': 1.5, 'least': 1.5, 'most': 1.5, 'ratio': 0.5}
    """
    import pandas as pd

    by_name = {one.what: one for one in found}
    rows = []
    for one in found:
        median = statistics.median(one.values)
        rows.append(
            {
                "what": one.what,
                "n": len(one.values),
                "median": median,
                "least": min(one.values),
                "most": max(one.values),
                "unit": one.unit,
                "against": one.against,
                "ratio": median / _median_of(by_name, one) if one.against else math.nan,
                "goal": _goal(one),
                "met": _met(one, median),
            }
        )
    return pd.DataFrame(rows)


def _median_of(by_name: dict[str, Found], one: Found) -> float:
    baseline = by_name.get(one.against)
    if baseline is None or baseline.unit != one.unit:
        raise RequestError(f"{one.what!r} has no baseline {one.against!r} in {one.unit}.")
    return statistics.median(baseline.values)


def _goal(one: Found) -> str:
    if one.at_most is not None:
        return f"<= {one.at_most:g} {one.unit}".rstrip()
    return "" if one.at_least is None else f">= {one.at_least:g} {one.unit}".rstrip()


def _met(one: Found, median: float) -> str:
    if one.at_most is None and one.at_least is None:
        return ""
    is_met = (one.at_most is None or median <= one.at_most) and (
        one.at_least is None or median >= one.at_least
    )
    return "yes" if is_met else "no"


def figure(found: Sequence[Found], title: str) -> Figure:
    """Every value as a point, the median as a bar, the goal as a dashed line; an axis per unit."""
    from matplotlib.lines import Line2D

    from workbench import plots

    groups: dict[str, list[Found]] = {}
    for one in found:
        groups.setdefault(one.unit, []).append(one)
    made, every = plots.panels([_AXIS_INCH + _ROW_INCH * len(group) for group in groups.values()])
    for axes, (unit, group) in zip(every, groups.items(), strict=True):
        _draw(axes, group)
        axes.set_xlabel(unit or "ratio")
    every[0].set_title(plots.plain(title, 90), fontsize=10, loc="left", x=-0.25)
    key = [
        Line2D([], [], ls="", marker="o", color=plots.COLOURS[0], label="measured once"),
        Line2D([], [], ls="", marker="|", color="black", ms=11, mew=2, label="median"),
    ]
    if any(_goal(one) for one in found):
        key.append(Line2D([], [], ls="--", color=plots.COLOURS[1], label="goal"))
    plots.legend(made, key)
    return made


def _draw(axes: Axes, group: Sequence[Found]) -> None:
    from workbench import plots

    ends: list[float] = []
    for row, one in enumerate(group):
        ends += one.values
        axes.plot(one.values, [row] * len(one.values), "o", ms=5, color=plots.COLOURS[0], alpha=0.6)
        axes.plot([statistics.median(one.values)], [row], "|", ms=15, mew=2, color="black")
        for goal in (one.at_most, one.at_least):
            if goal is not None:
                ends.append(goal)
                sides = [row - 0.4, row + 0.4]
                axes.plot([goal, goal], sides, "--", color=plots.COLOURS[1])
    axes.set_yticks(range(len(group)), [plots.plain(one.what, 34) for one in group])
    axes.set_ylim(len(group) - 0.5, -0.5)
    if min(ends) > 0 and max(ends) > _LOG_FROM * min(ends):
        axes.set_xscale("log")
    else:
        axes.set_xlim(0 if min(ends) >= 0 else None, 1.08 * max(ends) or 1)
    axes.grid(axis="x", color="0.92")
    axes.set_axisbelow(True)


def leave(name: str, question: str, found: Sequence[Found]) -> Path:
    """Print what a benchmark found, and leave it in ``runs/bench-NAME``; gives that folder.

    Parameters
    ----------
    name : str
        Of the benchmark.
    question : str
        What it answers, the figure's title.
    found : sequence of Found
    """
    from rich.console import Console
    from rich.table import Table

    from workbench import plots

    seen = table(found)
    shown = Table("what", "n", "median", "least", "most", "unit", "ratio", "goal", "met")
    for row in seen.to_dict("records"):
        numbers = [f"{row[of]:.3g}" for of in ("median", "least", "most")]
        ratio = f"{row['ratio']:.2f} x {row['against']}" if row["against"] else ""
        shown.add_row(
            row["what"], str(row["n"]), *numbers, row["unit"], ratio, row["goal"], row["met"]
        )
    Console(width=None if sys.stdout.isatty() else 110).print(shown)
    folder = RUNS / f"bench-{name}"
    folder.mkdir(parents=True, exist_ok=True)
    seen.to_csv(folder / "table.csv", index=False)
    (folder / "figure.svg").write_bytes(plots.svg(figure(found, question)))
    origin = {
        "command": shlex.join(["python", *sys.argv]),
        "load": os.getloadavg()[0],
        **provenance(),
    }
    (folder / "origin.json").write_text(json.dumps(origin, indent=1) + "\n", encoding="utf-8")
    print(f"Left in {folder}: table.csv, figure.svg, origin.json")  # noqa: T201
    return folder
