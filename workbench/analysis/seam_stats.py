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

from functools import cached_property

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.ndimage

from workbench.analysis.products import DoubleArray, FloatArray, on_one_thread
from workbench.analysis.seam_likeness import Moments, beat_slip, match_moments, places_differ
from workbench.analysis.seam_names import STATISTICS
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
from workbench.analysis.seam_waves import broken_tones, heard_twice, stuttered
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
_PLACED_S = 1.5
_PLACED_DB = 70.0
_WIDTH_FLOOR = 1e-7
_WIDTH_RANGE_DB = (-40.0, 20.0)
_PATTERN_S = 0.6
_PATTERN_DB = 60.0


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

    @on_one_thread
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
        columns["broken_tones"] = broken_tones(self.mono, self.rate_hz, times_s)
        columns["heard_twice"] = heard_twice(self.mono, self.rate_hz, times_s)
        columns["stuttered"] = stuttered(self.mono, self.rate_hz, times_s)
        columns.update(self._steps(spans))
        columns.update(self._texture(spans))
        columns.update(self._harmony(spans))
        columns.update(self._matched(spans))
        columns["places_differ"] = self._places_differ(spans, breaks_s)
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
    def _is_upper(self) -> npt.NDArray[np.bool_]:
        centres_hz = band_edges_hz(_MEL_BANDS, self.rate_hz)[1:-1]
        upper: npt.NDArray[np.bool_] = centres_hz >= min(_UPPER_HZ, centres_hz[-1] / 2)
        return upper

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
        upper = self._is_upper
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
        return columns

    @cached_property
    def _band_widths(self) -> DoubleArray:
        """Side to middle of each band and frame in dB, (F, 40)."""
        if len(self.samples) < 2:
            return np.zeros_like(self._bands)
        size = self._frame_samples
        side = (self.samples[0] - self.samples[1]) / 2
        frames = np.lib.stride_tricks.sliding_window_view(side, size)[:: size // 2]
        window = np.hanning(size).astype(np.float32)
        mel = band_matrix(np.fft.rfftfreq(size, 1 / self.rate_hz), _MEL_BANDS, self.rate_hz)
        power = np.empty((len(frames), len(mel)))
        for start in range(0, len(frames), 128):
            spectrum = scipy.fft.rfft(frames[start : start + 128] * window, axis=1)
            power[start : start + 128] = (spectrum.real**2 + spectrum.imag**2) @ mel.T
        middle = 10 ** (self._bands / 10)
        floor = _WIDTH_FLOOR * middle.max() + TINY
        ratio_db = 10 * np.log10((power + floor) / (middle + floor))
        clipped: DoubleArray = np.clip(ratio_db, *_WIDTH_RANGE_DB)
        return clipped

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
        count = len(self._bands) // 2
        bands, widths = (
            rows[: count * 2].reshape(count, 2, -1).mean(axis=1)
            for rows in (self._bands, self._band_widths)
        )
        first, hop, half = self._frame_centres
        level = bands.mean(axis=1)
        upper = self._is_upper
        tilt = bands[:, upper].mean(axis=1) - bands[:, ~upper].mean(axis=1)
        moments = Moments(bands - level[:, None], level, tilt, widths)
        near, far = np.empty((2, len(spans.times_s), 6))
        for rows, window_s in ((near, LONGEST_S), (far, 2 * LONGEST_S)):
            sides = spans.slices(window_s, first + hop / 2, 2 * hop, half + hop / 2, count)
            for k in range(len(rows)):
                rows[k] = match_moments(
                    *(moments.between(side.start[k], side.stop[k]) for side in sides)
                )
        return {
            "matched_level": near[:, 0],
            "matched_level_8s": far[:, 1],
            "matched_upper_8s": far[:, 2],
            "matched_spectrum": near[:, 3],
            "matched_widths": near[:, 4],
            "unlike": near[:, 5],
        }

    def _places_differ(self, spans: Spans, breaks_s: tuple[float, ...]) -> DoubleArray:
        bands = np.maximum(self._bands, self._bands.max() - _PLACED_DB)
        shape = (bands - bands.mean(axis=1, keepdims=True)).astype(np.float32)
        first_s, hop_s, _ = self._frame_centres
        sides = self._sides(spans, _PLACED_S)
        differ = np.empty(len(spans.times_s))
        for k, time_s in enumerate(spans.times_s):
            before, after = ((int(side.start[k]), int(side.stop[k])) for side in sides)
            walls = (np.array([*breaks_s, time_s]) - first_s) / hop_s
            differ[k] = places_differ(shape, before, after, walls)
        return differ

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

    @cached_property
    def _pattern(self) -> FloatArray:
        """How each mel band stands out of its own half second, (40, F): what plays when."""
        bands = np.maximum(self._bands, self._bands.max() - _PATTERN_DB)
        local = round(_PATTERN_S / self._frame_centres[1])
        bands -= scipy.ndimage.uniform_filter1d(bands, local, axis=0, mode="nearest")
        bands /= bands.std(axis=0) + 1
        return np.ascontiguousarray(bands.T.astype(np.float32))

    def _slip(self, spans: Spans) -> dict[str, DoubleArray]:
        hop_s = self._fine_hop * _SLIP_HOP_FRAMES / self.rate_hz
        onsets = self._slips(self._onsets, spans, (hop_s / 2, hop_s, hop_s / 2))
        pattern = self._slips(self._pattern, spans, self._frame_centres)
        return {
            "slip_ms": onsets[:, 0],
            "slip_gain": onsets[:, 1],
            "pattern_gain": pattern[:, 1],
            "pattern_break": pattern[:, 2],
        }

    @staticmethod
    def _slips(rows: FloatArray, spans: Spans, centres: tuple[float, float, float]) -> DoubleArray:
        first_s, hop_s, half_s = centres
        before, after = spans.slices(SLIP_S, first_s, hop_s, half_s, rows.shape[1])
        slips = np.empty((len(spans.times_s), 3))
        for k in range(len(slips)):
            left = rows[:, before.start[k] : before.stop[k]]
            right = rows[:, after.start[k] : after.stop[k]]
            slips[k] = beat_slip(left, right, after.start[k] - before.stop[k], hop_s)
        return slips


def _against(curve: DoubleArray, middle: tuple[slice, slice]) -> DoubleArray:
    """Log of the largest value in the middle over the usual large value around it."""
    around = np.quantile(curve, 0.9, axis=1)
    ratio: DoubleArray = np.log((curve[middle].max(axis=1) + 0.5) / (around + 0.5))
    return ratio


def _cosine(left: DoubleArray, right: DoubleArray) -> DoubleArray:
    scale = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    cosine: DoubleArray = (left * right).sum(axis=1) / np.maximum(scale, TINY)
    return np.where(scale > 0, cosine, 1.0)
