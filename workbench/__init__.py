"""A research workbench for music made with ACE-Step: sweeps, budgets, measurements, reports.

::

    import workbench as wb

    base = wb.Request(tags="lo-fi, rhodes, brushes, 84 BPM", lyrics="[inst]", duration_s=30)
    sweep = wb.Sweep(base, tags=["lo-fi, rhodes, 84 BPM", "house, 124 BPM"], seed=range(4))
    study = wb.Study("tempo-by-tags", sweep, [wb.engine("sketch")], store="runs/tempo-by-tags")
    study.quote()                # a table, before anything is spent
    study.run()                  # finished takes are skipped; Ctrl-C leaves a resumable study
    takes = wb.table(study)      # tidy, one row per take
    wb.plots.tempo_error(takes)
    wb.write_report(study.store, study.name)

Names are loaded when they are first used, so importing this costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench import errors, measure, plots, widgets, words
    from workbench.clip import Clip
    from workbench.cost import Charge, Ledger, Quote
    from workbench.diversities import diversity
    from workbench.engines import engine
    from workbench.engines.base import Attempt, Delivery, Engine
    from workbench.measure import Measure, Subject
    from workbench.preview import player_html
    from workbench.progress import Progress
    from workbench.report import write_report
    from workbench.request import Inpaint, Outpaint, Request, Source, Span
    from workbench.store import Store
    from workbench.study import Study, Summary, measure_study
    from workbench.sweep import Axis, Sweep
    from workbench.tables import table
    from workbench.take import Measurement, State, Take

__version__ = "0.1.0"

# Public name -> where it lives; a name that is its own module stands for that module.
_HOMES = {
    "Attempt": "engines.base",
    "Axis": "sweep",
    "Charge": "cost",
    "Clip": "clip",
    "Delivery": "engines.base",
    "Engine": "engines.base",
    "Inpaint": "request",
    "Ledger": "cost",
    "Measure": "measure",
    "Measurement": "take",
    "Outpaint": "request",
    "Progress": "progress",
    "Quote": "cost",
    "Request": "request",
    "Source": "request",
    "Span": "request",
    "State": "take",
    "Store": "store",
    "Study": "study",
    "Subject": "measure",
    "Summary": "study",
    "Sweep": "sweep",
    "Take": "take",
    "diversity": "diversities",
    "engine": "engines",
    "errors": "errors",
    "measure": "measure",
    "measure_study": "study",
    "player_html": "preview",
    "plots": "plots",
    "table": "tables",
    "widgets": "widgets",
    "words": "words",
    "write_report": "report",
}
_MODULES = {"errors", "measure", "plots", "widgets", "words"}

__all__ = [
    "Attempt",
    "Axis",
    "Charge",
    "Clip",
    "Delivery",
    "Engine",
    "Inpaint",
    "Ledger",
    "Measure",
    "Measurement",
    "Outpaint",
    "Progress",
    "Quote",
    "Request",
    "Source",
    "Span",
    "State",
    "Store",
    "Study",
    "Subject",
    "Summary",
    "Sweep",
    "Take",
    "diversity",
    "engine",
    "errors",
    "measure",
    "measure_study",
    "player_html",
    "plots",
    "table",
    "widgets",
    "words",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"workbench has no {name!r}")
    module = import_module(f"workbench.{_HOMES[name]}")
    found = module if name in _MODULES else getattr(module, name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
