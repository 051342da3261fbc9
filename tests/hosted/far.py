"""A far side that misbehaves on request: both hosted contracts on raw sockets.

It keeps the ground truth that no client can see: which submits were accepted, what each call
carried. `Far.faults` maps a route to what happens to its next calls, one entry per call; None
lets a call through.
"""

from __future__ import annotations

import io
import json
import socket
import socketserver
import struct
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import soundfile as sf

RESET = None
Reply = bytes | None
Fault = Callable[["Far", Callable[[], bytes]], Reply]
ROUTES = (
    ("POST", "/v1/models/", "submit"),
    ("GET", "/v1/models/", "price"),
    ("POST", "/v1/requests/", "cancel"),
    ("POST", "/sky/generate", "sky-submit"),
    ("POST", "/sky/jobs/", "sky-cancel"),
    ("GET", "/sky/jobs/", "sky-job"),
    ("GET", "/files/", "file"),
    ("GET", "/prod/v2/balance", "balance"),
    ("POST", "/cli/start", "start"),
    ("POST", "/cli/poll", "poll"),
)


@dataclass
class Call:
    """One call as it arrived."""

    route: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"null")


@dataclass
class Job:
    """One accepted submit."""

    id: str
    key: str
    ready_at: float
    state: str = ""


def tone(duration_s: float = 1.0, rate_hz: int = 16_000) -> bytes:
    """A wav file."""
    buffer = io.BytesIO()
    samples = 0.3 * np.sin(np.arange(int(duration_s * rate_hz)) * 0.17)
    sf.write(buffer, samples, rate_hz, format="WAV")
    return buffer.getvalue()


def http(status: int, body: Any, headers: dict[str, str] | None = None) -> bytes:
    """A whole HTTP reply; `body` is bytes or JSON data."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


@dataclass
class Far:
    """The far side's state and truth."""

    service_s: float = 0.0
    file: bytes = field(default_factory=tone)
    cost: Any = 0.0123
    price: dict[str, Any] = field(default_factory=dict)
    base: str = ""
    link: str = ""
    calls: list[Call] = field(default_factory=list)
    jobs: dict[str, Job] = field(default_factory=dict)
    faults: dict[str, deque[Fault | None]] = field(default_factory=lambda: defaultdict(deque))
    lock: threading.Lock = field(default_factory=threading.Lock)
    active: int = 0
    most_active: int = 0

    def count(self, route: str) -> int:
        """How many calls of a route arrived."""
        return sum(call.route == route for call in self.calls)

    def next_fails(self, route: str, *faults: Fault | None) -> None:
        """What happens to the next calls of a route."""
        self.faults[route].extend(faults)

    def handle(self, call: Call) -> Reply:
        with self.lock:
            self.calls.append(call)
            script = self.faults[call.route]
            fault = script.popleft() if script else None
        answer = getattr(self, "_" + call.route.replace("-", "_"))
        if fault is None:
            return http(*answer(call))
        return fault(self, lambda: http(*answer(call)))

    def _accept(self, key: str) -> Job:
        with self.lock:
            job = Job(f"job-{len(self.jobs)}", key, time.monotonic() + self.service_s)
            self.jobs[job.id] = job
            live = sum(1 for j in self.jobs.values() if self._word(j) == "running")
            self.most_active = max(self.most_active, live)
            return job

    @staticmethod
    def _word(job: Job) -> str:
        return job.state or ("completed" if time.monotonic() >= job.ready_at else "running")

    def _link(self, job: Job) -> str:
        return self.link or f"{self.base}/files/{job.id}.wav?signature=s3cr3t"

    def _submit(self, call: Call) -> tuple[int, Any]:
        return 200, {"request_id": self._accept("").id, "status_url": "http://elsewhere.example/"}

    def _price(self, call: Call) -> tuple[int, Any]:
        model = call.path.removeprefix("/v1/models/")
        known = {"model_id": model, "base_price_usd": 0.0002, "price_unit": "second"}
        return 200, {**known, **self.price}

    def _status(self, call: Call) -> tuple[int, Any]:
        job = self.jobs.get(call.path.split("/")[3])
        if job is None:
            return 404, {"error_code": 404001, "error_message": "no such request"}
        word = self._word(job)
        return 200, {"status": "In_Progress" if word == "running" else word, "queue_position": 2}

    def _result(self, call: Call) -> tuple[int, Any]:
        job = self.jobs[call.path.split("/")[3]]
        word = self._word(job)
        reply: dict[str, Any] = {"request_id": job.id, "status": word, "created_at": "x"}
        if self.cost is not None:
            reply["cost"] = self.cost
        if word == "completed":
            reply["output"] = {"audio": self._link(job), "audios": [self._link(job)]}
        else:
            reply["error"] = {"message": "out of memory"}
        return 200, reply

    def _cancel(self, call: Call) -> tuple[int, Any]:
        job = self.jobs[call.path.split("/")[3]]
        if job.state == "in_queue":
            job.state = "cancelled"
            return 200, {"status": "cancelled", "outcome": "cancelled"}
        return 200, {"status": "in_progress", "outcome": "not_cancellable"}

    def _sky_submit(self, call: Call) -> tuple[int, Any]:
        key = call.headers.get("idempotency-key", "")
        for job in self.jobs.values():
            if key and job.key == key:
                error = {"code": "IDEMPOTENCY_CONFLICT", "message": "Duplicate idempotency key"}
                return 409, {"error": {**error, "details": {"existing_job_id": job.id}}}
        seconds = call.json["input"].get("duration", 30)
        job = self._accept(key)
        return 200, {"id": job.id, "status": "submitted", "estimated_credits": seconds}

    def _sky_job(self, call: Call) -> tuple[int, Any]:
        job = self.jobs.get(call.path.split("/")[3])
        if job is None:
            return 404, {"error": {"code": "NOT_FOUND", "message": "no such job"}}
        word = self._word(job)
        reply: dict[str, Any] = {"id": job.id, "status": word}
        if word == "completed":
            compiled = {"prompt": "warm", "lyrics": "[Intro]", "compiler_used": True}
            reply |= {"output_url": self._link(job), "billed_credits": 30}
            reply |= {"compiled_input": compiled}
        if word == "failed":
            reply |= {"error_message": "worker died", "billed_credits": 7}
        return 200, reply

    def _sky_cancel(self, call: Call) -> tuple[int, Any]:
        job = self.jobs[call.path.split("/")[3]]
        job.state = "cancelled"
        return 200, {"id": job.id, "status": "cancelled"}

    def _file(self, call: Call) -> tuple[int, Any]:
        return 200, self.file

    def _balance(self, call: Call) -> tuple[int, Any]:
        return 200, {"balance_usd": 12.5, "currency": "USD"}

    def _models(self, call: Call) -> tuple[int, Any]:
        offset = int(call.path.split("offset=")[1])
        rows = [{"model_id": f"a/b/{n}"} for n in range(offset, min(offset + 100, 250))]
        return 200, {"models": rows, "total": 250}

    def _start(self, call: Call) -> tuple[int, Any]:
        reply = {"device_code": "device-123456", "user_code": "AB-12", "expires_in": 60}
        return 200, {**reply, "verify_url": "https://example.com/verify", "poll_interval": 0.05}

    def _poll(self, call: Call) -> tuple[int, Any]:
        return 200, {"status": "authorized", "access_token": "tok-from-login"}


