"""An engine that works elsewhere: the same contract, its calls served by an executor's workers."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.cost import Quote
from workbench.engines import Recipe, recipe
from workbench.engines.base import Attempt, Delivery, Engine, Outcome
from workbench.errors import Cancelled, EngineError, EngineFailed, RequestError
from workbench.executors.base import Executor, WorkerLost
from workbench.executors.work import Order, leave_word, serve, take_word
from workbench.measure import Measure
from workbench.request import AnyRequest
from workbench.take import Measurement

WORKERS_MAX = 3  # how many workers one take may take down with it
_LOOK_S = 0.2


@dataclass(frozen=True)
class Measured(Delivery):
    """A delivery whose worker measured it too."""

    measurements: tuple[Measurement, ...] = field(default=(), kw_only=True)


def placed(engine: Engine, executor: Executor, measures: Sequence[Measure]) -> Engine:
    """The engine on the executor's workers, or itself where it cannot be rebuilt there.

    Hosted engines stay: what they are about to pay for must be on the coordinator's disk first,
    and their secrets do not travel. So does an engine that `engines.engine` did not make.
    """
    known = recipe(engine)
    return engine if known is None else Placed(engine, known, executor, measures)


def meet(executor: Executor, folder: Path) -> None:
    """Have a worker write a word where it will leave audio, and read it here.

    Raises
    ------
    RequestError
        If it cannot write there, or what it wrote does not arrive: better known before an hour
        of its work is lost.
    """
    folder.mkdir(parents=True, exist_ok=True)
    storage = _storage(executor, folder)
    place = f"{storage}/{uuid.uuid4().hex}.word"
    told = "name storage that this machine and every worker reach, such as s3://bucket/incoming."
    try:
        _call_patiently(executor, leave_word, place)
        arrived = take_word(place)
    except (OSError, ImportError, ValueError) as error:
        raise RequestError(f"{storage} does not take a worker's audio ({error}): {told}") from error
    if not arrived:
        raise RequestError(f"what a worker left in {storage} is not seen here: {told}")


def _call_patiently(executor: Executor, task: Callable[..., Any], *values: Any) -> None:
    """Call a task that can be repeated, on another worker where one dies."""
    for _ in range(WORKERS_MAX - 1):
        with contextlib.suppress(WorkerLost):
            executor.call(task, *values)
            return
    executor.call(task, *values)


def _storage(executor: Executor, folder: Path) -> str:
    return executor.storage or str(folder.resolve())


class Placed:
    """An engine whose calls are served by an executor's workers."""

    def __init__(
        self, engine: Engine, known: Recipe, executor: Executor, measures: Sequence[Measure]
    ) -> None:
        self._engine, self._recipe, self._executor = engine, known, executor
        self._measures = tuple(measures)
        self.name, self.batch_max = engine.name, engine.batch_max
        self.concurrency = executor.workers
        self.is_idempotent = engine.is_idempotent

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """The engine's own: where a take was made does not decide what it is."""
        return self._engine.fingerprint

    def ready(self) -> str:
        """The engine's own line."""
        return self._engine.ready()

    def check(self, request: AnyRequest) -> None:
        """As the engine does."""
        self._engine.check(request)

    def quote(self, request: AnyRequest) -> Quote:
        """As the engine does."""
        return self._engine.quote(request)

    def batch_key(self, request: AnyRequest) -> str:
        """As the engine does."""
        return self._engine.batch_key(request)

    def generate(self, attempts: Sequence[Attempt]) -> Iterator[Outcome]:
        """Serve a batch on a worker; where the worker dies, each attempt anew and alone."""
        attempts[0].stop_if_cancelled()
        try:
            yield from self._served(attempts)
            return
        except WorkerLost:
            pass  # one of them may be to blame: each by itself shows which
        for attempt in attempts:
            yield from self._alone(attempt)

    def _alone(self, attempt: Attempt) -> Iterator[Outcome]:
        for _ in range(WORKERS_MAX - 1):
            attempt.stop_if_cancelled()
            with contextlib.suppress(WorkerLost):
                yield from self._served([attempt])
                return
        said = f"each of {WORKERS_MAX} workers died while making it; it is not tried on another."
        yield attempt, EngineFailed(said, self.name)

    def _served(self, attempts: Sequence[Attempt]) -> Iterator[Outcome]:
        folder = attempts[0].folder
        folder.mkdir(parents=True, exist_ok=True)
        order = Order(
            recipe=self._recipe,
            requests=tuple(a.request.to_json() for a in attempts),
            idempotency_keys=tuple(a.idempotency_key for a in attempts),
            measures=self._measures,
            storage=_storage(self._executor, folder),
            name=uuid.uuid4().hex,
        )
        with _cancel_flag(order, attempts[0]):
            served = self._executor.call(serve, order, is_cancelled=attempts[0].is_cancelled)
        for number, outcome in served:
            yield attempts[number], self._fetched(order, outcome, folder)

    def _fetched(self, order: Order, outcome: Any, folder: Path) -> Delivery | EngineError:
        if isinstance(outcome, Cancelled):
            raise outcome
        if isinstance(outcome, EngineError):
            return outcome
        kept, measurements = outcome
        local = order.fetch(kept.pop("audio"), folder)
        return Measured(local, **kept, measurements=tuple(measurements))


@contextlib.contextmanager
def _cancel_flag(order: Order, attempt: Attempt) -> Iterator[None]:
    """While a worker has the order: raise its flag in the shared storage once asked to stop."""
    done = threading.Event()

    def look() -> None:
        while not done.wait(_LOOK_S):
            if attempt.is_cancelled():
                order.raise_flag()
                return

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    is_given_up = False
    try:
        yield
    except Cancelled:
        is_given_up = True
        raise
    finally:
        done.set()
        looking.join()
        if not is_given_up:  # else the worker has yet to see it
            order.lower_flag()
