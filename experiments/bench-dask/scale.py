"""What does a cluster cost, and what does a second worker bring?

    python experiments/bench-dask/scale.py [--takes 24] [--duration-s 30] [--rounds 3]

One study of the embedded engine: in this process (the baseline: one take at a time), then on a
Dask cluster of one and of two single-threaded processes, with the memory settings that Dask gives
its workers and with those that `docs/how-to/cluster.md` names. Then the scheduler alone: 64 workers
(threads of one process, so that they cost no memory) serve calls that only sleep, and the wall
time is set against the ideal, calls x sleep / 64.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import dask
from distributed import Client, LocalCluster

from workbench.benchmark import Found, leave
from workbench.engines import engine
from workbench.executors import Executor
from workbench.executors.dask import Dask
from workbench.measure import LOUDNESS
from workbench.request import Request
from workbench.study import Study
from workbench.sweep import Sweep

_SLEEP_S = 1.0
_MANY = 64
_ALONE = "this process"
_SLEEPERS = f"{_MANY} sleeping workers"
# Dask has its workers give memory back at once, which makes every large array anew expensive.
_KEPT = {"MALLOC_MMAP_THRESHOLD_": 2**28}
_MEMORY: dict[str, dict[str, int]] = {"as Dask sets memory": {}, "memory kept": _KEPT}


@contextmanager
def cluster(
    workers: int, *, processes: bool, environment: dict[str, int] | None = None
) -> Iterator[Dask]:
    """A cluster on this machine."""
    settings = {"distributed.nanny.pre-spawn-environ": environment} if environment else {}
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=processes, dashboard_address=None
        ) as made,
        Client(made, set_as_default=False) as client,
    ):
        yield Dask(client)


def study_s(takes: int, duration_s: float, executor: Executor | None) -> float:
    """Wall seconds of one study in a new folder; the workers are warmed up first."""
    for seeds in (range(2), range(2, 2 + takes)):
        sweep = Sweep(Request(tags="house", duration_s=duration_s), seed=seeds)
        with (
            tempfile.TemporaryDirectory() as folder,
            Study("scale", sweep, [engine("sketch")], store=folder, measures=(LOUDNESS,)) as study,
        ):
            began = time.perf_counter()
            summary = study.run(watch=lambda progress: None, executor=executor)
            wall_s = time.perf_counter() - began
            assert summary.is_complete
    return wall_s


def many_s(calls: int) -> float:
    """Wall seconds that 64 workers need for calls that only sleep."""
    with cluster(_MANY, processes=False) as executor, ThreadPoolExecutor(_MANY) as threads:
        list(threads.map(lambda _: executor.call(time.sleep, 0.0), range(_MANY)))
        began = time.perf_counter()
        list(threads.map(lambda _: executor.call(time.sleep, _SLEEP_S), range(calls)))
        return time.perf_counter() - began


def main() -> None:
    """Run all in turn, round by round."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--takes", type=int, default=24)
    parser.add_argument("--duration-s", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    seen: dict[str, list[float]] = {}
    calls = 5 * _MANY
    for _ in range(options.rounds):
        asked = (options.takes, options.duration_s)
        seen.setdefault(_ALONE, []).append(study_s(*asked, None))
        for workers in (1, 2):
            for name, environment in _MEMORY.items():
                with cluster(workers, processes=True, environment=environment) as executor:
                    label = f"cluster of {workers}, {name}"
                    seen.setdefault(label, []).append(study_s(*asked, executor))
        seen.setdefault(_SLEEPERS, []).append(many_s(calls))
    found = [
        Found(name, walls, "s, wall", _ALONE if name != _ALONE else "")
        for name, walls in seen.items()
        if name != _SLEEPERS
    ]
    found.append(Found("ideal", [calls * _SLEEP_S / _MANY], "s, wall, calls that sleep"))
    found.append(Found(_SLEEPERS, seen[_SLEEPERS], "s, wall, calls that sleep", "ideal"))
    leave("dask", "What does a cluster cost, and what does a second worker bring?", found)


if __name__ == "__main__":
    main()
