"""From a table of takes to figures: plain numbers first, then ink.

Each figure takes the DataFrame of `tables.table` and returns a matplotlib Figure. Colours are
Okabe and Ito's, safe for colour-blind eyes; markers tell groups apart in grey as well. Legends
stand above the axes, never over the data. Text from outside (tags) is shown as it is: it is
neither mathematics nor markup.
"""

from __future__ import annotations

import io
import math
import textwrap
import unicodedata
import warnings
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from scipy import stats

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

# M. Okabe, K. Ito: Color Universal Design (2008), less the yellow that vanishes on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
TOLERANCE_PCT = 2.0
NOTHING = "no take to show yet"
_WIDTH_INCH = 7.5
# As many letters fit beside each other above the axes, each mark counted as six.
_LEGEND_LETTERS = 112
# The error axis is even up to here and counts in factors beyond, so that the error of a ruler
# (hundredths) and that of a wayward engine (tens) can both be read, and reports be compared.
_EVEN_PCT = 0.2
_ERROR_REACH_MIN_PCT = 3.0
_ERROR_TICKS_PCT = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 40)
_TEMPO_TICKS_BPM = (20, 30, 40, 50, 60, 75, 90, 105, 120, 140, 160, 180, 200, 240, 300, 400, 600)
# Errors below this are drawn at it: nobody needs a tempo to a hundred-thousandth.
_ERROR_FLOOR_PCT = 1e-3


