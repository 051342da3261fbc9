"""What a network hears of a clip: mono at its own rate, in windows of its own length.

Windows of one clip are equally long, evenly spread and together cover all of it, so the last
seconds count as much as the first; a clip shorter than one window is one window as it is.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import soxr

from workbench.clip import Clip
from workbench.errors import AudioError

Samples = npt.NDArray[np.float32]

SHORTEST_S = 1.0
_SILENT_PEAK = 10 ** (-60 / 20)


def mono_at(clip: Clip, rate_hz: int) -> Samples:
    """The clip as one channel at a network's rate.

    Parameters
    ----------
    clip : Clip
        At least 1 s long, and above -60 dBFS somewhere.
    rate_hz : int
        The rate the network was trained on.

    Returns
    -------
    np.ndarray, float32, shape (n,)
        Mean over channels, resampled.

    Raises
    ------
    AudioError
        If the clip is too short, silent or not finite: a network would answer all the same.

    Examples
    --------
    >>> clip = Clip(np.ones((2, 96_000), np.float32) / 2, 48_000)
    >>> mono_at(clip, 16_000).shape
    (32000,)
    """
    if clip.duration_s < SHORTEST_S:
        raise AudioError(
            f"the clip lasts {clip.duration_s:.2f} s; a learned metric needs {SHORTEST_S:g} s."
        )
    mono = clip.samples.mean(axis=0)
    if not np.isfinite(mono).all():
        raise AudioError("the clip contains NaN or infinity; render or decode it again.")
    if np.abs(mono).max() < _SILENT_PEAK:
        raise AudioError("the clip is silent: there is nothing to listen to.")
    return np.asarray(soxr.resample(mono, clip.rate_hz, rate_hz, quality="HQ"), dtype=np.float32)


def windows(mono: Samples, length: int) -> list[Samples]:
    """Cut into equally long windows that cover everything.

    Parameters
    ----------
    mono : np.ndarray, float32, shape (n,)
        Samples.
    length : int
        Samples per window.

    Returns
    -------
    list of np.ndarray, float32, shape (length,) or, alone, (n,)
        ceil(n / length) windows; neighbours overlap where n is no multiple of `length`.

    Examples
    --------
    >>> [window.tolist() for window in windows(np.arange(5, dtype=np.float32), 2)]
    [[0.0, 1.0], [2.0, 3.0], [3.0, 4.0]]
    """
    count = -(-len(mono) // length)
    if count <= 1:
        return [mono]
    starts = np.linspace(0, len(mono) - length, count).round().astype(int)
    return [mono[start : start + length] for start in starts]
