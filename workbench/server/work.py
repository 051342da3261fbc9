"""The workers: threads that take queued jobs through the engine, off the event loop."""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from workbench.engines.base import Attempt
from workbench.errors import Cancelled, EngineError, EngineFailed, WorkbenchError
from workbench.request import Request, request_from_json
from workbench.server import jobs, outputs
from workbench.server.compiler import Compiled
from workbench.server.database import Database
from workbench.server.settings import Settings

T = TypeVar("T")

_log = logging.getLogger(__name__)
_COMPILER_MAX_S = 10.0
_STOP_MAX_S = 10.0


class Work:
    """A bounded pool of workers over one engine.

    Parameters
    ----------
    settings : Settings
    database : Database
    """

    def __init__(self, settings: Settings, database: Database) -> None:
        self._settings = settings
        self._database = database
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._running: dict[str, threading.Event] = {}
        self._stopping = False
        self.outputs = _made(settings.folder / "outputs")
        self.sources = _made(settings.folder / "sources")
        self._threads = [
            threading.Thread(target=self._work, name=f"worker-{i}", daemon=True)
            for i in range(settings.worker_count)
        ]

    def start(self) -> None:
        """Go on with what an earlier run left, then serve what comes."""
        queued = self._database.write(jobs.recover).result()
        for path in self.outputs.glob("*.part"):
            path.unlink()
        for path in self.sources.iterdir():
            if path.name not in set(queued):
                path.unlink()
        for job_id in queued:
            self.put(job_id)
        for thread in self._threads:
            thread.start()

    def put(self, job_id: str) -> None:
        """Have a queued job done when its turn comes."""
        self._queue.put(job_id)

    def cancel(self, job_id: str) -> None:
        """Ask a running job to stop; it does when the engine next looks."""
        event = self._running.get(job_id)
        if event is not None:
            event.set()

    def stop(self) -> None:
        """Stop soon; what is running stays marked so and is done again by the next run."""
        self._stopping = True
        for event in list(self._running.values()):
            event.set()
        for _ in self._threads:
            self._queue.put(None)
        deadline = time.monotonic() + _STOP_MAX_S
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def drop_expired(self) -> None:
        """Delete the files whose time is over."""
        for name in self._database.write(jobs.drop_expired).result():
            (self.outputs / name).unlink(missing_ok=True)

    def _work(self) -> None:
        while (job_id := self._queue.get()) is not None and not self._stopping:
            cancelled = self._running[job_id] = threading.Event()
            try:
                self._do(job_id, cancelled)
            except Exception:  # noqa: BLE001
                # The worker must outlive whatever a job does; the next start tries it again.
                _log.exception("job %s was left unfinished", job_id)
            finally:
                del self._running[job_id]

    def _do(self, job_id: str, cancelled: threading.Event) -> None:
        job = self._write(lambda c: jobs.claim(c, job_id))
        if job is None:
            return
        try:
            name = self._make(job, cancelled)
        except Cancelled:
            if self._stopping:
                return
            self._write(lambda c: jobs.end_unpaid(c, job, "cancelled"))
        except WorkbenchError as error:
            said = str(error)
            self._write(lambda c: jobs.end_unpaid(c, job, "failed", said))
        except Exception:  # noqa: BLE001  an engine may raise anything
            _log.exception("job %s failed", job.id)
            said = "the engine broke; the fault is in the server's log."
            self._write(lambda c: jobs.end_unpaid(c, job, "failed", said))
        else:
            retention_s = self._settings.limits.retention_s
            self._write(lambda c: jobs.complete(c, job, name, retention_s))
        (self.sources / job.id).unlink(missing_ok=True)

    def _make(self, job: jobs.Job, cancelled: threading.Event) -> str:
        """The job's file, by name."""
        started_s = time.monotonic()
        wish = request_from_json(json.loads(job.wish))
        if job.to_compile and isinstance(wish, Request):
            wish = self._compiled(job, wish)
        attempt = Attempt(wish, idempotency_key=job.id, is_cancelled=cancelled.is_set)
        result = next((result for _, result in self._settings.engine.generate([attempt])), None)
        if isinstance(result, EngineError):
            raise result
        if result is None:
            raise EngineFailed("the engine delivered nothing.", self._settings.engine.name)
        name = outputs.save(result.audio, self.outputs, job)
        if cancelled.wait(max(0.0, started_s + self._settings.faults.job_s - time.monotonic())):
            attempt.stop_if_cancelled()
        return name

    def _compiled(self, job: jobs.Job, wish: Request) -> Request:
        """The wish as the compiler worded it, or as it is if compiling fails."""
        if job.compiled is not None:
            return _reworded(wish, json.loads(job.compiled))
        compiler = self._settings.compiler
        said = {
            "prompt": wish.tags,
            "lyrics": wish.lyrics,
            "vocal_language": wish.language or "en",
            "compiler_used": False,
            "compiler_model": compiler.name,
            "compiler_mode": "instrumental" if wish.instrumental else "vocal",
        }
        try:
            compiled = _within(
                _COMPILER_MAX_S,
                lambda: compiler.compile(
                    wish.tags, duration_s=wish.duration_s, instrumental=wish.instrumental
                ),
            )
            better = said | _spoken(compiled)
            self._settings.engine.check(_reworded(wish, better))
            said = better
        except Exception as error:  # noqa: BLE001
            # Best effort by contract: a compiler's fault never costs the job.
            _log.warning("compiling job %s failed, the plain wish is used: %r", job.id, error)
        self._write(lambda c: jobs.keep_compiled(c, job.id, json.dumps(said)))
        return _reworded(wish, said)

    def _write(self, act: Callable[..., T]) -> T:
        return self._database.write(act).result()


def _spoken(compiled: Compiled) -> dict[str, object]:
    """A compiler's answer in the contract's words."""
    fields = compiled._asdict()
    fields["compiler_mode"] = fields.pop("mode")
    fields["compiler_used"] = True
    return {name: value for name, value in fields.items() if value is not None}


def _reworded(wish: Request, said: dict[str, object]) -> Request:
    return wish.but(
        tags=said["prompt"],
        lyrics=said["lyrics"],
        language=said["vocal_language"],
        tempo_bpm=said.get("bpm"),
    )


def _within(seconds: float, act: Callable[[], T]) -> T:
    """What `act` returns, or TimeoutError; a thread that hangs is left behind."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(act())
        except BaseException as error:  # noqa: BLE001  the future carries it
            future.set_exception(error)

    threading.Thread(target=run, name="compiler", daemon=True).start()
    return future.result(seconds)


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
