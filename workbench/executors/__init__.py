"""Where takes are made: in this process, in a pool of processes, or on a Dask cluster.

A study without an executor makes takes in threads of its own process. With one, engines that can
be rebuilt elsewhere from their name and plain options work on the executor's workers; hosted
engines, whose intents must be on disk before anything is paid for, stay with the coordinator, and
so do their secrets. A worker writes the audio to shared storage before it reports; only the
coordinator writes records.
"""

from __future__ import annotations

from workbench.executors.base import Executor, ExecutorLost, WorkerLost
from workbench.executors.placed import Placed, meet, placed
from workbench.executors.pool import ProcessPool

__all__ = ["Executor", "ExecutorLost", "Placed", "ProcessPool", "WorkerLost", "meet", "placed"]
