"""Does the waveform itself go on across a time, break off, or come a second time?

Both questions are asked of samples, not of spectra: tones that sound on keep their phase, and what
was pasted a moment late repeats what was just heard, sample for sample. Neither needs a tempo.

Conventions: mono samples, full scale at 1.0; times in seconds from the first sample. `GUARD_S`
and a little more on both sides of a time are left out, where a crossfade may be; only `stuttered`
reads what lies there.

References: Kauppinen and Roth, Proc. DAFx, 2002 (extrapolation of audio by long linear
prediction); Marple, IEEE Trans. Acoust. 28(4), 1980 (prediction fitted forward and backward).
"""

from __future__ import annotations

import numpy as np
import scipy.fft
import soxr

from workbench.analysis.products import DoubleArray, FloatArray
from workbench.analysis.seam_spectra import TINY, prediction_residual
from workbench.analysis.seam_windows import GUARD_S

_HELD_RATE_HZ = 8_000
_LEARNT_S = 0.15
_FORETOLD_S = 0.025
_ORDER = 200
# White noise 30 dB down: quieter tones are not foretold.
_NOISE = 1e-3
_BANDS_HZ = (60.0, 200.0, 400.0, 800.0, 1_600.0, 3_600.0)
_CLEAR_S = GUARD_S + 0.001
_TEMPLATE_S = 0.008
_FURTHEST_S = 0.17
# What the prediction is fitted on, on both sides.
_LEAST_S = 0.030
_SHORT_TEMPLATE_S = 0.002
_SHORT_FURTHEST_S = 0.010
# The past of the prediction: what it leaves of the first samples after a cut is the cut.
_SHORT_CLEAR_S = 0.0006


def broken_tones(mono: FloatArray, rate_hz: int, times_s: DoubleArray) -> DoubleArray:
    """Share of the sounding tones that do not go on across each time, 0..1, (K,).

    Each side is foretold from the other by linear prediction and correlated with what is there,
    in five bands, in both directions of time. New notes on top of held ones take little from it.
    """
    low = soxr.resample(mono, rate_hz, _HELD_RATE_HZ)
    clear, learnt, foretold = (
        int(length_s * _HELD_RATE_HZ) for length_s in (_CLEAR_S, _LEARNT_S, _FORETOLD_S)
    )
    reach = clear + learnt
    centres = np.round(times_s * _HELD_RATE_HZ).astype(int) + reach
    around = np.pad(low, reach)[centres[:, None] + np.arange(-reach, reach)].astype(np.float64)
    before, after = around[:, :learnt], around[:, -learnt:]
    forward = _agreement(before, after[:, :foretold], clear)
    backward = _agreement(after[:, ::-1], before[:, ::-1][:, :foretold], clear)
    return 1 - (forward + backward) / 2


def _agreement(known: DoubleArray, there: DoubleArray, clear: int) -> DoubleArray:
    """Mean correlation over bands, none below 0, of what is foretold with what is there."""
    steps = there.shape[1]
    foretold = _continued(known, 2 * clear + steps)[:, -steps:]
    window = np.hanning(steps)
    guess, truth = (scipy.fft.rfft(part * window, axis=1) for part in (foretold, there))
    place = np.searchsorted(np.fft.rfftfreq(steps, 1 / _HELD_RATE_HZ), _BANDS_HZ)

    def by_band(product: DoubleArray) -> DoubleArray:
        sums: DoubleArray = np.add.reduceat(product, place, axis=1)[:, :-1]
        return sums

    shared = by_band((guess * truth.conj()).real)
    scale = np.sqrt(by_band(np.abs(guess) ** 2) * by_band(np.abs(truth) ** 2)) + TINY
    mean: DoubleArray = np.maximum(shared / scale, 0).mean(axis=1)
    return mean


