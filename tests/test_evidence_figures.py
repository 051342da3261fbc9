"""Figures behind answers: the numbers they hold, and that they can be read in grey and in words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from workbench import plots, statistics
from workbench.evidence import figures
from workbench.evidence.drawings import Counts, Frontier, Intervals, Plot, Ranking, Strip
from workbench.report import Drawn

HOSTILE = "$\\frac{, bell \x07, <script>, " + "long " * 40


def paired(shift: float, *, pairs: int = 12) -> list[statistics.Difference]:
    """Two levels whose loudness differs by `shift` LU and some luck."""
    rng = np.random.default_rng(1)
    rows = [
        {"tags": tags, "seed": seed, "loudness_lufs": base + rng.normal(0, 0.2)}
        for tags, base in (("plain", 0.0), (HOSTILE, shift))
        for seed in range(pairs)
    ]
    return statistics.compare_levels(pd.DataFrame(rows), "loudness_lufs", "tags", "seed")


def compared(shift: float) -> Intervals:
    rows = [(str(d.level), d, d.verdict in ("higher", "lower")) for d in paired(shift)]
    return figures.differences("Differences", rows)


def priced() -> list[statistics.Point]:
    """Three engines: cheap and good, dear and better, dear and bad."""
    places = {"cheap": (0.01, 2.0), "dear": (0.5, 1.0), "bad": (0.6, 9.0)}
    rows = [
        {"engine": name, "charged_usd": usd, "tempo_error_size_pct": off + 0.01 * i}
        for name, (usd, off) in places.items()
        for i in range(6)
    ]
    frame = pd.DataFrame(rows)
    return statistics.pareto_frontier(
        frame, "charged_usd", "tempo_error_size_pct", "engine", best="low"
    )


def drafts() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "style": ["house", "house", "jazz", "jazz"],
            "draft": [1.0, 2.0, 3.0, np.nan],
            "final": [5.0, 5.0, 9.0, 1.0],
        }
    )


def ranked() -> Ranking:
    both = drafts()
    agreement = statistics.rank_agreement(both["draft"], both["final"])
    return figures.ranking("loudness_lufs", both, agreement)


def shelf() -> Strip:
    done = pd.DataFrame(
        {"loudness_lufs": [-16.5, -12.0, np.nan, -15.0], "style": ["a", "a", "a", HOSTILE]}
    )
    return figures.library(done, pd.Index([0, 1]), pd.Index([0]), -16.0)


def likeness() -> Counts:
    verdicts = ["identical", "identical", "changed", "identical"]
    table = pd.DataFrame({"engine": ["a", "a", "a", HOSTILE], "verdict": verdicts})
    return figures.likenesses(table)


def split() -> Intervals:
    rows = [(tag, seed, 10 * tag + seed % 2) for tag in range(4) for seed in range(6)]
    frame = pd.DataFrame(rows, columns=["style", "seed", "loudness_lufs"])
    return figures.variance_shares(
        [statistics.variance_components(frame, "loudness_lufs", ["style", "seed"])]
    )


ALL: Sequence[Plot] = (
    compared(2.0),
    figures.frontier(priced()),
    ranked(),
    shelf(),
    likeness(),
    split(),
    figures.edges([("level 3", 5, 6), (HOSTILE, 0, 6)]),
    figures.drift(pd.Series([0.1, -0.2]), pd.Series(["a", "b"])),
    figures.loops(
        pd.DataFrame({"loop_score": [0.2], "verdict": ["none found"], "tags": [HOSTILE]})
    ),
)
EMPTY: Sequence[Plot] = (
    figures.differences("Differences", []),
    figures.frontier([]),
    figures.ranking("loudness_lufs", drafts().iloc[:0], statistics.rank_agreement([1, 2], [1, 2])),
    figures.likenesses(pd.DataFrame()),
    figures.variance_shares([]),
    figures.edges([("level", 0, 0)]),
    figures.drift(pd.Series(dtype=float), pd.Series(dtype=str)),
)


@pytest.mark.parametrize("plot", ALL, ids=lambda plot: plot.title)
def test_every_figure_has_axes_with_units_and_a_caption(plot: Plot, tmp_path: Path) -> None:
    drawn = plot.draw()
    assert drawn.title
    assert len(drawn.caption) > 40
    for axes in drawn.figure.axes:
        assert axes.get_xlabel()
        assert axes.get_ylabel() or [label.get_text() for label in axes.get_yticklabels()]
        assert "_" not in axes.get_xlabel() + axes.get_ylabel()
    assert plots.svg(drawn.figure) == plots.svg(plot.draw().figure)
    drawn.figure.savefig(tmp_path / "figure.png")
    assert legend_fits(drawn)


def legend_fits(drawn: Drawn) -> bool:
    box = drawn.figure.legends[0].get_window_extent()
    return bool(box.x0 >= 0 and box.x1 <= drawn.figure.bbox.x1)


@pytest.mark.parametrize("plot", EMPTY, ids=lambda plot: plot.title)
def test_without_a_take_a_figure_says_so(plot: Plot) -> None:
    (axes,) = plot.draw().figure.axes
    assert plots.NOTHING in [text.get_text() for text in axes.texts]


def faces(drawn: Drawn) -> list[bool]:
    """Of each mark, whether it is filled."""
    marks = [m for axes in drawn.figure.axes for m in axes.lines if m.get_marker() not in ("None",)]
    return [to_rgb(mark.get_markerfacecolor()) != (1.0, 1.0, 1.0) for mark in marks]


def test_a_claim_is_filled_and_chance_is_hollow() -> None:
    (claimed,), (null,) = compared(2.0).panels, compared(0.0).panels
    assert (claimed.rows[0].is_sure, null.rows[0].is_sure) == (True, False)
    assert claimed.rows[0].value == paired(2.0)[0].estimate
    assert claimed.rows[0].low < claimed.rows[0].value < claimed.rows[0].high
    assert claimed.axis == "difference in loudness [LU]"
    assert faces(compared(2.0).draw()) == [True]
    assert faces(compared(0.0).draw()) == [False]


def test_the_frontier_joins_those_that_nobody_beats() -> None:
    drawn = figures.frontier(priced()).draw()
    (axes,) = drawn.figure.axes
    (line,) = [each for each in axes.lines if each.get_linestyle() == "--"]
    assert list(np.atleast_1d(line.get_xdata())) == pytest.approx([0.01, 0.5])
    assert faces(drawn) == [True, True, False]  # cheap, dear, bad
    assert axes.get_xlabel() == "charged [USD], per take"
    assert isinstance(figures.frontier([]), Frontier)


def test_places_share_ties_and_leave_out_what_only_one_ranks() -> None:
    assert ranked().places == {"house": ((3.0, 2.5), (2.0, 2.5)), "jazz": ((1.0, 1.0),)}


def test_each_take_of_a_library_is_chosen_spare_or_out() -> None:
    groups = shelf().groups
    assert groups["a"] == ((-16.5, "chosen"), (-12.0, "passes, not the best"))
    assert groups[HOSTILE] == ((-15.0, "out by the rule"),)


def test_the_shares_add_up_and_the_edges_are_shares() -> None:
    (panel,) = split().panels
    assert sum(row.value for row in panel.rows) == pytest.approx(100)
    assert panel.rows[0].label == "tag set"
    (edges,) = figures.edges([("level", 3, 4)]).panels
    assert edges.rows[0].value == 75


def test_bars_count_every_take_and_differ_without_colour() -> None:
    (axes,) = likeness().draw().figure.axes
    bars = [patch for patch in axes.patches if isinstance(patch, mpl.patches.Rectangle)]
    assert sum(bar.get_width() for bar in bars) == 4
    assert len({bar.get_hatch() for bar in bars}) == 2


def test_groups_differ_in_their_markers() -> None:
    (axes,) = shelf().draw().figure.axes
    marks = [line.get_marker() for line in axes.lines if line.get_marker() != "None"]
    assert len(set(marks)) == 3


def test_an_interval_without_ends_is_not_drawn() -> None:
    lone = paired(2.0, pairs=1)[0]
    assert not np.isfinite(lone.high - lone.low)
    (axes,) = figures.differences("One pair", [("lone", lone, False)]).draw().figure.axes
    assert [line.get_marker() for line in axes.lines if len(line.get_xdata()) == 1] == ["o"]  # type: ignore[arg-type]
