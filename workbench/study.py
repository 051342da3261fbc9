"""A study: a sweep, the engines that serve it, and the store that keeps what comes of it.

`Study.run` quotes, holds to the budget, skips what is stored, generates, keeps, measures and
tells progress (the work is done by `loop.Loop`). It can be stopped at any moment and by any
means; run again, it goes on, and nothing is generated or paid for twice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from decimal import Decimal
from os import PathLike
from typing import TYPE_CHECKING, Any

from workbench.cost import Ledger, Quote, usd_from_zero
from workbench.engines.base import Engine
from workbench.errors import AudioError, RequestError, StoreError
from workbench.executors import Executor, Placed, meet, placed
from workbench.loop import Job, Loop, measure_take
from workbench.measure import STANDARD, Measure
from workbench.progress import Watch, progress_bar
from workbench.records import Place
from workbench.store import Store
from workbench.sweep import Sweep
from workbench.take import Measurement, State, Take, take_key
from workbench.value import canonical_json

if TYPE_CHECKING:
    import pandas as pd

_OPEN = (State.STARTED, State.SUBMITTED)
# For each key that has a take: the id and state of the one that counts.
Latest = dict[str, tuple[int, State]]


@dataclass(frozen=True)
class Summary:
    """What a run did.

    `missing` counts places that still have no take, and `stopped` says why; `errors` holds the
    first error of each kind.
    """

    found: int = 0
    made: int = 0
    failed: int = 0
    unknown: int = 0
    missing: int = 0
    stopped: str = ""
    spent_usd: Decimal = Decimal(0)
    wall_s: float = 0.0
    errors: tuple[Exception, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether every place of the plan has its take."""
        return self.failed + self.unknown + self.missing == 0

    def __str__(self) -> str:
        counts = {
            "failed": self.failed,
            "of unknown outcome": self.unknown,
            "missing": self.missing,
        }
        faults = "".join(f", {n} {word}" for word, n in counts.items() if n)
        everything = self.found and not self.made and self.is_complete
        head = (
            f"all {self.found} takes were found, none generated"
            if everything
            else f"{self.made} takes generated, {self.found} found{faults}"
        )
        tail = f" Stopped: {self.stopped}." if self.stopped else ""
        return f"{head}; {self.spent_usd:.6f} USD in all, {self.wall_s:.1f} s.{tail}"


