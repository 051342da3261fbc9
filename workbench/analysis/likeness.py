"""How alike are two stretches of audio, frame by frame, in timbre and in harmony?

Timbre is the log-mel spectrum, harmony the chroma. `untouched` compares an edit with its source
by them, `diversity` the takes of several seeds.

Conventions: a `Fingerprint` has one row per frame of 2048 samples at 22 050 Hz (93 ms), a frame
every 512 samples (23 ms), frame i centred on second `i * 512 / 22050`, as in `features`. Mel
levels are in dB with a floor 80 dB under the loudest cell; chroma rows sum to 1.

References: Müller, Fundamentals of Music Processing, 2015, sections 3.1 (log-frequency, chroma)
and 7.2 (matching by chroma).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from workbench.analysis.features import (
    FEATURE_RATE_HZ,
    HOP_SAMPLES,
    MEL_BANDS,
    WINDOW_SAMPLES,
    Features,
    FloatArray,
    mel_matrix,
)
from workbench.analysis.products import on_one_thread

LIKENESS_BANDS = 64
FRAME_S = HOP_SAMPLES / FEATURE_RATE_HZ
_FLOOR_DB = 80.0
_TINY_POWER = 1e-12
# Below C3 a bin of 10.8 Hz is wider than a semitone; above 4 kHz there are mostly overtones.
_CHROMA_LOWEST_HZ, _CHROMA_HIGHEST_HZ = 130.8, 4186.0


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """What is compared: `mel_power` (frames, 64) and `chroma` (frames, 12)."""

    mel_power: FloatArray
    chroma: FloatArray


def mel_levels_db(mel_power: FloatArray, *, loudest: float | None = None) -> FloatArray:
    """Mel levels in dB, not under 80 dB below the loudest cell.

    Parameters
    ----------
    mel_power : np.ndarray, float32, shape (frames, 64)
        As in a `Fingerprint`.
    loudest : float, optional
        Power that the floor hangs from, when two stretches share one; their own maximum if not
        given.

    Returns
    -------
    np.ndarray, float32, shape (frames, 64)
        Levels in dB.

    Examples
    --------
    >>> mel_levels_db(np.float32([[100.0, 0.0]])).round().tolist()
    [[20.0, -60.0]]
    """
    top = float(mel_power.max(initial=0.0)) if loudest is None else loudest
    floor = np.float32(max(top, _TINY_POWER) * 10 ** (-_FLOOR_DB / 10))
    levels_db: FloatArray = 10 * np.log10(np.maximum(mel_power, floor))
    return levels_db


def fingerprint(features: Features) -> Fingerprint:
    """Fingerprint of a clip, from its shared spectrogram.

    Parameters
    ----------
    features : Features
        The clip.

    Returns
    -------
    Fingerprint
        One row per frame.

    Examples
    --------
    >>> tone = np.sin(2 * np.pi * 440 * np.arange(22_050) / 22_050)[np.newaxis]
    >>> print_ = fingerprint(Features(tone, 22_050))
    >>> print_.mel_power.shape, int(print_.chroma[20].argmax())  # A is 9 semitones above C
    ((44, 64), 9)
    """
    return fingerprint_of_frames(features.power.T)


@on_one_thread
def fingerprint_of_frames(power: FloatArray) -> Fingerprint:
    """Fingerprint from power spectra.

    Parameters
    ----------
    power : np.ndarray, float32, shape (frames, 1025)
        As `features.power_frames` returns it.

    Returns
    -------
    Fingerprint
        One row per frame.

    Examples
    --------
    >>> fingerprint_of_frames(np.zeros((3, 1025), dtype=np.float32)).mel_power.shape
    (3, 64)
    """
    mel = power @ _likeness_matrix().T
    chroma = np.sqrt(power) @ _chroma_matrix().T
    total = chroma.sum(axis=1, keepdims=True)
    chroma /= np.where(total > 0, total, np.float32(1))
    return Fingerprint(mel, chroma)


def frame_mel_difference_db(levels_db: FloatArray, other_db: FloatArray) -> FloatArray:
    """Root mean square over bands of the level difference, for each frame.

    Parameters
    ----------
    levels_db, other_db : np.ndarray, float32, shape (frames, 64)
        Mel levels of the two stretches, in dB; a gain between them is the caller's to remove.

    Returns
    -------
    np.ndarray, float32, shape (frames,)
        Difference in dB, >= 0.

    Examples
    --------
    >>> frame_mel_difference_db(np.zeros((2, 64), np.float32), np.full((2, 64), 3, np.float32))
    array([3., 3.], dtype=float32)
    """
    difference = other_db - levels_db
    result: FloatArray = np.sqrt(np.mean(difference * difference, axis=1))
    return result


def chroma_cosine(chroma: FloatArray, other: FloatArray) -> FloatArray:
    """Cosine between chroma rows; 1 where both are silent, 0 where one is.

    Parameters
    ----------
    chroma, other : np.ndarray, float32, shape (frames, 12)
        Rows >= 0.

    Returns
    -------
    np.ndarray, float32, shape (frames,)
        0 (nothing in common) to 1 (same proportions).

    Examples
    --------
    >>> c, g = np.eye(12, dtype=np.float32)[[0, 7]]
    >>> chroma_cosine(np.stack([c, c]), np.stack([c, g]))
    array([1., 0.], dtype=float32)
    """
    lengths = np.linalg.norm(chroma, axis=1) * np.linalg.norm(other, axis=1)
    both_silent = (chroma.max(axis=1) <= 0) & (other.max(axis=1) <= 0)
    cosine = (chroma * other).sum(axis=1) / np.where(lengths > 0, lengths, 1)
    result: FloatArray = np.where(both_silent, np.float32(1), cosine)
    return result


@cache
def _likeness_matrix() -> FloatArray:
    """64 bands: neighbouring pairs of the 128 of `features`."""
    pairs = mel_matrix().reshape(LIKENESS_BANDS, MEL_BANDS // LIKENESS_BANDS, -1)
    bands: FloatArray = pairs.sum(axis=1)
    return bands


@cache
def _chroma_matrix() -> FloatArray:
    """(12, 1025): each bin of the chroma range to its nearest pitch class, C first."""
    bins_hz = np.arange(WINDOW_SAMPLES // 2 + 1) * FEATURE_RATE_HZ / WINDOW_SAMPLES
    inside = (bins_hz >= _CHROMA_LOWEST_HZ) & (bins_hz <= _CHROMA_HIGHEST_HZ)
    midi = 69 + 12 * np.log2(np.maximum(bins_hz, 1.0) / 440)
    classes = np.round(midi).astype(int) % 12
    weights: npt.NDArray[np.bool_] = (classes == np.arange(12)[:, np.newaxis]) & inside
    return weights.astype(np.float32)
