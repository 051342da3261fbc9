"""Who may call: keys, sign-in, limits, faults on purpose, and the reach of an open server."""

import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from tests.server.conftest import Api, SineEngine, Start, sky, until
from workbench.errors import EngineUnavailable, StoreError
from workbench.server import (
    Faults,
    Limits,
    Settings,
    approve_sign_in,
    deny_sign_in,
    list_keys,
    make_key,
    revoke_key,
    running_server,
    serve,
)
from workbench.server.database import connect

T2A = "/v1/models/acestep-ai/ace-step/text-to-audio"
CALLS = (
    ("GET", "/v1/models"),
    ("POST", T2A),
    ("GET", "/v1/requests/x/result"),
    ("GET", "/prod/v2/balance"),
    ("GET", "/v1/nothing"),
)


def test_every_api_call_needs_a_key(api: Api) -> None:
    for authorization in (None, "", "Bearer", "Basic abc", "Bearer a b", "Bearer ä", "Bearer x"):
        headers = [] if authorization is None else [(b"Authorization", authorization.encode())]
        for method, path in CALLS:
            reply = httpx.request(method, api.base_url + path, headers=headers)
            assert reply.status_code == 401, (authorization, path)
            assert reply.json()["error_code"] == 401001
            assert reply.headers["www-authenticate"] == "Bearer"
        reply = httpx.post(f"{api.base_url}/api/v1/generate", headers=headers, json=sky())
        assert reply.status_code == 401
        assert reply.json()["error"]["code"] == "UNAUTHORIZED"


def test_revoked_and_expired_keys(api: Api) -> None:
    with pytest.raises(StoreError, match="no key 99"):
        revoke_key(api.folder, 99)
    make_key(api.folder, "short", expires_at=time.time() - 1)
    tokens = [make_key(api.folder, "gone"), make_key(api.folder, "late", expires_at=1.0)]
    gone = next(key for key in list_keys(api.folder) if key.name == "gone")
    revoke_key(api.folder, gone.id)
    for token, code in zip(tokens, ("KEY_REVOKED", "KEY_EXPIRED"), strict=True):
        with api.as_key(token) as caller:
            assert caller.http.get("/api/v1/jobs/x").json()["error"]["code"] == code
            assert caller.http.get("/prod/v2/balance").json()["error_code"] == 401001


def test_a_key_is_kept_as_a_digest_and_listed_with_what_is_left(api: Api) -> None:
    token = make_key(api.folder, "mine", balance_usd="2.5", credits=30)
    with api.as_key(token) as caller:
        caller.http.post("/api/v1/generate", json=sky())
    (key,) = (k for k in list_keys(api.folder) if k.name == "mine")
    assert (key.balance_usd, key.credits, key.is_revoked) == (Decimal("2.5"), Decimal(20), False)
    stored = b"".join(path.read_bytes() for path in api.folder.glob("server.sqlite*"))
    assert token.encode() not in stored


def test_the_servers_folder_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "served"
    make_key(folder, "me")
    assert folder.stat().st_mode & 0o077 == 0
    database = folder / "server.sqlite"
    database.chmod(0o644)  # as an earlier version left it
    make_key(folder, "you")
    with closing(connect(folder)) as connection:
        connection.execute("UPDATE keys SET name = 'us' WHERE id = 1")
        modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert set(modes.values()) == {0o600}
    assert len(modes) == 3


def test_a_server_that_others_reach_needs_a_key(tmp_path: Path, engine: SineEngine) -> None:
    settings = Settings(engine=engine, folder=tmp_path, host="0.0.0.0", port=0)
    with pytest.raises(EngineUnavailable, match="make a key first"):
        serve(settings)
    with pytest.raises(EngineUnavailable), running_server(settings):
        pass
    token = make_key(tmp_path, "first")
    revoke_key(tmp_path, 1)
    with running_server(settings) as base:
        local = base.replace("0.0.0.0", "127.0.0.1")
        for authorization in ("Bearer any", f"Bearer {token}"):
            reply = httpx.get(f"{local}/v1/models", headers={"Authorization": authorization})
            assert reply.status_code == 401, "no open door, even if every key is revoked"


