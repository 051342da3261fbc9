"""How does a list of events become a finished stereo file? Mixing, echo, level, true peak.

Samples are float32, (2, n), at 48 kHz. Everything that depends on a processor's sine or on the
order of a sum is rounded before it reaches the mix, so the same events give the same samples.

References: ITU-R BS.1770-5 annex 2 (true peak by fourfold oversampling).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from workbench.sketch.drums import DRUMS, RATE_HZ, Mono, Stereo, drum, on_grid
from workbench.sketch.genre import Genre
from workbench.sketch.score import Event
from workbench.sketch.voices import note, soft_clip

CEILING_DBTP = -1.0
_MARGIN_DB = 0.15  # for oversampling filters other than ours, and for rounding to 16 bits
_BLOCK = 1 << 16  # samples handled at once when mastering: stays in the processor's cache
_ECHO_STEP = 4  # the echo is computed at a quarter of the rate: it is dark anyway
_DUCK_S = 0.22


def to_16_bit(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round to the 16-bit grid, within -32768..32767 steps of 1/32768.

    >>> (to_16_bit(np.array([0.5, 0.1, 2.0], np.float32)) * 32768).tolist()
    [16384.0, 3277.0, 32767.0]
    """
    steps = np.rint(samples * np.float32(32768))
    return np.asarray(np.clip(steps, -32768, 32767) * np.float32(1 / 32768))


def true_peak(samples: NDArray[np.float32]) -> float:
    """Largest value between the samples, by fourfold oversampling around high samples only.

    Parameters
    ----------
    samples : (channels, n).

    Returns
    -------
    Linear peak, at least the largest sample.

    Examples
    --------
    >>> wave = np.sin(np.pi / 2 * np.arange(4800) + np.pi / 4)[None].astype(np.float32)
    >>> round(float(abs(wave).max()), 1), round(true_peak(wave), 1)
    (0.7, 1.0)
    """
    peak = float(np.abs(samples).max(initial=0.0))
    if peak == 0.0:
        return 0.0
    reach = 12
    offsets = np.arange(1 - reach, reach + 1)
    best = peak
    for channel in samples:
        size = np.abs(channel)
        tops = np.flatnonzero(
            (size[1:-1] >= 0.7 * peak) & (size[1:-1] >= size[:-2]) & (size[1:-1] >= size[2:])
        )
        padded = np.pad(channel, reach)
        for part in (0.25, 0.5, 0.75):
            window = np.kaiser(2 * reach + 1, 5.0)[:-1]
            taps = (np.sinc(offsets - part) * window).astype(np.float32)
            for side in (0, 1):  # the gap after a high sample, and the one before it
                between = np.zeros(tops.size, np.float32)
                for offset, tap in zip(offsets, taps, strict=True):
                    between += tap * padded[tops + (1 - side + reach + offset)]
                best = max(best, float(np.abs(between).max(initial=0.0)))
    return best


def mix(events: Iterable[Event], n: int) -> tuple[Stereo, Stereo]:
    """Add up all events: one dry bus (drums, bass) and one wet bus (chords, lead), (2, n) each."""
    buses = np.zeros((2, 2, n), np.float32)
    scratch = np.empty((2, 0), np.float32)
    notes: dict[tuple[str, tuple[int, ...], int], Stereo] = {}
    for event in events:
        key = (event.voice, event.pitches, round(event.length_s * RATE_HZ))
        sound = notes.get(key)
        if sound is None:
            length_s = key[2] / RATE_HZ
            if event.voice in DRUMS:
                sound = drum(event.voice, *event.pitches)
            else:
                sound = note(event.voice, event.pitches, length_s)
            notes[key] = sound
        start = round(event.start_s * RATE_HZ)
        length = min(sound.shape[1], n - start)
        if length <= 0:
            continue
        if scratch.shape[1] < length:
            scratch = np.empty((2, length), np.float32)
        scaled = scratch[:, :length]
        np.multiply(sound[:, :length], np.float32(event.gain), out=scaled)
        buses[int(event.wet), :, start : start + length] += scaled
    return buses[0], buses[1]


def _ducking(events: Iterable[Event], n: int, depth: float) -> Mono:
    """The gain that every kick pushes down, back to 1 after `_DUCK_S`."""
    gain = np.ones(n, np.float32)
    ramp = np.linspace(0, 1, round(_DUCK_S * RATE_HZ))
    dip = on_grid(1 - depth * (1 - ramp) ** 1.5)
    for event in events:
        if event.voice.startswith("kick"):
            start = round(event.start_s * RATE_HZ)
            stretch = gain[start : start + dip.size]
            np.minimum(stretch, dip[: stretch.size], out=stretch)
    return gain


def _echo_response(decay_s: float) -> Stereo:
    """Decaying noise, different on each side, energy 1: a plain hall."""
    rate_hz = RATE_HZ / _ECHO_STEP
    n = round(decay_s * rate_hz)
    noise = np.random.Generator(np.random.PCG64(99)).standard_normal((2, n))
    time_s = np.arange(n) / rate_hz
    noise *= np.exp(-4.5 * time_s / decay_s) * np.minimum(1, time_s / 0.012)
    return on_grid(noise / np.sqrt((noise**2).sum(axis=1, keepdims=True)))


