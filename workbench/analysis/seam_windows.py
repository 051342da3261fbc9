"""Which frames lie before and after each time: windows that stop at the edges of a clip.

Conventions: times in seconds from the first sample; frame i is centred on `first_s + i * hop_s`
and reaches `half_s` to both sides. A window holds the frames that lie wholly inside it, and leaves
out `GUARD_S` on both sides of its time, where a crossfade may be.

References: none; bookkeeping.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from workbench.analysis.products import DoubleArray

GUARD_S = 0.005


@dataclass(frozen=True)
class Slices:
    """For each of K times, the frames `start` to `stop` (exclusive), at least one."""

    start: npt.NDArray[np.int64]
    stop: npt.NDArray[np.int64]

    def mean(self, sums: DoubleArray) -> DoubleArray:
        """Mean over the frames, from running sums."""
        total = sums[self.stop] - sums[self.start]
        count = (self.stop - self.start).reshape(-1, *([1] * (sums.ndim - 1)))
        averaged: DoubleArray = total / count
        return averaged

    def quantile(self, rows: DoubleArray, share: float) -> DoubleArray:
        """Quantile over the frames, band by band, (K, bands)."""
        return np.stack(
            [_quantile(rows[a:b], share) for a, b in zip(self.start, self.stop, strict=True)]
        )


@dataclass(frozen=True)
class Spans:
    """How far each time may look to the left and to the right."""

    times_s: DoubleArray
    first_s: DoubleArray
    last_s: DoubleArray

    @staticmethod
    def between(times_s: DoubleArray, breaks_s: tuple[float, ...], duration_s: float) -> Spans:
        walls = np.array([0.0, *breaks_s, duration_s])
        # A break at the time itself is the edge that is being read, not a wall.
        gap = walls - times_s[:, None]
        first = np.where(gap < -1e-3, walls, 0.0).max(axis=1)
        last = np.where(gap > 1e-3, walls, duration_s).min(axis=1)
        return Spans(times_s, first, last)

    def slices(
        self, window_s: float, first_s: float, hop_s: float, half_s: float, count: int
    ) -> tuple[Slices, Slices]:
        """Frames wholly inside the window before, and the one after, each time."""
        inner = GUARD_S + half_s
        low = np.maximum(self.times_s - window_s, self.first_s) + half_s
        high = np.minimum(self.times_s + window_s, self.last_s) - half_s

        def index(seconds: DoubleArray) -> npt.NDArray[np.int64]:
            return np.ceil((seconds - first_s) / hop_s - 1e-6).astype(np.int64)

        start = np.clip(index(low), 0, count - 1)
        stop = np.clip(index(self.times_s - inner), 1, count)
        before = Slices(np.minimum(start, stop - 1), stop)
        start = np.clip(index(self.times_s + inner), 0, count - 1)
        stop = np.clip(index(high), 1, count)
        return before, Slices(start, np.maximum(stop, start + 1))


def _quantile(rows: DoubleArray, share: float) -> DoubleArray:
    place = int(share * (len(rows) - 1))
    picked: DoubleArray = np.partition(rows, place, axis=0)[place]
    return picked


def running_sum(rows: npt.NDArray[np.floating]) -> DoubleArray:
    """Sums of the first 0, 1, 2... rows, (n, ...) to (n + 1, ...), for `Slices.mean`."""
    sums = np.zeros((len(rows) + 1, *rows.shape[1:]))
    np.cumsum(rows, axis=0, out=sums[1:])
    return sums
