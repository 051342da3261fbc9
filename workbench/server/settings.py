"""What a server is told when it starts."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from workbench.engines.base import Engine
from workbench.server.compiler import Compiler, RuleCompiler
from workbench.server.faults import Faults

DAY_S = 86_400.0


@dataclass(frozen=True)
class Limits:
    """How much one key may ask for, and how long results stay.

    Parameters
    ----------
    submits_per_minute : int
        Submissions that one key may make in a minute; also the size of a burst.
    active_max : int
        Jobs that one key may have queued or running.
    retention_s : float
        Seconds after its end during which a job's file is kept.
    link_s : float
        Seconds that a link to a file works; asking again gives a fresh one.
    """

    submits_per_minute: int = 600
    active_max: int = 100
    retention_s: float = 15 * DAY_S
    link_s: float = 15 * DAY_S


@dataclass(frozen=True)
class Settings:
    """One server.

    Parameters
    ----------
    engine : Engine
        What makes the audio.
    folder : Path
        Holds the database, the results and the sources; made if missing. One server at a time.
    host, port : str, int
        Where to listen. A host that is not loopback needs at least one key.
    workers : int or None
        Jobs run at once; None takes the engine's `concurrency`.
    limits : Limits
    compiler : Compiler
        Turns a one-line idea into prompt, lyrics and tempo (SkyStudio's simple mode).
    source_hosts : frozenset of str
        Hosts that source audio may come from although they are not public, over plain http too.
    faults : Faults
        Trouble on purpose, for tests and benchmarks.

    Examples
    --------
    >>> Settings.is_loopback("127.0.0.1"), Settings.is_loopback("0.0.0.0")
    (True, False)
    """

    engine: Engine
    folder: Path
    host: str = "127.0.0.1"
    port: int = 8000
    workers: int | None = None
    limits: Limits = field(default_factory=Limits)
    compiler: Compiler = field(default_factory=RuleCompiler)
    source_hosts: frozenset[str] = frozenset()
    faults: Faults = field(default_factory=Faults)

    @staticmethod
    def is_loopback(host: str) -> bool:
        """Whether only this machine can reach `host`."""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    @property
    def worker_count(self) -> int:
        """Jobs run at once."""
        return self.engine.concurrency if self.workers is None else self.workers
