"""The report of a ruler check: all figures, in one file that opens offline."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.browser import opened
from workbench.analysis.checks.rulers import RulerFigure
from workbench.report import write_ruler_report
from workbench.report.rulers import ruler_plot

FIGURES = (
    RulerFigure("tempo", "within 4 %", 62.5, "%", 16, 38.6, 81.5, "sketch clips, 30 s"),
    RulerFigure("seams", "gain 3 dB", 0.98, "AUC", 5, 0.94, 1.0, "sketch <b>clips</b>, 24 s"),
    RulerFigure("loudness", "loudness, worst error", 0.02, "LU", 5, None, None, "meter tones"),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_ruler_report(
        FIGURES,
        tmp_path / "made",
        question="How wrong?",
        sentences=("Hardly <script>alert(1)</script>.", "It cost nothing."),
        again="workbench experiment run ruler-check",
    )


def test_it_opens_offline_and_holds_every_figure(path: Path) -> None:
    with opened(path) as visit:
        rows = visit.page.evaluate(
            "[...document.querySelectorAll('main tbody tr')].map(r => r.innerText)"
        )
        (drawn,) = visit.page.evaluate("[...document.images].map(i => i.naturalWidth)")
        answer = visit.page.evaluate("document.querySelector('.answer').innerText")
        assert visit.page.evaluate("document.scripts.length") == 0
        assert visit.console == visit.outside == visit.dialogs == []
    assert drawn > 100
    assert "Hardly <script>alert(1)</script>." in answer
    for figure, row in zip(FIGURES, rows, strict=False):
        expected = [figure.ruler, figure.what, figure.text, figure.interval_text, str(figure.n)]
        assert row.split("\t") == [*expected, figure.material]
    assert any("workbench experiment run ruler-check" in row for row in rows)
    assert [each.name for each in path.parent.iterdir()] == ["report.html"]


def test_shares_and_areas_are_drawn_where_they_are() -> None:
    shares, areas = ruler_plot(FIGURES).axes
    for axes, figure in ((shares, FIGURES[0]), (areas, FIGURES[1])):
        interval, point = axes.lines
        assert np.asarray(interval.get_xdata()).tolist() == [figure.low, figure.high]
        assert np.asarray(point.get_xdata()).tolist() == [figure.figure]
        assert [label.get_text() for label in axes.get_yticklabels()] == [
            f"{figure.ruler}: {figure.what}"
        ]
