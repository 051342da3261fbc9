"""Workers of a Dask cluster: any ``distributed.Client`` will do.

A cluster of one machine, of SLURM nodes (dask-jobqueue) or of Kubernetes pods (dask-kubernetes)
looks the same from here. GPU workers are started one per device, each with its own::

    CUDA_VISIBLE_DEVICES=0 dask worker tcp://... --nthreads 1 --resources GPU=1

since Dask counts resources but does not hand out devices. Whoever can reach a scheduler can run
code on its workers: that is Dask's design, and a cluster belongs on a network of its own or
behind its TLS settings, which hold here as well.
"""

from __future__ import annotations

import math
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from workbench.errors import Cancelled, EngineUnavailable, RequestError
from workbench.executors.base import ExecutorLost, WorkerLost, never

if TYPE_CHECKING:
    from distributed import Client

_PREFIX = "workbench-"
_LOOK_S = 0.5
_LOST = "the cluster's scheduler is gone: start it, and run the study again to go on."
_GRACE_S = 10.0  # how long a worker may take to stop, once a call is cancelled


class Dask:
    """A Dask cluster as an executor.

    Parameters
    ----------
    client : distributed.Client
        Stays the caller's: it is not closed here. The cluster's scheduler is told to give up our
        calls whose worker died at once, instead of trying them on four workers; for the other
        work on the cluster it goes on as it is set.
    resources : mapping, optional
        What each call takes of a worker, such as ``{"GPU": 1}``.
    storage : str
        Where audio passes from workers to the coordinator, as fsspec writes it
        (``s3://bucket/incoming``); empty where workers see the store's folder.

    Raises
    ------
    RequestError
        If no worker has the resources: such a call would wait for ever. If the storage's address
        holds credentials: it travels to every worker.
    """

    def __init__(
        self, client: Client, *, resources: Mapping[str, float] | None = None, storage: str = ""
    ) -> None:
        from workbench.executors.dask_once import GiveUpAtOnce

        if "@" in urlsplit(storage).netloc:
            raise RequestError(
                "an address of storage with credentials in it would travel to every worker: leave "
                "them out, and let each machine have its own."
            )
        if wrong := [name for name, amount in (resources or {}).items() if not amount > 0]:
            raise RequestError(f"a call cannot take nothing of {wrong[0]}: give more than 0.")
        self.storage = storage
        self._client = cast(Any, client)  # its methods carry no types
        self._resources = dict(resources or {})
        self._client.register_plugin(GiveUpAtOnce(_PREFIX))
        self.workers = self._slots()
        if not self.workers:
            wanted = f" with {self._resources}" if self._resources else ""
            raise RequestError(f"the cluster has no worker{wanted}: start one and run again.")

    @classmethod
    def at(cls, address: str, **settings: Any) -> Dask:
        """The cluster whose scheduler listens at an address such as ``tcp://10.0.0.1:8786``.

        Raises
        ------
        EngineUnavailable
            If it does not answer, or Dask is not installed.
        """
        try:
            from distributed import Client
        except ModuleNotFoundError:
            raise EngineUnavailable(
                "a cluster needs Dask: pip install 'workbench[cluster]'."
            ) from None
        try:
            connect: Any = Client
            client = connect(address, timeout=10, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise EngineUnavailable(f"no Dask scheduler answers at {address}: {error}.") from error
        try:
            return cls(client, **settings)
        except BaseException:
            client.close()
            raise

    def close(self) -> None:
        """Leave the cluster; it goes on."""
        self._client.close()

    def _slots(self) -> int:
        slots = 0
        for worker in self._client.scheduler_info(n_workers=-1)["workers"].values():
            has = worker.get("resources", {})
            shares = [has.get(name, 0) // need for name, need in self._resources.items()]
            slots += int(min([worker["nthreads"], *shares]))
        return slots

    def call(
        self, task: Callable[..., Any], *values: Any, is_cancelled: Callable[[], bool] = never
    ) -> Any:
        """Call `task` on a free worker; see `Executor.call`."""
        from distributed import CancelledError, KilledWorker

        self._raise_if_lost()
        future = self._client.submit(
            task,
            *values,
            key=f"{_PREFIX}{uuid.uuid4().hex}",
            retries=0,
            resources=self._resources or None,
        )
        try:
            self._wait(future, is_cancelled)
            return future.result()
        except (KilledWorker, CancelledError) as error:
            self._raise_if_lost()
            raise WorkerLost("the cluster's worker that held this call is gone.") from error
        except OSError as error:
            if future.status == "error":
                raise  # the task's own
            # The answer is fetched through the scheduler; the client may not have noticed yet.
            raise ExecutorLost(_LOST) from error
        finally:
            future.release()

    def _wait(self, future: Any, is_cancelled: Callable[[], bool]) -> None:
        """Until a call has ended; no longer than is sensible once it is cancelled."""
        answered = threading.Event()
        future.add_done_callback(lambda _: answered.set())
        give_up_at = math.inf
        while not answered.wait(_LOOK_S):
            self._raise_if_lost()
            if give_up_at == math.inf and is_cancelled():
                give_up_at = time.monotonic() + _GRACE_S
            if time.monotonic() > give_up_at:
                raise Cancelled("stopped as asked, while no worker of the cluster answered.")

    def _raise_if_lost(self) -> None:
        if self._client.status != "running":
            raise ExecutorLost(_LOST)