def test_submissions_per_minute(start: Start) -> None:
    api = start(limits=Limits(submits_per_minute=3))
    for _ in range(2):
        api.submit()
    api.generate()
    reply = api.post(T2A, {"tags": "x"})
    assert (reply.status_code, reply.json()["error_code"]) == (429, 429001)
    assert 1 <= int(reply.headers["retry-after"]) <= 20
    reply = api.post("/api/v1/generate", sky())
    assert reply.json()["error"]["code"] == "RATE_LIMITED"
    assert 1 <= int(reply.headers["retry-after"]) <= 20
    assert api.get("/v1/models").status_code == 200, "only submissions count"
    other = api.as_key(make_key(api.folder, "other", credits=10))
    with other:
        other.generate()


def test_active_jobs_per_key(start: Start, engine: SineEngine) -> None:
    api = start(limits=Limits(active_max=2))
    engine.hold()
    jobs = [api.generate(), api.generate()]
    reply = api.post("/api/v1/generate", sky())
    assert (reply.status_code, reply.json()["error"]["code"]) == (429, "CONCURRENCY_LIMITED")
    assert int(reply.headers["retry-after"]) >= 1
    assert api.post(T2A, {"tags": "x"}).status_code == 429
    engine.release()
    for job in jobs:
        api.finished_job(job)
    api.generate()


def test_bodies_have_an_end(api: Api) -> None:
    fat = {"tags": "x", "lyrics": "y" * 2**20}
    reply = api.post(T2A, fat)
    assert (reply.status_code, reply.json()["error_code"]) == (413, 413001)

    def chunks() -> "list[bytes]":
        return [b"x" * 2**18] * 5

    reply = api.http.post(
        "/api/v1/generate", content=iter(chunks()), headers={"Content-Type": "application/json"}
    )
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "INVALID_REQUEST")


def test_faults_on_purpose(start: Start) -> None:
    api = start(faults=Faults(busy_share=0.5, busy_retry_after_s=0, job_s=0.3, seed=1))
    statuses = [api.get("/v1/models").status_code for _ in range(100)]
    assert 35 <= statuses.count(429) <= 65
    assert set(statuses) == {200, 429}
    began = time.monotonic()

    def ask() -> dict[str, str]:
        reply = api.post(T2A, {"tags": "x", "duration": 5})
        return dict(reply.json())

    job = until(ask, lambda r: "request_id" in r)["request_id"]
    until(lambda: api.result(job), lambda r: r.get("status") == "completed")
    assert time.monotonic() - began >= 0.3


def poll(api: Api, device_code: str) -> tuple[int, dict[str, str]]:
    reply = api.post("/api/cli-auth/poll", {"device_code": device_code})
    return reply.status_code, dict(reply.json())


def test_a_sign_in_that_is_approved(api: Api) -> None:
    started = httpx.post(f"{api.base_url}/api/cli-auth/start").json()
    assert (started["expires_in"], started["poll_interval"]) == (600, 2)
    assert api.files.get(started["verify_url"]).status_code == 200
    assert poll(api, started["device_code"]) == (200, {"status": "pending"})
    with pytest.raises(StoreError, match="ZZZZ"):
        approve_sign_in(api.folder, "ZZZZ-ZZZZ", name="nobody")
    approve_sign_in(api.folder, started["user_code"].lower(), name="me", balance_usd=3)
    status, reply = poll(api, started["device_code"])
    assert (status, reply["status"]) == (200, "authorized")
    with api.as_key(reply["access_token"]) as caller:
        assert caller.http.get("/prod/v2/balance").json()["balance_usd"] == 3
    assert poll(api, started["device_code"]) == (410, {"status": "expired"}), "the token comes once"


def test_a_sign_in_that_is_denied_or_unknown(api: Api) -> None:
    started = api.post("/api/cli-auth/start").json()
    deny_sign_in(api.folder, started["user_code"])
    assert poll(api, started["device_code"]) == (410, {"status": "denied"})
    assert poll(api, "made up") == (410, {"status": "expired"})
    assert api.post("/api/cli-auth/poll", {}).status_code == 422


def test_an_open_server_approves_every_sign_in(start: Start) -> None:
    api = start(is_open=True)
    started = api.post("/api/cli-auth/start").json()
    status, reply = poll(api, started["device_code"])
    assert (status, reply["status"]) == (200, "authorized")
    assert not list_keys(api.folder), "which leaves it open"
    with api.as_key(reply["access_token"]) as caller:
        assert caller.http.get("/prod/v2/balance").status_code == 200
