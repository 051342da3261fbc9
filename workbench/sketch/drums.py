"""What does each drum sound like? One function of nothing but its own recipe per drum.

A drum is a mono float32 array at `RATE_HZ`, peak about 1. Noise comes from a fixed seed and all
transcendental values are rounded to a grid of 2**-20, so that processors that differ in the last
bit of a sine still give the same samples.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 48_000
Mono = NDArray[np.float32]
Stereo = NDArray[np.float32]

_GRID = 2.0**20


def on_grid(values: NDArray[np.float64]) -> Mono:
    """Round to multiples of 2**-20: far below 16 bits, far above the last bit of a sine.

    >>> float(on_grid(np.array([0.1]))[0] * 2**20).is_integer()
    True
    """
    return (np.rint(values * _GRID) / _GRID).astype(np.float32)


def _time_s(length_s: float) -> NDArray[np.float64]:
    return np.arange(round(length_s * RATE_HZ)) / RATE_HZ


def _thump(length_s: float, low_hz: float, *, sweep_hz: float, sweep_s: float) -> Mono:
    """A sine that falls from `low_hz + sweep_hz` to `low_hz` while it decays."""
    time_s = _time_s(length_s)
    cycles = low_hz * time_s + sweep_hz * sweep_s * (1 - np.exp(-time_s / sweep_s))
    decay = np.exp(-time_s / (length_s / 4.5))
    return on_grid(np.sin(2 * np.pi * cycles) * decay * np.minimum(1, time_s / 0.001))


def _noise(length_s: float, low_hz: float, high_hz: float, *, decay_s: float, seed: int) -> Mono:
    """Decaying noise between two frequencies, with slopes of about 12 dB per octave."""
    time_s = _time_s(length_s)
    white = np.random.Generator(np.random.PCG64(seed)).standard_normal(time_s.size)
    spectrum = np.fft.rfft(white)
    hz = np.fft.rfftfreq(time_s.size, 1 / RATE_HZ) + 1.0
    spectrum *= 1 / (1 + (low_hz / hz) ** 4) ** 0.5 / (1 + (hz / high_hz) ** 4) ** 0.5
    shaped = np.fft.irfft(spectrum, time_s.size)
    shaped *= np.exp(-time_s / decay_s) * np.minimum(1, time_s / 0.0005)
    return on_grid(0.9 * shaped / np.abs(shaped).max())


def _layer(*parts: tuple[float, Mono]) -> Mono:
    """Sum parts of different length, each with its gain, ending in silence."""
    out = np.zeros(max(part.size for _, part in parts), np.float32)
    for gain, part in parts:
        out[: part.size] += np.float32(gain) * part
    fade = min(out.size, 480)
    out[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)
    return out


def _clap() -> Mono:
    burst = _noise(0.02, 900, 3500, decay_s=0.006, seed=31)
    tail = _noise(0.22, 900, 4500, decay_s=0.05, seed=32)
    out = np.zeros(tail.size + 1500, np.float32)
    for start, part in ((0, burst), (480, burst), (1000, burst), (1500, tail)):
        out[start : start + part.size] += part
    return np.float32(0.7) * out


def _ring(length_s: float, partials_hz: tuple[float, ...], *, decay_s: float) -> Mono:
    """Metal or wood: a few unrelated partials that decay together."""
    time_s = _time_s(length_s)
    tones = sum(np.sin(2 * np.pi * hz * time_s) for hz in partials_hz)
    return on_grid(np.asarray(tones) * np.exp(-time_s / decay_s) / len(partials_hz))


def _metal(length_s: float, decay_s: float, *, seed: int) -> Mono:
    ring = _ring(length_s, (3217, 4409, 5623, 6841, 8513, 9887), decay_s=decay_s)
    return _layer(
        (0.7, _noise(length_s, 5500, 15000, decay_s=decay_s * 0.8, seed=seed)), (0.35, ring)
    )


def _kick(length_s: float, low_hz: float, sweep_hz: float, click: float) -> Mono:
    return _layer(
        (1.0, _thump(length_s, low_hz, sweep_hz=sweep_hz, sweep_s=0.02)),
        (click, _noise(0.02, 1500, 6000, decay_s=0.004, seed=11)),
    )


def _snare(length_s: float, tone_hz: float, *, tone: float, dark_hz: float, seed: int) -> Mono:
    return _layer(
        (tone, _thump(length_s * 0.6, tone_hz, sweep_hz=120, sweep_s=0.01)),
        (0.75, _noise(length_s, 700, dark_hz, decay_s=length_s / 4, seed=seed)),
    )


def _timpani(pitch: int) -> Mono:
    low_hz = 440 * 2 ** ((pitch - 69) / 12)
    return _layer(
        (0.9, _thump(1.0, low_hz, sweep_hz=low_hz / 6, sweep_s=0.05)),
        (0.25, _noise(0.1, 100, 900, decay_s=0.03, seed=61)),
    )


_RECIPES: Mapping[str, Callable[..., Mono]] = MappingProxyType(
    {
        "kick_soft": lambda: _kick(0.28, 55, 90, 0.06),
        "kick_sub": lambda: _kick(0.34, 48, 160, 0.12),
        "kick_house": lambda: _kick(0.30, 50, 220, 0.2),
        "kick_hard": lambda: _kick(0.32, 48, 320, 0.4),
        "kick_punch": lambda: _kick(0.22, 58, 260, 0.3),
        "kick_rock": lambda: _kick(0.22, 62, 140, 0.45),
        "stomp": lambda: _kick(0.2, 70, 50, 0.15),
        "snare_dusty": lambda: _snare(0.18, 190, tone=0.5, dark_hz=4500, seed=21),
        "snare_tight": lambda: _snare(0.15, 220, tone=0.5, dark_hz=11000, seed=22),
        "snare_rock": lambda: _snare(0.26, 185, tone=0.6, dark_hz=8500, seed=23),
        "snare_big": lambda: _snare(0.45, 175, tone=0.7, dark_hz=9000, seed=24),
        "clap": _clap,
        "rim": lambda: _ring(0.06, (1720, 2560, 470), decay_s=0.012),
        "brush": lambda: _noise(0.2, 1800, 7500, decay_s=0.06, seed=41),
        "hat_soft": lambda: _noise(0.07, 6000, 11000, decay_s=0.018, seed=51),
        "hat_tick": lambda: _metal(0.06, 0.015, seed=52),
        "hat_open": lambda: _metal(0.3, 0.09, seed=53),
        "hat_pedal": lambda: _noise(0.08, 4000, 9000, decay_s=0.015, seed=54),
        "ride": lambda: _metal(0.45, 0.14, seed=55),
        "shaker": lambda: _noise(0.09, 5000, 12000, decay_s=0.03, seed=56),
        "cymbal": lambda: _metal(1.6, 0.5, seed=57),
        "tom": lambda: _thump(0.3, 110, sweep_hz=60, sweep_s=0.04),
        "conga": lambda: _thump(0.16, 240, sweep_hz=60, sweep_s=0.01),
        "timpani": _timpani,
    }
)

# Gain in dB and place (-1 left .. 1 right), as heard by the audience.
_MIX: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "kick_soft": (-6, 0),
        "kick_sub": (-2, 0),
        "kick_house": (-3, 0),
        "kick_hard": (-2, 0),
        "kick_punch": (-3, 0),
        "kick_rock": (-4, 0),
        "stomp": (-7, 0),
        "snare_dusty": (-5, 0.05),
        "snare_tight": (-5, 0.05),
        "snare_rock": (-4, 0.05),
        "snare_big": (-5, 0),
        "clap": (-5, -0.1),
        "rim": (-6, -0.3),
        "brush": (-11, 0.2),
        "hat_soft": (-10, 0.35),
        "hat_tick": (-10, 0.3),
        "hat_open": (-11, 0.35),
        "hat_pedal": (-14, 0.35),
        "ride": (-13, -0.4),
        "shaker": (-13, -0.5),
        "cymbal": (-14, -0.3),
        "tom": (-8, 0.4),
        "conga": (-8, 0.5),
        "timpani": (-4, 0.2),
    }
)

DRUMS = tuple(_RECIPES)
"""The name of every drum."""
TUNED_DRUMS = frozenset({"timpani"})
"""Drums that sound a note, and so must be tuned to the key of the piece."""


@cache
def drum(name: str, *pitches: int) -> Stereo:
    """One stroke in stereo, (2, n), panned and at its place in the mix.

    A tuned drum takes its MIDI note, the others take none.

    >>> drum("rim").shape, drum("timpani", 38).shape
    ((2, 2880), (2, 48000))
    """
    gain_db, pan = _MIX[name]
    # Constant-power panning keeps a drum equally loud wherever it sits.
    angle = (pan + 1) * np.pi / 4
    sides = on_grid(10 ** (gain_db / 20) * np.sqrt(2) * np.array([np.cos(angle), np.sin(angle)]))
    stroke = sides[:, None] * _RECIPES[name](*pitches)
    stroke.setflags(write=False)
    return stroke
