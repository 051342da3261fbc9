"""The report panel: choose a study, see its figures, export one HTML file."""

from __future__ import annotations

from typing import Any

from workbench import plots
from workbench.report import write_report
from workbench.report.numbers import answer
from workbench.tables import table
from workbench.widgets.base import Panel, Reply

# A report up to this size can be saved by the browser; a larger one is where the panel says.
_SENT_MAX_BYTES = 2_000_000


class ReportPanel(Panel):
    """The figures of a study, and its report as a file.

    Parameters
    ----------
    store : path
        Folder of the store.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     panel = ReportPanel(folder)
    ...     print(panel.answer("open", {}).data["studies"])
    ...     panel.close()
    []
    """

    script = "report"

    def answer_open(self) -> dict[str, Any]:
        """The studies there are, the newest first."""
        return {"studies": self.studies}

    def answer_figures(self, study: str) -> Reply:
        """The answer in a sentence, and the figures as SVG."""
        takes = table(self.store, study)
        drawn = {
            "Tempo error by tag set": plots.tempo_error(takes),
            "Cost and quality": plots.cost_quality(takes),
            "Asked and delivered": plots.asked_delivered(takes),
        }
        counts = takes["state"].value_counts()
        return Reply(
            {
                "answer": answer(takes),
                "counts": {str(state): int(count) for state, count in counts.items()},
                "titles": list(drawn),
            },
            [plots.svg(figure) for figure in drawn.values()],
        )

    def answer_export(self, study: str) -> Reply:
        """Write the report; small ones are sent along, to be saved anywhere."""
        path = write_report(self.store, study)
        size = path.stat().st_size
        data = {"path": str(path), "name": path.name, "size_mb": size / 1e6}
        return Reply(data, [path.read_bytes()] if size <= _SENT_MAX_BYTES else [])
