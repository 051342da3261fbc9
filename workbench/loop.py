"""The loop that spends: jobs go to engines in threads, outcomes come back to one writer.

Rounds (one seed across every other axis and engine) are admitted whole or not at all, so that a
run which ends early for lack of budget leaves comparisons balanced. An intent is on disk before
an engine may send anything; a job id is on disk before an engine polls for it.
"""

from __future__ import annotations

import heapq
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from decimal import Decimal

from workbench.clip import Clip
from workbench.cost import Ledger, Quote
from workbench.engines.base import Attempt, Delivery, Engine, Event
from workbench.errors import (
    AudioError,
    BudgetError,
    Cancelled,
    EngineBusy,
    EngineError,
    EngineFailed,
    OutcomeUnknown,
)
from workbench.executors import ExecutorLost
from workbench.executors.placed import Measured
from workbench.measure import Measure, Subject
from workbench.progress import Progress, Watch
from workbench.records import Place
from workbench.store import Store
from workbench.take import State, Take

log = logging.getLogger(__name__)

BUSY_TRIES = 5
_BUSY_WAIT_S = 1.0
_TICK_S = 0.1
_LOOK_AHEAD = 8  # batches' worth of jobs that a batch may pass over for its like


@dataclass(eq=False)
class Job:
    """A place that needs a take. `take` is set where an earlier run began it."""

    place: Place
    engine: Engine
    quote: Quote
    take: Take | None = None
    tries: int = 0
    began: float = 0.0
    share: float = 0.0

    @property
    def take_id(self) -> int:
        """Number of the take; only asked for once it is started."""
        assert self.take is not None
        return self.take.id


@dataclass(eq=False)
class _Lane:
    """One engine's queue of jobs and its threads; jobs to try again wait apart, by their time."""

    engine: Engine
    pool: ThreadPoolExecutor
    waiting: deque[Job] = field(default_factory=deque)
    delayed: list[tuple[float, int, Job]] = field(default_factory=list)
    busy: int = 0

    def next_batch(self, now: float, admit: Callable[[str], bool]) -> list[Job]:
        """The next jobs that may share one call, taken from the queue; empty if none may start.

        `admit` says whether the budget covers a round; without cover no job of it is taken.
        """
        if self.busy >= self.engine.concurrency:
            return []
        if self.delayed and self.delayed[0][0] <= now:
            return [heapq.heappop(self.delayed)[2]]
        if not self.waiting or not admit(self.waiting[0].place.round):
            return []
        batch = [self.waiting.popleft()]
        passed_over: list[Job] = []
        key = self.engine.batch_key(batch[0].place.request)
        while (
            len(batch) < self.engine.batch_max
            and len(passed_over) < _LOOK_AHEAD * self.engine.batch_max
            and self.waiting
            and admit(self.waiting[0].place.round)
        ):
            job = self.waiting.popleft()
            is_alike = self.engine.batch_key(job.place.request) == key
            (batch if is_alike else passed_over).append(job)
        self.waiting.extendleft(reversed(passed_over))
        return batch

    def put_back(self, job: Job, not_before: float) -> None:
        """Queue a job for another try at `not_before` on the monotonic clock."""
        heapq.heappush(self.delayed, (not_before, id(job), job))

    def clear(self) -> None:
        """Forget all that has not started."""
        self.waiting.clear()
        self.delayed.clear()


