"""The paid call: what is repeated, what is refused, what stays unknown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.hosted.conftest import BOTH, Log, Maker, delivered, outcome, submits
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
)
from workbench.engines.hosted import (
    Settings,
    runcomfy_base,
    skystudio_custom,
)
from workbench.engines.hosted.faults import NoFunds, SignInNeeded
from workbench.errors import (
    EngineBusy,
    EngineRefused,
    OutcomeUnknown,
)

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
    "slow": slow(1.4),
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

    nowhere = replace(settings.skystudio, base="http://127.0.0.1:9/sky")
    limits = replace(settings.limits, retry_s=0.3)
    engine = skystudio_custom(replace(settings, skystudio=nowhere, limits=limits))
    result = outcome(engine)
    assert type(result) is EngineBusy
    assert "cannot be reached" in str(result)


def test_an_intent_of_an_earlier_run_is_not_sent_again(far: Far, settings: Settings) -> None:
    far.next_fails("price", *[answers(500)] * 99)
    result = outcome(runcomfy_base(settings), intended=True)
    assert isinstance(result, OutcomeUnknown)
    assert far.calls == []


@pytest.mark.parametrize(
    "fault", [answers(402), answers(401), answers(400)], ids=["no funds", "no token", "invalid"]
)
def test_an_intent_of_an_earlier_run_stays_in_doubt(
    fault: Fault, far: Far, settings: Settings
) -> None:
    far.next_fails("sky-submit", fault)
    assert isinstance(outcome(skystudio_custom(settings), intended=True), OutcomeUnknown)
    assert delivered(skystudio_custom(settings), intended=True).audio


def test_what_was_surely_refused_may_be_sent_after_all(far: Far, settings: Settings) -> None:
    engine = runcomfy_base(replace(settings, limits=replace(settings.limits, retry_s=0.1)))
    far.next_fails("submit", *[answers(429, Retry_After="0.2")] * 2)
    assert type(outcome(engine)) is EngineBusy
    assert delivered(engine, intended=True).audio
    assert len(far.jobs) == 1
