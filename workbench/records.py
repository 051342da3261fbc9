"""How records lie in the database: its tables, version by version, and rows to values and back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

from workbench.cost import NANO, Charge, Quote
from workbench.database import Database, Migration
from workbench.packed import Held, Packer
from workbench.request import AnyRequest, request_from_json
from workbench.take import State, Take
from workbench.value import Value, canonical_json


def facts(received: Mapping[str, Any], truth: Mapping[str, Any]) -> tuple[Any, Any, Any]:
    """What a table shows of the two: seed received, tempo and key known by construction.

    Examples
    --------
    >>> facts({"seed": 7}, {"tempo_bpm": 124.0, "key": "C minor", "beats_s": [0.0, 0.5]})
    (7, 124.0, 'C minor')
    """
    seed, tempo_bpm, key = received.get("seed"), truth.get("tempo_bpm"), truth.get("key")
    return (
        seed if isinstance(seed, int) and abs(seed) < 2**63 else None,
        tempo_bpm if isinstance(tempo_bpm, int | float) else None,
        key if isinstance(key, str) else None,
    )


def _pack(db: sqlite3.Connection) -> None:
    """What had a row per measurement gets one per take; what a table shows is set beside."""
    texts = db.execute("SELECT take_id, received, truth FROM exchanges")
    shown = ((*facts(json.loads(row[1]), json.loads(row[2])), row[0]) for row in texts)
    db.executemany(
        "UPDATE takes SET received_seed = ?, truth_tempo_bpm = ?, truth_key = ? WHERE id = ?", shown
    )
    rows = db.execute(
        "SELECT take_id, name, value, method, low, high, reason FROM loose ORDER BY take_id, name"
    )
    packer = Packer(db)
    for take_id, of_take in groupby(rows, key=lambda row: row[0]):
        packer.put(take_id, (Held(*tuple(row)[1:]) for row in of_take))


# Each entry brings a database one version forward; the first makes it. Never edit a released one.
MIGRATIONS: tuple[Migration, ...] = (
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
    CREATE INDEX takes_open ON takes (state) WHERE state IN ('started', 'submitted', 'unknown');
    CREATE TABLE files (
        sha256 TEXT PRIMARY KEY, suffix TEXT NOT NULL, size_bytes INTEGER NOT NULL,
        arrived INTEGER NOT NULL) WITHOUT ROWID;
    CREATE INDEX files_under_way ON files (sha256) WHERE arrived = 0;
    CREATE TABLE measurements (
        take_id INTEGER NOT NULL REFERENCES takes, name TEXT NOT NULL, value ANY,
        method TEXT NOT NULL, low REAL, high REAL, reason TEXT NOT NULL DEFAULT '',
        PRIMARY KEY (take_id, name)) WITHOUT ROWID;
    """,
    # What a table of this store has not seen yet: takes changed since, plans that are others.
    """
    ALTER TABLE takes ADD COLUMN changed INTEGER NOT NULL DEFAULT 0;
    UPDATE takes SET changed = id;
    CREATE INDEX takes_by_change ON takes (changed);
    ALTER TABLE studies ADD COLUMN plan_digest TEXT NOT NULL DEFAULT '';
    """,
    # What listeners said.
    """
    CREATE TABLE ratings (
        id INTEGER PRIMARY KEY, study_id INTEGER NOT NULL REFERENCES studies,
        listener TEXT NOT NULL, rating TEXT NOT NULL);
    CREATE INDEX ratings_by_study ON ratings (study_id, listener);
    """,
    # So that a table of many takes is quick: measurements in one row per take (see `packed`), and
    # what is long and shown of one take alone in a table of its own.
    """
    ALTER TABLE measurements RENAME TO loose;
    CREATE TABLE layouts (id INTEGER PRIMARY KEY, said TEXT NOT NULL UNIQUE);
    CREATE TABLE texts (id INTEGER PRIMARY KEY, said TEXT NOT NULL UNIQUE);
    CREATE TABLE measurements (
        take_id INTEGER PRIMARY KEY REFERENCES takes,
        layout INTEGER NOT NULL REFERENCES layouts, numbers BLOB NOT NULL);
    CREATE TABLE exchanges (
        take_id INTEGER PRIMARY KEY REFERENCES takes, sent TEXT NOT NULL,
        received TEXT NOT NULL DEFAULT '{}', truth TEXT NOT NULL DEFAULT '{}');
    INSERT INTO exchanges SELECT id, sent, received, truth FROM takes
        WHERE sent <> '{}' OR received <> '{}' OR truth <> '{}';
    ALTER TABLE takes DROP COLUMN sent;
    ALTER TABLE takes DROP COLUMN received;
    ALTER TABLE takes DROP COLUMN truth;
    ALTER TABLE takes ADD COLUMN received_seed INTEGER;
    ALTER TABLE takes ADD COLUMN truth_tempo_bpm REAL;
    ALTER TABLE takes ADD COLUMN truth_key TEXT;
    """,
    _pack,
    "DROP TABLE loose",
)

