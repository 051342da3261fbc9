"""When to look at a job again.

Without experience: soon at first, then ever more slowly, in proportion to the time gone by. Once
jobs of this engine have ended, the next ones are looked at closely only from the time that the
quicker of them took: fewer calls, and still a short wait at the end.
"""

from __future__ import annotations

import random
import threading
from collections import deque

_REMEMBERED = 8
_EARLY = 0.97  # look a little before that, so that the estimate can also fall
_OVER_BEFORE = 0.85
_SLOWEST_S = 5.0


class Rhythm:
    """Waiting times between looks, learned from the jobs that ended; shared by threads.

    Examples
    --------
    >>> rhythm = Rhythm()
    >>> 0.1 < rhythm.next_wait_s(0.0) < 0.3
    True
    >>> rhythm.learn(3.0)
    >>> 2.9 < rhythm.next_wait_s(0.0) < 3.0
    True
    """

    def __init__(self) -> None:
        self._took_s: deque[float] = deque(maxlen=_REMEMBERED)
        self._lock = threading.Lock()

    def learn(self, took_s: float, *, seen_running: bool = True) -> None:
        """Note how long a job took from its submission to the look that found it over.

        Where no look before saw it running, it was over at some time before: a slow first job
        must not have all later ones looked at too late.
        """
        with self._lock:
            self._took_s.append(took_s if seen_running else _OVER_BEFORE * took_s)

    @property
    def typical_s(self) -> float | None:
        """What the quicker of the last jobs took, or None before any ended."""
        with self._lock:
            return sorted(self._took_s)[len(self._took_s) // 4] if self._took_s else None

    def next_wait_s(self, elapsed_s: float) -> float:
        """Seconds until the next look at a job that was submitted `elapsed_s` ago."""
        typical_s = self.typical_s
        if typical_s is None:
            wait_s = max(0.15 * elapsed_s, 0.2)
        else:
            late_s = elapsed_s - _EARLY * typical_s
            if late_s < -0.01 * typical_s:
                return min(-late_s, _SLOWEST_S)
            wait_s = max(0.5 * late_s, 0.01 * typical_s, 0.01)
        return min(wait_s, _SLOWEST_S) * random.uniform(0.8, 1.2)
