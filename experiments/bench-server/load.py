"""How fast does the server take jobs in, and does its memory stay flat?

One process serves over an engine that gives back a prepared clip; this one sends a steady load
over loopback, open loop: a call is due at its moment whether or not earlier ones are answered,
and is timed from that moment, so that waiting counts. At the end every accepted job is asked for.
The baseline is a server that does nothing, under the same load in the same run: what it takes is
the load generator's, the HTTP library's and the machine's.

    python experiments/bench-server/load.py [--seconds 60] [--submits 100] [--polls 500]
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import multiprocessing
import multiprocessing.connection
import random
import socket
import tempfile
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import uvicorn

from workbench.benchmark import Found, leave
from workbench.clip import Clip
from workbench.cost import Quote
from workbench.engines.base import Attempt, Delivery, Outcome
from workbench.request import AnyRequest
from workbench.server import Limits, Settings, make_key, running_server

SUBMIT = "/v1/models/acestep-ai/ace-step/text-to-audio"


class PreparedEngine:
    """Gives back one prepared clip, so that only the server is measured."""

    name = "prepared"
    concurrency = 4
    batch_max = 1
    fingerprint: Mapping[str, str] = {"engine": "prepared"}

    def __init__(self) -> None:
        self._clip = Clip(np.zeros((2, 4800), np.float32), 48_000)

    def check(self, request: AnyRequest) -> None:
        """Everything can be served."""

    def quote(self, request: AnyRequest) -> Quote:
        """Nothing costs."""
        return Quote()

    def batch_key(self, request: AnyRequest) -> str:
        """One by one."""
        return request.digest

    def generate(self, attempts: Sequence[Attempt]) -> Iterator[Outcome]:
        """The clip, at once."""
        for attempt in attempts:
            yield attempt, Delivery(audio=self._clip, sent={})


def serve(folder: str, pipe: multiprocessing.connection.Connection) -> None:
    """The server's process: tells its address, ends when told."""
    limits = Limits(submits_per_minute=10**7, active_max=10**7)
    settings = Settings(PreparedEngine(), Path(folder), limits=limits)
    with running_server(settings) as base:
        pipe.send(base)
        pipe.recv()


def do_nothing(folder: str, pipe: multiprocessing.connection.Connection) -> None:
    """The baseline's process: answers any call at once, from memory."""
    count = itertools.count()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        await receive()
        body = json.dumps({"request_id": str(next(count)), "status": "completed"}).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    config = uvicorn.Config(app, log_level="error", lifespan="off")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(2048)
        pipe.send(f"http://127.0.0.1:{listening.getsockname()[1]}")
        uvicorn.Server(config).run([listening])


class Line:
    """One kept-alive connection, spoken to in plain HTTP/1.1: the client must be cheap."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._head = f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, method: str, path: str, body: str = "") -> tuple[int, bytes]:
        """Status and body of one call."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        writer.write(f"{method} {path} HTTP/1.1\r\n{self._head}{length}\r\n{body}".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        size = head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]
        return int(head[9:12]), await reader.readexactly(int(size))

    def close(self) -> None:
        """Hang up."""
        if self._streams is not None:
            self._streams[1].close()


