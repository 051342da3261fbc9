"""Audio files named by their content, each complete or absent.

A file goes through three steps: it is written whole under ``incoming/``, noted in the database
as a guest, then moved to where its content says. It stays a guest until the record that names it
is written, and guests of a dead run are cleared away by the next one.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import uuid
from collections.abc import Iterable
from pathlib import Path

from workbench.clip import Clip, file_sha256, sniff
from workbench.database import Database
from workbench.errors import StoreError

_LOSSLESS = {".wav", ".flac", ".aiff"}


class AudioFiles:
    """The audio files of a store.

    Parameters
    ----------
    folder : Path
        Of the store.
    database : Database
        With the table ``files``.

    Attributes
    ----------
    incoming : Path
        Where files under way lie; whatever a dead run left there is cleared away.
    """

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.incoming = folder / "incoming"
        self._database = database

    def keep(self, audio: Clip | Path) -> tuple[str, str]:
        """Keep audio as a guest; returns the digests of the file as delivered and the working copy.

        A file is taken over byte for byte, and decoded once before it counts. Where it is not
        lossless, a lossless working copy is made beside it.

        Raises
        ------
        AudioError
            If a file is no whole audio file.
        """
        if isinstance(audio, Clip):
            digest = self._encode(audio)
            return digest, digest
        clip = Clip.read(audio)
        with audio.open("rb") as file:
            suffix = sniff(file.read(16)) or ""
        incoming = self._incoming(suffix)
        shutil.move(audio, incoming)
        delivered = self._take_in(incoming)
        return delivered, delivered if suffix in _LOSSLESS else self._encode(clip)

    @staticmethod
    def settle(db: sqlite3.Connection, digests: Iterable[str]) -> None:
        """In the transaction that writes a record: the files it names are guests no more."""
        db.executemany("UPDATE files SET arrived = 1 WHERE sha256 = ?", ((d,) for d in digests))

    def path(self, sha256: str) -> Path:
        """Where a kept file lies.

        Raises
        ------
        StoreError
            If it is not there.
        """
        rows = self._database.rows(
            "SELECT suffix FROM files WHERE sha256 = ? AND arrived = 1", (sha256,)
        )
        path = self._home(sha256, rows[0]["suffix"]) if rows else None
        if path is None or not path.is_file():
            raise StoreError(f"the audio file {sha256[:12]} is not in {self.folder}.")
        return path

    def named(self) -> list[tuple[str, int]]:
        """Place under the store's folder and size in bytes of each file that arrived."""
        rows = self._database.rows("SELECT * FROM files WHERE arrived = 1 ORDER BY sha256")
        return [
            (
                self._home(row["sha256"], row["suffix"]).relative_to(self.folder).as_posix(),
                row["size_bytes"],
            )
            for row in rows
        ]

    def used(self) -> set[str]:
        """Digests that a take names, as its audio or as delivered."""
        rows = self._database.rows(
            "SELECT audio FROM takes WHERE audio IS NOT NULL "
            "UNION SELECT delivered FROM takes WHERE delivered IS NOT NULL"
        )
        return {row[0] for row in rows}

    def forget(self, digests: Iterable[str]) -> None:
        """Drop the records of files that no take names; refused by the database for any other."""
        with self._database.write(durable=True) as db:
            db.executemany("DELETE FROM files WHERE sha256 = ?", ((d,) for d in digests))

    def clear_leftovers(self) -> None:
        """Remove what a dead run left: half-written files and guests that no record names."""
        shutil.rmtree(self.incoming, ignore_errors=True)
        for row in self._database.rows("SELECT sha256, suffix FROM files WHERE arrived = 0"):
            self._home(row["sha256"], row["suffix"]).unlink(missing_ok=True)
        with self._database.write(durable=False) as db:
            db.execute("DELETE FROM files WHERE arrived = 0")

    def _encode(self, clip: Clip) -> str:
        incoming = self._incoming(clip.lossless_suffix)
        clip.write(incoming)
        return self._take_in(incoming)

    def _incoming(self, suffix: str) -> Path:
        self.incoming.mkdir(exist_ok=True)
        return self.incoming / f"{uuid.uuid4().hex}{suffix}"

    def _take_in(self, incoming: Path) -> str:
        """Move a whole file to where its content says."""
        sha256 = file_sha256(incoming)
        home = self._home(sha256, incoming.suffix)
        with self._database.write(durable=False) as db:
            db.execute(
                "INSERT OR IGNORE INTO files VALUES (?, ?, ?, 0)",
                (sha256, incoming.suffix, incoming.stat().st_size),
            )
        home.parent.mkdir(parents=True, exist_ok=True)
        _sync(incoming)
        incoming.replace(home)
        _sync(home.parent)
        return sha256

    def _home(self, sha256: str, suffix: str) -> Path:
        return self.folder / "audio" / sha256[:2] / f"{sha256}{suffix}"


def _sync(path: Path) -> None:
    """Have a file's content, or a folder's entries, on the disk and not only in its cache."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
