"""How far from the truth are loudness, peaks and the flaws of level, and what do they cost?

`python -m workbench.analysis.checks.score_levels [FILES]` prints every figure with its n: first on
material that is built here and whose truth is known, then, for audio files that are named, the
agreement with the plain library calls and what is found in them.

References: ITU-R BS.1770-4, EBU Tech 3341 and 3342 (tones and tolerances); pyloudnorm is the
independent implementation.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyloudnorm
import scipy.signal
import soundfile

from workbench.analysis.checks import level_material as material
from workbench.analysis.levels import Levels, correlation, dropouts, is_mono, width_db
from workbench.analysis.loudness import (
    KWeighted,
    k_weighting_sos,
    loudness_lufs,
    loudness_range_lu,
    momentary_max_lufs,
)
from workbench.analysis.peaks import Clipping, Peaks, clipping, sample_peak_dbfs, true_peak_dbtp
from workbench.analysis.products import DoubleArray, FloatArray
from workbench.analysis.rates import Share, share_of
from workbench.analysis.silence import abrupt_end, silence
from workbench.errors import AudioError

RATES_HZ = (8_000, 22_050, 44_100, 48_000, 96_000, 192_000)
_RATE_HZ = 48_000
_HOLES_MS = (6, 10, 20, 50)
_CLIPS = 60
_CLIP_S = 6.0


def loudness_errors_lu(rate_hz: int) -> list[float]:
    """Loudness read less truth, for each tone of `LOUDNESS_CASES`."""
    return [
        loudness_lufs(KWeighted.of(material.tone(stretches, rate_hz), rate_hz)) - truth
        for stretches, truth in material.LOUDNESS_CASES
    ]


def range_errors_lu(rate_hz: int) -> list[float]:
    """Loudness range read less truth, for each tone of `RANGE_CASES`."""
    return [
        loudness_range_lu(KWeighted.of(material.tone(stretches, rate_hz), rate_hz)) - truth
        for stretches, truth in material.RANGE_CASES
    ]


def peak_errors_db(rate_hz: int) -> list[float]:
    """True peak read less truth, for each tone of `PEAK_CASES`."""
    return [
        true_peak_dbtp(Peaks.of(material.peak_tone(period, phase, rate_hz))) - 20 * np.log10(0.5)
        for period, phase in material.PEAK_CASES
    ]


def weighting_errors_db(rate_hz: int) -> DoubleArray:
    """Gain of the weighting less that at 48 kHz, from 30 Hz to a tenth of the rate."""
    frequencies_hz = np.geomspace(30.0, 0.1 * rate_hz, 50)
    gains = [
        np.abs(scipy.signal.sosfreqz(k_weighting_sos(rate), worN=frequencies_hz, fs=rate)[1])
        for rate in (rate_hz, 48_000)
    ]
    return np.asarray(20.0 * np.log10(gains[0] / gains[1]))


class _IndependentMeter(pyloudnorm.Meter):  # type: ignore[misc]
    """pyloudnorm's meter without the 1.5 s of silence that it appends to take the range."""

    def _append_silence(self, data: DoubleArray, silence_duration_sec: float) -> DoubleArray:
        return data


def independent_loudness(clip: FloatArray, rate_hz: int, filters: str) -> tuple[float, float]:
    """Loudness in LUFS and range in LU by pyloudnorm, with one of its filter classes."""
    meter = _IndependentMeter(rate_hz, filter_class=filters)
    data = clip.T.astype(np.float64)
    return float(meter.integrated_loudness(data)), float(meter.loudness_range(data))


def material_clips(count: int = _CLIPS) -> list[FloatArray]:
    """The clips of `level_material.music` that everything below is planted in."""
    return [material.music(seed, _RATE_HZ, seconds=_CLIP_S) for seed in range(count)]


def clipped_runs_found(clips: list[FloatArray], depth_db: float) -> Share:
    """Share of the runs cut at a depth that are found, over clips of two channels."""
    found = cut = 0
    for clip in clips:
        clipped, runs = material.hard_clipped(clip, depth_db)
        found += min(clipping(Peaks.of(clipped)).clipped_runs, runs)
        cut += runs
    return Share(found, cut)


def clean_called_clipped(clips: list[FloatArray]) -> Share:
    """Share of clean, peak-normalised channels that are called clipped."""
    channels = [channel for clip in clips for channel in clip]
    return share_of([clipping(Peaks.of(channel[None])).clipped for channel in channels])


