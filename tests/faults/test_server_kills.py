"""A server that is killed again and again while a study uses it: nothing lost, nothing paid twice.

The server's own database is the far side's book: one row per job that it accepted and charged.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.conftest import free_port, silent
from workbench.engines import engine
from workbench.engines.hosted import Settings
from workbench.request import Request
from workbench.server import make_key
from workbench.study import Study
from workbench.sweep import Sweep
from workbench.take import State

_MAIN = "import sys; from workbench.cli import main; sys.exit(main())"


class Mortal:
    """A server that comes back, at the same port and on the same folder, each time it is killed."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.port = folder, port
        self.kills = 0
        self._child = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        served = ["serve", "sketch", "--folder", str(self.folder), "--port", str(self.port)]
        child = subprocess.Popen(
            [sys.executable, "-c", _MAIN, *served],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for _ in range(300):
            assert child.poll() is None, "the server does not come up"
            try:
                httpx.get(f"http://127.0.0.1:{self.port}/", timeout=1, trust_env=False)
            except httpx.HTTPError:
                time.sleep(0.1)
            else:
                return child
        raise AssertionError("the server does not answer")

    def kill(self) -> None:
        """Without warning."""
        self._child.send_signal(signal.SIGKILL)
        self._child.wait()
        self.kills += 1

    def haunt(self, kills: int, stop: threading.Event, draw: random.Random) -> None:
        """Kill it at random moments and start it again."""
        while self.kills < kills and not stop.wait(draw.uniform(0.1, 1.2)):
            self.kill()
            self._child = self._started()


def jobs_of(folder: Path) -> Counter[str]:
    """How many jobs the server has accepted, by what became of them."""
    with closing(sqlite3.connect(folder / "server.sqlite")) as book:
        return Counter(row[0] for row in book.execute("SELECT state FROM jobs"))


def settings_at(port: int, token: str) -> Settings:
    base = f"http://127.0.0.1:{port}"
    return Settings.from_env(
        {
            "RUNCOMFY_MODEL_API_BASE": base + "/v1",
            "RUNCOMFY_SERVERLESS_API_BASE": base + "/prod/v2",
            "RUNCOMFY_TOKEN": token,
            "SKYSTUDIO_API_BASE": base + "/api/v1",
            "SKYSTUDIO_API_KEY": token,
        }
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["skystudio-custom", "runcomfy-1.5"])
@pytest.mark.parametrize(("kills", "takes"), [(3, 12), (40, 120)])
def test_no_job_is_lost_or_paid_twice(name: str, kills: int, takes: int, tmp_path: Path) -> None:
    server, port = tmp_path / "server", free_port()
    token = make_key(server, "faults", balance_usd=100, credits=100_000)
    mortal, stop = Mortal(server, port), threading.Event()
    killer = threading.Thread(target=mortal.haunt, args=(kills, stop, random.Random(1)))
    killer.start()
    sweep = Sweep(Request(tags="house", lyrics="[inst]", duration_s=10), seed=range(takes))
    made = engine(name, settings=settings_at(port, token))
    try:
        with Study("haunted", sweep, [made], store=tmp_path / "store", measures=()) as study:
            while not study.run(watch=silent, retry=True).is_complete:
                known = Counter(take.state for take in study.takes())
                if known[State.DONE] + known[State.UNKNOWN] == takes and mortal.kills == kills:
                    break
            takes_made = study.takes()
    finally:
        stop.set()
        killer.join()
        mortal.kill()
    done = [take for take in takes_made if take.state is State.DONE]
    unknown = [take for take in takes_made if take.state is State.UNKNOWN]
    jobs = jobs_of(server)
    assert len(done) + len(unknown) == takes
    assert len({take.remote_id for take in done}) == len(done)
    if name.startswith("skystudio"):  # its idempotency key goes on where the answer was lost
        assert not unknown
        assert jobs.total() == takes
    else:  # a job whose id never arrived is not asked for again
        assert len(done) <= jobs.total() <= len(done) + len(unknown)
    assert (tmp_path / "store" / "incoming").is_dir()
    assert not list((tmp_path / "store" / "incoming").iterdir())
    print(f"{name}: {mortal.kills} kills, {len(done)} done, {len(unknown)} unknown, {dict(jobs)}")  # noqa: T201
