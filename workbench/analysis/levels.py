"""How long is the clip, does the sound drop out, and how wide is it?

Conventions: samples are float32, (channels, n), full scale at 1.0, any rate; times in seconds
from the first sample, levels in dB.

Measures: `duration_s`, `duration_error_s`, `dropouts`, and of two channels `is_mono`,
`width_db`, `correlation`. What dropouts and width share is in `Levels`, computed once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from workbench.analysis.products import DoubleArray, FloatArray, on_one_thread
from workbench.errors import AudioError

CELL_S = 0.001
DROPOUT_DB = 40.0
DROPOUT_CELLS = 5
DROPOUT_REACH_CELLS = 100
MONO_DB = 60.0
WIDTH_LIMIT_DB = 120.0

# Sound on both sides of a hole is about as loud as around it. Before a hit that follows a decayed
# one the level is as low as in a hole, but it got there by itself.
_EDGE_CELLS = 5
_EDGE_DB = 20.0
# Under this the surroundings are hardly heard, and a few zeros among them are no dropout.
_AUDIBLE_DBFS = -60.0
# Samples looked at together: small enough for a core's cache.
_CHUNK = 65_536


def duration_s(samples: FloatArray, rate_hz: int) -> float:
    """Length of the clip.

    Parameters
    ----------
    samples : np.ndarray, shape (channels, n)
        The decoded clip.
    rate_hz : int
        Its sampling rate.

    Returns
    -------
    float
        In seconds, exact: frames over rate.

    Examples
    --------
    >>> duration_s(np.zeros((2, 72_000), np.float32), 48_000)
    1.5
    """
    return float(samples.shape[1] / rate_hz)


def duration_error_s(measured_s: float, asked_s: float) -> float:
    """Measured less asked length.

    Parameters
    ----------
    measured_s, asked_s : float
        In seconds.

    Returns
    -------
    float
        In seconds; positive when the clip is too long.

    Raises
    ------
    AudioError
        If the asked length is not a positive number.

    Examples
    --------
    >>> duration_error_s(29.5, 30.0)
    -0.5
    """
    if not 0.0 < asked_s < float("inf"):
        raise AudioError(f"a duration error needs a positive asked duration, not {asked_s}")
    return measured_s - asked_s


@dataclass(frozen=True, eq=False)
class Levels:
    """Powers of a clip, unweighted, and of its sides.

    Parameters
    ----------
    power : np.ndarray, float32, shape (channels, cells)
        Mean square of every 1 ms.
    cell_s : float
        Length of a cell: 1 ms, rounded to whole samples.
    energy : np.ndarray, shape (channels,)
        Sum of squares of each channel.
    difference_energy : float or None
        Sum of squares of left minus right; None unless there are two channels.
    """

    power: FloatArray
    cell_s: float
    energy: DoubleArray
    difference_energy: float | None

    @classmethod
    def of(cls, samples: FloatArray, rate_hz: int) -> Self:
        """Measure the powers of a clip.

        Parameters
        ----------
        samples : np.ndarray, float32, shape (channels, n)
            Any number of channels, at least 1 ms.
        rate_hz : int
            Sampling rate, 1 000 or more.

        Raises
        ------
        AudioError
            If the clip is shorter than 1 ms, or a sample is not finite.

        Examples
        --------
        >>> levels = Levels.of(np.full((1, 480), 0.5, np.float32), 48_000)
        >>> levels.power.tolist()[0][:2], levels.energy.tolist()
        ([0.25, 0.25], [120.0])
        """
        n = round(rate_hz * CELL_S)
        if samples.ndim != 2 or not len(samples) or samples.shape[1] < max(n, 1) or n < 1:
            raise AudioError(f"levels need at least 1 ms, not {samples.shape} at {rate_hz} Hz")
        cells = samples.shape[1] // n
        # Samples that are not finite are found in their powers, which are fewer.
        with np.errstate(invalid="ignore", over="ignore"):
            whole = samples[:, : cells * n].reshape(len(samples), cells, n)
            power = np.einsum("cij,cij->ci", whole, whole) / np.float32(n)
            rest = samples[:, cells * n :].astype(np.float64)
            energy = power.sum(axis=1, dtype=np.float64) * n + (rest**2).sum(axis=1)
            difference = _difference_energy(samples) if len(samples) == 2 else None
        if not np.isfinite(energy).all():
            raise AudioError("levels need finite samples; the clip holds NaN or infinity")
        return cls(power, n / rate_hz, energy, difference)


@on_one_thread
def _difference_energy(samples: FloatArray) -> float:
    """Sum of squares of left minus right, from the samples: energies would cancel near mono."""
    total = 0.0
    for first in range(0, samples.shape[1], _CHUNK):
        side = samples[0, first : first + _CHUNK] - samples[1, first : first + _CHUNK]
        total += float(side @ side)
    return total


def _runs(flags: npt.NDArray[np.bool_], shortest: int) -> npt.NDArray[np.int64]:
    """First and past-the-last index (runs, 2) of each run of True of at least this length."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    runs: npt.NDArray[np.int64] = edges.reshape(-1, 2)
    return runs[runs[:, 1] - runs[:, 0] >= shortest]


