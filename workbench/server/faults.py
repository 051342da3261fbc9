"""Trouble on purpose, for tests and benchmarks: off by default and out of reach over HTTP."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Faults:
    """What goes wrong, and how often.

    Parameters
    ----------
    busy_share : float
        Share of API calls, 0..1, answered 429 before anything else happens.
    busy_retry_after_s : int
        Whole seconds that such an answer asks to wait.
    job_s : float
        Seconds that a job takes at least.
    seed : int
        Decides which calls are hit.
    """

    busy_share: float = 0.0
    busy_retry_after_s: int = 1
    job_s: float = 0.0
    seed: int = 0

    def draws(self) -> random.Random:
        """The source of chance for one run of a server."""
        return random.Random(self.seed)
