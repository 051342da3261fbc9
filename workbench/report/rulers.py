"""The report of a ruler check: how wrong each measurement is on this machine, in one HTML file.

As self-contained as the report of a study, and without one: no take is made or needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench import plots
from workbench.analysis.checks.rulers import RulerFigure
from workbench.preview import data_uri
from workbench.provenance import provenance
from workbench.report.page import environment
from workbench.report.put import put

_ROW_INCH, _AXIS_INCH = 0.28, 0.8
# Figures of these units share an axis; errors have units of their own, and stand in the table.
_AXES = {"%": "share [%]", "AUC": "area under the curve (0.5 is chance)"}


def write_ruler_report(
    figures: Sequence[RulerFigure],
    folder: str | Path,
    *,
    question: str,
    sentences: Sequence[str],
    again: str,
) -> Path:
    """Write ``report.html``: the answer, a figure, every row with its interval, and provenance.

    Parameters
    ----------
    figures : sequence of RulerFigure
        As `checks.rulers.check_rulers` gives them.
    folder : path
        Where to; made if absent.
    question : str
    sentences : sequence of str
        The answer, the shortest way to say it first.
    again : str
        The command that checks anew.

    Returns
    -------
    Path
        The file, complete or, where there was none before, absent.
    """
    said = (
        environment(autoescape=True)
        .get_template("rulers.html.j2")
        .render(
            question=question,
            sentences=list(sentences),
            figures=list(figures),
            drawn=data_uri(plots.svg(ruler_plot(figures)), "image/svg+xml"),
            provenance={
                "written": datetime.now(UTC).isoformat(timespec="seconds"),
                **provenance(),
                "make again": again,
            },
        )
    )
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    return put(folder / "report.html", said)


def ruler_plot(figures: Sequence[RulerFigure]) -> Figure:
    """Shares and areas as points with their 95 % intervals, a row each."""
    # An error in per cent is no share.
    drawn = [each for each in figures if "error" not in each.what]
    groups = {unit: [each for each in drawn if each.unit == unit] for unit in _AXES}
    shown = {unit: rows for unit, rows in groups.items() if rows}
    made, every = plots.panels([_AXIS_INCH + _ROW_INCH * len(rows) for rows in shown.values()])
    for axes, (unit, rows) in zip(every, shown.items(), strict=True):
        for place, each in enumerate(rows):
            if each.low is not None and each.high is not None:
                axes.plot([each.low, each.high], [place, place], color="0.45", lw=2)
            axes.plot([each.figure], [place], "o", ms=6, color=plots.COLOURS[0])
        names = [plots.plain(f"{each.ruler}: {each.what}", 64) for each in rows]
        axes.set_yticks(range(len(rows)), names)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_xlim(-2 if unit == "%" else 0.3, 102 if unit == "%" else 1.01)
        axes.set_xlabel(_AXES[unit])
        axes.grid(axis="x", color="0.92")
        axes.set_axisbelow(True)
    key = [
        Line2D([], [], ls="", marker="o", color=plots.COLOURS[0], label="measured"),
        Line2D([], [], color="0.45", lw=2, label="95 % interval"),
    ]
    plots.legend(made, key)
    return made