class Chart(Figure):
    """A figure that notebooks show without any plotting state."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
        with _any_script():
            self.savefig(file, format="png", dpi=110)
        return file.getvalue()


class Interval(NamedTuple):
    """A mean with its 95 % interval; the interval is empty below two values."""

    n: int
    mean: float
    low: float
    high: float


def mean_interval(values: pd.Series) -> Interval:
    """Mean with Student's 95 % interval over independent takes.

    Examples
    --------
    >>> [round(x, 2) for x in mean_interval(pd.Series([1.0, 2.0, 3.0]))]
    [3, 2.0, -0.48, 4.48]
    """
    kept = values.dropna().to_numpy(float)
    n = len(kept)
    mean = float(kept.mean()) if n else float("nan")
    if n < 2 or np.ptp(kept) == 0:
        return Interval(n, mean, mean, mean)
    half = float(stats.t.ppf(0.975, n - 1) * kept.std(ddof=1) / np.sqrt(n))
    return Interval(n, mean, mean - half, mean + half)


def share_interval(hits: int, n: int) -> Interval:
    """A share with Wilson's 95 % interval.

    Examples
    --------
    >>> [round(x, 2) for x in share_interval(8, 10)]
    [10, 0.8, 0.49, 0.94]
    """
    if n == 0:
        return Interval(0, float("nan"), float("nan"), float("nan"))
    low, high = stats.binomtest(hits, n).proportion_ci(method="wilson")
    return Interval(n, hits / n, float(low), float(high))


def money(amount_usd: float | Decimal) -> str:
    """Dollars as text: at least cents, and as many digits as a small amount needs.

    Examples
    --------
    >>> money(0), money(Decimal("0.48")), money(12.5), money(0.000217029)
    ('0.00', '0.48', '12.50', '0.000217')
    """
    size = abs(float(amount_usd))
    digits = min(9, max(4, 2 - math.floor(math.log10(size)))) if size else 2
    whole, _, cents = f"{amount_usd:.{digits}f}".partition(".")
    return f"{whole}.{cents.rstrip('0'):0<2}"


def tempo_error(takes: pd.DataFrame, by: str = "style") -> Figure:
    """Tempo error of each take, by group and engine, with the mean and its 95 % interval.

    Parameters
    ----------
    takes : DataFrame
        As `tables.table` gives it.
    by : str
        Column whose values are the groups.

    Returns
    -------
    Figure
        Signed error in percent after whole octaves are removed; takes heard an octave off are
        drawn hollow. The grey band is the tolerance of 2 %. The axis is even within 0.2 %, and
        counts in factors beyond.
    """
    shown = _with(takes, "tempo_folded_error_pct")
    groups = dict(list(shown.groupby(by, sort=False)))
    engines = list(dict.fromkeys(shown["engine"]))
    figure, axes = canvas(1.3 + len(groups) * (0.27 + 0.22 * len(engines)))
    axes.axvspan(-TOLERANCE_PCT, TOLERANCE_PCT, color="0.92", zorder=0)
    axes.axvline(0, color="0.5", linewidth=0.8)
    for place, group in enumerate(groups.values()):
        for engine, takes_of in group.groupby("engine", sort=False):
            number = engines.index(engine)
            lane = (number + 0.5) / len(engines) - 0.5
            _points(axes, place + 0.8 * lane, 0.3 / len(engines), takes_of, number)
    _name_groups(axes, list(groups.values()), by)
    _error_axis(axes, shown["tempo_folded_error_pct"])
    if shown.empty:
        say_nothing(axes)
    else:
        legend(figure, _error_key(engines, hollow=bool(octave_off(shown).any())))
    return figure


def cost_quality(takes: pd.DataFrame, by: str = "engine") -> Figure:
    """Cost of each take against the size of its tempo error, with the mean of each group.

    Parameters
    ----------
    takes : DataFrame
        As `tables.table` gives it.
    by : str
        Column whose values are the groups: engines, or the length asked where there is one engine.

    Returns
    -------
    Figure
        Small marks are takes, large ones means with their 95 % intervals. Errors are on a
        logarithmic axis, and so are costs where they span more than a factor of 20.
    """
    shown = _with(takes, "tempo_folded_error_pct").dropna(subset=["charged_usd"])
    figure, axes = canvas(4.0)
    key = []
    for number, (value, group) in enumerate(shown.groupby(by, sort=False, dropna=False)):
        style = look(number)
        size = group["tempo_folded_error_pct"].abs().clip(lower=_ERROR_FLOOR_PCT)
        axes.plot(group["charged_usd"], size, ls="", alpha=0.45, **style)
        _cross(axes, mean_interval(group["charged_usd"]), mean_interval(size), number)
        key.append(
            Line2D([], [], ls="", label=plain(f"{_named(by, value)} (n = {len(group)})"), **style)
        )
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda pct, _: f"{pct:g}"))
    axes.axhline(TOLERANCE_PCT, color="0.5", linewidth=0.8, linestyle="--")
    axes.set_xlabel("charged per take [USD]")
    axes.set_ylabel("size of the tempo error [%]")
    if shown.empty:
        say_nothing(axes)
        return figure
    cost_axis(axes, shown["charged_usd"])
    key.append(Line2D([], [], color="0.5", lw=0.8, ls="--", label=f"{TOLERANCE_PCT:g} %"))
    legend(figure, key)
    return figure


def asked_delivered(takes: pd.DataFrame) -> Figure:
    """Tempo delivered against tempo asked, with the lines of half, same and double.

    Returns
    -------
    Figure
        Both axes are logarithmic, so that octaves are parallel lines.
    """
    shown = _with(takes, "tempo_bpm").dropna(subset=["asked_tempo_bpm"])
    figure, axes = canvas(4.0)
    engines = list(dict.fromkeys(shown["engine"]))
    for number, engine in enumerate(engines):
        group = shown[shown["engine"] == engine]
        axes.plot(
            group["asked_tempo_bpm"], group["tempo_bpm"], ls="", fillstyle="none", **look(number)
        )
    axes.set_xlabel("tempo asked [BPM]")
    axes.set_ylabel("tempo delivered [BPM]")
    if shown.empty:
        say_nothing(axes)
        return figure
    asked, delivered = shown["asked_tempo_bpm"], shown["tempo_bpm"]
    _tempo_axis(axes, "x", asked.min(), asked.max())
    _tempo_axis(axes, "y", min(asked.min(), delivered.min()), max(asked.max(), delivered.max()))
    key: list[Artist] = [_mark(n, engine, hollow=True) for n, engine in enumerate(engines)]
    for ratio, style, name in ((2.0, ":", "double"), (1.0, "-", "as asked"), (0.5, "--", "half")):
        reach = np.array([20.0, 600.0])
        axes.plot(reach, ratio * reach, color="0.6", linewidth=0.9, linestyle=style, zorder=0)
        key.append(Line2D([], [], color="0.6", lw=0.9, ls=style, label=name))
    legend(figure, key)
    return figure


def octave_off(takes: pd.DataFrame) -> pd.Series:
    """Which takes keep the tempo asked within the tolerance, but whole octaves away."""
    if "tempo_folded_error_pct" not in takes:
        return pd.Series(data=False, index=takes.index)
    close = takes["tempo_folded_error_pct"].abs() <= TOLERANCE_PCT
    return close & (takes["tempo_error_pct"].abs() > 10 * TOLERANCE_PCT)


def plain(text: str, width: int = 0) -> str:
    """Text from outside as matplotlib should show it: no mathematics, wrapped if `width`.

    Characters that no file of a figure may hold are replaced.

    Examples
    --------
    >>> print(plain("$x$"))
    \\$x\\$
    >>> plain("a b c d", 3), plain("bell \\x07")
    ('a b\\nc d', 'bell �')
    """
    lines = textwrap.wrap(text, width, max_lines=2, placeholder=" …") if width else [text]
    return "\n".join(map(_drawable, lines)).replace("$", r"\$")


def _drawable(text: str) -> str:
    forbidden = ("Cc", "Cs", "Cn")  # control, surrogate, unassigned
    return "".join("�" if unicodedata.category(c) in forbidden else c for c in text)


def svg(figure: Figure) -> bytes:
    """The figure as SVG: the same bytes each time, its text kept as text."""
    file = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "workbench"}), _any_script():
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


class _any_script(warnings.catch_warnings):  # noqa: N801
    """Tags in any script pass: what our font lacks, the reader's browser has."""

    def __enter__(self) -> None:
        super().__enter__()
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)


