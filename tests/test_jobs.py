"""Unsettled takes: what a person can see, resume, cancel and resolve."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from tests.conftest import Planted, silent
from workbench import jobs
from workbench.cli import main
from workbench.engines.sketch import SketchEngine
from workbench.errors import OutcomeUnknown, RequestError
from workbench.request import Request
from workbench.server import Faults, Settings, running_server
from workbench.store import Store
from workbench.study import Study
from workbench.sweep import Sweep
from workbench.take import State

WISH = Request(tags="house, 124 BPM", lyrics="[inst]", duration_s=6)


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Our own server, with the environment pointing at it as a user would have it."""
    settings = Settings(SketchEngine(), tmp_path / "server", faults=Faults(job_s=0.2))
    with running_server(settings) as base:
        for name in list(os.environ):
            if name.startswith(("RUNCOMFY_", "SKYSTUDIO_")):
                monkeypatch.delenv(name)
        monkeypatch.setenv("RUNCOMFY_MODEL_API_BASE", f"{base}/v1")
        monkeypatch.setenv("RUNCOMFY_SERVERLESS_API_BASE", f"{base}/prod/v2")
        monkeypatch.setenv("RUNCOMFY_WEB_BASE", f"{base}/api/cli-auth")
        monkeypatch.setenv("RUNCOMFY_CONFIG_DIR", str(tmp_path / "config"))
        monkeypatch.setenv("RUNCOMFY_TOKEN", "any-token")
        monkeypatch.setenv("SKYSTUDIO_API_BASE", f"{base}/api/v1")
        monkeypatch.setenv("SKYSTUDIO_API_KEY", "sk-any")
        yield base


def submitted(folder: Path, job_id: str, engine: str = "runcomfy-base") -> int:
    """A store with one take whose job was submitted before its run died."""
    from workbench.engines import engine as make

    made = make(engine)
    with Store(folder) as store:
        take = store.start_take(WISH, engine, made.fingerprint, made.quote(WISH))
        store.note_intent(take.id, {"tags": WISH.tags})
        store.note_submitted(take.id, job_id)
        return take.id


def new_job(base: str) -> str:
    import httpx

    reply = httpx.post(
        f"{base}/v1/models/acestep-ai/ace-step/text-to-audio",
        json={"tags": WISH.tags, "duration": 6, "lyrics": "[inst]"},
        headers={"Authorization": "Bearer any-token"},
    )
    return str(reply.json()["request_id"])


def test_a_job_is_listed_and_resumed_by_its_id(
    far: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    job_id = new_job(far)
    take_id = submitted(tmp_path / "store", job_id)
    assert main(["jobs", str(tmp_path / "store")]) == 0
    assert f"take {take_id}: runcomfy-base, submitted, job {job_id}" in capsys.readouterr().out
    assert main(["jobs", str(tmp_path / "store"), "--resume"]) == 0
    assert capsys.readouterr().out == ""  # nothing is open any more
    with Store(tmp_path / "store") as store:
        take = store.take(take_id)
        assert take.state is State.DONE
        assert store.clip(take).duration_s == pytest.approx(6, abs=0.1)
        assert take.charge is not None
        assert take.charge.amount_usd == Decimal("0.0012")


def test_a_job_that_runs_or_is_over_says_so_when_cancelled(far: str, tmp_path: Path) -> None:
    take_id = submitted(tmp_path / "store", new_job(far))
    with Store(tmp_path / "store") as store:
        (said,) = jobs.cancel(store, [take_id])
        assert store.take(take_id).remote_id in said
        with pytest.raises(RequestError, match="no job to cancel"):
            jobs.cancel(store, [store.start_take(WISH, "sketch", {}, Planted().quote(WISH)).id])


@pytest.fixture
def lost(tmp_path: Path) -> Study:
    """A study of one take whose outcome nobody knows."""
    engine = Planted(lambda r: OutcomeUnknown("no answer."), name="runcomfy-base")
    study = Study("s", Sweep(WISH), [engine], store=tmp_path / "store", measures=())
    study.run(watch=silent)
    return study


def test_an_unknown_outcome_is_resolved_by_what_a_person_found(lost: Study) -> None:
    with lost:
        (take,) = jobs.open_takes(lost.store)
        assert take.state is State.UNKNOWN
        settled = jobs.resolve(lost.store, take.id, jobs.Resolution(charged_usd="0.03"))
        assert settled.state is State.FAILED
        assert lost.store.spent_usd("s") == Decimal("0.03")
        with pytest.raises(RequestError, match="only unknown"):
            jobs.resolve(lost.store, take.id, jobs.Resolution(job_id="x"))


def test_a_job_found_by_a_person_is_followed_from_then_on(
    lost: Study, far: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, job_id = str(tmp_path / "store"), new_job(far)
    lost.close()
    assert main(["resolve", folder, "1", "--job", job_id]) == 0
    assert "submitted now" in capsys.readouterr().out
    assert main(["jobs", folder, "--resume"]) == 0
    with Store(folder) as store:
        assert store.take(1).state is State.DONE


@pytest.mark.parametrize("found", [{}, {"job_id": "x", "charged_usd": 0}])
def test_a_resolution_says_one_thing(found: dict[str, object]) -> None:
    with pytest.raises(RequestError, match="either"):
        jobs.Resolution(**found)  # type: ignore[arg-type]


def test_balance_and_price_are_read_from_the_service(
    far: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["balance"]) == 0
    assert "USD" in capsys.readouterr().out
    assert main(["price"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "acestep-ai/ace-step/text-to-audio: 0.0002 USD per second" in lines[0]
    assert len(lines) == 5


def test_without_a_token_the_next_step_is_named(
    far: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("RUNCOMFY_TOKEN")
    assert main(["balance"]) == 77
    assert "workbench login runcomfy" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("model", "extra"),
    [
        ("acestep-ai/ace-step/text-to-audio", {"lyrics": "[inst]", "duration": 6}),
        ("acestep-ai/ace-step-1.5/text-to-audio", {"lyrics": "[Verse]\nChalk", "duration": 6}),
        ("ace-step-1.5", {"lyrics": "[inst]", "duration": 10}),
    ],
)
def test_generate_speaks_the_services_own_model_names(
    model: str,
    extra: dict[str, object],
    far: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wish = json.dumps({"tags": "indie pop, anthemic, 120 BPM", **extra})
    assert main(["generate", model, "--input", wish, "--output-dir", str(tmp_path / "out")]) == 0
    made = json.loads(capsys.readouterr().out)
    assert Path(made["file"]).is_file()
    assert made["charged_usd"] is not None
