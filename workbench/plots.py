"""From a table of takes to figures: plain numbers first, then ink.

Each figure takes the DataFrame of `tables.table` and returns a matplotlib Figure. Colours are
Okabe and Ito's, safe for colour-blind eyes; markers tell groups apart in grey as well. Text from
outside (tags) is shown as it is: it is neither mathematics nor markup.
"""

from __future__ import annotations

import io
import textwrap
from typing import TYPE_CHECKING, NamedTuple

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from scipy import stats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# M. Okabe, K. Ito: Color Universal Design (2008), less the yellow that vanishes on white.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
TOLERANCE_PCT = 2.0
_INCH_PER_ROW = 0.42
# Errors below the ruler's own resolution are not blown up to look like differences.
_ERROR_REACH_MIN_PCT = 0.2


class Chart(Figure):
    """A figure that notebooks show without any plotting state."""

    def _repr_png_(self) -> bytes:
        file = io.BytesIO()
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
        drawn hollow. The grey band is the tolerance of 2 %.
    """
    shown = _with(takes, "tempo_folded_error_pct")
    rows = _rows(shown, by)
    figure, axes = _canvas(len(rows))
    axes.axvspan(-TOLERANCE_PCT, TOLERANCE_PCT, color="0.9", zorder=0)
    axes.axvline(0, color="0.5", linewidth=0.8)
    engines = list(dict.fromkeys(shown["engine"]))
    for place, (_, engine, group) in enumerate(rows):
        _points(axes, place, group, engines.index(engine))
    _name_rows(axes, rows, by, len(engines) > 1)
    axes.set_xlabel("tempo error, whole octaves removed [%]")
    _fit_error_axis(axes, shown["tempo_folded_error_pct"])
    return figure


def cost_quality(takes: pd.DataFrame) -> Figure:
    """Cost of each take against the size of its tempo error, by engine.

    Returns
    -------
    Figure
        Both axes are logarithmic where their values allow; free takes are drawn at the left.
    """
    shown = _with(takes, "tempo_folded_error_pct").dropna(subset=["charged_usd"])
    figure, axes = _canvas(7)
    for number, (engine, group) in enumerate(shown.groupby("engine", sort=False)):
        axes.plot(
            group["charged_usd"],
            group["tempo_folded_error_pct"].abs().clip(lower=1e-3),
            MARKERS[number % len(MARKERS)],
            color=COLOURS[number % len(COLOURS)],
            alpha=0.7,
            label=plain(f"{engine} (n = {len(group)})"),
        )
    axes.set_yscale("log")
    paid = shown.loc[shown["charged_usd"] > 0, "charged_usd"]
    if len(paid):
        axes.set_xscale("symlog", linthresh=float(paid.min()))
    axes.axhline(TOLERANCE_PCT, color="0.5", linewidth=0.8, linestyle="--")
    axes.set_xlabel("charged per take [USD]")
    axes.set_ylabel("size of the tempo error [%]")
    if len(shown):
        axes.legend(frameon=False)
    return figure


def asked_delivered(takes: pd.DataFrame) -> Figure:
    """Tempo delivered against tempo asked, with the lines of half, same and double."""
    shown = _with(takes, "tempo_bpm").dropna(subset=["asked_tempo_bpm"])
    figure, axes = _canvas(8)
    for number, (engine, group) in enumerate(shown.groupby("engine", sort=False)):
        axes.plot(
            group["asked_tempo_bpm"],
            group["tempo_bpm"],
            MARKERS[number % len(MARKERS)],
            color=COLOURS[number % len(COLOURS)],
            fillstyle="none",
            label=plain(str(engine)),
        )
    if len(shown):
        reach = np.array(
            [0.9 * shown["asked_tempo_bpm"].min(), 1.1 * shown["asked_tempo_bpm"].max()]
        )
        heights = (0.9 * shown["tempo_bpm"].min(), 1.1 * shown["tempo_bpm"].max())
        axes.set(xlim=reach, ylim=heights)
        _octave_lines(axes, reach, heights)
        axes.legend(frameon=False, loc="upper left")
    axes.set_xlabel("tempo asked [BPM]")
    axes.set_ylabel("tempo delivered [BPM]")
    return figure


def _octave_lines(axes: Axes, reach: npt.NDArray[np.float64], heights: tuple[float, float]) -> None:
    """Lines of half, same and double tempo, named where they leave the picture."""
    for ratio, name in ((0.5, "half"), (1.0, "as asked"), (2.0, "double")):
        axes.plot(reach, ratio * reach, color="0.6", linewidth=0.8, zorder=0)
        end = min(float(reach[1]), heights[1] / ratio)
        if end > reach[0] and ratio * end > heights[0]:
            axes.annotate(name, (end, ratio * end), color="0.35", fontsize=8, ha="right", va="top")


def plain(text: str, width: int = 0) -> str:
    """Text from outside as matplotlib should show it: no mathematics, wrapped if `width`.

    Examples
    --------
    >>> print(plain("$x$"))
    \\$x\\$
    """
    wrapped = "\n".join(textwrap.wrap(text, width, max_lines=2)) if width else text
    return wrapped.replace("$", r"\$")


def _with(takes: pd.DataFrame, column: str) -> pd.DataFrame:
    """The finished takes that have a value in this column."""
    if column not in takes:
        return takes.iloc[:0].assign(**{column: pd.Series(dtype=float)})
    return takes[(takes["state"] == "done") & takes[column].notna()]


def _rows(shown: pd.DataFrame, by: str) -> list[tuple[str, str, pd.DataFrame]]:
    grouped = shown.groupby([by, "engine"], sort=False)
    return [(str(value), str(engine), group) for (value, engine), group in grouped]


def _canvas(rows: int) -> tuple[Figure, Axes]:
    figure = Chart(figsize=(7.5, max(2.4, 1.2 + _INCH_PER_ROW * rows)), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _points(axes: Axes, place: int, group: pd.DataFrame, engine_number: int) -> None:
    colour = COLOURS[engine_number % len(COLOURS)]
    marker = MARKERS[engine_number % len(MARKERS)]
    errors = group["tempo_folded_error_pct"]
    offsets = np.linspace(-0.18, 0.18, len(group)) if len(group) > 1 else np.zeros(1)
    hollow = (group["tempo_ratio_class"] != "same").to_numpy()
    heights = place + offsets
    axes.plot(errors[~hollow], heights[~hollow], marker, color=colour, alpha=0.7, markersize=5)
    axes.plot(errors[hollow], heights[hollow], marker, color=colour, markersize=5, fillstyle="none")
    found = mean_interval(errors)
    axes.plot([found.low, found.high], [place, place], color="black", linewidth=1.4)
    axes.plot(found.mean, place, "|", color="black", markersize=11, markeredgewidth=1.8)


def _name_rows(
    axes: Axes, rows: list[tuple[str, str, pd.DataFrame]], by: str, name_engine: bool
) -> None:
    names = [plain(f"{v} · {e}" if name_engine else v, 44) for v, e, _ in rows]
    counts = [len(group) for _, _, group in rows]
    labels = [f"{name} (n = {n})" for name, n in zip(names, counts, strict=True)]
    axes.set_yticks(range(len(rows)), labels, fontsize=8)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_title(plain(f"tempo error by {by}"), fontsize=10, loc="left")


def _fit_error_axis(axes: Axes, errors: pd.Series) -> None:
    """Show small errors as they are and still keep the large ones on the page."""
    worst = float(errors.abs().max()) if len(errors) else TOLERANCE_PCT
    if worst > 2 * TOLERANCE_PCT:
        axes.set_xscale("symlog", linthresh=TOLERANCE_PCT)
    reach = max(1.3 * worst, _ERROR_REACH_MIN_PCT)
    axes.set_xlim(-reach, reach)


def svg(figure: Figure) -> bytes:
    """The figure as SVG: the same bytes each time, its text searchable and read aloud."""
    file = io.BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "workbench"}):
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()
