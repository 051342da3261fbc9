"""A job's life in the database: accepted, claimed, ended. Pure SQL, one transaction each.

``queued -> running -> completed | failed | cancelled``, or ``queued -> cancelled``. The quote
leaves the key's balance when the job is accepted, so that submissions side by side cannot
overdraw it, and goes back unless the job completes: what completes is charged its quote, once.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Literal, NamedTuple

from workbench.server.refusals import Reason, Refusal

Service = Literal["runcomfy", "skystudio"]

# What a client whose jobs fill its limit should wait: about the time of one short job.
_ACTIVE_RETRY_AFTER_S = 2

_HOLD = {
    "runcomfy": "UPDATE keys SET usd_micro = usd_micro - ?1 WHERE id = ?2 AND usd_micro >= ?1",
    "skystudio": "UPDATE keys SET credits_micro = credits_micro - ?1 "
    "WHERE id = ?2 AND credits_micro >= ?1",
}
_REFUND = {
    "runcomfy": "UPDATE keys SET usd_micro = usd_micro + ? WHERE id = ?",
    "skystudio": "UPDATE keys SET credits_micro = credits_micro + ? WHERE id = ?",
}
_SELECT = (
    "SELECT id, service, key_id, model, wish, format, to_compile, compiled, quote_micro, state, "
    "created_at, finished_at, expires_at, output, error, number FROM jobs "
)


class NewJob(NamedTuple):
    """A job as it is accepted; `wish` is a request's JSON, `quote_micro` what it will cost."""

    id: str
    service: Service
    key_id: int
    model: str
    wish: str
    format: str
    to_compile: bool
    quote_micro: int
    idempotency_key: str | None


class Job(NamedTuple):
    """A job as the database has it; `output` names its file while that is kept."""

    id: str
    service: Service
    key_id: int
    model: str
    wish: str
    format: str
    to_compile: int
    compiled: str | None
    quote_micro: int
    state: Literal["queued", "running", "completed", "failed", "cancelled"]
    created_at: float
    finished_at: float | None
    expires_at: float | None
    output: str | None
    error: str | None
    number: int

    @property
    def is_kept(self) -> bool:
        """Whether there is a file to be had."""
        return self.output is not None and (self.expires_at or 0.0) > time.time()


def find(connection: sqlite3.Connection, job_id: str) -> Job | None:
    """The job of this id."""
    row = connection.execute(_SELECT + "WHERE id = ?", (job_id,)).fetchone()
    return None if row is None else Job(*row)


def find_owned(connection: sqlite3.Connection, job_id: str, service: Service, key_id: int) -> Job:
    """The caller's own job.

    Raises
    ------
    Refusal
        If there is none, or it is somebody else's.
    """
    job = find(connection, job_id)
    if job is None or job.service != service:
        raise Refusal(Reason.NOT_FOUND, "there is no such job.")
    if job.key_id != key_id:
        raise Refusal(Reason.NOT_YOURS, "there is no such job for this key.")
    return job


def find_by_idempotency_key(connection: sqlite3.Connection, key_id: int, key: str) -> str | None:
    """Id of the job that this idempotency key was used for."""
    row = connection.execute(
        "SELECT id FROM jobs WHERE key_id = ? AND idempotency_key = ?", (key_id, key)
    ).fetchone()
    return None if row is None else str(row[0])


def queue_position(connection: sqlite3.Connection, job: Job) -> int:
    """How many queued jobs are ahead."""
    row = connection.execute(
        "SELECT count(*) FROM jobs WHERE state = 'queued' AND number < ?", (job.number,)
    )
    return int(row.fetchone()[0])


def accept(connection: sqlite3.Connection, new: NewJob, active_max: int) -> None:
    """Take a job in and hold its price.

    Raises
    ------
    Refusal
        If the idempotency key was used, too many jobs are active, or the balance is too small.
    """
    if new.idempotency_key is not None:
        known = find_by_idempotency_key(connection, new.key_id, new.idempotency_key)
        if known is not None:
            raise conflict(known)
    active = connection.execute(
        "SELECT count(*) FROM (SELECT 1 FROM jobs WHERE key_id = ? "
        "AND state IN ('queued', 'running') LIMIT ?)",
        (new.key_id, active_max),
    ).fetchone()[0]
    if active >= active_max:
        raise Refusal(
            Reason.CONCURRENCY_LIMITED,
            f"{active} jobs of this key are queued or running, the most allowed.",
            retry_after_s=_ACTIVE_RETRY_AFTER_S,
        )
    if not connection.execute(_HOLD[new.service], (new.quote_micro, new.key_id)).rowcount:
        raise Refusal(Reason.NO_FUNDS, "the balance of this key does not cover this job.")
    connection.execute(
        "INSERT INTO jobs (id, service, key_id, model, wish, format, to_compile, quote_micro, "
        "idempotency_key, state, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'queued', ?)",
        (*new, time.time()),
    )


