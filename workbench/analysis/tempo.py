"""How fast is the music, how sure are we, and is it the tempo that was asked for?

Conventions: tempo in beats per minute (BPM); errors in percent, signed, positive when the music
is faster than asked. The estimate never sees the requested tempo. Half and double are never
chosen silently: the alternatives and the ratio class stand beside every number.

The recipe, on the pulse strengths of `pulse`:

1. The strongest tempo under a wide prior fixes the tempo up to octaves.
2. Among its octaves the square root of the strength decides together with a narrower prior and
   with the density of onsets (about two per beat): the preference for moderate tempos is about
   as strong as what is heard.
3. The peak is refined to the resolution of the whole clip, about 0.01 % for 25 s, far below the
   2 to 3 % that lie between two lags of whole frames.
4. Stability and drift come from `local_tempo`.

References: Parncutt, Music Perception 11(4) 1994, and van Noorden & Moelants, JNMR 28(1) 1999
(preferred tempo); Gouyon et al., IEEE TASLP 14(5) 2006 (accuracies 1 and 2 at 4 %).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from workbench.analysis.confidence import chance, folded_signs, octave_signs, weights
from workbench.analysis.features import Features
from workbench.analysis.local_tempo import follow_tempo
from workbench.analysis.products import on_one_thread
from workbench.analysis.pulse import (
    FASTEST_BPM,
    SLOWEST_BPM,
    DoubleArray,
    PulseEvidence,
    tempo_grid_bpm,
)
from workbench.errors import RequestError

RatioClass = Literal["same", "half", "double", "third", "triple", "other"]
MatchVerdict = Literal["match", "mismatch", "undecided"]

SHORTEST_S = 6.0
RATIOS: dict[RatioClass, float] = {
    "same": 1.0,
    "half": 1 / 2,
    "double": 2.0,
    "third": 1 / 3,
    "triple": 3.0,
}
RATIO_TOLERANCE_PCT = 4.0

# Quieter than this there is only the dither of an empty 16-bit file.
_SILENT_RMS = 1e-4
# Onset bands deviate by one, unless nothing in them ever gets louder.
_FAINTEST_ONSETS = 0.5
# Centre in BPM and width in octaves of the two log-normal priors.
_WIDE_PRIOR = (120.0, 0.9)
_OCTAVE_PRIOR = (125.0, 0.7)
_OCTAVE_STRENGTH_POWER = 0.5
_USUAL_ONSETS_PER_BEAT, _DENSITY_WEIGHT = 2.0, 0.4
# A tempo at which every second beat is empty is a subdivision nobody plays.
_EMPTY_BEATS_SHARE, _EMPTY_BEATS_COST = 0.05, 4.0
# Above this the whole clip has no sharp tempo, and the middle one of its windows stands for it.
_WANDERING_PCT = 1.5
# Where estimates are right less often than this, none is given.
_LEAST_CONFIDENCE = 0.2
# Beyond this band 1.5 % of decisions on the damaged tuning clips were wrong.
_UNDECIDED_BAND = 0.05


@dataclass(frozen=True)
class Alternative:
    """Another tempo the clip may be heard at; strength is relative to the estimate's, >= 0."""

    tempo_bpm: float
    tempo_ratio_class: RatioClass
    strength: float


@dataclass(frozen=True)
class Tempo:
    """The tempo of one clip, or the reason why it has none.

    Attributes
    ----------
    tempo_bpm : float or None
        None when undefined; `reason` then says why.
    confidence : float
        0..1, the chance that `tempo_bpm` is right within 4 %; 0 when undefined.
    confidence_folded : float
        0..1, the same with octaves allowed, never less; 0 when undefined.
    alternatives_bpm : tuple of Alternative
        Half, double, third and triple of the estimate with their strengths.
    stability_pct : float or None
        Standard deviation over mean of the local tempo; None under 12 s.
    drift_pct_per_min : float or None
        Slope of the local tempo, positive when the music speeds up; None under 12 s.
    reason : str
        Empty when the tempo is defined.
    """

    tempo_bpm: float | None
    confidence: float = 0.0
    confidence_folded: float = 0.0
    alternatives_bpm: tuple[Alternative, ...] = ()
    stability_pct: float | None = None
    drift_pct_per_min: float | None = None
    reason: str = ""


