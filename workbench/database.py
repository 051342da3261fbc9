"""One SQLite file: many readers while one writes, and a schema that is brought forward."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from workbench.errors import StoreError

# Tuples of so few rows are gone before the collector of garbage looks for cycles among them.
_FEW_ROWS = 500

# Faults of the disk or of another process; any other is a defect of ours.
_NOT_OURS = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_BUSY", "SQLITE_CANTOPEN")

Migration = str | Callable[[sqlite3.Connection], None]


class Database:
    """A connection that any thread may use, one at a time.

    Parameters
    ----------
    path : Path
        Made if absent.
    migrations : sequence of str or callable
        SQL scripts, or functions of a connection; each brings the schema one version forward,
        the first makes it.

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

    def __init__(self, path: Path, migrations: Sequence[Migration]) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA foreign_keys=ON")
            if self.version != len(migrations):
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

    def _migrate(self, path: Path, migrations: Sequence[Migration]) -> None:
        with self.write(durable=True) as db:
            have = self.version
            if have > len(migrations):
                raise StoreError(
                    f"{path.parent} was written by a newer workbench (format {have}, this one "
                    f"reads up to {len(migrations)}): update workbench."
                )
            for migration in migrations[have:]:
                if not isinstance(migration, str):
                    migration(db)
                    continue
                for statement in filter(str.strip, migration.split(";")):
                    db.execute(statement)
            db.execute(f"PRAGMA user_version={len(migrations)}")
        if have and have < len(migrations):
            # What the old form took is given back; where that cannot be now, all is right even so.
            with suppress(sqlite3.OperationalError):
                self._db.execute("VACUUM")

    @contextmanager
    def write(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
        """One transaction; with `durable` it is on the disk, not only in its cache, at the end.

        Raises
        ------
        StoreError
            If it cannot be written: the disk is full, the file read-only or held by another.
        """
        with self._lock, self._in_a_sentence():
            self._db.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk has ended it already
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _in_a_sentence(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if not str(error.sqlite_errorname).startswith(_NOT_OURS):
                raise
            told = "nothing of it was kept; what was kept before is whole."
            raise StoreError(f"{self._path} cannot be written ({error}): {told}") from error

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

    def columns(
        self, sql: str, values: Sequence[Any], rows_at_once: int
    ) -> Iterator[list[list[Any]]]:
        """The columns of a query as of one moment, so many rows at a time; read it to the end."""
        with self._lock:
            cursor = self._db.cursor()
            cursor.row_factory = None  # plain tuples are quicker
            cursor.execute(sql, values)
            while rows := cursor.fetchmany(_FEW_ROWS):
                found = [list(column) for column in zip(*rows, strict=True)]
                while len(found[0]) < rows_at_once and (rows := cursor.fetchmany(_FEW_ROWS)):
                    for column, more in zip(found, zip(*rows, strict=True), strict=True):
                        column.extend(more)
                yield found

    def function(self, name: str, call: Callable[..., Any], *, values: int) -> None:
        """Let queries call a function that depends on nothing but the values given to it."""
        self._db.create_function(name, values, call, deterministic=True)
