"""A server on loopback over an engine that a test can hold, break and listen to."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from workbench.clip import Clip
from workbench.cost import Quote
from workbench.engines.base import Attempt, Delivery, Outcome
from workbench.errors import EngineFailed, RequestError
from workbench.request import AnyRequest, Inpaint, Outpaint, Request
from workbench.server import Settings, make_key, running_server

RATE_HZ = 48_000


def sine(duration_s: float, pitch_hz: float = 440.0, rate_hz: int = RATE_HZ) -> Clip:
    """A mono sine at half scale."""
    times_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    return Clip((0.5 * np.sin(2 * np.pi * pitch_hz * times_s)).astype(np.float32), rate_hz)


class SineEngine:
    """Sings one pitch. `hold()` keeps it from finishing, some tags make it fail."""

    name = "sine"
    concurrency = 1
    batch_max = 1
    is_idempotent = True
    fingerprint: Mapping[str, str] = {"engine": "sine"}

    def __init__(self) -> None:
        self.seen: list[AnyRequest] = []
        self._free = threading.Event()
        self._free.set()

    def hold(self) -> None:
        self._free.clear()

    def release(self) -> None:
        self._free.set()

    def ready(self) -> str:
        return "one pitch"

    def check(self, request: AnyRequest) -> None:
        if "impossible" in request.tags:
            raise RequestError("sine cannot do the impossible.")

    def quote(self, request: AnyRequest) -> Quote:
        return Quote()

    def batch_key(self, request: AnyRequest) -> str:
        return request.digest

    def generate(self, attempts: Sequence[Attempt]) -> Iterator[Outcome]:
        for attempt in attempts:
            self.seen.append(attempt.request)
            while not self._free.wait(0.01):
                attempt.stop_if_cancelled()
            if "crash" in attempt.request.tags:
                raise ZeroDivisionError("secret detail")
            if "broken" in attempt.request.tags:
                yield attempt, EngineFailed("the sine broke.", "sine")
            else:
                yield attempt, Delivery(audio=_sung(attempt.request), sent={})


def _sung(request: AnyRequest) -> Clip:
    if isinstance(request, Request):
        return sine(request.duration_s)
    source = request.source.read()
    if isinstance(request, Inpaint):
        return source
    assert isinstance(request, Outpaint)
    before, after = (sine(s, rate_hz=source.rate_hz) for s in (request.before_s, request.after_s))
    parts = [before.samples, source.samples[:1], after.samples]
    return Clip(np.concatenate(parts, axis=1), source.rate_hz)


class Api:
    """One server as a client with one key sees it; `files` calls without the key."""

    def __init__(self, base_url: str, folder: Path, token: str) -> None:
        self.base_url = base_url
        self.folder = folder
        # Loopback speaks plain http, so the slow loading of certificates is left out.
        self.http = httpx.Client(
            base_url=base_url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            verify=False,
        )
        self.files = httpx.Client(verify=False, timeout=30)

    def __enter__(self) -> "Api":
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()
        self.files.close()

    def as_key(self, token: str) -> "Api":
        return Api(self.base_url, self.folder, token)

    def get(self, path: str, **options: Any) -> httpx.Response:
        return self.http.get(path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        return self.http.post(path, json=body, **options)

    def submit(self, model: str = "acestep-ai/ace-step/text-to-audio", **inputs: Any) -> str:
        """Id of a new RunComfy request."""
        inputs = inputs or {"tags": "house", "duration": 5}
        reply = self.post(f"/v1/models/{model}", inputs)
        assert reply.status_code == 200, reply.text
        return str(reply.json()["request_id"])

    def generate(self, **inputs: Any) -> str:
        """Id of a new SkyStudio job."""
        reply = self.post("/api/v1/generate", sky(**inputs))
        assert reply.status_code == 200, reply.text
        return str(reply.json()["id"])

    def result(self, request_id: str) -> dict[str, Any]:
        return dict(self.get(f"/v1/requests/{request_id}/result?include_cost=true").json())

    def job(self, job_id: str) -> dict[str, Any]:
        return dict(self.get(f"/api/v1/jobs/{job_id}").json())

    def finished(self, request_id: str) -> dict[str, Any]:
        """The result once it is over."""
        return until(lambda: self.result(request_id), lambda r: r["status"] not in RUNNING)

    def finished_job(self, job_id: str) -> dict[str, Any]:
        return until(lambda: self.job(job_id), lambda r: r["status"] not in RUNNING)


RUNNING = {"in_queue", "in_progress", "submitted", "running"}


def until(
    ask: Callable[[], dict[str, Any]], done: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """What `ask` says once it is `done`, within 20 s."""
    deadline = time.monotonic() + 20
    while not done(said := ask()):
        assert time.monotonic() < deadline, said
        time.sleep(0.01)
    return said


def sky(prompt: str = "house", duration: float = 10, **inputs: Any) -> dict[str, Any]:
    """A body for /api/v1/generate; wav is quickest to write."""
    wish = {"prompt": prompt, "duration": duration, "format": "wav", **inputs}
    return {"model": "ace-step-1.5", "input": wish}


@pytest.fixture
def engine() -> SineEngine:
    return SineEngine()


Start = Callable[..., Api]


@pytest.fixture
def start(engine: SineEngine, tmp_path: Path) -> Iterator[Start]:
    """Start a server with these settings; its key has 10 USD and 1000 credits."""
    with ExitStack() as stack:

        def begin(*, is_open: bool = False, **settings: Any) -> Api:
            folder = settings.pop("folder", tmp_path / "server")
            settings.setdefault("engine", engine)
            token = "any" if is_open else make_key(folder, "test", balance_usd=10, credits=1000)
            running: AbstractContextManager[str] = running_server(
                Settings(folder=folder, **settings)
            )
            api = Api(stack.enter_context(running), folder, token)
            return stack.enter_context(api)

        yield begin
        engine.release()


@pytest.fixture
def api(start: Start) -> Api:
    return start()
