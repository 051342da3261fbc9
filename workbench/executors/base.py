"""What an executor is: something that calls a function on another worker and waits for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from workbench.errors import Cancelled, WorkbenchError


class ExecutorLost(Cancelled):
    """The executor itself is gone: nothing more can be made on it, and no take is to blame."""


class WorkerLost(WorkbenchError):
    """The worker that held a call is gone; whether the call is to blame is not known."""


def never() -> bool:
    """No."""
    return False


class Executor(Protocol):
    """Calls functions elsewhere.

    Attributes
    ----------
    workers : int
        How many calls may run at once.
    storage : str
        Folder or address (anything fsspec opens) that workers and coordinator both reach; empty
        where they share the store's own folder.
    """

    workers: int
    storage: str

    def call(
        self, task: Callable[..., Any], *values: Any, is_cancelled: Callable[[], bool] = never
    ) -> Any:
        """Call `task` on a free worker and wait for what it returns or raises.

        Any thread may call; what crosses must survive `pickle`. Once `is_cancelled` says so, a
        worker that does not answer, or that never comes, is not waited for much longer.

        Raises
        ------
        WorkerLost
            If the worker went away before it answered.
        ExecutorLost
            If there is nobody left who could find another worker.
        Cancelled
            If the wait was given up as `is_cancelled` said.
        """
