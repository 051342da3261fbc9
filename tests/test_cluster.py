"""A cluster started by the commands that the how-to page names, and what befalls it."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import free_port, silent
from workbench.cli import main
from workbench.engines import engine
from workbench.executors import ExecutorLost
from workbench.executors.dask import Dask
from workbench.request import Request
from workbench.study import Study
from workbench.sweep import Sweep
from workbench.take import State

pytest.importorskip("distributed")


class Machines:
    """A scheduler and two GPU workers (of devices that nobody looks at), each a process."""

    def __init__(self) -> None:
        port = free_port()
        self.address = f"tcp://127.0.0.1:{port}"
        self.scheduler = dask("scheduler", "--port", str(port), "--no-dashboard")
        wait_until(lambda: answers(port))
        self.workers = [self.worker(device) for device in "01"]

    def worker(self, device: str) -> subprocess.Popen[bytes]:
        options = ["--nthreads", "1", "--resources", "GPU=1", "--no-dashboard", "--no-nanny"]
        return dask("worker", self.address, *options, CUDA_VISIBLE_DEVICES=device)

    def executor(self, **settings: Any) -> Dask:
        """Of both workers, once both are there."""
        while True:
            made = None
            with suppress(Exception):
                made = Dask.at(self.address, **settings)
            if made and made.workers == 2:
                return made
            if made:
                made.close()
            time.sleep(0.1)

    def end(self) -> None:
        for process in (self.scheduler, *self.workers):
            process.kill()
            process.wait()


def dask(*words: str, **environment: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "dask", *words]
    return subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.05)


@pytest.fixture
def machines() -> Iterator[Machines]:
    made = Machines()
    yield made
    made.end()


def study_in(folder: Path, takes: int) -> Study:
    sweep = Sweep(Request(tags="house", duration_s=5), seed=range(takes))
    return Study("far", sweep, [engine("sketch")], store=folder, measures=())


def run_while(study: Study, executor: Dask, befalls: Callable[[], None]) -> Any:
    """Run a study that something befalls once its first take is there."""

    def wait_and_befall() -> None:
        wait_until(lambda: any((study.store.folder / "audio").glob("*/*")))
        befalls()

    befalling = threading.Thread(target=wait_and_befall)
    befalling.start()
    summary = study.run(watch=silent, executor=executor)
    befalling.join()
    return summary


def test_each_gpu_worker_has_its_device_and_the_command_line_places_takes_on_them(
    machines: Machines, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(machines.executor(resources={"GPU": 1})) as executor, ThreadPoolExecutor(2) as two:
        both = threading.Barrier(2)

        def device(_: int) -> Any:
            both.wait()
            return executor.call(_device)

        assert set(two.map(device, range(2))) == {"0", "1"}
    study_file = tmp_path / "study.yml"
    axes = {"seed": {"count": 3}}
    base = {"tags": "house", "lyrics": "[inst]", "duration_s": 5}
    study_file.write_text(yaml.safe_dump({"name": "far", "base": base, "axes": axes}))
    storage = tmp_path / "passing"
    storage.mkdir()
    command = ["sweep", str(study_file), "--store", str(tmp_path / "s"), "--dask", machines.address]
    placed = [*command, "--resources", "GPU=1", "--storage", f"file://{storage}"]
    assert main(placed) == 0
    assert re.search("3 takes generated", capsys.readouterr().out)
    assert not list(storage.iterdir())
    assert main([*command, "--resources", "GPU=2"]) == 65
    assert "no worker with" in capsys.readouterr().err
    assert main([*command, "--resources", "GPU"]) == 65
    assert main(["sweep", str(study_file), "--resources", "GPU=1"]) == 65


def _device() -> str | None:
    time.sleep(0.5)  # long enough that the other call is not given to the same worker
    return os.environ.get("CUDA_VISIBLE_DEVICES")


def test_a_scheduler_that_dies_ends_the_run_and_fails_no_take(
    machines: Machines, tmp_path: Path
) -> None:
    executor = machines.executor()
    with study_in(tmp_path, 40) as study:
        summary = run_while(study, executor, machines.scheduler.kill)
        assert "scheduler is gone" in summary.stopped
        assert summary.failed == 0
        assert summary.made + summary.missing == 40
        assert summary.missing > 0
        with pytest.raises(ExecutorLost):
            executor.call(_device)
        assert study.run(watch=silent).is_complete
        assert len(study.store.takes_in([State.DONE])) == 40
    executor.close()


def test_a_scheduler_that_dies_before_its_answer_is_fetched_is_no_fault_of_the_take(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = machines.executor()
    waited = Dask._wait

    def wait_and_lose(self: Dask, *values: Any) -> None:
        waited(self, *values)
        machines.scheduler.kill()

    monkeypatch.setattr(Dask, "_wait", wait_and_lose)
    with pytest.raises(ExecutorLost, match="scheduler is gone"):
        executor.call(_device)
    executor.close()


def test_a_fault_of_the_task_s_own_stays_what_it_is(machines: Machines) -> None:
    executor = machines.executor()
    with pytest.raises(FileNotFoundError):
        executor.call(os.stat, "there is no such file")
    executor.close()


def test_a_run_whose_workers_are_all_gone_can_be_cancelled(
    machines: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.executors.dask._GRACE_S", 1.0)
    executor = machines.executor()
    with study_in(tmp_path, 40) as study:

        def lose_and_cancel() -> None:
            for worker in machines.workers:
                worker.kill()
            time.sleep(1)
            study.cancel()

        began = time.monotonic()
        summary = run_while(study, executor, lose_and_cancel)
        assert "cancelled" in summary.stopped
        assert summary.failed == 0
        assert time.monotonic() - began < 30
    executor.close()


def test_workers_that_die_and_come_back_cost_no_take(machines: Machines, tmp_path: Path) -> None:
    executor = machines.executor()

    def replace_all() -> None:
        for device in range(2):
            machines.workers[device].kill()
            machines.workers[device].wait()
            machines.workers[device] = machines.worker(str(device))
            time.sleep(1)

    with study_in(tmp_path, 40) as study:
        summary = run_while(study, executor, replace_all)
        assert (summary.made, summary.is_complete) == (40, True)
    executor.close()
