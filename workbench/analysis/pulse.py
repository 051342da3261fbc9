"""How strongly does each tempo pulse in a stretch of music?

The evidence that estimate, verification, stability and beats read from. No prior on tempo and
no request enters here.

*Strength* of a tempo: the square root of the autocorrelation of the onset bands, read at 1 to 8
times the beat (two bars: with four beats, syncopated music is heard at 2/3 or 3/2 of its tempo),
times its *coherence*, the size of the Fourier transform of the summed bands at 1, 2 and 4 times
the tempo. The first knows bars but not fractions of a frame, the second the reverse.

Conventions: tempo in beats per minute (BPM), on a grid of 462 steps per octave (0.15 %) from 30
to 320 BPM; 462 makes octaves line up, so that a tempo's place on the grid modulo 462 is its
*phase*, the tempo with octaves forgotten.

References: Peeters, Template-based Estimation of Time-varying Tempo, EURASIP 2007 (autocorrelation
times Fourier transform); Davies & Plumbley, IEEE TASLP 15(3) 2007 (comb over several beats).
"""

from __future__ import annotations

from functools import cache, cached_property, lru_cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import scipy.fft

from workbench.analysis.features import FRAME_RATE_HZ, FloatArray

DoubleArray: TypeAlias = npt.NDArray[np.float64]

SLOWEST_BPM, FASTEST_BPM = 30.0, 320.0
STEPS_PER_OCTAVE = 462

_BEAT_MULTIPLES = np.arange(1, 9)
_FOURIER_MULTIPLES = ((1, 1.0), (2, 1.0), (4, 0.5))
# Lags beyond this share of the clip rest on too few frames.
_LONGEST_LAG_SHARE = 0.8
_LAGS_PER_FRAME = 4
_PLACES_PER_BEAT = 16
_REFINE_SPAN = 0.015
_REFINE_STEPS = 301


@cache
def tempo_grid_bpm() -> DoubleArray:
    """The tempos tried: 30 to 320 BPM, 462 per octave.

    Returns
    -------
    np.ndarray, float64, shape (1578,)
        BPM, rising.

    Examples
    --------
    >>> grid = tempo_grid_bpm()
    >>> bool(grid[0] == 30 and grid[-1] <= 320 and np.isclose(grid[STEPS_PER_OCTAVE], 60))
    True
    """
    steps = int(np.log2(FASTEST_BPM / SLOWEST_BPM) * STEPS_PER_OCTAVE)
    grid: DoubleArray = SLOWEST_BPM * 2.0 ** (np.arange(steps + 1) / STEPS_PER_OCTAVE)
    grid.setflags(write=False)
    return grid


