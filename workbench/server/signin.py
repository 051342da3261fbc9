"""RunComfy's device-code sign-in: the client shows a code, a person here says yes.

``POST /start`` gives a device code and a short user code; ``POST /poll`` with the device code
waits for `approve_sign_in` or `deny_sign_in`, which a local command calls. The key is made when
the approved client next polls, so its token is never stored. On an open server (see
`workbench.server.keys`) every sign-in is approved at once: any token would do there.

Reference: RFC 8628, OAuth 2.0 Device Authorization Grant, whose shape it follows.
"""

from __future__ import annotations

import secrets
import sqlite3
import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, Field

from workbench.errors import StoreError
from workbench.server.database import connect
from workbench.server.keys import has_keys, insert_key, micro, token_hash
from workbench.server.refusals import Reason, Refusal, RunComfyError, declare
from workbench.server.service import Service, base_url

_LIFE_S = 600
_POLL_S = 2
_WAITING_MAX = 1000
# Letters that are not mistaken for one another and spell no words.
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"


class Started(BaseModel):
    """A sign-in to be approved; times in seconds."""

    device_code: str
    user_code: str
    verify_url: str
    expires_in: int
    poll_interval: int


class Poll(BaseModel):
    """Which sign-in."""

    model_config = ConfigDict(strict=True, extra="forbid")

    device_code: str = Field(min_length=1, max_length=200)


class Polled(BaseModel):
    """How a sign-in stands."""

    status: Literal["pending", "authorized", "denied", "expired"]
    access_token: str | None = None


router = APIRouter(prefix="/api/cli-auth", tags=["sign-in"], responses=declare(RunComfyError, 500))


def approve_sign_in(
    folder: Path,
    user_code: str,
    *,
    name: str,
    balance_usd: Decimal | float | str = 0,
    credits: Decimal | float | str = 0,
) -> None:
    """Let the client that shows `user_code` have a key with this balance.

    Raises
    ------
    StoreError
        If no sign-in with this code is waiting.
    """
    _answer(folder, user_code, ("approved", name, micro(balance_usd), micro(credits)))


def deny_sign_in(folder: Path, user_code: str) -> None:
    """Turn the client that shows `user_code` away; raises as `approve_sign_in` does."""
    _answer(folder, user_code, ("denied", None, None, None))


def _answer(
    folder: Path, user_code: str, answer: tuple[str, str | None, int | None, int | None]
) -> None:
    with closing(connect(folder)) as connection:
        done = connection.execute(
            "UPDATE sign_ins SET status = ?, name = ?, usd_micro = ?, credits_micro = ? "
            "WHERE user_code = ? AND status = 'pending' AND expires_at > ?",
            (*answer, user_code.strip().upper(), time.time()),
        )
        if not done.rowcount:
            raise StoreError(f"no sign-in with the code {user_code} is waiting: start it again.")


def _start(connection: sqlite3.Connection) -> tuple[str, str]:
    """Device code and user code of a new sign-in."""
    # Kept a while after their end, so that a late poll hears "expired".
    connection.execute("DELETE FROM sign_ins WHERE expires_at < ?", (time.time() - _LIFE_S,))
    waiting = connection.execute("SELECT count(*) FROM sign_ins").fetchone()[0]
    if waiting >= _WAITING_MAX:
        raise Refusal(Reason.RATE_LIMITED, "too many sign-ins are waiting.", retry_after_s=60)
    device_code = secrets.token_urlsafe(32)
    letters = "".join(secrets.choice(_LETTERS) for _ in range(8))
    user_code = f"{letters[:4]}-{letters[4:]}"
    connection.execute(
        "INSERT INTO sign_ins (hash, user_code, status, expires_at) VALUES (?, ?, 'pending', ?)",
        (token_hash(device_code), user_code, time.time() + _LIFE_S),
    )
    return device_code, user_code


def _poll(connection: sqlite3.Connection, device_code: str, is_open: bool) -> Polled:
    row = connection.execute(
        "SELECT status, expires_at, name, usd_micro, credits_micro FROM sign_ins WHERE hash = ?",
        (token_hash(device_code),),
    ).fetchone()
    if row is None or row[1] <= time.time():
        return Polled(status="expired")
    status, _, name, usd_micro, credits_micro = row
    if status == "denied":
        return Polled(status="denied")
    if status == "approved":
        token = insert_key(connection, name, usd_micro, credits_micro)
    elif is_open and not has_keys(connection):
        token = secrets.token_urlsafe(32)
    else:
        return Polled(status="pending")
    connection.execute("DELETE FROM sign_ins WHERE hash = ?", (token_hash(device_code),))
    return Polled(status="authorized", access_token=token)


@router.post("/start", response_model=Started, responses=declare(RunComfyError, 429))
async def start(request: Request) -> JSONResponse:
    """Begin a sign-in."""
    service: Service = request.app.state.service
    device_code, user_code = await service.write(_start)
    return JSONResponse(
        {
            "device_code": device_code,
            "user_code": user_code,
            "verify_url": f"{base_url(request)}{router.prefix}/verify",
            "expires_in": _LIFE_S,
            "poll_interval": _POLL_S,
        }
    )


@router.post(
    "/poll",
    response_model=Polled,
    responses=declare(Polled, 410) | declare(RunComfyError, 413, 422),
)
async def poll(body: Poll, request: Request) -> JSONResponse:
    """Ask how a sign-in stands; the token comes once."""
    service: Service = request.app.state.service
    is_open = service.settings.is_loopback(service.settings.host)
    polled = await service.write(lambda c: _poll(c, body.device_code, is_open))
    is_over = polled.status in {"denied", "expired"}
    return JSONResponse(polled.model_dump(exclude_none=True), 410 if is_over else 200)


@router.get("/verify", response_class=PlainTextResponse)
async def verify() -> str:
    """What a person who opens the link should do."""
    return "On the server's machine, run: workbench keys approve CODE\n"
