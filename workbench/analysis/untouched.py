"""Did an edit leave everything outside its span as it was, and does it end where it should?

An engine may paste the source back (every sample equal), encode and decode it again (the same
waveform with some noise), render it again through a vocoder (the same music, another waveform),
or change it. `audit_untouched` tells these apart outside the span, `edit_extent` measures where
the change really begins and ends, `splice_back` repairs an edit by putting the source back.

Conventions: `source` and `edited` are float arrays of shape (channels, n) at one rate. They may be
memory maps: they are read ten seconds at a time, and of an hour 300 MB are kept. A span is
(start_s, end_s) in seconds of the source. A margin of 0.1 s around each edge belongs to neither
side. A mono clip beside one with more channels counts as the same signal in each of them.

- Alignment: lag within +-50 ms, and ratio of levels (`alignment`).
- `kept_snr_db` = 10 log10(sum x^2 / sum (x - y / g)^2), 1 / g by least squares.
- `kept_mel_db`: root mean square difference of 64 log-mel bands, median difference removed;
  `kept_chroma`: mean cosine of chroma. Both over frames of 93 ms every 23 ms (`likeness`).
- Places are told from curves: the same differences averaged over 0.5 s. An edge found from them
  is good to 0.25 s.

References: the measures are the usual ones of music comparison (see `likeness`); the limits are
this project's, set on codec round trips (same waveform) and vocoder renderings (same music).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from workbench.analysis.alignment import align, read
from workbench.analysis.comparison import (
    CURVE_S,
    MARGIN_S,
    Comparison,
    SpanSeconds,
    matched,
    outside,
    sample_ranges,
    smoothed,
)
from workbench.analysis.features import FloatArray
from workbench.analysis.likeness import FRAME_S
from workbench.errors import AudioError

KeptVerdict = Literal["identical", "same waveform", "same music, rendered again", "changed"]

EXTENT_TOLERANCE_S = 0.25
SAME_WAVEFORM_DB = 20.0
PASTED_BACK_DB = 60.0
RENDERED_AGAIN_MEL_DB = 4.0
RENDERED_AGAIN_CHROMA = 0.93
# An engine's own round trip may be exceeded by half before it counts as a change.
_ROUND_TRIP_FACTOR = 1.5
# A place is judged by 0.5 s, the whole by its mean, and places vary more than means.
_PLACE_FACTOR = 1.25
_PLACE_CHROMA = 0.75
_PLACE_SNR_DB = 10.0
_SHORTEST_CHANGE_S = 0.25
# The level inside an edge is taken over this long.
_EDGE_NEIGHBOURHOOD_S = 2.0
_EDGE_ROUNDS = 4
_LASTING_FRAMES = round(1.0 / FRAME_S)
# A change must stand this far above the floor, or there is no edge to find.
_LEAST_CONTRAST_DB = 1.0


@dataclass(frozen=True, slots=True)
class Untouched:
    """What an edit did to the sound outside its span.

    Attributes
    ----------
    verdict : str
        "identical" (every sample), "same waveform" (at least 20 dB), "same music, rendered again"
        or "changed".
    pasted_back : bool
        The waveform is the source's to 60 dB or better.
    kept_snr_db, kept_mel_db, kept_chroma : float
        Signal over difference in dB (infinite when identical); log-mel difference in dB; mean
        cosine of chroma, 0..1.
    gain_db : float
        Level of the edited clip outside the span against the source's.
    lag_s : float or None
        Delay of the edited clip; None when the waveforms are unrelated.
    polarity_inverted : bool
        The edited waveform is upside down.
    changed_s : tuple of (start_s, end_s)
        Stretches outside the span that differ by more than the verdict's own kind of noise.
    kept_s : float
        Seconds compared.
    """

    verdict: KeptVerdict
    pasted_back: bool
    kept_snr_db: float
    kept_mel_db: float
    kept_chroma: float
    gain_db: float
    lag_s: float | None
    polarity_inverted: bool
    changed_s: tuple[SpanSeconds, ...]
    kept_s: float


@dataclass(frozen=True, slots=True)
class Extent:
    """Where a change begins and ends against the asked span, in seconds.

    Errors are positive when the change lies later than asked. An edge at the start or end of the
    clip has no other side and reads None.
    """

    start_error_s: float | None
    end_error_s: float | None
    floor_db: float
    inside_db: float

    @property
    def edit_extent_error_s(self) -> float:
        """The larger of the two errors by size, signed; 0 when neither edge can be judged."""
        errors = [e for e in (self.start_error_s, self.end_error_s) if e is not None]
        return max(errors, key=abs, default=0.0)

    @property
    def within_tolerance(self) -> bool:
        """Are both edges within 0.25 s of the asked ones?"""
        return abs(self.edit_extent_error_s) <= EXTENT_TOLERANCE_S


def audit_untouched(
    source: FloatArray,
    edited: FloatArray,
    rate_hz: int,
    spans: Sequence[SpanSeconds],
    *,
    round_trip_mel_db: float | None = None,
) -> Untouched:
    """Compare an edit with its source outside the edited spans.

    Parameters
    ----------
    source, edited : np.ndarray, float, shape (channels, n)
        Before and after, same rate; lengths may differ by 0.1 s.
    rate_hz : int
        Samples per second.
    spans : sequence of (start_s, end_s)
        What was to be changed; none means that nothing was.
    round_trip_mel_db : float, optional
        `kept_mel_db` of the engine's own encode-decode round trip, if known: the limit for "same
        music" is then 1.5 times that, else 4 dB.

    Returns
    -------
    Untouched
        Verdict and numbers.

    Raises
    ------
    AudioError
        If the clips cannot be compared (channels, lengths, not finite, silent source) or less
        than 1 s lies outside the spans.

    Examples
    --------
    >>> rate_hz = 22_050
    >>> source = np.sin(np.arange(4 * rate_hz, dtype=np.float32) / 10)[np.newaxis]
    >>> edited = source.copy()
    >>> edited[:, rate_hz : 2 * rate_hz] *= np.linspace(1, 0, rate_hz, dtype=np.float32) ** 4
    >>> audit_untouched(source, edited, rate_hz, [(1.0, 2.0)]).verdict
    'identical'
    >>> audit_untouched(source, edited, rate_hz, [(1.0, 1.3)]).verdict
    'changed'
    """
    pair = Comparison(source, edited, rate_hz, spans)
    limit_db = RENDERED_AGAIN_MEL_DB
    if round_trip_mel_db is not None:
        limit_db = _ROUND_TRIP_FACTOR * round_trip_mel_db
    difference_db = pair.difference_db[pair.kept_frames]
    kept_mel_db = float(np.sqrt(np.mean(np.square(difference_db, dtype=np.float64))))
    kept_chroma = float(pair.cosine[pair.kept_frames].mean())
    changed_s = _changed_stretches(pair, limit_db)
    rendered_again = kept_mel_db <= limit_db and kept_chroma >= RENDERED_AGAIN_CHROMA
    return Untouched(
        verdict=_verdict(pair, bool(changed_s), rendered_again),
        pasted_back=pair.snr_db >= PASTED_BACK_DB,
        kept_snr_db=pair.snr_db,
        kept_mel_db=kept_mel_db,
        kept_chroma=kept_chroma,
        gain_db=float(20 * np.log10(pair.alignment.level_ratio)),
        lag_s=pair.alignment.lag_samples / rate_hz if pair.alignment.related else None,
        polarity_inverted=pair.alignment.gain < 0,
        changed_s=changed_s,
        kept_s=sum(stop - start for start, stop in pair.kept) / rate_hz,
    )


def edit_extent(source: FloatArray, edited: FloatArray, rate_hz: int, span: SpanSeconds) -> Extent:
    """Where the change begins and ends, against the span that was asked for.

    The 0.5 s curve of the log-mel difference is followed from each asked edge to the nearest
    place where it crosses half-way between the floor (median outside) and the level inside,
    taken over the 2 s inside the edge that was found: music differs from its replacement by
    unequal amounts, and what counts is the level at the edge.

    Parameters
    ----------
    source, edited : np.ndarray, float, shape (channels, n)
        Before and after, same rate.
    rate_hz : int
        Samples per second.
    span : (start_s, end_s)
        What was asked to change.

    Returns
    -------
    Extent
        Signed errors of both edges; tolerance 0.25 s.

    Raises
    ------
    AudioError
        As `audit_untouched`, and if nothing changed inside the span.

    Examples
    --------
    >>> rate_hz, rng = 8000, np.random.default_rng(0)
    >>> source = rng.standard_normal((1, 8 * rate_hz)).astype(np.float32) / 10
    >>> edited = source.copy()
    >>> edited[:, 24_000:40_000] = rng.standard_normal(16_000) / 10
    >>> edit_extent(source, edited, rate_hz, (3.0, 5.0)).within_tolerance
    True
    >>> round(edit_extent(source, edited, rate_hz, (3.0, 6.0)).edit_extent_error_s)
    -1
    """
    pair = Comparison(source, edited, rate_hz, [span])
    curve_db = pair.difference_curve_db
    times_s = pair.frame_times_s
    start_s, end_s = span
    inside = (times_s > start_s + MARGIN_S) & (times_s < end_s - MARGIN_S)
    if not inside.any():
        raise AudioError(f"The span {start_s:g}-{end_s:g} s is too short to find its edges.")
    floor_db = float(np.median(curve_db[pair.kept_frames]))
    inside_db = float(np.median(curve_db[inside]))
    if inside_db < floor_db + _LEAST_CONTRAST_DB:
        raise AudioError(
            f"Inside the span the clip differs from its source by {inside_db:.1f} dB, outside by "
            f"{floor_db:.1f} dB: no edit is found there; check that the span is right."
        )
    last_s = pair.length / rate_hz
    start = end = None
    if start_s > CURVE_S:
        start = _edge_s(pair, start_s, (floor_db, inside_db), inward=1) - start_s
    if end_s < last_s - CURVE_S:
        end = _edge_s(pair, end_s, (floor_db, inside_db), inward=-1) - end_s
    return Extent(start, end, floor_db, inside_db)


def splice_back(
    source: FloatArray,
    edited: FloatArray,
    rate_hz: int,
    spans: Sequence[SpanSeconds],
    *,
    crossfade_s: float = 0.02,
) -> FloatArray:
    """Repair an edit: the source outside the spans, bit for bit, and the edit inside.

    The edit is first laid on the source in time and level (`alignment`). The crossfades lie
    inside the spans and keep the power constant whatever the two sides have in common.

    Parameters
    ----------
    source, edited : np.ndarray, float, shape (channels, n)
        Before and after, same rate.
    rate_hz : int
        Samples per second.
    spans : sequence of (start_s, end_s)
        What to keep of the edit; at least one.
    crossfade_s : float
        Length of the crossfade at each inner edge, at most half the span.

    Returns
    -------
    np.ndarray, float32, shape (channels, n of the source)
        The repaired clip.

    Raises
    ------
    AudioError
        As `audit_untouched`, and if there is no span or a crossfade does not fit.

    Examples
    --------
    >>> source, edited = np.zeros((2, 8000), np.float32), np.ones((2, 8000), np.float32)
    >>> repaired = splice_back(source, edited, 1000, [(2.0, 3.0)])
    >>> repaired[0, [1999, 2500, 3000]].tolist()
    [0.0, 1.0, 0.0]
    """
    if not spans:
        raise AudioError("There is no span to keep of the edit; name at least one.")
    source, edited = matched(source, edited, rate_hz)
    length = source.shape[1]
    ranges = sample_ranges(spans, rate_hz, length)
    fade = round(crossfade_s * rate_hz)
    if crossfade_s < 0 or any(2 * fade > stop - start for start, stop in ranges):
        raise AudioError(f"A crossfade of {crossfade_s:g} s does not fit twice into each span.")
    kept = outside(ranges, rate_hz, length)
    alignment = align(source, edited, rate_hz, kept)
    gain = alignment.gain if alignment.related else 1.0
    repaired = np.array(source, dtype=np.float32)
    for start, stop in ranges:
        lag = alignment.lag_samples
        inserted = read(edited, start + lag, stop + lag) / np.float32(gain)
        if start > 0:
            _fade_in(inserted[:, :fade], repaired[:, start : start + fade])
        if stop < length:
            _fade_in(inserted[:, ::-1][:, :fade], repaired[:, start:stop][:, ::-1][:, :fade])
        repaired[:, start:stop] = inserted
    return repaired


def _verdict(pair: Comparison, somewhere_changed: bool, rendered_again: bool) -> KeptVerdict:
    if pair.identical:
        return "identical"
    if somewhere_changed:
        return "changed"
    if pair.snr_db >= SAME_WAVEFORM_DB:
        return "same waveform"
    return "same music, rendered again" if rendered_again else "changed"


def _changed_stretches(pair: Comparison, limit_db: float) -> tuple[SpanSeconds, ...]:
    """Where, outside the spans, sound and waveform both differ."""
    sounds_different = (pair.difference_curve_db > _PLACE_FACTOR * limit_db) | (
        smoothed(pair.cosine) < _PLACE_CHROMA
    )
    # Noise of a codec may be audible where the music is soft, but the waveform is still there.
    block = np.minimum((pair.frame_times_s / CURVE_S).astype(int), len(pair.block_error) - 1)
    tolerated = pair.block_energy[block] * 10 ** (-_PLACE_SNR_DB / 10)
    changed = sounds_different & (pair.block_error[block] > tolerated) & pair.kept_frames
    labels, count = scipy.ndimage.label(changed)
    stretches = (np.flatnonzero(labels == label) for label in range(1, count + 1))
    return tuple(
        (float(frames[0] * FRAME_S), float((frames[-1] + 1) * FRAME_S))
        for frames in stretches
        if len(frames) * FRAME_S >= _SHORTEST_CHANGE_S
    )


def _edge_s(
    pair: Comparison, asked_s: float, levels_db: tuple[float, float], *, inward: int
) -> float:
    """Where the change ends, nearest to the asked edge; `inward` is 1 at a start, -1 at an end."""
    floor_db, inside_db = levels_db
    curve_db, times_s = pair.difference_curve_db, pair.frame_times_s
    edge_s = asked_s
    # The level at the edge depends on the edge and the edge on the level; a few rounds settle it.
    for _ in range(_EDGE_ROUNDS):
        half_way_db = (floor_db + max(inside_db, floor_db + _LEAST_CONTRAST_DB)) / 2
        crossings_s = _crossings_s(curve_db, half_way_db, inward)
        if not len(crossings_s):
            break
        edge_s = float(crossings_s[np.argmin(np.abs(crossings_s - asked_s))])
        depth_s = inward * (times_s - edge_s)
        near = (depth_s > CURVE_S / 2) & (depth_s < _EDGE_NEIGHBOURHOOD_S)
        if near.any():
            inside_db = float(np.median(curve_db[near]))
    return edge_s


def _crossings_s(curve_db: FloatArray, half_way_db: float, inward: int) -> npt.NDArray[np.float64]:
    """Where the curve rises (falls, if `inward` is -1) through a level and stays there for 1 s.

    New music may sound like the old for a moment; if no crossing lasts, all of them count.
    """
    above = curve_db > half_way_db
    steps = np.flatnonzero(np.diff(above.astype(int)) == inward) + 1
    lasting = [
        step
        for step in steps
        if inward * (_mean(curve_db[step : step + _LASTING_FRAMES]) - half_way_db) > 0
        and inward * (half_way_db - _mean(curve_db[max(0, step - _LASTING_FRAMES) : step])) > 0
    ]
    return (np.asarray(lasting if lasting else steps, dtype=np.float64) - 0.5) * FRAME_S


def _mean(values: FloatArray) -> float:
    return float(values.mean())


def _fade_in(inserted: FloatArray, original: FloatArray) -> None:
    """Turn the start of `inserted` into a crossfade from `original`, in place."""
    length = inserted.shape[1]
    if not length:
        return
    rising = (np.arange(length, dtype=np.float32) + 1) / (length + 1)
    energies = float(np.sum(inserted**2)), float(np.sum(original**2))
    in_common = 0.0
    if min(energies) > 0:
        in_common = float(np.sum(inserted * original)) / np.sqrt(energies[0] * energies[1])
    # Power of a weighted sum of two signals; what they have in common adds up in amplitude.
    power = rising**2 + (1 - rising) ** 2 + 2 * rising * (1 - rising) * max(in_common, 0.0)
    mixed = (rising * inserted + (1 - rising) * original) / np.sqrt(power)
    inserted[:] = mixed.astype(np.float32)
