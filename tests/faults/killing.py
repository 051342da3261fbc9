"""Kills a coordinator at random moments, many times, and audits what each left behind.

A child process runs a study of paid takes in one store that goes on through all kills; the far
side keeps its own books, a file for each charge. After every kill: each accepted take is there,
done; after every hundredth and at the end: no file is half-written or unnamed, the database is
sound, nothing was charged twice, and the store's sums are the far side's.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from tests.conftest import silent
from workbench.clip import Clip, file_sha256
from workbench.cost import Charge, Quote
from workbench.engines.base import Attempt, Delivery, Outcome
from workbench.request import AnyRequest, Request
from workbench.store import Store
from workbench.study import Study
from workbench.sweep import Sweep
from workbench.take import State

PRICE_USD = Decimal("0.08")
_BLOCK = 25  # places of one study; the next study begins where it is complete
_LONGEST_S = 0.3
_AUDIT_EVERY = 100


class FarSide:
    """A paid engine that honours idempotency keys and keeps its own books."""

    name = "far"
    concurrency = 3
    batch_max = 1
    is_idempotent = True

    def __init__(self, books: Path) -> None:
        self._books = books
        books.mkdir(exist_ok=True)

    @property
    def fingerprint(self) -> Mapping[str, str]:
        return {"engine": "far"}

    def ready(self) -> str:
        return "a far side on this disk"

    def check(self, request: AnyRequest) -> None:
        """Serves anything."""

    def quote(self, request: AnyRequest) -> Quote:
        return Quote(amount_usd=Decimal("0.10"))

    def batch_key(self, request: AnyRequest) -> str:
        return request.digest

    def generate(self, attempts: Sequence[Attempt]) -> Iterator[Outcome]:
        for attempt in attempts:
            attempt.intend({"seed": attempt.request.seed})
            # One file per request and key: the same key again is the same charge.
            (self._books / f"{attempt.request.digest}.{attempt.idempotency_key}").touch()
            attempt.submitted(attempt.idempotency_key)
            tone = np.sin(np.arange(4_000) * (1 + attempt.request.seed) / 997)
            clip = Clip(tone[np.newaxis].astype(np.float32), 8_000)
            yield attempt, Delivery(clip, sent={}, charge=Charge(amount_usd=PRICE_USD))


class Journal:
    """What the coordinator was told is accepted: a line per take, whatever happens after."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def follow(self, store: Store) -> None:
        """Write down each take that this store says it has kept."""
        handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        keep = store.keep_take

        def kept(*values: Any) -> Any:
            take = keep(*values)
            os.write(handle, f"{take.id}\n".encode())
            return take

        store.keep_take = kept  # type: ignore[method-assign, assignment]

    @property
    def take_ids(self) -> list[int]:
        """Accepted takes so far."""
        return [int(line) for line in self.path.read_text().split()] if self.path.exists() else []


def study(folder: Path, block: int) -> Study:
    """The study of one block of seeds, in the one store."""
    seeds = range(block * _BLOCK, (block + 1) * _BLOCK)
    sweep = Sweep(Request(tags="tone"), seed=seeds)
    engine = FarSide(folder / "books")
    return Study(f"block-{block}", sweep, [engine], store=folder / "store", measures=())


def coordinate(folder: Path) -> None:
    """Run study after study until killed; in a child process."""
    done = len(list((folder / "complete").glob("*")))
    while True:
        with study(folder, done) as running:
            Journal(folder / "journal").follow(running.store)
            running.run(watch=silent)
        (folder / "complete" / str(done)).touch()
        done += 1


def kill_once(folder: Path, moment_s: float) -> None:
    """A coordinator in a fresh child, killed after `moment_s`."""
    child = os.fork()
    if child == 0:
        try:
            coordinate(folder)
        finally:
            os._exit(1)  # it only gets here by failing
    time.sleep(moment_s)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the coordinator failed by itself"


def check_accepted(folder: Path) -> None:
    """Each take that was accepted is there and done."""
    if not (folder / "store" / "store.sqlite3").exists():
        return
    with Store(folder / "store") as store:
        rows = store._db.rows("SELECT id FROM takes WHERE state = 'done'")
    lost = set(Journal(folder / "journal").take_ids) - {row["id"] for row in rows}
    assert not lost, f"accepted takes lost: {sorted(lost)}"


def audit(folder: Path) -> dict[str, int]:
    """Everything that must hold once the next coordinator has cleared up; gives the counts."""
    with Store(folder / "store") as store:
        with store.coordinate():
            assert not list((folder / "store" / "incoming").glob("*"))
        assert [tuple(row) for row in store._db.rows("PRAGMA integrity_check")] == [("ok",)]
        done = store.takes_in([State.DONE])
        others = store.takes_in(set(State) - {State.DONE})
    assert not {t.state for t in others} - {State.STARTED, State.SUBMITTED}
    files = [path for path in (folder / "store" / "audio").glob("*/*") if path.is_file()]
    broken = [path.name for path in files if file_sha256(path) != path.stem]
    assert not broken, f"half-written: {broken}"
    assert {path.stem for path in files} == {take.audio for take in done}
    keys = Counter(take.key for take in done)
    assert set(keys.values()) <= {1}, "a place has two finished takes"
    charged = Counter(path.name.partition(".")[0] for path in (folder / "books").iterdir())
    assert set(charged.values()) <= {1}, "paid twice"
    assert {take.request.digest for take in done} <= set(charged)
    spent_usd = sum((take.charge.amount_usd for take in done if take.charge), Decimal(0))
    assert spent_usd == PRICE_USD * len(done)
    return {"takes": len(done), "under_way": len(others), "charges": len(charged)}


def kill_coordinators(folder: Path, kills: int, seed: int) -> dict[str, int]:
    """Kill, check, finish what is begun, audit; the counts."""
    draw = random.Random(seed)
    (folder / "complete").mkdir(parents=True, exist_ok=True)
    found_open = 0
    for kill in range(1, kills + 1):
        kill_once(folder, draw.uniform(0, _LONGEST_S))
        check_accepted(folder)
        if kill % _AUDIT_EVERY == 0 and (folder / "books").exists():
            found_open += audit(folder)["under_way"]
    with study(folder, len(list((folder / "complete").glob("*")))) as last:
        assert last.run(watch=silent).is_complete
    counts = audit(folder)
    assert counts["takes"] == counts["charges"], "a charge without a take"
    assert not counts["under_way"]
    return counts | {"kills": kills, "found_under_way_at_audits": found_open}
