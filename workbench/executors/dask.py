"""Workers of a Dask cluster: any ``distributed.Client`` will do.

A cluster of one machine, of SLURM nodes (dask-jobqueue) or of Kubernetes pods (dask-kubernetes)
looks the same from here. GPU workers are started one per device, each with its own::

    CUDA_VISIBLE_DEVICES=0 dask worker tcp://... --nthreads 1 --resources GPU=1

since Dask counts resources but does not hand out devices.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, cast

from workbench.errors import EngineUnavailable, RequestError
from workbench.executors.base import WorkerLost

if TYPE_CHECKING:
    from distributed import Client

_PREFIX = "workbench-"


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
        If no worker has the resources: such a call would wait for ever.
    """

    def __init__(
        self, client: Client, *, resources: Mapping[str, float] | None = None, storage: str = ""
    ) -> None:
        from workbench.executors.dask_once import GiveUpAtOnce

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
        return cls(client, **settings)

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

    def call(self, task: Callable[..., Any], *values: Any) -> Any:
        """Call `task` on a free worker; see `Executor.call`."""
        from distributed import CancelledError, KilledWorker

        future = self._client.submit(
            task,
            *values,
            key=f"{_PREFIX}{uuid.uuid4().hex}",
            retries=0,
            resources=self._resources or None,
        )
        try:
            return future.result()
        except (KilledWorker, CancelledError) as error:
            raise WorkerLost("the cluster's worker that held this call is gone.") from error
        finally:
            future.release()
