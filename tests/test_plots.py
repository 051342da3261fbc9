"""Figures: the numbers and marks drawn, not the pixels."""

from __future__ import annotations

import itertools
import math
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from workbench import plots

HOSTILE = (
    "<script>alert(1)</script>",
    "$\\frac{",
    "costs $5 or $6",
    "a_b^c \\alpha %s {x}",
    "\"quotes\" & 'more'",
    "long " * 60,
    "x" * 400,
    "bell \x07 and nul \x00",
    "موسيقى هادئة",
    "日本のポップ 🎹",
)


def takes(errors_pct: dict[tuple[str, str], list[float]], ratio: float = 1.0) -> pd.DataFrame:
    """Finished takes at 100 BPM with given errors, by style and engine."""
    rows = [
        {
            "state": "done",
            "style": style,
            "engine": engine,
            "asked_tempo_bpm": 100.0,
            "asked_duration_s": 15.0 * (1 + n % 2),
            "tempo_bpm": 100.0 * ratio * (1 + error / 100),
            "tempo_error_pct": 100 * (ratio * (1 + error / 100) - 1),
            "tempo_folded_error_pct": error,
            "charged_usd": 0.01 * (n + 1),
        }
        for (style, engine), errors in errors_pct.items()
        for n, error in enumerate(errors)
    ]
    return pd.DataFrame(rows)


def points(line: Line2D) -> list[tuple[float, float]]:
    """Where a line's marks are."""
    x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
    return list(zip(x.tolist(), y.tolist(), strict=True))


def marks(axes: Axes, *, hollow: bool | None = None) -> list[tuple[float, float]]:
    """Where points are drawn: not lines, and not the single marks of means."""
    return [
        point
        for line in axes.lines
        if line.get_linestyle() == "None" and line.get_marker() in plots.MARKERS
        if hollow is None or hollow == (line.get_fillstyle() == "none")
        for point in points(line)
    ]


def axes_of(figure: Figure) -> Axes:
    (axes,) = figure.axes
    return axes


def legend_of(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_every_take_is_a_point_in_its_group_with_mean_and_interval() -> None:
    errors = {("house", "one"): [1.0, 2.0, 3.0], ("jazz", "one"): [-4.0, -4.0]}
    axes = axes_of(plots.tempo_error(takes(errors)))
    drawn = marks(axes)
    assert sorted(x for x, _ in drawn) == [-4.0, -4.0, 1.0, 2.0, 3.0]
    assert {round(y) for x, y in drawn if x < 0} == {1}
    assert {round(y) for x, y in drawn if x > 0} == {0}
    spans = {tuple(round(x, 2) for x, _ in points(line)) for line in axes.lines}
    assert (-0.48, 4.48) in spans  # 2 +- 4.303 / sqrt(3), Student with two degrees of freedom
    assert (-4.0, -4.0) in spans
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "house\n(n = 3)",
        "jazz\n(n = 2)",
    ]


def test_takes_an_octave_off_are_hollow_and_others_are_not() -> None:
    double = takes({("house", "one"): [0.5]}, ratio=2)
    apart = takes({("house", "one"): [9.0]})  # wrong, yet not by an octave
    figure = plots.tempo_error(pd.concat([double, apart], ignore_index=True))
    assert [x for x, _ in marks(axes_of(figure), hollow=True)] == [0.5]
    assert [x for x, _ in marks(axes_of(figure), hollow=False)] == [9.0]
    assert "octave off" in legend_of(figure)
    assert "octave off" not in legend_of(plots.tempo_error(apart))


def test_engines_share_a_row_side_by_side_and_differ_in_colour_and_marker() -> None:
    engines = [f"engine {n}" for n in range(5)]
    figure = plots.tempo_error(takes({("house", name): [0.1, 0.2] for name in engines}))
    axes = axes_of(figure)
    lines = [line for line in axes.lines if line.get_marker() in plots.MARKERS and points(line)]
    assert len({(line.get_color(), line.get_marker()) for line in lines}) == 5
    heights = [np.mean([y for _, y in points(line)]) for line in lines]
    assert heights == sorted(heights)
    assert -0.5 < heights[0] < heights[-1] < 0.5
    assert legend_of(figure)[:5] == engines


@pytest.mark.parametrize("groups", [1, 8, 30])
def test_labels_stay_on_the_page_and_apart(groups: int) -> None:
    frame = takes(
        {(f"lo-fi hip-hop, mellow, rhodes piano, number {n}", "one"): [0.1] for n in range(groups)}
    )
    figure = plots.tempo_error(frame)
    plots.svg(figure)  # lays it out
    boxes = [label.get_window_extent() for label in axes_of(figure).get_yticklabels()]
    width, height = figure.get_size_inches() * figure.dpi
    assert all(box.x0 >= 0 and box.x1 <= width for box in boxes)
    assert all(box.y0 >= 0 and box.y1 <= height for box in boxes)
    assert all(a.y0 >= b.y1 for a, b in itertools.pairwise(boxes))
    (legend,) = figure.legends
    assert legend.get_window_extent().y0 >= axes_of(figure).get_window_extent().y1


