"""Short compressed copies of clips, to listen to in a report or a notebook."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

from workbench.clip import Clip
from workbench.errors import AudioError

RATE_HZ = 24_000
# libsndfile's compression level. Variable rate is cheaper to encode than constant rate, smaller,
# and its header states the exact length.
_LEVEL = 0.9
# What music takes at this level; noise takes less.
BYTES_PER_S = 4_500
# For an excerpt in which an edge is to be heard: about 200 kbit/s.
_FINE_RATE_HZ = 48_000
_FINE_LEVEL = 0.2
_FADE_S = 0.02


def preview_mp3(clip: Clip, max_s: float) -> bytes:
    """The first `max_s` seconds as mono MP3, about 4.5 kB a second.

    Parameters
    ----------
    clip : Clip
    max_s : float
        Longest preview in seconds; a cut end is faded over the last 0.2 s.

    Returns
    -------
    bytes
        An MP3 file.

    Examples
    --------
    >>> tone = Clip(np.sin(np.arange(48_000) / 20)[np.newaxis], 48_000)
    >>> abs(Clip.from_bytes(preview_mp3(tone, 0.5)).duration_s - 0.5) < 0.1
    True
    """
    head = clip.cut(0, max_s)
    mono = soxr.resample(head.samples.mean(axis=0), clip.rate_hz, RATE_HZ)
    if head.duration_s < clip.duration_s:
        n = min(len(mono), RATE_HZ // 5)
        mono[len(mono) - n :] *= np.linspace(1, 0, n, dtype=np.float32)
    file = io.BytesIO()
    Clip(np.clip(mono, -1, 1)[np.newaxis], RATE_HZ).encode(
        file, ".mp3", compression_level=_LEVEL, bitrate_mode="VARIABLE"
    )
    return file.getvalue()


def excerpt_mp3(clip: Clip, start_s: float, end_s: float) -> bytes:
    """A part of a clip as MP3 that keeps what tells an edge: both channels, all of the spectrum.

    Parameters
    ----------
    clip : Clip
    start_s, end_s : float
        Clamped to the clip; both ends are faded over 20 ms.

    Returns
    -------
    bytes
        An MP3 file, about 25 kB a second.

    Raises
    ------
    AudioError
        If the clip has more than two channels.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 0.1, (2, 48_000))
    >>> part = Clip.from_bytes(excerpt_mp3(Clip(noise, 48_000), 0.2, 0.6))
    >>> part.channels, part.rate_hz, abs(part.duration_s - 0.4) < 0.1
    (2, 48000, True)
    """
    if clip.channels > 2:
        raise AudioError(f"an MP3 holds two channels at most, not {clip.channels}.")
    samples = clip.cut(start_s, end_s).at_rate(_FINE_RATE_HZ).samples.copy()
    n = min(samples.shape[1] // 2, round(_FADE_S * _FINE_RATE_HZ))
    into = np.linspace(0, 1, n, dtype=np.float32)
    samples[:, :n] *= into
    samples[:, samples.shape[1] - n :] *= into[::-1]
    file = io.BytesIO()
    Clip(np.clip(samples, -1, 1), _FINE_RATE_HZ).encode(
        file, ".mp3", compression_level=_FINE_LEVEL, bitrate_mode="VARIABLE"
    )
    return file.getvalue()


def read_head(path: Path, max_s: float) -> Clip:
    """A little more than the first `max_s` seconds of a file, so that a cut can be told.

    Raises
    ------
    AudioError
        If the file cannot be decoded.
    """
    try:
        with sf.SoundFile(path) as sound:
            frames = round((max_s + 0.1) * sound.samplerate)
            samples = sound.read(frames, dtype="float32", always_2d=True)
            return Clip(samples.T, sound.samplerate)
    except sf.LibsndfileError as error:
        raise AudioError(f"{path.name} cannot be decoded: {error.error_string}") from None


def data_uri(data: bytes, mime: str) -> str:
    """Bytes as an address that needs no network.

    Examples
    --------
    >>> data_uri(b"a", "text/plain")
    'data:text/plain;base64,YQ=='
    """
    return f"data:{mime};base64,{base64.b64encode(data).decode()}"


def player_html(clip: Clip, max_s: float = 30.0) -> str:
    """An HTML audio player for a clip; give it to ``IPython.display.HTML``."""
    address = data_uri(preview_mp3(clip, max_s), "audio/mpeg")
    return f'<audio controls preload="metadata" src="{address}"></audio>'
