"""Edits whose truth is known: the rungs that the seam ruler is fitted and scored on.

Take a clip and a place, keep the left side, change the right. The first four kinds of `KINDS`
must not fire: nothing changed, the whole clip through a codec (two codecs), and a crossfade into
a high-rate copy of itself. The others are what an edge can suffer: another codec, gain, filters,
reverberation, a late beat, other material, a repetition, a dropout. Crossfades are 10 ms, linear
in amplitude and centred on the place, unless the kind says otherwise.

Conventions: samples float32, (channels, n), full scale at 1.0; times in seconds from the first
sample; the sign of a gain and of a shelf, and where other material comes from, are drawn from
the generator that the caller gives, so one seed always builds one ladder.

Reference: R. Bristow-Johnson, Cookbook formulae for audio EQ biquad filter coefficients (shelf).
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cached_property, partial
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import scipy.signal
import soundfile as sf

from workbench.errors import AudioError

Samples = npt.NDArray[np.float32]

QUIET_KINDS = ("untouched", "round_trip_mp3", "round_trip_vorbis", "clean_copy")
"""Kinds on which the ruler must not fire."""

KINDS = (
    *QUIET_KINDS,
    "low_rate_codec",
    "gain_1_db",
    "gain_3_db",
    "gain_6_db",
    "low_pass",
    "shelf",
    "reverb",
    "delay_20_ms",
    "delay_50_ms",
    "delay_100_ms",
    "splice_on_beat",
    "splice_off_beat",
    "splice_faded",
    "splice_hard",
    "repeat_3_ms",
    "dropout_20_ms",
)
"""Every kind of edit, in the order of the report."""

SHORTEST_SIDE_S = 6.0
"""What is left on either side of a place after any edit."""

_FADE_S = 0.010
_LONG_FADE_S = 0.200
_LOW_PASS_HZ = 6_000
_SHELF_HZ = 3_000
_SHELF_DB = 6.0
_REVERB_DECAY_S = 0.8
_REVERB_SHARE = 0.35
_JUMP_AT_LEAST_S = 2.0
# libsndfile's compression levels, 0 best to 1 smallest, and the rate they give on stereo music.
# A constant rate is not used: its decoded MP3 came back 23 ms late.
CODECS = MappingProxyType(
    {
        "mp3": ("MP3", "MPEG_LAYER_III", 0.5, "VARIABLE"),  # about 140 kbit/s
        "vorbis": ("OGG", "VORBIS", 0.5, None),  # about 180 kbit/s
        "high": ("MP3", "MPEG_LAYER_III", 0.0, "VARIABLE"),  # about 250 kbit/s
        "low": ("MP3", "MPEG_LAYER_III", 0.999, "VARIABLE"),  # about 65 kbit/s
    }
)


class Ladder:
    """Every kind of edit of one clip.

    Parameters
    ----------
    samples : np.ndarray, float32, shape (channels, n)
        The clip, at least 16 s.
    rate_hz : int
        Its rate, one that both codecs take (32 000, 44 100 or 48 000).
    beat_s : float
        Length of a beat, > 0: what a splice on the beat moves by whole multiples of.

    Raises
    ------
    AudioError
        If the clip is too short for a splice with 6 s on both sides.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 0.1, (1, 16 * 32_000)).astype(np.float32)
    >>> ladder = Ladder(noise, 32_000, beat_s=0.5)
    >>> louder = ladder.edit("gain_6_db", 8.0, np.random.default_rng(1))
    >>> after, before = louder[0, 9 * 32_000 :], louder[0, : 7 * 32_000]
    >>> round(abs(float(20 * np.log10(after.std() / before.std()))))
    6
    """

    def __init__(self, samples: Samples, rate_hz: int, *, beat_s: float) -> None:
        self.samples = samples
        self.rate_hz = rate_hz
        self.beat_s = beat_s
        if self.duration_s < 2 * SHORTEST_SIDE_S + 2 * _JUMP_AT_LEAST_S:
            raise AudioError(f"a ladder needs 16 s of audio, not {self.duration_s:.1f} s.")

    @property
    def duration_s(self) -> float:
        """Length of the clip in seconds."""
        return int(self.samples.shape[1]) / self.rate_hz

    def edit(self, kind: str, edge_s: float, rng: np.random.Generator) -> Samples:
        """One edited clip.

        Parameters
        ----------
        kind : str
            One of `KINDS`.
        edge_s : float
            The place, at least 6 s from both ends of the clip.
        rng : np.random.Generator
            Draws signs and where other material comes from.

        Returns
        -------
        np.ndarray, float32, shape (channels, m)
            The edit; a splice is shorter or longer than the clip.
        """
        return self._makers[kind](round(edge_s * self.rate_hz), rng)

    @cached_property
    def _makers(self) -> dict[str, Callable[[int, np.random.Generator], Samples]]:
        makers: dict[str, Callable[[int, np.random.Generator], Samples]] = {
            "untouched": lambda edge, rng: self.samples,
            "round_trip_mp3": lambda edge, rng: self._coded["mp3"],
            "round_trip_vorbis": lambda edge, rng: self._coded["vorbis"],
            "clean_copy": lambda edge, rng: self._joined(edge, self._coded["high"]),
            "low_rate_codec": lambda edge, rng: self._joined(edge, self._coded["low"]),
            "low_pass": lambda edge, rng: self._joined(edge, self._low_passed),
            "shelf": lambda edge, rng: self._joined(edge, self._shelved(_sign(rng) * _SHELF_DB)),
            "reverb": lambda edge, rng: self._joined(edge, self._echoing),
            "splice_on_beat": lambda edge, rng: self._spliced(edge, rng, 0.0, _FADE_S),
            "splice_off_beat": lambda edge, rng: self._spliced(edge, rng, _off(rng), _FADE_S),
            "splice_faded": lambda edge, rng: self._spliced(edge, rng, _off(rng), _LONG_FADE_S),
            "splice_hard": lambda edge, rng: self._spliced(edge, rng, _off(rng), 0.0),
            "repeat_3_ms": lambda edge, rng: self._repeated(edge, 0.003),
            "dropout_20_ms": lambda edge, rng: self._dropped(edge, 0.020),
        }
        makers |= {f"gain_{gain_db}_db": partial(self._louder, gain_db) for gain_db in (1, 3, 6)}
        makers |= {
            f"delay_{delay_ms}_ms": partial(self._delayed, delay_ms / 1000)
            for delay_ms in (20, 50, 100)
        }
        return makers

    def _louder(self, gain_db: float, edge: int, rng: np.random.Generator) -> Samples:
        gain = np.float32(10 ** (_sign(rng) * gain_db / 20))
        return self._joined(edge, self.samples * gain)

    def _delayed(self, delay_s: float, edge: int, rng: np.random.Generator) -> Samples:
        return self._joined(edge, self.samples, start=edge - self._count(delay_s))

    def _joined(self, edge: int, right: Samples, *, start: int | None = None) -> Samples:
        """The clip up to the edge, then `right` from its sample `start` (the edge) on."""
        return join(
            self.samples, right, edge, edge if start is None else start, self._count(_FADE_S)
        )

    def _count(self, length_s: float) -> int:
        return round(length_s * self.rate_hz)

    @cached_property
    def _coded(self) -> dict[str, Samples]:
        return {
            name: round_trip(self.samples, self.rate_hz, codec) for name, codec in CODECS.items()
        }

    @cached_property
    def _low_passed(self) -> Samples:
        sections = scipy.signal.butter(6, _LOW_PASS_HZ, fs=self.rate_hz, output="sos")
        return scipy.signal.sosfilt(sections, self.samples, axis=1).astype(np.float32)

    def _shelved(self, gain_db: float) -> Samples:
        numerator, denominator = _high_shelf(gain_db, _SHELF_HZ, self.rate_hz)
        filtered = scipy.signal.lfilter(numerator, denominator, self.samples, axis=1)
        return np.asarray(filtered, dtype=np.float32)

    @cached_property
    def _echoing(self) -> Samples:
        """The clip in a room: decaying noise, another for each channel, level kept."""
        length = self._count(_REVERB_DECAY_S)
        decay = 10 ** (-3 * np.arange(length) / length)
        room = np.random.default_rng(0).normal(size=(len(self.samples), length)) * decay
        wet = scipy.signal.fftconvolve(self.samples, room, axes=1)[:, : self.samples.shape[1]]
        wet *= self.samples.std() / (wet.std() + 1e-12)
        mixed = (1 - _REVERB_SHARE) * self.samples + _REVERB_SHARE * wet
        return np.asarray(mixed * (self.samples.std() / (mixed.std() + 1e-12)), dtype=np.float32)

    def _spliced(
        self, edge: int, rng: np.random.Generator, off_beats: float, fade_s: float
    ) -> Samples:
        """Continue with material `off_beats` plus whole beats away, at least 2 s."""
        edge_s = edge / self.rate_hz
        beats = np.arange(-int(edge_s / self.beat_s), int(self.duration_s / self.beat_s))
        jumps_s = (beats + off_beats) * self.beat_s
        start_s = edge_s + jumps_s
        fits = (start_s > _LONG_FADE_S) & (start_s < self.duration_s - SHORTEST_SIDE_S)
        fits &= np.abs(jumps_s) >= _JUMP_AT_LEAST_S
        start = self._count(float(rng.choice(start_s[fits])))
        return join(self.samples, self.samples, edge, start, self._count(fade_s))

    def _repeated(self, edge: int, length_s: float) -> Samples:
        return join(self.samples, self.samples, edge, edge - self._count(length_s), 0)

    def _dropped(self, edge: int, length_s: float) -> Samples:
        edited = self.samples.copy()
        edited[:, edge : edge + self._count(length_s)] = 0
        return edited


def join(left: Samples, right: Samples, edge: int, start: int, fade: int) -> Samples:
    """`left` up to sample `edge`, then `right` from its sample `start`, over a linear crossfade.

    Parameters
    ----------
    left, right : np.ndarray, float32, shape (channels, n)
        The two sides.
    edge, start : int
        Sample of `left` at which `right` follows, and which sample of `right` that is.
    fade : int
        Length of the crossfade in samples, centred on the edge; 0 for none.

    Returns
    -------
    np.ndarray, float32, shape (channels, edge + n - start)
        The joined clip.

    Examples
    --------
    >>> ones = np.ones((1, 8), dtype=np.float32)
    >>> join(ones, 0 * ones, 4, 2, 2).tolist()
    [[1.0, 1.0, 1.0, 0.75, 0.25, 0.0, 0.0, 0.0, 0.0, 0.0]]
    """
    half = fade // 2
    into = ((np.arange(2 * half) + 0.5) / max(2 * half, 1)).astype(np.float32)
    mixed = left[:, edge - half : edge + half] * into[::-1]
    mixed += right[:, start - half : start + half] * into
    return np.concatenate([left[:, : edge - half], mixed, right[:, start + half :]], axis=1)


def round_trip(
    samples: Samples, rate_hz: int, codec: tuple[str, str, float, str | None]
) -> Samples:
    """Samples after encoding and decoding, same length.

    Parameters
    ----------
    samples : np.ndarray, float32, shape (channels, n)
        What to encode.
    rate_hz : int
        Its rate; one that the codec takes.
    codec : tuple of str, str, float, str or None
        Container, codec, compression level (0 best to 1 smallest) and bitrate mode, in
        libsndfile's words.

    Returns
    -------
    np.ndarray, float32, shape (channels, n)
        Decoded samples, aligned with the input.

    Examples
    --------
    >>> tone = np.sin(np.arange(32_000) * 0.1).astype(np.float32)[None]
    >>> coded = round_trip(tone, 32_000, ("OGG", "VORBIS", 0.5, None))
    >>> coded.shape == tone.shape, bool(0 < np.abs(coded - tone).max() < 0.2)
    (True, True)
    """
    container, subtype, compression, mode = codec
    file = io.BytesIO()
    with sf.SoundFile(
        file,
        "w",
        samplerate=rate_hz,
        channels=len(samples),
        format=container,
        subtype=subtype,
        compression_level=compression,
        bitrate_mode=mode,
    ) as encoder:
        # The Vorbis encoder keeps a whole call on the stack: a long one overflows it.
        for start in range(0, samples.shape[1], rate_hz):
            encoder.write(samples[:, start : start + rate_hz].T)
    file.seek(0)
    decoded = sf.read(file, dtype="float32", always_2d=True)[0].T
    kept = np.zeros_like(samples)
    count = min(kept.shape[1], decoded.shape[1])
    kept[:, :count] = decoded[:, :count]
    return kept


def _high_shelf(
    gain_db: float, corner_hz: float, rate_hz: int
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Biquad (numerator, denominator) of a high shelf of slope 1."""
    amplitude = 10 ** (gain_db / 40)
    omega = 2 * np.pi * corner_hz / rate_hz
    cosine, alpha = np.cos(omega), np.sin(omega) / np.sqrt(2)
    up, down, root = amplitude + 1, amplitude - 1, 2 * np.sqrt(amplitude) * alpha
    numerator = amplitude * np.array(
        [up + down * cosine + root, -2 * (down + up * cosine), up + down * cosine - root]
    )
    denominator = np.array(
        [up - down * cosine + root, 2 * (down - up * cosine), up - down * cosine - root]
    )
    return numerator, denominator


def _off(rng: np.random.Generator) -> float:
    """A share of a beat that is not on it."""
    return float(rng.uniform(0.15, 0.85))


def _sign(rng: np.random.Generator) -> float:
    return float(rng.choice([-1.0, 1.0]))
