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

import json
import os
import shutil
import sqlite3
import threading
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock, Timeout

from workbench.clip import Clip, file_sha256, sniff
from workbench.cost import NANO, Charge, Quote
from workbench.engines.base import Delivery
from workbench.errors import StoreError
from workbench.request import AnyRequest, request_from_json
from workbench.take import Measurement, State, Take, take_key
from workbench.value import canonical_json

DATABASE = "store.sqlite3"
_LOSSLESS = {".wav", ".flac", ".aiff"}

# Each entry brings a database one version forward; the first makes it. Never edit a released one.
MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE studies (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, spec TEXT NOT NULL,
        created_at TEXT NOT NULL);
    CREATE TABLE plan (
        study_id INTEGER NOT NULL REFERENCES studies, position INTEGER NOT NULL,
        key TEXT NOT NULL, engine TEXT NOT NULL, round TEXT NOT NULL, at TEXT NOT NULL,
        request TEXT NOT NULL,
        PRIMARY KEY (study_id, position)) WITHOUT ROWID;
    CREATE INDEX plan_by_key ON plan (key);
    CREATE TABLE takes (
        id INTEGER PRIMARY KEY, key TEXT NOT NULL, engine TEXT NOT NULL,
        fingerprint TEXT NOT NULL, request TEXT NOT NULL, state TEXT NOT NULL,
        reason TEXT NOT NULL DEFAULT '', idempotency_key TEXT NOT NULL UNIQUE,
        intended INTEGER NOT NULL DEFAULT 0, remote_id TEXT NOT NULL DEFAULT '',
        quote TEXT NOT NULL, charge TEXT, cost_nano_usd INTEGER NOT NULL DEFAULT 0,
        sent TEXT NOT NULL DEFAULT '{}', received TEXT NOT NULL DEFAULT '{}',
        truth TEXT NOT NULL DEFAULT '{}', notes TEXT NOT NULL DEFAULT '[]',
        audio TEXT REFERENCES files (sha256), delivered TEXT REFERENCES files (sha256),
        started_at TEXT NOT NULL, wall_s REAL);
    CREATE UNIQUE INDEX takes_done_once ON takes (key) WHERE state = 'done';
    CREATE INDEX takes_by_key ON takes (key, id);
    CREATE TABLE files (
        sha256 TEXT PRIMARY KEY, suffix TEXT NOT NULL, size_bytes INTEGER NOT NULL,
        arrived INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX files_under_way ON files (sha256) WHERE arrived = 0;
    CREATE TABLE measurements (
        take_id INTEGER NOT NULL REFERENCES takes, name TEXT NOT NULL, value ANY,
        method TEXT NOT NULL, low REAL, high REAL, reason TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (take_id, name)) WITHOUT ROWID;
    """,
)


class Place(NamedTuple):
    """One place of a study's plan: a request for an engine, at its values of the axes."""

    key: str
    engine: str
    round: str
    at: Mapping[str, Any]
    request: AnyRequest


class Store:
    """Records and audio of any number of studies.

    Parameters
    ----------
    folder : path
        Made if absent, unless `create` is False.

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
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._db = sqlite3.connect(
            self.folder / DATABASE, timeout=60, isolation_level=None, check_same_thread=False
        )
        self._db.row_factory = sqlite3.Row
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA foreign_keys=ON")
            self._migrate()
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise StoreError(f"{self.folder / DATABASE} cannot be read: {error}.") from error

    def close(self) -> None:
        """Close the database; the store can be opened again."""
        self._db.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _migrate(self) -> None:
        if self._version() == len(MIGRATIONS):
            return
        with self._write(durable=True) as db:
            have = self._version()
            if have > len(MIGRATIONS):
                raise StoreError(
                    f"{self.folder} was written by a newer workbench (format {have}, this one "
                    f"reads up to {len(MIGRATIONS)}): update workbench."
                )
            for script in MIGRATIONS[have:]:
                for statement in filter(str.strip, script.split(";")):
                    db.execute(statement)
            db.execute(f"PRAGMA user_version={len(MIGRATIONS)}")

    def _version(self) -> int:
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    @contextmanager
    def _write(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
        """One transaction; with `durable` it is on the disk, not only in its cache, at the end."""
        with self._lock:
            self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _rows(self, sql: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()

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
            self._clear_leftovers()
            yield
        finally:
            lock.release()

    def _clear_leftovers(self) -> None:
        shutil.rmtree(self.folder / "incoming", ignore_errors=True)
        for row in self._rows("SELECT sha256, suffix FROM files WHERE arrived = 0"):
            self._file(row["sha256"], row["suffix"]).unlink(missing_ok=True)
        with self._write(durable=False) as db:
            db.execute("DELETE FROM files WHERE arrived = 0")

    # Studies

    def save_plan(self, name: str, spec: Mapping[str, Any], places: Iterable[Place]) -> int:
        """Write down what a study consists of, replacing its earlier plan; returns its id."""
        with self._write(durable=True) as db:
            db.execute(
                "INSERT INTO studies (name, spec, created_at) VALUES (?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET spec = excluded.spec",
                (name, canonical_json(spec), _now()),
            )
            study_id = self.study_id(name)
            db.execute("DELETE FROM plan WHERE study_id = ?", (study_id,))
            db.executemany(
                "INSERT INTO plan VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    (study_id, position, p.key, p.engine, p.round, _json(p.at), _json_of(p.request))
                    for position, p in enumerate(places)
                ),
            )
        return study_id

    def study_id(self, name: str) -> int:
        """Raises `StoreError` if there is no study of that name."""
        rows = self._rows("SELECT id FROM studies WHERE name = ?", (name,))
        if not rows:
            known = ", ".join(self.study_names()) or "none"
            raise StoreError(f"there is no study {name!r} in {self.folder} (there are: {known}).")
        return int(rows[0]["id"])

    def study_names(self) -> list[str]:
        """The studies in this store, oldest first."""
        return [row["name"] for row in self._rows("SELECT name FROM studies ORDER BY id")]

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
        row = self._rows("SELECT spec FROM studies WHERE id = ?", (self.study_id(name),))[0]
        return dict(json.loads(row["spec"]))

    def latest(self, name: str) -> dict[str, tuple[int, State]]:
        """For each key of a study that has a take: the id and state of the one that counts.

        A finished take counts before any other; else the newest.
        """
        rows = self._rows(
            "SELECT t.key, t.id, t.state FROM takes t "
            "WHERE t.key IN (SELECT key FROM plan WHERE study_id = ?) "
            "ORDER BY t.state = 'done', t.id",
            (self.study_id(name),),
        )
        return {row["key"]: (row["id"], State(row["state"])) for row in rows}

    def spent_usd(self, name: str) -> Decimal:
        """Charged so far for the takes of a study.

        Takes under way or of unknown outcome count at their quote.
        """
        row = self._rows(
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
        with self._write(durable=_is_paid(quote)) as db:
            cursor = db.execute(
                "INSERT INTO takes (key, engine, fingerprint, request, state, idempotency_key, "
                "quote, cost_nano_usd, started_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    key,
                    engine,
                    _json(fingerprint),
                    _json_of(request),
                    State.STARTED,
                    str(uuid.uuid4()),
                    _json(quote.to_json()),
                    _nano(quote.amount_usd),
                    _now(),
                ),
            )
        return self.take(int(cursor.lastrowid or 0))

    def note_intent(self, take_id: int, sent: Mapping[str, Any]) -> None:
        """Write down, durably, what is about to be sent."""
        with self._write(durable=True) as db:
            db.execute(
                "UPDATE takes SET intended = 1, sent = ? WHERE id = ?", (_json(sent), take_id)
            )

    def note_submitted(self, take_id: int, remote_id: str) -> None:
        """Write down, durably, the far side's job id."""
        with self._write(durable=True) as db:
            db.execute(
                "UPDATE takes SET state = ?, remote_id = ? WHERE id = ?",
                (State.SUBMITTED, remote_id, take_id),
            )

    def keep_take(self, take_id: int, delivery: Delivery, wall_s: float) -> Take:
        """Keep the audio, then the record that names it: both or neither.

        Raises
        ------
        AudioError
            If a delivered file is no whole audio file.
        """
        delivered, audio = self._keep_audio(delivery.audio)
        with self._write(durable=_is_paid(delivery.charge)) as db:
            db.execute(
                "UPDATE takes SET state = ?, reason = '', charge = ?, cost_nano_usd = ?, "
                "sent = ?, received = ?, truth = ?, notes = ?, audio = ?, delivered = ?, "
                "wall_s = ? WHERE id = ?",
                (
                    State.DONE,
                    _json(delivery.charge.to_json()),
                    _nano(delivery.charge.amount_usd),
                    _json(delivery.sent),
                    _json(delivery.received),
                    _json(delivery.truth),
                    _json(delivery.notes),
                    audio,
                    delivered,
                    wall_s,
                    take_id,
                ),
            )
            db.executemany(
                "UPDATE files SET arrived = 1 WHERE sha256 = ?", ((audio,), (delivered,))
            )
        return self.take(take_id)

    def end_take(
        self, take_id: int, state: State, reason: str, charge: Charge | None = None
    ) -> None:
        """Write down that a take ended without audio.

        `UNKNOWN` goes on counting at its quote; any other state costs what `charge` says.
        """
        with self._write(durable=True) as db:
            db.execute(
                "UPDATE takes SET state = ?, reason = ? WHERE id = ?", (state, reason, take_id)
            )
            if state != State.UNKNOWN:
                db.execute(
                    "UPDATE takes SET charge = ?, cost_nano_usd = ? WHERE id = ?",
                    (
                        _json(charge.to_json()) if charge else None,
                        _nano(charge.amount_usd) if charge else 0,
                        take_id,
                    ),
                )

    def leave_open(self, take_id: int, reason: str) -> None:
        """Write down why a submitted take was left; it is resumed by its job id later."""
        with self._write(durable=True) as db:
            db.execute("UPDATE takes SET reason = ? WHERE id = ?", (reason, take_id))

    def take(self, take_id: int) -> Take:
        """Raises `StoreError` if there is no such take."""
        rows = self._rows("SELECT * FROM takes WHERE id = ?", (take_id,))
        if not rows:
            raise StoreError(f"there is no take {take_id} in {self.folder}.")
        return _take(rows[0])

    def intended(self, take_id: int) -> bool:
        """Whether an intent to send was written down for a take."""
        return bool(self._rows("SELECT intended FROM takes WHERE id = ?", (take_id,))[0][0])

    def takes(self, name: str) -> Iterator[tuple[Place, Take | None]]:
        """Each place of a study's plan with the take that counts for it, in plan order."""
        latest = self.latest(name)
        for row in self._rows(
            "SELECT * FROM plan WHERE study_id = ? ORDER BY position", (self.study_id(name),)
        ):
            place = Place(
                row["key"],
                row["engine"],
                row["round"],
                json.loads(row["at"]),
                request_from_json(json.loads(row["request"])),
            )
            found = latest.get(row["key"])
            yield place, self.take(found[0]) if found else None

    # Measurements

    def add_measurements(self, take_id: int, measurements: Iterable[Measurement]) -> None:
        """Keep measurements of a take; a newer one of the same name replaces the older."""
        with self._write(durable=False) as db:
            db.executemany(
                "INSERT OR REPLACE INTO measurements VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    (take_id, m.name, m.value, m.method, m.low, m.high, m.reason)
                    for m in measurements
                ),
            )

    def measurements(self, take_id: int) -> list[Measurement]:
        """What was measured of a take, by name."""
        rows = self._rows(
            "SELECT name, value, method, low, high, reason FROM measurements WHERE take_id = ? "
            "ORDER BY name",
            (take_id,),
        )
        return [Measurement(**dict(row)) for row in rows]

    def methods(self, take_ids: Iterable[int]) -> dict[int, set[str]]:
        """Which methods each take was measured with."""
        found: dict[int, set[str]] = {take_id: set() for take_id in take_ids}
        for row in self._rows("SELECT DISTINCT take_id, method FROM measurements"):
            if row["take_id"] in found:
                found[row["take_id"]].add(row["method"])
        return found

    def frame_rows(self, name: str) -> tuple[list[sqlite3.Row], list[sqlite3.Row]]:
        """Raw rows for the table: places with their take, and measurements of those takes."""
        study_id = self.study_id(name)
        places = self._rows(
            # A finished take counts before any other; else the newest.
            "SELECT p.position, p.round, p.at, p.request AS wish, p.engine AS asked_engine, t.* "
            "FROM plan p LEFT JOIN takes t ON t.id = (SELECT id FROM takes WHERE key = p.key "
            "ORDER BY state = 'done' DESC, id DESC LIMIT 1) "
            "WHERE p.study_id = ? ORDER BY p.position",
            (study_id,),
        )
        measured = self._rows(
            "SELECT m.* FROM measurements m JOIN takes t ON t.id = m.take_id "
            "WHERE t.key IN (SELECT key FROM plan WHERE study_id = ?)",
            (study_id,),
        )
        return places, measured

    # Audio

    def audio_path(self, sha256: str) -> Path:
        """Where a kept file lies.

        Raises
        ------
        StoreError
            If the store does not hold it.
        """
        rows = self._rows("SELECT suffix FROM files WHERE sha256 = ? AND arrived = 1", (sha256,))
        path = self._file(sha256, rows[0]["suffix"]) if rows else None
        if path is None or not path.is_file():
            raise StoreError(f"the audio file {sha256[:12]} is not in {self.folder}.")
        return path

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
        return Clip.read(self.audio_path(take.audio))

    def _keep_audio(self, audio: Clip | Path) -> tuple[str, str]:
        """Keep audio; returns the digests of the file as delivered and of the working copy."""
        if isinstance(audio, Clip):
            digest = self._encode(audio)
            return digest, digest
        clip = Clip.read(audio)  # a delivered file counts only once it is decoded
        with audio.open("rb") as file:
            suffix = sniff(file.read(16)) or ""
        incoming = self._incoming(suffix)
        shutil.move(audio, incoming)
        delivered = self._take_in(incoming)
        return delivered, delivered if suffix in _LOSSLESS else self._encode(clip)

    def _encode(self, clip: Clip) -> str:
        incoming = self._incoming(clip.lossless_suffix)
        clip.write(incoming)
        return self._take_in(incoming)

    def _incoming(self, suffix: str) -> Path:
        folder = self.folder / "incoming"
        folder.mkdir(exist_ok=True)
        return folder / f"{uuid.uuid4().hex}{suffix}"

    def _take_in(self, incoming: Path) -> str:
        """Move a whole file to where its content says; until a take names it, it is a guest."""
        sha256 = file_sha256(incoming)
        final = self._file(sha256, incoming.suffix)
        with self._write(durable=False) as db:
            db.execute(
                "INSERT OR IGNORE INTO files VALUES (?, ?, ?, 0)",
                (sha256, incoming.suffix, incoming.stat().st_size),
            )
        final.parent.mkdir(parents=True, exist_ok=True)
        _sync(incoming)
        incoming.replace(final)
        _sync(final.parent)
        return sha256

    def _file(self, sha256: str, suffix: str) -> Path:
        return self.folder / "audio" / sha256[:2] / f"{sha256}{suffix}"