def _with(takes: pd.DataFrame, column: str) -> pd.DataFrame:
    """The finished takes that have a value in this column."""
    if column not in takes:
        return takes.iloc[:0].assign(**{column: pd.Series(dtype=float)})
    return takes[(takes["state"] == "done") & takes[column].notna()]


def canvas(height_inch: float) -> tuple[Figure, Axes]:
    """A figure with one pair of axes."""
    figure, (axes,) = panels([height_inch])
    return figure, axes


def panels(heights_inch: Sequence[float]) -> tuple[Figure, list[Axes]]:
    """A figure with axes below each other, each of its own height."""
    figure = Chart(figsize=(_WIDTH_INCH, max(2.4, sum(heights_inch))), layout="constrained")
    grid = figure.subplots(
        len(heights_inch), squeeze=False, gridspec_kw={"height_ratios": heights_inch}
    )
    for axes in grid[:, 0]:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9)
    return figure, list(grid[:, 0])


def say_nothing(axes: Axes) -> None:
    """Say that there is no take."""
    axes.text(0.5, 0.5, NOTHING, transform=axes.transAxes, ha="center", color="0.35")


def look(number: int) -> dict[str, Any]:
    """Marker and colour of the group of this number, told apart in grey as well."""
    return {
        "marker": MARKERS[number % len(MARKERS)],
        "color": COLOURS[number % len(COLOURS)],
        "markersize": 5,
    }


def _mark(number: int, name: str, *, hollow: bool = False) -> Line2D:
    """A group's entry in the legend."""
    fill: Any = "none" if hollow else "full"
    return Line2D([], [], ls="", fillstyle=fill, label=plain(name, 40), **look(number))


