"""Music whose beats are known because we place them: drum strokes at given seconds."""

import numpy as np
import numpy.typing as npt

from workbench.analysis.features import Features, FloatArray

RATE_HZ = 22_050


def steady_beats_s(
    tempo_bpm: float, *, duration_s: float = 16.0, start_s: float = 0.1
) -> npt.NDArray[np.float64]:
    """Beats at one tempo."""
    return np.arange(start_s, duration_s, 60 / tempo_bpm)


def ramped_beats_s(
    start_bpm: float, end_bpm: float, *, duration_s: float
) -> npt.NDArray[np.float64]:
    """Beats whose tempo rises or falls linearly in time."""
    time_s = np.linspace(0, duration_s, 20_000)
    beats_per_s = np.linspace(start_bpm, end_bpm, len(time_s)) / 60
    counted = np.concatenate([[0], np.cumsum(beats_per_s[1:] * np.diff(time_s))])
    return np.interp(np.arange(int(counted[-1]) + 1), counted, time_s)


def kick() -> FloatArray:
    """A low stroke of 150 ms."""
    time_s = np.arange(int(0.15 * RATE_HZ)) / RATE_HZ
    turns = 50 * time_s + 3 * (1 - np.exp(-40 * time_s))
    return np.asarray(np.sin(2 * np.pi * turns) * np.exp(-25 * time_s), dtype=np.float32)


def snare() -> FloatArray:
    """A noisy stroke of 120 ms."""
    time_s = np.arange(int(0.12 * RATE_HZ)) / RATE_HZ
    noise = np.random.default_rng(0).standard_normal(len(time_s))
    return np.asarray(0.3 * noise * np.exp(-30 * time_s), dtype=np.float32)


def hat() -> FloatArray:
    """A short bright stroke of 40 ms."""
    time_s = np.arange(int(0.04 * RATE_HZ)) / RATE_HZ
    noise = np.diff(np.random.default_rng(0).standard_normal(len(time_s) + 1))
    return np.asarray(0.1 * noise * np.exp(-90 * time_s), dtype=np.float32)


def strokes(times_s: npt.ArrayLike, stroke: FloatArray, *, duration_s: float = 16.0) -> FloatArray:
    """The stroke at each time, (1, n)."""
    samples = np.zeros(round(duration_s * RATE_HZ) + len(stroke), dtype=np.float32)
    for time_s in np.asarray(times_s, dtype=np.float64):
        start = round(time_s * RATE_HZ)
        samples[start : start + len(stroke)] += stroke
    return samples[None, : round(duration_s * RATE_HZ)]


def drum_loop(
    tempo_bpm: float, *, meter: int = 4, swing: float = 0.5, duration_s: float = 16.0
) -> FloatArray:
    """Kick on one (and three), snare between, hats on eighths whose second falls at `swing`."""
    beats_s = steady_beats_s(tempo_bpm, duration_s=duration_s)
    beat_s = 60 / tempo_bpm
    in_bar = np.arange(len(beats_s)) % meter
    low = np.isin(in_bar, [0, 2] if meter == 4 else [0])
    hats_s = np.sort(np.concatenate([beats_s, beats_s[:-1] + swing * beat_s]))
    return (
        strokes(beats_s[low], kick(), duration_s=duration_s)
        + strokes(beats_s[~low], snare(), duration_s=duration_s)
        + strokes(hats_s, hat(), duration_s=duration_s)
    )


def features_of(samples: FloatArray) -> Features:
    """Features at the rate of this module."""
    return Features(samples, RATE_HZ)