def holes_found(clips: list[FloatArray], hole_ms: int) -> tuple[Share, int]:
    """Share of planted holes of digital silence found within 2 ms, and what else was found."""
    hits, others = [], 0
    for seed, clip in enumerate(clips):
        start = int(np.random.default_rng(seed).integers(_RATE_HZ, clip.shape[1] - _RATE_HZ))
        end = start + round(hole_ms * _RATE_HZ / 1000)
        holed = clip.copy()
        holed[seed % 2, start:end] = 0.0
        found = dropouts(Levels.of(holed, _RATE_HZ))
        near = [
            abs(s - start / _RATE_HZ) < 0.002 and abs(e - end / _RATE_HZ) < 0.002 for s, e in found
        ]
        hits.append(any(near))
        others += len(near) - sum(near)
    return share_of(hits), others


def silence_errors_s(clips: list[FloatArray]) -> DoubleArray:
    """Errors (clips, 4) of the lead, the start and end of a gap, and the tail that were planted."""
    errors = []
    for seed, clip in enumerate(clips):
        rng = np.random.default_rng(seed)
        lead_s, gap_s, tail_s = rng.uniform(0.1, 1.0), rng.uniform(0.4, 1.5), rng.uniform(0.1, 1.0)
        gap_start_s = rng.uniform(2.0, 3.0)
        silent = (
            (0.0, lead_s),
            (gap_start_s, gap_start_s + gap_s),
            (_CLIP_S - tail_s, _CLIP_S),
        )
        quiet = clip.copy()
        for start_s, end_s in silent:
            quiet[:, round(start_s * _RATE_HZ) : round(end_s * _RATE_HZ)] = 0.0
        found = silence(KWeighted.of(quiet, _RATE_HZ))
        gaps = found.gaps if len(found.gaps) == 1 else ((np.nan, np.nan),)
        truth = (lead_s, gap_start_s, gap_start_s + gap_s, tail_s)
        errors.append(np.subtract((found.lead_s, *gaps[0], found.tail_s), truth))
    return np.array(errors)


def _endings(clip: FloatArray) -> Iterator[tuple[str, bool, FloatArray]]:
    """One piece with each ending: name, whether it is abrupt, the clip."""
    pad = np.zeros((2, _RATE_HZ), np.float32)
    left_s = np.arange(clip.shape[1])[::-1] / _RATE_HZ
    yield "cut", True, clip
    yield "cut, then 1 s of silence", True, np.concatenate([clip, pad], axis=1)
    for fade_s in (0.5, 2.0, 5.0):
        straight = np.minimum(1.0, left_s / fade_s)
        even_db = 10.0 ** (-3.0 * np.maximum(0.0, 1.0 - left_s / fade_s))
        yield f"straight fade of {fade_s} s", False, (clip * straight).astype(np.float32)
        yield f"fade of {fade_s} s to -60 dB", False, (clip * even_db).astype(np.float32)
    faded = (clip * np.minimum(1.0, left_s / 2.0)).astype(np.float32)
    yield "straight fade, then silence", False, np.concatenate([faded, pad], axis=1)


def endings_right(clips: list[FloatArray]) -> dict[str, Share]:
    """Share of verdicts on the ending that are right, for each kind of ending."""
    right: dict[str, list[bool]] = {}
    for piece in clips:
        for name, truth, clip in _endings(piece):
            verdict = abrupt_end(KWeighted.of(clip, _RATE_HZ))
            right.setdefault(name, []).append(verdict == truth)
    return {name: share_of(verdicts) for name, verdicts in right.items()}


def width_errors_db(clips: list[FloatArray]) -> DoubleArray:
    """Width read less planted, for sides from 55 dB under the mid to 10 dB over it."""
    errors = []
    for seed, clip in enumerate(clips):
        mid, side = clip.astype(np.float64)
        side -= mid * (side @ mid) / (mid @ mid)
        asked_db = np.random.default_rng(seed).uniform(-55.0, 10.0)
        side *= np.sqrt(mid @ mid / (side @ side)) * 10.0 ** (asked_db / 20.0)
        wide = np.stack([mid + side, mid - side]).astype(np.float32)
        errors.append(width_db(Levels.of(wide, _RATE_HZ)) - asked_db)
    return np.array(errors)


def measure_all(clip: FloatArray, rate_hz: int) -> Clipping:
    """Every measure of level of one clip, as one run of the standard set makes them."""
    weighted, peaks, levels = KWeighted.of(clip, rate_hz), Peaks.of(clip), Levels.of(clip, rate_hz)
    for measure in (loudness_lufs, momentary_max_lufs, loudness_range_lu, silence, abrupt_end):
        measure(weighted)
    for of_levels in (dropouts, is_mono, width_db, correlation):
        of_levels(levels)
    sample_peak_dbfs(peaks)
    true_peak_dbtp(peaks)
    return clipping(peaks)