class Study:
    """A sweep, the engines that serve it, and the store that keeps what comes of it.

    Parameters
    ----------
    name : str
        Names the study in its store. The same name with another sweep replaces the plan; takes
        stay and are found again wherever a request and an engine match.
    sweep : Sweep
    engines : sequence of Engine
    store : path
        Folder; made if absent. Studies may share one.
    budget_usd : number or str, optional
        Never exceeded by quotes; a run stops before the first round it does not cover.
    measures : sequence of Measure
        Asked of each take; more can be asked any day with `measure`.

    Raises
    ------
    RequestError
        If the study has no name, no engine, an engine twice, or an engine serves no cell at all.

    Examples
    --------
    >>> import tempfile
    >>> from workbench.engines.sketch import SketchEngine
    >>> from workbench.request import Request
    >>> sweep = Sweep(Request(tags="house", duration_s=6), seed=range(2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Study("trial", sweep, [SketchEngine()], store=folder) as study:
    ...         first = study.run(watch=lambda progress: None)
    ...         second = study.run(watch=lambda progress: None)
    >>> first.made, second.made, second.found
    (2, 0, 2)
    """

    def __init__(
        self,
        name: str,
        sweep: Sweep,
        engines: Sequence[Engine],
        *,
        store: str | PathLike[str],
        budget_usd: Decimal | float | str | None = None,
        measures: Sequence[Measure] = STANDARD,
    ) -> None:
        if not name.strip():
            raise RequestError("a study needs a name.")
        names = [engine.name for engine in engines]
        if not names or len(set(names)) < len(names):
            raise RequestError("a study needs at least one engine, and each of them once.")
        self.name, self.sweep, self.engines = name, sweep, tuple(engines)
        self.budget_usd = None if budget_usd is None else usd_from_zero(budget_usd)
        self.measures = tuple(measures)
        self._stop = threading.Event()
        self._hold = threading.Event()
        self._refused: dict[str, str] = {}
        self._places = list(self._plan())
        self.store = Store(store)
        self.store.save_plan(name, self.spec, self._places)

    def close(self) -> None:
        """Close the store."""
        self.store.close()

    def __enter__(self) -> Study:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def spec(self) -> dict[str, Any]:
        """The study as JSON data: sweep, engines with what they were, budget."""
        return {
            "sweep": self.sweep.to_json(),
            "engines": [{"name": e.name, "fingerprint": dict(e.fingerprint)} for e in self.engines],
            "budget_usd": None if self.budget_usd is None else str(self.budget_usd),
        }

    def _plan(self) -> Iterator[Place]:
        """Round by round, engines in turn; cells that an engine cannot serve are marked."""
        served = dict.fromkeys((e.name for e in self.engines), 0)
        for cell in self.sweep:
            for engine in self.engines:
                key = take_key(cell.request, engine.fingerprint)
                try:
                    engine.check(cell.request)
                    served[engine.name] += 1
                except RequestError as error:
                    self._refused[key] = str(error)
                yield Place(key, engine.name, canonical_json(cell.round), cell.at, cell.request)
        for name, count in served.items():
            if not count and len(self.sweep):
                raise RequestError(
                    f"{name} can serve no cell: {next(iter(self._refused.values()))}"
                )

    def quote(self) -> pd.DataFrame:
        """What a run would do and cost, before anything is spent.

        Returns
        -------
        DataFrame
            One row per engine: ``engine, takes, found, refused, to_generate, quoted_usd,
            quoted_credits, basis``.
        """
        import pandas as pd

        latest = self.store.latest(self.name)
        rows = []
        for engine in self.engines:
            places = _once(p for p in self._places if p.engine == engine.name)
            found = {p.key for p in places if latest.get(p.key, (0, None))[1] is State.DONE}
            refused = {p.key for p in places} & set(self._refused)
            todo = [p for p in places if p.key not in found | refused]
            quotes = [engine.quote(p.request) for p in todo]
            rows.append(
                {
                    "engine": engine.name,
                    "takes": len(places),
                    "found": len(found),
                    "refused": len(refused),
                    "to_generate": len(todo),
                    "quoted_usd": sum((q.amount_usd for q in quotes), Decimal(0)),
                    "quoted_credits": sum((q.credits for q in quotes), Decimal(0)),
                    "basis": quotes[0].basis if quotes else "nothing to generate",
                }
            )
        return pd.DataFrame(rows)

    def run(
        self,
        *,
        retry: bool = False,
        accept_double_charge: bool = False,
        watch: Watch | None = None,
        executor: Executor | None = None,
    ) -> Summary:
        """Generate what is missing, measure what is unmeasured.

        Parameters
        ----------
        retry : bool
            Try failed takes again.
        accept_double_charge : bool
            Generate takes of unknown outcome anew, although the first may be billed as well.
        watch : callable, optional
            Told of progress; a bar on standard error if not given.
        executor : Executor, optional
            Where takes are made and measured, such as ``executors.ProcessPool(2)``; threads of
            this process if not given. Hosted engines stay in this process.

        Returns
        -------
        Summary

        Raises
        ------
        StoreError
            If another process is running a study in this store.
        RequestError
            If what the executor's workers leave does not arrive here.
        """
        began = time.monotonic()
        self._stop.clear()
        self._hold.clear()
        again = {State.CANCELLED}
        again |= {State.FAILED} if retry else set()
        again |= {State.UNKNOWN} if accept_double_charge else set()
        with ExitStack() as stack:
            watch = watch or stack.enter_context(progress_bar())
            stack.enter_context(self.store.coordinate())
            latest = self._note_refusals(self.store.latest(self.name))
            jobs = self._jobs(latest, again, executor)
            loop = Loop(
                self.store,
                jobs,
                self._ledger(jobs),
                measures=self.measures,
                watch=watch,
                stop=self._stop,
                hold=self._hold,
                found=len(_once(self._places)) - len(jobs),
            )
            loop.run()
            if not self._stop.is_set():
                self.measure(*self.measures)
        return self._summary(loop, began)

    def cancel(self) -> None:
        """Ask a run in another thread to stop; it keeps what is done and returns soon."""
        self._stop.set()

    def pause(self) -> None:
        """Ask a run in another thread to start nothing new; what is under way is finished."""
        self._hold.set()

    def go_on(self) -> None:
        """Let a paused run start takes again."""
        self._hold.clear()

    def measure(self, *measures: Measure) -> int:
        """Ask measures of every finished take that has not answered them; returns how many.

        Any process may do this, also while another one runs the study.
        """
        return measure_study(self.store, self.name, measures or self.measures)

    def takes(self) -> list[Take]:
        """The take that counts for each place of the plan that has one, in plan order."""
        return [take for _, take in self.store.takes(self.name) if take]

    def _note_refusals(self, latest: Latest) -> Latest:
        """A cell that an engine cannot serve is a failed take with the reason, at no cost."""
        by_name = {engine.name: engine for engine in self.engines}
        noted: Latest = {}
        for place in _once(p for p in self._places if p.key in self._refused):
            if place.key not in latest:
                engine = by_name[place.engine]
                take = self.store.start_take(
                    place.request, engine.name, engine.fingerprint, Quote(basis="refused")
                )
                self.store.end_take(take.id, State.FAILED, self._refused[place.key])
                noted[place.key] = (take.id, State.FAILED)
        return latest | noted if noted else latest

    def _jobs(self, latest: Latest, again: set[State], executor: Executor | None) -> list[Job]:
        by_name = {engine.name: engine for engine in self.engines}
        if executor:
            by_name = {n: placed(e, executor, self.measures) for n, e in by_name.items()}
        jobs = []
        for place in _once(self._places):
            take_id, state = latest.get(place.key, (0, None))
            engine = by_name[place.engine]
            # What cannot be paid for twice goes on under its own key, whatever became of it.
            goes_on = state in _OPEN or (state is State.UNKNOWN and engine.is_idempotent)
            if place.key in self._refused or (state and state not in again and not goes_on):
                continue
            take = self.store.take(take_id) if goes_on else None
            quote = take.quote if take else engine.quote(place.request)
            jobs.append(Job(place, engine, quote, take))
        if executor and any(isinstance(job.engine, Placed) for job in jobs):
            meet(executor, self.store.audio.incoming)
        return jobs

    def _ledger(self, jobs: Sequence[Job]) -> Ledger:
        # Takes under way count as spent at their quote; the loop promises that again.
        promised = sum((job.quote.amount_usd for job in jobs if job.take), Decimal(0))
        return Ledger(self.budget_usd, self.store.spent_usd(self.name) - promised)

    def _summary(self, loop: Loop, began: float) -> Summary:
        latest = self.store.latest(self.name)
        states = [latest.get(place.key, (0, None))[1] for place in _once(self._places)]
        made = loop.ended[State.DONE]
        return Summary(
            found=states.count(State.DONE) - made,
            made=made,
            failed=states.count(State.FAILED),
            unknown=states.count(State.UNKNOWN),
            missing=sum(s is None or s is State.CANCELLED or s in _OPEN for s in states),
            stopped=loop.stopped,
            spent_usd=self.store.spent_usd(self.name),
            wall_s=time.monotonic() - began,
            errors=tuple(loop.errors.values()),
        )


def measure_study(store: Store, name: str, measures: Sequence[Measure] = STANDARD) -> int:
    """Ask measures of every finished take of a study that has not answered them.

    Returns
    -------
    int
        How many takes were measured. A take whose audio is gone or damaged gets undefined
        measurements that say so.
    """
    known = {(measure.quantities[0], measure.method): measure for measure in measures}
    lacking = store.lacking(name, known)
    for take_id, lacks in lacking.items():
        unasked = [known[one] for one in lacks]
        take = store.take(take_id)
        try:
            measure_take(store, take, store.clip(take), unasked)
        except (AudioError, StoreError) as error:
            store.add_measurements(take_id, _undefined(unasked, str(error)))
    return len(lacking)


def _undefined(measures: Sequence[Measure], reason: str) -> list[Measurement]:
    return [
        Measurement(name=name, method=measure.method, reason=reason)
        for measure in measures
        for name in measure.quantities
    ]


def _once(places: Any) -> list[Place]:
    """Places with distinct keys: one take serves all places that ask for the same."""
    return list({place.key: place for place in reversed(list(places))}.values())[::-1]