def _decimated(samples: Mono) -> Mono:
    """Every fourth sample after a triangular low-pass."""
    padded = np.pad(samples, (0, -samples.size % _ECHO_STEP))
    means = padded[0::4] + padded[1::4] + padded[2::4] + padded[3::4]
    means[1:] = means[1:] + means[:-1]
    return np.asarray(means * np.float32(0.125))


def _upsampled(samples: Mono, start: int, stop: int) -> Mono:
    """Straight lines between decimated samples, for full-rate samples start..stop."""
    first, last = start // _ECHO_STEP, -(-stop // _ECHO_STEP)
    piece = samples[first : last + 1]
    if piece.size == last - first:
        piece = np.append(piece, piece[-1:])
    slopes = (piece[1:] - piece[:-1]) * np.float32(1 / _ECHO_STEP)
    lines = np.empty(_ECHO_STEP * slopes.size, np.float32)
    for part in range(_ECHO_STEP):
        lines[part::_ECHO_STEP] = piece[:-1] + slopes * np.float32(part)
    return lines[: stop - start]


def _echo(dry: Stereo, wet: Stereo, genre: Genre) -> Stereo:
    """Reverberation of the mono sum, at a quarter of the rate."""
    send = _decimated(wet[0] + wet[1]) + np.float32(0.25) * _decimated(dry[0] + dry[1])
    response = _echo_response(genre.reverb_s) * np.float32(0.5 * genre.reverb)
    sides = [signal.oaconvolve(send, side)[: send.size] for side in response]
    return np.stack(sides).astype(np.float32, copy=False)


def _vinyl(n: int, level: float) -> Stereo:
    """Two turns of a worn record (1.8 s each at 33 1/3 rpm): soft hiss and a few pops."""
    rng = np.random.Generator(np.random.PCG64(33))
    loop = rng.standard_normal((2, round(3.6 * RATE_HZ))) * 0.0025
    loop[:, 1:] = (loop[:, 1:] + loop[:, :-1]) / 2
    for place in rng.integers(0, loop.shape[1] - 64, 40):
        size = rng.exponential(0.03) * rng.choice([-1, 1])
        loop[:, place : place + 24] += size * np.exp(-np.arange(24) / 5)
    return np.stack([np.resize(side, n) for side in on_grid(level * loop)])


def _body_level(samples: Stereo) -> float:
    """RMS of the louder quarter of the piece, in steps of 0.1 dB: a robust level."""
    size = RATE_HZ // 2
    whole = samples[:, : samples.shape[1] // size * size].reshape(2, -1, size)
    # Every fourth sample measures the level as well and costs a quarter.
    power = (whole[:, :, ::4].astype(np.float64) ** 2).mean(axis=(0, 2))
    level = float(np.quantile(power, 0.75)) ** 0.5
    return float(10 ** (round(20 * np.log10(max(level, 1e-5)), 1) / 20))


def _fades(samples: Stereo, fade_s: float) -> None:
    """No click at either end: 2 ms in, `fade_s` out, in place."""
    n = samples.shape[1]
    rise, fall = 96, min(round(fade_s * RATE_HZ), n // 3)
    samples[:, :rise] *= np.linspace(0, 1, rise, dtype=np.float32)
    samples[:, n - fall :] *= np.linspace(1, 0, fall, dtype=np.float32) ** np.float32(1.5)


def perform(events: list[Event], genre: Genre, *, n: int, fade: bool) -> Stereo:
    """Render events to a mastered file.

    Parameters
    ----------
    events : from `workbench.sketch.score.compose`.
    genre : after its moods.
    n : length in samples.
    fade : whether the piece fades at its end; a part of a longer piece does not.

    Returns
    -------
    (2, n) float32 on the 16-bit grid, true peak at most -1 dBTP.
    """
    dry, wet = mix(events, n)
    if genre.duck:
        wet *= _ducking(events, n, genre.duck)
    echo = _echo(dry, wet, genre)
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        dry[:, start:stop] += wet[:, start:stop]
        for side in (0, 1):
            dry[side, start:stop] += _upsampled(echo[side], start, stop)
    if genre.crackle:
        dry += _vinyl(n, genre.crackle)
    gain = np.float32(10 ** (genre.level_db / 20) / _body_level(dry))
    for start in range(0, n, _BLOCK):
        dry[:, start : start + _BLOCK] = soft_clip(dry[:, start : start + _BLOCK] * gain)
    _fades(dry, genre.fade_s if fade else 0.002)
    ceiling = 10 ** ((CEILING_DBTP - _MARGIN_DB) / 20)
    peak = round(true_peak(dry) + 0.00005, 4)
    if peak > ceiling:
        dry *= np.float32(ceiling / peak)
    for start in range(0, n, _BLOCK):
        dry[:, start : start + _BLOCK] = to_16_bit(dry[:, start : start + _BLOCK])
    return dry
