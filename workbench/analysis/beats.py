"""When do the beats fall?

One beat per period of the estimated tempo. A rigid grid at that tempo is laid over the clip and
every beat may slip against it by up to 1/16 of a period from one beat to the next, at a cost: the
cheapest path through the onsets (Viterbi) follows a drift and holds through breaks.

Conventions: seconds from the first sample, rising. Half or twice the beats are as likely as half
or twice the tempo; nothing is folded.

References: Ellis, Beat Tracking by Dynamic Programming, JNMR 36(1) 2007; Davies, Degara &
Plumbley, Evaluation Methods for Musical Audio Beat Tracking, QMUL C4DM-TR-09-06, 2009 (scores).
"""

from __future__ import annotations

import numpy as np
import scipy.ndimage

from workbench.analysis.features import FRAME_RATE_HZ, ONSET_BANDS, Features, FloatArray
from workbench.analysis.pulse import DoubleArray
from workbench.analysis.tempo import Tempo

# The strongest rise shows this long before the onset: frames see half a window ahead.
_ONSET_LEAD_S = 0.004
_PLACES_PER_BEAT = 32
# Slips from beat to beat, in places, and the cost of one in units of a typical onset.
_SLIPS = np.arange(-2, 3)
_SLIP_COST = 0.3
# Kick and bass carry the beat more often than hats do.
_BAND_WEIGHTS = np.linspace(1.5, 0.5, ONSET_BANDS, dtype=np.float32)


def track_beats(features: Features, tempo: Tempo) -> DoubleArray:
    """Place the beats of a clip at its estimated tempo.

    Parameters
    ----------
    features : Features
        The clip.
    tempo : Tempo
        Its estimate, from `estimate_tempo`.

    Returns
    -------
    np.ndarray, float64, shape (beats,)
        Seconds, rising; empty when the tempo is undefined.

    Examples
    --------
    >>> from workbench.analysis.tempo import estimate_tempo
    >>> clicks = np.zeros((1, 12 * 22_050), dtype=np.float32)
    >>> clicks[0, 22_050 // 4 :: 22_050 // 2] = 1.0
    >>> features = Features(clicks, 22_050)
    >>> beats_s = track_beats(features, estimate_tempo(features))
    >>> bool(np.all(np.abs((beats_s - 0.25 + 0.25) % 0.5 - 0.25) < 0.02))
    True
    """
    if tempo.tempo_bpm is None:
        return np.empty(0)
    period_frames = 60 * FRAME_RATE_HZ / tempo.tempo_bpm
    onsets = _onsets_by_place(features.onset_bands, period_frames)
    slipped = _cheapest_slips(onsets)
    frames = (np.arange(len(onsets)) + slipped / _PLACES_PER_BEAT) * period_frames
    beats_s = frames / FRAME_RATE_HZ + _ONSET_LEAD_S
    kept: DoubleArray = beats_s[(beats_s >= 0) & (beats_s <= features.duration_s)]
    return kept


def _onsets_by_place(bands: FloatArray, period_frames: float) -> DoubleArray:
    """Onset strength at every place of every beat, (beats, places), typical onset about 1."""
    envelope = scipy.ndimage.gaussian_filter1d(_BAND_WEIGHTS @ bands, 1.0)
    beats = int(len(envelope) / period_frames)
    places = np.arange(beats * _PLACES_PER_BEAT) * (period_frames / _PLACES_PER_BEAT)
    onsets = np.interp(places, np.arange(len(envelope)), envelope)
    onsets /= onsets.std() or 1.0
    by_place: DoubleArray = onsets.reshape(beats, _PLACES_PER_BEAT)
    return by_place


def _cheapest_slips(onsets: DoubleArray) -> DoubleArray:
    """Slip of each beat against the grid in places, (beats,), not wrapped at the period."""
    places = np.arange(_PLACES_PER_BEAT)
    origins = (places - _SLIPS[:, None]) % _PLACES_PER_BEAT
    cost = _SLIP_COST * np.abs(_SLIPS)[:, None]
    reached, chosen = onsets[0], []
    for onset in onsets[1:]:
        candidates = reached[origins] - cost
        best = candidates.argmax(axis=0)
        chosen.append(_SLIPS[best])
        reached = onset + candidates[best, places]
    place = int(reached.argmax())
    slips = [place]
    for choice in reversed(chosen):
        slips.append(slips[-1] - int(choice[slips[-1] % _PLACES_PER_BEAT]))
    return np.array(slips[::-1], dtype=np.float64)
