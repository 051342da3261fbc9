"""How the measurements of a take lie in one row of the database: what was measured, and numbers.

All takes of which the same was asked share a layout, a list of slots ``[name, method, holds]``.
The take's own row has one float64 (little-endian) for each slot, which `holds`:

- ``number``  the value; NaN where it is undefined
- ``flag``    the value, 1 for yes and 0 for no
- ``text``    the value, a text by its number in the table ``texts``
- ``low``, ``high``  the interval, where there is one
- ``reason``  why it is undefined, a text by its number

The first three are the value itself: every measurement has one of them.
"""

from __future__ import annotations

import json
import math
import sqlite3
import struct
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from workbench.database import Database
from workbench.value import canonical_json

VALUES = ("number", "flag", "text")
TEXTS = ("text", "reason")


class Held(NamedTuple):
    """One measurement; the fields are those of `take.Measurement`."""

    name: str
    value: float | str | bool | None
    method: str
    low: float | None = None
    high: float | None = None
    reason: str = ""


class Packer:
    """Writes rows of measurements within one transaction.

    Examples
    --------
    >>> from pathlib import Path
    >>> database = Database(Path(":memory:"), (
    ...     "CREATE TABLE layouts (id INTEGER PRIMARY KEY, said TEXT UNIQUE)",
    ...     "CREATE TABLE texts (id INTEGER PRIMARY KEY, said TEXT UNIQUE)",
    ...     "CREATE TABLE measurements (take_id INTEGER, layout INTEGER, numbers BLOB)",
    ... ))
    >>> with database.write(durable=True) as db:
    ...     Packer(db).put(7, [Held("width_db", None, "channels/1", reason="mono")])
    >>> unpacked(database, 7)
    [Held(name='width_db', value=None, method='channels/1', low=None, high=None, reason='mono')]
    >>> database.close()
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._texts: dict[str, int] = {}
        self._layouts: dict[tuple[tuple[str, str, str], ...], int] = {}

    def put(self, take_id: int, measurements: Iterable[Held]) -> None:
        """Write the measurements of a take, in the place of those it had."""
        layout, numbers = [], []
        for one in sorted(measurements):
            for holds, value in _slots(one):
                layout.append((one.name, one.method, holds))
                numbers.append(self._text(value) if isinstance(value, str) else value)
        self._db.execute(
            "INSERT OR REPLACE INTO measurements VALUES (?, ?, ?)",
            (take_id, self._layout(tuple(layout)), struct.pack(f"<{len(numbers)}d", *numbers)),
        )

    def _text(self, text: str) -> int:
        if text not in self._texts:
            self._db.execute("INSERT OR IGNORE INTO texts (said) VALUES (?)", (text,))
            row = self._db.execute("SELECT id FROM texts WHERE said = ?", (text,)).fetchone()
            self._texts[text] = row[0]
        return self._texts[text]

    def _layout(self, layout: tuple[tuple[str, str, str], ...]) -> int:
        if layout not in self._layouts:
            said = canonical_json(layout)
            self._db.execute("INSERT OR IGNORE INTO layouts (said) VALUES (?)", (said,))
            row = self._db.execute("SELECT id FROM layouts WHERE said = ?", (said,)).fetchone()
            self._layouts[layout] = row[0]
        return self._layouts[layout]


def _slots(one: Held) -> Iterator[tuple[str, float | str]]:
    if isinstance(one.value, str):
        yield "text", one.value
    elif isinstance(one.value, bool):
        yield "flag", float(one.value)
    else:
        yield "number", math.nan if one.value is None else one.value
    if one.low is not None:
        yield "low", one.low
    if one.high is not None:
        yield "high", one.high
    if one.reason:
        yield "reason", one.reason


def unpacked(database: Database, take_id: int) -> list[Held]:
    """The measurements of a take, by name."""
    rows = database.rows(
        "SELECT l.said, m.numbers FROM measurements m JOIN layouts l ON l.id = m.layout "
        "WHERE m.take_id = ?",
        (take_id,),
    )
    found: dict[str, dict[str, Any]] = {}
    for said, numbers in rows:  # one, or none
        layout = json.loads(said)
        of_slots = struct.unpack(f"<{len(layout)}d", numbers)
        for (name, method, holds), number in zip(layout, of_slots, strict=True):
            one = found.setdefault(name, {"name": name, "method": method})
            one["value" if holds in VALUES else holds] = _meant(database, holds, number)
    return [Held(**one) for one in found.values()]


def _meant(database: Database, holds: str, number: float) -> float | str | bool | None:
    if holds in TEXTS:
        return str(database.rows("SELECT said FROM texts WHERE id = ?", (int(number),))[0][0])
    if holds == "flag":
        return bool(number)
    return None if math.isnan(number) else number


def number_at(numbers: bytes | None, slot: int | None) -> float | None:
    """The number in one slot of a row; None where there is no such row or slot, or it is NaN.

    Examples
    --------
    >>> number_at(struct.pack("<2d", 1.5, 2.5), 1)
    2.5
    """
    if numbers is None or slot is None:
        return None
    number: float = struct.unpack_from("<d", numbers, 8 * slot)[0]
    return None if math.isnan(number) else number
