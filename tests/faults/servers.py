"""Kills a server at random moments while a study uses it, and audits both sides' books.

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

    def end(self) -> None:
        """Without warning, for good."""
        self._child.send_signal(signal.SIGKILL)
        self._child.wait()

    def haunt(self, kills: int, stop: threading.Event, draw: random.Random) -> None:
        """Kill it at random moments and start it again."""
        while self.kills < kills and not stop.wait(draw.uniform(0.1, 1.2)):
            self.end()
            self.kills += 1
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


def kill_servers(folder: Path, name: str, kills: int, seed: int) -> dict[str, int]:
    """A study of an engine whose server dies again and again; what came of its takes and jobs."""
    server, port, takes = folder / "server", free_port(), 3 * kills
    token = make_key(server, "faults", balance_usd=1_000, credits=1_000_000)
    mortal, stop = Mortal(server, port), threading.Event()
    killer = threading.Thread(target=mortal.haunt, args=(kills, stop, random.Random(seed)))
    killer.start()
    sweep = Sweep(Request(tags="house", lyrics="[inst]", duration_s=10), seed=range(takes))
    made = engine(name, settings=settings_at(port, token))
    try:
        with Study("haunted", sweep, [made], store=folder / "store", measures=()) as study:
            while not study.run(watch=silent, retry=True).is_complete:
                known = Counter(take.state for take in study.takes())
                if known[State.DONE] + known[State.UNKNOWN] == takes and mortal.kills == kills:
                    break
            takes_made = study.takes()
    finally:
        stop.set()
        killer.join()
        mortal.end()
    done = [take for take in takes_made if take.state is State.DONE]
    unknown = [take for take in takes_made if take.state is State.UNKNOWN]
    jobs = jobs_of(server)
    assert len(done) + len(unknown) == takes, "a take was lost"
    assert len({take.remote_id for take in done}) == len(done), "two takes share a job"
    if name.startswith("skystudio"):  # its idempotency key goes on where the answer was lost
        assert not unknown
        assert jobs.total() == takes, "a job was submitted twice"
    else:  # a job whose id never arrived is not asked for again
        assert len(done) <= jobs.total() <= len(done) + len(unknown)
    assert not list((folder / "store" / "incoming").iterdir())
    return {
        "kills": mortal.kills,
        "takes": len(done),
        "unknown": len(unknown),
        "jobs_charged": jobs.total(),
    }
