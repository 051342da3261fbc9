"""The sweep panel: say what to try, see what it costs, run it, pause it, go on."""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from workbench.doctor import engine_findings
from workbench.errors import RequestError, WorkbenchError
from workbench.progress import Progress
from workbench.study import Study
from workbench.widgets.base import Panel
from workbench.widgets.form import Form, quotes

log = logging.getLogger(__name__)

FORM = "panel.json"
_PREVIEW = 8


class SweepPanel(Panel):
    """Set up a sweep by hand, see its price, run it.

    Parameters
    ----------
    store : path
        Folder of the store. What was filled in last is found there again.

    Attributes
    ----------
    study : Study or None
        The one that was run last.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     panel = SweepPanel(folder)
    ...     print(panel.answer("form", {"form": {"tags": ["jazz"], "seeds": 2}}).data["takes"])
    ...     panel.close()
    4
    """

    script = "sweep"

    def __init__(self, store: str | os.PathLike[str] = "runs/studio") -> None:
        super().__init__(store)
        self.study: Study | None = None
        self._progress = Progress(total=0)
        self._run: threading.Thread | None = None
        self._starting = threading.Lock()
        self._phase = "idle"
        self._outcome = ""
        self._faults: list[str] = []

    def answer_open(self) -> dict[str, Any]:
        """What was filled in last, and how far the run is."""
        return {
            "form": self._form().model_dump(mode="json"),
            "progress": self.answer_progress(),
        }

    def answer_engines(self) -> list[dict[str, Any]]:
        """Every engine, whether it works here, and what to do where it does not."""
        return [
            {"name": f.name, "works": f.is_well, "words": f"{f.said} {f.hint}".strip()}
            for f in engine_findings()
        ]

    def answer_form(self, form: Mapping[str, Any]) -> dict[str, Any]:
        """How many takes the form stands for, what they cost, the first of them, and the code."""
        wish = Form(**form)
        sweep = wish.sweep()
        if not wish.engines:
            raise RequestError("choose at least one engine.")
        rows = quotes(sweep, [self.engine(name) for name in wish.engines], self.store)
        cells = [cell.request for cell, _ in zip(sweep, range(_PREVIEW), strict=False)]
        return {
            "takes": len(sweep) * len(wish.engines),
            "quotes": rows,
            "preview": [
                {
                    "tags": r.tags,
                    "seed": r.seed,
                    "duration_s": r.duration_s,
                    "tempo_bpm": r.asked_tempo_bpm,
                    "key": r.key,
                }
                for r in cells
            ],
            "code": wish.code(str(self.folder)),
        }

    def answer_run(self, form: Mapping[str, Any]) -> dict[str, Any]:
        """Start, or go on with, what the form stands for; found takes are skipped."""
        with self._starting:  # a second click may come while the first one is answered
            if self._run and self._run.is_alive():
                raise RequestError("this panel is running a study: pause or cancel it first.")
            self._start(Form(**form))
        return self.answer_progress()

    def _start(self, wish: Form) -> None:
        made = Study(
            wish.name,
            wish.sweep(),
            [self.engine(name) for name in wish.engines],
            store=self.folder,
            budget_usd=wish.budget_usd or None,
        )
        self._keep(wish)
        if self.study:
            self.study.close()
        self.study = made
        self._phase, self._outcome, self._faults = "running", "", []
        self._progress = Progress(total=0)
        self._run = threading.Thread(target=self._work, args=(made,), daemon=True)
        self._run.start()

    def answer_pause(self) -> dict[str, Any]:
        """Finish what is under way, start nothing new."""
        return self._tell("paused", lambda study: study.pause())

    def answer_go_on(self) -> dict[str, Any]:
        """Go on after a pause."""
        return self._tell("running", lambda study: study.go_on())

    def answer_cancel(self) -> dict[str, Any]:
        """Stop now; jobs on a far side are cancelled where they can be."""
        return self._tell("stopping", lambda study: study.cancel())

    def _tell(self, phase: str, action: Any) -> dict[str, Any]:
        if self.study and self._run and self._run.is_alive():
            action(self.study)
            self._phase = phase
        return self.answer_progress()

    def answer_progress(self) -> dict[str, Any]:
        """How far the run is, in plain numbers."""
        now = self._progress
        return {
            "phase": self._phase,
            "total": now.total,
            "found": now.found,
            "made": now.made,
            "failed": now.failed,
            "share": now.share,
            "eta_s": now.eta_s,
            "takes_per_min": now.takes_per_min,
            "spent_usd": str(now.spent_usd),
            "outcome": self._outcome,
            "faults": self._faults,
        }

    def wait(self, timeout_s: float | None = None) -> None:
        """Until the run has ended."""
        if self._run:
            self._run.join(timeout_s)

    def _work(self, study: Study) -> None:
        try:
            summary = study.run(watch=self._watch, retry=True)
            self._outcome = str(summary)
            self._faults = [str(error) for error in summary.errors]
        except WorkbenchError as error:
            self._faults = [str(error)]
        except Exception:
            log.exception("the run broke")
            self._faults = ["the run broke: see the log of the kernel; what is done is kept."]
        self._phase = "ended"

    def _watch(self, progress: Progress) -> None:
        self._progress = replace(progress)

    def _form(self) -> Form:
        path = self.folder / FORM
        try:
            return Form(**json.loads(path.read_text(encoding="utf-8")))
        except (FileNotFoundError, RequestError, ValueError, TypeError):
            return Form()

    def _keep(self, form: Form) -> None:
        path = self.folder / FORM
        part = path.with_suffix(".part")
        part.write_text(json.dumps(form.model_dump(mode="json"), indent=1), encoding="utf-8")
        part.replace(path)
