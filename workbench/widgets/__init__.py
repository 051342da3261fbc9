"""Panels: sweep, takes, listen, seam and report, for JupyterLab and for `workbench app`.

A panel is state in Python plus one script in the browser. What a panel shows is on disk, in the
store: reload the page, restart the kernel, make the panel again, and it goes on.

::

    import workbench as wb

    wb.widgets.SweepPanel("runs/first")
"""

from __future__ import annotations

from workbench.widgets.listen import ListenPanel
from workbench.widgets.report import ReportPanel
from workbench.widgets.seam import SeamPanel
from workbench.widgets.sweep import SweepPanel
from workbench.widgets.takes import TakesPanel

__all__ = ["ListenPanel", "ReportPanel", "SeamPanel", "SweepPanel", "TakesPanel"]
