"""Where records and audio live: one SQLite database and files named by their content.

A store is a folder::

    store.sqlite3      studies, plans, takes, measurements (WAL: many readers while one writes)
    audio/ab/ab12….flac  each file complete or absent, named by the SHA-256 of its bytes
    incoming/          files under way; emptied by the next coordinator
    coordinator.lock   held by the one process that generates into this store

Takes are kept under a key made of request and engine (`take.take_key`), so that what one study
generated another finds. Whatever touches money is written with full synchronisation; the rest
may lose its last moments to a power cut but never its consistency.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from workbench.audio_files import AudioFiles
from workbench.clip import Clip
from workbench.columns import columns
from workbench.cost import NANO, Charge, Quote
from workbench.database import Database
from workbench.engines.base import Delivery
from workbench.errors import StoreError
from workbench.packed import Held, Packer, number_at, unpacked
from workbench.records import (
    CUT,
    IN_STATES,
    MEASURED,
    MIGRATIONS,
    PLACES,
    ROWS,
    ROWS_AT_ONCE,
    SHOWN,
    SORTS,
    TAKES,
    Place,
    RatingRows,
    Shown,
    facts,
    is_paid,
    nano,
    now,
    place_of,
    plan_row,
    take_of,
)
from workbench.request import AnyRequest
from workbench.take import Measurement, State, Take, take_key
from workbench.value import canonical_json

if TYPE_CHECKING:
    import pandas as pd

DATABASE = "store.sqlite3"


def _digest_of(rows: Iterable[Sequence[str]]) -> str:
    """A name for the rows of a plan, row by row: all of a large one as one text is a lot."""
    sha256 = hashlib.sha256()
    for row in rows:
        sha256.update("\0".join((*row, "")).encode())
    return sha256.hexdigest()


class Store:
    """Records and audio of any number of studies.

    Parameters
    ----------
    folder : path
        Made if absent, unless `create` is False, for its owner alone.

    Raises
    ------
    StoreError
        If the folder holds no store (and `create` is False), a newer workbench's store, or a
        damaged one.
    """

    def __init__(self, folder: str | os.PathLike[str], *, create: bool = True) -> None:
        self.folder = Path(folder)
        if not create and not (self.folder / DATABASE).is_file():
            raise StoreError(f"there is no store in {self.folder}: name the folder of a study.")
        # Lyrics, prices and unreleased songs: others are let in by whoever made it, with chmod.
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._db = Database(self.folder / DATABASE, MIGRATIONS)
        self._db.function("number_at", number_at, values=2)
        self.audio = AudioFiles(self.folder, self._db)
        self.ratings = RatingRows(self._db)

    def close(self) -> None:
        """Close the database; the store can be opened again."""
        self._db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def damage(self) -> list[str]:
        """What is wrong with the records themselves; empty where they are sound."""
        cut = self._db.rows(CUT)
        said = [f"the measurements of take {row[0]} are not as their layout says" for row in cut]
        return self._db.damage() + said

    def copy_records(self, path: Path) -> None:
        """Write the database, as of one moment, to a new file; audio stays where it is."""
        self._db.copy(path)

    # Coordination

    @contextmanager
    def coordinate(self) -> Iterator[None]:
        """Hold the right to generate into this store; leftovers of a dead run are cleared.

        Raises
        ------
        StoreError
            If another process holds it.
        """
        lock = FileLock(self.folder / "coordinator.lock", blocking=False)
        try:
            lock.acquire()
        except Timeout:
            raise StoreError(
                f"another process is running a study in {self.folder}: wait until it ends, "
                "or name another folder. Reading and measuring are possible meanwhile."
            ) from None
        try:
            self.audio.clear_leftovers()
            yield
        finally:
            lock.release()

    # Studies

    def save_plan(self, name: str, spec: Mapping[str, Any], places: Iterable[Place]) -> int:
        """Write down what a study consists of, replacing its earlier plan; returns its id."""
        rows = [plan_row(place) for place in places]
        plan_digest = _digest_of(rows)
        with self._db.write(durable=True) as db:
            db.execute(
                "INSERT INTO studies (name, spec, created_at) VALUES (?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET spec = excluded.spec",
                (name, canonical_json(spec), now()),
            )
            study_id = self.study_id(name)
            if self.plan_digest(name) == plan_digest:
                return study_id
            db.execute("UPDATE studies SET plan_digest = ? WHERE id = ?", (plan_digest, study_id))
            db.execute("DELETE FROM plan WHERE study_id = ?", (study_id,))
            db.executemany(
                "INSERT INTO plan VALUES (?, ?, ?, ?, ?, ?, ?)",
                ((study_id, position, *row) for position, row in enumerate(rows)),
            )
        return study_id

    def plan_digest(self, name: str) -> str:
        """A name for what a study's plan says; another plan has another."""
        rows = self._db.rows("SELECT plan_digest FROM studies WHERE id = ?", (self.study_id(name),))
        return str(rows[0]["plan_digest"])

    def study_id(self, name: str) -> int:
        """Raises `StoreError` if there is no study of that name."""
        rows = self._db.rows("SELECT id FROM studies WHERE name = ?", (name,))
        if not rows:
            known = ", ".join(self.study_names()) or "none"
            raise StoreError(f"there is no study {name!r} in {self.folder} (there are: {known}).")
        return int(rows[0]["id"])

    def study_names(self) -> list[str]:
        """The studies in this store, oldest first."""
        return [row["name"] for row in self._db.rows("SELECT name FROM studies ORDER BY id")]

    def study_name(self, name: str | None = None) -> str:
        """The name given, or that of the only study in this store.

        Raises
        ------
        StoreError
            If there is no such study, or none is named and there is not just one.
        """
        if name is not None:
            self.study_id(name)
            return name
        names = self.study_names()
        if len(names) != 1:
            known = ", ".join(names) or "none"
            raise StoreError(f"name a study of {self.folder}: there are {len(names)} ({known}).")
        return names[0]

    def study_spec(self, name: str) -> dict[str, Any]:
        """What the study was declared as."""
        row = self._db.rows("SELECT spec FROM studies WHERE id = ?", (self.study_id(name),))[0]
        return dict(json.loads(row["spec"]))

    def latest(self, name: str) -> dict[str, tuple[int, State]]:
        """For each key of a study that has a take: the id and state of the one that counts.

        A finished take counts before any other; else the newest.
        """
        rows = self._db.rows(
            f"SELECT p.key, t.id, t.state {PLACES} WHERE p.study_id = ? AND t.id IS NOT NULL",
            (self.study_id(name),),
        )
        states = {str(state): state for state in State}
        return {key: (take_id, states[state]) for key, take_id, state in rows}

    def finished(self, keys: Iterable[str]) -> set[str]:
        """Which of these keys have a finished take."""
        rows = self._db.rows(
            "SELECT key FROM takes WHERE state = 'done' "
            "AND key IN (SELECT value FROM json_each(?))",
            (canonical_json(list(keys)),),
        )
        return {row["key"] for row in rows}

    def spent_usd(self, name: str) -> Decimal:
        """Charged so far for the takes of a study.

        Takes under way or of unknown outcome count at their quote.
        """
        row = self._db.rows(
            "SELECT coalesce(sum(cost_nano_usd), 0) AS nano FROM takes "
            "WHERE key IN (SELECT key FROM plan WHERE study_id = ?)",
            (self.study_id(name),),
        )[0]
        return Decimal(row["nano"]) * NANO

    # Takes

    def start_take(
        self, request: AnyRequest, engine: str, fingerprint: Mapping[str, str], quote: Quote
    ) -> Take:
        """Write down that a take begins; its quote counts as spent until it is settled."""
        key = take_key(request, fingerprint)
        with self._db.write(durable=is_paid(quote)) as db:
            cursor = db.execute(
                "INSERT INTO takes (key, engine, fingerprint, request, state, idempotency_key, "
                "quote, cost_nano_usd, started_at, changed) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, "
                "(SELECT coalesce(max(changed), 0) + 1 FROM takes))",
                (
                    key,
                    engine,
                    canonical_json(fingerprint),
                    canonical_json(request.to_json()),
                    State.STARTED,
                    str(uuid.uuid4()),
                    canonical_json(quote.to_json()),
                    nano(quote.amount_usd),
                    now(),
                ),
            )
        return self.take(int(cursor.lastrowid or 0))

    def note_intent(self, take_id: int, sent: Mapping[str, Any]) -> None:
        """Write down, durably, what is about to be sent."""
        with self._db.write(durable=True) as db:
            db.execute("UPDATE takes SET intended = 1 WHERE id = ?", (take_id,))
            db.execute(
                "INSERT INTO exchanges (take_id, sent) VALUES (?, ?) "
                "ON CONFLICT (take_id) DO UPDATE SET sent = excluded.sent",
                (take_id, canonical_json(sent)),
            )
            self._changed(db, take_id)

    def note_submitted(self, take_id: int, remote_id: str) -> None:
        """Write down, durably, the far side's job id."""
        with self._db.write(durable=True) as db:
            db.execute(
                "UPDATE takes SET state = ?, remote_id = ? WHERE id = ?",
                (State.SUBMITTED, remote_id, take_id),
            )
            self._changed(db, take_id)

    def keep_take(self, take_id: int, delivery: Delivery, wall_s: float) -> Take:
        """Keep the audio, then the record that names it: both or neither.

        Raises
        ------
        AudioError
            If a delivered file is no whole audio file.
        """
        delivered, audio = self.audio.keep(delivery.audio)
        with self._db.write(durable=is_paid(delivery.charge)) as db:
            db.execute(
                "UPDATE takes SET state = ?, reason = '', charge = ?, cost_nano_usd = ?, "
                "received_seed = ?, truth_tempo_bpm = ?, truth_key = ?, notes = ?, audio = ?, "
                "delivered = ?, wall_s = ? WHERE id = ?",
                (
                    State.DONE,
                    canonical_json(delivery.charge.to_json()),
                    nano(delivery.charge.amount_usd),
                    *facts(delivery.received, delivery.truth),
                    canonical_json(delivery.notes),
                    audio,
                    delivered,
                    wall_s,
                    take_id,
                ),
            )
            exchange = (delivery.sent, delivery.received, delivery.truth)
            db.execute(
                "INSERT OR REPLACE INTO exchanges VALUES (?, ?, ?, ?)",
                (take_id, *map(canonical_json, exchange)),
            )
            self._changed(db, take_id)
            self.audio.settle(db, (audio, delivered))
        return self.take(take_id)

    def end_take(
        self, take_id: int, state: State, reason: str, charge: Charge | None = None
    ) -> None:
        """Write down that a take ended without audio.

        `UNKNOWN` goes on counting at its quote; any other state costs what `charge` says.
        """
        with self._db.write(durable=True) as db:
            db.execute(
                "UPDATE takes SET state = ?, reason = ? WHERE id = ?",
                (state, reason, take_id),
            )
            self._changed(db, take_id)
            if state != State.UNKNOWN:
                db.execute(
                    "UPDATE takes SET charge = ?, cost_nano_usd = ? WHERE id = ?",
                    (
                        canonical_json(charge.to_json()) if charge else None,
                        nano(charge.amount_usd) if charge else 0,
                        take_id,
                    ),
                )

    def leave_open(self, take_id: int, reason: str) -> None:
        """Write down why a submitted take was left; it is resumed by its job id later."""
        with self._db.write(durable=True) as db:
            db.execute("UPDATE takes SET reason = ? WHERE id = ?", (reason, take_id))
            self._changed(db, take_id)

    @staticmethod
    def _changed(db: sqlite3.Connection, take_id: int) -> None:
        """Number a take anew: a table then knows that it has to read it again."""
        db.execute(
            "UPDATE takes SET changed = (SELECT max(changed) + 1 FROM takes) WHERE id = ?",
            (take_id,),
        )

    def take(self, take_id: int) -> Take:
        """Raises `StoreError` if there is no such take."""
        rows = self._db.rows(f"{TAKES} WHERE t.id = ?", (take_id,))
        if not rows:
            raise StoreError(f"there is no take {take_id} in {self.folder}.")
        return take_of(rows[0])

    def takes_in(self, states: Iterable[State]) -> list[Take]:
        """All takes of the store in these states, oldest first."""
        wanted = [str(state) for state in states]
        rows = self._db.rows(
            f"{TAKES} {IN_STATES} ORDER BY t.id",
            (canonical_json(wanted),),
        )
        return [take_of(row) for row in rows]

    def intended(self, take_id: int) -> bool:
        """Whether an intent to send was written down for a take."""
        return bool(self._db.rows("SELECT intended FROM takes WHERE id = ?", (take_id,))[0][0])

    def takes(self, name: str) -> Iterator[tuple[Place, Take | None]]:
        """Each place of a study's plan with the take that counts for it, in plan order."""
        latest = self.latest(name)
        for row in self._db.rows(
            "SELECT * FROM plan WHERE study_id = ? ORDER BY position", (self.study_id(name),)
        ):
            found = latest.get(row["key"])
            yield place_of(row), self.take(found[0]) if found else None

    def page(
        self,
        name: str,
        shown: Shown = Shown(),  # noqa: B008 (a frozen value)
        *,
        offset: int = 0,
        limit: int = 50,
    ) -> list[tuple[Place, Take | None]]:
        """Some places of a study with the take that counts, without reading the others' records.

        Parameters
        ----------
        name : str
            Of the study.
        shown : Shown
            Which places, and in which order.
        offset, limit : int
            How many to pass over, and how many to give at most.
        """
        order = SORTS.get(shown.sort, MEASURED)
        rows = self._db.rows(
            f"SELECT p.*, t.id AS take_id {SHOWN} "
            f"ORDER BY {order} IS NULL, CASE WHEN :down THEN {order} END DESC, {order}, "
            "p.position LIMIT :limit OFFSET :offset",
            {**self._wanted(name, shown), "limit": limit, "offset": offset},
        )
        return [
            (place_of(row), self.take(row["take_id"]) if row["take_id"] else None) for row in rows
        ]

    def count(self, name: str, shown: Shown = Shown()) -> int:  # noqa: B008
        """How many places of a study `page` would go through."""
        rows = self._db.rows(f"SELECT count(*) {SHOWN}", self._wanted(name, shown))
        return int(rows[0][0])

    def _wanted(self, name: str, shown: Shown) -> dict[str, Any]:
        return {
            "study": self.study_id(name),
            "sort": shown.sort,
            "down": shown.descending,
            "state": shown.state,
            "engine": shown.engine,
            "words": shown.words.lower(),
        }

    # Measurements

    def add_measurements(self, take_id: int, measurements: Iterable[Measurement]) -> None:
        """Keep measurements of a take; a newer one of the same name replaces the older."""
        with self._db.write(durable=False) as db:
            held = {one.name: one for one in unpacked(self._db, take_id)}
            for m in measurements:
                held[m.name] = Held(m.name, m.value, m.method, m.low, m.high, m.reason)
            Packer(db).put(take_id, held.values())
            self._changed(db, take_id)

    def measurements(self, take_id: int) -> list[Measurement]:
        """What was measured of a take, by name."""
        return [Measurement(**one._asdict()) for one in unpacked(self._db, take_id)]

    def lacking(
        self, name: str, asked: Iterable[tuple[str, str]]
    ) -> dict[int, list[tuple[str, str]]]:
        """What each finished take of a study has not been measured for; nothing where it has all.

        Parameters
        ----------
        name : str
            Of the study.
        asked : iterable of (str, str)
            Names of quantities, each with the method that is to have measured it.
        """
        asked = list(asked)
        lacks: dict[int | None, list[tuple[str, str]]] = {None: asked} if asked else {}
        for layout, said in self._db.rows("SELECT id, said FROM layouts"):
            measured = {(slot[0], slot[1]) for slot in json.loads(said)}
            if lacking := [one for one in asked if one not in measured]:
                lacks[layout] = lacking
        rows = self._db.rows(
            "SELECT t.id, m.layout FROM takes t LEFT JOIN measurements m ON m.take_id = t.id "
            "WHERE t.state = 'done' AND t.key IN (SELECT key FROM plan WHERE study_id = ?) "
            "AND (m.layout IS NULL OR m.layout IN (SELECT value FROM json_each(?)))",
            (self.study_id(name), json.dumps([layout for layout in lacks if layout])),
        )
        return {take_id: lacks[layout] for take_id, layout in rows if layout in lacks}

    def last_change(self) -> int:
        """Number of the latest change to any take."""
        return int(self._db.rows("SELECT coalesce(max(changed), 0) FROM takes")[0][0])

    def columns(self, name: str) -> pd.DataFrame:
        """The table of a study as `tables.table` gives it."""
        rows = self._db.columns(ROWS, (self.study_id(name),), ROWS_AT_ONCE)
        return columns(self._db, rows)

    def clip(self, take: Take) -> Clip:
        """The audio of a finished take.

        Raises
        ------
        StoreError
            If the take has none, or the file is gone.
        AudioError
            If the file is damaged.
        """
        if not take.audio:
            raise StoreError(f"take {take.id} has no audio: it is {take.state}.")
        return Clip.read(self.audio.path(take.audio))
