"""How is a part of a recording replaced or added, and how audible is the joint?

New material is played on the grid of the source: bars are counted from the source's first
sample. Source samples outside the window, or inside an extension's source, are never touched:
crossfades lie in the new part. A `Seam` of all zeros is as clean as this can be; each field
makes the edges worse in one way that a measurement should find.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, signal

from workbench.sketch.drums import RATE_HZ, Stereo
from workbench.sketch.plan import DURATION_RANGE_S, Plan
from workbench.sketch.play import render
from workbench.sketch.synth import to_16_bit

_FADE_S = 0.06
_CONTEXT_S = 1.5
_LEVEL_LIMIT_DB = 9.0
_PEAK_LIMIT = 0.88


@dataclass(frozen=True)
class Seam:
    """How bad the edges of an edit are; all zero = as clean as it can be.

    `phase_ms` shifts the new part off the beat grid, later if positive; `level_db` makes it
    louder or softer than its surroundings; `timbre` 0..1 is how far its sound departs (darker);
    `hard_cut` joins without any crossfade.
    """

    phase_ms: float = 0.0
    level_db: float = 0.0
    timbre: float = 0.0
    hard_cut: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.timbre <= 1:
            raise ValueError(f"timbre={self.timbre!r} must lie in 0..1")


def _without(plan: Plan, *names: str) -> Plan:
    """The plan without sections that belong elsewhere, unless nothing else is asked."""
    kept = tuple(section for section in plan.sections if section[0] not in names)
    return replace(plan, sections=kept) if kept else plan


def _play(plan: Plan, start_s: float, n: int, *, fade: bool, phase_ms: float) -> Stereo:
    """`n` samples of new material from `start_s` on a grid whose bar 0 is at time 0."""
    shifted_s = start_s - phase_ms / 1000
    lead_in_s = shifted_s - np.floor(shifted_s / plan.bar_s + 1e-9) * plan.bar_s
    skip = round(lead_in_s * RATE_HZ)
    low, high = DURATION_RANGE_S
    needed_s = (skip + n) / RATE_HZ
    if needed_s > high:
        raise ValueError(f"a new part of {n / RATE_HZ:g} s is too long: {high:g} s is the limit")
    samples, _ = render(replace(plan, duration_s=max(low, needed_s)), fade=fade)
    return samples[:, skip : skip + n]


def _darkened(samples: Stereo, timbre: float) -> Stereo:
    """Tilt the spectrum down above 600 Hz, by 12 dB per octave at timbre 1; level kept."""
    hz = np.linspace(0, RATE_HZ / 2, 257)
    tilt = (1 + (hz / 600) ** 2) ** (-timbre)
    taps = signal.firwin2(513, hz, tilt, fs=RATE_HZ)
    dark = signal.oaconvolve(samples, taps[None, :], mode="same", axes=1).astype(np.float32)
    return np.asarray(dark * np.float32(_level(samples) / max(_level(dark), 1e-9)))


def _level(samples: NDArray[np.float32]) -> float:
    """RMS over both channels."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if samples.size else 0.0


def _match_db(new: Stereo, context: Stereo) -> float:
    """The gain that brings new material to the level of its context, within reason."""
    heard, wanted = _level(new), _level(context)
    if heard < 1e-4 or wanted < 1e-4:
        return 0.0
    gain_db = 20 * np.log10(wanted / heard)
    return float(np.clip(gain_db, -_LEVEL_LIMIT_DB, _LEVEL_LIMIT_DB))


def _fitted(new: Stereo, before: Stereo, after: Stereo, seam: Seam) -> Stereo:
    """Bring new material to the level of both neighbours, then make the seam as bad as asked."""
    if seam.timbre:
        new = _darkened(new, seam.timbre)
    context = round(_CONTEXT_S * RATE_HZ)
    ends_db = [
        _match_db(new[:, :context], before[:, -context:]) if before.size else None,
        _match_db(new[:, -context:], after[:, :context]) if after.size else None,
    ]
    # Next to no source, a part returns to its own level.
    known_db = [0.0 if end_db is None else end_db for end_db in ends_db]
    ramp_db = np.linspace(known_db[0], known_db[1], new.shape[1])
    fitted = new * (10 ** (ramp_db / 20)).astype(np.float32)
    peak = float(np.abs(fitted).max(initial=0.0))
    if peak > _PEAK_LIMIT:
        fitted = fitted * np.float32(_PEAK_LIMIT / peak)
    return np.asarray(fitted * np.float32(10 ** (seam.level_db / 20)), np.float32)


def _extrapolated(samples: Stereo, n: int) -> Stereo:
    """Continue audio past its end by linear prediction (autocorrelation method, order 64)."""
    order, past = 64, samples[:, -4096:].astype(np.float64)
    out = np.zeros((2, n), np.float32)
    for side, channel in enumerate(past):
        if channel.size <= 2 * order or not channel.any():
            continue
        windowed = channel * np.hanning(channel.size)
        lags = signal.correlate(windowed, windowed, method="fft")[channel.size - 1 :][: order + 1]
        lags[0] *= 1 + 1e-6  # keeps the system solvable for pure tones
        weights = linalg.solve_toeplitz(lags[:order], lags[1:])
        polynomial = np.concatenate([[1.0], -weights])
        state = signal.lfiltic([1.0], polynomial, channel[::-1][:order])
        predicted, _ = signal.lfilter([1.0], polynomial, np.zeros(n), zi=state)
        out[side] = np.clip(predicted, -1, 1)
    return out


