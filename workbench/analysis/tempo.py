"""How fast is the music, how sure are we, and is it the tempo that was asked for?

Conventions: tempo in beats per minute (BPM); errors in percent, signed, positive when the music
is faster than asked. The estimate never sees the requested tempo. Half and double are never
chosen silently: the alternatives and the ratio class stand beside every number.

The recipe, on the shared onset bands of `features`:

1. *Pulse strength* of a tempo, on a grid of 462 steps per octave (0.15 %) from 30 to 320 BPM:
   the square root of the autocorrelation of the bands, read at 1 to 8 times the beat (two bars:
   with four beats, syncopated music is heard at 2/3 or 3/2 of its tempo), times the size of the
   Fourier transform of the summed bands at 1, 2 and 4 times the tempo.
2. The estimate is the strongest tempo under a prior for the octave that people tap.
3. It is refined within 1.5 % on the Fourier transform alone, which a whole clip resolves to
   about 0.01 %, far below the 2 to 3 % that lie between two lags of whole frames.
4. Stability and drift come from the same strengths in windows of 8 s, followed as one smooth path.

References: Ellis, Beat Tracking by Dynamic Programming, JNMR 2007 (the log-normal prior);
Peeters, Template-based Estimation of Time-varying Tempo, EURASIP 2007 (autocorrelation times
Fourier transform); Gouyon et al., IEEE TASLP 14(5) 2006 (accuracies 1 and 2 at 4 %).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import scipy.fft

from workbench.analysis.features import FRAME_RATE_HZ, Features, FloatArray
from workbench.errors import RequestError

RatioClass = Literal["same", "half", "double", "third", "triple", "other"]
MatchVerdict = Literal["match", "mismatch", "undecided"]

SHORTEST_S = 6.0
SLOWEST_BPM, FASTEST_BPM = 30.0, 320.0
RATIOS: dict[RatioClass, float] = {
    "same": 1.0,
    "half": 1 / 2,
    "double": 2.0,
    "third": 1 / 3,
    "triple": 3.0,
}
RATIO_TOLERANCE_PCT = 4.0

# 462 steps per octave is 0.15 %, and makes octaves line up on the grid.
STEPS_PER_OCTAVE = 462
_BEAT_MULTIPLES = np.arange(1, 9)
_FOURIER_MULTIPLES = ((1, 1.0), (2, 1.0), (4, 0.5))
# Lags beyond this share of the clip rest on too few frames.
_LONGEST_LAG_SHARE = 0.8
_LAGS_PER_FRAME = 4
# Quieter than this there is only the dither of an empty 16-bit file.
_SILENT_RMS = 1e-4
_PRIOR_CENTRE_BPM, _PRIOR_WIDTH_OCTAVES = 120.0, 0.9
_REFINE_SPAN = 0.015
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
    alternatives_bpm: tuple[Alternative, ...] = ()
    stability_pct: float | None = None
    drift_pct_per_min: float | None = None
    reason: str = ""


def tempo_grid_bpm() -> npt.NDArray[np.float64]:
    """The tempos tried: 30 to 320 BPM, 462 per octave.

    Returns
    -------
    np.ndarray, float64, shape (1578,)

    Examples
    --------
    >>> grid = tempo_grid_bpm()
    >>> bool(grid[0] == 30 and grid[-1] <= 320 and np.isclose(grid[STEPS_PER_OCTAVE], 60))
    True
    """
    steps = int(np.log2(FASTEST_BPM / SLOWEST_BPM) * STEPS_PER_OCTAVE)
    return SLOWEST_BPM * 2.0 ** (np.arange(steps + 1) / STEPS_PER_OCTAVE)


class PulseEvidence:
    """How strongly each tempo pulses in a stretch of onset bands; no prior, no request.

    Parameters
    ----------
    bands : np.ndarray, float32, shape (bands, frames)
        Onset strength, as `Features.onset_bands`.
    """

    def __init__(self, bands: FloatArray) -> None:
        self.bands = bands

    @cached_property
    def strength(self) -> npt.NDArray[np.float64]:
        """Pulse strength on `tempo_grid_bpm()`, (1578,), >= 0; all zero without onsets."""
        grid_bpm = tempo_grid_bpm()
        correlation = np.maximum(self._beat_correlation(grid_bpm), 0)
        return np.sqrt(correlation) * self.coherence(grid_bpm)

    @cached_property
    def phase_strength(self) -> npt.NDArray[np.float64]:
        """Greatest strength over all octaves of each tempo phase, (462,); phase 0 is 30 BPM."""
        octaves = -(-len(self.strength) // STEPS_PER_OCTAVE)
        padded = np.zeros(octaves * STEPS_PER_OCTAVE)
        padded[: len(self.strength)] = self.strength
        folded: npt.NDArray[np.float64] = padded.reshape(octaves, STEPS_PER_OCTAVE).max(axis=0)
        return folded

    def coherence(self, tempo_bpm: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Size of the Fourier transform of the summed bands at 1, 2 and 4 times the tempos.

        Parameters
        ----------
        tempo_bpm : np.ndarray, float64, shape (k,)
            Tempos.

        Returns
        -------
        np.ndarray, float64, shape (k,)
            Weighted sum of sizes, 0..2.5; 2.5 for onsets as short as one frame, in perfect time.
        """
        sizes = self._fourier_size
        bins_per_bpm = (len(sizes) - 1) / (FRAME_RATE_HZ / 2 * 60)
        positions = np.arange(len(sizes))
        return sum(
            (
                weight * np.interp(multiple * tempo_bpm * bins_per_bpm, positions, sizes)
                for multiple, weight in _FOURIER_MULTIPLES
            ),
            start=np.zeros(len(tempo_bpm)),
        )

    @cached_property
    def _fourier_size(self) -> npt.NDArray[np.float64]:
        envelope = self.bands.sum(axis=0)
        total = float(envelope.sum())
        # Sixteen-fold zero padding: the linear reading between bins is then within 1 %.
        padded = 2 * scipy.fft.next_fast_len(8 * len(envelope), real=True)
        spectrum = scipy.fft.rfft(envelope - envelope.mean(), padded)
        return np.abs(spectrum).astype(np.float64) / (total or 1.0)

    def _beat_correlation(self, tempo_bpm: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Mean of the autocorrelation at 1 to 8 beats, weighted by 1 / sqrt(beats)."""
        frames = self.bands.shape[1]
        padded = scipy.fft.next_fast_len(2 * frames, real=True)
        spectrum = scipy.fft.rfft(self.bands, padded, axis=1)
        energy = (spectrum.real**2 + spectrum.imag**2).sum(axis=0)
        # A longer inverse transform reads the correlation between whole lags.
        correlation = scipy.fft.irfft(energy, padded * _LAGS_PER_FRAME)
        correlation = correlation[: frames * _LAGS_PER_FRAME].astype(np.float64)
        lags = np.arange(len(correlation)) / _LAGS_PER_FRAME
        correlation /= (frames - lags) * (correlation[0] / frames or 1.0)
        wanted = _BEAT_MULTIPLES[:, None] * (60 * FRAME_RATE_HZ / tempo_bpm)
        weights = (wanted <= _LONGEST_LAG_SHARE * frames) / np.sqrt(_BEAT_MULTIPLES[:, None])
        values = np.interp(wanted.ravel(), lags, correlation).reshape(wanted.shape)
        total: npt.NDArray[np.float64] = (values * weights).sum(axis=0) / weights.sum(axis=0)
        return total


def estimate_tempo(features: Features) -> Tempo:
    """Estimate the tempo of a clip.

    Parameters
    ----------
    features : Features
        The clip.

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
    evidence = PulseEvidence(features.onset_bands)
    grid_bpm = tempo_grid_bpm()
    chosen = int(np.argmax(evidence.strength * _octave_prior(grid_bpm)))
    tempo_bpm = _refined_bpm(evidence, float(grid_bpm[chosen]))
    return Tempo(
        tempo_bpm=tempo_bpm,
        confidence=0.5,
        alternatives_bpm=_alternatives(evidence, tempo_bpm),
    )


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
        Log of the ratio of the two strengths; positive for a match.

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
    octaves = np.log2(_ratio(requested_bpm, SLOWEST_BPM))
    phases = np.arange(STEPS_PER_OCTAVE) / STEPS_PER_OCTAVE
    distance = np.abs((phases - octaves + 0.5) % 1 - 0.5)
    near = distance <= np.log2(1 + tol_pct / 100)
    tiny = np.finfo(np.float64).tiny
    strengths = evidence.phase_strength + tiny
    score = float(np.log(strengths[near].max() / strengths[~near].max()))
    if abs(score) < _UNDECIDED_BAND:
        return "undecided", score
    return ("match" if score > 0 else "mismatch"), score


def _alternatives(evidence: PulseEvidence, tempo_bpm: float) -> tuple[Alternative, ...]:
    grid_bpm = tempo_grid_bpm()
    own = np.interp(tempo_bpm, grid_bpm, evidence.strength) or 1.0
    return tuple(
        Alternative(
            tempo_bpm=tempo_bpm * ratio,
            tempo_ratio_class=name,
            strength=float(np.interp(tempo_bpm * ratio, grid_bpm, evidence.strength) / own),
        )
        for name, ratio in RATIOS.items()
        if name != "same" and SLOWEST_BPM <= tempo_bpm * ratio <= FASTEST_BPM
    )


def _octave_prior(tempo_bpm: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    octaves = np.log2(tempo_bpm / _PRIOR_CENTRE_BPM)
    prior: npt.NDArray[np.float64] = np.exp(-0.5 * (octaves / _PRIOR_WIDTH_OCTAVES) ** 2)
    return prior


def _ratio(tempo_bpm: float, requested_bpm: float) -> float:
    if not (tempo_bpm > 0 and requested_bpm > 0):
        raise RequestError(
            f"tempos are {tempo_bpm!r} and {requested_bpm!r} BPM; both must be above zero."
        )
    return tempo_bpm / requested_bpm


def _reason_undefined(features: Features) -> str:
    if features.duration_s < SHORTEST_S:
        return f"too short: {features.duration_s:.1f} s, and a tempo needs {SHORTEST_S:.0f} s"
    mono = features.mono
    if float(np.dot(mono, mono)) <= _SILENT_RMS**2 * len(mono):
        return "silent"
    return ""


def _refined_bpm(evidence: PulseEvidence, tempo_bpm: float) -> float:
    """Peak of the coherence within 1.5 %, to the resolution of the whole clip."""
    nearby_bpm = tempo_bpm * np.exp(np.linspace(-_REFINE_SPAN, _REFINE_SPAN, 301))
    sizes = evidence.coherence(nearby_bpm)
    best = int(np.argmax(sizes))
    if best in (0, len(sizes) - 1):
        return tempo_bpm
    before, peak, after = sizes[best - 1 : best + 2]
    bend = before - 2 * peak + after
    offset = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return float(nearby_bpm[best] + offset * (nearby_bpm[best + 1] - nearby_bpm[best]))
