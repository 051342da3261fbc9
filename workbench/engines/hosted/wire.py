"""The one door through which calls with a token leave.

JSON in, JSON out, errors as `faults` reads them. Redirects are never followed, replies are capped
in size and in time, and nothing is repeated here unless `repeat` is asked to: reads are safe to
repeat, a paid submit is not.
"""

from __future__ import annotations

import json
import ssl
import time
import weakref
from collections.abc import Callable, Generator, Mapping
from functools import cache, cached_property
from typing import Any, NoReturn, TypeVar

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_delay,
    wait_exponential_jitter,
)

from workbench.engines.hosted.faults import Unsure, fault_of
from workbench.engines.hosted.pace import Pace, Pause
from workbench.engines.hosted.redact import Secret
from workbench.engines.hosted.settings import Limits, Service
from workbench.errors import EngineBusy, EngineError

JSON_MAX_BYTES = 8 * 2**20
_BACK_OFF = wait_exponential_jitter(multiplier=0.05, max=8.0, jitter=0.05)
# After these, no byte of the request has reached the far side.
_NEVER_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)
Result = TypeVar("Result")


@cache
def tls() -> ssl.SSLContext:
    """One TLS context for all clients: building one takes longer than most calls."""
    return httpx.create_ssl_context()


class _Bearer(httpx.Auth):
    """Adds the token at the last moment, so that no request object built by us holds it."""

    def __init__(self, token: Callable[[], Secret]) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token().reveal()}"
        yield request


class Wire:
    """Authenticated JSON calls to one service.

    Parameters
    ----------
    service : Service
    limits : Limits
    pace : Pace, optional
        Told of every answer, so that it can hold back.
    engine : str
        For error messages.
    signed : bool
        Whether the token goes along; only the sign-in itself goes without.
    """

    def __init__(
        self,
        service: Service,
        limits: Limits,
        *,
        pace: Pace | None = None,
        engine: str = "",
        signed: bool = True,
    ) -> None:
        self.service, self.engine, self.limits = service, engine, limits
        self.pace = pace or Pace(1)
        self._auth = _Bearer(service.need_token) if signed else None

    @cached_property
    def _reader(self) -> httpx.Client:
        return self._client(httpx.Limits())

    @cached_property
    def _submitter(self) -> httpx.Client:
        # A kept connection may be closed by the far side just as a submit leaves on it, and its
        # outcome would be unknown. So every submit gets a connection of its own.
        return self._client(httpx.Limits(max_keepalive_connections=0))

    def _client(self, limits: httpx.Limits) -> httpx.Client:
        client = httpx.Client(
            auth=self._auth,
            verify=tls(),
            limits=limits,
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
            trust_env=not self.service.is_loopback,
        )
        weakref.finalize(self, client.close)
        return client

    def get(
        self, path: str, params: Mapping[str, Any] | None = None, *, pause: Pause = time.sleep
    ) -> dict[str, Any]:
        """Read, and repeat while the service is busy.

        Raises
        ------
        EngineError
            As `faults` reads the answer; `EngineBusy` when patience is at its end.
        """
        return self.repeat(lambda: self._get_once(path, params or {}), pause)

    def _get_once(self, path: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Read once, past every cache."""
        request = self._reader.build_request(
            "GET",
            self.service.base + path,
            params=dict(params) or None,
            headers={"Cache-Control": "no-cache"},
            timeout=self._timeout(self.limits.get_s),
        )
        return self._exchange(self._reader, request, self.limits.get_s)

    def post_once(
        self,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        total_s: float | None = None,
    ) -> dict[str, Any]:
        """Post once, on a connection of its own, for at most `total_s` (`limits.submit_s`)."""
        total_s = self.limits.submit_s if total_s is None else total_s
        request = self._submitter.build_request(
            "POST",
            self.service.base + path,
            json=body,
            headers=headers,
            timeout=self._timeout(total_s),
        )
        return self._exchange(self._submitter, request, total_s)

    def repeat(
        self,
        call: Callable[[], Result],
        pause: Pause = time.sleep,
        *,
        worth: Callable[[BaseException], bool] = lambda error: isinstance(error, EngineBusy),
        stop: Callable[[RetryCallState], bool] | None = None,
    ) -> Result:
        """Call, and again while it raises an error `worth` repeating, until `stop`.

        Waits as long as the service asks for, else exponentially longer, with jitter. Stops after
        `limits.retry_s` seconds unless told otherwise.
        """
        retrying = Retrying(
            stop=stop or stop_after_delay(self.limits.retry_s),
            wait=_wait_s,
            retry=retry_if_exception(worth),
            sleep=pause,
            reraise=True,
        )
        return retrying(call)

    def _timeout(self, total_s: float) -> httpx.Timeout:
        return httpx.Timeout(total_s, connect=min(self.limits.connect_s, total_s))

    def _exchange(
        self, client: httpx.Client, request: httpx.Request, total_s: float
    ) -> dict[str, Any]:
        """Send, read, and understand; every way this can go wrong leaves as an `EngineError`."""
        deadline = time.monotonic() + total_s
        name = self.service.name
        try:
            response = client.send(request, stream=True)
            try:
                content = self._read(response, deadline)
            finally:
                response.close()
        except _NEVER_SENT as error:
            said = type(error).__name__
            raise EngineBusy(
                f"{name} cannot be reached ({said}): check the network and try again.", self.engine
            ) from None
        except httpx.HTTPError as error:
            self._unsure(f"the call to {name} broke off ({type(error).__name__})")
        body = self._parse(content)
        fault = fault_of(
            response.status_code,
            body or {},
            response.headers,
            service=name,
            sign_in=self.service.sign_in,
            engine=self.engine,
        )
        self._tell_pace(fault)
        if fault is not None:
            raise fault
        if body is None:
            self._unsure(f"{name} sent something that is not a JSON object")
        return body

    def _read(self, response: httpx.Response, deadline: float) -> bytes:
        content = bytearray()
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > JSON_MAX_BYTES:
                self._unsure(f"{self.service.name} sent a reply that is too long")
            if time.monotonic() > deadline:
                self._unsure(f"{self.service.name} was too slow to finish its reply")
        return bytes(content)

    def _unsure(self, what: str) -> NoReturn:
        raise Unsure(f"{what}: try again later.", self.engine) from None

    def _tell_pace(self, fault: EngineError | None) -> None:
        # Exactly EngineBusy is a 429 here: its subclasses are other faults.
        if type(fault) is EngineBusy:
            self.pace.refused(fault.retry_after_s)
        else:
            self.pace.accepted()

    @staticmethod
    def _parse(content: bytes) -> dict[str, Any] | None:
        try:
            body = json.loads(content, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            return None
        return body if isinstance(body, dict) else None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _wait_s(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked_s = error.retry_after_s if isinstance(error, EngineBusy) else None
    return _BACK_OFF(state) if asked_s is None else asked_s