def _join(new: Stereo, old_start: Stereo, old_end: Stereo) -> Stereo:
    """Crossfade the ends of new material with what sounded there; equal power."""
    joined = new.copy()
    for old, at_start in ((old_start, True), (old_end, False)):
        n = old.shape[1]
        if not n:
            continue
        rise = np.sin(np.linspace(0, np.pi / 2, n, dtype=np.float32))
        into = rise if at_start else rise[::-1]
        where = slice(0, n) if at_start else slice(new.shape[1] - n, None)
        joined[:, where] = new[:, where] * into + old * into[::-1]
    return joined


def _check(source: Stereo) -> None:
    if source.ndim != 2 or source.shape[0] != 2 or not source.shape[1]:
        raise ValueError(f"source has shape {source.shape}: (2, n) with n > 0 is needed")


def inpaint(source: Stereo, plan: Plan, start_s: float, end_s: float, seam: Seam) -> Stereo:
    """Replace a window of a recording.

    Parameters
    ----------
    source : (2, n) float32 at 48 kHz; its first sample is a downbeat.
    plan : the new material; its duration is ignored, its tempo is the source's for a clean seam.
    start_s, end_s : the window, 0 <= start < end <= duration of the source.
    seam : how bad the edges are.

    Returns
    -------
    (2, n): equal to the source, bit for bit, outside the window.

    Raises
    ------
    ValueError
        A window outside the source, or longer than 600 s.

    Examples
    --------
    >>> plan = Plan("folk", 120, 4, 0.0, 0, "major", (("verse", 1.0),), 8.0, 0, False)
    >>> source, _ = render(plan)
    >>> edited = inpaint(source, replace(plan, seed=5), 3.0, 5.0, Seam())
    >>> same = (edited == source).all(axis=0)
    >>> bool(same[:144000].all() and same[240000:].all()), bool(same[144000:240000].all())
    (True, False)
    """
    _check(source)
    length = source.shape[1]
    start, end = round(start_s * RATE_HZ), round(end_s * RATE_HZ)
    if not 0 <= start < end <= length:
        raise ValueError(f"window {start_s:g}..{end_s:g} s is not within 0..{length / RATE_HZ:g} s")
    strange = ["intro"] * (start > 0) + ["outro"] * (end < length)
    new = _play(
        _without(plan, *strange),
        start / RATE_HZ,
        end - start,
        fade=end == length,
        phase_ms=seam.phase_ms,
    )
    new = _fitted(new, source[:, :start], source[:, end:], seam)
    if not seam.hard_cut:
        n = min(round(_FADE_S * RATE_HZ), (end - start) // 2)
        into, out_of = n * (start > 0), n * (end < length)
        new = _join(new, source[:, start : start + into], source[:, end - out_of : end])
    edited = source.copy()
    edited[:, start:end] = to_16_bit(new)
    return edited


def outpaint(source: Stereo, plan: Plan, before_s: float, after_s: float, seam: Seam) -> Stereo:
    """Add material before and after a recording.

    Parameters
    ----------
    source : (2, n) float32 at 48 kHz; its first sample is a downbeat.
    plan : the new material; its duration is ignored.
    before_s, after_s : how much to add, 0 or more.
    seam : how bad the joints are.

    Returns
    -------
    (2, before + n + after): the middle equals the source, bit for bit.

    Raises
    ------
    ValueError
        A negative length, or a part longer than 600 s.

    Examples
    --------
    >>> plan = Plan("folk", 120, 4, 0.0, 0, "major", (("verse", 1.0),), 6.0, 0, False)
    >>> source, _ = render(plan)
    >>> longer = outpaint(source, plan, 2.0, 1.0, Seam())
    >>> longer.shape, bool((longer[:, 96000:384000] == source).all())
    ((2, 432000), True)
    """
    _check(source)
    if min(before_s, after_s) < 0:
        raise ValueError(f"cannot add {before_s:g} s before and {after_s:g} s after")
    before, after = round(before_s * RATE_HZ), round(after_s * RATE_HZ)
    length = source.shape[1]
    nothing = source[:, :0]
    parts = [source]
    if before:
        opening = _without(plan, "outro")
        new = _play(opening, -before / RATE_HZ, before, fade=False, phase_ms=seam.phase_ms)
        new = _fitted(new, nothing, source, seam)
        if not seam.hard_cut:
            n = min(round(_FADE_S * RATE_HZ), before // 2)
            bridge = _extrapolated(source[:, :4096][:, ::-1], n)[:, ::-1]
            new = _join(new, nothing, bridge)
        parts.insert(0, to_16_bit(new))
    if after:
        ending = _without(plan, "intro")
        new = _play(ending, length / RATE_HZ, after, fade=True, phase_ms=seam.phase_ms)
        new = _fitted(new, source, nothing, seam)
        if not seam.hard_cut:
            n = min(round(_FADE_S * RATE_HZ), after // 2)
            new = _join(new, _extrapolated(source, n), nothing)
        parts.append(to_16_bit(new))
    return np.concatenate(parts, axis=1)
