"""What the scheduler of a Dask cluster does for our calls: give up one whose worker died.

Dask tries a call on as many workers as ``distributed.scheduler.allowed-failures`` says before it
gives up. A take may not kill that many, and who decides on another try is `placed.Placed`. The
setting belongs to everybody's work on the cluster, so it stays, and only our own calls enter
with that many failures to their name.
"""

from __future__ import annotations

from typing import Any

from distributed import SchedulerPlugin


class GiveUpAtOnce(SchedulerPlugin):
    """Gives up calls whose key begins with a prefix when their first worker dies.

    Parameters
    ----------
    prefix : str
    """

    name = "workbench"
    idempotent = True

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def update_graph(self, scheduler: Any, *, tasks: list[Any], **_: Any) -> None:
        """Told of new calls before any of them is sent to a worker."""
        for key in tasks:
            if str(key).startswith(self._prefix):
                scheduler.tasks[key].suspicious = scheduler.allowed_failures