class Loop:
    """One run over some jobs.

    Parameters
    ----------
    store : Store
        Held by `Store.coordinate` for as long as the loop runs.
    jobs : sequence of Job
        In the order in which they should start, round by round.
    ledger : Ledger
    measures : sequence of Measure
        Asked of each take as soon as it is kept.
    watch : callable
        Told of every change.
    stop : threading.Event
        Set from anywhere to cancel; what is done stays.
    hold : threading.Event
        While it is set nothing new starts; what is under way goes on.
    found : int
        Places that need nothing, for the display.

    Attributes
    ----------
    ended : dict
        How many takes of this run ended in each state.
    errors : dict
        The first error of each kind.
    stopped : str
        Why the run ended early; empty if it did not.
    """

    def __init__(
        self,
        store: Store,
        jobs: Sequence[Job],
        ledger: Ledger,
        *,
        measures: Sequence[Measure],
        watch: Watch,
        stop: threading.Event,
        hold: threading.Event,
        found: int,
    ) -> None:
        self.store, self.ledger, self.measures = store, ledger, measures
        self.watch, self.stop, self.hold, self.found = watch, stop, hold, found
        self.jobs = list(jobs)
        self.ended: dict[State, int] = dict.fromkeys(State, 0)
        self.errors: dict[type, EngineError | Cancelled] = {}
        self.stopped = ""
        self._uncovered = ""
        self._lanes: list[_Lane] = []
        self._under_way: set[Job] = set()
        self._admitted: set[str] = set()
        self._round_quotes: dict[str, list[Decimal]] = {}
        for job in self.jobs:
            self._round_quotes.setdefault(job.place.round, []).append(job.quote.amount_usd)
        self._news: queue.SimpleQueue[tuple[Job, Delivery | EngineError | Cancelled] | _Lane] = (
            queue.SimpleQueue()
        )
        self._began = time.monotonic()

    def run(self) -> None:
        """Serve every job, or stop as asked; an interrupt (Ctrl-C) counts as being asked."""
        with ExitStack() as pools:
            self._lanes = [self._lane(engine, pools) for engine in _engines(self.jobs)]
            while self._lanes and self._is_open():
                try:
                    self._dispatch()
                    self._hear()
                except KeyboardInterrupt:
                    if self.stop.is_set():
                        raise
                    self.stop.set()
        self._tell()

    def _lane(self, engine: Engine, pools: ExitStack) -> _Lane:
        pool = pools.enter_context(ThreadPoolExecutor(engine.concurrency, engine.name))
        waiting = deque(job for job in self.jobs if job.engine is engine)
        return _Lane(engine, pool, waiting)

    def _is_open(self) -> bool:
        return any(lane.waiting or lane.delayed or lane.busy for lane in self._lanes)

    # Starting

    def _dispatch(self) -> None:
        if self.stop.is_set():
            self._give_up("cancelled; run it again to go on")
        if self.hold.is_set():
            return
        for lane in self._lanes:
            while batch := lane.next_batch(time.monotonic(), self._admit):
                self._start(lane, batch)
        # What is under way may cost less than it was quoted: only then is it sure.
        waiting = next((lane.waiting[0] for lane in self._lanes if lane.waiting), None)
        if waiting and not any(lane.busy for lane in self._lanes):
            self._give_up(self._uncovered)

    def _admit(self, round_: str) -> bool:
        """Promise a whole round's quotes, once; False if the budget does not cover it."""
        if round_ in self._admitted:
            return True
        quotes = self._round_quotes[round_]
        try:
            self.ledger.reserve(Quote(amount_usd=sum(quotes, Decimal(0))))
        except BudgetError as error:
            self._uncovered = (
                f"the next round of {len(quotes)} takes may cost {error.needed_usd:.6f} USD and "
                f"{error.left_usd:.6f} USD of the budget is left; raise the budget to go on"
            )
            return False
        self._admitted.add(round_)
        return True

    def _give_up(self, why: str) -> None:
        self.stopped = self.stopped or why
        for lane in self._lanes:
            lane.clear()

    def _start(self, lane: _Lane, batch: list[Job]) -> None:
        for job in batch:
            if job.take is None:
                job.take = self.store.start_take(
                    job.place.request, lane.engine.name, lane.engine.fingerprint, job.quote
                )
            job.tries += 1
            job.began = time.monotonic()
        self._under_way.update(batch)
        lane.busy += 1
        lane.pool.submit(self._serve, lane, batch)
        self._tell()

    # In an engine's thread

    def _serve(self, lane: _Lane, batch: list[Job]) -> None:
        open_jobs = {id(attempt): (attempt, job) for attempt, job in map(self._attempt, batch)}
        try:
            attempts = [attempt for attempt, _ in open_jobs.values()]
            for attempt, outcome in lane.engine.generate(attempts):
                self._news.put((open_jobs.pop(id(attempt))[1], outcome))
            error: EngineError | Cancelled = EngineFailed("nothing came back.", lane.engine.name)
        except (EngineError, Cancelled) as raised:
            error = raised
        except Exception as raised:
            # Whatever an engine breaks on must not take the other takes down with it.
            log.exception("engine %s broke", lane.engine.name)
            error = EngineFailed(f"{type(raised).__name__}: {raised}", lane.engine.name)
        for _, job in open_jobs.values():
            self._news.put((job, error))
        self._news.put(lane)

    def _attempt(self, job: Job) -> tuple[Attempt, Job]:
        take = self.store.take(job.take_id)

        def tell(event: Event) -> None:
            if event.kind == "intent":
                self.store.note_intent(take.id, event.data["sent"])
            elif event.kind == "submitted":
                self.store.note_submitted(take.id, event.data["remote_id"])
            else:
                job.share = float(event.data["share"])

        attempt = Attempt(
            job.place.request,
            take.idempotency_key,
            remote_id=take.remote_id or None,
            intended=self.store.intended(take.id),
            tell=tell,
            is_cancelled=self.stop.is_set,
            folder=self.store.audio.incoming,
        )
        return attempt, job

    # Hearing back

    def _hear(self) -> None:
        try:
            news = self._news.get(timeout=_TICK_S)
        except queue.Empty:
            self._tell()
            return
        if isinstance(news, _Lane):
            news.busy -= 1
            return
        job, outcome = news
        if isinstance(outcome, EngineBusy) and self._again(job, outcome):
            return
        try:
            self._settle(job, outcome)
        finally:
            self._under_way.discard(job)
            self._tell()

    def _again(self, job: Job, busy: EngineBusy) -> bool:
        """Queue a job for another try after a passing fault, unless it had enough of them."""
        if job.tries >= BUSY_TRIES or self.stop.is_set() or self.stopped:
            return False
        backoff_s = busy.retry_after_s or _BUSY_WAIT_S * 2 ** (job.tries - 1)
        self._under_way.discard(job)
        lane = next(lane for lane in self._lanes if lane.engine is job.engine)
        lane.put_back(job, time.monotonic() + backoff_s)
        return True

    def _settle(self, job: Job, outcome: Delivery | EngineError | Cancelled) -> None:
        if isinstance(outcome, Delivery):
            self._keep(job, outcome)
            return
        self.errors.setdefault(type(outcome), outcome)
        if isinstance(outcome, ExecutorLost):
            self._give_up(str(outcome).removesuffix("."))
        state = self._state_after(job, outcome)
        charge = outcome.charge if isinstance(outcome, EngineFailed) else None
        if state is State.SUBMITTED:
            reason = f"{outcome} The job {self.store.take(job.take_id).remote_id} may still run."
            self.store.leave_open(job.take_id, reason)
        else:
            self.store.end_take(job.take_id, state, str(outcome), charge)
        cost_usd = charge.amount_usd if charge else Decimal(0)
        still_counts = state in (State.UNKNOWN, State.SUBMITTED)
        self.ledger.settle(job.quote, job.quote.amount_usd if still_counts else cost_usd)
        self.ended[state] += 1

    def _state_after(self, job: Job, error: EngineError | Cancelled) -> State:
        if isinstance(error, OutcomeUnknown):
            return State.UNKNOWN
        is_passing = isinstance(error, EngineBusy) or (
            isinstance(error, Cancelled) and not error.job_ended
        )
        if is_passing and self.store.take(job.take_id).remote_id:
            return State.SUBMITTED  # resumed by its id next time
        return State.CANCELLED if isinstance(error, Cancelled) else State.FAILED

    def _keep(self, job: Job, delivery: Delivery) -> None:
        try:
            take = self.store.keep_take(job.take_id, delivery, time.monotonic() - job.began)
        except AudioError as error:
            charge = delivery.charge
            self.store.end_take(
                job.take_id, State.FAILED, f"what was delivered cannot be used: {error}", charge
            )
            self.ledger.settle(job.quote, charge.amount_usd)
            self.ended[State.FAILED] += 1
            return
        self.ledger.settle(job.quote, delivery.charge.amount_usd)
        self.ended[State.DONE] += 1
        if isinstance(delivery, Measured):
            self.store.add_measurements(take.id, delivery.measurements)
        elif self.measures:
            clip = delivery.audio if isinstance(delivery.audio, Clip) else self.store.clip(take)
            measure_take(self.store, take, clip, self.measures)

    def _tell(self) -> None:
        settled = sum(self.ended.values())
        shares = sum(job.share for job in self._under_way)
        self.watch(
            Progress(
                total=self.found + len(self.jobs),
                found=self.found,
                made=self.ended[State.DONE],
                failed=settled - self.ended[State.DONE],
                under_way=len(self._under_way),
                share=(settled + shares) / len(self.jobs) if self.jobs else 1.0,
                spent_usd=self.ledger.spent_usd,
                elapsed_s=time.monotonic() - self._began,
            )
        )


def measure_take(store: Store, take: Take, clip: Clip, measures: Iterable[Measure]) -> None:
    """Ask each measure of a take's audio and keep what it says."""
    subject = Subject(clip, take.request)
    store.add_measurements(take.id, [m for measure in measures for m in measure(subject)])


def _engines(jobs: Iterable[Job]) -> list[Engine]:
    return list({id(job.engine): job.engine for job in jobs}.values())