def legend(figure: Figure, key: Sequence[Artist]) -> None:
    """A legend above the axes, never over the data."""
    longest = max(len(str(each.get_label())) for each in key)
    columns = max(1, min(4, len(key), _LEGEND_LETTERS // (longest + 6)))
    figure.legend(handles=key, loc="outside upper left", ncols=columns, frameon=False, fontsize=9)


def _error_key(engines: Sequence[str], *, hollow: bool) -> list[Artist]:
    key: list[Artist] = [_mark(number, engine) for number, engine in enumerate(engines)]
    if hollow:
        key.append(
            Line2D([], [], ls="", marker="o", fillstyle="none", color="0.3", label="octave off")
        )
    key.append(Line2D([], [], color="black", marker="|", ms=9, label="mean, 95 % interval"))
    key.append(Patch(color="0.92", label=f"within {TOLERANCE_PCT:g} %"))
    return key


def _points(axes: Axes, place: float, spread: float, group: pd.DataFrame, number: int) -> None:
    errors = group["tempo_folded_error_pct"]
    offsets = np.linspace(-spread, spread, len(group)) if len(group) > 1 else np.zeros(1)
    hollow = octave_off(group).to_numpy()
    for chosen, fill in ((~hollow, "full"), (hollow, "none")):
        heights = place + offsets[chosen]
        axes.plot(errors[chosen], heights, ls="", alpha=0.7, fillstyle=fill, **look(number))
    found = mean_interval(errors)
    axes.plot([found.low, found.high], [place, place], color="black", linewidth=1.4)
    axes.plot(found.mean, place, "|", color="black", markersize=11, markeredgewidth=1.8)


def _name_groups(axes: Axes, groups: Sequence[pd.DataFrame], by: str) -> None:
    labels = []
    for group in groups:
        counts = group["engine"].value_counts(sort=False).unique()
        each = " each" if group["engine"].nunique() > 1 else ""
        n = f"{counts[0]}{each}" if len(counts) == 1 else f"{counts.min()} to {counts.max()}"
        labels.append(f"{plain(_named(by, group[by].iloc[0]), 40)}\n(n = {n})")
    axes.set_yticks(range(len(groups)), labels, fontsize=8)
    axes.set_ylim(max(1, len(groups)) - 0.5, -0.5)


def _named(by: str, value: Any) -> str:
    """How a value of a column is called in a figure."""
    if not by.endswith("_s"):
        return str(value)
    return "no length asked" if pd.isna(value) else f"{value:g} s"


def _error_axis(axes: Axes, errors: pd.Series) -> None:
    """Show small errors as they are and still keep the large ones on the page."""
    worst = float(errors.abs().max()) if len(errors) else 0.0
    reach = max(1.4 * worst, _ERROR_REACH_MIN_PCT)
    axes.set_xscale("symlog", linthresh=_EVEN_PCT)
    axes.set_xlim(-reach, reach)
    sizes = [tick for tick in _ERROR_TICKS_PCT if tick < reach]
    axes.xaxis.set_major_locator(FixedLocator([*(-tick for tick in sizes), 0, *sizes]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda pct, _: f"{pct:+g}" if pct else "0"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlabel("tempo error, whole octaves removed [%]")


def _tempo_axis(axes: Axes, side: str, low_bpm: float, high_bpm: float) -> None:
    """A logarithmic axis of tempi, at least a factor of 1.5 wide."""
    margin = max(1.08, math.sqrt(1.5 * low_bpm / high_bpm))
    axis = axes.xaxis if side == "x" else axes.yaxis
    axes.set(**{f"{side}scale": "log", f"{side}lim": (low_bpm / margin, high_bpm * margin)})
    axis.set_major_locator(FixedLocator(_TEMPO_TICKS_BPM))
    axis.set_major_formatter(FuncFormatter(lambda bpm, _: f"{bpm:g}"))
    axis.set_minor_locator(NullLocator())


def cost_axis(axes: Axes, costs_usd: pd.Series) -> None:
    """Even from 0 on, or in factors if costs span more than 20; free takes at the left."""
    paid = costs_usd[costs_usd > 0]
    high = 1.15 * float(costs_usd.max()) or 1.0
    low = -0.02 * high  # whole marks, also of free takes
    axes.xaxis.set_major_locator(MaxNLocator(5))
    if len(paid) and paid.max() > 20 * paid.min():
        least = float(paid.min())
        free = len(paid) < len(costs_usd)
        axes.set_xscale("symlog", linthresh=least) if free else axes.set_xscale("log")
        low, high = -0.2 * least if free else 0.6 * least, 1.6 * float(paid.max())
        decades = [d for d in 10.0 ** np.arange(-9, 4) if least <= d <= high or not free]
        axes.xaxis.set_major_locator(FixedLocator([0.0, *decades] if free else decades))
        axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xlim(low, high)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda usd, _: money(usd) if usd else "free"))


def _cross(axes: Axes, cost: Interval, error: Interval, number: int) -> None:
    """The mean of a group, its 95 % interval to either side."""
    low = max(error.low, _ERROR_FLOOR_PCT)
    axes.plot([cost.low, cost.high], [error.mean, error.mean], color="black", linewidth=1.2)
    axes.plot([cost.mean, cost.mean], [low, error.high], color="black", linewidth=1.2)
    style = look(number) | {"markersize": 9}
    axes.plot(cost.mean, error.mean, ls="", markeredgecolor="black", **style)
