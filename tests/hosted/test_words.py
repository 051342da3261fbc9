"""What is shown and kept: secrets, addresses, trusted hosts, error words, names, waiting times."""

from __future__ import annotations

import logging
import pickle
import stat
import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.hosted.conftest import KEY, TOKEN, WISH, delivered, outcome, settings_for
from tests.hosted.far import Far, answers
from workbench.cost import Charge, usd
from workbench.engines.hosted import Settings, runcomfy_base, skystudio_custom
from workbench.engines.hosted.download import file_name
from workbench.engines.hosted.faults import (
    JobFailed,
    KeyTaken,
    Missing,
    NoFunds,
    ServerFault,
    SignInNeeded,
    Unexpected,
    Unsure,
    fault_of,
    retry_after_s,
)
from workbench.engines.hosted.job import amount_of
from workbench.engines.hosted.login import write_token
from workbench.engines.hosted.pace import Pace
from workbench.engines.hosted.poll import Rhythm
from workbench.engines.hosted.redact import Secret, quoted, scrub_json
from workbench.errors import EngineBusy, EngineRefused, EngineUnavailable, RequestError

# --- secrets -------------------------------------------------------------------------------------


def test_a_secret_shows_itself_nowhere(settings: Settings) -> None:
    shown = f"{settings!r} {settings} {settings.runcomfy.token} {settings.runcomfy.token!s:>40}"
    assert TOKEN not in shown
    assert KEY not in shown
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(settings)


@pytest.mark.parametrize("bad", ["", "two words", "Bearer abc", "bearer:abc", "ä", "x" * 4097])
def test_what_cannot_be_a_token_is_refused_unshown(bad: str) -> None:
    with pytest.raises(RequestError) as caught:
        Secret(bad)
    assert not bad or bad not in str(caught.value)


