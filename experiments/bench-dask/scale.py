"""What does a cluster cost, and what does a second worker bring?

    python experiments/bench-dask/scale.py [--takes 24] [--duration-s 30]

One study of the embedded engine: in this process (the baseline), then on a Dask cluster of one
and of two single-threaded processes. Then the scheduler alone: 64 workers (threads of one
process, so that they cost no memory) serve calls that only sleep, and the wall time is set
against the ideal, calls x sleep / 64. Ratios hold within one run on one machine.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from distributed import Client, LocalCluster
from rich.console import Console
from rich.table import Table

from workbench.engines import engine
from workbench.executors import Executor
from workbench.executors.dask import Dask
from workbench.measure import LOUDNESS
from workbench.request import Request
from workbench.study import Study
from workbench.sweep import Sweep

_SLEEP_S = 1.0
_MANY = 64


@contextmanager
def cluster(workers: int, *, processes: bool) -> Iterator[Dask]:
    """A cluster on this machine."""
    with (
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
    """Run all, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--takes", type=int, default=24)
    parser.add_argument("--duration-s", type=float, default=30.0)
    options = parser.parse_args()
    shown = Table("where", "wall [s]", "against", "ratio")
    alone_s = study_s(options.takes, options.duration_s, None)
    shown.add_row("this process", f"{alone_s:.2f}", "", "")
    for workers in (1, 2):
        with cluster(workers, processes=True) as executor:
            wall_s = study_s(options.takes, options.duration_s, executor)
        shown.add_row(
            f"cluster of {workers}", f"{wall_s:.2f}", "this process", f"{wall_s / alone_s:.2f}"
        )
    calls = 5 * _MANY
    ideal_s, wall_s = calls * _SLEEP_S / _MANY, many_s(calls)
    shown.add_row("64 sleeping workers", f"{wall_s:.2f}", "ideal", f"{wall_s / ideal_s:.2f}")
    Console().print(shown)


if __name__ == "__main__":
    main()
