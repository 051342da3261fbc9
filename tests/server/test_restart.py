"""Do jobs outlive the server, and is each charged once?"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.server.conftest import Api, SineEngine, Start, until
from workbench.server import Settings, jobs, list_keys, make_key, running_server
from workbench.server.database import connect
from workbench.server.keys import micro

# A server in a process of its own; it prints its address and lives until it is killed.
PROGRAM = """
import sys, time
from pathlib import Path
from workbench.engines.sketch import SketchEngine
from workbench.server import Faults, Settings, running_server
settings = Settings(SketchEngine(), Path(sys.argv[1]), faults=Faults(job_s=float(sys.argv[2])))
with running_server(settings) as base:
    print(base, flush=True)
    time.sleep(600)
"""


@contextmanager
def process(folder: Path, token: str, job_s: float) -> Iterator[Api]:
    """A server that is killed without warning at the end."""
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), str(job_s)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    try:
        assert child.stdout is not None
        api = Api(child.stdout.readline().strip(), folder, token)
        with api:
            yield api
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert child.stdout is not None
        child.stdout.close()


def test_jobs_survive_a_kill(tmp_path: Path) -> None:
    token = make_key(tmp_path, "me", balance_usd=1)
    with process(tmp_path, token, job_s=60) as api:
        running, queued = (api.submit(tags="house", duration=5, seed=5) for _ in range(2))
        cancelled = api.submit()
        api.post(f"/v1/requests/{cancelled}/cancel")
        until(lambda: api.result(running), lambda r: r["status"] == "in_progress")
    with process(tmp_path, token, job_s=0) as api:
        results = [api.finished(job) for job in (running, queued)]
        assert [r["status"] for r in results] == ["completed", "completed"]
        assert api.result(cancelled)["status"] == "cancelled"
        files = [api.files.get(r["output"]["audio"]).content for r in results]
        assert files[0] == files[1], "the same seed sings the same, run again or not"
        assert api.get("/prod/v2/balance").json()["balance_usd"] == 1 - 2 * 0.001


def test_a_stop_leaves_what_runs_to_the_next_start(tmp_path: Path, engine: SineEngine) -> None:
    token = make_key(tmp_path, "me", credits=10)
    engine.hold()
    with running_server(Settings(engine, tmp_path)) as base:
        api = Api(base, tmp_path, token)
        with api:
            job = api.generate(prompt="jazz")
            until(lambda: api.job(job), lambda r: r["status"] == "running")
    assert [key.credits for key in list_keys(tmp_path)] == [0]
    engine.release()
    with running_server(Settings(engine, tmp_path)) as base:
        api = Api(base, tmp_path, token)
        with api:
            done = api.finished_job(job)
    assert (done["status"], done["billed_credits"]) == ("completed", 10)
    assert engine.seen[0] == engine.seen[1], "compiled once, sung the same"


def test_a_running_job_that_was_to_be_cancelled_is_not_run_again(tmp_path: Path) -> None:
    make_key(tmp_path, "me", credits=10)
    new = jobs.NewJob("j", "skystudio", 1, "m", "{}", "mp3", False, micro(10), None)
    with closing(connect(tmp_path)) as connection:
        jobs.accept(connection, new, active_max=1)
        assert jobs.claim(connection, "j") is not None
        jobs.cancel(connection, "j", running_too=True)
        assert [key.credits for key in list_keys(tmp_path)] == [0]
        assert jobs.recover(connection) == []
        job = jobs.find(connection, "j")
    assert job is not None
    assert job.state == "cancelled"
    assert [key.credits for key in list_keys(tmp_path)] == [10]


@pytest.mark.parametrize("name", ["outputs/x.wav.part", "sources/orphan"])
def test_half_written_files_go_at_the_start(start: Start, tmp_path: Path, name: str) -> None:
    left = tmp_path / "server" / name
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    start()
    assert not left.exists()
