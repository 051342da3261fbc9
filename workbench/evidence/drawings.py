"""Kinds of figures that answers need: what is to be shown as frozen values, then its ink.

What is sure is filled and what is not is hollow, so that it can be read in grey; colours and
markers are those of `plots`.

=============  ===================================================
`Intervals`    estimates with their 95 % intervals, row by row
`Frontier`     cost against a quality, and who is beaten by nobody
`Ranking`      the order in the drafts against that in the finals
`Strip`        every take on one scale, group by group
`Counts`       how many of each verdict
=============  ===================================================
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from workbench import plots
from workbench.report import Drawn
from workbench.statistics import Point
from workbench.statistics.observed import difference_unit, unit_of, words_of

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_ROW_INCH = 0.34
_LETTERS = 46
_HATCHES = ("", "///", "...", "xxx", "\\\\\\", "++")
_DARK, _PALE = "0.25", "0.92"


class Plot(Protocol):
    """Anything that a figure can be drawn of."""

    def draw(self) -> Drawn:
        """Give it ink."""


class Estimate(NamedTuple):
    """One row: an estimate, its 95 % interval, and whether a claim rests on it.

    An interval without ends is drawn as none.
    """

    label: str
    value: float
    low: float
    high: float
    is_sure: bool


class Panel(NamedTuple):
    """Estimates on one axis; `reference` is what nothing looks like, `band` is as good as that."""

    axis: str
    rows: tuple[Estimate, ...]
    reference: float | None = None
    band: float = 0.0
    reach: tuple[float, float] | None = None


@dataclass(frozen=True)
class Intervals:
    """Estimates with their intervals, one panel per quantity."""

    title: str
    caption: str
    panels: tuple[Panel, ...]
    sure: str
    unsure: str

    def draw(self) -> Drawn:
        """Rows below each other, each with its interval."""
        heights = [0.8 + _ROW_INCH * len(panel.rows) for panel in self.panels]
        figure, grid = plots.panels(heights or [1.0])
        for axes, panel in zip(grid, self.panels, strict=False):
            _draw_panel(axes, panel)
        if not self.panels:
            plots.say_nothing(grid[0])
            return Drawn(self.title, self.caption, figure)
        key: list[Artist] = [_mark(self.sure, is_sure=True), _mark(self.unsure, is_sure=False)]
        band = max(panel.band for panel in self.panels)
        if band:
            key.append(Patch(color=_PALE, label="too small to matter"))
        plots.legend(figure, key)
        return Drawn(self.title, self.caption, figure)


@dataclass(frozen=True)
class Frontier:
    """Levels between cost and a quality."""

    title: str
    caption: str
    points: tuple[Point, ...]

    def draw(self) -> Drawn:
        """Crosses of intervals, and a line through those that no other beats."""
        figure, axes = plots.canvas(4.2)
        shown = [point for point in self.points if point.n]
        if not shown:
            plots.say_nothing(axes)
            return Drawn(self.title, self.caption, figure)
        for number, point in enumerate(shown):
            _draw_point(axes, point, number)
        best = [point for point in shown if point.on_frontier]
        line: dict[str, Any] = {"color": "0.6", "lw": 1, "ls": "--"}
        axes.plot([p.cost for p in best], [p.value for p in best], zorder=0, **line)
        cost_name, value_name = shown[0].names
        if cost_name.endswith("_usd"):
            plots.cost_axis(axes, pd.Series([p.cost for p in shown]))
        axes.set_xlabel(f"{axis_text(cost_name)}, per take")
        axes.set_ylabel(axis_text(value_name))
        key = [
            Line2D([], [], ls="", label=plots.plain(with_count(p.level, p.n)), **_point_look(p, n))
            for n, p in enumerate(shown)
        ]
        plots.legend(figure, [*key, Line2D([], [], label="frontier, by the means", **line)])
        return Drawn(self.title, self.caption, figure)


@dataclass(frozen=True)
class Ranking:
    """Places of the same items in two rankings, 1 for the highest, by group."""

    title: str
    caption: str
    places: Mapping[str, tuple[tuple[float, float], ...]]

    def draw(self) -> Drawn:
        """One mark per item; on the line both rankings agree."""
        figure, axes = plots.canvas(4.2)
        count = sum(map(len, self.places.values()))
        axes.plot([0.5, count + 0.5], [0.5, count + 0.5], color="0.6", lw=1, ls="--", zorder=0)
        key = [Line2D([], [], color="0.6", ls="--", lw=1, label="the same place in both")]
        for number, (name, pairs) in enumerate(self.places.items()):
            drafts, finals = zip(*pairs, strict=True)
            label = plots.plain(with_count(name, len(pairs)), _LETTERS)
            axes.plot(drafts, finals, ls="", **plots.look(number))
            key.append(Line2D([], [], ls="", label=label, **plots.look(number)))
        axes.set_xlabel("place among the drafts (1 = highest)")
        axes.set_ylabel("place among the finals (1 = highest)")
        if not count:
            plots.say_nothing(axes)
            return Drawn(self.title, self.caption, figure)
        axes.set(xlim=(0.2, count + 0.8), ylim=(0.2, count + 0.8))
        plots.legend(figure, key)
        return Drawn(self.title, self.caption, figure)


@dataclass(frozen=True)
class Strip:
    """Values of takes on one axis, by group, each with the kind of take it is."""

    title: str
    caption: str
    axis: str
    groups: Mapping[str, tuple[tuple[float, str], ...]]
    reference: tuple[float, str] | None = None
    reach: tuple[float, float] | None = None

    def draw(self) -> Drawn:
        """One mark per take; kinds differ in marker and colour."""
        figure, axes = plots.canvas(1.2 + 0.42 * len(self.groups))
        kinds = list(dict.fromkeys(kind for takes in self.groups.values() for _, kind in takes))
        for row, takes in enumerate(self.groups.values()):
            for place, (value, kind) in enumerate(sorted(takes)):
                # Neighbours stand a little apart, so that equal values can be counted.
                height = row + 0.24 * (place % 3 - 1)
                axes.plot(value, height, ls="", **plots.look(kinds.index(kind)))
        key = [
            Line2D([], [], ls="", label=plots.plain(kind, _LETTERS), **plots.look(number))
            for number, kind in enumerate(kinds)
        ]
        if self.reference is not None:
            axes.axvline(self.reference[0], color="0.5", lw=0.9, ls="--", zorder=0)
            key.append(Line2D([], [], color="0.5", lw=0.9, ls="--", label=self.reference[1]))
        _name_rows(axes, [with_count(n, len(takes)) for n, takes in self.groups.items()])
        axes.set_xlabel(self.axis)
        if self.reach:
            axes.set_xlim(*self.reach)
        if kinds:
            plots.legend(figure, key)
        else:
            plots.say_nothing(axes)
        return Drawn(self.title, self.caption, figure)


@dataclass(frozen=True)
class Counts:
    """How many of each verdict, by group."""

    title: str
    caption: str
    axis: str
    groups: Mapping[str, Mapping[str, int]]

    def draw(self) -> Drawn:
        """Stacked bars with their numbers; verdicts differ in colour and hatching."""
        figure, axes = plots.canvas(1.2 + 0.5 * len(self.groups))
        kinds = list(dict.fromkeys(kind for counts in self.groups.values() for kind in counts))
        for row, counts in enumerate(self.groups.values()):
            left = 0
            for kind, count in counts.items():
                axes.barh(row, count, left=left, height=0.55, **_fill(kinds.index(kind)))
                box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5}
                axes.text(left + count / 2, row, str(count), ha="center", va="center", bbox=box)
                left += count
        _name_rows(axes, list(self.groups))
        axes.set_xlabel(self.axis)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if kinds:
            key = [Patch(label=plots.plain(k, _LETTERS), **_fill(n)) for n, k in enumerate(kinds)]
            plots.legend(figure, key)
        else:
            plots.say_nothing(axes)
        return Drawn(self.title, self.caption, figure)


def axis_text(name: str, *, is_difference: bool = False) -> str:
    """A quantity's name as an axis says it, with its unit.

    Examples
    --------
    >>> axis_text("loudness_lufs"), axis_text("loudness_lufs", is_difference=True)
    ('loudness [LUFS]', 'difference in loudness [LU]')
    """
    unit = difference_unit(name) if is_difference else unit_of(name)
    head = f"difference in {words_of(name)}" if is_difference else words_of(name)
    return f"{head} [{unit}]" if unit else head


def with_count(name: object, n: int) -> str:
    """A name and how many stand behind it, which no line break parts.

    Examples
    --------
    >>> with_count("house", 3)
    'house (n\xa0=\xa03)'
    """
    return f"{name} (n\u00a0=\u00a0{n})"


def _draw_panel(axes: Axes, panel: Panel) -> None:
    if panel.band:
        axes.axvspan(-panel.band, panel.band, color=_PALE, zorder=0)
    if panel.reference is not None:
        axes.axvline(panel.reference, color="0.5", lw=0.9, ls="--", zorder=1)
    for row, each in enumerate(panel.rows):
        if math.isfinite(each.high - each.low):
            axes.plot([each.low, each.high], [row, row], color=_DARK, lw=1.4, zorder=2)
        _plot_mark(axes, each.value, row, is_sure=each.is_sure)
    _name_rows(axes, [each.label for each in panel.rows])
    axes.set_xlabel(panel.axis)
    if panel.reach:
        axes.set_xlim(*panel.reach)


def _draw_point(axes: Axes, point: Point, number: int) -> None:
    if math.isfinite(point.cost_high - point.cost_low):
        axes.plot([point.cost_low, point.cost_high], [point.value] * 2, color=_DARK, lw=1)
    if math.isfinite(point.value_high - point.value_low):
        axes.plot([point.cost] * 2, [point.value_low, point.value_high], color=_DARK, lw=1)
    axes.plot(point.cost, point.value, ls="", **_point_look(point, number) | {"markersize": 9})


def _point_look(point: Point, number: int) -> dict[str, Any]:
    """Filled where the place on the frontier is sure."""
    is_sure = point.verdict == "on the frontier"
    return plots.look(number) | ({} if is_sure else {"markerfacecolor": "white"})


def _plot_mark(axes: Axes, value: float, row: int, *, is_sure: bool) -> None:
    face = plots.COLOURS[0] if is_sure else "white"
    axes.plot(
        value, row, "o", ms=6.5, color=plots.COLOURS[0], markerfacecolor=face, mew=1.4, zorder=3
    )


def _mark(label: str, *, is_sure: bool) -> Line2D:
    face = plots.COLOURS[0] if is_sure else "white"
    return Line2D(
        [], [], ls="", marker="o", color=plots.COLOURS[0], markerfacecolor=face, label=label
    )


def _name_rows(axes: Axes, names: Sequence[str]) -> None:
    labels = [plots.plain(name, _LETTERS) for name in names]
    axes.set_yticks(range(len(names)), labels, fontsize=8)
    axes.set_ylim(max(1, len(names)) - 0.5, -0.5)


def _fill(number: int) -> dict[str, Any]:
    return {
        "facecolor": plots.COLOURS[number % len(plots.COLOURS)],
        "edgecolor": "white",
        "hatch": _HATCHES[number % len(_HATCHES)],
    }
