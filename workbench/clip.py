"""Audio with its rate: read, write, cut.

Samples are float32, shaped (channels, samples), full scale at 1.0; times are seconds from the
first sample. File access goes through libsndfile (soundfile): wav, flac, mp3, ogg vorbis, opus
and aiff. libsndfile reads some damaged files without a word, so completeness is checked here.
"""

from __future__ import annotations

import hashlib
import io
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Self

import numpy as np
import numpy.typing as npt
import soundfile as sf

from workbench.errors import AudioError

Samples = npt.NDArray[np.float32]

# What files may begin with, and the suffix that such a file gets.
_MAGIC = (
    (b"RIFF", ".wav"),
    (b"RF64", ".wav"),
    (b"fLaC", ".flac"),
    (b"OggS", ".ogg"),
    (b"ID3", ".mp3"),
    (b"FORM", ".aiff"),
)
# An MP3 file may end up to a frame early when its encoder's padding is cut.
_MP3_SLACK_FRAMES = 2 * 1152
_FRAMES_MAX = 2**40
# What one file may hold, all channels together: 4 GB of memory, or three hours of stereo. A few
# kilobytes of FLAC can claim, or truly be, a thousand times more.
SAMPLES_MAX = 10**9


def sniff(head: bytes) -> str | None:
    """Suffix of the audio format that these first bytes belong to, or None.

    Examples
    --------
    >>> sniff(b"fLaC" + bytes(8)), sniff(b"<html>")
    ('.flac', None)
    """
    for magic, suffix in _MAGIC:
        if head.startswith(magic):
            return suffix
    is_mpeg = len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06
    return ".mp3" if is_mpeg else None


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_duration_s(path: Path) -> float:
    """Length of an audio file in seconds, by its header alone.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    AudioError
        If it is no audio file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}.")
    try:
        return float(sf.info(path).duration)
    except sf.LibsndfileError:
        raise AudioError(f"{path.name} is no audio file that can be read.") from None


@dataclass(frozen=True, eq=False)
class Clip:
    """Audio with its rate.

    Parameters
    ----------
    samples : float32 array, shape (channels, samples)
        Full scale at 1.0. One-dimensional input is taken as mono.
    rate_hz : int
        Samples per second.

    Raises
    ------
    AudioError
        If the shape is not audio's, or the rate is not positive.

    Examples
    --------
    >>> clip = Clip(np.zeros((2, 48_000), np.float32), 48_000)
    >>> clip.duration_s, clip.channels, clip.cut(0.25, 0.75).duration_s
    (1.0, 2, 0.5)
    """

    samples: Samples
    rate_hz: int

    def __post_init__(self) -> None:
        samples = np.atleast_2d(np.ascontiguousarray(self.samples, dtype=np.float32))
        if samples.ndim != 2 or not 1 <= samples.shape[0] <= 32:
            raise AudioError(f"audio is shaped (channels, samples), not {samples.shape}.")
        if self.rate_hz <= 0:
            raise AudioError(f"a rate of {self.rate_hz} Hz is impossible.")
        view = samples.view()
        view.flags.writeable = False
        object.__setattr__(self, "samples", view)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Clip)
            and self.rate_hz == other.rate_hz
            and np.array_equal(self.samples, other.samples)
        )

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Clip({self.duration_s:.3f} s, {self.channels} ch, {self.rate_hz} Hz)"

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int(self.samples.shape[0])

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return float(self.samples.shape[1] / self.rate_hz)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over rate, shape and samples."""
        head = f"{self.rate_hz} {self.samples.shape} ".encode()
        return hashlib.sha256(head + self.samples.tobytes()).hexdigest()

    def cut(self, start_s: float, end_s: float) -> Self:
        """The part from `start_s` to `end_s`, ends clamped to the clip."""
        first = max(0, round(start_s * self.rate_hz))
        last = max(first, round(end_s * self.rate_hz))
        return type(self)(self.samples[:, first:last], self.rate_hz)

    def at_rate(self, rate_hz: int) -> Self:
        """The clip resampled, or itself if that is its rate.

        Examples
        --------
        >>> Clip(np.zeros(4800), 48_000).at_rate(44_100)
        Clip(0.100 s, 1 ch, 44100 Hz)
        """
        if rate_hz == self.rate_hz:
            return self
        import soxr

        return type(self)(soxr.resample(self.samples.T, self.rate_hz, rate_hz).T, rate_hz)

    @classmethod
    def read(cls, path: str | os.PathLike[str], *, samples_max: int = SAMPLES_MAX) -> Self:
        """Read an audio file whole.

        Parameters
        ----------
        path : path
        samples_max : int
            How many samples it may hold, all channels together.

        Raises
        ------
        FileNotFoundError
            If there is no such file, or it is a folder.
        AudioError
            If the file is empty, no audio, cut short, too long, or holds no samples.
        """
        path = Path(path)
        if path.is_dir():
            raise FileNotFoundError(f"{path.name or path} is a folder: name an audio file in it.")
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}.")
        with path.open("rb") as file:
            return cls._decode(file, path.name, samples_max)

    @classmethod
    def from_bytes(cls, data: bytes, name: str = "audio") -> Self:
        """Decode audio held in memory; raises as `read` does."""
        return cls._decode(io.BytesIO(data), name, SAMPLES_MAX)

    @classmethod
    def _decode(cls, file: IO[bytes], name: str, samples_max: int) -> Self:
        head = file.read(16)
        if not head:
            raise AudioError(f"{name} is empty.")
        if sniff(head) is None:
            raise AudioError(f"{name} is no audio file: use wav, flac, mp3, ogg, opus or aiff.")
        file.seek(0)
        try:
            with sf.SoundFile(file) as sound:
                if sound.frames > _FRAMES_MAX:  # what some libsndfile say of a cut Ogg file
                    raise AudioError(f"{name} is damaged or cut short: it has no known length.")
                if sound.frames * sound.channels > samples_max:
                    raise AudioError(
                        f"{name} says that it holds {sound.frames * sound.channels:.2g} samples, "
                        f"and at most {samples_max:.2g} are read: cut it into parts."
                    )
                frames = sound.read(dtype=_read_as(sound), always_2d=True)
                fault = _damage(sound, len(frames), file)
                rate_hz = sound.samplerate
        except (sf.LibsndfileError, RuntimeError) as error:
            said = str(getattr(error, "error_string", error)).strip().rstrip(".")
            raise AudioError(f"{name} is damaged or cut short: {said}.") from None
        if fault:
            raise AudioError(f"{name} is damaged or cut short: {fault}.")
        if not len(frames):
            raise AudioError(f"{name} holds no samples.")
        return cls(_channels_first(frames), rate_hz)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write in the format that the suffix names (.wav, .flac, .mp3, .ogg, .opus).

        Wav and flac keep every sample exactly (see `lossless_suffix`) or the call is refused.

        Raises
        ------
        AudioError
            If the suffix is unknown, or flac cannot hold the samples exactly.
        OSError
            If the file cannot be written whole.
        """
        path = Path(path)
        packed = io.BytesIO()  # libsndfile does not always tell that a disk is full
        self.encode(packed, path.suffix.lower())
        try:
            path.write_bytes(packed.getbuffer())
        except OSError as error:
            # Of a full disk the system does not say which file met it.
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error

    def encode(self, file: IO[bytes], suffix: str, **settings: Any) -> None:
        """Write to an open binary file; `settings` go to soundfile (lossy formats only)."""
        formats = {
            ".wav": ("WAV", {16: "PCM_16", 24: "PCM_24", 32: "FLOAT"}[self._bits]),
            ".flac": ("FLAC", {16: "PCM_16", 24: "PCM_24", 32: ""}[self._bits]),
            ".mp3": ("MP3", "MPEG_LAYER_III"),
            ".ogg": ("OGG", "VORBIS"),
            ".opus": ("OGG", "OPUS"),
        }
        if suffix not in formats:
            raise AudioError(
                f"cannot write {suffix or 'a file without suffix'}: use .wav or .flac."
            )
        kind, subtype = formats[suffix]
        if not subtype:
            raise AudioError("flac cannot hold these samples exactly: use .wav.")
        with sf.SoundFile(
            file, "w", self.rate_hz, self.channels, subtype, format=kind, **settings
        ) as sound:
            # libsndfile overflows its stack on one long Vorbis write, so write second by second.
            for first in range(0, self.samples.shape[1], self.rate_hz):
                sound.write(self.samples[:, first : first + self.rate_hz].T)

    @cached_property
    def _bits(self) -> int:
        """Fewest bits that hold every sample exactly: 16 or 24 (integers), 32 (float)."""
        for bits in (16, 24):
            scaled = self.samples * np.float32(2 ** (bits - 1))
            top = 2 ** (bits - 1) - 1
            whole = np.array_equal(scaled, np.rint(scaled))
            if whole and scaled.size and scaled.max() <= top and scaled.min() >= -top - 1:
                return bits
        return 32

    @property
    def lossless_suffix(self) -> str:
        """Smallest container that gives back every sample: ``.flac``, else ``.wav`` (float)."""
        return ".flac" if self._bits < 32 and self.channels <= 8 else ".wav"


def _read_as(sound: sf.SoundFile) -> str:
    """The type to decode to: 16 bits as they are, as libsndfile is slow to make floats of them."""
    return "int16" if sound.subtype == "PCM_16" else "float32"


def _channels_first(frames: npt.NDArray[Any]) -> Samples:
    """Frames as they come out of a file, (n, channels), to float32 (channels, n)."""
    if frames.dtype == np.float32:
        return np.ascontiguousarray(frames.T)
    samples = np.empty(frames.T.shape, np.float32)
    np.multiply(frames.T, np.float32(1 / 2**15), out=samples)
    return samples


def _damage(sound: sf.SoundFile, frames_read: int, file: IO[bytes]) -> str:
    """What is wrong with a file that was read without complaint; "" if nothing is."""
    if "should be" in sound.extra_info:
        return "its header promises more than the file holds"
    # Without a Xing header the length of an MP3 file is a guess, so it proves nothing.
    if frames_read < sound.frames - _MP3_SLACK_FRAMES and not _is_bare_mp3(sound, file):
        return f"{frames_read} of {sound.frames} frames could be read"
    if sound.format == "OGG" and not _ogg_ends(file):
        return "its last page is missing"
    return ""


def _is_bare_mp3(sound: sf.SoundFile, file: IO[bytes]) -> bool:
    """Whether this is MP3 without the header that states its length."""
    file.seek(0)
    head = file.read(65_536)
    return sound.format == "MP3" and b"Xing" not in head and b"Info" not in head


def _ogg_ends(file: IO[bytes]) -> bool:
    """Whether the last Ogg page is whole and marked as the end of its stream (RFC 3533, 6)."""
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - 66_000))  # a page has at most 65 307 bytes
    tail = file.read()
    page = tail.rfind(b"OggS")
    if page < 0 or len(tail) < page + 27:
        return False
    segments = tail[page + 26]
    lengths = tail[page + 27 : page + 27 + segments]
    whole = len(tail) >= page + 27 + segments + sum(lengths)
    return whole and bool(tail[page + 5] & 4)
