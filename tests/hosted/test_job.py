"""How a job ends: failed, stuck, vanished, odd, cancelled."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.hosted.conftest import BOTH, Log, Maker, delivered, outcome, submits
from tests.hosted.far import (
    Far,
    answers,
)
from workbench.engines.hosted import (
    Settings,
    runcomfy_base,
    skystudio_custom,
)
from workbench.engines.hosted.faults import JobFailed, SignInNeeded
from workbench.errors import (
    Cancelled,
    EngineBusy,
    OutcomeUnknown,
)


@BOTH
def test_a_failed_job_books_what_was_billed(make: Maker, far: Far, settings: Settings) -> None:
    far.service_s = 99
    far.cost = 0.004
    engine = make(settings)
    log = Log()
    stopped = False

    def fail_it() -> bool:
        for job in far.jobs.values():
            job.state = "failed"
        return stopped

    result = outcome(engine, log=log, is_cancelled=fail_it)
    assert isinstance(result, JobFailed)
    assert result.charge.amount_usd in (Decimal("0.004000"), Decimal("0.014000"))
    assert "out of memory" in str(result) or "worker died" in str(result)


@pytest.mark.parametrize(
    "error", [None, "oom", {"code": "OOM", "message": "oom"}, {"code": 401001}, ["oom"], 7]
)
def test_the_error_of_a_job_is_not_the_error_of_the_call(
    far: Far, settings: Settings, error: object
) -> None:
    far.next_fails("status", answers(200, {"status": "failed", "error": error}))
    far.next_fails("result", answers(200, {"status": "failed", "error": error, "cost": 0.001}))
    result = outcome(runcomfy_base(settings))
    assert isinstance(result, JobFailed)
    assert result.charge.amount_usd == Decimal("0.001000")


@BOTH
def test_a_stuck_job_is_kept_by_its_id(make: Maker, far: Far, settings: Settings) -> None:

    far.service_s = 99
    engine = make(replace(settings, limits=replace(settings.limits, follow_s=0.3)))
    result = outcome(engine)
    assert type(result) is EngineBusy
    assert "job-0" in str(result)
    assert far.count("cancel") + far.count("sky-cancel") == 0


@BOTH
def test_a_job_that_vanished_is_unknown(make: Maker, far: Far, settings: Settings) -> None:
    result = outcome(make(settings), remote_id="job-gone")
    assert isinstance(result, OutcomeUnknown)
    assert submits(far) == 0


@BOTH
def test_a_token_revoked_mid_run_keeps_the_id(make: Maker, far: Far, settings: Settings) -> None:
    revoked = answers(401, {"error": {"code": "KEY_REVOKED", "message": "revoked"}})
    far.next_fails("status", revoked)
    far.next_fails("sky-job", revoked)
    engine, log = make(settings), Log()
    result = outcome(engine, log=log)
    assert type(result) is EngineBusy
    assert isinstance(result.__cause__, SignInNeeded)
    assert log.kinds() == ["intent", "submitted"]
    assert delivered(engine, remote_id="job-0").audio
    assert submits(far) == 1


def test_an_unknown_state_is_not_the_end(far: Far, settings: Settings) -> None:
    odd = answers(200, {"status": "warming-up"})
    far.next_fails("status", odd, odd, answers(200, {"status": None}))
    assert delivered(runcomfy_base(settings)).audio


@pytest.mark.parametrize("output", [{}, {"audios": []}, ["https://a/1", "https://a/2"], "none"])
def test_an_output_without_one_link_is_a_failure(
    far: Far, settings: Settings, output: object
) -> None:
    reply = {"status": "succeeded", "output": output, "cost": 0.01}
    far.next_fails("result", answers(200, reply))
    result = outcome(runcomfy_base(settings))
    assert isinstance(result, JobFailed)
    assert result.charge.amount_usd == Decimal("0.010000")


@pytest.mark.parametrize(
    "output",
    [
        "LINK",
        {"audio": "LINK"},
        {"audio": {"url": "LINK", "type": "audio/wav"}},
        {"audios": ["LINK", "LINK"]},
        {"result": [{"file": "LINK"}]},
    ],
)
def test_every_known_shape_of_output_is_read(far: Far, settings: Settings, output: object) -> None:
    text = json.dumps(output).replace("LINK", f"{far.base}/files/a.wav")
    far.next_fails("result", answers(200, {"status": "Completed", "output": json.loads(text)}))
    assert delivered(runcomfy_base(settings)).audio


def stop_soon(far: Far, state: str = "") -> Callable[[], bool]:
    """A wish to stop that comes once the job has been looked at."""

    def wish() -> bool:
        for job in far.jobs.values():
            job.state = job.state or state
        return far.count("status") + far.count("sky-job") > 0

    return wish


def test_a_queued_job_is_cancelled(far: Far, settings: Settings) -> None:
    far.service_s = 99
    with pytest.raises(Cancelled, match=r"job-0 was cancelled before it ran"):
        outcome(runcomfy_base(settings), is_cancelled=stop_soon(far, "in_queue"))
    assert far.jobs["job-0"].state == "cancelled"


def test_a_running_job_is_said_to_run_on(far: Far, settings: Settings) -> None:
    far.service_s = 99
    with pytest.raises(Cancelled, match="could not be cancelled any more"):
        outcome(runcomfy_base(settings), is_cancelled=stop_soon(far))


def test_skystudio_cancels(far: Far, settings: Settings) -> None:
    far.service_s = 99
    with pytest.raises(Cancelled, match="job-0 was cancelled"):
        outcome(skystudio_custom(settings), is_cancelled=stop_soon(far))


def test_a_cancel_that_fails_is_told(far: Far, settings: Settings) -> None:
    far.service_s = 99
    far.next_fails("cancel", *[answers(500)] * 99)
    started = time.monotonic()
    with pytest.raises(Cancelled, match=r"could not be cancelled \(RunComfy is out of order"):
        outcome(runcomfy_base(settings), is_cancelled=stop_soon(far))
    assert time.monotonic() - started < 5


def test_stopped_before_the_submit_sends_nothing(far: Far, settings: Settings) -> None:
    with pytest.raises(Cancelled):
        outcome(runcomfy_base(settings), is_cancelled=lambda: True)
    assert submits(far) == 0
