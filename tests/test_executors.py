"""The same study elsewhere: one table, one writer, a dead worker's loss, secrets that stay."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from tests.conftest import Planted, silent
from workbench import engines
from workbench.engines.sketch import SketchEngine
from workbench.errors import EngineUnavailable, RequestError
from workbench.executors import Executor, ProcessPool, WorkerLost, placed
from workbench.executors.dask import Dask
from workbench.executors.placed import WORKERS_MAX, Placed
from workbench.executors.work import Order
from workbench.measure import DURATION, LOUDNESS
from workbench.request import Request
from workbench.study import Study
from workbench.sweep import Sweep
from workbench.tables import table
from workbench.take import State

# What lies in when and how fast a take was made, not in what it is.
_OF_THE_RUN = ["take_id", "wall_s", "started_at"]


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPool]:
    with ProcessPool(2) as made:
        yield made


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, resources={"GPU": 1}, dashboard_address=None
        ) as made,
        distributed.Client(made, set_as_default=False) as client,
    ):
        yield client


def study_in(folder: Path, *made: Any, tags: Sequence[str] = ("house", "jazz")) -> Study:
    sweep = Sweep(Request(tags="house", duration_s=5), tags=list(tags), seed=range(2))
    chosen = made or (engines.engine("sketch"),)
    return Study("away", sweep, chosen, store=folder, measures=(LOUDNESS, DURATION))


def made_by(executor: Executor | None, folder: Path) -> pd.DataFrame:
    with study_in(folder) as study:
        summary = study.run(watch=silent, executor=executor)
        assert (summary.made, summary.is_complete) == (4, True)
        assert not list(study.store.audio.incoming.glob("*"))
        return table(study).drop(columns=_OF_THE_RUN)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The table that this process makes by itself."""
    return made_by(None, tmp_path_factory.mktemp("alone"))


def test_processes_make_the_same_table(
    pool: ProcessPool, alone: pd.DataFrame, tmp_path: Path
) -> None:
    assert_frame_equal(made_by(pool, tmp_path), alone)


def test_a_cluster_of_two_makes_the_same_table(
    cluster: Any, alone: pd.DataFrame, tmp_path: Path
) -> None:
    gpu = Dask(cluster, resources={"GPU": 1})
    assert gpu.workers == 2
    assert_frame_equal(made_by(gpu, tmp_path), alone)


