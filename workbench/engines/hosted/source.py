"""How the source of an edit travels: an address as it is, a file as a data URI within the caps."""

from __future__ import annotations

import base64
import io
from typing import Any

import soundfile as sf

from workbench.clip import Clip
from workbench.errors import RequestError
from workbench.request import Source

# The caps of RunComfy's own client; the service's are not published.
SAMPLES_MAX_BYTES = 16 * 2**20
BODY_MAX_BYTES = 64 * 2**20
_RATES_HZ = (8_000, 192_000)
DATA_URI = "data:audio/wav;base64,"
_OR_ADDRESS = "or put the file at a public https address and name that"


def source_length_s(source: Source) -> float | None:
    """Length of a local source in seconds; None for an address.

    Raises
    ------
    RequestError
        If the file is gone, no audio, or more than a data URI may hold.
    """
    if source.url:
        return None
    try:
        about = sf.info(source.path)
    except (sf.LibsndfileError, RuntimeError):
        raise RequestError("the source file is gone or no audio: name it again.") from None
    if about.channels > 2:
        raise RequestError(f"the source has {about.channels} channels: mix it to stereo.")
    if not _RATES_HZ[0] <= about.samplerate <= _RATES_HZ[1]:
        raise RequestError(f"the source has {about.samplerate} Hz: convert it to 48000 Hz.")
    if about.frames * about.channels * 2 > SAMPLES_MAX_BYTES:
        raise RequestError(
            f"the source is {about.duration:.0f} s long, more than the 16 MiB of samples that can "
            f"travel with a call: cut it, convert it to mono, {_OR_ADDRESS}."
        )
    return float(about.duration)


def as_field(source: Source) -> str:
    """What goes into the ``audio`` field: the address, or 16-bit PCM as a data URI.

    Raises
    ------
    AudioError, FileNotFoundError
        If the file is gone, damaged, or changed since the request was made.
    """
    return source.url or data_uri(source.read())


def data_uri(clip: Clip) -> str:
    """A clip as a data URI: wav, 16-bit PCM; samples beyond full scale are clipped.

    Examples
    --------
    >>> import numpy as np
    >>> data_uri(Clip(np.zeros((1, 8), np.float32), 48_000))[:27]
    'data:audio/wav;base64,UklGR'
    """
    buffer = io.BytesIO()
    sf.write(buffer, clip.samples.T, clip.rate_hz, subtype="PCM_16", format="WAV")
    return DATA_URI + base64.b64encode(buffer.getvalue()).decode()


def without_payload(body: dict[str, Any], source: Source) -> dict[str, Any]:
    """The body as it is written down: the file itself is replaced by its digest."""
    if source.url:
        return body
    return {**body, "audio": {"sha256": source.sha256, "sent_as": "data URI, wav, 16-bit PCM"}}
