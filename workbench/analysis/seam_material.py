"""What is the seam ruler fitted and scored on? Music to edit, and the places to edit it.

Pieces of the sketch engine are cleaner than any recording: every note ends, every hit is the
same, and a classifier that learns from them alone trusts what is faint in real music. So every
other piece is roughened: a second band plays along, the room answers, the bands drift in level, a
hiss moves with the music and an MP3 encoder has the last word.

Conventions: samples float32, (channels, n), full scale at 1.0; times in seconds from the first
sample.

Reference: Tobin et al., Proc. IEEE/RSJ IROS, 2017 (training material varied beyond the real).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.signal

from workbench.analysis.beats import track_beats
from workbench.analysis.features import Features
from workbench.analysis.ladder import CODECS, SHORTEST_SIDE_S, Samples, round_trip
from workbench.analysis.products import DoubleArray
from workbench.analysis.tempo import estimate_tempo
from workbench.clip import Clip
from workbench.sketch import RATE_HZ, Plan, plan_from_words, render

SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")
SKETCH = "sketch"

_BAND_SHARE = 0.6
_ROOM_DECAY_S = 0.4
_ROOM_SHARE = 0.3
_DRIFT_DB = 1.5
_DRIFT_EVERY_S = 1.0
_DRIFT_BANDS_HZ = (200.0, 800.0, 3_200.0)
_HISS_SHARE = 0.05


@dataclass(frozen=True)
class Material:
    """One clip to edit."""

    group: str
    name: str
    samples: Samples
    rate_hz: int
    beats_s: DoubleArray


def sketch_material(
    genres: Sequence[str], seeds: Sequence[int], duration_s: float
) -> Iterator[Material]:
    """The pieces of the recipe; those of odd seeds are sung, and rough as recordings are."""
    for seed in seeds:
        for number, genre in enumerate(genres):
            plan = _plan(genre, None, None, seed, duration_s)
            samples, truth = render(plan, fade=False)
            if seed % 2:
                second = genres[number - len(genres) // 2]
                band = _plan(second, plan.tempo_bpm, plan.key, seed, duration_s)
                rng = np.random.default_rng([11, seed, number])
                samples = roughened(samples, render(band, fade=False)[0], rng)
            yield Material(SKETCH, f"{genre} {seed}", samples, RATE_HZ, np.asarray(truth.beats_s))


def _plan(
    genre: str, tempo_bpm: float | None, key: str | None, seed: int, duration_s: float
) -> Plan:
    plan, _ = plan_from_words(
        [genre],
        lyrics_sections=["verse", "chorus", "verse", "bridge"],
        tempo_bpm=tempo_bpm,
        key=key,
        time_signature=None,
        duration_s=duration_s,
        seed=seed,
        vocal=bool(seed % 2),
    )
    return plan


def folder_material(folder: Path, duration_s: float) -> Iterator[Material]:
    """The start of every audio file of a folder, with beats as the tempo ruler hears them."""
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in SUFFIXES:
            continue
        clip = Clip.read(path)
        samples = clip.samples[:, : round(duration_s * clip.rate_hz)]
        features = Features(samples, clip.rate_hz)
        beats_s = track_beats(features, estimate_tempo(features))
        yield Material(folder.name, path.name, samples, clip.rate_hz, beats_s)


def roughened(samples: Samples, band: Samples, rng: np.random.Generator) -> Samples:
    """A clean piece, made as dense and as uneven as a recording.

    Parameters
    ----------
    samples, band : np.ndarray, float32, shape (channels, n)
        The piece, at `RATE_HZ`, and another of its length that plays along.
    rng : np.random.Generator
        Draws the room, the drift and the hiss.

    Returns
    -------
    np.ndarray, float32, shape (channels, n)
        With a peak of 0.9.

    Examples
    --------
    >>> tone = 0.3 * np.sin(np.arange(RATE_HZ) * 0.05).astype(np.float32)[None].repeat(2, axis=0)
    >>> rough = roughened(tone, tone[:, ::-1], np.random.default_rng(0))
    >>> rough.shape == tone.shape, round(float(np.abs(rough).max()), 1)
    (True, 0.9)
    """
    dense = samples + _BAND_SHARE * band
    length = round(_ROOM_DECAY_S * RATE_HZ)
    room = rng.normal(size=(len(dense), length)) * 10 ** (-3 * np.arange(length) / length)
    wet = scipy.signal.fftconvolve(dense, room, axes=1)[:, : dense.shape[1]]
    dense = dense + _ROOM_SHARE * dense.std() / wet.std() * wet
    dense = _drifted(dense, rng)
    envelope = scipy.signal.fftconvolve(
        np.abs(dense), np.full((1, RATE_HZ // 4), 4 / RATE_HZ), "same", axes=1
    )
    dense = dense + _HISS_SHARE * envelope * rng.normal(size=dense.shape)
    loud = np.asarray(0.9 * dense / np.abs(dense).max(), dtype=np.float32)
    coded = round_trip(loud, RATE_HZ, CODECS["mp3"])
    return np.asarray(0.9 * coded / np.abs(coded).max(), dtype=np.float32)


def _drifted(samples: DoubleArray, rng: np.random.Generator) -> DoubleArray:
    """Four bands, each with a level of its own that wanders."""
    knots = np.arange(0, samples.shape[1] + 2 * RATE_HZ, round(_DRIFT_EVERY_S * RATE_HZ))
    edges = (*_DRIFT_BANDS_HZ, None)
    rest, drifted = samples, np.zeros_like(samples)
    for edge_hz in edges:
        low = rest
        if edge_hz is not None:
            sections = scipy.signal.butter(2, edge_hz, fs=RATE_HZ, output="sos")
            low = scipy.signal.sosfilt(sections, rest, axis=1)
        gain_db = np.interp(
            np.arange(samples.shape[1]), knots, rng.normal(0, _DRIFT_DB, len(knots))
        )
        drifted += low * 10 ** (gain_db / 20)
        rest = rest - low
    return drifted


def draw_place(material: Material, rng: np.random.Generator) -> float:
    """A second, half of the time on a beat, with sound on both sides: not 26 dB under the clip."""
    duration_s = material.samples.shape[1] / material.rate_hz
    low_s, high_s = SHORTEST_SIDE_S, duration_s - SHORTEST_SIDE_S
    beats_s = material.beats_s[(material.beats_s > low_s) & (material.beats_s < high_s)]
    places_s = rng.permutation(beats_s) if rng.random() < 0.5 else rng.uniform(low_s, high_s, 50)
    rate_hz = material.rate_hz
    level = 0.05 * float(np.sqrt(np.mean(material.samples**2)))
    for place_s in places_s:
        edge = round(place_s * rate_hz)
        sides = (
            material.samples[:, edge - rate_hz : edge],
            material.samples[:, edge:][:, :rate_hz],
        )
        if min(float(np.sqrt(np.mean(side**2))) for side in sides) > level:
            return float(place_s)
    return float(duration_s / 2)
