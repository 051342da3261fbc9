"""Keys: who may call, with what balance. One key opens both contracts.

A key is shown once, when it is made; the database keeps its SHA-256. That is enough, because a
key is 256 bits of chance and cannot be guessed from its digest.

On loopback, a server without any key is open: every well-formed token is taken and shares one
account with a balance that does not run out in practice. The first key ever made closes it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from workbench.cost import usd_from_zero
from workbench.errors import StoreError
from workbench.server.database import connect
from workbench.server.refusals import Reason, Refusal

MICRO = 1_000_000
OPEN_ID = 0
_TOKEN = re.compile(r"[!-~]{1,4096}")
_FIND = "SELECT id, usd_micro, expires_at, revoked_at FROM keys WHERE hash = ?"


@dataclass(frozen=True)
class Account:
    """Whoever is calling."""

    id: int
    usd_micro: int


@dataclass(frozen=True)
class Key:
    """A key as it is listed; amounts are what is left."""

    id: int
    name: str
    balance_usd: Decimal
    credits: Decimal
    created_at: float
    expires_at: float | None
    is_revoked: bool


def token_hash(token: str) -> str:
    """How a token is kept."""
    return hashlib.sha256(token.encode()).hexdigest()


def micro(amount: Decimal | float | int | str) -> int:
    """An amount in millionths.

    Examples
    --------
    >>> micro("0.012")
    12000
    """
    return int((usd_from_zero(amount) * MICRO).to_integral_value())


def insert_key(
    connection: sqlite3.Connection,
    name: str,
    usd_micro: int,
    credits_micro: int,
    expires_at: float | None = None,
) -> str:
    """Add a key and return its token."""
    token = f"sk-{secrets.token_urlsafe(32)}"
    connection.execute(
        "INSERT INTO keys (name, hash, usd_micro, credits_micro, created_at, expires_at) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (name, token_hash(token), usd_micro, credits_micro, time.time(), expires_at),
    )
    return token


def make_key(
    folder: Path,
    name: str,
    *,
    balance_usd: Decimal | float | str = 0,
    credits: Decimal | float | str = 0,
    expires_at: float | None = None,
) -> str:
    """Make a key for the server in `folder`, running or not.

    Parameters
    ----------
    folder : Path
    name : str
        To know it by.
    balance_usd, credits : Decimal
        What it may spend on RunComfy's and on SkyStudio's contract; 0 or more.
    expires_at : float or None
        Unix seconds; None for no end.

    Returns
    -------
    str
        The token. It cannot be shown again.
    """
    with _opened(folder) as connection:
        return insert_key(connection, name, micro(balance_usd), micro(credits), expires_at)


def revoke_key(folder: Path, key_id: int) -> None:
    """Make a key useless from now on; its jobs run to their end.

    Raises
    ------
    StoreError
        If there is no such key.
    """
    with _opened(folder) as connection:
        done = connection.execute(
            "UPDATE keys SET revoked_at = ? WHERE id = ? AND id <> ?",
            (time.time(), key_id, OPEN_ID),
        )
        if not done.rowcount:
            raise StoreError(f"there is no key {key_id}: list the keys to see their numbers.")


def list_keys(folder: Path) -> list[Key]:
    """Every key ever made, oldest first."""
    with _opened(folder) as connection:
        rows = connection.execute(
            "SELECT id, name, usd_micro, credits_micro, created_at, expires_at, "
            "revoked_at IS NOT NULL FROM keys WHERE id <> ? ORDER BY id",
            (OPEN_ID,),
        ).fetchall()
    return [
        Key(number, name, Decimal(usd) / MICRO, Decimal(credits) / MICRO, made, ends, bool(gone))
        for number, name, usd, credits, made, ends, gone in rows
    ]


def has_keys(connection: sqlite3.Connection) -> bool:
    """Whether any key was ever made, which closes an open server for good."""
    row = connection.execute("SELECT EXISTS (SELECT 1 FROM keys WHERE id > ?)", (OPEN_ID,))
    return bool(row.fetchone()[0])


def find_account(
    connection: sqlite3.Connection, authorization: str, *, may_be_open: bool
) -> Account:
    """Whose call this is, by its Authorization header.

    Raises
    ------
    Refusal
        If the header names no usable key.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not _TOKEN.fullmatch(token):
        raise Refusal(Reason.UNAUTHORIZED, "send your key as 'Authorization: Bearer <key>'.")
    row = connection.execute(_FIND, (token_hash(token),)).fetchone()
    if row is None and may_be_open and not has_keys(connection):
        row = connection.execute(_FIND, ("",)).fetchone()
    if row is None:
        raise Refusal(Reason.UNAUTHORIZED, "this key is not known here.")
    key_id, usd_micro, expires_at, revoked_at = row
    if revoked_at is not None:
        raise Refusal(Reason.KEY_REVOKED, "this key has been revoked.")
    if expires_at is not None and expires_at <= time.time():
        raise Refusal(Reason.KEY_EXPIRED, "this key has expired.")
    return Account(key_id, usd_micro)


@contextmanager
def _opened(folder: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect(folder)) as connection:
        yield connection
