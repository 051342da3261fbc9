"""Results as files: encoded as the contract promises, complete or absent, behind signed links."""

from __future__ import annotations

import hashlib
import hmac
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soxr

from workbench.clip import Clip
from workbench.server.jobs import Job


class Format(NamedTuple):
    """How a result is encoded; `kbit_s` is 0 for lossless."""

    suffix: str
    rate_hz: int
    kbit_s: int = 0


FORMATS: Mapping[str, Format] = {
    "wav": Format(".wav", 48_000),
    "mp3": Format(".mp3", 48_000, 192),
    "mp3_standard": Format(".mp3", 44_100, 128),
    "mp3_high_quality": Format(".mp3", 44_100, 192),
    "wav_16khz": Format(".wav", 16_000),
    "wav_22khz": Format(".wav", 22_050),
    "wav_24khz": Format(".wav", 24_000),
    "wav_cd_quality": Format(".wav", 44_100),
}


def save(audio: Clip | Path, folder: Path, job: Job) -> str:
    """Write a job's result, stereo; on disk under its name when this returns.

    Returns
    -------
    str
        The file's name in `folder`.
    """
    form = FORMATS[job.format]
    clip = _fitted(audio if isinstance(audio, Clip) else Clip.read(audio), form)
    name = f"{job.id}{form.suffix}"
    part = folder / f"{name}.part"
    with part.open("wb") as file:
        if form.kbit_s:
            # libsndfile maps level 0..1 to 320..32 kbit/s.
            level = (320 - form.kbit_s) / 288
            clip.encode(file, form.suffix, bitrate_mode="CONSTANT", compression_level=level)
        else:
            clip.encode(file, form.suffix)
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / name)
    return name


def _fitted(clip: Clip, form: Format) -> Clip:
    """The clip at the format's rate, in stereo, on the 16-bit grid where it is lossless."""
    samples = clip.samples if clip.channels > 1 else np.repeat(clip.samples, 2, axis=0)
    samples = samples[:2]
    if clip.rate_hz != form.rate_hz:
        samples = soxr.resample(samples.T, clip.rate_hz, form.rate_hz).T
    if not form.kbit_s:
        full = np.float32(2**15)
        samples = np.clip(np.rint(samples * full), -full, full - 1) / full
    return Clip(samples, form.rate_hz)


class Links:
    """Addresses of results: public, not to be guessed, and dead after a while.

    Parameters
    ----------
    secret : bytes
        Signs the links, so that they survive a restart and cannot be made up.
    link_s : float
        Seconds that a link works, or until the file goes.

    Examples
    --------
    >>> links = Links(b"secret", 60)
    >>> links.check("job", 2e9, links.sign("job", 2e9)), links.check("job", 3e9, "0" * 32)
    (True, False)
    """

    def __init__(self, secret: bytes, link_s: float) -> None:
        self._secret = secret
        self._link_s = link_s

    def sign(self, job_id: str, expires_at: float) -> str:
        """Signature of a link, 32 hexadecimal digits."""
        text = f"{job_id} {expires_at:.0f}".encode()
        return hmac.new(self._secret, text, hashlib.sha256).hexdigest()[:32]

    def check(self, job_id: str, expires_at: float, signature: str) -> bool:
        """Whether we made this link."""
        return hmac.compare_digest(self.sign(job_id, expires_at).encode(), signature.encode())

    def make(self, job: Job) -> tuple[str, float] | None:
        """Path of a job's result and the moment the link ends; None once the file is gone."""
        if job.output is None or job.expires_at is None or not job.is_kept:
            return None
        ends_at = float(int(min(time.time() + self._link_s, job.expires_at)))
        name = f"result{Path(job.output).suffix}"
        signature = self.sign(job.id, ends_at)
        return f"/files/gateway/music/{job.id}/{ends_at:.0f}-{signature}/{name}", ends_at
