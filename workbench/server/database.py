"""The server's one database: SQLite, one writer thread that commits in groups, many readers.

A write is a function of the connection. Writes that arrive while the disk is busy share the next
commit, so that a hundred submissions a second cost a few syncs; each still runs inside its own
savepoint, and its future resolves once it is on disk (WAL, synchronous=FULL). Readers never wait.
Amounts are integers: millionths of a dollar or of a credit. Times are Unix seconds.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from workbench.errors import StoreError

T = TypeVar("T")
_Write = tuple[Callable[[sqlite3.Connection], Any], "Future[Any]"]

_VERSION = 1
_GROUP_MAX = 256
_SCHEMA = """
CREATE TABLE keys (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  hash TEXT NOT NULL UNIQUE,
  usd_micro INTEGER NOT NULL,
  credits_micro INTEGER NOT NULL,
  created_at REAL NOT NULL,
  expires_at REAL,
  revoked_at REAL
);
CREATE TABLE jobs (
  number INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  service TEXT NOT NULL,
  key_id INTEGER NOT NULL REFERENCES keys (id),
  model TEXT NOT NULL,
  wish TEXT NOT NULL,
  format TEXT NOT NULL,
  to_compile INTEGER NOT NULL,
  compiled TEXT,
  quote_micro INTEGER NOT NULL,
  idempotency_key TEXT,
  state TEXT NOT NULL,
  cancel_asked INTEGER NOT NULL DEFAULT 0,
  created_at REAL NOT NULL,
  finished_at REAL,
  expires_at REAL,
  output TEXT,
  error TEXT
);
CREATE UNIQUE INDEX jobs_idempotent ON jobs (key_id, idempotency_key)
  WHERE idempotency_key IS NOT NULL;
CREATE INDEX jobs_queued ON jobs (number) WHERE state = 'queued';
CREATE INDEX jobs_active ON jobs (key_id) WHERE state IN ('queued', 'running');
CREATE INDEX jobs_kept ON jobs (expires_at) WHERE output IS NOT NULL;
CREATE TABLE sign_ins (
  hash TEXT PRIMARY KEY,
  user_code TEXT NOT NULL UNIQUE,
  status TEXT NOT NULL,
  expires_at REAL NOT NULL,
  name TEXT,
  usd_micro INTEGER,
  credits_micro INTEGER
);
CREATE TABLE secrets (name TEXT PRIMARY KEY, value BLOB NOT NULL);
-- The account of a server without keys: a million dollars and credits. No token has its hash.
INSERT INTO keys VALUES (0, 'open', '', 1000000000000, 1000000000000, 0, NULL, NULL);
INSERT INTO secrets VALUES ('links', randomblob(32));
"""


def connect(folder: Path) -> sqlite3.Connection:
    """Open (and, the first time, make) the database in `folder`; each statement commits itself.

    The folder, where it is made here, and the database are their owner's alone.

    Raises
    ------
    StoreError
        If another version of this package made it.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / "server.sqlite"
    # It holds what links to results are signed with: other users of the machine must not read it.
    # What SQLite writes beside it takes its mode.
    with suppress(PermissionError):
        path.touch(mode=0o600)
        path.chmod(0o600)
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("BEGIN IMMEDIATE")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        for statement in _SCHEMA.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version={_VERSION}")
    connection.execute("COMMIT")
    if version not in (0, _VERSION):
        connection.close()
        raise StoreError(f"{folder} was made by another version: name a new folder.")
    return connection


class Database:
    """One open database.

    Parameters
    ----------
    folder : Path

    Attributes
    ----------
    reader : sqlite3.Connection
        For the event loop's thread alone.
    """

    def __init__(self, folder: Path) -> None:
        self.reader = connect(folder)
        self._connection = connect(folder)
        self._writes: queue.SimpleQueue[_Write | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write_all, name="database", daemon=True)
        self._thread.start()

    def write(self, act: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Run `act` on the writer's connection; resolves once its changes are on disk."""
        future: Future[T] = Future()
        self._writes.put((act, future))
        return future

    def close(self) -> None:
        """Finish the writes under way and let go of the files."""
        self._writes.put(None)
        self._thread.join()
        self._connection.close()
        self.reader.close()

    def _write_all(self) -> None:
        is_open = True
        while is_open:
            group: list[_Write] = []
            item = self._writes.get()
            while item is not None:
                group.append(item)
                if len(group) == _GROUP_MAX or self._writes.empty():
                    break
                item = self._writes.get()
            is_open = item is not None
            self._commit(group)

    def _commit(self, group: list[_Write]) -> None:
        """One transaction for all; a write that raises is undone alone."""
        done: list[tuple[Future[Any], Any]] = []
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for act, future in group:
                self._connection.execute("SAVEPOINT one")
                try:
                    done.append((future, act(self._connection)))
                except Exception as error:  # noqa: BLE001  the future carries it
                    self._connection.execute("ROLLBACK TO one")
                    future.set_exception(error)
                self._connection.execute("RELEASE one")
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            for _, future in group:
                if not future.done():
                    future.set_exception(error)
            return
        for future, result in done:
            future.set_result(result)