class PulseEvidence:
    """Pulse strengths of a stretch of onset bands, each computed on first use.

    Of several stretches of one length at once, too, when `bands` has an axis more: then every
    array has it, and the readings of a single tempo are not for them.

    Parameters
    ----------
    bands : np.ndarray, float32, shape (bands, frames) or (stretches, bands, frames)
        Onset strength as `Features.onset_bands`, at least 6 s of it.
    grid_step : int
        Of the tempo grid, every so many tempos are tried; a divisor of 462.

    Examples
    --------
    >>> bands = np.zeros((8, 600), dtype=np.float32)
    >>> bands[:, ::20] = 1.0
    >>> evidence = PulseEvidence(bands)
    >>> round(float(evidence.refined_bpm(130.0)), 1)  # 60 * 43.07 / 20
    129.2
    """

    def __init__(self, bands: FloatArray, *, grid_step: int = 1) -> None:
        self.bands = bands
        self._grid_step = grid_step

    @cached_property
    def strength(self) -> DoubleArray:
        """Pulse strength on `tempo_grid_bpm()`, (1578,), 0..2.5; all zero without onsets."""
        grid_bpm = tempo_grid_bpm()[:: self._grid_step]
        correlation = np.maximum(self.beat_correlation, 0)
        return np.sqrt(correlation) * self.coherence(grid_bpm)

    @cached_property
    def phase_strength(self) -> DoubleArray:
        """Greatest strength over all octaves of each tempo phase, (462,); phase 0 is 30 BPM."""
        *stretches, tempos = self.strength.shape
        phases = STEPS_PER_OCTAVE // self._grid_step
        octaves = -(-tempos // phases)
        padded = np.zeros((*stretches, octaves * phases))
        padded[..., :tempos] = self.strength
        folded: DoubleArray = padded.reshape(*stretches, octaves, phases).max(axis=-2)
        return folded

    def strength_at(self, tempo_bpm: float) -> float:
        """Pulse strength of one tempo, read between the steps of the grid."""
        return float(np.interp(tempo_bpm, tempo_grid_bpm(), self.strength))

    def phase_contrast(self, tempo_bpm: float, tol_pct: float) -> float:
        """Strength near a tempo against that of all other tempos, octaves forgotten.

        Parameters
        ----------
        tempo_bpm : float
            A tempo, > 0.
        tol_pct : float
            What counts as near, in percent, > 0.

        Returns
        -------
        float
            Log of the ratio of the two greatest strengths; positive when the near one wins.
        """
        phases = np.arange(STEPS_PER_OCTAVE) / STEPS_PER_OCTAVE
        octaves = np.log2(tempo_bpm / SLOWEST_BPM)
        distance = np.abs((phases - octaves + 0.5) % 1 - 0.5)
        near = distance <= np.log2(1 + tol_pct / 100)
        strengths = self.phase_strength + np.finfo(np.float64).tiny
        return float(np.log(strengths[near].max() / strengths[~near].max()))

    @cached_property
    def onset_rate_hz(self) -> float:
        """Onsets per second: peaks of the summed bands above one standard deviation."""
        envelope = self.bands.sum(axis=0)
        here = envelope[1:-1]
        peaks = (here > envelope[:-2]) & (here >= envelope[2:]) & (here > envelope.std())
        return float(peaks.mean()) * FRAME_RATE_HZ

    def odd_beat_share(self, tempo_bpm: float) -> float:
        """Onset strength around every second beat over that around the others.

        Parameters
        ----------
        tempo_bpm : float
            A refined tempo.

        Returns
        -------
        float
            0..1; 0 when every second beat is empty, as at twice the tempo of a metronome.
        """
        envelope = self.bands.sum(axis=0, dtype=np.float64)
        beats = np.arange(len(envelope)) * (tempo_bpm / 60 / FRAME_RATE_HZ)
        places = (beats * _PLACES_PER_BEAT).astype(np.int64) % (2 * _PLACES_PER_BEAT)
        profile = np.bincount(places, weights=envelope, minlength=2 * _PLACES_PER_BEAT)
        profile = np.roll(profile, _PLACES_PER_BEAT // 2 - int(profile.argmax()))
        even, odd = profile.reshape(2, _PLACES_PER_BEAT).sum(axis=1)
        return float(min(odd / even, 1.0)) if even else 1.0

    def coherence(self, tempo_bpm: DoubleArray) -> DoubleArray:
        """Size of the Fourier transform of the summed bands at 1, 2 and 4 times the tempos.

        Parameters
        ----------
        tempo_bpm : np.ndarray, float64, shape (k,) or (stretches, k)
            Tempos, up to 320.

        Returns
        -------
        np.ndarray, float64, shape (k,) or (stretches, k)
            Weighted sum of sizes, 0..2.5; 2.5 for onsets as short as one frame, in perfect time.
        """
        sizes = self._fourier_size
        bins_per_bpm = (sizes.shape[-1] - 1) / (FRAME_RATE_HZ / 2 * 60)
        asked_bpm = np.broadcast_to(tempo_bpm, (*sizes.shape[:-1], tempo_bpm.shape[-1]))
        total = np.zeros(asked_bpm.shape)
        for multiple, weight in _FOURIER_MULTIPLES:
            places = multiple * bins_per_bpm * asked_bpm
            below = np.minimum(places.astype(np.intp), sizes.shape[-1] - 2)
            share = np.minimum(places - below, 1.0)
            total += weight * (1 - share) * np.take_along_axis(sizes, below, axis=-1)
            total += weight * share * np.take_along_axis(sizes, below + 1, axis=-1)
        return total

    @cached_property
    def beat_correlation(self) -> DoubleArray:
        """Autocorrelation of the bands on `tempo_grid_bpm()`, (1578,), -1..1.

        Mean over 1 to 8 beats weighted by 1 / sqrt(beats); about 0 for noise, 1 for exact
        repetition every beat.
        """
        below, weight_below, weight_above = _beat_reading(self.bands.shape[-1], self._grid_step)
        read = self._correlation[..., below] * weight_below
        read += self._correlation[..., below + 1] * weight_above
        mean: DoubleArray = read.sum(axis=-2)
        return mean

    def refined_bpm(self, tempo_bpm: float | DoubleArray) -> DoubleArray:
        """The peak of the coherence within 1.5 % of a tempo, or that tempo if there is none.

        Parameters
        ----------
        tempo_bpm : float, or np.ndarray, float64, shape (stretches,)
            A tempo known to a step of the grid.

        Returns
        -------
        np.ndarray, float64, shape () or (stretches,)
            BPM; a clip of 25 s resolves about 0.01 %.
        """
        rough_bpm = np.asarray(tempo_bpm, dtype=np.float64)[..., None]
        nearby_bpm = rough_bpm * np.exp(np.linspace(-_REFINE_SPAN, _REFINE_SPAN, _REFINE_STEPS))
        sizes = self.coherence(nearby_bpm)
        best = sizes.argmax(axis=-1, keepdims=True)
        inner = np.clip(best, 1, _REFINE_STEPS - 2)
        before, peak, after = (
            np.take_along_axis(sizes, inner + step, axis=-1) for step in (-1, 0, 1)
        )
        bend = np.minimum(before - 2 * peak + after, -np.finfo(np.float64).tiny)
        places = inner + np.clip(0.5 * (before - after) / bend, -0.5, 0.5)
        steps = places - _REFINE_STEPS // 2
        peak_bpm = rough_bpm * np.exp(steps * (2 * _REFINE_SPAN / (_REFINE_STEPS - 1)))
        refined: DoubleArray = np.where(best == inner, peak_bpm, rough_bpm)[..., 0]
        return refined

    @cached_property
    def _fourier_size(self) -> DoubleArray:
        envelope = self.bands.sum(axis=-2, dtype=np.float64)
        total = envelope.sum(axis=-1, keepdims=True)
        total[total == 0] = 1.0
        # Sixteen-fold zero padding: the linear reading between bins is then within 1 %.
        padded = 2 * scipy.fft.next_fast_len(8 * envelope.shape[-1], real=True)
        centred = envelope - envelope.mean(axis=-1, keepdims=True)
        sizes: DoubleArray = np.abs(scipy.fft.rfft(centred, padded)) / total
        return sizes

    @cached_property
    def _correlation(self) -> DoubleArray:
        """Unbiased autocorrelation summed over bands, four lags per frame, 1 at lag zero."""
        frames = self.bands.shape[-1]
        centred = self.bands - self.bands.mean(axis=-1, keepdims=True)
        padded = scipy.fft.next_fast_len(2 * frames, real=True)
        spectrum = scipy.fft.rfft(centred, padded)
        energy = (spectrum.real**2 + spectrum.imag**2).sum(axis=-2)
        # A longer inverse transform reads the correlation between whole lags.
        correlation = scipy.fft.irfft(energy, padded * _LAGS_PER_FRAME)
        correlation = correlation[..., : frames * _LAGS_PER_FRAME].astype(np.float64)
        at_zero = correlation[..., :1]
        overlap = 1 - np.arange(correlation.shape[-1]) / (frames * _LAGS_PER_FRAME)
        unbiased: DoubleArray = correlation / (overlap * np.where(at_zero == 0, 1.0, at_zero))
        return unbiased


@lru_cache(maxsize=4)
def _beat_reading(
    frames: int, grid_step: int
) -> tuple[npt.NDArray[np.intp], DoubleArray, DoubleArray]:
    """How to read 1 to 8 beats of every tempo of the grid between lags, all (8, tempos).

    The lag below each place, and the weights of that one and of the next. The same for all clips
    of a length, and for all windows of a clip: making it costs more than using it.
    """
    wanted = _BEAT_MULTIPLES[:, None] * (60 * FRAME_RATE_HZ / tempo_grid_bpm()[::grid_step])
    weights = (wanted <= _LONGEST_LAG_SHARE * frames) / np.sqrt(_BEAT_MULTIPLES[:, None])
    weights /= weights.sum(axis=0)
    places = wanted * _LAGS_PER_FRAME
    below = np.minimum(places.astype(np.intp), frames * _LAGS_PER_FRAME - 2)
    share = np.minimum(places - below, 1.0)
    return below, weights * (1 - share), weights * share
