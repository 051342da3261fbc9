"""What every API call passes before its route: faults on purpose, the key, the size of the body."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from workbench.server.keys import find_account
from workbench.server.refusals import SKYSTUDIO_PREFIX, Reason, Refusal
from workbench.server.settings import Settings

KEYED = ("/v1/", "/prod/v2/", f"{SKYSTUDIO_PREFIX}/")
_BODY_MAX_BYTES = 2**20
_EDIT_BODY_MAX_BYTES = 64 * 2**20


class Gate:
    """ASGI middleware. It leaves the caller's account in the request's state.

    Parameters
    ----------
    app : ASGI application
    settings : Settings
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._may_be_open = settings.is_loopback(settings.host)
        self._faults = settings.faults
        self._draws = settings.faults.draws()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        path: str = scope["path"]
        headers: dict[bytes, bytes] = dict(scope["headers"])
        try:
            if path.startswith(KEYED):
                self._let_in(scope, headers)
            capped = _capped(path, headers, receive)
        except Refusal as refusal:
            return await refusal.response(path)(scope, receive, send)
        return await self._app(scope, capped, send)

    def _let_in(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        if self._faults.busy_share and self._draws.random() < self._faults.busy_share:
            said = "too many requests."
            wait_s = self._faults.busy_retry_after_s
            raise Refusal(Reason.RATE_LIMITED, said, retry_after_s=wait_s)
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        reader = scope["app"].state.service.reader
        account = find_account(reader, authorization, may_be_open=self._may_be_open)
        scope.setdefault("state", {})["account"] = account


def _capped(path: str, headers: dict[bytes, bytes], receive: Receive) -> Receive:
    """The body's stream, ended by an error where it grows too large."""
    is_edit = path.endswith(("/audio-inpaint", "/audio-outpaint"))
    most = _EDIT_BODY_MAX_BYTES if is_edit else _BODY_MAX_BYTES
    said = f"the body is larger than {most // 2**20} MiB."
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > most:
        raise Refusal(Reason.TOO_LARGE, said)
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > most:
            raise HTTPException(Reason.TOO_LARGE.value[0][0], said.rstrip("."))
        return message

    return counted
