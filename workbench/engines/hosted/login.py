"""Signing in to RunComfy with a device code, and the token file that remembers it.

The person opens an address in a browser and confirms a code; meanwhile we ask until it is done.
The token file is the official client's own, so signing in once serves both.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import NamedTuple

from workbench.engines.hosted.faults import Missing, SignInNeeded
from workbench.engines.hosted.job import amount_of
from workbench.engines.hosted.redact import Secret, quoted
from workbench.engines.hosted.settings import Settings
from workbench.engines.hosted.wire import Wire
from workbench.errors import EngineFailed, RequestError

_POLL_S = (0.05, 30.0)
_VALID_S = 900.0


class Prompt(NamedTuple):
    """What the person is asked to do: open the address and compare the code."""

    address: str
    code: str


def sign_in(settings: Settings, show: Callable[[Prompt], None]) -> Path:
    """Sign in to RunComfy; returns the token file.

    Parameters
    ----------
    settings : Settings
    show : callable
        Shows the prompt; it should come back at once.

    Raises
    ------
    SignInNeeded
        If it was denied, or not confirmed in time.
    EngineError
        If RunComfy cannot be reached.
    """
    wire = Wire(settings.web, settings.limits, signed=False)
    reply = wire.post_once("/start", {}, total_s=settings.limits.get_s)
    device_code, user_code = reply.get("device_code"), reply.get("user_code")
    address = reply.get("verify_url")
    if not (isinstance(device_code, str) and isinstance(user_code, str) and _is_web(address)):
        raise EngineFailed("RunComfy's sign-in answers without a code: try again later.")
    Secret(device_code)  # from here on it is hidden wherever it might show
    show(Prompt(quoted(str(address)), quoted(user_code)))
    expires_s = float(amount_of(reply.get("expires_in")) or _VALID_S)
    poll_s = float(amount_of(reply.get("poll_interval")) or 2)
    poll_s = min(max(poll_s, _POLL_S[0]), _POLL_S[1])
    token = _wait(wire, device_code, poll_s=poll_s, until=time.monotonic() + expires_s)
    return write_token(settings.config_dir, token)


def _is_web(address: object) -> bool:
    return isinstance(address, str) and address.startswith(("https://", "http://"))


def _wait(wire: Wire, device_code: str, *, poll_s: float, until: float) -> Secret:
    """Ask until the person has decided."""
    again = "run `workbench login runcomfy` again"
    ask = partial(wire.post_once, "/poll", {"device_code": device_code}, total_s=wire.limits.get_s)
    while time.monotonic() < until:
        time.sleep(poll_s)
        try:
            reply = wire.repeat(ask)
        except Missing as error:  # a decision may come as 410
            raise SignInNeeded(f"the sign-in was denied or has expired: {again}.") from error
        status = str(reply.get("status") or "").lower()
        if status in {"denied", "expired"}:
            raise SignInNeeded(f"the sign-in was {status}: {again}.")
        if status == "authorized":
            try:
                return Secret(str(reply.get("access_token") or "").strip())
            except RequestError:
                raise SignInNeeded(f"RunComfy sent no usable token: {again}.") from None
    raise SignInNeeded(f"the sign-in was not confirmed in time: {again}.")


def write_token(folder: Path, token: Secret) -> Path:
    """Write the token file as the official client does: mode 0600, all or nothing."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    content = {
        "access_token": token.reveal(),
        "refresh_token": None,
        "expires_at": None,
        "user_email": None,
    }
    path = folder / "token.json"
    # The temporary file is made with mode 0600, and keeps it when it is renamed.
    with NamedTemporaryFile("w", dir=folder, prefix=".token-", delete=False) as file:
        try:
            json.dump(content, file, indent=2)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
    return path