def _continued(known: DoubleArray, steps: int) -> DoubleArray:
    """Each row, continued by the linear prediction that fits it best in both directions."""
    products = _lag_products(known)
    matrix = products[:, :-1, :-1] + products[:, :0:-1, :0:-1]
    target = products[:, :-1, -1] + products[:, :0:-1, 0]
    own = np.arange(_ORDER)
    matrix[:, own, own] += _NOISE * np.trace(matrix, axis1=1, axis2=2)[:, None] / _ORDER + TINY
    weights = np.linalg.solve(matrix, target[:, :, None])[:, None, :, 0]
    line = np.concatenate([known[:, -_ORDER:], np.zeros((len(known), steps))], axis=1)
    for step in range(steps):
        line[:, step + _ORDER] = (weights @ line[:, step : step + _ORDER, None])[:, 0, 0]
    return line[:, _ORDER:]


def _lag_products(rows: DoubleArray) -> DoubleArray:
    """Sum over t of row[t + i] row[t + j], (K, order + 1, order + 1).

    Each diagonal follows from the first row: one product leaves the sum and one enters.
    """
    size = _ORDER + 1
    count = rows.shape[1] - _ORDER
    products = np.empty((len(rows), size, size))
    windows = np.lib.stride_tricks.sliding_window_view(rows, size, axis=1)
    products[:, 0] = (rows[:, None, :count] @ windows)[:, 0]
    entering, leaving = rows[:, count : count + _ORDER], rows[:, :_ORDER]
    for i in range(_ORDER):
        products[:, i + 1, 0] = products[:, 0, i + 1]
        products[:, i + 1, 1:] = (
            products[:, i, :-1] + entering[:, i, None] * entering - leaving[:, i, None] * leaving
        )
    return products


def heard_twice(mono: FloatArray, rate_hz: int, times_s: DoubleArray) -> DoubleArray:
    """How exactly the first moment after each time repeats one just before it, (K,), 0..3.

    The largest correlation c of what linear prediction leaves of 8 ms after the time with the
    same of any 8 ms that began up to 0.17 s before it, as -log10(1.001 - c^2).
    """
    after = (_CLEAR_S, _CLEAR_S + _TEMPLATE_S)
    return _exactness(mono, rate_hz, times_s, after, (_FURTHEST_S, _CLEAR_S))


def stuttered(mono: FloatArray, rate_hz: int, times_s: DoubleArray) -> DoubleArray:
    """The same of the 2 ms at each time and any that began up to 10 ms before it, (K,), 0..3.

    Hears a hard cut back by a few milliseconds, which a crossfade would hide; so nothing but the
    reach of the prediction is left out.
    """
    after = (_SHORT_CLEAR_S, _SHORT_CLEAR_S + _SHORT_TEMPLATE_S)
    return _exactness(mono, rate_hz, times_s, after, (_SHORT_FURTHEST_S, 0.0))


def _exactness(
    mono: FloatArray,
    rate_hz: int,
    times_s: DoubleArray,
    after_s: tuple[float, float],
    before_s: tuple[float, float],
) -> DoubleArray:
    """Likeness of a stretch after each time to its likest in a longer one before it, 0..3."""
    start, stop = (int(length_s * rate_hz) for length_s in after_s)
    first, last = (int(length_s * rate_hz) for length_s in before_s)
    template = stop - start
    half = max(first + template, int(_LEAST_S * rate_hz))
    centres = np.round(times_s * rate_hz).astype(int) + half
    pieces = np.pad(mono, half)[centres[:, None] + np.arange(-half, half)]
    residual, _ = prediction_residual(pieces, 24)
    now = residual[:, half + start : half + stop]
    past = residual[:, half - first : half - last]
    padded = scipy.fft.next_fast_len(past.shape[1] + template, real=True)
    now_there = scipy.fft.rfft(now, padded, axis=1).conj()
    shared = scipy.fft.irfft(scipy.fft.rfft(past, padded, axis=1) * now_there, padded, axis=1)
    sums = np.cumsum(np.pad(past.astype(np.float64) ** 2, ((0, 0), (1, 0))), axis=1)
    energy = sums[:, template:] - sums[:, :-template]
    own = (now.astype(np.float64) ** 2).sum(axis=1)[:, None]
    likeness = shared[:, : energy.shape[1]] / np.sqrt(np.maximum(energy, 0) * own + TINY)
    best = np.clip(likeness.max(axis=1), 0, 1)
    exactness: DoubleArray = -np.log10(1.001 - best**2)
    return exactness
