"""What befalls real machines, and what is left of a study afterwards."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conftest import Planted, silent
from workbench import records, tables
from workbench.engines.base import Attempt
from workbench.errors import StoreError
from workbench.measure import DURATION
from workbench.request import Request
from workbench.store import DATABASE, Store
from workbench.study import Study
from workbench.sweep import Sweep
from workbench.take import State

ROOT = Path(__file__).parents[2]


def killed(folder: Path, kills: int) -> dict[str, int]:
    command = [sys.executable, "-m", "tests.faults.killing", str(folder), "--kills", str(kills)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    counts: dict[str, int] = json.loads(run.stdout)
    return counts


def test_thirty_kills_lose_no_take_and_pay_none_twice(tmp_path: Path) -> None:
    counts = killed(tmp_path, 30)
    assert counts["takes"] == counts["charges"] >= 25


@pytest.mark.slow
def test_a_thousand_kills_lose_no_take_and_pay_none_twice(tmp_path: Path) -> None:
    counts = killed(tmp_path, 1_000)
    assert counts["takes"] == counts["charges"] >= 1_000


def made(folder: Path, engine: Planted, seeds: int = 4) -> Study:
    sweep = Sweep(Request(tags="a"), seed=range(seeds))
    return Study("planted", sweep, [engine], store=folder, measures=())


def states(folder: Path) -> list[State]:
    with Store(folder, create=False) as store:
        return [take.state for take in store.takes_in(set(State))]


_FULL = """
import resource, signal, sys
from pathlib import Path
from tests.conftest import Planted, silent
from tests.faults.test_faults import made
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with made(Path(sys.argv[1]), Planted(), 40) as study:
    study.run(watch=silent)
"""


def test_a_full_disk_ends_the_run_and_the_next_goes_on(tmp_path: Path) -> None:
    made(tmp_path, Planted(), 40).close()
    limit = (
        tmp_path / DATABASE
    ).stat().st_size + 8_192  # no file may grow beyond: the disk is full
    run = subprocess.run(
        [sys.executable, "-c", _FULL, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert run.returncode != 0
    assert "full" in run.stderr or "too large" in run.stderr or "disk I/O" in run.stderr
    before = states(tmp_path).count(State.DONE)
    assert before < 40
    with made(tmp_path, Planted(), 40) as study:
        summary = study.run(watch=silent)
    assert summary.is_complete
    assert summary.found == before
    assert states(tmp_path).count(State.DONE) == 40


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_read_only_folder_is_said_so(tmp_path: Path) -> None:
    folder = tmp_path / "shut"
    folder.mkdir(mode=0o500)
    with pytest.raises((PermissionError, StoreError)):
        made(folder / "store", Planted())


def test_a_table_that_cannot_be_kept_is_built_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "_KEPT_ROWS", 1)
    with made(tmp_path, Planted()) as study:
        (tmp_path / "tables").write_text("a file stands where the folder would")
        study.run(watch=silent)
        assert list(tables.table(study)["state"]) == ["done"] * 4


def test_a_clock_that_jumps_back_changes_no_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    years = iter([2030, 2026, 2010, *[1999] * 100])

    class Jumping(datetime):
        @classmethod
        def now(cls, tz: object = None) -> Jumping:
            return cls(next(years), 1, 1, tzinfo=UTC)

    monkeypatch.setattr(records, "datetime", Jumping)
    with made(tmp_path, Planted()) as study:
        assert study.run(watch=silent).is_complete
        assert [take.request.seed for take in study.takes()] == [0, 1, 2, 3]
        assert study.run(watch=silent).found == 4


def test_a_corrupted_record_is_named_and_nothing_is_overwritten(tmp_path: Path) -> None:
    with made(tmp_path, Planted()) as study:
        study.run(watch=silent)
    path = tmp_path / DATABASE
    whole = path.read_bytes()
    path.write_bytes(b"\0" * 4_096 + whole[4_096:])
    with pytest.raises(StoreError, match="cannot be read"):
        Store(tmp_path)
    assert path.read_bytes()[4_096:] == whole[4_096:]


def test_corrupted_audio_is_undefined_with_a_reason_and_the_rest_is_measured(
    tmp_path: Path,
) -> None:
    with made(tmp_path, Planted(), 2) as study:
        study.run(watch=silent)
        (path,) = (tmp_path / "audio").glob("*/*")  # both takes are the same tone
        path.write_bytes(path.read_bytes()[:60])
        assert study.measure(DURATION) == 2
        said = study.store.measurements(study.takes()[0].id)
    assert {m.value for m in said} == {None}
    assert all(m.reason for m in said)


def test_a_second_coordinator_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def hold(attempt: Attempt) -> None:
        inside.set()
        go_on.wait(30)

    engine = Planted()
    engine.before = hold
    with made(tmp_path, engine) as first, made(tmp_path, Planted()) as second:
        running = threading.Thread(target=lambda: first.run(watch=silent))
        running.start()
        assert inside.wait(30)
        with pytest.raises(StoreError, match="another process is running"):
            second.run(watch=silent)
        go_on.set()
        running.join()
        assert second.run(watch=silent).found == 4
    assert states(tmp_path) == [State.DONE] * 4