def test_an_echoed_token_is_hidden_everywhere(
    far: Far, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = {"error_code": 401001, "error_message": f"bad token {TOKEN} / Bearer {TOKEN}"}
    far.next_fails("submit", answers(401, echo, X_Echo=TOKEN))
    result = outcome(runcomfy_base(settings))
    assert isinstance(result, SignInNeeded)
    told = "".join(traceback.format_exception(result)) + repr(result) + caplog.text
    assert "bad token [hidden]" in told
    assert TOKEN not in told


def test_logs_and_records_hold_no_token_and_no_signature(
    far: Far, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = [delivered(runcomfy_base(settings)), delivered(skystudio_custom(settings))]
    told = caplog.text + repr(made)
    assert "/v1/models/" in told  # the logs are there, only the secrets are not
    for secret in (TOKEN, KEY, "s3cr3t"):
        assert secret not in told


def test_what_a_far_side_says_becomes_one_plain_line() -> None:
    assert quoted("a\n\x1b[31mred\x07  \u202eb. ") == "a [31mred b"
    assert len(quoted("x" * 999)) == 200
    assert scrub_json({"a": [f"Bearer {KEY}", 1, None]}) == {"a": ["Bearer [hidden]", 1, None]}


# --- settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "base",
    [
        "http://example.com/v1",
        "http://127.0.0.1.example.com/v1",
        "ftp://127.0.0.1/v1",
        "https://user:pass@example.com/v1",  # pragma: allowlist secret
        "https://example.com/v1?x=1",
        "https://exam\\ple.com",
        "nonsense",
    ],
)
def test_a_base_that_is_not_allowed_is_named(base: str, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="SKYSTUDIO_API_BASE"):
        settings_for("https://example.com", tmp_path, SKYSTUDIO_API_BASE=base)


def test_blank_variables_count_as_unset_and_slashes_go(tmp_path: Path) -> None:
    settings = Settings.from_env(
        {
            "RUNCOMFY_TOKEN": "  ",
            "RUNCOMFY_MODEL_API_BASE": "",
            "RUNCOMFY_SERVERLESS_API_BASE": "http://[::1]:9/prod/v2///",
            "RUNCOMFY_CONFIG_DIR": " ",
            "XDG_CONFIG_HOME": str(tmp_path),
        }
    )
    assert settings.runcomfy.token is None
    assert settings.runcomfy.is_official
    assert settings.wallet.base == "http://[::1]:9/prod/v2"
    assert settings.wallet.is_loopback
    assert settings.config_dir == tmp_path / "runcomfy"


def test_the_token_file_is_read_and_the_variable_wins(tmp_path: Path) -> None:
    path = write_token(tmp_path, Secret("from-file-123"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["token.json"]
    env = {"RUNCOMFY_CONFIG_DIR": str(tmp_path)}
    assert Settings.from_env(env).runcomfy.need_token().reveal() == "from-file-123"
    env["RUNCOMFY_TOKEN"] = " from-env-456 "
    assert Settings.from_env(env).runcomfy.need_token().reveal() == "from-env-456"


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"access_token": 5}', '{"access_token": "t-123456", "expires_at": 1}'],
)
def test_a_bad_token_file_says_sign_in_again(content: str, tmp_path: Path) -> None:
    (tmp_path / "token.json").write_text(content)
    with pytest.raises(SignInNeeded, match="workbench login runcomfy"):
        Settings.from_env({"RUNCOMFY_CONFIG_DIR": str(tmp_path)})


def test_without_a_token_nothing_is_sent(far: Far, tmp_path: Path) -> None:
    settings = settings_for(far.base, tmp_path, RUNCOMFY_TOKEN="", SKYSTUDIO_API_KEY="")
    for make in (runcomfy_base, skystudio_custom):
        assert isinstance(outcome(make(settings)), SignInNeeded)
    assert far.calls == []


@pytest.mark.parametrize("price", ["-1", "free", "NaN"])
def test_a_price_of_credits_must_be_one(price: str) -> None:
    with pytest.raises(EngineUnavailable, match="SKYSTUDIO_USD_PER_CREDIT"):
        Settings.from_env({"SKYSTUDIO_USD_PER_CREDIT": price})


OFFICIAL = Settings.from_env({"HOME": "nowhere"})


@pytest.mark.parametrize(
    ("link", "trusted"),
    [
        ("https://files.runcomfy.net/a.wav", True),
        ("https://runcomfy.com/a.wav", True),
        ("https://a.b.runcomfy.com:443/a.wav", True),
        ("http://files.runcomfy.net/a.wav", False),
        ("https://files.runcomfy.net:8443/a.wav", False),
        ("https://evilruncomfy.net/a.wav", False),
        ("https://runcomfy.net.evil.example/a.wav", False),
        ("https://runcomfy.net@evil.example/a.wav", False),
        ("https://evil.example\\@files.runcomfy.net/a.wav", False),
        ("https://evil.example#@files.runcomfy.net/", False),
        ("https://files.runcomfy.net\t/a.wav", False),
        ("https://127.0.0.1/a.wav", False),
        ("http://127.0.0.1/a.wav", False),
        ("file:///etc/passwd", False),
        ("//files.runcomfy.net/a.wav", False),
        ("https://assets.skystudios.app/gateway/music/a.mp3", False),
        ("", False),
    ],
)
def test_only_runcomfys_hosts_are_trusted(link: str, trusted: bool) -> None:
    assert OFFICIAL.runcomfy.trusts(link) is trusted


def test_skystudio_and_loopback_trust_their_own() -> None:
    assert OFFICIAL.skystudio.trusts("https://assets.skystudios.app/gateway/music/a.mp3")
    assert not OFFICIAL.skystudio.trusts("https://x.assets.skystudios.app/a.mp3")
    here = replace(OFFICIAL.skystudio, base="http://127.0.0.1:8000/api/v1")
    assert here.trusts("http://127.0.0.1:8000/files/a.wav")
    assert not here.trusts("http://127.0.0.1:8001/files/a.wav")
    assert not here.trusts("http://localhost:8000/files/a.wav")


def test_another_server_is_another_engine(settings: Settings) -> None:
    here = runcomfy_base(settings).fingerprint
    assert here["host"] == "127.0.0.1"
    there = runcomfy_base(OFFICIAL).fingerprint
    assert there == {"engine": "runcomfy-base", "model": here["model"], "contract": "runcomfy/1"}


# --- the error map -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, {"status": "ok", "error_code": None}, None),
        (400, {"error_code": 400001}, Missing),
        (400, {"error_code": 400002}, NoFunds),
        (400, {"error_code": 400004}, SignInNeeded),
        (400, {"error_code": "400004"}, SignInNeeded),
        (403, {"error_code": 403001}, SignInNeeded),
        (404, {"error_code": 404001}, Missing),
        (401, {"error_code": 401001}, SignInNeeded),
        (403, {"error_code": 403003}, SignInNeeded),
        (422, {"error_code": 422001}, EngineRefused),
        (500, {"error_code": 500001}, ServerFault),
        (400, {"error_code": 10001}, NoFunds),
        (200, {"error_code": 10001}, NoFunds),
        (200, {"error_code": 401001}, SignInNeeded),
        (200, {"error_code": 3}, Unexpected),
        (402, {}, NoFunds),
        (408, {}, Unsure),
        (410, {}, Missing),
        (429, {}, EngineBusy),
        (418, {}, Unexpected),
        (302, {}, Unexpected),
        (503, {}, ServerFault),
        (401, {"error": {"code": "UNAUTHORIZED"}}, SignInNeeded),
        (401, {"error": {"code": "KEY_REVOKED"}}, SignInNeeded),
        (401, {"error": {"code": "KEY_EXPIRED"}}, SignInNeeded),
        (402, {"error": {"code": "INSUFFICIENT_CREDITS"}}, NoFunds),
        (404, {"error": {"code": "NOT_FOUND"}}, Missing),
        (409, {"error": {"code": "IDEMPOTENCY_CONFLICT"}}, KeyTaken),
        (429, {"error": {"code": "RATE_LIMITED"}}, EngineBusy),
        (429, {"error": {"code": "CONCURRENCY_LIMITED"}}, EngineBusy),
        (500, {"error": {"code": "INTERNAL_ERROR"}}, ServerFault),
        (400, {"error": {"code": "INVALID_REQUEST"}}, EngineRefused),
    ],
)
def test_every_row_of_the_contracts(
    status: int, body: dict[str, object], error: type[Exception] | None
) -> None:
    found = fault_of(status, body, {}, service="S", sign_in="sign in", engine="e")
    assert (type(found) if found else None) is error
    if found is not None:
        assert str(found).startswith("S ")
        assert str(found).endswith(".")
        again = pickle.loads(pickle.dumps(found))
        assert (type(again), str(again), again.engine) == (type(found), str(found), "e")