def _sync(path: Path) -> None:
    """Have a file's content, or a folder's entries, on the disk and not only in its cache."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _take(row: sqlite3.Row) -> Take:
    return Take(
        id=row["id"],
        key=row["key"],
        engine=row["engine"],
        fingerprint=json.loads(row["fingerprint"]),
        request=request_from_json(json.loads(row["request"])),
        state=State(row["state"]),
        reason=row["reason"],
        idempotency_key=row["idempotency_key"],
        remote_id=row["remote_id"],
        quote=Quote.from_json(json.loads(row["quote"])),
        charge=Charge.from_json(json.loads(row["charge"])) if row["charge"] else None,
        sent=json.loads(row["sent"]),
        received=json.loads(row["received"]),
        truth=json.loads(row["truth"]),
        notes=tuple(json.loads(row["notes"])),
        audio=row["audio"] or "",
        delivered=row["delivered"] or "",
        started_at=row["started_at"],
        wall_s=row["wall_s"],
    )


def _is_paid(cost: Quote | Charge) -> bool:
    return cost.amount_usd > 0 or cost.credits > 0


def _nano(amount_usd: Decimal) -> int:
    return int(amount_usd / NANO)


def _json(data: Any) -> str:
    return canonical_json(data)


def _json_of(request: AnyRequest) -> str:
    return canonical_json(request.to_json())


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