@pytest.mark.parametrize("worst", [0.01, 1.9, 12.0, 41.0])
def test_small_and_large_errors_are_all_on_the_page(worst: float) -> None:
    axes = axes_of(plots.tempo_error(takes({("house", "one"): [0.01, -worst]})))
    low, high = axes.get_xlim()
    assert low < -worst
    assert high >= plots.TOLERANCE_PCT
    assert low == -high


def test_tempo_delivered_is_drawn_against_tempo_asked() -> None:
    figure = plots.asked_delivered(takes({("house", "one"): [1.0, -3.0]}))
    axes = axes_of(figure)
    assert marks(axes) == [(100.0, 101.0), (100.0, 97.0)]
    low, high = axes.get_ylim()
    assert low < 97 < 101 < high
    assert {"as asked", "half", "double"} <= set(legend_of(figure))


def test_cost_is_drawn_against_the_size_of_the_error_with_means() -> None:
    figure = plots.cost_quality(
        takes({("house", "one"): [-1.0, 3.0], ("house", "two"): [0.0, 0.5]})
    )
    drawn = marks(axes_of(figure))
    assert {(0.01, 1.0), (0.02, 3.0), (0.01, 0.001), (0.02, 0.5)} <= set(drawn)
    assert any(math.isclose(x, 0.015) and math.isclose(y, 2.0) for x, y in drawn)
    assert legend_of(figure)[:2] == ["one (n = 2)", "two (n = 2)"]


def test_with_one_engine_costs_are_shown_by_length() -> None:
    frame = takes({("house", "one"): [-1.0, 3.0, 0.2]})
    frame.loc[2, "asked_duration_s"] = np.nan
    figure = plots.cost_quality(frame, "asked_duration_s")
    assert legend_of(figure)[:3] == ["15 s (n = 1)", "30 s (n = 1)", "no length asked (n = 1)"]


def test_free_and_paid_takes_are_both_on_the_page() -> None:
    frame = takes({("house", "one"): [1.0, 1.0, 1.0]})
    frame["charged_usd"] = [0.0, 0.001, 2.0]
    axes = axes_of(plots.cost_quality(frame))
    low, high = axes.get_xlim()
    assert low < 0 < 2 < high
    assert axes.get_xscale() == "symlog"
    frame["charged_usd"] = [0.1, 0.001, 2.0]
    axes = axes_of(plots.cost_quality(frame))
    low, high = axes.get_xlim()
    assert 0 < low < 0.001 < 2 < high
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    assert ticks == pytest.approx([0.001, 0.01, 0.1, 1.0])


FIGURES = (plots.tempo_error, plots.asked_delivered, plots.cost_quality)


@pytest.mark.parametrize("figure", FIGURES)
def test_text_from_outside_is_shown_as_it_is(figure: Any) -> None:
    drawn = figure(takes({(text, text[:30]): [0.1, -0.3] for text in HOSTILE}))
    root = ElementTree.fromstring(plots.svg(drawn))
    words = " ".join("".join(node.itertext()) for node in root.iter() if node.tag.endswith("text"))
    for text in ("<script>", "$\\frac{", "costs $5 or $6", "a_b^c", "موسيقى", "日本のポップ"):
        assert text in words
    assert "\\$" not in words  # the escape does its work and is not seen
    assert not any(node.tag.endswith("script") for node in root.iter())
    assert drawn._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_is_the_same_bytes_each_time(figure: Any) -> None:
    frame = takes({("house", "one"): [0.1, -0.3], ("jazz", "two"): [4.0]})
    assert plots.svg(figure(frame)) == plots.svg(figure(frame))


@pytest.mark.parametrize("figure", FIGURES)
@pytest.mark.parametrize("lacking", ["rows", "measurements", "finished takes"])
def test_without_anything_to_show_a_figure_says_so(figure: Any, lacking: str) -> None:
    frame = takes({("house", "one"): [0.1]})
    if lacking == "rows":
        frame = frame.iloc[:0]
    elif lacking == "measurements":
        frame = frame.drop(columns=[c for c in frame.columns if c.startswith("tempo_")])
    else:
        frame["state"] = "failed"
    assert plots.NOTHING in [text.get_text() for text in axes_of(figure(frame)).texts]


def test_intervals_of_few_values() -> None:
    assert plots.mean_interval(pd.Series([], dtype=float)).n == 0
    assert plots.mean_interval(pd.Series([2.0, np.nan])) == (1, 2.0, 2.0, 2.0)
    assert math.isnan(plots.share_interval(0, 0).mean)
    n, share, low, high = plots.share_interval(0, 4)
    assert (n, share, low) == (4, 0.0, 0.0)
    assert 0.4 < high < 0.6
