"""Workers as processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from workbench.errors import RequestError
from workbench.executors.base import WorkerLost, never


class ProcessPool:
    """Processes of this machine, each by itself: one that dies takes no other's work with it.

    Parameters
    ----------
    workers : int
        How many, at least 1.

    Examples
    --------
    >>> with ProcessPool(1) as pool:
    ...     pool.call(divmod, 7, 2)
    (3, 1)
    """

    storage = ""

    def __init__(self, workers: int) -> None:
        if workers < 1:
            raise RequestError("a pool needs at least one worker.")
        self.workers = workers
        # The standard pool fails every call when one process dies; a pool of one fails only its
        # own.
        self._free: queue.LifoQueue[ProcessPoolExecutor] = queue.LifoQueue()
        for _ in range(workers):
            self._free.put(_one())

    def __enter__(self) -> ProcessPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers, once their calls are done."""
        for _ in range(self.workers):
            self._free.get().shutdown()

    def call(
        self, task: Callable[..., Any], *values: Any, is_cancelled: Callable[[], bool] = never
    ) -> Any:
        """Call `task` in a free process; see `Executor.call`.

        A process of this machine answers or dies, so that `is_cancelled` is left to the task.
        """
        worker = self._free.get()
        try:
            return worker.submit(task, *values).result()
        except BrokenProcessPool:
            worker.shutdown()
            worker = _one()
            raise WorkerLost("the process that held this call died.") from None
        finally:
            self._free.put(worker)


def _one() -> ProcessPoolExecutor:
    # Threads of the coordinator hold locks; a forked child would inherit them held.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, mp_context=context, initializer=_end_with_parent)


def _end_with_parent() -> None:
    """In a worker: end when the coordinator does, however it does.

    Left to itself it would wait for ever, with a model on its device.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
