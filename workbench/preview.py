"""Short compressed copies of clips, to listen to in a report or a notebook."""

from __future__ import annotations

import base64
import io

import numpy as np
import soxr

from workbench.clip import Clip

RATE_HZ = 24_000
# libsndfile's compression level for 56 kbit/s constant rate at `RATE_HZ` mono.
_LEVEL = 0.7
BYTES_PER_S = 7_000


def preview_mp3(clip: Clip, max_s: float) -> bytes:
    """The first `max_s` seconds as mono MP3, about 7 kB a second.

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
        file, ".mp3", compression_level=_LEVEL, bitrate_mode="CONSTANT"
    )
    return file.getvalue()


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
