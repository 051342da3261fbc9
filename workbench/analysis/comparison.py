"""A source and its edit, laid on each other: waveform and frames compared over the whole length.

What `untouched` reads its verdicts and edges from. Everything is streamed, ten seconds at a time,
so clips may be memory maps; of an hour about 300 MB are kept.

Conventions: arrays are (channels, n) at one rate; a span is (start_s, end_s) in seconds of the
source; a margin of 0.1 s around each edge belongs to neither side; frames are those of `likeness`.

References: see `alignment` and `likeness`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.ndimage
import soxr

from workbench.analysis.alignment import Range, align, pieces, read
from workbench.analysis.features import (
    FEATURE_RATE_HZ,
    HOP_SAMPLES,
    WINDOW_SAMPLES,
    FloatArray,
    power_frames,
)
from workbench.analysis.likeness import (
    FRAME_S,
    Fingerprint,
    chroma_cosine,
    fingerprint_of_frames,
    frame_mel_difference_db,
    mel_levels_db,
)
from workbench.errors import AudioError

SpanSeconds = tuple[float, float]

MARGIN_S = 0.1
CURVE_S = 0.5
_CHUNK_S = 10
_SHORTEST_KEPT_S = 1.0
_LARGEST_LENGTH_DIFFERENCE_S = 0.1


class Comparison:
    """A source and its edit, aligned, with what the measures read from both.

    Parameters
    ----------
    source, edited : np.ndarray, float, shape (channels, n)
        Before and after, same rate; lengths may differ by 0.1 s.
    rate_hz : int
        Samples per second.
    spans : sequence of (start_s, end_s)
        What was to be changed.

    Raises
    ------
    AudioError
        If the clips cannot be compared, or less than 1 s lies outside the spans, or that is
        silent.

    Examples
    --------
    >>> tone = np.sin(np.arange(16_000) / 3, dtype=np.float32)[np.newaxis]
    >>> round(Comparison(tone, tone / 2, 8000, [(0.5, 0.8)]).alignment.gain, 3)
    0.5
    """

    def __init__(
        self,
        source: FloatArray,
        edited: FloatArray,
        rate_hz: int,
        spans: Sequence[SpanSeconds],
    ) -> None:
        self.source, self.edited = matched(source, edited, rate_hz)
        self.rate_hz = rate_hz
        self.length = min(self.source.shape[1], self.edited.shape[1])
        self.kept = outside(sample_ranges(spans, rate_hz, self.length), rate_hz, self.length)
        if sum(stop - start for start, stop in self.kept) < _SHORTEST_KEPT_S * rate_hz:
            raise AudioError(
                "Less than 1 s lies outside the edited span, so nothing can be said to be kept."
            )
        self.alignment = align(self.source, self.edited, rate_hz, self.kept)
        self._compare_waveforms()

    def _compare_waveforms(self) -> None:
        """Energy of the source and of the difference, by blocks of 0.5 s of what was kept."""
        block = round(CURVE_S * self.rate_hz)
        count = -(-self.length // block)
        self.block_energy = np.zeros(count)
        self.block_error = np.zeros(count)
        lag = self.alignment.lag_samples
        self.identical = lag == 0
        for start, stop in pieces(self.kept, block):
            wanted = np.asarray(self.source[:, start:stop], dtype=np.float64)
            found = read(self.edited, start + lag, stop + lag)
            self.identical = self.identical and np.array_equal(wanted, found)
            self.block_energy[start // block] += np.sum(wanted**2)
            found = found * self.alignment.inverse_gain
            self.block_error[start // block] += np.sum((wanted - found) ** 2)
        energy = float(self.block_energy.sum())
        if not np.isfinite(energy + self.block_error.sum()):
            raise AudioError("A clip contains NaN or infinity; render or decode it again.")
        if energy == 0:
            raise AudioError("Outside the span the source is silent: there is nothing to keep.")

    @property
    def snr_db(self) -> float:
        """Source over difference outside the spans, in dB; infinite when every sample is equal."""
        error = self.block_error.sum()
        if self.identical or error == 0:
            return float("inf")
        return float(10 * np.log10(self.block_energy.sum() / error))

    @cached_property
    def frame_times_s(self) -> npt.NDArray[np.float64]:
        """Centre of each frame in seconds of the source, (frames,)."""
        return np.arange(len(self._fingerprints[0].mel_power), dtype=np.float64) * FRAME_S

    @cached_property
    def kept_frames(self) -> npt.NDArray[np.bool_]:
        """Which frames are centred outside the spans, (frames,)."""
        kept = np.zeros(len(self.frame_times_s), dtype=bool)
        for start, stop in self.kept:
            kept |= (self.frame_times_s >= start / self.rate_hz) & (
                self.frame_times_s <= stop / self.rate_hz
            )
        return kept

    @cached_property
    def difference_db(self) -> FloatArray:
        """Log-mel difference of each frame in dB, median of what was kept removed, (frames,)."""
        before, after = self._fingerprints
        loudest = float(before.mel_power.max())
        levels_db = mel_levels_db(before.mel_power, loudest=loudest)
        power = after.mel_power / np.float32(self.alignment.gain**2)
        others_db = mel_levels_db(power, loudest=loudest)
        others_db -= np.median((others_db - levels_db)[self.kept_frames])
        return frame_mel_difference_db(levels_db, others_db)

    @cached_property
    def cosine(self) -> FloatArray:
        """Cosine between the chroma of each frame, (frames,), 0..1."""
        before, after = self._fingerprints
        return chroma_cosine(before.chroma, after.chroma)

    @cached_property
    def difference_curve_db(self) -> FloatArray:
        """`difference_db` averaged over 0.5 s, (frames,)."""
        return smoothed(self.difference_db)

    @cached_property
    def _fingerprints(self) -> tuple[Fingerprint, Fingerprint]:
        lag = self.alignment.lag_samples
        return (
            _streamed_fingerprint(self.source, self.rate_hz, (0, self.length)),
            _streamed_fingerprint(self.edited, self.rate_hz, (lag, lag + self.length)),
        )


def matched(source: FloatArray, edited: FloatArray, rate_hz: int) -> tuple[FloatArray, FloatArray]:
    """Both clips with the same channels, or an error that says why they cannot be compared.

    Raises
    ------
    AudioError
        If a clip is not (channels, n) of floats, the channels differ and neither is mono, or the
        lengths differ by more than 0.1 s.

    Examples
    --------
    >>> mono, stereo = np.ones((1, 9), np.float32), np.ones((2, 9), np.float32)
    >>> [clip.shape for clip in matched(mono, stereo, 8000)]
    [(2, 9), (2, 9)]
    """
    for name, samples in (("source", source), ("edited clip", edited)):
        if samples.ndim != 2 or 0 in samples.shape or samples.dtype.kind != "f":
            raise AudioError(
                f"The {name} has shape {samples.shape} and type {samples.dtype}; "
                "give floats of shape (channels, samples)."
            )
    counts = {len(source), len(edited)}
    if len(counts) == 2 and 1 not in counts:
        raise AudioError(
            f"The source has {len(source)} channels and the edited clip {len(edited)}; "
            "mix one of them to the other's layout first."
        )
    difference_s = (edited.shape[1] - source.shape[1]) / rate_hz
    if abs(difference_s) > _LARGEST_LENGTH_DIFFERENCE_S:
        raise AudioError(
            f"The edited clip is {abs(difference_s):.2f} s "
            f"{'longer' if difference_s > 0 else 'shorter'} than its source; "
            "cut both to the stretch that they share first."
        )
    channels = max(counts)
    return (
        np.broadcast_to(source, (channels, source.shape[1])),
        np.broadcast_to(edited, (channels, edited.shape[1])),
    )


def sample_ranges(spans: Sequence[SpanSeconds], rate_hz: int, length: int) -> list[Range]:
    """Spans as sample ranges, in order.

    Raises
    ------
    AudioError
        If a span is empty or leaves the clip, or two overlap.

    Examples
    --------
    >>> sample_ranges([(2.0, 3.0), (0.5, 1.0)], 100, 400)
    [(50, 100), (200, 300)]
    """
    ranges = sorted((round(start_s * rate_hz), round(end_s * rate_hz)) for start_s, end_s in spans)
    stops = [0, *(stop for _, stop in ranges)]
    for (start, stop), previous_stop in zip(ranges, stops, strict=False):
        # A span asked to the end may end a little after the clip that was delivered.
        if not 0 <= start < min(stop, length) or stop > length + rate_hz * MARGIN_S:
            raise AudioError(
                f"The span {start / rate_hz:g}-{stop / rate_hz:g} s does not lie in a clip of "
                f"{length / rate_hz:g} s."
            )
        if start < previous_stop:
            raise AudioError("Two spans overlap; join them first.")
    return [(start, min(stop, length)) for start, stop in ranges]


def outside(ranges: Sequence[Range], rate_hz: int, length: int) -> list[Range]:
    """What lies outside the ranges and 0.1 s around them.

    Examples
    --------
    >>> outside([(300, 400)], 100, 1000), outside([(0, 400)], 100, 1000)
    ([(0, 290), (410, 1000)], [(410, 1000)])
    """
    margin = round(MARGIN_S * rate_hz)
    starts = [0, *(stop + margin for _, stop in ranges)]
    stops = [*(start - margin for start, _ in ranges), length]
    return [(start, stop) for start, stop in zip(starts, stops, strict=True) if start < stop]


def smoothed(curve: FloatArray) -> FloatArray:
    """Running mean over 0.5 s of frames.

    Examples
    --------
    >>> smoothed(np.ones(5, dtype=np.float32)).tolist()
    [1.0, 1.0, 1.0, 1.0, 1.0]
    """
    frames = round(CURVE_S / FRAME_S)
    mean: FloatArray = scipy.ndimage.uniform_filter1d(curve, frames, mode="nearest")
    return mean


def _streamed_fingerprint(samples: FloatArray, rate_hz: int, span: Range) -> Fingerprint:
    parts = [fingerprint_of_frames(power) for power in _streamed_power(samples, rate_hz, span)]
    return Fingerprint(
        np.concatenate([part.mel_power for part in parts]),
        np.concatenate([part.chroma for part in parts]),
    )


def _streamed_power(samples: FloatArray, rate_hz: int, span: Range) -> Iterator[FloatArray]:
    """Power spectra of `samples` over `span`, frames centred as in `features`, part by part."""
    half = WINDOW_SAMPLES // 2
    waiting = np.zeros(half, dtype=np.float32)
    for mono in (*_streamed_mono_22k(samples, rate_hz, span), np.zeros(half, dtype=np.float32)):
        waiting = np.concatenate([waiting, mono])
        frames = (len(waiting) - WINDOW_SAMPLES) // HOP_SAMPLES + 1
        if frames > 0:
            # `power_frames` pads for centred frames; the padded ones at both ends are left out.
            used = waiting[: (frames - 1) * HOP_SAMPLES + WINDOW_SAMPLES]
            skipped = half // HOP_SAMPLES
            yield power_frames(used)[skipped : skipped + frames]
            waiting = waiting[frames * HOP_SAMPLES :]


def _streamed_mono_22k(samples: FloatArray, rate_hz: int, span: Range) -> Iterator[FloatArray]:
    resampler = soxr.ResampleStream(rate_hz, FEATURE_RATE_HZ, 1, dtype="float32", quality="HQ")
    for start, stop in pieces([span], _CHUNK_S * rate_hz):
        mono = read(samples, start, stop).mean(axis=0, dtype=np.float32)
        yield resampler.resample_chunk(mono, last=stop == span[1])
