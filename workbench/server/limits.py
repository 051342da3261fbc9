"""Submissions per minute and key: the generic cell rate algorithm (ITU-T I.371, annex A)."""

from __future__ import annotations

import math
import time


class RateLimit:
    """Lets a burst of `per_minute` through at once, then one every 60 / `per_minute` seconds.

    One number per key: the moment at which its burst will be whole again.

    Examples
    --------
    >>> limit = RateLimit(2)
    >>> limit.wait_s(1, now_s=0.0), limit.wait_s(1, now_s=0.0), limit.wait_s(1, now_s=0.0)
    (0, 0, 30)
    """

    def __init__(self, per_minute: int) -> None:
        self._step_s = 60.0 / per_minute
        self._whole_at_s: dict[int, float] = {}

    def wait_s(self, key_id: int, now_s: float | None = None) -> int:
        """Whole seconds until this key may submit; 0 lets it through and counts it."""
        now = time.monotonic() if now_s is None else now_s
        whole_at = max(self._whole_at_s.get(key_id, now), now) + self._step_s
        over_s = whole_at - now - 60.0
        if over_s > 1e-6:
            return math.ceil(over_s - 1e-6)
        self._whole_at_s[key_id] = whole_at
        return 0