def test_the_far_sides_words_are_found_in_their_order() -> None:
    def words(body: Mapping[str, object]) -> str:
        return str(fault_of(422, body, {}, service="S", sign_in=""))

    assert "(one)" in words({"error_message": "one", "message": "two"})
    assert "(two)" in words({"message": "two", "detail": "three"})
    assert "(three)" in words({"detail": "three"})
    where = {"detail": [{"loc": ["body", "seed"], "msg": "too large"}]}
    assert "(body.seed: too large)" in words(where)
    assert "without a reason" in words({})


def test_errors_with_more_to_say_survive_pickle() -> None:
    failed = pickle.loads(pickle.dumps(JobFailed("m.", "e", Charge(amount_usd=1))))
    assert (str(failed), failed.engine, failed.charge.amount_usd) == ("m.", "e", 1)
    taken = pickle.loads(pickle.dumps(KeyTaken("m.", "e", "job-1")))
    assert taken.job_id == "job-1"


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [
        ("0", 0),
        ("1.5", 1.5),
        ("-3", 0),
        ("86400", 120),
        ("nan", None),
        ("inf", 120),
        ("", None),
        ("soon", None),
        ("Wed, 01 Jan 2020 00:00:30 GMT", 30),
        ("Wed, 01 Jan 2020 00:59:30 GMT", 120),
        ("Tue, 31 Dec 2019 23:59:30 GMT", 0),
    ],
)
def test_retry_after_in_every_form(header: str, wait_s: float | None) -> None:
    headers = {"retry-after": header, "date": "Wed, 01 Jan 2020 00:00:00 GMT"}
    assert retry_after_s(headers) == wait_s