def conflict(job_id: str) -> Refusal:
    """The refusal of an idempotency key that was used for `job_id`."""
    return Refusal(
        Reason.CONFLICT, "Duplicate idempotency key", details={"existing_job_id": job_id}
    )


def claim(connection: sqlite3.Connection, job_id: str) -> Job | None:
    """Start a queued job; None if it is no longer queued."""
    claimed = connection.execute(
        "UPDATE jobs SET state = 'running' WHERE id = ? AND state = 'queued'", (job_id,)
    )
    return find(connection, job_id) if claimed.rowcount else None


def keep_compiled(connection: sqlite3.Connection, job_id: str, compiled: str) -> None:
    """Note what the compiler made of a job, so that a second run is given the same."""
    connection.execute("UPDATE jobs SET compiled = ? WHERE id = ?", (compiled, job_id))


def complete(connection: sqlite3.Connection, job: Job, output: str, retention_s: float) -> None:
    """End a job with its file; what it held becomes its charge."""
    now = time.time()
    connection.execute(
        "UPDATE jobs SET state = 'completed', output = ?, finished_at = ?, expires_at = ? "
        "WHERE id = ? AND state = 'running'",
        (output, now, now + retention_s, job.id),
    )


def end_unpaid(
    connection: sqlite3.Connection,
    job: Job,
    state: Literal["failed", "cancelled"],
    error: str | None = None,
) -> None:
    """End a job that was not completed and give its price back."""
    ended = connection.execute(
        "UPDATE jobs SET state = ?, error = ?, finished_at = ? "
        "WHERE id = ? AND state IN ('queued', 'running')",
        (state, error, time.time(), job.id),
    )
    if ended.rowcount:
        connection.execute(_REFUND[job.service], (job.quote_micro, job.key_id))


def cancel(connection: sqlite3.Connection, job_id: str, *, running_too: bool) -> tuple[Job, bool]:
    """Cancel a job if it is queued; note the wish if it runs and `running_too`.

    Returns
    -------
    tuple of Job and bool
        The job as it is now, and whether this call cancelled it.
    """
    job = find(connection, job_id)
    assert job is not None, "the caller has just found it"
    if job.state == "queued":
        end_unpaid(connection, job, "cancelled")
    elif job.state == "running" and running_too:
        connection.execute("UPDATE jobs SET cancel_asked = 1 WHERE id = ?", (job_id,))
    after = find(connection, job_id)
    assert after is not None, "jobs are never deleted"
    return after, after.state != job.state


def recover(connection: sqlite3.Connection) -> list[str]:
    """Put right what the last run of the server left running; ids of all queued jobs in order."""
    asked = connection.execute(_SELECT + "WHERE state = 'running' AND cancel_asked").fetchall()
    for row in asked:
        end_unpaid(connection, Job(*row), "cancelled")
    connection.execute("UPDATE jobs SET state = 'queued' WHERE state = 'running'")
    queued = connection.execute("SELECT id FROM jobs WHERE state = 'queued' ORDER BY number")
    return [str(row[0]) for row in queued.fetchall()]


def drop_expired(connection: sqlite3.Connection, limit: int = 1000) -> list[str]:
    """Forget the files of jobs past their retention; their names, to be deleted."""
    dropped = connection.execute(
        "SELECT id, output FROM jobs WHERE output IS NOT NULL AND expires_at <= ? LIMIT ?",
        (time.time(), limit),
    ).fetchall()
    connection.executemany(
        "UPDATE jobs SET output = NULL WHERE id = ?", [(job_id,) for job_id, _ in dropped]
    )
    return [str(output) for _, output in dropped]
