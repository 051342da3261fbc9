"""What every measure of one clip reads: decoded once, transformed once.

`Features` holds the samples of a clip and computes, on first use and then never again, the few
arrays that several measures share.

Conventions:

- `samples` is float32, (channels, n), full scale at 1.0; `rate_hz` its rate, 1 kHz to 384 kHz.
- `mono` is the mean over channels at the delivered rate, `mono_22k` the same at 22 050 Hz.
- Spectrogram arrays are (rows, frames). Frame i is centred on second `i * 512 / 22050`, windows
  are periodic Hann of 2048 samples, the clip is padded with zeros: what `librosa.stft` and
  `librosa.feature.melspectrogram` return with their defaults, in float32.
- Arrays are shared between measures and therefore read-only.

The mel matrix is written out here rather than taken from `librosa.filters.mel`, which it equals:
importing that module costs more than a second of numba on every start, more than measuring an
hour of music does.

References: Slaney, Auditory Toolbox, 1998 (the mel scale); Müller, Fundamentals of Music
Processing, section 6.1 (onset functions from log-compressed spectra).
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.ndimage
import soxr

from workbench.analysis.products import on_one_thread
from workbench.errors import AudioError

FloatArray: TypeAlias = npt.NDArray[np.float32]

FEATURE_RATE_HZ = 22_050
WINDOW_SAMPLES = 2048
HOP_SAMPLES = 512
MEL_BANDS = 128
ONSET_BANDS = 8
FRAME_RATE_HZ = FEATURE_RATE_HZ / HOP_SAMPLES

_LOWEST_RATE_HZ = 1_000
_HIGHEST_RATE_HZ = 384_000
# Frames per transform: small enough to stay in a core's cache; 64 was fastest of 32 to 4096.
_FRAMES_PER_BATCH = 64
_BANDS_PER_PRODUCT = 16
# The slow part of the onset bands, removed as their running mean over this long.
LOCAL_MEAN_S = 0.8
# Mean power compresses as log(1 + 30). From 3 to 300 the tempo hardly cares (tuning clips).
COMPRESSION = 30.0
# Windows of this many frames at either end reach over the padding.
EDGE_FRAMES = 1 + WINDOW_SAMPLES // 2 // HOP_SAMPLES
# A band whose compressed rises deviate less than this (0.04 dB) carries no onsets.
FAINTEST_DEVIATION = 0.01


class Features:
    """The shared arrays of one clip, each computed on first use.

    Parameters
    ----------
    samples : np.ndarray, float, shape (channels, n)
        The decoded clip, full scale at 1.0. Kept as float32.
    rate_hz : int
        Its sampling rate, 1 000 to 384 000.

    Raises
    ------
    AudioError
        If the samples are not a (channels, n) array of finite floats, or the rate is impossible.

    Examples
    --------
    >>> import numpy as np
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000).astype(np.float32)
    >>> features = Features(np.stack([tone, tone]), 48_000)
    >>> features.duration_s, features.mono_22k.shape, features.power.shape
    (1.0, (22050,), (1025, 44))
    """

    def __init__(self, samples: npt.NDArray[np.floating], rate_hz: int) -> None:
        self.samples: FloatArray = _checked_samples(samples)
        self.rate_hz = _checked_rate_hz(rate_hz)

    @property
    def duration_s(self) -> float:
        """Length of the clip in seconds."""
        return int(self.samples.shape[1]) / self.rate_hz

    def adopt(self, **arrays: FloatArray) -> None:
        """Take shared arrays computed elsewhere, by name, instead of computing them here.

        For `workbench.analysis.batched`; the arrays become read-only.
        """
        for name, array in arrays.items():
            if not isinstance(getattr(type(self), name, None), cached_property):
                raise TypeError(f"{name} is no shared array of a clip.")
            # Where `cached_property` keeps what it computed.
            vars(self)[name] = _frozen(array)

    @cached_property
    def mono(self) -> FloatArray:
        """Mean over channels, (n,), at the delivered rate."""
        if len(self.samples) == 1:
            mono: FloatArray = self.samples[0]
            return mono
        # Adding rows is several times faster than `mean(axis=0)`, which walks down the columns.
        total = self.samples[0] + self.samples[1]
        for channel in self.samples[2:]:
            total += channel
        total *= np.float32(1 / len(self.samples))
        return _frozen(total)

    @cached_property
    def mono_22k(self) -> FloatArray:
        """Mono resampled to 22 050 Hz, (round(n * 22050 / rate),)."""
        if self.rate_hz == FEATURE_RATE_HZ:
            return self.mono
        resampled = soxr.resample(self.mono, self.rate_hz, FEATURE_RATE_HZ, quality="HQ")
        return _frozen(np.asarray(resampled, dtype=np.float32))

    @cached_property
    def power(self) -> FloatArray:
        """Power spectrogram of `mono_22k`, (1025, frames), |FFT|^2 without scaling."""
        return _frozen(power_frames(self.mono_22k).T)

    @cached_property
    def mel_power(self) -> FloatArray:
        """Power in 128 mel bands from 0 to 11 025 Hz, (128, frames), each of unit area."""
        # The spectrogram lies in memory frame by frame: multiply in that order.
        return _frozen(_mel_frames(self.power.T).T)

    @cached_property
    def onset_bands(self) -> FloatArray:
        """Onset strength in 8 bands of the mel scale, (8, frames), low to high, each >= 0."""
        return _frozen(onset_bands(self.mel_power))


def power_frames(mono_22k: FloatArray) -> FloatArray:
    """Power spectra of 2048 samples every 512, centred and padded with zeros.

    Parameters
    ----------
    mono_22k : np.ndarray, float32, shape (n,)
        Samples; at 22 050 Hz if the frames are to match `Features.power`.

    Returns
    -------
    np.ndarray, float32, shape (1 + n // 512, 1025)
        |FFT|^2 of each frame, frames first.

    Examples
    --------
    >>> power_frames(np.ones(4096, dtype=np.float32)).shape
    (9, 1025)
    """
    padded = np.pad(mono_22k, WINDOW_SAMPLES // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW_SAMPLES)[::HOP_SAMPLES]
    power = np.empty((len(frames), WINDOW_SAMPLES // 2 + 1), dtype=np.float32)
    windowed = np.empty((_FRAMES_PER_BATCH, WINDOW_SAMPLES), dtype=np.float32)
    window = _hann_window()
    for start in range(0, len(frames), _FRAMES_PER_BATCH):
        batch = frames[start : start + _FRAMES_PER_BATCH]
        spectrum = scipy.fft.rfft(np.multiply(batch, window, out=windowed[: len(batch)]), axis=1)
        # Real and imaginary parts side by side are squared faster than each by itself.
        squares = spectrum.view(np.float32).reshape(*spectrum.shape, 2)
        np.square(squares, out=squares)
        np.add(squares[..., 0], squares[..., 1], out=power[start : start + len(batch)])
    return power


@on_one_thread
def _mel_frames(power: FloatArray) -> FloatArray:
    """Mel power (frames, 128) of power spectra (frames, 1025).

    A band covers few bins: neighbouring bands are multiplied with the bins they cover, a tenth
    of the whole product.
    """
    mel_power = np.empty((len(power), MEL_BANDS), dtype=np.float32)
    for bands, bins, weights in _mel_blocks():
        np.matmul(power[:, bins], weights, out=mel_power[:, bands])
    return mel_power


@cache
def _mel_blocks() -> tuple[tuple[slice, slice, FloatArray], ...]:
    """Bands, the bins they cover, and the weights (bins, bands) from these to those."""
    blocks = []
    for start in range(0, MEL_BANDS, _BANDS_PER_PRODUCT):
        bands = slice(start, start + _BANDS_PER_PRODUCT)
        covered = np.flatnonzero(mel_matrix()[bands].any(axis=0))
        bins = slice(int(covered[0]), int(covered[-1]) + 1)
        blocks.append((bands, bins, _frozen(mel_matrix()[bands, bins].T.copy())))
    return tuple(blocks)


@cache
def mel_matrix() -> FloatArray:
    """Weights from 1025 frequency bins to 128 mel bands (Slaney's scale, unit area).

    Returns
    -------
    np.ndarray, float32, shape (128, 1025)
        Equal to `librosa.filters.mel(sr=22050, n_fft=2048)`.

    Examples
    --------
    >>> mel_matrix().shape, bool((mel_matrix() >= 0).all())
    ((128, 1025), True)
    """
    bins_hz = np.arange(WINDOW_SAMPLES // 2 + 1) * FEATURE_RATE_HZ / WINDOW_SAMPLES
    edges_hz = mel_edges_hz()
    low, centre, high = (edges_hz[k : MEL_BANDS + k, None] for k in range(3))
    rising = (bins_hz - low) / (centre - low)
    falling = (high - bins_hz) / (high - centre)
    triangles = np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)
    return _frozen(triangles.astype(np.float32))


def mel_edges_hz() -> npt.NDArray[np.float64]:
    """Edges of the mel bands: band k rises from edge k, peaks at k + 1 and ends at k + 2.

    Returns
    -------
    np.ndarray, float64, shape (130,)
        Frequencies in Hz, from 0 to 11 025; linear to 1 kHz, logarithmic above (Slaney 1998).

    Examples
    --------
    >>> float(mel_edges_hz()[0]), round(float(mel_edges_hz()[-1]))
    (0.0, 11025)
    """
    linear_step_hz, corner_hz, log_step = 200 / 3, 1000.0, np.log(6.4) / 27
    corner_mel = corner_hz / linear_step_hz
    top_mel = corner_mel + np.log(FEATURE_RATE_HZ / 2 / corner_hz) / log_step
    mels = np.linspace(0.0, top_mel, MEL_BANDS + 2)
    above_hz = corner_hz * np.exp(log_step * (mels - corner_mel))
    return np.where(mels < corner_mel, mels * linear_step_hz, above_hz)


def onset_bands(mel_power: FloatArray) -> FloatArray:
    """Onset strength by band: how much louder each band gets from one frame to the next.

    Mel power over its mean (so that gain does not matter), log-compressed; rises between frames
    only; mean in 8 bands; the 0.8 s local mean subtracted and positives kept; each band scaled to
    unit deviation, but none raised above the median band, so that an almost empty band does not
    bring its noise to the front, and none that hardly moves raised at all. The first and last
    frames, whose windows reach over the ends of the clip, count as no onset.

    Parameters
    ----------
    mel_power : np.ndarray, float32, shape (128, frames)
        As `Features.mel_power`.

    Returns
    -------
    np.ndarray, float32, shape (8, frames)
        Onset strength, >= 0, low to high bands; frame i tells of the rise from i - 1 to i. All
        zero for silence.

    Examples
    --------
    >>> steps = np.repeat(np.float32([[0, 0, 0, 0, 1, 1, 0, 0, 0, 0]]), 128, axis=0)
    >>> onset_bands(steps).argmax(axis=1).tolist()
    [4, 4, 4, 4, 4, 4, 4, 4]
    """
    mean_power = float(mel_power.mean(dtype=np.float64)) or 1.0
    compressed = np.log1p(np.float32(COMPRESSION / mean_power) * mel_power)
    rises = np.zeros((ONSET_BANDS, mel_power.shape[1]), dtype=np.float32)
    upward = np.maximum(np.diff(compressed, axis=1), 0)
    rises[:, 1:] = upward.reshape(ONSET_BANDS, MEL_BANDS // ONSET_BANDS, -1).mean(axis=1)
    rises[:, :EDGE_FRAMES] = 0
    rises[:, -EDGE_FRAMES:] = 0
    local_frames = round(LOCAL_MEAN_S * FRAME_RATE_HZ)
    rises -= scipy.ndimage.uniform_filter1d(rises, local_frames, axis=1, mode="nearest")
    np.maximum(rises, 0, out=rises)
    deviation = rises.std(axis=1, keepdims=True)
    rises /= np.maximum(deviation, max(float(np.median(deviation)), FAINTEST_DEVIATION))
    return rises


@cache
def _hann_window() -> FloatArray:
    phase = 2 * np.pi * np.arange(WINDOW_SAMPLES) / WINDOW_SAMPLES
    return _frozen((0.5 - 0.5 * np.cos(phase)).astype(np.float32))


def _frozen(array: FloatArray) -> FloatArray:
    array.setflags(write=False)
    return array


def _checked_rate_hz(rate_hz: int) -> int:
    if not _LOWEST_RATE_HZ <= rate_hz <= _HIGHEST_RATE_HZ or rate_hz != int(rate_hz):
        raise AudioError(
            f"rate_hz is {rate_hz!r}; give a whole number of samples per second "
            f"from {_LOWEST_RATE_HZ} to {_HIGHEST_RATE_HZ}."
        )
    return int(rate_hz)


@on_one_thread
def _checked_samples(samples: npt.NDArray[np.floating]) -> FloatArray:
    array = np.asarray(samples)
    if array.ndim != 2 or 0 in array.shape or not np.issubdtype(array.dtype, np.floating):
        raise AudioError(
            f"samples have shape {array.shape} and type {array.dtype}; "
            "give floats of shape (channels, samples), at least one of each."
        )
    if array.shape[0] > array.shape[1] > 0 and array.shape[0] > 64:
        raise AudioError(
            f"samples have shape {array.shape}: channels come first; transpose the array."
        )
    checked: FloatArray = array.astype(np.float32, copy=False)
    # A dot product meets every sample and lets no NaN or infinity through, in a quarter of the
    # time `isfinite` needs; that one decides only when the product overflows.
    energy = sum(float(np.dot(channel, channel)) for channel in checked)
    if not np.isfinite(energy) and not np.isfinite(checked).all():
        raise AudioError("samples contain NaN or infinity; render or decode the clip again.")
    return checked
