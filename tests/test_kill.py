"""Killed at any moment, a study goes on where it was: nothing twice, nothing lost, nothing left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from workbench.clip import file_sha256
from workbench.store import Store
from workbench.take import State

STUDY = {
    "name": "killed",
    "base": {"tags": "house", "lyrics": "[inst]", "duration_s": 6},
    "axes": {"tags": ["house, 124 BPM", "jazz, 100 BPM", "rock, 120 BPM"], "seed": {"count": 5}},
}
# Seconds after the first take is kept; the first kills hit the start-up and the first take.
MOMENTS_S = (0.0, 0.03, 0.08, 0.15, 0.25, 0.4, 0.6, 0.85, 1.1, 1.5)


def command(study_file: Path, store: Path) -> list[str]:
    # Where the tests themselves run in the background, an interrupt is ignored by inheritance.
    code = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from workbench.cli import main; sys.exit(main())"
    )
    return [sys.executable, "-c", code, "sweep", str(study_file), "--store", str(store)]


def wait_for_audio(store: Path, more_than: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if sum(1 for p in store.glob("audio/*/*") if p.is_file()) > more_than:
            return
        time.sleep(0.005)


def test_ten_kills_cost_no_take_and_leave_no_orphan(tmp_path: Path) -> None:
    study_file, store = tmp_path / "study.yml", tmp_path / "store"
    study_file.write_text(yaml.safe_dump(STUDY))
    kills = 0
    for moment_s in MOMENTS_S:
        kept = sum(1 for _ in store.glob("audio/*/*"))
        with subprocess.Popen(
            command(study_file, store), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            wait_for_audio(store, kept, process)
            time.sleep(moment_s)
            if process.poll() is None:
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
            process.communicate()
    assert kills >= 5, "the study was too short to be killed often enough"
    done = subprocess.run(command(study_file, store), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    check_whole(store)
    again = subprocess.run(command(study_file, store), capture_output=True, text=True, check=True)
    assert "All 15 takes were found, none generated" in again.stdout


def check_whole(folder: Path) -> None:
    """One finished take per place; each file whole, named by its content, and referenced."""
    with Store(folder, create=False) as store:
        takes = [take for _, take in store.takes("killed")]
        rows = store._db.rows(
            "SELECT key, count(*) AS n FROM takes WHERE state = 'done' GROUP BY key"
        )
        everything = store._db.rows("SELECT state FROM takes")
    assert [take.state for take in takes if take] == [State.DONE] * 15
    assert [row["n"] for row in rows] == [1] * 15
    # A take that was under way is taken up again, not begun anew.
    assert len(everything) == 15
    files = [p for p in folder.glob("audio/*/*") if p.is_file()]
    assert all(file_sha256(path) == path.stem for path in files)
    assert {path.stem for path in files} == {take.audio for take in takes if take}
    assert not list(folder.glob("incoming/*"))


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGINT to send")
def test_an_interrupt_in_a_terminal_ends_soon_and_says_how_to_go_on(tmp_path: Path) -> None:
    study_file, store = tmp_path / "study.yml", tmp_path / "store"
    study_file.write_text(yaml.safe_dump(STUDY))
    with subprocess.Popen(
        command(study_file, store), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        wait_for_audio(store, 1, process)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1, err
    assert "run it again to go on" in out
    assert "Traceback" not in err