# Places of a plan, each with the take that counts and what was measured of it. A finished take
# counts before any other, else the newest; both are found along an index.
PLACES = (
    "FROM plan p LEFT JOIN takes t ON t.id = coalesce("
    "(SELECT id FROM takes WHERE key = p.key AND state = 'done'), "
    "(SELECT max(id) FROM takes WHERE key = p.key)) "
    "LEFT JOIN measurements m ON m.take_id = t.id "
)
# The rows of a table: what `columns.Rows` names, in that order.
ROWS = (
    "SELECT p.round, p.at, p.request, p.engine, t.id, t.state, t.reason, t.quote, t.charge, "
    "t.wall_s, t.received_seed, t.truth_tempo_bpm, t.truth_key, t.notes, t.audio, t.started_at, "
    f"m.layout, m.numbers {PLACES} WHERE p.study_id = ? ORDER BY p.position"
)
ROWS_AT_ONCE = 20_000
# A record as `take_of` reads it.
TAKES = (
    "SELECT t.*, x.sent, x.received, x.truth FROM takes t LEFT JOIN exchanges x ON x.take_id = t.id"
)
IN_STATES = "WHERE t.state IN (SELECT value FROM json_each(?))"

# What a page of takes can be sorted by beside measurements.
SORTS: Mapping[str, str] = {
    "position": "p.position",
    "engine": "p.engine",
    "state": "t.state",
    "tags": "json_extract(p.request, '$.tags')",
    "seed": "coalesce(json_extract(p.request, '$.seed'), 0)",
    "cost_usd": "t.cost_nano_usd",
}
# What a measurement says, by which a page is sorted; found in the slot that holds its value.
MEASURED = (
    "iif(s.holds = 'text', (SELECT said FROM texts WHERE id = number_at(m.numbers, s.slot)), "
    "number_at(m.numbers, s.slot))"
)
_SLOT = (
    "LEFT JOIN (SELECT l.id, j.key AS slot, json_extract(j.value, '$[2]') AS holds "
    "FROM layouts l, json_each(l.said) j WHERE json_extract(j.value, '$[0]') = :sort "
    "AND holds IN ('number', 'flag', 'text')) s ON s.id = m.layout"
)
SHOWN = (
    f"{PLACES} {_SLOT} "
    "WHERE p.study_id = :study AND (:state IS NULL OR coalesce(t.state, 'missing') = :state) "
    "AND (:engine IS NULL OR p.engine = :engine) "
    "AND (:words = '' OR instr(lower(json_extract(p.request, '$.tags')), :words))"
)
# Takes whose measurements are not one number for each slot.
CUT = (
    "SELECT m.take_id FROM measurements m JOIN layouts l ON l.id = m.layout "
    "WHERE CASE WHEN json_valid(l.said) THEN length(m.numbers) <> 8 * json_array_length(l.said) "
    "ELSE 1 END ORDER BY m.take_id"
)


class Shown(Value):
    """Which places of a study to show, and in which order.

    Parameters
    ----------
    sort : str
        One of `SORTS`, or a measurement's name; places without a value come last.
    descending : bool
    state : str, optional
        Only places whose take is in this state, or "missing".
    engine : str, optional
        Only places of this engine.
    words : str
        Only places whose tags hold this text, in any case.
    """

    sort: str = "position"
    descending: bool = False
    state: str | None = None
    engine: str | None = None
    words: str = ""


class Place(NamedTuple):
    """One place of a study's plan: a request for an engine, at its values of the axes."""

    key: str
    engine: str
    round: str
    at: Mapping[str, Any]
    request: AnyRequest


def place_of(row: sqlite3.Row) -> Place:
    """A row of the plan as a place."""
    return Place(
        row["key"],
        row["engine"],
        row["round"],
        json.loads(row["at"]),
        request_from_json(json.loads(row["request"])),
    )


def plan_row(place: Place) -> tuple[str, ...]:
    """A place as a row of the plan, less the study and the position."""
    at, request = canonical_json(place.at), canonical_json(place.request.to_json())
    return (place.key, place.engine, place.round, at, request)


def take_of(row: sqlite3.Row) -> Take:
    """A row of `TAKES` as a take."""
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
        sent=json.loads(row["sent"] or "{}"),
        received=json.loads(row["received"] or "{}"),
        truth=json.loads(row["truth"] or "{}"),
        notes=tuple(json.loads(row["notes"])),
        audio=row["audio"] or "",
        delivered=row["delivered"] or "",
        started_at=row["started_at"],
        wall_s=row["wall_s"],
    )


class RatingRows:
    """What listeners said of the takes of studies, as JSON, in a store's database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def add(self, study_id: int, listener: str, rating: Mapping[str, Any]) -> None:
        """Keep a vote, durably: a person's minutes cannot be made again."""
        with self._db.write(durable=True) as db:
            db.execute(
                "INSERT INTO ratings (study_id, listener, rating) VALUES (?, ?, ?)",
                (study_id, listener, canonical_json(rating)),
            )

    def of(self, study_id: int, listener: str | None) -> list[dict[str, Any]]:
        """The votes on a study's takes, oldest first; of one listener, or of all."""
        rows = self._db.rows(
            "SELECT rating FROM ratings WHERE study_id = :study "
            "AND (:listener IS NULL OR listener = :listener) ORDER BY id",
            {"study": study_id, "listener": listener},
        )
        return [json.loads(row["rating"]) for row in rows]


def is_paid(cost: Quote | Charge) -> bool:
    """Whether money or credits are at stake."""
    return cost.amount_usd > 0 or cost.credits > 0


def nano(amount_usd: Decimal) -> int:
    """An amount in billionths of a dollar, as the database counts."""
    return int(amount_usd / NANO)


def now() -> str:
    """The time in UTC, to a millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
