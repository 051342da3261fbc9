"""What both contracts share while the server runs: the caller, and how a job is taken in."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from anyio import CapacityLimiter, to_thread
from starlette.requests import HTTPConnection

from workbench.errors import RequestError
from workbench.server import jobs, sources
from workbench.server.database import Database
from workbench.server.inputs import SourceFile
from workbench.server.keys import Account
from workbench.server.limits import RateLimit
from workbench.server.outputs import Links
from workbench.server.refusals import Reason, Refusal
from workbench.server.settings import Settings
from workbench.server.work import Work

T = TypeVar("T")

# Sources fetched at once: slow hosts must not take every thread.
_FETCHES_MAX = 8
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")


class Service:
    """One running server's parts.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.database = Database(settings.folder)
        self.reader = self.database.reader
        self.work = Work(settings, self.database)
        secret = self.reader.execute("SELECT value FROM secrets WHERE name = 'links'").fetchone()
        self.links = Links(secret[0], settings.limits.link_s)
        self._rate = RateLimit(settings.limits.submits_per_minute)
        self._fetches = CapacityLimiter(_FETCHES_MAX)

    async def write(self, act: Callable[..., T]) -> T:
        """Run a write; resolves once it is on disk."""
        return await asyncio.wrap_future(self.database.write(act))

    def admit(self, account: Account) -> None:
        """Count a submission.

        Raises
        ------
        Refusal
            If the key has made too many in a minute.
        """
        wait_s = self._rate.wait_s(account.id)
        if wait_s:
            most = self.settings.limits.submits_per_minute
            said = f"a key may submit {most} times a minute."
            raise Refusal(Reason.RATE_LIMITED, said, retry_after_s=wait_s)

    async def take_in(self, audio: str, path: Path) -> SourceFile:
        """Fetch or decode source audio, off the event loop."""
        hosts = self.settings.source_hosts
        return await to_thread.run_sync(sources.take_in, audio, path, hosts, limiter=self._fetches)

    async def accept(self, new: jobs.NewJob) -> None:
        """Take a job in; it is on disk and in the queue when this returns.

        Raises
        ------
        Refusal
            As `jobs.accept` does.
        """
        active_max = self.settings.limits.active_max
        accepted = self.database.write(lambda c: jobs.accept(c, new, active_max))
        # Queued by the writer, not here: the caller may hang up before this resumes.
        accepted.add_done_callback(lambda f: None if f.exception() else self.work.put(new.id))
        await asyncio.wrap_future(accepted)


def invalid(error: RequestError) -> Refusal:
    """A wish that cannot be served, as a refusal."""
    said = str(error)
    return Refusal(Reason.INVALID, said, faults=[said])


def new_id() -> str:
    """A fresh job id."""
    return str(uuid4())


@dataclass(frozen=True)
class Caller:
    """Who calls, on which server, by which address."""

    service: Service
    account: Account
    base_url: str

    def job(self, job_id: str, name: jobs.Service) -> jobs.Job:
        """The caller's own job; a `Refusal` if there is none."""
        return jobs.find_owned(self.service.reader, job_id, name, self.account.id)


def base_url(call: HTTPConnection) -> str:
    """The address under which the caller sees this server."""
    host = call.headers.get("host", "")
    if not _HOST.fullmatch(host):
        address, port = call.scope["server"]
        host = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    return f"{call.scope['scheme']}://{host}"


def caller_of(call: HTTPConnection) -> Caller:
    """Who calls. No FastAPI dependency: that would cost a poll a third of its time."""
    return Caller(call.app.state.service, call.state.account, base_url(call))
