"""Takes that are not settled: jobs that may run on a far side, and outcomes nobody knows.

A job that was submitted is resumed by its id. A take of unknown outcome stays so, and counts
against the budget at its quote, until a person who looked it up says what became of it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from workbench.cost import Charge, Ledger, usd
from workbench.engines import engine
from workbench.errors import RequestError
from workbench.loop import Job, Loop
from workbench.measure import STANDARD
from workbench.progress import Watch
from workbench.records import Place
from workbench.store import Store
from workbench.take import State, Take


@dataclass(frozen=True)
class Resolution:
    """What a person found out about a take of unknown outcome; exactly one of the two.

    Parameters
    ----------
    job_id : str
        The job exists: follow it by this id.
    charged_usd : number or str, optional
        It is not to be had; it was charged this much (0 if it never came to be).
    """

    job_id: str = ""
    charged_usd: Decimal | float | str | None = None

    def __post_init__(self) -> None:
        if bool(self.job_id) == (self.charged_usd is not None):
            raise RequestError("say either the job's id or what was charged: one of the two.")


def open_takes(store: Store) -> list[Take]:
    """Takes that are under way or of unknown outcome, oldest first."""
    return store.takes_in((State.STARTED, State.SUBMITTED, State.UNKNOWN))


def resume(store: Store, watch: Watch) -> list[Exception]:
    """Follow every submitted job of a store to its end; returns the errors met.

    Raises
    ------
    StoreError
        If another process is running a study in this store.
    """
    with store.coordinate():
        takes = store.takes_in((State.SUBMITTED,))
        engines = {name: engine(name) for name in {take.engine for take in takes}}
        jobs = [
            Job(Place(t.key, t.engine, "resumed", {}, t.request), engines[t.engine], t.quote, t)
            for t in takes
        ]
        loop = Loop(
            store,
            jobs,
            Ledger(None),
            measures=STANDARD,
            watch=watch,
            stop=threading.Event(),
            hold=threading.Event(),
            found=0,
        )
        loop.run()
    return list(loop.errors.values())


def cancel(store: Store, take_ids: Sequence[int]) -> list[str]:
    """Cancel submitted jobs on their far side; returns what came of each, in words.

    Raises
    ------
    RequestError
        If a take has no job that could be cancelled.
    """
    said = []
    for take_id in take_ids:
        take = store.take(take_id)
        if take.state is not State.SUBMITTED:
            raise RequestError(f"take {take_id} is {take.state}: there is no job to cancel.")
        words, has_ended = _cancelled_remotely(take)
        if has_ended:
            store.end_take(take_id, State.CANCELLED, words)
        said.append(words)
    return said


def resolve(store: Store, take_id: int, found: Resolution) -> Take:
    """Settle a take of unknown outcome by what a person found out.

    Raises
    ------
    RequestError
        If the take is not of unknown outcome.
    """
    take = store.take(take_id)
    if take.state is not State.UNKNOWN:
        raise RequestError(f"take {take_id} is {take.state}: only unknown outcomes are resolved.")
    if found.job_id:
        store.note_submitted(take_id, found.job_id)
    else:
        charge = Charge(amount_usd=usd(found.charged_usd or 0), basis="looked up by a person")
        store.end_take(take_id, State.FAILED, "resolved by hand: no audio to be had.", charge)
    return store.take(take_id)


def _cancelled_remotely(take: Take) -> tuple[str, bool]:
    """What the far side says to a cancel, and whether the job has ended uncharged."""
    from workbench.engines.hosted import HostedEngine

    made = engine(take.engine)
    if not isinstance(made, HostedEngine):
        raise RequestError(f"{take.engine} runs here: stop its run instead.")
    farewell = made.cancel(take.remote_id)
    return farewell.words, farewell.ended