def estimate_tempo(features: Features, evidence: PulseEvidence | None = None) -> Tempo:
    """Estimate the tempo of a clip.

    Parameters
    ----------
    features : Features
        The clip.
    evidence : PulseEvidence, optional
        Of its onset bands, where that is at hand already.

    Returns
    -------
    Tempo
        Undefined, with a reason, when the clip is shorter than 6 s, silent or without pulse.

    Examples
    --------
    >>> clicks = np.zeros((1, 12 * 22_050), dtype=np.float32)
    >>> clicks[0, :: 22_050 // 2] = 1.0
    >>> round(estimate_tempo(Features(clicks, 22_050)).tempo_bpm)
    120
    """
    reason = _reason_undefined(features)
    if reason:
        return Tempo(tempo_bpm=None, reason=reason)
    evidence = evidence or PulseEvidence(features.onset_bands)
    tempo_bpm, margin = most_plausible(evidence)
    folded = chance(weights().folded, folded_signs(evidence, tempo_bpm))
    if folded < _LEAST_CONFIDENCE:
        return Tempo(tempo_bpm=None, reason="no pulse")
    local = follow_tempo(features.onset_bands, tempo_bpm)
    if local and local.stability_pct > _WANDERING_PCT:
        tempo_bpm = float(np.median(local.tempo_bpm))
    return Tempo(
        tempo_bpm=tempo_bpm,
        confidence=folded * chance(weights().octave, octave_signs(margin)),
        confidence_folded=folded,
        alternatives_bpm=_alternatives(evidence, tempo_bpm),
        stability_pct=local.stability_pct if local else None,
        drift_pct_per_min=local.drift_pct_per_min if local else None,
    )


def most_plausible(evidence: PulseEvidence) -> tuple[float, float]:
    """The tempo that steps 1 to 3 of the recipe choose, whether or not there is a pulse.

    Parameters
    ----------
    evidence : PulseEvidence
        Of the clip.

    Returns
    -------
    tempo_bpm : float
        30 to 320 BPM.
    margin : float
        How much more plausible it is than its next octave, log scale, >= 0.

    Examples
    --------
    >>> bands = np.zeros((8, 600), dtype=np.float32)
    >>> bands[:, ::20] = 1.0
    >>> round(most_plausible(PulseEvidence(bands))[0], 1)
    129.2
    """
    grid_bpm = tempo_grid_bpm()
    strongest = int(np.argmax(evidence.strength * np.exp(_log_prior(grid_bpm, _WIDE_PRIOR))))
    refined_bpm = float(evidence.refined_bpm(grid_bpm[strongest]))
    octaves_bpm = _octaves_of(refined_bpm)
    plausibility = _octave_plausibility(evidence, octaves_bpm)
    order = np.argsort(plausibility)
    margin = float(plausibility[order[-1]] - plausibility[order[-2]])
    return float(octaves_bpm[order[-1]]), margin


def tempo_error_pct(tempo_bpm: float, requested_bpm: float) -> float:
    """Signed error against the request, `100 (t / r - 1)`.

    Parameters
    ----------
    tempo_bpm, requested_bpm : float
        Measured and requested tempo, > 0.

    Returns
    -------
    float
        Percent, > -100.

    Raises
    ------
    RequestError
        If a tempo is not positive.

    Examples
    --------
    >>> round(tempo_error_pct(121.0, 110.0), 6)
    10.0
    """
    return 100 * (_ratio(tempo_bpm, requested_bpm) - 1)


