"""Clips whose loudness, peaks, silences and flaws are known, because they are built.

What the tests and `score_levels` measure. All clips are float32, (2, n), full
scale at 1.0; the same arguments give the same samples.

References: the tones of `LOUDNESS_CASES`, `RANGE_CASES` and `PEAK_CASES` are those that EBU Tech
3341 and 3342 describe for checking a meter.
"""

from __future__ import annotations

import numpy as np

from workbench.analysis.products import DoubleArray, FloatArray

# (level in dBFS, seconds) of each stretch of a stereo 1 kHz sine, and what a meter must read.
Stretches = tuple[tuple[float, float], ...]
LOUDNESS_CASES: tuple[tuple[Stretches, float], ...] = (
    (((-23, 20),), -23.0),
    (((-33, 20),), -33.0),
    (((-36, 10), (-23, 60), (-36, 10)), -23.0),
    (((-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)), -23.0),
    (((-26, 20), (-20, 20.1), (-26, 20)), -23.0),
)
RANGE_CASES: tuple[tuple[Stretches, float], ...] = (
    (((-20, 20), (-30, 20)), 10.0),
    (((-20, 20), (-15, 20)), 5.0),
    (((-40, 20), (-20, 20)), 20.0),
    (((-50, 20), (-35, 20), (-20, 20), (-35, 20), (-50, 20)), 15.0),
)
# (periods per sample, phase in degrees): sines whose samples miss their crests.
PEAK_CASES = ((1 / 4, 0.0), (1 / 4, 45.0), (1 / 6, 60.0), (1 / 8, 67.5))


def tone(stretches: Stretches, rate_hz: int) -> FloatArray:
    """A stereo sine of 1 kHz whose level steps.

    Parameters
    ----------
    stretches : tuple of (float, float)
        Level in dBFS and length in seconds of each part.
    rate_hz : int
        Sampling rate.

    Returns
    -------
    np.ndarray, float32, shape (2, n)
        The clip.

    Examples
    --------
    >>> clip = tone(((-20, 0.5), (-40, 0.5)), 48_000)
    >>> clip.shape, round(float(clip[:, :24_000].max()), 3), round(float(clip[:, 24_000:].max()), 3)
    ((2, 48000), 0.1, 0.01)
    """
    gains = [np.full(round(s * rate_hz), 10.0 ** (level / 20.0)) for level, s in stretches]
    gain = np.concatenate(gains)
    wave = gain * np.sin(2.0 * np.pi * 1000.0 / rate_hz * np.arange(len(gain)))
    return np.stack([wave, wave]).astype(np.float32)


def peak_tone(periods_per_sample: float, phase_deg: float, rate_hz: int) -> FloatArray:
    """One second of a sine of amplitude 0.5 that fades in and out over 0.1 s.

    Parameters
    ----------
    periods_per_sample : float
        Frequency over rate, under 0.5.
    phase_deg : float
        Phase in degrees.
    rate_hz : int
        Sampling rate.

    Returns
    -------
    np.ndarray, float32, shape (2, rate)
        The clip; its true peak is -6.02 dBTP.

    Examples
    --------
    >>> round(float(peak_tone(1 / 4, 45.0, 48_000).max()), 4)
    0.3536
    """
    n = np.arange(rate_hz)
    fade = np.minimum(1.0, np.minimum(n, n[::-1]) / (0.1 * rate_hz))
    wave = 0.5 * fade * np.sin(2.0 * np.pi * periods_per_sample * n + np.deg2rad(phase_deg))
    return np.stack([wave, wave]).astype(np.float32)


def _hits(shape: DoubleArray, beats: DoubleArray, n: int) -> DoubleArray:
    """The shape, started at each of these samples."""
    train = np.zeros(n)
    for start in beats.astype(int):
        end = min(start + len(shape), n)
        train[start:end] += shape[: end - start]
    return train


def music(seed: int, rate_hz: int, *, seconds: float) -> FloatArray:
    """Drums, bass and chords in stereo, unlike for each seed, peak-normalised.

    Parameters
    ----------
    seed : int
        Decides tempo, notes, sounds and balance.
    rate_hz : int
        Sampling rate.
    seconds : float
        Length.

    Returns
    -------
    np.ndarray, float32, shape (2, n)
        The clip. The largest sample of each channel is exactly 1; nothing in it is clipped, and
        nowhere is it silent.

    Examples
    --------
    >>> music(0, 48_000, seconds=2.0).max(axis=1).tolist() <= [1.0, 1.0]
    True
    """
    rng = np.random.default_rng(seed)
    n = round(seconds * rate_hz)
    time = np.arange(n) / rate_hz
    beat = rate_hz * 60.0 / rng.uniform(70.0, 170.0)
    beats = np.arange(0.0, n, beat)
    hit = np.arange(round(0.4 * rate_hz)) / rate_hz
    low_hz = rng.uniform(40.0, 65.0)
    thump = np.sin(2 * np.pi * (low_hz * hit + 4.0 * (1 - np.exp(-hit / 0.02)))) * np.exp(
        -hit / 0.1
    )
    hiss = rng.normal(0.0, 1.0, len(hit)) * np.exp(-hit / rng.uniform(0.02, 0.08))
    kick = _hits(thump, beats, n)
    hat = _hits(hiss, np.arange(0.0, n, beat / 2), n)
    bass_hz = low_hz * 2.0 ** (rng.integers(0, 12, len(beats)) / 12)
    phase = 2 * np.pi * np.cumsum(np.repeat(bass_hz, round(beat) + 1)[:n]) / rate_hz
    bass = np.sin(phase) + 0.4 * np.sin(2 * phase) + 0.2 * np.sin(3 * phase)
    notes_hz = 220.0 * 2.0 ** (rng.choice(24, 4, replace=False) / 12)
    clip = np.empty((2, n))
    for channel in clip:
        chord = np.sin(2 * np.pi * notes_hz[:, None] * time + rng.uniform(0, 7, (4, 1))).sum(axis=0)
        parts = (kick, bass, hat, chord, rng.normal(0.0, 0.02, n))
        weights = rng.uniform(0.5, 1.0, 5) * (1.0, 0.5, 0.3, 0.15, 1.0)
        channel[:] = sum(w * part for w, part in zip(weights, parts, strict=True))
    # Driven as in a master, so that many crests come near the highest; still without a corner.
    clip *= 1.5 / np.abs(clip).max(axis=1, keepdims=True)
    np.tanh(clip, out=clip)
    clip /= np.abs(clip).max(axis=1, keepdims=True)
    return clip.astype(np.float32)


def hard_clipped(clip: FloatArray, depth_db: float) -> tuple[FloatArray, int]:
    """Cut a clip off under its peak and bring it back to full scale.

    Parameters
    ----------
    clip : np.ndarray, float32, shape (channels, n)
        Peak-normalised.
    depth_db : float
        How far under the peak, more than 0.

    Returns
    -------
    tuple of (np.ndarray, int)
        The clip, and how many runs of three or more samples of one sign were cut.

    Examples
    --------
    >>> wave = np.sin(2 * np.pi * 100 * np.arange(4800) / 48_000).astype(np.float32)[None]
    >>> hard_clipped(wave, 3.0)[1]
    20
    """
    level = np.float32(10.0 ** (-depth_db / 20.0))
    runs = 0
    for channel in clip:
        for cut in (channel >= level, channel <= -level):
            edges = np.flatnonzero(np.diff(np.concatenate([[0], cut.astype(np.int8), [0]])))
            runs += int((np.diff(edges.reshape(-1, 2), axis=1) >= 3).sum())
    return np.clip(clip / level, -1.0, 1.0), runs
