"""How records lie in the database: its tables, version by version, and rows to values and back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from workbench.cost import NANO, Charge, Quote
from workbench.database import Database
from workbench.request import AnyRequest, request_from_json
from workbench.take import State, Take
from workbench.value import Value, canonical_json

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
)

# What a page of takes can be sorted by beside measurements.
SORTS: Mapping[str, str] = {
    "position": "p.position",
    "engine": "p.engine",
    "state": "t.state",
    "tags": "json_extract(p.request, '$.tags')",
    "seed": "coalesce(json_extract(p.request, '$.seed'), 0)",
    "cost_usd": "t.cost_nano_usd",
}
SHOWN = (
    "FROM plan p LEFT JOIN takes t ON t.id = (SELECT id FROM takes WHERE key = p.key "
    "ORDER BY state = 'done' DESC, id DESC LIMIT 1) "
    "LEFT JOIN measurements m ON m.take_id = t.id AND m.name = :sort "
    "WHERE p.study_id = :study AND (:state IS NULL OR coalesce(t.state, 'missing') = :state) "
    "AND (:engine IS NULL OR p.engine = :engine) "
    "AND (:words = '' OR instr(lower(json_extract(p.request, '$.tags')), :words))"
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
    """A row of the takes as a take."""
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
