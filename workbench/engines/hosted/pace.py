"""How many jobs of one engine may be under way, and when to hold back.

A service that refuses one call in twenty tells nothing of our rate: that one call waits. One that
refuses a good part of our calls is telling us that we are too many: the number of jobs is halved
and all wait as long as it asked. Every answer then wins back a little (additive increase,
multiplicative decrease: Chiu and Jain 1989, as in TCP), up to the configured number.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from workbench.errors import RequestError

_WINDOW = 16  # answers looked at
_CROWDED = 6  # refusals among them; by chance, at 5 % refused, less than once in 10,000 answers
_BACK_OFF_S = 1.0  # where the service names no time
_LOOK_AGAIN_S = 0.1

Pause = Callable[[float], None]


class Pace:
    """Slots for jobs, shared by the threads of one engine.

    Parameters
    ----------
    slots : int
        Jobs under way at once, at most.

    Raises
    ------
    RequestError
        If there is not even one.

    Examples
    --------
    >>> pace = Pace(8)
    >>> for _ in range(6):
    ...     pace.refused(0.0)
    >>> pace.slots
    4
    """

    def __init__(self, slots: int) -> None:
        if slots < 1:
            raise RequestError(f"concurrency is {slots}, but it takes at least 1 job at a time.")
        self.slots_max = slots
        self._limit = float(slots)
        self._busy = 0
        self._closed_until = 0.0
        self._recent: deque[bool] = deque(maxlen=_WINDOW)
        self._changed = threading.Condition()

    @property
    def slots(self) -> int:
        """How many jobs may be under way now."""
        return int(self._limit)

    def enter(self, pause: Pause) -> None:
        """Wait for a slot and take it; `pause(0)` is called now and then and may raise."""
        while True:
            pause(0.0)
            with self._changed:
                shut_s = self._closed_until - time.monotonic()
                if shut_s <= 0 and self._busy < self.slots:
                    self._busy += 1
                    return
                self._changed.wait(min(shut_s, _LOOK_AGAIN_S) if shut_s > 0 else _LOOK_AGAIN_S)

    def join(self) -> None:
        """Count a job that is under way already, without waiting."""
        with self._changed:
            self._busy += 1

    def leave(self) -> None:
        """Give the slot back."""
        with self._changed:
            self._busy -= 1
            self._changed.notify()

    def accepted(self) -> None:
        """Note an answer that was no refusal."""
        with self._changed:
            self._recent.append(False)
            self._limit = min(self._limit + 1 / self._limit, float(self.slots_max))
            self._changed.notify()

    def refused(self, retry_after_s: float | None) -> None:
        """Note a refusal for calling too often, and how long the service wants us to wait."""
        with self._changed:
            self._recent.append(True)
            if sum(self._recent) < _CROWDED:
                return
            self._recent.clear()
            self._limit = max(1.0, self._limit / 2)
            wait_s = _BACK_OFF_S if retry_after_s is None else retry_after_s
            self._closed_until = max(self._closed_until, time.monotonic() + wait_s)


class Slot:
    """The slot that one job holds; it can be lent and taken back without waiting."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._held = True

    def lend(self) -> None:
        """Let another job have it."""
        if self._held:
            self._pace.leave()
        self._held = False

    def take_back(self) -> None:
        """Count again, whether there is room or not: the job is under way all the same."""
        if not self._held:
            self._pace.join()
        self._held = True
