"""One SQLite file: many readers while one writes, and a schema that is brought forward."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.errors import StoreError


class Database:
    """A connection that any thread may use, one at a time.

    Parameters
    ----------
    path : Path
        Made if absent.
    migrations : sequence of str
        SQL scripts; each brings the schema one version forward, the first makes it.

    Raises
    ------
    StoreError
        If the file is no database, is damaged, or was written by a newer version.

    Examples
    --------
    >>> database = Database(Path(":memory:"), ("CREATE TABLE a (b)",))
    >>> with database.write(durable=True) as db:
    ...     _ = db.execute("INSERT INTO a VALUES (1)")
    >>> [tuple(row) for row in database.rows("SELECT b FROM a")], database.version
    ([(1,)], 1)
    >>> database.close()
    """

    def __init__(self, path: Path, migrations: Sequence[str]) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA foreign_keys=ON")
            self._migrate(path, migrations)
        except sqlite3.DatabaseError as error:
            self.close()
            raise StoreError(f"{path} cannot be read: {error}.") from error
        except StoreError:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; the file can be opened again."""
        self._db.close()

    @property
    def version(self) -> int:
        """How many migrations the file has seen."""
        return int(self._db.execute("PRAGMA user_version").fetchone()[0])

    def _migrate(self, path: Path, migrations: Sequence[str]) -> None:
        if self.version == len(migrations):
            return
        with self.write(durable=True) as db:
            have = self.version
            if have > len(migrations):
                raise StoreError(
                    f"{path.parent} was written by a newer workbench (format {have}, this one "
                    f"reads up to {len(migrations)}): update workbench."
                )
            for script in migrations[have:]:
                for statement in filter(str.strip, script.split(";")):
                    db.execute(statement)
            db.execute(f"PRAGMA user_version={len(migrations)}")

    @contextmanager
    def write(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
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

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Queries within see the database as of one moment, whoever writes meanwhile."""
        with self._lock:
            self._db.execute("BEGIN")
            try:
                yield
            finally:
                self._db.execute("COMMIT")

    def damage(self) -> list[str]:
        """What SQLite finds wrong with the file and its references; empty where it is sound."""
        checks = [row[0] for row in self.rows("PRAGMA integrity_check") if row[0] != "ok"]
        lost = self.rows("PRAGMA foreign_key_check")
        odd = self.rows("SELECT name FROM sqlite_schema WHERE type NOT IN ('table', 'index')")
        checks += [f"holds {row[0]}, which no workbench made" for row in odd]
        return checks + [f"{row[0]} names a row of {row[2]} that is not there" for row in lost]

    def copy(self, path: Path) -> None:
        """Write all of it, as of one moment, to a new file."""
        with self._lock:
            self._db.execute("VACUUM INTO ?", (str(path),))

    def rows(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[sqlite3.Row]:
        """All rows of a query."""
        with self._lock:
            return self._db.execute(sql, values).fetchall()

    def numbers(self, sql: str, values: Sequence[Any] = ()) -> npt.NDArray[np.float64]:
        """The one column of a query that gives numbers alone, without keeping its rows."""
        with self._lock:
            cursor = self._db.cursor()
            cursor.row_factory = None  # plain tuples are quicker
            return np.fromiter(chain.from_iterable(cursor.execute(sql, values)), np.float64)
