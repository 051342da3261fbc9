"""What can go wrong, as one tree.

::

    WorkbenchError
    ├─ RequestError (also ValueError)   impossible wish, or one this engine cannot serve;
    │                                   raised before time or money is spent
    ├─ EngineError                      carries .engine
    │  ├─ EngineUnavailable             no GPU, no extra, no key: says what to install or set
    │  ├─ EngineRefused                 the far side said no; asking again will not help
    │  ├─ EngineBusy                    timeout, 429: the only one retried; .retry_after_s
    │  │  └─ FarSideBroken              5xx
    │  ├─ EngineFailed                  out of memory, garbage returned
    │  └─ OutcomeUnknown                paid work may exist: never repeated on its own
    ├─ BudgetError                      carries the quote and what is left
    ├─ AudioError (also ValueError)     too short, silent, not finite: cannot be measured
    ├─ MetricUnavailable                a learned metric's library or weights are not on this disk
    ├─ StoreError                       unreadable or contradictory record
    ├─ ExperimentError                  carries the cell and the saved notebook's path
    └─ Cancelled                        the user asked to stop; what is done is kept

Each message is one sentence that says what is wrong and, where there is one, the next step.
Errors cross process borders (pools, clusters), so every one of them survives `pickle`.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any


class WorkbenchError(Exception):
    """Root of every error this package raises on purpose."""


class RequestError(WorkbenchError, ValueError):
    """The wish is impossible, or this engine cannot serve it."""


class EngineError(WorkbenchError):
    """An engine could not deliver.

    Parameters
    ----------
    message : str
        One sentence.
    engine : str
        Name of the engine.
    """

    def __init__(self, message: str, engine: str = "") -> None:
        super().__init__(message, engine)
        self.engine = engine

    def __str__(self) -> str:
        return str(self.args[0])


class EngineUnavailable(EngineError):
    """The engine cannot run here; the message says what to install or set."""


class EngineRefused(EngineError):
    """The far side said no; asking again will not help."""


class EngineBusy(EngineError):
    """A passing fault; worth another try after `retry_after_s` seconds."""

    def __init__(self, message: str, engine: str = "", retry_after_s: float | None = None) -> None:
        super().__init__(message, engine)
        self.args = (message, engine, retry_after_s)
        self.retry_after_s = retry_after_s


class FarSideBroken(EngineBusy):
    """The far side answered that it is broken (5xx); the call may have been carried out."""


class EngineFailed(EngineError):
    """The engine broke or returned something that is not audio.

    `charge` is what it cost all the same (a `cost.Charge`), None if nothing.
    """

    def __init__(self, message: str, engine: str = "", charge: Any = None) -> None:
        super().__init__(message, engine)
        self.args = (message, engine, charge)
        self.charge = charge


class OutcomeUnknown(EngineError):
    """A paid request left and no answer came: the work may exist and be billed."""


class BudgetError(WorkbenchError):
    """The budget does not cover what was asked.

    Parameters
    ----------
    message : str
        One sentence.
    needed_usd, left_usd : Decimal
        What the next step would cost at most, and what is left.
    """

    def __init__(self, message: str, needed_usd: Decimal, left_usd: Decimal) -> None:
        super().__init__(message, needed_usd, left_usd)
        self.needed_usd = needed_usd
        self.left_usd = left_usd

    def __str__(self) -> str:
        return str(self.args[0])


class AudioError(WorkbenchError, ValueError):
    """The audio cannot be read or measured: too short, silent, not finite, not audio."""


class MetricUnavailable(WorkbenchError):
    """A library, weights or device that a metric needs are not here; says how to get them."""


class StoreError(WorkbenchError):
    """A record is unreadable or contradicts another one."""


class ExperimentError(WorkbenchError):
    """A notebook failed.

    Parameters
    ----------
    message : str
        One sentence with the error's own words.
    cell : int or None
        Number of the failing cell as the notebook shows it.
    notebook : Path or None
        Where the executed notebook was saved.
    """

    def __init__(self, message: str, cell: int | None = None, notebook: Path | None = None) -> None:
        super().__init__(message, cell, notebook)
        self.cell = cell
        self.notebook = notebook

    def __str__(self) -> str:
        return str(self.args[0])


class Cancelled(WorkbenchError):
    """The user asked to stop; everything already delivered is kept.

    `job_ended` says that a far side's job, where there was one, is known to have ended uncharged.
    """

    def __init__(self, message: str, job_ended: bool = False) -> None:
        super().__init__(message, job_ended)
        self.job_ended = job_ended

    def __str__(self) -> str:
        return str(self.args[0])