def route_of(method: str, path: str) -> str:
    """The name of the contract's call that this is."""
    if path.startswith("/v1/models?"):
        return "models"
    if method == "GET" and path.startswith("/v1/requests/"):
        return path.split("?")[0].rsplit("/", 1)[1]
    return next(name for verb, start, name in ROUTES if verb == method and path.startswith(start))


class _Handler(socketserver.StreamRequestHandler):
    timeout = 20
    disable_nagle_algorithm = True

    def handle(self) -> None:
        while True:
            first = self.rfile.readline().decode().split()
            if len(first) < 2:
                return
            headers: dict[str, str] = {}
            while line := self.rfile.readline().strip().decode():
                name, _, value = line.partition(":")
                headers[name.lower()] = value.strip()
            body = self.rfile.read(int(headers.get("content-length", 0)))
            far: Far = self.server.far  # type: ignore[attr-defined]
            call = Call(route_of(*first[:2]), first[0], first[1], headers, body)
            reply = far.handle(call)
            if reply is RESET:
                # Zero linger makes the kernel send RST instead of a tidy end.
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
                return
            self.wfile.write(reply)
            if b"Connection: close" in reply[:400]:
                return


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what the tests are about."""


@contextmanager
def running_far(**state: Any) -> Iterator[Far]:
    """A far side on a free loopback port."""
    far = Far(**state)
    server = _Server(("127.0.0.1", 0), _Handler)
    server.far = far  # type: ignore[attr-defined]
    far.base = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield far
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# --- faults --------------------------------------------------------------------------------------


def reset_before(far: Far, normal: Callable[[], bytes]) -> Reply:
    """The connection breaks before anything was done."""
    return RESET


def reset_after(far: Far, normal: Callable[[], bytes]) -> Reply:
    """The call is carried out, then the connection breaks."""
    normal()
    return RESET


def accepted_but(reply: bytes) -> Fault:
    """The call is carried out, and answered like this."""

    def fault(far: Far, normal: Callable[[], bytes]) -> Reply:
        normal()
        return reply

    return fault


def answers(status: int, body: Any = None, **headers: str) -> Fault:
    """The call is not carried out, but answered like this."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda far, normal: http(status, {} if body is None else body, named)


def cut(far: Far, normal: Callable[[], bytes]) -> Reply:
    """The reply ends half way, though its length was announced."""
    whole = normal()
    head = whole.index(b"\r\n\r\n") + 4
    closing = whole[: head - 2] + b"Connection: close\r\n\r\n"
    return closing + whole[head : head + (len(whole) - head) // 2]


def slow(wait_s: float) -> Fault:
    """The call is carried out, and answered late."""

    def fault(far: Far, normal: Callable[[], bytes]) -> Reply:
        whole = normal()
        time.sleep(wait_s)
        return whole

    return fault


HTML = answers(200, b"<html><title>Sign in</title></html>", Content_Type="text/html")