def _dropped_cells(power: FloatArray) -> npt.NDArray[np.bool_]:
    """Cells 40 dB under the median of the 100 ms on either side, where that is audible."""
    size = 2 * DROPOUT_REACH_CELLS + 1
    factor = 10.0 ** (-DROPOUT_DB / 10.0)
    loudest = scipy.ndimage.maximum_filter1d(power, size)
    dropped: npt.NDArray[np.bool_] = power <= factor * loudest
    # The median costs far more than the maximum, which it cannot exceed: few cells need it.
    index = np.flatnonzero(dropped)
    if not index.size:
        return dropped
    padded = np.pad(power, DROPOUT_REACH_CELLS, mode="reflect" if len(power) > size else "edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, size)
    for few in np.array_split(index, -(-index.size // 4096)):
        median = np.median(around[few], axis=1)
        audible = median >= 10.0 ** (_AUDIBLE_DBFS / 10.0)
        dropped[few] = audible & (power[few] <= factor * median)
    return dropped


def _has_edges(power: FloatArray, first: int, past: int) -> bool:
    """Whether the sound stops just before these cells and is back just after them."""
    reach = DROPOUT_REACH_CELLS
    around = np.concatenate([power[max(first - reach, 0) : first], power[past : past + reach]])
    enough = float(np.median(around)) * 10.0 ** (-_EDGE_DB / 10.0)
    before, after = power[max(first - _EDGE_CELLS, 0) : first], power[past : past + _EDGE_CELLS]
    return all(side.size > 0 and float(side.max()) >= enough for side in (before, after))


def dropouts(levels: Levels) -> tuple[tuple[float, float], ...]:
    """Short holes in the sound, in any channel.

    Parameters
    ----------
    levels : Levels
        The clip's powers.

    Returns
    -------
    tuple of (float, float)
        Start and end of each hole in seconds, in order. A hole is 5 ms or more whose level, in
        cells of 1 ms, lies 40 dB or more under the median of the 100 ms on either side, and
        within 5 ms of either edge the level is at most 20 dB under that median.

    Notes
    -----
    Holes of 6 ms and more are found wherever they start, those of 5 ms only if they start on a
    cell; holes longer than 100 ms are silence (`workbench.analysis.silence`). A rest of digital
    silence between two loud notes, as gates and samplers leave, is a hole too.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000).astype(np.float32)[None]
    >>> tone[0, 24_000:24_960] = 0.0
    >>> dropouts(Levels.of(tone, 48_000))
    ((0.5, 0.52),)
    """
    dropped = np.zeros(levels.power.shape[1], bool)
    for power in levels.power:
        for first, past in _runs(_dropped_cells(power), DROPOUT_CELLS).tolist():
            if _has_edges(power, first, past):
                dropped[first:past] = True
    return tuple(
        (round(first * levels.cell_s, 6), round(past * levels.cell_s, 6))
        for first, past in _runs(dropped, DROPOUT_CELLS).tolist()
    )


def _mid_and_side_energy(levels: Levels) -> tuple[float, float]:
    """Energy of the half sum and the half difference of two channels."""
    if levels.difference_energy is None:
        raise AudioError(f"width needs two channels, the clip has {len(levels.power)}")
    both = float(levels.energy.sum())
    if both == 0.0:
        raise AudioError("silent: every sample of the clip is zero")
    side = levels.difference_energy / 4.0
    return max(both / 2.0 - side, 0.0), side


def is_mono(levels: Levels) -> bool:
    """Whether both channels carry the same.

    Parameters
    ----------
    levels : Levels
        The clip's powers.

    Returns
    -------
    bool
        True if the side lies 60 dB or more under the mid, and for a single channel.

    Raises
    ------
    AudioError
        If there are more than two channels, or two silent ones.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 0.1, (1, 48_000)).astype(np.float32)
    >>> is_mono(Levels.of(np.concatenate([noise, noise]), 48_000))
    True
    >>> is_mono(Levels.of(np.concatenate([noise, 0.9 * noise]), 48_000))
    False
    """
    if len(levels.power) == 1:
        return True
    mid, side = _mid_and_side_energy(levels)
    return bool(side <= mid * 10.0 ** (-MONO_DB / 10.0))


def width_db(levels: Levels) -> float:
    """How wide the stereo image is: level of the side over that of the mid.

    Parameters
    ----------
    levels : Levels
        The clip's powers.

    Returns
    -------
    float
        In dB: -60 borders on mono, 0 is two unrelated channels, above 0 they work against each
        other; 120 at most.

    Raises
    ------
    AudioError
        If there are not two channels, they are silent, or the clip is mono.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 0.1, (2, 48_000)).astype(np.float32)
    >>> abs(width_db(Levels.of(noise, 48_000))) < 0.1
    True
    """
    mid, side = _mid_and_side_energy(levels)
    if is_mono(levels):
        raise AudioError("mono: both channels carry the same, there is no width")
    return float(10.0 * np.log10(side / max(mid, side * 10.0 ** (-WIDTH_LIMIT_DB / 10.0))))


def correlation(levels: Levels) -> float:
    """How alike left and right are.

    Parameters
    ----------
    levels : Levels
        The clip's powers.

    Returns
    -------
    float
        From -1 (each the inverse of the other) over 0 (unrelated) to 1 (mono).

    Raises
    ------
    AudioError
        If there are not two channels, or one of them is silent.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 0.1, (1, 48_000)).astype(np.float32)
    >>> round(correlation(Levels.of(np.concatenate([noise, -noise]), 48_000)), 3)
    -1.0
    """
    mid, side = _mid_and_side_energy(levels)
    left, right = levels.energy
    if min(left, right) <= 0.0:
        raise AudioError("correlation needs sound in both channels, and one of them is silent")
    return float(np.clip((mid - side) / np.sqrt(left * right), -1.0, 1.0))
