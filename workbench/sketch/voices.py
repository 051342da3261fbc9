"""What does each pitched instrument sound like? A table of recipes and three ways to play them.

A note is a stereo float32 array (2, n) at 48 kHz. Tones are read from one-cycle tables with a
32-bit integer phase, so pitch is exact and the samples are the same on every machine; ensembles
(pads, strings, choirs) are one inverse Fourier transform of spread-out harmonics, after the
PADsynth algorithm (Nasca Octavian Paul, ZynAddSubFX, 2004).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from workbench.sketch.drums import RATE_HZ, Mono, Stereo, on_grid

_TABLE_BITS = 13
_TABLE_SIZE = 1 << _TABLE_BITS
_LOOP_SIZE = 1 << 17
_TOP_HZ = 18_000.0
_VIBRATO_HZ = 5.4
_BODY_LEVEL = 0.16  # RMS of a held note before its gain: leaves room for a full arrangement.


@dataclass(frozen=True)
class Voice:
    """One instrument. Harmonic k has amplitude `k**-rolloff` under a low-pass.

    The low-pass falls from `bright_hz` to `dark_hz` within about `settle_s`; `wobbles` > 0 moves
    it up and down that many times per note instead. `decay_s` = 0 holds the note. `partials`
    (ratio, level, decay_s) replace the harmonics for bells. `spread` > 0 makes an ensemble whose
    harmonics are that wide, relative to their frequency.
    """

    gain_db: float = 0.0
    pan: float = 0.0
    rolloff: float = 1.0
    even: float = 1.0
    bright_hz: float = 5000.0
    dark_hz: float = 1500.0
    settle_s: float = 0.15
    attack_s: float = 0.004
    decay_s: float = 0.0
    release_s: float = 0.06
    detune_cents: float = 0.0
    vibrato_cents: float = 0.0
    formants_hz: tuple[float, ...] = ()
    partials: tuple[tuple[float, float, float], ...] = ()
    spread: float = 0.0
    strum_s: float = 0.0
    drive: float = 0.0
    breath: float = 0.0
    wobbles: int = 0


VOICES: Mapping[str, Voice] = MappingProxyType(
    {
        # Basses.
        "bass_round": Voice(-1, rolloff=1.6, bright_hz=900, dark_hz=300, decay_s=1.2),
        "bass_808": Voice(1, rolloff=3, bright_hz=400, dark_hz=150, decay_s=0.9, drive=1.5),
        "bass_pluck": Voice(-1, bright_hz=1800, dark_hz=200, settle_s=0.07, decay_s=0.5),
        "bass_acid": Voice(-5, bright_hz=3200, dark_hz=350, settle_s=0.06, decay_s=0.3, drive=2),
        "bass_reese": Voice(-1, rolloff=0.9, bright_hz=900, dark_hz=450, detune_cents=22),
        "bass_wobble": Voice(
            -2, rolloff=0.7, bright_hz=3500, dark_hz=140, wobbles=2, detune_cents=12, drive=3
        ),
        "bass_pick": Voice(-2, bright_hz=2600, dark_hz=600, settle_s=0.08, decay_s=0.9),
        "bass_upright": Voice(
            0, rolloff=1.4, bright_hz=1500, dark_hz=300, settle_s=0.05, decay_s=0.5
        ),
        "bass_soft": Voice(-4, rolloff=2, bright_hz=300, dark_hz=200, attack_s=0.03, release_s=0.6),
        "bass_deep": Voice(1, rolloff=2.2, bright_hz=350, dark_hz=220, decay_s=1.2),
        "bass_slap": Voice(-2, bright_hz=5500, dark_hz=500, settle_s=0.04, decay_s=0.45),
        "bass_saw": Voice(-3, bright_hz=1600, dark_hz=500, settle_s=0.08, decay_s=0.6),
        "cello": Voice(-3, bright_hz=1400, dark_hz=900, attack_s=0.02, decay_s=0.8, release_s=0.15),
        # Chords.
        "rhodes": Voice(
            -2,
            partials=((1, 1.0, 1.1), (2, 0.22, 0.5), (3, 0.1, 0.3), (7.1, 0.16, 0.09)),
            release_s=0.15,
            strum_s=0.006,
        ),
        "bell": Voice(
            -6, partials=((1, 1.0, 0.5), (2.76, 0.45, 0.25), (5.4, 0.25, 0.1)), release_s=0.25
        ),
        "glass": Voice(
            -6, partials=((1, 1.0, 1.2), (2, 0.3, 0.7), (4.07, 0.25, 0.25)), release_s=0.8
        ),
        "mallet": Voice(
            -5, partials=((1, 1.0, 0.5), (3.98, 0.3, 0.12), (9.6, 0.08, 0.03)), release_s=0.3
        ),
        "stab": Voice(-6, bright_hz=5000, dark_hz=700, settle_s=0.06, decay_s=0.22, detune_cents=9),
        "zap": Voice(-7, even=0.3, bright_hz=4500, dark_hz=500, settle_s=0.04, decay_s=0.12),
        "guitar_crunch": Voice(
            -7, bright_hz=3500, dark_hz=2200, decay_s=1.4, drive=5, strum_s=0.004
        ),
        "guitar_clean": Voice(
            -5, rolloff=1.2, bright_hz=6000, dark_hz=1200, decay_s=0.8, strum_s=0.01
        ),
        "guitar_nylon": Voice(
            -3, rolloff=1.4, bright_hz=3500, dark_hz=600, settle_s=0.1, decay_s=0.6, strum_s=0.012
        ),
        "guitar_scratch": Voice(
            -7,
            rolloff=0.8,
            bright_hz=7500,
            dark_hz=1800,
            settle_s=0.03,
            decay_s=0.06,
            strum_s=0.004,
        ),
        "skank": Voice(-4, bright_hz=4500, dark_hz=1200, settle_s=0.03, decay_s=0.08),
        "piano": Voice(
            -4, rolloff=1.3, bright_hz=5500, dark_hz=900, settle_s=0.25, decay_s=1.1, release_s=0.12
        ),
        "spiccato": Voice(-5, bright_hz=4000, dark_hz=1200, attack_s=0.012, decay_s=0.13),
        "accordion": Voice(-6, rolloff=0.8, bright_hz=4000, dark_hz=3000, detune_cents=14),
        "pad_warm": Voice(-9, spread=0.006, bright_hz=1600, attack_s=0.25, release_s=0.4),
        "pad_dark": Voice(-10, spread=0.008, bright_hz=700, attack_s=0.3, release_s=0.5),
        "pad_air": Voice(-7, spread=0.01, rolloff=1.3, bright_hz=2500, attack_s=0.5, release_s=1.2),
        "strings": Voice(-8, spread=0.007, bright_hz=3200, attack_s=0.15, release_s=0.4),
        "supersaw": Voice(-9, spread=0.008, bright_hz=7000, attack_s=0.01, release_s=0.15),
        # Leads.
        "flute": Voice(
            -6, rolloff=2.4, bright_hz=3000, attack_s=0.05, vibrato_cents=14, breath=0.05, pan=0.15
        ),
        "saw_lead": Voice(-8, bright_hz=6000, dark_hz=2500, detune_cents=10, pan=-0.1),
        "square_lead": Voice(-8, even=0.05, bright_hz=5000, dark_hz=2000, vibrato_cents=8, pan=0.1),
        "guitar_lead": Voice(-9, bright_hz=3000, dark_hz=2500, vibrato_cents=20, drive=4, pan=0.15),
        "sax": Voice(
            -6,
            rolloff=0.8,
            formants_hz=(650, 1500, 2600),
            attack_s=0.03,
            vibrato_cents=18,
            breath=0.04,
            pan=0.15,
        ),
        "violin": Voice(
            -7, formants_hz=(500, 1100, 2800), attack_s=0.06, vibrato_cents=22, release_s=0.15
        ),
        "fiddle": Voice(
            -7, formants_hz=(500, 1200, 3000), attack_s=0.02, vibrato_cents=12, pan=0.2
        ),
        "organ": Voice(-8, rolloff=1.2, bright_hz=3000, dark_hz=3000, vibrato_cents=10, pan=-0.2),
        "brass": Voice(
            -6, rolloff=0.7, bright_hz=4500, dark_hz=2200, attack_s=0.015, detune_cents=8, pan=0.2
        ),
        "clarinet": Voice(
            -6, rolloff=1.1, even=0.08, bright_hz=2500, attack_s=0.03, vibrato_cents=5, pan=0.1
        ),
        "vocal_ah": Voice(
            -5,
            rolloff=0.9,
            formants_hz=(750, 1200, 2700),
            attack_s=0.04,
            vibrato_cents=25,
            breath=0.02,
        ),
        "vocal_eh": Voice(
            -5,
            rolloff=0.9,
            formants_hz=(530, 1850, 2600),
            attack_s=0.04,
            vibrato_cents=25,
            breath=0.02,
        ),
        "vocal_oh": Voice(
            -5,
            rolloff=0.9,
            formants_hz=(450, 800, 2700),
            attack_s=0.04,
            vibrato_cents=25,
            breath=0.02,
        ),
    }
)


def soft_clip(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Squeeze into -1..1 with a rational tanh: exact arithmetic only, the same everywhere.

    >>> soft_clip(np.array([0.0, 9.0], np.float32)).tolist()
    [0.0, 1.0]
    """
    bounded = np.clip(samples, np.float32(-3), np.float32(3))
    square = bounded * bounded
    return np.asarray(bounded * (27 + square) / (27 + 9 * square), np.float32)


