"""Does what follows a time continue what came before it? Likeness of moments, and the beat.

Both compare every moment after the time with every moment before, so they need no tempo, and see
more the more the music repeats itself.

References: Foote and Uchihashi, The beat spectrum, ICME 2001 (self-similarity over lag).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.ndimage

from workbench.analysis.products import DoubleArray, FloatArray
from workbench.analysis.seam_spectra import TINY
from workbench.analysis.seam_windows import running_sum

_SLIP_RANGE_S = 0.16
_FEWEST_PLACES = 40
# Neighbours of a good place are nearly as good: six are about two places.
_LIKEST_PLACES = 6
_LEAST_DB = 0.1


@dataclass(frozen=True)
class Moments:
    """Moments of a stretch: what makes them like each other, and what like ones should share.

    Parameters
    ----------
    shape : np.ndarray, shape (moments, bands)
        Bands in dB, less the level.
    level, tilt : np.ndarray, shape (moments,)
        Mean of all bands; that of the upper ones less that of the others; dB.
    widths : np.ndarray, shape (moments, bands)
        Side to middle, in dB.
    """

    shape: DoubleArray
    level: DoubleArray
    tilt: DoubleArray
    widths: DoubleArray

    def between(self, start: int, stop: int) -> Moments:
        """Those from `start` to `stop` (exclusive)."""
        own = slice(start, stop)
        return Moments(self.shape[own], self.level[own], self.tilt[own], self.widths[own])


def match_moments(left: Moments, right: Moments) -> DoubleArray:
    """What moments do to their likest on the other side: (6,).

    Level change over its spread; the same with the likest pairs weighing most; the latter for the
    tilt; spectral change; change of the widths over their spread; and how unlike even the likest
    are.
    """
    squares = (left.shape**2).sum(axis=1)[:, None] + (right.shape**2).sum(axis=1)
    squares -= 2 * left.shape @ right.shape.T
    distance = np.sqrt(np.maximum(squares, 0) / left.shape.shape[1])
    of_right = distance.argmin(axis=0)
    of_left = distance.argmin(axis=1)

    def change(before: DoubleArray, after: DoubleArray) -> DoubleArray:
        return np.concatenate([after - before[of_right], after[of_left] - before])

    nearest = np.concatenate([distance.min(axis=0), distance.min(axis=1)])
    likest = np.exp(-((nearest / (np.quantile(nearest, 0.3) + TINY)) ** 2))
    level = change(left.level, right.level)
    widths = change(left.widths, right.widths)
    wider = np.median(widths, axis=0)
    spread = np.median(np.abs(widths - wider), axis=0)
    return np.array(
        [
            _against_spread(level, np.ones_like(level)),
            _against_spread(level, likest),
            _against_spread(change(left.tilt, right.tilt), likest),
            np.sqrt((np.median(change(left.shape, right.shape), axis=0) ** 2).mean()),
            np.sqrt((wider**2 / (spread**2 + 0.5)).mean()),
            np.median(nearest[: len(right.shape)]),
        ]
    )


def _against_spread(values: DoubleArray, weights: DoubleArray) -> float:
    """Size of the weighted median over the weighted median deviation from it."""
    typical = _weighted_median(values, weights)
    return abs(typical) / (_weighted_median(np.abs(values - typical), weights) + 0.5)


def _weighted_median(values: DoubleArray, weights: DoubleArray) -> float:
    order = np.argsort(values)
    below = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(below, below[-1] / 2)]])


def places_differ(
    shape: npt.NDArray[np.floating],
    before: tuple[int, int],
    after: tuple[int, int],
    walls: DoubleArray,
) -> float:
    """How much less the places that are like one side of a time are like its other side.

    Sought in a whole stretch, so it knows bars and phrases without a tempo. Logs of the distance
    of the other side at the places likest to the one, over the least distance there is, summed
    over both ways; 0 if they are the same places, or if the stretch has no room for any.

    Parameters
    ----------
    shape : np.ndarray, float, shape (frames, bands)
        The stretch in dB, each frame without its level.
    before, after : tuple of int
        First frame and end (exclusive) of the window on either side of the time.
    walls : np.ndarray, float64, shape (walls,)
        Frames, fractions allowed, that no place may reach across; the time is one.

    Returns
    -------
    float
        From 0.

    Examples
    --------
    >>> bar = np.random.default_rng(0).normal(0, 6, (100, 40))
    >>> bars = np.tile(bar, (9, 1))
    >>> round(places_differ(bars, (360, 399), (401, 440), np.array([400.0])), 3)
    0.0
    >>> cut = np.delete(bars, np.arange(400, 450), axis=0)
    >>> places_differ(cut, (360, 399), (401, 440), np.array([400.0])) > 1
    True
    """
    first, end = before[0], after[1]
    length = end - first
    starts = np.arange(len(shape) - length + 1)
    clear = np.abs(starts - first) > length // 3
    for wall in walls:
        clear &= (starts - 1 >= wall) | (starts + length <= wall)
    if clear.sum() < _FEWEST_PLACES:
        return 0.0
    products = shape[first:end] @ shape.T
    # Row r, column q: frame r of the windows with the one that it meets at the q-th start.
    met = np.lib.stride_tricks.as_strided(
        products, (length, len(starts)), (sum(products.strides), products.strides[1])
    )
    sums = running_sum(np.einsum("ij,ij->i", shape, shape))

    def distance(low: int, high: int) -> DoubleArray:
        own = sums[first + high] - sums[first + low]
        there = sums[starts + high] - sums[starts + low]
        shared = met[low:high].sum(axis=0, dtype=np.float64)
        least = _LEAST_DB**2 * (high - low) * shape.shape[1]
        total: DoubleArray = np.maximum(own + there - 2 * shared, least)
        return total[clear]

    sides = distance(0, before[1] - first), distance(after[0] - first, length)
    return _less_like(*sides) + _less_like(*sides[::-1])


def _less_like(one: DoubleArray, other: DoubleArray) -> float:
    likest = np.argpartition(one, _LIKEST_PLACES)[:_LIKEST_PLACES]
    least = np.partition(other, _LIKEST_PLACES)[:_LIKEST_PLACES]
    return float(np.log(other[likest].mean() / least.mean()))


def beat_slip(
    left: FloatArray, right: FloatArray, gap: int, hop_s: float
) -> tuple[float, float, float]:
    """Shift, in ms, at which the after side continues the pattern of the before side best.

    The correlation across the time has its peaks where the correlation within the sides has
    them, moved by the slip; so no tempo needs to be known. Second value: agreement gained by
    the shift over none. Third: what the agreement without a shift lacks to 1.
    """
    padded = scipy.fft.next_fast_len(2 * max(left.shape[1], right.shape[1]) + gap, real=True)
    before = scipy.fft.rfft(left, padded, axis=1)
    after = scipy.fft.rfft(right, padded, axis=1)
    across = scipy.fft.irfft((after * before.conj()).sum(axis=0), padded)
    within = scipy.fft.irfft(
        sum((side.real**2 + side.imag**2).sum(axis=0) for side in (before, after)), padded
    )
    # Lags in frames: right starts `left.shape[1] + gap` frames after left does.
    offset = left.shape[1] + gap
    longest = min(left.shape[1], right.shape[1])
    reach = round(_SLIP_RANGE_S / hop_s)
    lags = np.arange(reach + 4, longest)
    if len(lags) < 4 * reach:
        return 0.0, 0.0, 0.5
    template = _without_trend(within[lags], reach)
    wider = np.arange(lags[0] - reach, lags[-1] + reach + 1)
    moved = _without_trend(across[(wider - offset) % padded], reach)
    scale = np.linalg.norm(template) * np.linalg.norm(moved) + TINY
    agreement = np.correlate(moved, template, "valid") / scale
    best = int(agreement.argmax())
    unmoved = float(agreement[reach])
    return abs(best - reach) * hop_s * 1e3, float(agreement[best]) - unmoved, 1 - unmoved


def _without_trend(values: DoubleArray, reach: int) -> DoubleArray:
    trend: DoubleArray = scipy.ndimage.uniform_filter1d(values, 4 * reach)
    return values - trend