class Load:
    """The calls, their times and what came back."""

    def __init__(self, port: int, token: str, connections: int) -> None:
        self._lines = [Line(port, token) for _ in range(connections)]
        self._free: asyncio.Queue[Line] = asyncio.Queue()
        for line in self._lines:
            self._free.put_nowait(line)
        self._recent: deque[str] = deque(maxlen=1000)
        self._chance = random.Random(0)
        self.accepted: list[str] = []
        self.statuses: Counter[str] = Counter()
        self.submit_s: list[float] = []
        self.poll_s: list[float] = []

    async def run(self, submits: float, polls: float, seconds: float) -> None:
        """Send the load, then wait for the last answers."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pace(group, submits, seconds, self._submit))
            group.create_task(self._pace(group, polls, seconds, self._poll))

    async def _pace(self, group, rate, seconds, call) -> None:  # type: ignore[no-untyped-def]
        begin_s = time.perf_counter()
        for i in range(round(rate * seconds)):
            due_s = begin_s + i / rate
            await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
            group.create_task(call(due_s))

    async def _submit(self, due_s: float) -> None:
        body = json.dumps({"tags": "house", "duration": 5})
        line = await self._free.get()
        status, reply = await line.call("POST", SUBMIT, body)
        self._free.put_nowait(line)
        self.submit_s.append(time.perf_counter() - due_s)
        self.statuses[f"submit {status}"] += 1
        if status == 200:
            job_id = json.loads(reply)["request_id"]
            self.accepted.append(job_id)
            self._recent.append(job_id)

    async def _poll(self, due_s: float) -> None:
        if not self._recent:
            return
        path = f"/v1/requests/{self._chance.choice(self._recent)}/status"
        line = await self._free.get()
        status, _ = await line.call("GET", path)
        self._free.put_nowait(line)
        self.poll_s.append(time.perf_counter() - due_s)
        self.statuses[f"poll {status}"] += 1

    async def states(self) -> Counter[str]:
        """The state of every accepted job, asked for until none is under way (at most 120 s)."""
        line = self._lines[0]
        left, found = list(self.accepted), Counter[str]()
        deadline = time.monotonic() + 120
        while left and time.monotonic() < deadline:
            waiting = []
            for job_id in left:
                _, reply = await line.call("GET", f"/v1/requests/{job_id}/status")
                state = json.loads(reply).get("status", "lost")
                if state in {"in_queue", "in_progress"}:
                    waiting.append(job_id)
                else:
                    found[state] += 1
            left = waiting
            await asyncio.sleep(0.2)
        found["unfinished"] += len(left)
        return found

    def close(self) -> None:
        """Hang up all lines."""
        for line in self._lines:
            line.close()


def _quantiles_ms(times_s: list[float]) -> dict[str, float]:
    shares = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    found = {k: round(float(np.quantile(times_s, q)) * 1000, 1) for k, q in shares.items()}
    return {"n": len(times_s), **found}


async def _measure(
    arguments: argparse.Namespace, port: int, token: str, pid: int
) -> dict[str, Any]:
    server = psutil.Process(pid)
    load = Load(port, token, arguments.connections)
    memory_mib: list[float] = []

    async def watch() -> None:
        while True:
            memory_mib.append(server.memory_info().rss / 2**20)
            await asyncio.sleep(1)

    # A second of half the load first: imports, caches and connections are not the question.
    await load.run(arguments.submits / 2, arguments.polls / 2, 1)
    load.submit_s.clear()
    load.poll_s.clear()
    watcher = asyncio.create_task(watch())
    began_s, core_began_s = time.perf_counter(), sum(server.cpu_times()[:2])
    await load.run(arguments.submits, arguments.polls, arguments.seconds)
    wall_s = time.perf_counter() - began_s
    core_s = sum(server.cpu_times()[:2]) - core_began_s
    watcher.cancel()
    states = await load.states()
    load.close()
    return {
        "asked": vars(arguments),
        "wall_s": round(wall_s, 2),
        "server_core_s": round(core_s, 2),
        "submit_ms": _quantiles_ms(load.submit_s),
        "poll_ms": _quantiles_ms(load.poll_s),
        "answers": dict(load.statuses),
        "accepted": len(load.accepted),
        "distinct": len(set(load.accepted)),
        "ended": dict(states),
        "memory_mib": [round(m) for m in memory_mib],
    }


def loaded(arguments: argparse.Namespace, serving: Callable[..., None]) -> dict[str, Any]:
    """One server in a process of its own under the load, and what came of it."""
    with tempfile.TemporaryDirectory() as folder:
        token = make_key(Path(folder), "load", balance_usd=10**6)
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serving, args=(folder, theirs), daemon=True)
        process.start()
        port = int(ours.recv().rsplit(":", 1)[1])
        try:
            return asyncio.run(_measure(arguments, port, token, process.pid or 0))
        finally:
            ours.send("end")
            process.join(0 if serving is do_nothing else 20)
            process.kill()
            process.join()


def main() -> None:
    """Load both servers in turn, see that no job was lost, report."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--submits", type=float, default=100)
    parser.add_argument("--polls", type=float, default=500)
    parser.add_argument("--connections", type=int, default=200)
    arguments = parser.parse_args()
    bare, ours = loaded(arguments, do_nothing), loaded(arguments, serve)
    found = []
    for call, goal_ms in (("submit", 100), ("poll", None)):
        for share, goal in (("p50", None), ("p99", goal_ms)):
            alone = f"{call} {share}, bare server"
            found.append(Found(alone, [bare[f"{call}_ms"][share]], "ms"))
            value = ours[f"{call}_ms"][share]
            found.append(Found(f"{call} {share}", [value], "ms", alone, at_most=goal))
    found.append(Found("memory, second by second", ours["memory_mib"], "MiB"))
    found.append(Found("server", [ours["server_core_s"] / ours["wall_s"]], "cores"))
    lost = ours["accepted"] - ours["ended"].get("completed", 0)
    twice = ours["accepted"] - ours["distinct"]
    found.append(Found("jobs lost", [lost], "jobs", at_most=0))
    found.append(Found("jobs under an id of another", [twice], "jobs", at_most=0))
    rate = f"{arguments.submits:g} submits and {arguments.polls:g} polls a second"
    print(f"{ours['accepted']} jobs accepted; answers: {ours['answers']}")
    leave("server", f"Does the server hold {rate} for {arguments.seconds:g} s?", found)


if __name__ == "__main__":
    main()
