"""A process killed between any two steps of a take: nothing is paid twice, nothing is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hosted.conftest import delivered, outcome, settings_for, submits
from tests.hosted.far import RESET, Far, Fault, Reply
from workbench.engines import engine
from workbench.errors import OutcomeUnknown

ROOT = Path(__file__).parents[2]
# Where the process dies: as a call arrives, before or after the far side has acted on it.
RUNCOMFY = ["price", "submit, before", "submit, after", "status", "result", "file"]
SKYSTUDIO = ["sky-submit, before", "sky-submit, after", "sky-job", "file"]
PLACES = [("runcomfy-base", place) for place in RUNCOMFY]
PLACES += [("skystudio-custom", place) for place in SKYSTUDIO]


def run_until_killed(far: Far, folder: Path, name: str, place: str) -> dict[str, str]:
    """Run a take in a process that dies at `place`; what is on disk then."""
    route, _, moment = place.partition(", ")
    child: list[subprocess.Popen[bytes]] = []

    def kill(far: Far, normal: Callable[[], bytes]) -> Reply:
        if moment == "after":
            normal()
        os.kill(child[0].pid, signal.SIGKILL)
        child[0].wait()
        return RESET

    fault: Fault = kill
    far.next_fails(route, fault)
    command = [sys.executable, "-m", "tests.hosted.child", far.base, str(folder), name]
    child.append(subprocess.Popen(command, cwd=ROOT))
    assert child[0].wait(timeout=30) == -signal.SIGKILL
    journal = folder / "journal"
    lines = journal.read_text().splitlines() if journal.exists() else []
    return {kind: data.get("remote_id", "") for kind, data in map(json.loads, lines)}


@pytest.mark.parametrize(("name", "place"), PLACES)
def test_killed_at(name: str, place: str, far: Far, tmp_path: Path) -> None:
    on_disk = run_until_killed(far, tmp_path, name, place)
    accepted = len(far.jobs)
    if place == "file":
        assert [path.suffix for path in (tmp_path / "files").iterdir()] == [".part"]
    made = engine(name, settings=settings_for(far.base, tmp_path))
    again = {"remote_id": on_disk.get("submitted"), "intended": "intent" in on_disk}
    if name == "runcomfy-base" and place.startswith("submit"):
        # Whether the far side acted cannot be known, so nothing is sent again.
        assert isinstance(outcome(made, **again), OutcomeUnknown)
        assert (len(far.jobs), submits(far)) == (accepted, 1)
        return
    assert delivered(made, **again).audio
    assert len(far.jobs) == 1
    assert submits(far) == (2 if "submit" in place else 1)
