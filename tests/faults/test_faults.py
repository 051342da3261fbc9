"""What befalls real machines, and what is left of a study afterwards."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from tests.conftest import Planted, silent
from workbench import records
from workbench.archive import verify_store
from workbench.engines.base import Attempt
from workbench.errors import StoreError
from workbench.measure import DURATION
from workbench.request import Request
from workbench.store import DATABASE, Store
from workbench.study import Study
from workbench.sweep import Sweep
from workbench.take import State

ROOT = Path(__file__).parents[2]


def killed(folder: Path, kills: int, kind: str) -> dict[str, dict[str, int]]:
    """The counts of the fault suite, by what was killed."""
    command = [sys.executable, "-m", "tests.faults", str(folder), "--kills", str(kills)]
    command += ["--only", *kind.split()]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    return {line.pop("killed"): line for line in lines}


def test_thirty_killed_coordinators_lose_no_take_and_pay_none_twice(tmp_path: Path) -> None:
    (counts,) = killed(tmp_path, 30, "coordinator").values()
    assert counts["takes"] == counts["charges"] >= 25


def test_killed_workers_cost_no_more_than_the_takes_they_held(tmp_path: Path) -> None:
    (counts,) = killed(tmp_path, 6, "worker").values()
    assert counts["kills"] >= 4
    assert counts["begun_in_vain"] <= counts["kills"]


@pytest.mark.slow
def test_killed_servers_lose_no_job_and_charge_none_twice(tmp_path: Path) -> None:
    found = killed(tmp_path, 6, "server")
    assert sum(counts["kills"] for counts in found.values()) >= 4


@pytest.mark.slow
def test_a_thousand_kills_lose_no_take_and_pay_none_twice(tmp_path: Path) -> None:
    found = killed(tmp_path, 1_000, "coordinator worker server")
    assert found["coordinator"]["takes"] == found["coordinator"]["charges"] >= 900
    assert sum(counts["kills"] for counts in found.values()) >= 980


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
from workbench.errors import StoreError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with made(Path(sys.argv[1]), Planted(), 40) as study:
    try:
        study.run(watch=silent)
    except (StoreError, OSError) as error:
        sys.exit(f"ended: {error}")
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
    assert run.stderr.startswith("ended: ")
    assert "full" in run.stderr or "too large" in run.stderr or "disk I/O" in run.stderr
    before = states(tmp_path).count(State.DONE)
    assert before < 40
    with made(tmp_path, Planted(), 40) as study:
        summary = study.run(watch=silent)
    assert summary.is_complete
    assert summary.found == before
    assert states(tmp_path).count(State.DONE) == 40


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB, where we may make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
    with suppress(FileNotFoundError):
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            yield folder
            subprocess.run(["umount", str(folder)], check=True)
            return
    pytest.skip("needs the right to mount")


def test_a_disk_that_is_truly_full_is_said_so_in_a_sentence(small_disk: Path) -> None:
    base = {"tags": "house", "lyrics": "[inst]", "duration_s": 10}
    study = {"name": "full", "base": base, "axes": {"seed": {"count": 12}}}
    study_file = small_disk / "study.yml"
    study_file.write_text(yaml.safe_dump(study))
    command = [sys.executable, "-c", "import sys; from workbench.cli import main; sys.exit(main())"]
    command += ["sweep", str(study_file), "--store", str(small_disk / "s")]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "Traceback" not in run.stderr
    assert "workbench: " in run.stderr
    assert "No space left" in run.stderr or "full" in run.stderr
    done = states(small_disk / "s").count(State.DONE)
    assert 0 < done < 12
    wider = ["mount", "-o", "remount,size=64m", str(small_disk)]
    subprocess.run(wider, check=True)
    with Store(small_disk / "s") as store:
        assert verify_store(store) == []
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert f"{12 - done} takes generated, {done} found" in run.stdout


def obey_modes() -> None:
    """In a child: file modes hold for root as well (no CAP_DAC_OVERRIDE after the next exec)."""
    if os.geteuid() == 0:
        assert ctypes.CDLL(None).prctl(24, 1, 0, 0, 0) == 0  # PR_CAPBSET_DROP, capabilities(7)


@pytest.mark.skipif(sys.platform != "linux", reason="capabilities are Linux's")
@pytest.mark.parametrize("is_begun", [False, True])
def test_a_read_only_folder_is_said_so_in_a_sentence(is_begun: bool, tmp_path: Path) -> None:
    folder, study_file = tmp_path / "shut", tmp_path / "study.yml"
    base = {"tags": "house", "lyrics": "[inst]", "duration_s": 5}
    study_file.write_text(yaml.safe_dump({"name": "planted", "base": base}))
    if is_begun:
        made(folder, Planted()).close()
        (folder / DATABASE).chmod(0o400)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o500)
    command = [sys.executable, "-c", "import sys; from workbench.cli import main; sys.exit(main())"]
    run = subprocess.run(
        [*command, "sweep", str(study_file), "--store", str(folder if is_begun else folder / "s")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=obey_modes,
    )
    folder.chmod(0o700)
    assert run.returncode in (1, 77), run.stderr
    assert "Traceback" not in run.stderr
    assert run.stderr.startswith("workbench: ")
    assert str(folder) in run.stderr
    assert not (folder / "s").exists()


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
