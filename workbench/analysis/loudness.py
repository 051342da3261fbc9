"""How loud is the clip, and how much does its loudness vary?

Conventions: samples are float32, (channels, n), full scale at 1.0, one or two channels; loudness
is in LUFS, loudness range in LU. Clips are never resampled: the weighting filters are derived anew
for each rate. A block that the clip does not fill is left out.

`KWeighted.of` runs the one filter cascade; everything else here, and the silence measures, read
the powers it keeps. From 16 kHz on the weighting is that at 48 kHz to within 0.06 dB up to a
tenth of the rate. At 8 kHz it is 0.2 dB low at 1 kHz and as much high at 2 kHz, because the
bilinear transform bends the frequency axis; on music the two cancel to about 0.02 LU.

The two filters are transformed and run here in a few lines of numpy: `scipy.signal` has both, but
loading it takes a second, more than measuring twenty minutes of music.

Measures: `loudness_lufs`, `momentary_lufs`, `momentary_max_lufs`, `loudness_range_lu`.

References: ITU-R BS.1770-4, annex 1 (weighting, gating); EBU Tech 3341 and 3342 (momentary
loudness, loudness range, and the test signals both are checked with).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
import numpy.typing as npt

from workbench.analysis.products import DoubleArray, FloatArray, on_one_thread
from workbench.errors import AudioError

LOWEST_RATE_HZ = 8_000
HOP_S = 0.1
MOMENTARY_HOPS = 4
SHORT_TERM_HOPS = 30
ABSOLUTE_GATE_LUFS = -70.0

# BS.1770 publishes the two filters as coefficients for 48 kHz. These are the analogue filters
# whose bilinear transform at 48 kHz gives those coefficients, to all the digits printed there.
_SHELF_HZ, _SHELF_Q, _SHELF_DB = 1681.974450955533, 0.7071752369554196, 3.999843853973347
_SHELF_MIDDLE_EXPONENT = 0.4996667741545416
_HIGH_PASS_HZ, _HIGH_PASS_Q = 38.13547087602444, 0.5003270373238773
# Makes a 997 Hz sine at full scale in one channel read -3.01 LUFS (BS.1770, annex 1).
_CALIBRATION_LU = -0.691
# Keeps the logarithm of digital silence finite.
_POWER_FLOOR = 1e-15
# Cells filtered together: their results stay in a core's cache.
_CELLS_PER_STEP = 480


def _bilinear(b: list[float], a: list[float], *, corner_hz: float, rate_hz: int) -> DoubleArray:
    """Second-order section (6,) of the analogue b/a in s relative to the corner."""
    # s becomes (z - 1) / (z + 1) over this, so that the corner stays where it is.
    warped = math.tan(math.pi * corner_hz / rate_hz)
    sides = []
    for squared, linear, constant in (b, a):
        even, odd = squared / warped**2, linear / warped
        sides += [even + odd + constant, 2 * (constant - even), even - odd + constant]
    return np.array(sides) / sides[3]


def k_weighting_sos(rate_hz: int) -> DoubleArray:
    """The K-weighting of BS.1770 for any rate, as second-order sections.

    Parameters
    ----------
    rate_hz : int
        Sampling rate, at least 8 000.

    Returns
    -------
    np.ndarray, shape (2, 6)
        Shelf, then high-pass, in the layout of `scipy.signal.sosfilt`.

    Examples
    --------
    >>> k_weighting_sos(48_000).round(5).tolist()[1]
    [1.0, -2.0, 1.0, 1.0, -1.99005, 0.99007]
    """
    high = 10.0 ** (_SHELF_DB / 20.0)
    shelf = _bilinear(
        [high, high**_SHELF_MIDDLE_EXPONENT / _SHELF_Q, 1.0],
        [1.0, 1.0 / _SHELF_Q, 1.0],
        corner_hz=_SHELF_HZ,
        rate_hz=rate_hz,
    )
    # The standard's high-pass has the numerator 1, -2, 1 at 48 kHz, which is a gain of 0.04 dB.
    # That gain belongs to the standard; keeping the numerator at other rates would change it.
    corner = math.tan(math.pi * _HIGH_PASS_HZ / 48_000)
    gain = 1.0 + corner / _HIGH_PASS_Q + corner**2
    high_pass = _bilinear(
        [gain, 0.0, 0.0], [1.0, 1.0 / _HIGH_PASS_Q, 1.0], corner_hz=_HIGH_PASS_HZ, rate_hz=rate_hz
    )
    return np.stack([shelf, high_pass])


def _cell_samples(rate_hz: int) -> int:
    """Samples per cell: 32 to 64, so that whole cells fill a hop of 0.1 s as exactly as can be."""
    hop = rate_hz // 10
    return max(range(64, 31, -1), key=lambda cell: hop // cell * cell)


@cache
def _cell_matrices(rate_hz: int) -> tuple[FloatArray, FloatArray, FloatArray, DoubleArray]:
    """The filter cascade over one cell, written as matrices.

    A linear filter maps the samples of a cell and its four state values at the start to the
    output and the states at the end. Filtering unit vectors reads those maps off.

    Returns
    -------
    tuple
        Samples to output (n, n), samples to end states (n, 4), start states to output (4, n),
        start states to end states (4, 4).
    """
    n = _cell_samples(rate_hz)
    # The first n runs start at rest with one unit sample, the last four silent with one unit state.
    outputs, states = np.zeros((n + 4, n)), np.zeros((n + 4, 4))
    outputs[:n], states[n:] = np.eye(n), np.eye(4)
    for section, before in zip(k_weighting_sos(rate_hz), (slice(0, 2), slice(2, 4)), strict=True):
        _run_section(section, outputs, states[:, before])
    return (
        outputs[:n].astype(np.float32),
        states[:n].astype(np.float32),
        outputs[n:].astype(np.float32),
        states[n:],
    )


def _run_section(section: DoubleArray, samples: DoubleArray, states: DoubleArray) -> None:
    """Filter rows of samples (k, n) from their states (k, 2), both in place (direct form II)."""
    b, a = section[:3], section[3:]
    for inputs in samples.T:
        output = b[0] * inputs + states[:, 0]
        states[:, 0] = b[1] * inputs - a[1] * output + states[:, 1]
        states[:, 1] = b[2] * inputs - a[2] * output
        inputs[:] = output


def _start_states(cells: FloatArray, ends: FloatArray, kept: DoubleArray) -> FloatArray:
    """Filter states (cells, 4) at the start of each cell, by doubling the reach of a sum."""
    states = np.zeros((len(cells), 4))
    states[1:] = (cells @ ends)[:-1]
    reach = 1
    # What is kept of a state shrinks with every cell; past this it is lost in float32.
    while reach < len(states) and np.abs(kept).max() > 1e-9:
        states[reach:] += states[:-reach] @ kept
        kept = kept @ kept
        reach *= 2
    return states.astype(np.float32)


@on_one_thread
def _channel_power(channel: FloatArray, rate_hz: int) -> DoubleArray:
    """Mean square (cells,) of one K-weighted channel."""
    response, ends, ringing, kept = _cell_matrices(rate_hz)
    n = len(response)
    cells = channel[: len(channel) // n * n].reshape(-1, n)
    states = _start_states(cells, ends, kept)
    power = np.empty(len(cells))
    for first in range(0, len(cells), _CELLS_PER_STEP):
        step = slice(first, first + _CELLS_PER_STEP)
        weighted = cells[step] @ response
        weighted += states[step] @ ringing
        power[step] = np.einsum("ij,ij->i", weighted, weighted)
    power /= n
    return power


@dataclass(frozen=True, eq=False)
class KWeighted:
    """Powers of the K-weighted clip, on a grid of cells of about 1 ms.

    Parameters
    ----------
    power : np.ndarray, shape (cells,)
        Mean square of each cell, summed over channels.
    cell_s : float
        Length of a cell: 1.3 ms at 48 kHz, 6 ms at 8 kHz, 0.3 ms at 192 kHz.
    hop_cells : int
        Cells in a hop of 0.1 s: exact at the usual rates, 0.05 % short at 11 025 Hz.
    duration_s : float
        Length of the clip, of which the last, unfinished cell is left out.
    """

    power: DoubleArray
    cell_s: float
    hop_cells: int
    duration_s: float

    @classmethod
    def of(cls, samples: FloatArray, rate_hz: int) -> Self:
        """Filter a clip once.

        The cascade runs as matrix products over cells, in float32 with the states in float64:
        half the time of `scipy.signal.sosfilt` in float32, and closer to it in float64.

        Parameters
        ----------
        samples : np.ndarray, float32, shape (channels, n)
            One or two channels, full scale at 1.0.
        rate_hz : int
            Sampling rate, at least 8 000.

        Raises
        ------
        AudioError
            If there are more than two channels (their place, and so their weight, is unknown),
            the rate is too low for the filters, or a sample is not finite.

        Examples
        --------
        >>> tone = np.sin(2 * np.pi * 997 * np.arange(48_000) / 48_000).astype(np.float32)
        >>> weighted = KWeighted.of(tone[None], 48_000)
        >>> round(loudness_lufs(weighted), 1), weighted.power.shape
        (-3.0, (750,))
        """
        if samples.ndim != 2 or len(samples) not in (1, 2):
            raise AudioError(f"loudness needs one or two channels, not the shape {samples.shape}")
        if rate_hz < LOWEST_RATE_HZ:
            raise AudioError(f"loudness needs a rate of at least 8000 Hz, not {rate_hz}")
        # Samples that are not finite are found in their powers, which are fewer.
        with np.errstate(invalid="ignore", over="ignore"):
            power = sum(_channel_power(channel, rate_hz) for channel in samples)
        assert isinstance(power, np.ndarray)
        if not np.isfinite(power).all():
            raise AudioError("loudness needs finite samples; the clip holds NaN or infinity")
        n = _cell_samples(rate_hz)
        return cls(power, n / rate_hz, rate_hz // 10 // n, samples.shape[1] / rate_hz)

    def block_power(self, hops: int) -> DoubleArray:
        """Mean power of every block of so many hops, one block starting at each hop."""
        whole = len(self.power) // self.hop_cells * self.hop_cells
        hop_power = self.power[:whole].reshape(-1, self.hop_cells).mean(axis=1)
        if len(hop_power) < hops:
            raise AudioError(
                f"too short: blocks of {hops * HOP_S:.1f} s do not fit in {self.duration_s:.2f} s"
            )
        blocks = np.lib.stride_tricks.sliding_window_view(hop_power, hops)
        return np.asarray(blocks.mean(axis=1))


def power_lufs(power: npt.ArrayLike) -> DoubleArray:
    """Loudness of K-weighted power.

    Parameters
    ----------
    power : array_like
        Mean square of the K-weighted samples, summed over channels.

    Returns
    -------
    np.ndarray, same shape
        In LUFS, never under -150.7.

    Examples
    --------
    >>> power_lufs([1.0, 0.0]).round(3).tolist()
    [-0.691, -150.691]
    """
    audible = np.maximum(np.asarray(power, np.float64), _POWER_FLOOR)
    loudness: DoubleArray = _CALIBRATION_LU + 10.0 * np.log10(audible)
    return loudness


def _gated(power: DoubleArray, *, relative_lu: float) -> DoubleArray:
    """The block powers that pass the absolute gate and the one relative to their mean."""
    audible: DoubleArray = power[power_lufs(power) >= ABSOLUTE_GATE_LUFS]
    if not audible.size:
        raise AudioError("silent: no block of the clip reaches -70 LUFS")
    gate = float(audible.mean()) * 10.0 ** (relative_lu / 10.0)
    passed: DoubleArray = audible[audible >= gate]
    return passed


def loudness_lufs(weighted: KWeighted) -> float:
    """Integrated loudness, gated, of the whole clip.

    Parameters
    ----------
    weighted : KWeighted
        The filtered clip.

    Returns
    -------
    float
        In LUFS, at least -70.

    Raises
    ------
    AudioError
        If the clip is shorter than 0.4 s, or nowhere reaches -70 LUFS.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(96_000) / 48_000).astype(np.float32)
    >>> round(loudness_lufs(KWeighted.of(0.1 * np.stack([tone, tone]), 48_000)), 1)
    -20.0
    """
    blocks = weighted.block_power(MOMENTARY_HOPS)
    return float(power_lufs(_gated(blocks, relative_lu=-10.0).mean()))


def momentary_lufs(weighted: KWeighted) -> DoubleArray:
    """Loudness of 0.4 s, every 0.1 s, ungated.

    Parameters
    ----------
    weighted : KWeighted
        The filtered clip.

    Returns
    -------
    np.ndarray, shape (blocks,)
        In LUFS, never under -150.7; block i covers the seconds 0.1 i to 0.1 i + 0.4.

    Raises
    ------
    AudioError
        If the clip is shorter than 0.4 s.

    Examples
    --------
    >>> momentary_lufs(KWeighted.of(np.zeros((1, 48_000), np.float32), 48_000)).round(1).tolist()
    [-150.7, -150.7, -150.7, -150.7, -150.7, -150.7, -150.7]
    """
    return power_lufs(weighted.block_power(MOMENTARY_HOPS))


def momentary_max_lufs(weighted: KWeighted) -> float:
    """Loudness of the loudest 0.4 s.

    Parameters
    ----------
    weighted : KWeighted
        The filtered clip.

    Returns
    -------
    float
        In LUFS, at least -70.

    Raises
    ------
    AudioError
        If the clip is shorter than 0.4 s, or nowhere reaches -70 LUFS.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(96_000) / 48_000).astype(np.float32)
    >>> tone[:48_000] *= 0.1
    >>> round(momentary_max_lufs(KWeighted.of(tone[None], 48_000)), 1)
    -3.0
    """
    loudest = float(momentary_lufs(weighted).max())
    if loudest < ABSOLUTE_GATE_LUFS:
        raise AudioError("silent: no block of the clip reaches -70 LUFS")
    return loudest


def loudness_range_lu(weighted: KWeighted) -> float:
    """Loudness range: 95th minus 10th percentile of the gated loudness of 3 s blocks.

    Parameters
    ----------
    weighted : KWeighted
        The filtered clip.

    Returns
    -------
    float
        In LU, zero or more.

    Raises
    ------
    AudioError
        If the clip is shorter than 3 s, or nowhere reaches -70 LUFS.

    Notes
    -----
    EBU Tech 3342. Blocks that reach past the end of the clip are left out; tools that append
    silence before measuring count them, and read more on short clips.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 1000 * np.arange(40 * 48_000) / 48_000).astype(np.float32)
    >>> tone[20 * 48_000 :] *= 10 ** (-6 / 20)
    >>> round(loudness_range_lu(KWeighted.of(tone[None], 48_000)), 1)
    6.0
    """
    blocks = power_lufs(_gated(weighted.block_power(SHORT_TERM_HOPS), relative_lu=-20.0))
    low, high = np.percentile(blocks, [10.0, 95.0])
    return float(high - low)
