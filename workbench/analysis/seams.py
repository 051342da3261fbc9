"""Can the edge of an edit be heard, and by what?

The statistics of `seam_stats` are read at the edge and at 40 control times of the same clip, none
within 1.2 s of an edge: whole beats away from it, as far as there are, because an onset is no
surprise on a beat. Each becomes a robust z, `(value - median) / (spread + grain)` for most, where
the spread is the larger of 1.4826 MAD and (95 % quantile - median) / 1.645: the clip is its own
normal, rare large changes included. With the MAD alone 12 % of 120 untouched places in real clips
passed the bound of 5 % alarms; with this spread 5 % do. The grain of a statistic is what counts as
no spread at all. One classifier makes a score of all z; its numbers lie in `data/seams.json`, with
the recipe of `python -m workbench.analysis.fit_seams`.

Conventions: samples (channels, n), full scale at 1.0; times in seconds from the first sample. A
score lies in 0..1 and is no probability: read it through its false-alarm rate, the share of
untouched places that score as high. "None found" is not "inaudible".

Offered: `measure_seam` for one edge of an inpaint or outpaint, `seam_excess` against the source,
`loop_seam` for the wrap-around of a clip that is played in a loop.

References: Rousseeuw and Croux, J. Am. Stat. Assoc. 88, 1993 (median absolute deviation as a
scale); Pearl, Probabilistic Reasoning in Intelligent Systems, 1988, section 4.3 (noisy or);
Friberg and Sundberg, J. Acoust. Soc. Am. 98, 1995 (just noticeable timing: 2.5 % of the interval,
6 ms below 240 ms).
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from workbench.analysis.features import Features
from workbench.analysis.products import DoubleArray
from workbench.analysis.seam_classifier import SeamVerdict, stored_classifier
from workbench.analysis.seam_names import STATISTICS
from workbench.analysis.seam_stats import LONGEST_S, SeamReader
from workbench.analysis.tempo import estimate_tempo
from workbench.errors import AudioError

CONTROLS = 40
"""Control times per edge."""

_FROM_ENDS_S = 2.0  # half of the longest window is left
_FROM_EDGES_S = 1.2
# Controls whose own windows are clear of the edge are preferred; this many are used at least.
_CONTROLS_AT_LEAST = 24
_CONTEXT_S = 30.0
_SILENT_RMS = 1e-4
_SHARES_OF_USUAL = 5
# 2.5 % of the beat at 120 BPM.
_SLIP_JND_MS = 12.5
_LEVEL_JND_DB = 1.0


@dataclass(frozen=True)
class Seam:
    """One edge, measured.

    Parameters
    ----------
    edge_s : float
        Where it is.
    score : float
        0..1, higher for an edge that stands out more.
    verdict : str
        clear, possible or none found.
    false_alarm_rate : float
        Share of untouched places that score as high, 0..1.
    reasons : tuple of str
        What stands out beyond the clip's own 95 % limit, worst first; empty if nothing does.
    statistics : mapping of str to float
        The statistics at the edge, by name, in their own units.
    z : mapping of str to float
        The same as robust deviations from the control times.
    severity_jnd : mapping of str to float
        Level step (per 1 dB), beat slip (per 12.5 ms, which is 2.5 % of a beat at 120 BPM) and
        spectral step (per 95 % limit of the clip) in just noticeable differences.
    elsewhere : tuple of float
        Scores of the clip's own control times, 0..1: what is normal in this music.
    """

    edge_s: float
    score: float
    verdict: SeamVerdict
    false_alarm_rate: float
    reasons: tuple[str, ...]
    statistics: MappingProxyType[str, float]
    z: MappingProxyType[str, float]
    severity_jnd: MappingProxyType[str, float]
    elsewhere: tuple[float, ...]


@dataclass(frozen=True)
class SeamExcess:
    """What an edit added at an edge to what the source had there.

    Parameters
    ----------
    edited, source : Seam
        The same place in both.
    score : float
        Score of the edited clip minus that of the source, -1..1.
    statistics : mapping of str to float
        Statistic in the edited clip minus the same in the source, in its own unit.
    reasons : tuple of str
        Reasons that the source does not have, worst first.
    """

    edited: Seam
    source: Seam
    score: float
    statistics: MappingProxyType[str, float]
    reasons: tuple[str, ...]


def measure_seam(
    samples: npt.NDArray[np.floating],
    rate_hz: int,
    edge_s: float,
    *,
    avoid_s: tuple[float, ...] = (),
) -> Seam:
    """Measure one edge against the clip around it, up to 30 s on either side.

    Parameters
    ----------
    samples : np.ndarray, float, shape (channels, n)
        The edited clip.
    rate_hz : int
        Its rate.
    edge_s : float
        Where the edit begins or ends, at least 4 s from both ends of the clip.
    avoid_s : tuple of float
        The other edges of the clip: no control time lies near them, no window crosses them.

    Returns
    -------
    Seam
        Score, verdict with its false-alarm rate, reasons and statistics.

    Raises
    ------
    AudioError
        If less than 4 s lie on one side, the clip is silent around the edge, or the edges leave
        no room for control times.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 0.1, (1, 16 * 8_000)).astype(np.float32)
    >>> measure_seam(noise, 8_000, 8.0).verdict
    'none found'
    >>> noise[:, 8 * 8_000 :] *= 2
    >>> seam = measure_seam(noise, 8_000, 8.0)
    >>> seam.verdict, round(seam.severity_jnd["level"])
    ('clear', 6)
    """
    _check(samples, rate_hz, edge_s)
    first_s = max(0.0, edge_s - _CONTEXT_S)
    first = round(first_s * rate_hz)
    stretch = samples[:, first : round((edge_s + _CONTEXT_S) * rate_hz)].astype(np.float32)
    if float(np.sqrt(np.mean(stretch**2))) < _SILENT_RMS:
        raise AudioError(f"the clip is silent around {edge_s:.2f} s: no edge can be measured.")
    # The edge keeps its place between samples, the stretch starts on one.
    breaks_s = tuple(time_s - first / rate_hz for time_s in (edge_s, *avoid_s))
    values, controls = edge_readings(stretch, rate_hz, breaks_s)
    return _seam(edge_s, values, controls)


def seam_excess(
    edited: npt.NDArray[np.floating],
    source: npt.NDArray[np.floating],
    rate_hz: int,
    edge_s: float,
    *,
    avoid_s: tuple[float, ...] = (),
) -> SeamExcess:
    """What the edit added at an edge, so that a drum fill of the source is not blamed on it.

    Parameters
    ----------
    edited, source : np.ndarray, float, shape (channels, n)
        The clip after and before the edit, in the same time.
    rate_hz : int
        Rate of both.
    edge_s : float
        The edge, at least 4 s from both ends of both clips.
    avoid_s : tuple of float
        The other edges of the edited clip.

    Returns
    -------
    SeamExcess
        Both seams and their differences. Compare with an edit that changed nothing but the
        codec, not with zero.

    Raises
    ------
    AudioError
        As `measure_seam`, for either clip.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 0.1, (1, 16 * 8_000)).astype(np.float32)
    >>> louder = noise.copy()
    >>> louder[:, 8 * 8_000 :] *= 2
    >>> excess = seam_excess(louder, noise, 8_000, 8.0)
    >>> excess.score > 0.5, round(excess.statistics["level_4s"])
    (True, 6)
    """
    after = measure_seam(edited, rate_hz, edge_s, avoid_s=avoid_s)
    before = measure_seam(source, rate_hz, edge_s, avoid_s=avoid_s)
    added = {name: value - before.statistics[name] for name, value in after.statistics.items()}
    return SeamExcess(
        edited=after,
        source=before,
        score=after.score - before.score,
        statistics=MappingProxyType(added),
        reasons=tuple(reason for reason in after.reasons if reason not in before.reasons),
    )


def loop_seam(samples: npt.NDArray[np.floating], rate_hz: int) -> Seam:
    """Measure the wrap-around of a clip that is played in a loop: its end meets its start.

    Parameters
    ----------
    samples : np.ndarray, float, shape (channels, n)
        The clip, at least 4 s.
    rate_hz : int
        Its rate.

    Returns
    -------
    Seam
        With `edge_s` at the end of the clip.

    Raises
    ------
    AudioError
        If the clip is shorter than 4 s or silent.

    Examples
    --------
    >>> phase = 2 * np.pi * 220 * np.arange(8 * 8_000) / 8_000
    >>> tone = np.sin(phase).astype(np.float32)[None] * 0.3
    >>> tone += np.random.default_rng(0).normal(0, 0.01, tone.shape).astype(np.float32)
    >>> loop_seam(tone, 8_000).verdict
    'none found'
    """
    twice = np.concatenate([samples, samples], axis=1)
    return measure_seam(twice, rate_hz, samples.shape[1] / rate_hz)


def control_times_s(
    duration_s: float, edges_s: tuple[float, ...], beat_s: float | None = None
) -> DoubleArray:
    """Where the clip is read to learn what is normal in it.

    Music changes more on its beats than between them, so an edge is read against places that lie
    whole beats from it, as many as there are; the others lie evenly over the clip.

    Parameters
    ----------
    duration_s : float
        Length of the clip.
    edges_s : tuple of float
        The edge to measure, then all others; no control lies within 1.2 s of one.
    beat_s : float, optional
        Length of a beat, > 0; None if the clip has no pulse.

    Returns
    -------
    np.ndarray, float64, shape (40,)
        In order, 2 s from both ends.

    Raises
    ------
    AudioError
        If less than half a second is left.

    Examples
    --------
    >>> times_s = control_times_s(24.0, (12.0,), beat_s=0.5)
    >>> len(times_s), float(np.abs(times_s - 12.0).min()) >= 1.2
    (40, True)
    >>> int((times_s[times_s < 10] % 0.5 == 0).sum())
    17
    """
    hundredths = np.arange(int(100 * duration_s)) / 100
    evenly = _allowed(hundredths, duration_s, edges_s)
    if len(evenly) < CONTROLS:
        raise AudioError(
            "the edges leave no room for control times; measure a longer clip, or its edges apart."
        )
    alike = np.empty(0)
    if beat_s is not None:
        furthest = int(duration_s / beat_s)
        beats_s = edges_s[0] + beat_s * np.arange(-furthest, furthest + 1.0)
        alike = _spread(_allowed(beats_s, duration_s, edges_s), CONTROLS)
    return np.sort(np.concatenate([alike, _spread(evenly, CONTROLS - len(alike))]))


def _allowed(times_s: DoubleArray, duration_s: float, edges_s: tuple[float, ...]) -> DoubleArray:
    inside = (times_s >= _FROM_ENDS_S) & (times_s <= duration_s - _FROM_ENDS_S)
    for edge_s in edges_s:
        inside &= np.abs(times_s - edge_s) >= _FROM_EDGES_S
    return times_s[inside]


def _spread(times_s: DoubleArray, most: int) -> DoubleArray:
    """At most so many of them, from the first to the last."""
    count = min(most, len(times_s))
    chosen: DoubleArray = times_s[np.linspace(0, len(times_s) - 1, count).astype(int)]
    return chosen


def _beat_s(samples: npt.NDArray[np.float32], rate_hz: int) -> float | None:
    tempo_bpm = estimate_tempo(Features(samples, rate_hz)).tempo_bpm
    return None if tempo_bpm is None else 60 / tempo_bpm


def edge_readings(
    samples: npt.NDArray[np.float32], rate_hz: int, edges_s: tuple[float, ...]
) -> tuple[DoubleArray, DoubleArray]:
    """Read the first of some edges and its control times.

    Parameters
    ----------
    samples : np.ndarray, float32, shape (channels, n)
        The stretch to read.
    rate_hz : int
        Its rate.
    edges_s : tuple of float
        The edge to measure, then all others.

    Returns
    -------
    values : np.ndarray, float64, shape (statistics,)
        The statistics at the edge.
    controls : np.ndarray, float64, shape (40, statistics)
        The statistics at the control times; NaN where a control is too near the edge for the
        reach of the statistic.

    Raises
    ------
    AudioError
        If the edges leave no room for control times.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(0, 0.1, (1, 16 * 8_000)).astype(np.float32)
    >>> values, controls = edge_readings(noise, 8_000, (8.0,))
    >>> values.shape == controls.shape[1:], len(controls)
    (True, 40)
    """
    beat_s = _beat_s(samples, rate_hz)
    times_s = control_times_s(samples.shape[1] / rate_hz, edges_s, beat_s)
    table = SeamReader(samples, rate_hz).read(
        np.concatenate([[edges_s[0]], times_s]), breaks_s=edges_s
    )
    return table[0], _clear_of_the_edge(table[1:], np.abs(times_s - edges_s[0]))


def robust_z(values: DoubleArray, controls: DoubleArray) -> DoubleArray:
    """How far values lie beyond what is usual at the controls.

    The deviation from the median of the controls, in units of their spread plus the grain; for a
    statistic from zero, the value itself in units of a fifth of its usual size plus grain, because
    a median of 40 controls, many of them cut short by the edge, brings its own noise.

    Parameters
    ----------
    values : np.ndarray, float64, shape (..., statistics)
        At the edge.
    controls : np.ndarray, float64, shape (K, statistics)
        At the control times; NaN is left out.

    Returns
    -------
    np.ndarray, float64, shape (..., statistics)

    Examples
    --------
    >>> controls = np.zeros((40, len(STATISTICS)))
    >>> grains = np.array([statistic.grain for statistic in STATISTICS])
    >>> np.unique(robust_z(2 * grains, controls).round(6)).tolist()
    [2.0, 10.0]
    """
    grain = np.array([statistic.grain for statistic in STATISTICS])
    from_zero = np.array([statistic.from_zero for statistic in STATISTICS])
    median = np.nanmedian(controls, axis=0)
    beyond = np.nanquantile(controls, 0.95, axis=0)
    # What a normal distribution with these quantiles would have as its deviation.
    deviation = 1.4826 * np.nanmedian(np.abs(controls - median), axis=0)
    spread = np.maximum(deviation, (beyond - median) / 1.645)
    usual = np.maximum(median / 0.6745, beyond / 1.96)
    scale = np.where(from_zero, (usual + grain) / _SHARES_OF_USUAL, spread + grain)
    z: DoubleArray = (values - np.where(from_zero, 0.0, median)) / scale
    return z


def _clear_of_the_edge(controls: DoubleArray, distance_s: DoubleArray) -> DoubleArray:
    """Leave out controls whose windows were cut short by the edge, while enough others remain."""
    reach = np.minimum([statistic.reach_s for statistic in STATISTICS], LONGEST_S)
    rank = np.argsort(np.argsort(-distance_s, kind="stable"), kind="stable")
    kept = (distance_s[:, None] >= reach) | (rank < _CONTROLS_AT_LEAST)[:, None]
    return np.where(kept, controls, np.nan)


def _check(samples: npt.NDArray[np.floating], rate_hz: int, edge_s: float) -> None:
    duration_s = samples.shape[1] / rate_hz
    for side, length_s in (("before", edge_s), ("after", duration_s - edge_s)):
        if length_s < LONGEST_S:
            raise AudioError(
                f"the edge at {edge_s:.2f} s has {max(length_s, 0):.2f} s of audio {side} it, "
                f"and a seam needs {LONGEST_S:.0f} s on both sides; give a longer clip."
            )


def _seam(edge_s: float, values: DoubleArray, controls: DoubleArray) -> Seam:
    classifier = stored_classifier()
    z = robust_z(values, controls)
    score = float(classifier.score(z))
    limits = np.nanquantile(controls, 0.95, axis=0)
    names = [statistic.name for statistic in STATISTICS]
    by_name = dict(zip(names, map(float, values), strict=True))
    spectral = names.index("spectral_1.5s")
    severity = {
        "level": by_name["level_1.5s"] / _LEVEL_JND_DB,
        "beat_slip": by_name["slip_ms"] / _SLIP_JND_MS,
        "spectral_step": float(values[spectral] / max(limits[spectral], 1e-6)),
    }
    return Seam(
        edge_s=edge_s,
        score=score,
        verdict=classifier.verdict(score),
        false_alarm_rate=classifier.false_alarm_rate(score),
        reasons=_reasons(z, values > limits),
        statistics=MappingProxyType(by_name),
        z=MappingProxyType(dict(zip(names, map(float, z), strict=True))),
        severity_jnd=MappingProxyType(severity),
        elsewhere=tuple(map(float, classifier.score(np.nan_to_num(robust_z(controls, controls))))),
    )


def _reasons(z: DoubleArray, beyond: npt.NDArray[np.bool_]) -> tuple[str, ...]:
    """Words for what lies beyond its limit, worst first, each once."""
    worst_first = sorted(np.flatnonzero(beyond), key=lambda i: -z[i])
    return tuple(dict.fromkeys(STATISTICS[i].words for i in worst_first))