def measure_plainly(clip: FloatArray, rate_hz: int) -> None:
    """What the plain library calls need for loudness, range, true peak and correlation alone."""
    independent_loudness(clip, rate_hz, "DeMan")
    np.abs(scipy.signal.resample_poly(clip, 4, 1, axis=1)).max()
    np.corrcoef(clip)


def cpu_s(function: Callable[[], object]) -> float:
    """Processor seconds of the best of five calls."""
    times = []
    for _ in range(5):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


def _worst(errors: list[float] | DoubleArray) -> str:
    return f"worst |error| {np.abs(errors).max():.4f}, n={np.size(errors)}"


def _truth_lines(clips: list[FloatArray]) -> Iterator[str]:
    for rate_hz in RATES_HZ:
        yield f"{rate_hz} Hz"
        yield f"  loudness, LU: {_worst(loudness_errors_lu(rate_hz))}"
        yield f"  loudness range, LU: {_worst(range_errors_lu(rate_hz))}"
        yield f"  true peak, dB: {_worst(peak_errors_db(rate_hz))}"
        yield f"  weighting against that at 48 kHz, dB: {_worst(weighting_errors_db(rate_hz))}"
    for depth_db in (1.0, 3.0, 6.0):
        yield f"clipped by {depth_db:.0f} dB, runs found: {clipped_runs_found(clips, depth_db)}"
    yield f"clean channels called clipped: {clean_called_clipped(clips)}"
    for hole_ms in _HOLES_MS:
        share, others = holes_found(clips, hole_ms)
        yield f"holes of {hole_ms} ms found: {share}, false ones in {len(clips)} clips: {others}"
    errors = silence_errors_s(clips)
    names = ("lead", "gap start", "gap end", "tail")
    for name, column in zip(names, errors.T, strict=True):
        yield f"silence, {name}, s: median {np.median(column):+.4f}, {_worst(column)}"
    for name, share in endings_right(clips).items():
        yield f"ending, {name}: right in {share}"
    yield f"width, dB: {_worst(width_errors_db(clips))}"


def _speed_line(clip: FloatArray, rate_hz: int) -> str:
    minute = np.tile(clip, -(-60 * rate_hz // clip.shape[1]))[:, : 60 * rate_hz].copy()
    ours = cpu_s(lambda: measure_all(minute, rate_hz))
    plain = cpu_s(lambda: measure_plainly(minute, rate_hz))
    return (
        f"60 s of stereo at {rate_hz} Hz: {1e3 * ours:.0f} ms of processor time, "
        f"plain calls {1e3 * plain:.0f} ms, ratio {plain / ours:.1f}"
    )


def _file_lines(path: Path) -> Iterator[str]:
    data, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    clip = np.ascontiguousarray(data.T)
    weighted, peaks, levels = KWeighted.of(clip, rate_hz), Peaks.of(clip), Levels.of(clip, rate_hz)
    lufs, range_lu, dbtp = (
        loudness_lufs(weighted),
        loudness_range_lu(weighted),
        true_peak_dbtp(peaks),
    )
    yield f"{path.name}: {lufs:.2f} LUFS, {dbtp:.2f} dBTP"
    for filters in ("DeMan", "K-weighting"):
        other_lufs, other_range_lu = independent_loudness(clip, rate_hz, filters)
        yield (
            f"  less pyloudnorm {filters}: {lufs - other_lufs:+.4f} LU, "
            f"range {range_lu - other_range_lu:+.3f} LU"
        )
    full = 20.0 * np.log10(np.abs(scipy.signal.resample_poly(clip, 4, 1, axis=1)).max())
    yield f"  true peak less resample_poly: {dbtp - full:+.4f} dB"
    yield f"  {clipping(peaks)}"
    yield f"  {silence(weighted)}, abrupt end {abrupt_end(weighted)}"
    yield f"  {len(dropouts(levels))} dropouts, mono {is_mono(levels)}"


def _report_lines(files: list[str]) -> Iterator[str]:
    clips = material_clips()
    yield from _truth_lines(clips)
    yield _speed_line(clips[0], _RATE_HZ)
    for path in map(Path, files):
        try:
            yield from _file_lines(path)
        except AudioError as error:
            yield f"{path.name}: undefined, {error}"


def main(files: list[str]) -> None:
    """Print the figures; the arguments are audio files to compare on, none is fine."""
    for line in _report_lines(files):
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
