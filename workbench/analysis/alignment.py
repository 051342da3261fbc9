"""Where does an edited clip lie against its source, and how loud? One lag, one gain.

Conventions: arrays are (channels, n) at one rate; a range is (start, stop) in samples of the
source. A positive lag means that the edited clip comes later. Clips are read in blocks, so they
may be memory maps.

References: Knapp and Carter, The Generalized Correlation Method for Estimation of Time Delay,
IEEE TASSP 24(4), 1976 (plain cross-correlation is the case used here).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.fft

from workbench.analysis.features import FloatArray

LARGEST_LAG_S = 0.05
# Under this two waveforms are not versions of each other; two vocoder renderings of one song
# correlate by 0.4 to 0.75, unrelated music by less than 0.1.
LEAST_CORRELATION = 0.3
_BLOCK_SAMPLES = 1 << 16

Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Alignment:
    """How `edited` follows `source`: edited[t + lag_samples] is about gain * source[t].

    Attributes
    ----------
    lag_samples : int
        Delay of the edited clip; 0 when the waveforms are unrelated.
    correlation : float
        -1..1, at that lag; under 0.3 by size the waveforms are unrelated.
    level_ratio : float
        Level of the edited clip over the source's, >= 0.
    """

    lag_samples: int
    correlation: float
    level_ratio: float

    @property
    def related(self) -> bool:
        """Are these two versions of one waveform?"""
        return abs(self.correlation) >= LEAST_CORRELATION

    @property
    def gain(self) -> float:
        """Level ratio with the sign of the correlation.

        The least-squares gain is this times or over the correlation; for waveforms that are only
        half related it would report a change of level that nobody hears.
        """
        return -self.level_ratio if self.related and self.correlation < 0 else self.level_ratio

    @property
    def inverse_gain(self) -> float:
        """Factor on the edited clip that leaves the least squared difference to the source."""
        return self.correlation / self.level_ratio


def align(
    source: FloatArray, edited: FloatArray, rate_hz: int, ranges: Sequence[Range]
) -> Alignment:
    """Lag within +-50 ms and gain of `edited` against `source` over some ranges.

    Parameters
    ----------
    source, edited : np.ndarray, float32, shape (channels, n)
        Same channels, same rate.
    rate_hz : int
        Samples per second.
    ranges : sequence of (start, stop)
        Samples of the source to compare.

    Returns
    -------
    Alignment
        Lag 0, correlation 0 and level ratio 1 if either side is silent.

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal((1, 8000)).astype(np.float32)
    >>> found = align(noise, np.roll(noise, 40) / 2, 8000, [(1000, 7000)])
    >>> found.lag_samples, round(found.gain, 2)
    (40, 0.5)
    """
    largest_lag = round(LARGEST_LAG_S * rate_hz)
    correlation = np.zeros(2 * largest_lag + 1)
    for start, stop in pieces(ranges, _BLOCK_SAMPLES):
        wide = read(edited, start - largest_lag, stop + largest_lag)
        correlation += _valid_correlation(source[:, start:stop], wide)
    best = int(np.argmax(np.abs(correlation))) - largest_lag
    source_energy = _energy(source, ranges, 0)
    for lag in (best, 0):
        edited_energy = _energy(edited, ranges, lag)
        if source_energy == 0 or edited_energy == 0:
            return Alignment(0, 0.0, 1.0)
        strength = correlation[lag + largest_lag] / np.sqrt(source_energy * edited_energy)
        if abs(strength) >= LEAST_CORRELATION:
            break
    return Alignment(lag, float(strength), float(np.sqrt(edited_energy / source_energy)))


def pieces(ranges: Sequence[Range], longest: int) -> Iterator[Range]:
    """The ranges, cut at every multiple of `longest` samples.

    Examples
    --------
    >>> list(pieces([(3, 9), (12, 13)], 5))
    [(3, 5), (5, 9), (12, 13)]
    """
    for start, stop in ranges:
        while start < stop:
            end = min(stop, (start // longest + 1) * longest)
            yield start, end
            start = end


def read(samples: FloatArray, start: int, stop: int) -> FloatArray:
    """Samples from `start` to `stop`, zero where the clip does not reach.

    Examples
    --------
    >>> read(np.float32([[1, 2, 3]]), -1, 5).tolist()
    [[0.0, 1.0, 2.0, 3.0, 0.0, 0.0]]
    """
    length = samples.shape[1]
    inside = np.asarray(samples[:, max(start, 0) : max(0, min(stop, length))], dtype=np.float32)
    before = min(max(-start, 0), stop - start)
    return np.pad(inside, ((0, 0), (before, stop - start - before - inside.shape[1])))


def _energy(samples: FloatArray, ranges: Sequence[Range], lag: int) -> float:
    blocks = (read(samples, a + lag, b + lag) for a, b in pieces(ranges, _BLOCK_SAMPLES))
    return float(sum(np.sum(np.square(block, dtype=np.float64)) for block in blocks))


def _valid_correlation(block: FloatArray, wide: FloatArray) -> npt.NDArray[np.float64]:
    """Sum over t and channels of block[t] * wide[t + k], for every k that fits."""
    lags = wide.shape[1] - block.shape[1] + 1
    size = scipy.fft.next_fast_len(wide.shape[1], real=True)
    spectrum = np.conj(scipy.fft.rfft(block, size, axis=1)) * scipy.fft.rfft(wide, size, axis=1)
    correlation: npt.NDArray[np.float64] = scipy.fft.irfft(spectrum.sum(axis=0), size)[:lags]
    return correlation