def _harmonics(hz: float, voice: Voice, cutoff_hz: float) -> NDArray[np.float64]:
    """Amplitudes of harmonics 1, 2, ... up to the top of hearing."""
    number = np.arange(1.0, min(160, max(1, int(_TOP_HZ / hz))) + 1)
    amplitude = number**-voice.rolloff * np.where(number % 2 == 0, voice.even, 1.0)
    at_hz = number * hz
    if voice.formants_hz:
        hills = sum(
            level / (1 + ((at_hz - formant) / (90 + 0.09 * formant)) ** 2)
            for level, formant in zip((1.0, 0.6, 0.35), voice.formants_hz, strict=True)
        )
        return np.asarray(amplitude * (0.06 + hills))
    return np.asarray(amplitude / np.sqrt(1 + (at_hz / cutoff_hz) ** 4))


def _table(amplitude: NDArray[np.float64], power: float) -> Mono:
    spectrum = np.zeros(_TABLE_SIZE // 2 + 1, complex)
    spectrum[1 : amplitude.size + 1] = -1j * amplitude * _TABLE_SIZE / 2
    return on_grid(np.fft.irfft(spectrum) * _BODY_LEVEL * np.sqrt(2 / power))


def _read(table: Mono, hz: float, bend_cycles: NDArray[np.float64] | None, n: int) -> Mono:
    """Read a one-cycle table at `hz`; `bend_cycles` moves the phase for vibrato."""
    step = np.uint32(round(hz / RATE_HZ * 2**32))
    phase = np.arange(n, dtype=np.uint32) * step
    if bend_cycles is not None:
        phase += np.rint(bend_cycles * 2**32).astype(np.int64).astype(np.uint32)
    return np.asarray(table[phase >> np.uint32(32 - _TABLE_BITS)])


@lru_cache(maxsize=32)
def _sway(n: int) -> NDArray[np.float64]:
    """A sine at the rate of a vibrato that sets in during the first third of a second."""
    time_s = np.arange(n) / RATE_HZ
    return np.asarray(np.minimum(1, time_s / 0.35) * np.sin(2 * np.pi * _VIBRATO_HZ * time_s))


def _vibrato(hz: float, voice: Voice, n: int) -> NDArray[np.float64] | None:
    if not voice.vibrato_cents:
        return None
    depth_cycles = hz * (2 ** (voice.vibrato_cents / 1200) - 1) / (2 * np.pi * _VIBRATO_HZ)
    return depth_cycles * _sway(n)


@lru_cache(maxsize=32)
def _decay(time_s: float, n: int) -> Mono:
    """An exponential that falls to 1/e within `time_s`."""
    return on_grid(np.exp(-np.arange(n) / (time_s * RATE_HZ)))


def _brightness(voice: Voice, n: int) -> Mono:
    """How far the sound is from dark (0) to bright (1), per sample."""
    if voice.wobbles:
        return on_grid(0.5 - 0.5 * np.cos(2 * np.pi * voice.wobbles * np.arange(n) / n))
    return _decay(voice.settle_s, n)


def _tone(hz: float, voice: Voice, n: int) -> Mono:
    """One held or plucked tone without its attack and release."""
    if voice.partials:
        sine = _table(np.ones(1), 1.0)
        decays = (
            np.float32(level) * _decay(decay_s, n) * _read(sine, ratio * hz, None, n)
            for ratio, level, decay_s in voice.partials
            if ratio * hz < _TOP_HZ
        )
        return np.asarray(sum(decays, np.zeros(n, np.float32)))
    bright = _harmonics(hz, voice, voice.bright_hz)
    power = float((bright**2).sum())
    bend = _vibrato(hz, voice, n)
    dark_table = _table(_harmonics(hz, voice, voice.dark_hz), power)
    sound = _read(dark_table, hz, bend, n)
    if not voice.formants_hz:
        change = _table(bright, power) - dark_table
        sound = sound + _brightness(voice, n) * _read(change, hz, bend, n)
    if voice.detune_cents:
        twin_hz = hz * 2 ** (voice.detune_cents / 1200)
        sound = (sound + _read(dark_table, twin_hz, bend, n)) * np.float32(0.75)
    if voice.decay_s:
        sound = sound * _decay(voice.decay_s, n)
    return sound


@lru_cache(maxsize=1)
def _scatter() -> tuple[NDArray[np.complex128], ...]:
    """One random phase per bin and side: what turns harmonics into an ensemble."""
    rng = np.random.Generator(np.random.PCG64(7))
    turns = rng.random((2, _LOOP_SIZE // 2 + 1))
    return tuple(np.exp(2j * np.pi * turns))


def _ensemble(pitches_hz: tuple[float, ...], voice: Voice, n: int) -> Stereo:
    """Many players on each tone: harmonics widened by `voice.spread`, looped to length."""
    profile = np.zeros(_LOOP_SIZE // 2 + 1)
    bin_hz = RATE_HZ / _LOOP_SIZE
    for hz in pitches_hz:
        for number, level in enumerate(_harmonics(hz, voice, voice.bright_hz)[:40], start=1):
            centre, width = number * hz / bin_hz, max(1.0, voice.spread * number * hz / bin_hz)
            low, high = int(centre - 3 * width), int(centre + 3 * width) + 1
            bins = np.arange(max(low, 1), min(high, profile.size))
            profile[bins] += level * np.exp(-(((bins - centre) / width) ** 2)) / np.sqrt(width)
    profile *= _BODY_LEVEL * _LOOP_SIZE / np.sqrt(2 * (profile**2).sum())
    sides = [on_grid(np.fft.irfft(profile * phases)) for phases in _scatter()]
    return np.stack([np.resize(side, n) for side in sides])


def _shape(voice: Voice, n: int, release: int) -> Mono:
    """Attack and release as one gain per sample."""
    shape = np.ones(n, np.float32)
    attack = min(max(1, round(voice.attack_s * RATE_HZ)), n - release)
    shape[:attack] = on_grid(np.sin(np.linspace(0, np.pi / 2, attack)) ** 2)
    shape[n - release :] = on_grid(np.cos(np.linspace(0, np.pi / 2, release)) ** 2)
    return shape


def hertz(pitch: int) -> float:
    """Frequency of a MIDI note number in equal temperament, A4 = 440 Hz.

    >>> hertz(69)
    440.0
    """
    return float(440.0 * 2 ** ((pitch - 69) / 12))


def _chord(pitches: tuple[int, ...], voice: Voice, n: int) -> Stereo:
    """Tones one after the other within `strum_s`, fanned out from left to right."""
    out = np.zeros((2, n), np.float32)
    level = len(pitches) ** -0.5
    for index, pitch in enumerate(pitches):
        start = round(index * voice.strum_s * RATE_HZ)
        if start >= n:
            break
        tone = _tone(hertz(pitch), voice, n - start)
        fan = 1.1 * (index / (len(pitches) - 1) - 0.5) if len(pitches) > 1 else 0.0
        angle = (np.clip(voice.pan + fan, -1, 1) + 1) * np.pi / 4
        sides = on_grid(level * np.sqrt(2) * np.array([np.cos(angle), np.sin(angle)]))
        out[:, start:] += sides[:, None] * tone
    return out


def _distort(note: Stereo, drive: float) -> Stereo:
    """Overdrive, then a two-tap average four times, as a loudspeaker cabinet would dull it."""
    louder = soft_clip(note * np.float32(2 * drive)) * np.float32(0.3)
    louder -= on_grid(louder.mean(axis=1, keepdims=True, dtype=np.float64))
    for _ in range(4):
        louder[:, 1:] = (louder[:, 1:] + louder[:, :-1]) * np.float32(0.5)
    return louder


def note(name: str, pitches: tuple[int, ...], length_s: float) -> Stereo:
    """Play one note or chord, (2, n), peak below about 1, starting and ending in silence.

    Parameters
    ----------
    name : a key of `VOICES`.
    pitches : MIDI note numbers, 1 or more.
    length_s : how long it is held; the release sounds after it.

    Examples
    --------
    >>> sound = note("rhodes", (60, 64, 67), 0.5)
    >>> sound.shape, bool(abs(sound).max() < 1)
    ((2, 31200), True)
    """
    voice = VOICES[name]
    release = round(voice.release_s * RATE_HZ)
    n = max(1, round(length_s * RATE_HZ)) + release
    if voice.spread:
        sound = _ensemble(tuple(hertz(pitch) for pitch in pitches), voice, n)
    else:
        sound = _chord(pitches, voice, n)
    if voice.breath:
        hiss = np.random.Generator(np.random.PCG64(n)).random((2, n), np.float32) - np.float32(0.5)
        for _ in range(4):  # air, not white noise
            hiss[:, 1:] = (hiss[:, 1:] + hiss[:, :-1]) * np.float32(0.5)
        sound = sound + np.float32(voice.breath) * hiss
    if voice.drive:
        sound = _distort(sound, voice.drive)
    return sound * (_shape(voice, n, release) * np.float32(10 ** (voice.gain_db / 20)))
