"""What a far side's answer means: from status, error code and headers to our error tree.

One reading serves both services, because their error bodies cannot be confused: RunComfy says
``error_code`` and ``error_message`` at the top, SkyStudio nests ``error.code``. An answer of
status 200 that carries an ``error_code`` is an error too.

What matters most is whether the far side may have acted. `EngineBusy` itself and `EngineRefused`
mean it surely did not; `Unsure` and `Unexpected` mean it may have. A read may be repeated either
way; a paid submit without an idempotency key may not.

::

    EngineUnavailable
    └─ SignInNeeded     token missing, rejected, or without the right
    EngineRefused
    ├─ NoFunds          nothing left to pay with
    ├─ Missing          no such model, job or file (any more)
    └─ Unexpected       an answer outside the contract: it may have acted all the same
       └─ KeyTaken      our idempotency key has a job already: `.job_id`
    EngineBusy
    └─ Unsure           no usable answer: it may have acted
       └─ ServerFault   a 5xx
    EngineFailed
    └─ JobFailed        the job is over without usable audio; `.charge` is what it cost
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from workbench.engines.hosted.redact import quoted
from workbench.errors import (
    EngineBusy,
    EngineError,
    EngineFailed,
    EngineRefused,
    EngineUnavailable,
    FarSideBroken,
)

RETRY_AFTER_MAX_S = 120.0


class SignInNeeded(EngineUnavailable):
    """The token is missing, rejected, expired, revoked, or lacks the right."""


class NoFunds(EngineRefused):
    """The balance or the credits do not cover the job."""


class Missing(EngineRefused):
    """There is no such model, job or file, or not any more."""


class Unexpected(EngineRefused):
    """An answer outside the contract; the call may have been carried out."""


class KeyTaken(Unexpected):
    """The idempotency key was used before, by the job `job_id` ("" if it is not named)."""

    def __init__(self, message: str, engine: str = "", job_id: str = "") -> None:
        super().__init__(message, engine)
        self.args = (message, engine, job_id)
        self.job_id = job_id


class Unsure(EngineBusy):
    """No usable answer came; the call may have been carried out."""


class ServerFault(Unsure, FarSideBroken):
    """The far side answered with a 5xx."""


class JobFailed(EngineFailed):
    """The job is over and there is no usable audio; `charge` is what it cost all the same."""


# Error codes that say more than the HTTP status, as the status they amount to.
_STATUS_OF_CODE: Mapping[object, int] = {
    400001: 404,
    400002: 402,
    400004: 401,
    10001: 402,
    "UNAUTHORIZED": 401,
    "KEY_REVOKED": 401,
    "KEY_EXPIRED": 401,
    "INSUFFICIENT_CREDITS": 402,
    "NOT_FOUND": 404,
    "IDEMPOTENCY_CONFLICT": 409,
    "RATE_LIMITED": 429,
    "CONCURRENCY_LIMITED": 429,
    "INTERNAL_ERROR": 500,
}


def said(body: Mapping[str, Any]) -> tuple[object, str, Mapping[str, Any]]:
    """Error code (None if there is none), message and details of a reply.

    Examples
    --------
    >>> said({"error_code": 400002, "error_message": "no balance"})
    (400002, 'no balance', {})
    >>> said({"error": {"code": "NOT_FOUND", "message": "no job"}})[:2]
    ('NOT_FOUND', 'no job')
    """
    nested = body.get("error")
    if isinstance(nested, Mapping) and nested.get("code"):
        details = nested.get("details")
        detail_map = details if isinstance(details, Mapping) else {}
        return _plain(nested["code"]), quoted(str(nested.get("message") or "")), detail_map
    code = _plain(body.get("error_code"))
    candidates = [body.get(key) for key in ("error_message", "message", "error", "detail")]
    text = next((c for c in candidates if isinstance(c, str) and c.strip()), "")
    if not text and isinstance(body.get("detail"), list):
        text = "; ".join(_complaint(entry) for entry in body["detail"][:3])
    return code, quoted(text), {}


def _plain(code: object) -> object:
    """A code as it can be looked up, whatever its type in the reply."""
    text = str(code)
    return None if code is None else int(text) if text.isdecimal() and len(text) < 9 else text


def _complaint(entry: Any) -> str:
    """One entry of a validation report: where, and what is wrong there."""
    if not isinstance(entry, Mapping):
        return str(entry)
    place = entry.get("loc")
    where = ".".join(str(part) for part in place) if isinstance(place, list) else ""
    return f"{where}: {entry.get('msg', '')}" if where else str(entry.get("msg", ""))


def real_status(status: int, code: object) -> int:
    """The HTTP status that an answer amounts to, going by its error code where it has one.

    Examples
    --------
    >>> real_status(400, 400002), real_status(200, 422001), real_status(200, "?"), \