@pytest.mark.parametrize(
    ("link", "name"),
    [
        ("https://a/b/c.wav?x=1#y", "c.wav"),
        ("https://a/../../etc/passwd", "passwd"),
        ("https://a/%2e%2e%2f%2e%2e%2fx", "_.._x"),
        ("https://a/C:\\x.wav", "C__x.wav"),
        ("https://a/%00%0a.wav", "__.wav"),
        ("https://a/...", "output"),
        ("https://a", "output"),
        ("https://a/" + "x" * 300, "x" * 120),
    ],
)
def test_names_are_safe(link: str, name: str) -> None:
    assert file_name(link) == name


relaxed = hypothesis.settings(deadline=None)  # a busy machine is no fault of the code
# Texts that look like links, and replies of any shape: nothing breaks on them.

LINKS = st.text("ab:/@\\?#[].%0~\t runcomfy.net", max_size=60).map("https://".__add__) | st.text()
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
FIELDS = st.sampled_from(["error", "error_code", "error_message", "message", "detail", "code"])


@relaxed
@given(LINKS)
def test_any_link_is_judged_and_named(link: str) -> None:
    if OFFICIAL.runcomfy.trusts(link):
        host = urlsplit(link).hostname or ""
        assert host in ("runcomfy.net", "runcomfy.com") or host.endswith(
            (".runcomfy.net", ".runcomfy.com")
        )
    assert set(file_name(link)).isdisjoint("/\\:\0")
    assert file_name(link) not in ("", ".", "..")


@relaxed
@given(st.integers(200, 599), st.dictionaries(FIELDS, ANYTHING))
def test_any_reply_is_read(status: int, body: dict[str, object]) -> None:
    fault = fault_of(status, body, {}, service="S", sign_in="")
    assert fault is not None or (status < 300 and body.get("error_code") is None)


@relaxed
@given(ANYTHING)
def test_any_amount_is_one_or_none(value: object) -> None:
    amount = amount_of(value)
    assert amount is None or usd(amount) >= 0
    assert amount_of(10**400) is None


# --- pace and rhythm -----------------------------------------------------------------------------


def test_a_lone_refusal_changes_nothing() -> None:
    pace = Pace(8)
    for number in range(400):
        pace.refused(9.0) if number % 20 == 0 else pace.accepted()
    assert pace.slots == 8


def test_crowding_halves_waits_and_recovers() -> None:
    pace = Pace(8)
    for _ in range(6):
        pace.refused(0.3)
    assert pace.slots == 4
    started = time.monotonic()
    pace.enter(lambda _: None)
    assert 0.25 < time.monotonic() - started < 0.6
    for _ in range(20):
        pace.refused(0.0)
    assert pace.slots == 1
    for _ in range(40):
        pace.accepted()
    assert pace.slots == 8


def test_it_takes_a_slot() -> None:
    with pytest.raises(RequestError, match="at least 1"):
        Pace(0)


def test_no_more_jobs_than_slots() -> None:
    pace, inside, most = Pace(3), [0], [0]
    lock = threading.Lock()

    def job() -> None:
        pace.enter(lambda _: None)
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        time.sleep(0.01)
        with lock:
            inside[0] -= 1
        pace.leave()

    threads = [threading.Thread(target=job) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] == 3


def test_looks_start_fast_and_slow_down() -> None:
    rhythm, elapsed_s, looks = Rhythm(), 0.0, 0
    while elapsed_s < 60:
        wait_s = rhythm.next_wait_s(elapsed_s)
        assert wait_s <= 6.0
        elapsed_s += wait_s
        looks += 1
    assert 20 < looks < 40
    rhythm.learn(60.0)
    elapsed_s, looks = 0.0, 0
    while elapsed_s < 60:
        elapsed_s += rhythm.next_wait_s(elapsed_s)
        looks += 1
    assert looks < 20
    assert elapsed_s < 62


def test_the_clock_of_the_service_need_not_agree(far: Far, settings: Settings) -> None:
    dates = {
        "Retry_After": "Wed, 01 Jan 2020 00:00:01 GMT",
        "Date": "Wed, 01 Jan 2020 00:00:01 GMT",
    }
    far.next_fails("submit", answers(429, **dates))
    started = time.monotonic()
    assert delivered(runcomfy_base(settings), WISH).audio
    assert time.monotonic() - started < 2
