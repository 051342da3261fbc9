"""Audio and pictures for the browser: small enough for a kernel's messages, exact where it matters.

Jupyter servers drop what a kernel sends beyond 3 MB in three seconds. Long audio therefore goes as
Opus at about 16 kB a second, at most two minutes of it; up to twelve seconds, as
around a seam, go sample for sample as FLAC. Two clips encoded alike stay in step to the sample.
"""

from __future__ import annotations

import io
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from workbench.clip import Clip

PREVIEW_MAX_S = 120.0
EXACT_MAX_S = 12.0
COLUMNS = 1200
_OPUS_HZ = 48_000
# libsndfile's compression level for Opus: about 125 kbit/s for stereo.
_LEVEL = 0.76
_PREVIEWS_KEPT = 24
_SHOWN_HZ = (30.0, 16_000.0)

FloatArray = npt.NDArray[np.float32]


def encoded(clip: Clip) -> bytes:
    """A clip as a browser plays it: FLAC up to `EXACT_MAX_S`, else the first two minutes in Opus.

    Examples
    --------
    >>> tone = Clip(np.sin(np.arange(48_000, dtype=np.float32) / 20)[np.newaxis], 48_000)
    >>> encoded(tone)[:4]
    b'fLaC'
    """
    file = io.BytesIO()
    if clip.duration_s <= EXACT_MAX_S:
        whole = np.rint(np.clip(clip.samples, -1, 1) * 32767) / 32768
        Clip(whole.astype(np.float32), clip.rate_hz).encode(file, ".flac")
    else:
        heard = clip.cut(0, PREVIEW_MAX_S).at_rate(_OPUS_HZ)
        stereo = heard.samples[:2]
        Clip(np.clip(stereo, -1, 1), _OPUS_HZ).encode(file, ".opus", compression_level=_LEVEL)
    return file.getvalue()


@lru_cache(_PREVIEWS_KEPT)
def preview(path: Path, gain_db: float = 0.0) -> bytes:
    """A stored file for the browser, at a changed level where two are to sound equally loud."""
    clip = Clip.read(path)
    if gain_db:
        clip = Clip(clip.samples * np.float32(10 ** (gain_db / 20)), clip.rate_hz)
    return encoded(clip)


@lru_cache(_PREVIEWS_KEPT)
def outline(path: Path) -> bytes:
    """Lowest and highest sample per column of a waveform, float32, (2, columns) in C order."""
    return peaks(Clip.read(path)).tobytes()


def peaks(clip: Clip, columns: int = COLUMNS) -> FloatArray:
    """Lowest and highest sample of each column.

    Parameters
    ----------
    clip : Clip
    columns : int
        At most; fewer for very short clips.

    Returns
    -------
    np.ndarray, float32, shape (2, columns)

    Examples
    --------
    >>> peaks(Clip(np.array([0, 1, -1, 0], np.float32), 8000), 2).tolist()
    [[0.0, -1.0], [1.0, 0.0]]
    """
    mono = clip.samples.mean(axis=0)
    edges = np.linspace(0, len(mono), min(columns, len(mono)) + 1).astype(int)[:-1]
    return np.stack([np.minimum.reduceat(mono, edges), np.maximum.reduceat(mono, edges)])


def spectrogram_png(clip: Clip, columns: int = COLUMNS, rows: int = 128) -> bytes:
    """Mel-like spectrogram as a picture: time to the right, 30 Hz to 16 kHz upwards, 80 dB deep.

    Colours are viridis, which also reads in grey. Source: a 2048-point Hann window, frequencies
    spaced evenly on the mel scale.
    """
    import matplotlib.image
    import scipy.signal

    mono = clip.samples.mean(axis=0)
    size = min(2048, len(mono))
    hop = max(1, len(mono) // columns)
    window = scipy.signal.get_window("hann", size)
    starts = np.arange(0, max(1, len(mono) - size), hop)
    frames = np.lib.stride_tricks.sliding_window_view(mono, size)[starts]
    levels = np.abs(np.fft.rfft(frames * window.astype(np.float32), axis=1)).T
    lowest, highest = 2595 * np.log10(1 + np.array(_SHOWN_HZ) / 700)
    mels = np.linspace(lowest, highest, rows)
    wanted_hz = 700 * (10 ** (mels / 2595) - 1)
    bins = np.minimum(np.rint(wanted_hz * size / clip.rate_hz).astype(int), len(levels) - 1)
    shown = 20 * np.log10(np.maximum(levels[bins], 1e-9) / max(float(levels.max()), 1e-9))
    file = io.BytesIO()
    matplotlib.image.imsave(file, shown, vmin=-80, vmax=0, cmap="viridis", origin="lower")
    return file.getvalue()
