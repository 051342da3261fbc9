"""What changes at one instant: the statistics behind the seam ruler, read at many times at once.

`SeamReader` transforms a stretch of audio once; its `read` then returns every statistic at each
of K times, the suspected edge and the control times alike. All statistics grow with the change;
none knows which of the times is the edge.

Conventions: samples (channels, n), full scale at 1.0; times in seconds from the first sample;
levels in dB. Windows before and after a time stop at `breaks_s` (the other edges of the clip), so
that no control reads an edit that is not its own, and leave out 5 ms on both sides of the time,
where the crossfade is.

References: Godsill and Rayner, Digital Audio Restoration, 1998, chapter 5 (clicks by linear
prediction); Bello et al., IEEE Trans. Speech Audio Process. 13(5), 2005 (complex-domain
deviation); ITU-R BS.1770-4, annex 1 (K-weighting).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.ndimage

from workbench.analysis.products import DoubleArray, FloatArray
from workbench.analysis.seam_likeness import beat_slip, match_moments
from workbench.analysis.seam_spectra import (
    TINY,
    TREBLE_HZ,
    band_edges_hz,
    band_matrix,
    chroma_matrix,
    decibels,
    fine_edges_hz,
    fine_matrix,
    k_weighting,
    phase_deviation,
    prediction_residual,
    step_response,
)
from workbench.analysis.seam_windows import GUARD_S, Slices, Spans, running_sum

LONGEST_S = 4.0
"""The longest window of a level; also what the ruler asks on both sides of an edge."""

SLIP_S = 12.0
"""The longest stretch on each side that the beat slip reads."""

_FRAME_S = 0.0427
_FINE_FRAME_S = 0.0054
_FINE_HOP_S = 0.0015
_CHROMA_FRAME_S = 0.171
_MEL_BANDS = 40
_UPPER_HZ = 4_000.0
_TURN_HZ = (60.0, 6_000.0)
_PREDICTION_HALF_S = 0.054
_SLIP_HOP_FRAMES = 4


@dataclass(frozen=True)
class Statistic:
    """One statistic: its name, what it listens to, how far, the least spread that counts, words.

    The families are `FAMILIES`: each weighs its own statistics, apart from the others.
    The grain is in the statistic's own unit, about half its usual spread within a clip; it keeps
    music that repeats itself exactly from making mountains of nothing.
    """

    name: str
    family: str
    reach_s: float
    grain: float
    words: str


FAMILIES = ("instant", "notes", "level", "colour", "beat")
"""What an edge may break: the waveform at one instant, notes, level, tone colour, the beat."""

STATISTICS = (
    Statistic("click", "instant", 0.1, 0.1, "a click in the waveform"),
    Statistic("rise", "instant", 0.25, 0.1, "a sudden rise in all bands"),
    Statistic("fall", "instant", 0.25, 0.1, "a sudden fall in all bands"),
    Statistic("treble_fall", "instant", 0.25, 0.15, "a sudden fall above 9 kHz"),
    Statistic("dip", "instant", 0.25, 1.5, "a short dropout"),
    Statistic("jump", "instant", 0.1, 0.07, "a click in the waveform"),
    Statistic("replaced_43ms", "notes", 0.1, 0.4, "one sound stops as another starts"),
    Statistic("replaced_85ms", "notes", 0.1, 0.6, "one sound stops as another starts"),
    Statistic("replaced_171ms", "notes", 0.2, 0.7, "one sound stops as another starts"),
    Statistic("turn_43ms", "notes", 0.1, 0.8, "the spectrum turns at once"),
    Statistic("turn_85ms", "notes", 0.1, 1.2, "the spectrum turns at once"),
    Statistic("phase_break", "notes", 0.7, 0.15, "held tones lose their phase"),
    Statistic("level_0.1s", "level", 0.1, 1, "a step in level"),
    Statistic("common_0.1s", "level", 0.1, 0.25, "all bands step in level together"),
    Statistic("spectral_0.1s", "colour", 0.1, 0.8, "a step in tone colour"),
    Statistic("upper_0.1s", "colour", 0.1, 1.2, "a step of the treble against the rest"),
    Statistic("level_0.4s", "level", 0.4, 0.4, "a step in level"),
    Statistic("common_0.4s", "level", 0.4, 0.25, "all bands step in level together"),
    Statistic("spectral_0.4s", "colour", 0.4, 0.5, "a step in tone colour"),
    Statistic("upper_0.4s", "colour", 0.4, 0.8, "a step of the treble against the rest"),
    Statistic("level_1.5s", "level", 1.5, 0.2, "a step in level"),
    Statistic("common_1.5s", "level", 1.5, 0.2, "all bands step in level together"),
    Statistic("spectral_1.5s", "colour", 1.5, 0.3, "a step in tone colour"),
    Statistic("upper_1.5s", "colour", 1.5, 0.5, "a step of the treble against the rest"),
    Statistic("level_4s", "level", 4, 0.2, "a step in level"),
    Statistic("common_4s", "level", 4, 0.2, "all bands step in level together"),
    Statistic("spectral_4s", "colour", 4, 0.3, "a step in tone colour"),
    Statistic("upper_4s", "colour", 4, 0.4, "a step of the treble against the rest"),
    Statistic("floor_1.5s", "colour", 1.5, 0.7, "the quiet moments change"),
    Statistic("floor_4s", "colour", 4, 0.5, "the quiet moments change"),
    Statistic("decay_1.5s", "colour", 1.5, 0.04, "sounds die away differently"),
    Statistic("decay_4s", "colour", 4, 0.04, "sounds die away differently"),
    Statistic("harmony_0.3s", "notes", 0.3, 0.02, "a change of harmony"),
    Statistic("harmony_1.5s", "notes", 1.5, 0.02, "a change of harmony"),
    Statistic("width_1.5s", "colour", 1.5, 0.3, "a step in stereo width"),
    Statistic("matched_level", "level", 4, 0.1, "like sounds are louder or softer"),
    Statistic("matched_spectrum", "colour", 4, 0.1, "like sounds change their tone colour"),
    Statistic("unlike", "colour", 4, 0.2, "what follows is unlike what was before"),
    Statistic("slip_ms", "beat", 12, 1, "the beat slips"),
    Statistic("slip_gain", "beat", 12, 0.005, "the beat slips"),
)
"""What is read at each time, in this order."""


class SeamReader:
    """The seam statistics of one stretch of audio, at any times.

    Parameters
    ----------
    samples : np.ndarray, float32, shape (channels, n)
        The stretch.
    rate_hz : int
        Its rate.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 0.1, (1, 20 * 8_000)).astype(np.float32)
    >>> noise[:, 10 * 8_000 :] *= 2
    >>> times_s = np.array([5.0, 10.0, 15.0])
    >>> values = SeamReader(noise, 8_000).read(times_s, breaks_s=(10.0,))
    >>> values.shape == (3, len(STATISTICS))
    True
    >>> names = [statistic.name for statistic in STATISTICS]
    >>> [round(float(level)) for level in values[:, names.index("level_1.5s")]]
    [0, 6, 0]
    """

    def __init__(self, samples: FloatArray, rate_hz: int) -> None:
        self.samples = samples
        self.rate_hz = rate_hz
        self.mono: FloatArray = samples.mean(axis=0, dtype=np.float32)
        self.duration_s = samples.shape[1] / rate_hz

    def read(self, times_s: DoubleArray, *, breaks_s: tuple[float, ...] = ()) -> DoubleArray:
        """Every statistic at every time.

        Parameters
        ----------
        times_s : np.ndarray, float64, shape (K,)
            Where to read; each at least 0.3 s from both ends of the stretch.
        breaks_s : tuple of float
            Edges that no window may cross, except one that lies at the time itself.

        Returns
        -------
        np.ndarray, float64, shape (K, len(STATISTICS))
            In the order of `STATISTICS`; all finite.
        """
        spans = Spans.between(times_s, breaks_s, self.duration_s)
        columns: dict[str, DoubleArray] = {}
        columns.update(self._clicks(times_s))
        columns.update(self._fine(times_s))
        columns.update(self._turns(times_s))
        columns["phase_break"] = self._phase_break(times_s)
        columns.update(self._steps(spans))
        columns.update(self._texture(spans))
        columns.update(self._harmony(spans))
        columns.update(self._matched(spans))
        columns.update(self._slip(spans))
        table = np.stack([columns[statistic.name] for statistic in STATISTICS], axis=1)
        return np.nan_to_num(table)

    @cached_property
    def _frame_samples(self) -> int:
        return int(2 ** round(np.log2(_FRAME_S * self.rate_hz)))

    @cached_property
    def _frames(self) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
        """Mel bands in dB (F, 40), K-weighted power (F,), phase deviation (F,)."""
        size = self._frame_samples
        hop = size // 2
        frames = np.lib.stride_tricks.sliding_window_view(self.mono, size)[::hop]
        window = np.hanning(size).astype(np.float32)
        bins_hz = np.fft.rfftfreq(size, 1 / self.rate_hz)
        mel = band_matrix(bins_hz, _MEL_BANDS, self.rate_hz)
        weighting = k_weighting(bins_hz, self.rate_hz)
        tonal = slice(1, int(np.searchsorted(bins_hz, 5_000.0)))
        bands = np.empty((len(frames), len(mel)))
        level = np.empty(len(frames))
        deviation = np.zeros(len(frames))
        batch = 128
        for start in range(0, len(frames), batch):
            first = max(0, start - 2)
            spectrum = scipy.fft.rfft(frames[first : start + batch] * window, axis=1)
            power = spectrum.real**2 + spectrum.imag**2
            own = slice(start - first, None)
            bands[start : start + batch] = power[own] @ mel.T
            level[start : start + batch] = power[own] @ weighting
            if len(spectrum) > 2:
                broken = phase_deviation(spectrum[:, tonal], power[:, tonal])
                deviation[first + 2 : first + len(spectrum)] = broken
        return decibels(bands), level, deviation

    @property
    def _bands(self) -> DoubleArray:
        return self._frames[0]

    @property
    def _frame_centres(self) -> tuple[float, float, float]:
        """First centre, hop and half length, in seconds."""
        size = self._frame_samples
        return size / 2 / self.rate_hz, size // 2 / self.rate_hz, size / 2 / self.rate_hz

    def _sides(self, spans: Spans, window_s: float) -> tuple[Slices, Slices]:
        first, hop, half = self._frame_centres
        return spans.slices(window_s, first, hop, half, len(self._bands))

    def _steps(self, spans: Spans) -> dict[str, DoubleArray]:
        columns: dict[str, DoubleArray] = {}
        bands, level, _ = self._frames
        band_sums = running_sum(bands)
        level_sums = running_sum(level)
        centres_hz = band_edges_hz(_MEL_BANDS, self.rate_hz)[1:-1]
        upper = centres_hz >= min(_UPPER_HZ, centres_hz[-1] / 2)
        for window_s in (0.1, 0.4, 1.5, 4.0):
            before, after = self._sides(spans, window_s)
            change = after.mean(band_sums) - before.mean(band_sums)
            loudness = decibels(after.mean(level_sums)) - decibels(before.mean(level_sums))
            common = np.median(change, axis=1)
            rest = change - common[:, None]
            spread = np.median(np.abs(rest), axis=1)
            name = f"{window_s:g}s"
            columns[f"level_{name}"] = np.abs(loudness)
            columns[f"common_{name}"] = np.abs(common) / (spread + 0.3)
            columns[f"spectral_{name}"] = np.sqrt((rest**2).mean(axis=1))
            tilt = change[:, upper].mean(axis=1) - change[:, ~upper].mean(axis=1)
            columns[f"upper_{name}"] = np.abs(tilt)
        return columns

    def _texture(self, spans: Spans) -> dict[str, DoubleArray]:
        """Steps of the quiet moments and of the speed of decay, by band."""
        columns: dict[str, DoubleArray] = {}
        bands = self._bands
        falls = np.zeros_like(bands)
        falls[1:] = np.clip(-np.diff(bands, axis=0), 0, 20)
        fall_sums = running_sum(falls)
        for window_s in (1.5, 4.0):
            before, after = self._sides(spans, window_s)
            quiet = after.quantile(bands, 0.1) - before.quantile(bands, 0.1)
            columns[f"floor_{window_s:g}s"] = np.sqrt((quiet**2).mean(axis=1))
            decay = after.mean(fall_sums) - before.mean(fall_sums)
            columns[f"decay_{window_s:g}s"] = np.abs(decay.mean(axis=1))
        return columns

    def _harmony(self, spans: Spans) -> dict[str, DoubleArray]:
        size = int(2 ** round(np.log2(_CHROMA_FRAME_S * self.rate_hz)))
        hop = size // 4
        frames = np.lib.stride_tricks.sliding_window_view(self.mono, size)[::hop]
        bins_hz = np.fft.rfftfreq(size, 1 / self.rate_hz)
        notes = chroma_matrix(bins_hz)
        used = int(np.searchsorted(bins_hz, 2_100.0))
        window = np.hanning(size).astype(np.float32)
        chroma = np.empty((len(frames), 12))
        for start in range(0, len(frames), 64):
            spectrum = scipy.fft.rfft(frames[start : start + 64] * window, axis=1)[:, :used]
            chroma[start : start + 64] = np.abs(spectrum) @ notes[:, :used].T
        sums = running_sum(chroma)
        columns: dict[str, DoubleArray] = {}
        half_s = size / 2 / self.rate_hz
        for window_s in (0.3, 1.5):
            before, after = spans.slices(window_s, half_s, hop / self.rate_hz, half_s, len(chroma))
            columns[f"harmony_{window_s:g}s"] = 1 - _cosine(before.mean(sums), after.mean(sums))
        columns["width_1.5s"] = self._width(spans)
        return columns

    def _width(self, spans: Spans) -> DoubleArray:
        if len(self.samples) < 2:
            return np.zeros(len(spans.times_s))
        hop = int(0.01 * self.rate_hz)
        count = self.samples.shape[1] // hop
        mid = self.mono[: count * hop].reshape(count, hop)
        side = ((self.samples[0] - self.samples[1]) / 2)[: count * hop].reshape(count, hop)
        sums = running_sum(
            np.stack([np.einsum("ij,ij->i", mid, mid), np.einsum("ij,ij->i", side, side)], axis=1)
        )
        half_s = hop / 2 / self.rate_hz
        before, after = spans.slices(1.5, half_s, hop / self.rate_hz, half_s, count)
        ratio = [_ratio_db(window.mean(sums)) for window in (before, after)]
        return np.abs(ratio[1] - ratio[0])

    def _clicks(self, times_s: DoubleArray) -> dict[str, DoubleArray]:
        """The largest surprise to linear prediction near the time, over the usual large one.

        `jump` looks for a step of the waveform, as `click` does for anything, but nearer to the
        time and against the milliseconds around it, so that a drum stroke does not hide it.
        """
        pieces = self._pieces(times_s, int(_PREDICTION_HALF_S * self.rate_hz))
        residual, _ = prediction_residual(pieces, 24)
        click = self._peak_over_usual(np.abs(residual), 0.005, 0.050)
        residual, weights = prediction_residual(pieces, 48)
        jump = self._peak_over_usual(step_response(residual, weights), 0.001, 0.012)
        return {"click": click, "jump": jump}

    def _peak_over_usual(self, size: FloatArray, near_s: float, around_s: float) -> DoubleArray:
        """Largest value within `near_s` over the 99th percentile around it, log10."""
        middle = size.shape[1] // 2
        near, around = (int(length_s * self.rate_hz) for length_s in (near_s, around_s))
        peak = size[:, middle - near : middle + near].max(axis=1)
        sides = (size[:, middle - around : middle - near], size[:, middle + near :][:, :around])
        usual = np.quantile(np.concatenate(sides, axis=1), 0.99, axis=1)
        ratio: DoubleArray = np.log10((peak + TINY) / (usual + TINY))
        return ratio

    def _pieces(self, times_s: DoubleArray, half: int) -> FloatArray:
        """Samples within `half` of each time, (K, 2 half), zeros beyond the ends."""
        centres = np.round(times_s * self.rate_hz).astype(int)
        padded = np.pad(self.mono, half)
        picked: FloatArray = padded[centres[:, None] + np.arange(2 * half)]
        return picked

    def _turns(self, times_s: DoubleArray) -> dict[str, DoubleArray]:
        """What the frames at both sides of the time do not share, bin by bin.

        `replaced` is the lesser of what is lost, in dB weighted by what was there, and what is
        new, weighted by what is there: a note that starts or stops alone does not count.
        """
        columns: dict[str, DoubleArray] = {}
        for milliseconds in (43, 85, 171):
            before, after, bins_hz = self._side_powers(times_s, milliseconds / 1000)
            change = 10 * np.log10(after / before)
            rise, fall = np.clip(change, 0, 30), np.clip(-change, 0, 30)
            lost, new = (
                (np.sqrt(power) * part).sum(axis=1) / np.sqrt(power).sum(axis=1)
                for power, part in ((before, fall), (after, rise))
            )
            columns[f"replaced_{milliseconds}ms"] = np.minimum(lost, new)
            # Each octave weighs the same: high bins outnumber the low partials.
            columns[f"turn_{milliseconds}ms"] = (rise + fall) @ (1 / bins_hz) / (1 / bins_hz).sum()
        return columns

    def _side_powers(
        self, times_s: DoubleArray, frame_s: float
    ) -> tuple[DoubleArray, DoubleArray, DoubleArray]:
        """Power in the frame before and the frame after each time, over a floor; bins in Hz."""
        size = int(2 ** round(np.log2(frame_s * self.rate_hz)))
        pieces = self._pieces(times_s, size + int(GUARD_S * self.rate_hz))
        window = np.hanning(size).astype(np.float32)
        bins_hz = np.fft.rfftfreq(size, 1 / self.rate_hz)
        used = (bins_hz > _TURN_HZ[0]) & (bins_hz < _TURN_HZ[1])
        before, after = (
            np.abs(scipy.fft.rfft(side * window, axis=1)[:, used]).astype(np.float64) ** 2
            for side in (pieces[:, :size], pieces[:, -size:])
        )
        floor = 1e-7 * max(before.max(), after.max()) + TINY
        return before + floor, after + floor, np.asarray(bins_hz[used], dtype=np.float64)

    def _phase_break(self, times_s: DoubleArray) -> DoubleArray:
        deviation = self._frames[2]
        first, hop, half = self._frame_centres
        frames_s = first + hop * np.arange(len(deviation))
        near = np.abs(frames_s - times_s[:, None] - half) <= 2 * half
        around = (np.abs(frames_s - times_s[:, None]) <= 0.7) & ~near
        peak = np.where(near, deviation, 0).max(axis=1)
        mean = (around * deviation).sum(axis=1) / np.maximum(around.sum(axis=1), 1)
        ratio: DoubleArray = peak / (mean + 1e-3)
        return ratio

    @cached_property
    def _fine_bands(self) -> DoubleArray:
        """Bands every 1.5 ms, dB, (F, 12); the last ones lie above 9 kHz."""
        size = int(2 ** round(np.log2(_FINE_FRAME_S * self.rate_hz)))
        hop = self._fine_hop
        padded = np.pad(self.mono, size // 2)
        frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop]
        bins_hz = np.fft.rfftfreq(size, 1 / self.rate_hz)
        matrix = fine_matrix(bins_hz, self.rate_hz)
        window = np.hanning(size).astype(np.float32)
        bands = np.empty((len(frames), len(matrix)), np.float32)
        for start in range(0, len(frames), 256):
            spectrum = scipy.fft.rfft(frames[start : start + 256] * window, axis=1)
            power = spectrum.real**2 + spectrum.imag**2
            bands[start : start + 256] = power @ matrix.T
        return decibels(bands)

    @cached_property
    def _fine_hop(self) -> int:
        return max(1, round(_FINE_HOP_S * self.rate_hz))

    def _fine(self, times_s: DoubleArray) -> dict[str, DoubleArray]:
        hop_s = self._fine_hop / self.rate_hz
        reach = round(0.25 / hop_s)
        near = round(0.012 / hop_s)
        centres = np.round(times_s / hop_s).astype(int)
        index = np.clip(centres[:, None] + np.arange(-reach, reach + 1), 0, None)
        around = self._fine_bands[np.minimum(index, len(self._fine_bands) - 1)]
        # 3 ms apart: the frames of 5 ms overlap less, and a 10 ms crossfade still counts.
        change = np.clip(around[:, 4:] - around[:, :-4], -40, 40)
        middle = np.s_[:, reach - 2 - near : reach - 2 + near + 1]
        treble = self._fine_is_treble
        columns = {
            "rise": _against(np.maximum(change, 0).mean(axis=2), middle),
            "fall": _against(np.maximum(-change, 0).mean(axis=2), middle),
            "treble_fall": _against(np.maximum(-change[:, :, treble], 0).mean(axis=2), middle)
            if treble.any()
            else np.zeros(len(times_s)),
        }
        level = scipy.ndimage.uniform_filter1d(around.mean(axis=2), 3, axis=1)
        within = round(0.03 / hop_s)
        lowest = level[:, reach - within : reach + within + 1].min(axis=1)
        sides = [np.median(level[:, :reach], axis=1), np.median(level[:, reach:], axis=1)]
        columns["dip"] = np.minimum(*sides) - lowest
        return columns

    @cached_property
    def _fine_is_treble(self) -> npt.NDArray[np.bool_]:
        size = int(2 ** round(np.log2(_FINE_FRAME_S * self.rate_hz)))
        return fine_edges_hz(np.fft.rfftfreq(size, 1 / self.rate_hz), self.rate_hz)[:-1] >= (
            TREBLE_HZ - 1
        )

    def _matched(self, spans: Spans) -> dict[str, DoubleArray]:
        """Each moment after against the most similar moment before, and the reverse."""
        bands = self._bands
        count = len(bands) // 2
        coarse = bands[: count * 2].reshape(count, 2, -1).mean(axis=1)
        first, hop, half = self._frame_centres
        before, after = spans.slices(LONGEST_S, first + hop / 2, 2 * hop, half + hop / 2, count)
        level = coarse.mean(axis=1)
        shape = coarse - level[:, None]
        rows = np.empty((len(spans.times_s), 3))
        for k in range(len(rows)):
            left = slice(before.start[k], before.stop[k])
            right = slice(after.start[k], after.stop[k])
            rows[k] = match_moments(shape[left], level[left], shape[right], level[right])
        return {
            "matched_level": rows[:, 0],
            "matched_spectrum": rows[:, 1],
            "unlike": rows[:, 2],
        }

    @cached_property
    def _onsets(self) -> FloatArray:
        """Onset strength in pairs of the fine bands every 6 ms, (bands, F)."""
        bands = self._fine_bands
        count = len(bands) // _SLIP_HOP_FRAMES
        power = 10 ** (bands[: count * _SLIP_HOP_FRAMES] / 10)
        coarse = power.reshape(count, _SLIP_HOP_FRAMES, -1).mean(axis=1)
        log = np.log1p(1e4 * coarse / (coarse.mean(axis=0) + TINY) / 1e2)
        rises = np.zeros_like(log)
        rises[2:] = np.maximum(log[2:] - log[:-2], 0)
        local = round(0.4 / (self._fine_hop * _SLIP_HOP_FRAMES / self.rate_hz))
        rises -= scipy.ndimage.uniform_filter1d(rises, local, axis=0, mode="nearest")
        rises = np.maximum(rises, 0)
        rises /= rises.std(axis=0) + 1e-6
        pairs = rises.reshape(count, -1, 2).sum(axis=2)
        return np.ascontiguousarray(pairs.T.astype(np.float32))

    def _slip(self, spans: Spans) -> dict[str, DoubleArray]:
        hop_s = self._fine_hop * _SLIP_HOP_FRAMES / self.rate_hz
        onsets = self._onsets
        before, after = spans.slices(SLIP_S, hop_s / 2, hop_s, hop_s / 2, onsets.shape[1])
        rows = np.empty((len(spans.times_s), 2))
        for k in range(len(rows)):
            left = onsets[:, before.start[k] : before.stop[k]]
            right = onsets[:, after.start[k] : after.stop[k]]
            gap = after.start[k] - before.stop[k]
            rows[k] = beat_slip(left, right, gap, hop_s)
        return {"slip_ms": rows[:, 0], "slip_gain": rows[:, 1]}


def _against(curve: DoubleArray, middle: tuple[slice, slice]) -> DoubleArray:
    """Log of the largest value in the middle over the usual large value around it."""
    around = np.quantile(curve, 0.9, axis=1)
    ratio: DoubleArray = np.log((curve[middle].max(axis=1) + 0.5) / (around + 0.5))
    return ratio


def _cosine(left: DoubleArray, right: DoubleArray) -> DoubleArray:
    scale = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    cosine: DoubleArray = (left * right).sum(axis=1) / np.maximum(scale, TINY)
    return np.where(scale > 0, cosine, 1.0)


def _ratio_db(mid_side: DoubleArray) -> DoubleArray:
    ratio: DoubleArray = 10 * np.log10((mid_side[:, 1] + 1e-9) / (mid_side[:, 0] + 1e-9))
    return np.maximum(ratio, -60)
