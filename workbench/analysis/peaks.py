"""How high do the samples reach, how high the waveform between them, and was it cut off?

Conventions: samples are float32, (channels, n), full scale at 1.0, any number of channels; levels
in dB relative to full scale. The *rail* of a channel is its largest absolute sample.

Measures: `sample_peak_dbfs`, `true_peak_dbtp`, `clipping`. All read `Peaks`, which finds the
rails once.

References: ITU-R BS.1770-4, annex 2 (true peak by fourfold oversampling).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
import numpy.typing as npt

from workbench.analysis.products import FloatArray, on_one_thread
from workbench.errors import AudioError

OVERSAMPLING = 4
# Under this rail a flat top is loudness that somebody chose, not a full scale that was hit.
CLIPPING_RAIL = 0.98
CLIPPING_STEP = 1.0 / 32_768
CLIPPING_RUN_SAMPLES = 3
# A clean low note may leave one flat crest by itself.
CLIPPING_RUNS = 3

# The interpolator: this many samples on each side, under a Kaiser window.
_SIDE = 10
_KAISER_BETA = 5.0
_BLOCK = 32
_BLOCK_BITS = np.uint32
_WINDOW = _BLOCK + 2 * _SIDE - 1
# Samples looked at together; fewer cost more in calls than they save in memory traffic.
_CHUNK = 131_072


@dataclass(frozen=True, eq=False)
class Peaks:
    """A clip and the rail of each channel.

    Parameters
    ----------
    samples : np.ndarray, float32, shape (channels, n)
        The clip.
    rails : np.ndarray, shape (channels,)
        Largest absolute sample of each channel.
    """

    samples: FloatArray
    rails: FloatArray

    @classmethod
    def of(cls, samples: FloatArray) -> Self:
        """Find the rails of a clip.

        Parameters
        ----------
        samples : np.ndarray, float32, shape (channels, n)
            Any number of channels, full scale at 1.0.

        Raises
        ------
        AudioError
            If there is no sample, or one is not finite.

        Examples
        --------
        >>> Peaks.of(np.array([[0.25, -0.5], [0.125, 0.0]], np.float32)).rails.tolist()
        [0.5, 0.125]
        """
        if samples.ndim != 2 or not samples.size:
            raise AudioError(f"peaks need samples as (channels, n), not the shape {samples.shape}")
        rails = np.maximum(samples.max(axis=1), -samples.min(axis=1))
        if not np.isfinite(rails).all():
            raise AudioError("peaks need finite samples; the clip holds NaN or infinity")
        return cls(samples, rails)

    @property
    def rail(self) -> float:
        """Largest absolute sample of the clip; raises `AudioError` if all are zero."""
        rail = float(self.rails.max())
        if rail == 0.0:
            raise AudioError("silent: every sample of the clip is zero")
        return rail


def sample_peak_dbfs(peaks: Peaks) -> float:
    """Level of the largest sample.

    Parameters
    ----------
    peaks : Peaks
        The clip.

    Returns
    -------
    float
        In dB; 0 is full scale, more is possible in float.

    Raises
    ------
    AudioError
        If every sample is zero.

    Examples
    --------
    >>> round(sample_peak_dbfs(Peaks.of(np.array([[0.5, -0.1]], np.float32))), 2)
    -6.02
    """
    return float(20.0 * np.log10(peaks.rail))


@cache
def _interpolator() -> tuple[FloatArray, float]:
    """Matrix (window, outputs) from samples to the values between them, and its largest gain.

    Column by column: the quarters after each sample of a block. The largest gain is the largest
    sum of absolute weights, which bounds what can come out where no sample exceeds 1.
    """
    offsets = np.arange(1 - _SIDE, _SIDE + 1)
    matrix = np.zeros((_WINDOW, _BLOCK * (OVERSAMPLING - 1)), np.float32)
    bounds = []
    for phase in range(1, OVERSAMPLING):
        distance = offsets - phase / OVERSAMPLING
        shape = np.sqrt(1.0 - (distance / _SIDE) ** 2)
        weights = np.sinc(distance) * np.i0(_KAISER_BETA * shape)
        weights /= weights.sum()
        bounds.append(float(np.abs(weights).sum()))
        for sample in range(_BLOCK):
            column = sample * (OVERSAMPLING - 1) + phase - 1
            matrix[sample : sample + len(offsets), column] = weights
    return matrix, max(bounds)


def _piece_peak(piece: FloatArray, floor: float) -> float:
    """Largest interpolated value of a piece, or `floor` where nothing can exceed it.

    A block is interpolated only if some sample that it reads is large enough: all others cannot
    exceed the floor, whatever their samples are, because the interpolator's gain is bounded.
    """
    matrix, bound = _interpolator()
    # A hair under the bound: the products are rounded to float32.
    enough = np.float32(floor / (bound * 1.0001))
    large: npt.NDArray[np.bool_] = np.abs(piece) > enough
    # One bit per sample, one word per block. A window reaches into the block after its own.
    touched = np.packbits(large).view(_BLOCK_BITS) != 0
    chosen = np.flatnonzero(touched[:-1] | touched[1:])
    if not chosen.size:
        return floor
    windows = np.lib.stride_tricks.sliding_window_view(piece, _WINDOW)[::_BLOCK]
    between = windows[chosen] @ matrix
    return max(floor, float(between.max()), -float(between.min()))


def _padded_piece(channel: FloatArray, start: int, stop: int) -> FloatArray:
    """`channel[start:stop]`, taking the clip as zero outside its ends."""
    before, after = max(-start, 0), max(stop - len(channel), 0)
    piece = channel[max(start, 0) : min(stop, len(channel))]
    return np.pad(piece, (before, after)) if before or after else piece


@on_one_thread
def true_peak_dbtp(peaks: Peaks) -> float:
    """Level of the largest value of the waveform, between the samples too.

    Parameters
    ----------
    peaks : Peaks
        The clip.

    Returns
    -------
    float
        In dB relative to full scale (dBTP), never under `sample_peak_dbfs`.

    Raises
    ------
    AudioError
        If every sample is zero.

    Notes
    -----
    Four values per sample, as BS.1770-4, annex 2. A sine of a quarter of the rate may read
    0.17 dB low, one near half the rate 0.7 dB. Only places that can hold the maximum are
    interpolated; the result is that of interpolating all.

    Examples
    --------
    >>> tone = 0.5 * np.sin(np.pi / 2 * np.arange(4800) + np.pi / 4) * np.hanning(4800)
    >>> peaks = Peaks.of(tone.astype(np.float32)[None])
    >>> round(sample_peak_dbfs(peaks), 1), round(true_peak_dbtp(peaks), 1)
    (-9.0, -6.0)
    """
    highest = peaks.rail
    for channel in peaks.samples:
        # From a block before the clip to a block after it, in whole blocks.
        blocks = -(-len(channel) // _BLOCK) + 2
        for start in range(-_BLOCK, (blocks - 1) * _BLOCK, _CHUNK):
            stop = min(start + _CHUNK, (blocks - 1) * _BLOCK)
            # The last window of a piece reads into the block that follows.
            highest = _piece_peak(_padded_piece(channel, start, stop + _BLOCK), highest)
    return float(20.0 * np.log10(highest))


@dataclass(frozen=True)
class Clipping:
    """What `clipping` found.

    Parameters
    ----------
    clipped : bool
        Whether a channel holds at least three flat tops.
    clipped_runs : int
        Flat tops, over all channels.
    clipped_share : float
        Share of samples in them, 0 to 1.
    overs : int
        Samples beyond full scale, which a float file can hold and a converter cuts.
    """

    clipped: bool
    clipped_runs: int
    clipped_share: float
    overs: int


def _at_least(channel: FloatArray, level: float) -> npt.NDArray[np.int64]:
    """Indices of the samples whose absolute value reaches the level."""
    found = [
        first + np.flatnonzero(np.abs(channel[first : first + _CHUNK]) >= np.float32(level))
        for first in range(0, len(channel), _CHUNK)
    ]
    return np.concatenate(found)


def _flat_runs(index: npt.NDArray[np.int64], values: FloatArray) -> npt.NDArray[np.int64]:
    """Lengths (runs,) of the runs of neighbours of one sign that are long enough to be flat."""
    # A run ends where the next index is not its neighbour, or lies at the other rail.
    breaks = np.flatnonzero((np.diff(index) > 1) | (values[1:] * values[:-1] < 0)) + 1
    lengths = np.diff(np.concatenate([[0], breaks, [len(index)]]))
    return lengths[lengths >= CLIPPING_RUN_SAMPLES]


def clipping(peaks: Peaks) -> Clipping:
    """Flat tops at full scale, and samples beyond it.

    Parameters
    ----------
    peaks : Peaks
        The clip.

    Returns
    -------
    Clipping
        The verdict with its counts. Channels whose rail is under 0.98 count as clean.

    Raises
    ------
    AudioError
        If every sample is zero.

    Notes
    -----
    Valid for audio that never went through a lossy codec: decoding one rounds flat tops off, and
    then only the true peak tells. A steady pure sine under about 60 Hz at full scale is flat at
    its crests to within 16 bits and reads as clipped.

    Examples
    --------
    >>> wave = np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000).astype(np.float32)
    >>> clipping(Peaks.of(wave[None])).clipped
    False
    >>> clipping(Peaks.of(np.clip(1.4 * wave, -1, 1)[None])).clipped
    True
    """
    most_runs = all_runs = flat = overs = 0
    if peaks.rail >= CLIPPING_RAIL:
        for channel, rail in zip(peaks.samples, peaks.rails.tolist(), strict=True):
            if rail < CLIPPING_RAIL:
                continue
            index = _at_least(channel, min(rail - CLIPPING_STEP, 1.0))
            values = channel[index]
            near = np.abs(values) >= np.float32(rail - CLIPPING_STEP)
            runs = _flat_runs(index[near], values[near])
            most_runs = max(most_runs, len(runs))
            all_runs += len(runs)
            flat += int(runs.sum())
            overs += int(np.count_nonzero(np.abs(values) > 1.0))
    return Clipping(most_runs >= CLIPPING_RUNS, all_runs, flat / peaks.samples.size, overs)