def tempo_folded_error_pct(tempo_bpm: float, requested_bpm: float) -> float:
    """Signed error after removing whole octaves.

    Parameters
    ----------
    tempo_bpm, requested_bpm : float
        Measured and requested tempo, > 0.

    Returns
    -------
    float
        Percent, -29.3 to 41.4. Show it beside the raw error, never instead.

    Raises
    ------
    RequestError
        If a tempo is not positive.

    Examples
    --------
    >>> round(tempo_folded_error_pct(60.6, 120.0), 6), tempo_folded_error_pct(480.0, 120.0)
    (1.0, 0.0)
    """
    octaves = (np.log2(_ratio(tempo_bpm, requested_bpm)) + 0.5) % 1 - 0.5
    return float(100 * (2**octaves - 1))


def tempo_ratio_class(tempo_bpm: float, requested_bpm: float) -> RatioClass:
    """Which simple multiple of the request was measured, within 4 %.

    Parameters
    ----------
    tempo_bpm, requested_bpm : float
        Measured and requested tempo, > 0.

    Returns
    -------
    str
        same, half, double, third, triple or other.

    Raises
    ------
    RequestError
        If a tempo is not positive.

    Examples
    --------
    >>> [tempo_ratio_class(t, 120.0) for t in (121.0, 60.0, 240.0, 40.0, 360.0, 90.0)]
    ['same', 'half', 'double', 'third', 'triple', 'other']
    """
    ratio = _ratio(tempo_bpm, requested_bpm)
    nearest = min(RATIOS, key=lambda name: abs(np.log(ratio / RATIOS[name])))
    within = abs(ratio / RATIOS[nearest] - 1) <= RATIO_TOLERANCE_PCT / 100
    return nearest if within else "other"


def verify_tempo(
    evidence: PulseEvidence, requested_bpm: float, *, tol_pct: float = 2.0
) -> tuple[MatchVerdict, float]:
    """Is the clip at the requested tempo, octaves allowed?

    Asks less than an estimate: only whether the best tempo near the request, in any octave,
    pulses more strongly than the best one elsewhere.

    Parameters
    ----------
    evidence : PulseEvidence
        Of the clip.
    requested_bpm : float
        Requested tempo, > 0.
    tol_pct : float
        How far a match may be off, 2 % unless comparing with publications, which use 4 %.

    Returns
    -------
    verdict : str
        match, mismatch, or undecided inside the band where more than 5 % would be wrong.
    score : float
        Log of the ratio of the two strengths; positive for a match. Means nothing for a clip
        whose tempo is undefined: estimate first.

    Raises
    ------
    RequestError
        If the requested tempo is not positive.

    Examples
    --------
    >>> clicks = np.zeros((1, 12 * 22_050), dtype=np.float32)
    >>> clicks[0, :: 22_050 // 2] = 1.0
    >>> evidence = PulseEvidence(Features(clicks, 22_050).onset_bands)
    >>> verify_tempo(evidence, 60.0)[0], verify_tempo(evidence, 100.0)[0]
    ('match', 'mismatch')
    """
    _check_tempos(requested_bpm)
    score = evidence.phase_contrast(requested_bpm, tol_pct)
    if abs(score) < _UNDECIDED_BAND:
        return "undecided", score
    return ("match" if score > 0 else "mismatch"), score