real_status(200, None)
    (402, 422, 299, 200)
    """
    if code in _STATUS_OF_CODE:
        return _STATUS_OF_CODE[code]
    if code is None or status >= 300:
        return status
    told = code // 1000 if isinstance(code, int) else 0
    return told if 400 <= told <= 599 else 299


def fault_of(
    status: int,
    body: Mapping[str, Any],
    headers: Mapping[str, str],
    *,
    service: str,
    sign_in: str,
    engine: str = "",
) -> EngineError | None:
    """The error that an answer amounts to, or None if it is none.

    Parameters
    ----------
    status : int
        HTTP status.
    body : mapping
        The JSON body, empty if it is not JSON.
    headers : mapping
        With lower-case names.
    service, sign_in, engine : str
        For the message: who answered, how to sign in there, and for which engine.

    Examples
    --------
    >>> fault_of(402, {}, {}, service="RunComfy", sign_in="")
    NoFunds('RunComfy has no funds left for this: top up the account, then run again.', '')
    """
    code, words, details = said(body)
    if status < 300:
        # A job's own record may hold an `error` of any shape; only this field speaks of the call.
        code = _plain(body.get("error_code"))
    real = real_status(status, code)
    if 200 <= real < 299:
        return None
    because = f" ({words})" if words else ""
    if real in (401, 403):
        denied = "rejects the token" if real == 401 else "denies this account access to it"
        return SignInNeeded(f"{service} {denied}{because}: {sign_in}.", engine)
    if real == 402:
        return NoFunds(
            f"{service} has no funds left for this{because}: top up the account, then run again.",
            engine,
        )
    if real in (404, 410):
        return Missing(f"{service} knows no such model, job or file{because}.", engine)
    if real == 409:
        job_id = details.get("existing_job_id")
        return KeyTaken(
            f"{service} has a job under this idempotency key already{because}.",
            engine,
            job_id if isinstance(job_id, str) else "",
        )
    if real == 429:
        return EngineBusy(
            f"{service} asks for fewer calls{because}: wait and run again.",
            engine,
            retry_after_s(headers),
        )
    if real in (400, 422):
        return EngineRefused(
            f"{service} refuses the input{because or ' without a reason'}.", engine
        )
    return _odd(real, because, headers, service, engine)


def _odd(
    real: int, because: str, headers: Mapping[str, str], service: str, engine: str
) -> EngineError:
    """The answers after which one cannot be sure that nothing was done."""
    if real >= 500:
        return ServerFault(
            f"{service} is out of order, status {real}{because}: try again later.",
            engine,
            retry_after_s(headers),
        )
    if real == 408:
        return Unsure(f"{service} timed out{because}: try again later.", engine)
    if 300 <= real < 400:
        return Unexpected(
            f"{service} redirects to another address, which is never followed with a token: "
            "check the base address.",
            engine,
        )
    told = "an error in a reply of status 200" if real == 299 else f"status {real}"
    return Unexpected(f"{service} answers with {told}{because}.", engine)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that ``Retry-After`` asks for, 0..120, or None.

    A date is taken against the reply's own ``Date``, so that the two clocks need not agree.

    Examples
    --------
    >>> retry_after_s({"retry-after": "7"}), retry_after_s({"retry-after": "soon"})
    (7.0, None)
    >>> retry_after_s({"retry-after": "Wed, 01 Jan 2020 00:00:09 GMT",
    ...                "date": "Wed, 01 Jan 2020 00:00:00 GMT"})
    9.0
    """
    text = headers.get("retry-after", "").strip()
    try:
        wait_s = float(text)
    except ValueError:
        until_s = _epoch_s(text)
        if until_s is None:
            return None
        now_s = _epoch_s(headers.get("date", ""))
        wait_s = until_s - (time.time() if now_s is None else now_s)
    return None if math.isnan(wait_s) else min(max(wait_s, 0.0), RETRY_AFTER_MAX_S)


def _epoch_s(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None
