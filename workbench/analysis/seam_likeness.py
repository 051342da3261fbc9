"""Does what follows a time continue what came before it? Likeness of moments, and the beat.

Both compare every moment after the time with every moment before, so they need no tempo, and see
more the more the music repeats itself.

References: Foote and Uchihashi, The beat spectrum, ICME 2001 (self-similarity over lag).
"""

from __future__ import annotations

import numpy as np
import scipy.fft
import scipy.ndimage

from workbench.analysis.products import DoubleArray, FloatArray
from workbench.analysis.seam_spectra import TINY

_SLIP_RANGE_S = 0.16


def match_moments(
    left: DoubleArray, left_level: DoubleArray, right: DoubleArray, right_level: DoubleArray
) -> DoubleArray:
    """Level change, spectral change and unlikeness between nearest neighbours."""
    distance = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1) - 2 * left @ right.T
    of_right = distance.argmin(axis=0)
    of_left = distance.argmin(axis=1)
    level = np.concatenate([right_level - left_level[of_right], right_level[of_left] - left_level])
    spectrum = np.concatenate([right - left[of_right], right[of_left] - left])
    typical = np.median(level)
    spread = np.median(np.abs(level - typical))
    nearest = np.sqrt(np.maximum(distance.min(axis=0), 0) / left.shape[1])
    return np.array(
        [
            abs(typical) / (spread + 0.5),
            np.sqrt((np.median(spectrum, axis=0) ** 2).mean()),
            np.median(nearest),
        ]
    )


def beat_slip(left: FloatArray, right: FloatArray, gap: int, hop_s: float) -> tuple[float, float]:
    """Shift, in ms, at which the after side continues the rhythm of the before side best.

    The correlation across the time has its peaks where the correlation within the sides has
    them, moved by the slip; so no tempo needs to be known. Second value: agreement gained by
    the shift over none.
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
        return 0.0, 0.0
    template = _without_trend(within[lags], reach)
    wider = np.arange(lags[0] - reach, lags[-1] + reach + 1)
    moved = _without_trend(across[(wider - offset) % padded], reach)
    scale = np.linalg.norm(template) * np.linalg.norm(moved) + TINY
    agreement = np.correlate(moved, template, "valid") / scale
    best = int(agreement.argmax())
    return abs(best - reach) * hop_s * 1e3, float(agreement[best] - agreement[reach])


def _without_trend(values: DoubleArray, reach: int) -> DoubleArray:
    trend: DoubleArray = scipy.ndimage.uniform_filter1d(values, 4 * reach)
    return values - trend