def octave_margin(evidence: PulseEvidence, requested_bpm: float) -> float:
    """How much more plausible the requested octave is than the best other one.

    Parameters
    ----------
    evidence : PulseEvidence
        Of the clip.
    requested_bpm : float
        Requested tempo, 30 to 320 BPM.

    Returns
    -------
    float
        Log scale; positive when the clip is more likely tapped at the request than at its half,
        double or further octaves. With the score of `verify_tempo`, the smaller of the two
        verifies a tempo octave-strictly.

    Raises
    ------
    RequestError
        If the requested tempo is outside 30 to 320 BPM.

    Examples
    --------
    >>> bands = np.zeros((8, 600), dtype=np.float32)
    >>> bands[:, ::20] = 1.0
    >>> octave_margin(PulseEvidence(bands), 129.2) > 0 > octave_margin(PulseEvidence(bands), 64.6)
    True
    """
    if not SLOWEST_BPM <= requested_bpm <= FASTEST_BPM:
        raise RequestError(
            f"requested_bpm is {requested_bpm!r}; octaves are told apart from "
            f"{SLOWEST_BPM:.0f} to {FASTEST_BPM:.0f} BPM."
        )
    octaves_bpm = _octaves_of(requested_bpm)
    plausibility = _octave_plausibility(evidence, octaves_bpm)
    own = np.isclose(octaves_bpm, requested_bpm)
    return float(plausibility[own].max() - plausibility[~own].max())


def _alternatives(evidence: PulseEvidence, tempo_bpm: float) -> tuple[Alternative, ...]:
    own = evidence.strength_at(tempo_bpm) or 1.0
    return tuple(
        Alternative(tempo_bpm * ratio, name, evidence.strength_at(tempo_bpm * ratio) / own)
        for name, ratio in RATIOS.items()
        if name != "same" and SLOWEST_BPM <= tempo_bpm * ratio <= FASTEST_BPM
    )


def _check_tempos(*tempos_bpm: float) -> None:
    for tempo_bpm in tempos_bpm:
        if not tempo_bpm > 0:
            raise RequestError(f"a tempo is {tempo_bpm!r} BPM; it must be above zero.")


def _log_prior(tempo_bpm: DoubleArray, prior: tuple[float, float]) -> DoubleArray:
    """Log of a log-normal prior, 0 at its centre."""
    centre_bpm, width_octaves = prior
    weight: DoubleArray = -0.5 * (np.log2(tempo_bpm / centre_bpm) / width_octaves) ** 2
    return weight


def _octave_plausibility(evidence: PulseEvidence, tempo_bpm: DoubleArray) -> DoubleArray:
    """How likely each of some octaves of one tempo is the one people tap, log scale."""
    strength = np.interp(tempo_bpm, tempo_grid_bpm(), evidence.strength)
    onsets_per_beat = evidence.onset_rate_hz * 60 / tempo_bpm
    excess = np.log((onsets_per_beat + 0.1) / (_USUAL_ONSETS_PER_BEAT + 0.1))
    empty = np.array([evidence.odd_beat_share(bpm) < _EMPTY_BEATS_SHARE for bpm in tempo_bpm])
    return (
        _OCTAVE_STRENGTH_POWER * np.log(strength + 1e-9)
        + _log_prior(tempo_bpm, _OCTAVE_PRIOR)
        - _DENSITY_WEIGHT * excess**2
        - _EMPTY_BEATS_COST * empty
    )


def _octaves_of(tempo_bpm: float) -> DoubleArray:
    octaves_bpm: DoubleArray = np.ldexp(tempo_bpm, np.arange(-4, 5))
    # A refined 30 BPM may come out as 29.99.
    slowest_bpm = 0.985 * SLOWEST_BPM
    return octaves_bpm[(octaves_bpm >= slowest_bpm) & (octaves_bpm <= FASTEST_BPM)]


def _ratio(tempo_bpm: float, requested_bpm: float) -> float:
    _check_tempos(tempo_bpm, requested_bpm)
    return tempo_bpm / requested_bpm


@on_one_thread
def _reason_undefined(features: Features) -> str:
    if features.duration_s < SHORTEST_S:
        return f"too short: {features.duration_s:.1f} s, and a tempo needs {SHORTEST_S:.0f} s"
    mono = features.mono
    if float(np.dot(mono, mono)) <= _SILENT_RMS**2 * len(mono):
        return "silent"
    if features.onset_bands.std(axis=1).max() < _FAINTEST_ONSETS:
        return "no onsets"
    return ""