def test_audio_may_pass_through_other_storage(
    pool: ProcessPool, alone: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passing = tmp_path / "passing"
    passing.mkdir()
    monkeypatch.setattr(pool, "storage", f"file://{passing}")
    assert_frame_equal(made_by(pool, tmp_path / "store"), alone)
    assert not list(passing.iterdir())


def test_a_cluster_without_the_resource_is_said_so_at_once(cluster: Any) -> None:
    with pytest.raises(RequestError, match="no worker with"):
        Dask(cluster, resources={"GPU": 2})


def test_no_scheduler_is_said_so() -> None:
    with pytest.raises(EngineUnavailable, match="no Dask scheduler"):
        Dask.at("nonsense://nowhere")


def test_storage_that_does_not_pass_audio_on_is_said_so_before_a_take_is_made(
    pool: ProcessPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with study_in(tmp_path / "store") as study:
        # Each process has a memory of its own: what a worker leaves there never arrives.
        for storage, said in [
            ("file:///dev/null/incoming", "does not take"),
            ("memory://incoming", "not seen here"),
            ("nonsense://incoming", "does not take"),
        ]:
            monkeypatch.setattr(pool, "storage", storage)
            with pytest.raises(RequestError, match=said):
                study.run(watch=silent, executor=pool)
        assert study.takes() == []


def test_an_address_with_credentials_does_not_travel(cluster: Any) -> None:
    with pytest.raises(RequestError, match="travel to every worker"):
        Dask(cluster, storage="s3://key:secret@bucket/incoming")  # pragma: allowlist secret


def test_a_call_cannot_take_nothing(cluster: Any) -> None:
    with pytest.raises(RequestError, match="cannot take nothing of GPU"):
        Dask(cluster, resources={"GPU": 0})


def planted(monkeypatch: pytest.MonkeyPatch, maker: str, folder: Path) -> Any:
    monkeypatch.setitem(engines.ENGINES, maker, ("tests.faults.engines", maker))
    return engines.engine(maker, folder=str(folder))


def check_poison(study: Study, executor: Executor) -> None:
    with study:
        study.run(watch=silent, executor=executor)
        ended = {take.request.tags: take for take in study.takes()}
        states = [take.state for take in study.takes()]
    assert ended["poison"].state is State.FAILED
    assert f"{WORKERS_MAX} workers died" in ended["poison"].reason
    assert ended["unlucky"].state is State.DONE  # its worker's death cost it one more try
    assert states.count(State.DONE) == 4


def executor_at(where: str, request: pytest.FixtureRequest) -> Executor:
    found = request.getfixturevalue(where)
    if where == "pool":
        return found  # type: ignore[no-any-return]
    found.wait_for_workers(2, timeout=60)  # those that other tests killed are made anew
    return Dask(found)


@pytest.mark.parametrize("where", ["pool", "cluster"])
def test_a_poisoned_take_fails_and_the_others_are_made(
    where: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = executor_at(where, request)
    engine = planted(monkeypatch, "Poisoned", tmp_path)
    tags = ("unlucky", "poison", "house")
    sweep = Sweep(Request(tags="house", duration_s=5), tags=tags, seed=range(2), skip=[
        {"tags": "poison", "seed": 1},
    ])  # fmt: skip
    check_poison(Study("away", sweep, [engine], store=tmp_path / "s", measures=()), executor)


@pytest.mark.parametrize("where", ["pool", "cluster"])
def test_cancel_reaches_the_worker(
    where: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = executor_at(where, request)

    def cancel_once_begun(study: Study) -> None:
        while not (tmp_path / "began").exists():
            time.sleep(0.02)
        study.cancel()

    with study_in(tmp_path / "s", planted(monkeypatch, "Slow", tmp_path)) as study:
        canceller = threading.Thread(target=cancel_once_begun, args=(study,))
        canceller.start()
        summary = study.run(watch=silent, executor=executor)
        canceller.join()
    assert "cancelled" in summary.stopped
    assert (tmp_path / "stopped").exists()
    assert summary.missing == 4
    assert not list((tmp_path / "s" / "incoming").glob("*"))


def test_engines_with_secrets_and_strange_ones_stay(pool: ProcessPool) -> None:
    strange: list[Any] = [Planted(), SketchEngine()]
    for engine in strange:
        assert placed(engine, pool, ()) is engine
    pytest.importorskip("workbench.engines.hosted")
    from workbench.engines.hosted import Settings

    settings = Settings.from_env({"RUNCOMFY_TOKEN": "secret-token-123"})
    hosted = engines.engine("runcomfy-base", settings=settings)
    assert placed(hosted, pool, ()) is hosted


def test_what_travels_is_plain(pool: ProcessPool) -> None:
    made = placed(engines.engine("sketch", usd_per_hour=1), pool, ())
    assert isinstance(made, Placed)
    order = Order(made._recipe, ({"tags": "a"},), ("k",), (), "folder", "name")
    assert pickle.loads(pickle.dumps(order)) == order  # our own bytes


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_dead_process_is_replaced(pool: ProcessPool) -> None:
    call: Callable[..., Any] = pool.call
    with pytest.raises(WorkerLost):
        call(_die)
    assert [call(divmod, 7, 2) for _ in range(4)] == [(3, 1)] * 4


_POOL = """
import os, time
from workbench.executors import ProcessPool
if __name__ == "__main__":
    pool = ProcessPool(1)
    print(pool.call(os.getpid), flush=True)
    pool.call(time.sleep, 600)
"""


def test_workers_end_with_their_coordinator_however_it_ends(tmp_path: Path) -> None:
    script = tmp_path / "coordinator.py"
    script.write_text(_POOL)
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as coordinator:
        assert coordinator.stdout is not None
        worker = int(coordinator.stdout.readline())
        assert is_there(worker)
        coordinator.kill()
    deadline = time.monotonic() + 20
    while is_there(worker):
        assert time.monotonic() < deadline, "the worker goes on without its coordinator"
        time.sleep(0.1)


def is_there(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    return True


def _die_once(flag: str) -> str:
    if Path(flag).exists():
        return "tried again"
    Path(flag).touch()
    _die()
    return "not reached"


def test_a_cluster_gives_up_our_calls_at_once_and_nobody_elses(
    cluster: Any, tmp_path: Path
) -> None:
    cluster.wait_for_workers(2, timeout=60)  # those that other tests killed are made anew
    executor = Dask(cluster)
    Dask(cluster)  # another study at the same cluster
    with pytest.raises(WorkerLost):
        executor.call(_die_once, str(tmp_path / "ours"))
    theirs = cluster.submit(_die_once, str(tmp_path / "theirs"))
    assert theirs.result(timeout=60) == "tried again"
    assert executor.call(divmod, 7, 2) == (3, 1)
