"""A take from intent to file, and what every fault on its way leaves behind."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.hosted.conftest import KEY, TOKEN, WISH, Log, delivered, outcome
from tests.hosted.far import (
    HTML,
    Far,
    Fault,
    accepted_but,
    answers,
    cut,
    http,
    reset_after,
    reset_before,
    slow,
    tone,
)
from workbench.clip import Clip
from workbench.engines.hosted import (
    HostedEngine,
    Settings,
    runcomfy_1_5,
    runcomfy_base,
    skystudio_custom,
    skystudio_simple,
)
from workbench.engines.hosted.faults import JobFailed, NoFunds, SignInNeeded
from workbench.errors import (
    Cancelled,
    EngineBusy,
    EngineRefused,
    OutcomeUnknown,
    RequestError,
)

Maker = Callable[[Settings], HostedEngine]
BOTH = pytest.mark.parametrize("make", [runcomfy_base, skystudio_custom])


def submits(far: Far) -> int:
    return far.count("submit") + far.count("sky-submit")


@BOTH
def test_a_take_goes_through(make: Maker, far: Far, settings: Settings) -> None:
    log = Log()
    made = delivered(make(settings), log=log)
    assert log.kinds() == ["intent", "submitted"]
    assert isinstance(made.audio, Path)
    assert made.audio.suffix == ".wav"
    assert made.audio.read_bytes() == far.file
    assert Clip.read(made.audio).duration_s == 1.0
    assert list(settings.folder.iterdir()) == [made.audio]
    assert made.sent["input"]["seed"] == 7
    assert made.notes[-1] == "asked for 30 s, got 1.00 s"
    json.dumps([made.sent, made.received, log.events[0].data["sent"]], allow_nan=False)


def test_runcomfy_books_what_is_reported(far: Far, settings: Settings) -> None:
    charge = delivered(runcomfy_base(settings)).charge
    assert (charge.amount_usd, charge.source) == (Decimal("0.012300"), "reported")


@pytest.mark.parametrize("cost", [None, "free", -1, True, float("1e400")])
def test_runcomfy_without_a_usable_cost_books_the_quote(
    far: Far, settings: Settings, cost: object
) -> None:
    far.cost = cost
    far.next_fails("result", None)
    engine = runcomfy_base(settings)
    result = outcome(engine)
    if cost == float("inf"):  # Infinity is not JSON: the reply as a whole is unreadable
        assert isinstance(result, EngineBusy)
        return
    assert (result.charge.amount_usd, result.charge.source) == (Decimal("0.006000"), "expected")


def test_skystudio_books_credits_and_keeps_the_compiled_input(far: Far, settings: Settings) -> None:
    made = delivered(skystudio_simple(settings))
    assert (made.charge.credits, made.charge.amount_usd) == (Decimal(30), Decimal("0.060000"))
    assert made.received["compiled_input"]["lyrics"] == "[Intro]"
    assert any("compiler wrote" in note for note in made.notes)


def test_the_intent_is_on_disk_before_the_submit(far: Far, settings: Settings) -> None:
    seen: list[int] = []

    class Counting(Log):
        def __init__(self) -> None:
            super().__init__()
            self.events = self  # type: ignore[assignment]

        def append(self, event: object) -> None:
            seen.append(submits(far))

    delivered(runcomfy_base(settings), log=Counting())
    assert seen[:2] == [0, 1]


@BOTH
def test_nothing_is_sent_if_the_intent_cannot_be_written(
    make: Maker, far: Far, settings: Settings
) -> None:
    class Full(Log):
        def __init__(self) -> None:
            super().__init__()
            self.events = self  # type: ignore[assignment]

        def append(self, event: object) -> None:
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        outcome(make(settings), log=Full())
    assert submits(far) == 0


def test_an_id_that_cannot_be_written_is_told(far: Far, settings: Settings) -> None:
    class FullLater(Log):
        def __init__(self) -> None:
            super().__init__()
            self.events = self  # type: ignore[assignment]
            self.count = 0

        def append(self, event: object) -> None:
            self.count += 1
            if self.count == 2:
                raise OSError("disk full")

    engine = runcomfy_base(settings)
    result = outcome(engine, log=FullLater())
    assert isinstance(result, OutcomeUnknown)
    assert "job-0" in str(result)
    assert delivered(engine, remote_id="job-0").audio
    assert submits(far) == 1


@BOTH
def test_a_job_with_an_id_is_resumed_and_never_submitted(
    make: Maker, far: Far, settings: Settings
) -> None:
    engine = make(settings)
    delivered(engine)
    log = Log()
    assert delivered(engine, remote_id="job-0", log=log).audio
    assert submits(far) == 1
    assert log.kinds() == []


# --- a submit whose outcome is not known ---------------------------------------------------------

UNSURE: dict[str, Fault] = {
    "reset before": reset_before,
    "reset after": reset_after,
    "500": answers(500, {"error_code": 500001, "error_message": "boom"}),
    "502": answers(502, b"<html>bad gateway</html>"),
    "503 after": accepted_but(http(503, {})),
    "408": answers(408),
    "redirect": answers(302, Location="http://127.0.0.1:1/elsewhere"),
    "html": HTML,
    "cut": cut,
    "slow": slow(0.8),
    "broken json": accepted_but(http(200, b'{"request_id": "job')),
    "json list": accepted_but(http(200, [1])),
    "no id": accepted_but(http(200, {"status": "ok"})),
    "bad id": accepted_but(http(200, {"request_id": "../../x", "id": "../../x"})),
    "200 with an unknown error code": answers(200, {"error_code": 77}),
    "200 with a server error code": answers(200, {"error_code": 500001}),
    "oversized": accepted_but(http(200, b'{"a":"' + b"x" * (9 * 2**20) + b'"}')),
}


@pytest.mark.parametrize("fault", UNSURE.values(), ids=UNSURE.keys())
def test_runcomfy_submits_once_and_calls_the_rest_unknown(
    fault: Fault, far: Far, settings: Settings
) -> None:
    far.next_fails("submit", fault)
    log = Log()
    result = outcome(runcomfy_base(settings), log=log)
    assert isinstance(result, OutcomeUnknown), repr(result)
    assert far.count("submit") == 1
    assert log.kinds() == ["intent"]
    for needed in ("acestep-ai/ace-step/text-to-audio", "550e8400", "seed 7", "UTC", "Generations"):
        assert needed in str(result)


@pytest.mark.parametrize("fault", UNSURE.values(), ids=UNSURE.keys())
def test_skystudio_repeats_with_its_key_and_adopts(
    fault: Fault, far: Far, settings: Settings
) -> None:
    far.next_fails("sky-submit", fault)
    result = outcome(skystudio_custom(settings))
    settled = result if not isinstance(result, OutcomeUnknown) else None
    if settled is None:  # an answer outside the contract is not repeated at once
        settled = outcome(skystudio_custom(settings))
    assert settled.audio
    assert len(far.jobs) == 1
    keys = {c.headers["idempotency-key"] for c in far.calls if c.route == "sky-submit"}
    assert keys == {"550e8400-e29b-41d4-a716-446655440000"}


def test_skystudio_in_doubt_to_the_end_is_unknown(far: Far, settings: Settings) -> None:
    far.next_fails("sky-submit", reset_after, answers(401, {"error": {"code": "KEY_REVOKED"}}))
    result = outcome(skystudio_custom(settings))
    assert isinstance(result, OutcomeUnknown)
    assert isinstance(result.__cause__, SignInNeeded)
    assert "same key" in str(result)


def test_a_taken_key_without_its_job_is_unknown(far: Far, settings: Settings) -> None:
    far.next_fails("sky-submit", answers(409, {"error": {"code": "IDEMPOTENCY_CONFLICT"}}))
    assert isinstance(outcome(skystudio_custom(settings)), OutcomeUnknown)


# --- sure refusals -------------------------------------------------------------------------------

SURE: dict[str, tuple[Fault, type[Exception]]] = {
    "400": (answers(400, {"error_message": "bad"}), EngineRefused),
    "400 no funds": (answers(400, {"error_code": 400002}), NoFunds),
    "200 no funds": (answers(200, {"error_code": 400002}), NoFunds),
    "402": (answers(402), NoFunds),
    "401": (answers(401), SignInNeeded),
    "403": (answers(403), SignInNeeded),
    "404": (answers(404, {"error_code": 400001}), EngineRefused),
    "422": (answers(422, {"detail": [{"loc": ["tags"], "msg": "blank"}]}), EngineRefused),
}


@BOTH
@pytest.mark.parametrize(("fault", "error"), SURE.values(), ids=SURE.keys())
def test_a_sure_refusal_is_named_and_not_repeated(
    make: Maker, fault: Fault, error: type[Exception], far: Far, settings: Settings
) -> None:
    far.next_fails("submit", fault)
    far.next_fails("sky-submit", fault)
    result = outcome(make(settings))
    assert isinstance(result, error)
    assert submits(far) == 1
    assert not far.jobs


@BOTH
def test_a_storm_of_429_is_waited_out(make: Maker, far: Far, settings: Settings) -> None:
    for route in ("submit", "sky-submit", "status", "sky-job", "result", "file"):
        far.next_fails(route, *[answers(429, Retry_After="0.05")] * 6)
    delivered(make(settings))
    assert len(far.jobs) == 1


@BOTH
def test_429_without_end_gives_up_for_now(make: Maker, far: Far, settings: Settings) -> None:
    for route in ("submit", "sky-submit"):
        far.next_fails(route, *[answers(429, Retry_After="1")] * 9)
    result = outcome(make(settings))
    assert type(result) is EngineBusy
    assert result.retry_after_s == 1.0
    assert not far.jobs


def test_a_connection_never_made_is_busy_not_unknown(far: Far, settings: Settings) -> None:
    engine = skystudio_custom(settings)
    far.base  # noqa: B018
    from dataclasses import replace

    nowhere = replace(settings.skystudio, base="http://127.0.0.1:9/sky")
    limits = replace(settings.limits, retry_s=0.3)
    engine = skystudio_custom(replace(settings, skystudio=nowhere, limits=limits))
    result = outcome(engine)
    assert type(result) is EngineBusy
    assert "cannot be reached" in str(result)


# --- faults on the way back ----------------------------------------------------------------------

PASSING: dict[str, Fault] = {
    "reset": reset_before,
    "500": answers(500),
    "502": answers(502, b"bad gateway"),
    "503": answers(503, Retry_After="0"),
    "html": HTML,
    "cut": cut,
    "slow": slow(0.8),
    "broken json": answers(200, b"{"),
    "429 by date": answers(
        429, Retry_After="Wed, 01 Jan 2020 00:00:00 GMT", Date="Wed, 01 Jan 2020 00:00:00 GMT"
    ),
}


@BOTH
@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
def test_reads_are_repeated_on_every_call(
    make: Maker, fault: Fault, far: Far, settings: Settings
) -> None:
    for route in ("price", "status", "result", "sky-job"):
        far.next_fails(route, fault)
    made = delivered(make(settings))
    assert made.audio
    assert submits(far) == 1


FILES: dict[str, Fault] = {
    "reset": reset_before,
    "500": answers(500),
    "429": answers(429, Retry_After="0"),
    "cut": cut,
    "html": HTML,
    "expired 403": answers(403),
    "expired 404": answers(404),
    "gone 410": answers(410),
    "empty": answers(200, b""),
    "cut without a length": lambda far, normal: (
        b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n" + far.file[: len(far.file) // 2]
    ),
    "wrong length": lambda far, normal: (
        b"HTTP/1.1 200 X\r\nConnection: close\r\nContent-Length: 999999\r\n\r\n" + far.file
    ),
}


@BOTH
@pytest.mark.parametrize("fault", FILES.values(), ids=FILES.keys())
def test_a_file_that_fails_once_is_fetched_again(
    make: Maker, fault: Fault, far: Far, settings: Settings
) -> None:
    far.next_fails("file", fault)
    made = delivered(make(settings))
    assert isinstance(made.audio, Path)
    assert made.audio.read_bytes() == far.file
    assert list(settings.folder.iterdir()) == [made.audio]


LASTING: dict[str, Fault] = {
    "html": HTML,
    "expired": answers(404),
    "foreign redirect": answers(302, Location="http://evil.example/a.wav"),
    "loopback redirect": answers(302, Location="http://127.0.0.1:9/a.wav"),
    "endless redirect": answers(302, Location="/files/job-0.wav"),
    "too large, announced": lambda far, normal: (
        b"HTTP/1.1 200 X\r\nContent-Length: 99999999999\r\n\r\n"
    ),
    "too large, streamed": lambda far, normal: (
        b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n" + bytes(34 * 2**20)
    ),
    "cut for good": lambda far, normal: http(200, far.file[:999]),
}


@BOTH
@pytest.mark.parametrize("fault", LASTING.values(), ids=LASTING.keys())
def test_a_file_that_cannot_be_had_keeps_the_charge(
    make: Maker, fault: Fault, far: Far, settings: Settings
) -> None:
    far.next_fails("file", *[fault] * 40)
    result = outcome(make(settings))
    assert isinstance(result, JobFailed), repr(result)
    assert result.charge.amount_usd > 0
    assert list(settings.folder.iterdir()) == []


def test_redirects_among_trusted_hosts_are_followed_without_a_token(
    far: Far, settings: Settings
) -> None:
    far.next_fails("file", answers(302, Location="/files/moved.wav"))
    delivered(runcomfy_base(settings))
    files = [call for call in far.calls if call.route == "file"]
    assert len(files) == 2
    assert all("authorization" not in call.headers for call in files)


def test_a_link_to_a_foreign_host_is_not_asked(far: Far, settings: Settings) -> None:
    far.link = "https://evil.example/a.wav"
    result = outcome(runcomfy_base(settings))
    assert isinstance(result, JobFailed)
    assert "evil.example" in str(result)


def test_a_name_that_climbs_stays_in_the_folder(far: Far, settings: Settings) -> None:
    far.link = f"{far.base}/files/..%2F..%2F..%2Fetc%2Fcron.d%2Fx.wav"
    made = delivered(runcomfy_base(settings))
    assert isinstance(made.audio, Path)
    assert made.audio.parent == settings.folder
    assert made.received["file_name"] == "_.._.._etc_cron.d_x.wav"


# --- the job's own end ---------------------------------------------------------------------------


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


@BOTH
def test_a_stuck_job_is_kept_by_its_id(make: Maker, far: Far, settings: Settings) -> None:
    from dataclasses import replace

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


# --- stopping ------------------------------------------------------------------------------------


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


# --- the price -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "price",
    [
        {"base_price_usd": None},
        {"base_price_usd": -0.1},
        {"base_price_usd": True},
        {"base_price_usd": "0.0002"},
        {"price_unit": "output"},
        {"price_unit": None},
        {"model_id": "someone/else/model"},
    ],
)
def test_a_price_that_is_none_stops_before_paying(
    far: Far, settings: Settings, price: dict[str, object]
) -> None:
    far.price = price
    engine = runcomfy_base(settings)
    with pytest.raises(EngineRefused, match="no usable price"):
        engine.quote(WISH)
    assert isinstance(outcome(engine), EngineRefused)
    assert submits(far) == 0


def test_the_price_is_read_live_and_kept_a_while(far: Far, settings: Settings) -> None:
    engine = runcomfy_1_5(settings)
    far.price = {"base_price_usd": 0.0003}
    quotes = [engine.quote(WISH), engine.quote(WISH.but(duration_s=60))]
    assert [q.amount_usd for q in quotes] == [Decimal("0.009000"), Decimal("0.018000")]
    assert far.count("price") == 1
    assert far.calls[0].headers["cache-control"] == "no-cache"


def test_the_token_goes_to_the_service_only(far: Far, settings: Settings) -> None:
    delivered(runcomfy_base(settings))
    delivered(skystudio_custom(settings))
    for call in far.calls:
        sent = call.headers.get("authorization")
        if call.route == "file":
            assert sent is None
        else:
            assert sent == f"Bearer {KEY if call.route.startswith('sky') else TOKEN}"


def test_what_cannot_be_served_is_refused_before_anything_is_sent(
    far: Far, settings: Settings
) -> None:
    engine = runcomfy_base(settings)
    with pytest.raises(RequestError):
        engine.check(WISH.but(duration_s=300))
    assert isinstance(outcome(engine, WISH.but(duration_s=300)), EngineRefused)
    assert far.calls == []


def test_other_formats_are_known_by_their_bytes(far: Far, settings: Settings) -> None:
    import io

    import soundfile as sf

    samples, rate_hz = sf.read(io.BytesIO(tone(2.0)))
    buffer = io.BytesIO()
    sf.write(buffer, samples, rate_hz, format="FLAC")
    far.file = buffer.getvalue()
    made = delivered(runcomfy_base(settings))
    assert isinstance(made.audio, Path)
    assert made.audio.suffix == ".flac"
