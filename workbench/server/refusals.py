"""How the server says no: every reason once, as each of the two contracts words it.

RunComfy answers ``{"error_code", "error_message", "detail"?}``, SkyStudio
``{"error": {"code", "message", "details"?}}``; the path tells which one is spoken. Codes are the
published ones; 405001, 413001 and 429001 continue their pattern where none is published.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

SKYSTUDIO_PREFIX = "/api/v1"


class Reason(Enum):
    """Why: (status, code) as RunComfy has them, then as SkyStudio has them."""

    UNAUTHORIZED = ((401, 401001), (401, "UNAUTHORIZED"))
    KEY_REVOKED = ((401, 401001), (401, "KEY_REVOKED"))
    KEY_EXPIRED = ((401, 401001), (401, "KEY_EXPIRED"))
    NO_FUNDS = ((402, 400002), (402, "INSUFFICIENT_CREDITS"))
    NO_MODEL = ((400, 400001), (400, "INVALID_REQUEST"))
    NOT_YOURS = ((403, 403001), (404, "NOT_FOUND"))
    NOT_FOUND = ((404, 404001), (404, "NOT_FOUND"))
    NO_METHOD = ((405, 405001), (405, "METHOD_NOT_ALLOWED"))
    CONFLICT = ((409, 409001), (409, "IDEMPOTENCY_CONFLICT"))
    TOO_LARGE = ((413, 413001), (413, "INVALID_REQUEST"))
    INVALID = ((422, 422001), (400, "INVALID_REQUEST"))
    RATE_LIMITED = ((429, 429001), (429, "RATE_LIMITED"))
    CONCURRENCY_LIMITED = ((429, 429001), (429, "CONCURRENCY_LIMITED"))
    INTERNAL = ((500, 500001), (500, "INTERNAL_ERROR"))


class Refusal(Exception):
    """A call that is refused.

    Parameters
    ----------
    reason : Reason
    message : str
        One sentence for the caller.
    retry_after_s : int or None
        Whole seconds to wait before another try.
    details : mapping or None
        What SkyStudio puts beside the message.
    faults : sequence of str
        Every field at fault, one sentence each (RunComfy's `detail`).
    """

    def __init__(
        self,
        reason: Reason,
        message: str,
        *,
        retry_after_s: int | None = None,
        details: Mapping[str, str] | None = None,
        faults: Sequence[str] = (),
    ) -> None:
        super().__init__(reason, message)
        self.reason = reason
        self.message = message
        self.retry_after_s = retry_after_s
        self.details = details
        self.faults = tuple(faults)

    def response(self, path: str) -> JSONResponse:
        """The reply in the contract that `path` belongs to."""
        runcomfy, skystudio = self.reason.value
        body: dict[str, Any]
        if path.startswith(SKYSTUDIO_PREFIX):
            status, body = skystudio[0], {"code": skystudio[1], "message": self.message}
            body = {"error": body | ({"details": dict(self.details)} if self.details else {})}
        else:
            status, body = (
                runcomfy[0],
                {
                    "error_code": runcomfy[1],
                    "error_message": self.message,
                },
            )
            body |= {"detail": list(self.faults)} if self.faults else {}
        headers = {"WWW-Authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
        if self.retry_after_s is not None:
            headers["Retry-After"] = str(self.retry_after_s)
        return JSONResponse(body, status, headers)


class RunComfyError(BaseModel):
    """RunComfy's error body."""

    error_code: int
    error_message: str
    detail: list[str] | None = None


class SkyStudioFault(BaseModel):
    """What went wrong."""

    code: str
    message: str
    details: dict[str, str] | None = None


class SkyStudioError(BaseModel):
    """SkyStudio's error body."""

    error: SkyStudioFault


_STATUS_REASON = {
    404: Reason.NOT_FOUND,
    405: Reason.NO_METHOD,
    413: Reason.TOO_LARGE,
}


def declare(model: type[BaseModel], *statuses: int) -> dict[int | str, dict[str, Any]]:
    """The error replies of a route, for OpenAPI."""
    headers = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return {
        status: {"model": model, "description": HTTPStatus(status).phrase}
        | ({"headers": headers} if status == HTTPStatus.TOO_MANY_REQUESTS else {})
        for status in statuses
    }


def _fault(error: Mapping[str, Any]) -> str:
    # The input itself is not repeated: it may be huge, secret, or not even valid Unicode.
    if error["type"] == "json_invalid":
        return "the body is not JSON."
    where = ".".join(str(part) for part in error["loc"][1:] if part != "body")
    said = str(error["msg"]).removeprefix("Value error, ").rstrip(".")
    return f"{where}: {said}." if where else f"{said}."


def speak_refusals(app: FastAPI) -> None:
    """Make every error of `app`, its own and the framework's, speak the contracts."""

    @app.exception_handler(Refusal)
    async def refused(request: Request, error: Refusal) -> JSONResponse:
        return error.response(request.url.path)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        faults = [_fault(one) for one in error.errors()]
        return Refusal(Reason.INVALID, faults[0], faults=faults).response(request.url.path)

    @app.exception_handler(HTTPException)
    async def spoken_http(request: Request, error: HTTPException) -> JSONResponse:
        reason = _STATUS_REASON.get(error.status_code, Reason.INVALID)
        response = Refusal(reason, f"{error.detail}.".lower()).response(request.url.path)
        response.headers.update(error.headers or {})
        known = request.app.openapi()["paths"].get(request.url.path)
        if reason is Reason.NO_METHOD and known:
            # The framework names only the methods of the first route on this path.
            response.headers["Allow"] = ", ".join(method.upper() for method in known)
        return response

    @app.exception_handler(Exception)
    async def broken(request: Request, error: Exception) -> JSONResponse:
        said = "the server failed; the fault is in its log."
        return Refusal(Reason.INTERNAL, said).response(request.url.path)
