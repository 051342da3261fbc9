"""Clips whose tempo is known: programmed ones, ones damaged on purpose, ones in a folder.

Everything is drawn from seeds, so that the same seed is the same clip. Tuning uses seeds below
`FIRST_SCORING_SEED`, scoring those from there on: no clip is ever on both sides.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import scipy.signal
import soundfile

from workbench.analysis.features import FloatArray
from workbench.analysis.pulse import DoubleArray
from workbench.sketch import GENRES, RATE_HZ, plan_from_words, render

FIRST_SCORING_SEED = 10_000

_NOISE_RATE_HZ = 22_050
_FASTEST_ASKED_BPM, _SLOWEST_ASKED_BPM = 190.0, 60.0


@dataclass(frozen=True, eq=False)
class TruthClip:
    """Samples (channels, n) with what is known of them; a tempo of None has no pulse at all."""

    name: str
    group: str
    samples: FloatArray
    rate_hz: int
    tempo_bpm: float | None
    beats_s: DoubleArray | None = None


def sketch_clip(seed: int, *, duration_s: float = 30.0) -> TruthClip:
    """One programmed clip, genres in turn.

    Parameters
    ----------
    seed : int
        Draws the tempo, half the time from 60 to 190 BPM evenly, else within 15 % of what is
        usual in the genre, and all else.
    duration_s : float
        5 to 600.

    Returns
    -------
    TruthClip
        Of group "sketch", named by genre and seed.

    Examples
    --------
    >>> clip = sketch_clip(3, duration_s=5.0)
    >>> clip.group, clip.samples.shape
    ('sketch', (2, 240000))
    """
    generator = np.random.default_rng(seed)
    genre = sorted(GENRES)[seed % len(GENRES)]
    evenly = generator.uniform(_SLOWEST_ASKED_BPM, _FASTEST_ASKED_BPM)
    usual = GENRES[genre].tempo_bpm * 2 ** generator.uniform(-0.2, 0.2)
    asked_bpm = float(evenly if generator.random() < 0.5 else usual)
    plan, _ = plan_from_words(
        [genre],
        lyrics_sections=[],
        tempo_bpm=asked_bpm,
        key=None,
        time_signature=None,
        duration_s=duration_s,
        seed=seed,
        vocal=bool(generator.random() < 0.3),
    )
    samples, truth = render(plan)
    return TruthClip(f"{genre} {seed}", "sketch", samples, RATE_HZ, truth.tempo_bpm, truth.beats_s)


def damaged(clip: TruthClip, other: TruthClip, seed: int) -> TruthClip:
    """The clip shortened and, four times in five, filtered, in noise, or under another clip.

    Parameters
    ----------
    clip, other : TruthClip
        `other` only serves to disturb; its rate is not looked at.
    seed : int
        Draws the damage.

    Returns
    -------
    TruthClip
        6.5 s or longer, the same tempo, beats no longer known.
    """
    generator = np.random.default_rng([seed, 1])
    whole = clip.samples.shape[1]
    kept = min(whole, round(generator.uniform(6.5, 25.0) * clip.rate_hz))
    kept = whole if generator.random() < 0.4 else kept
    start = int(generator.integers(0, whole - kept + 1))
    samples = clip.samples[:, start : start + kept].astype(np.float64)
    kind = generator.choice(["noise", "other", "filter", "none"], p=[0.45, 0.15, 0.2, 0.2])
    if kind == "noise":
        samples = samples + _at_level(_noise(generator, kept), samples, generator.uniform(-20, 15))
    elif kind == "other":
        under = np.resize(other.samples.mean(axis=0, dtype=np.float64), kept)
        samples = samples + _at_level(under, samples, generator.uniform(-12, 0))
    elif kind == "filter":
        corner_hz = 10 ** generator.uniform(2.3, 3.7)
        side: Literal["low", "high"] = "low" if generator.random() < 0.5 else "high"
        sos = scipy.signal.butter(4, corner_hz, side, output="sos", fs=clip.rate_hz)
        samples = np.asarray(scipy.signal.sosfilt(sos, samples, axis=1))
    return replace(
        clip, group=f"{clip.group}, {kind}", samples=samples.astype(np.float32), beats_s=None
    )


def pulseless_clip(seed: int) -> TruthClip:
    """6.5 to 30 s without any pulse: white or pink noise, steady or gusting, random clicks.

    Parameters
    ----------
    seed : int
        Draws kind, length and samples.

    Returns
    -------
    TruthClip
        Mono at 22 050 Hz, tempo None.

    Examples
    --------
    >>> pulseless_clip(0).tempo_bpm is None
    True
    """
    generator = np.random.default_rng([seed, 2])
    count = round(generator.uniform(6.5, 30.0) * _NOISE_RATE_HZ)
    kind = ("noise", "gusts", "clicks")[seed % 3]
    if kind == "clicks":
        samples = np.zeros(count)
        clicks = int(generator.uniform(1, 8) * count / _NOISE_RATE_HZ)
        samples[generator.integers(0, count, clicks)] = 0.8
    else:
        samples = _noise(generator, count)
    if kind == "gusts":
        turns = np.arange(0, count + _NOISE_RATE_HZ, _NOISE_RATE_HZ // 3)
        samples *= np.interp(np.arange(count), turns, generator.uniform(0, 1, len(turns)))
    return TruthClip(
        f"{kind} {seed}", "no pulse", 0.1 * samples[None].astype(np.float32), _NOISE_RATE_HZ, None
    )


def folder_clips(folder: Path) -> Iterator[TruthClip]:
    """The clips of a folder with a `manifest.json`.

    Parameters
    ----------
    folder : Path
        Its manifest has `items` with `file`, `group` and either `bpm` with `beats_s`, known, or
        `tracker_bpm` with `beats_tracker_s`, what one tracker heard. Others are skipped.

    Yields
    ------
    TruthClip
        Groups of the second kind are marked "(tracker)".
    """
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    for item in manifest["items"]:
        known = item.get("bpm") is not None
        tempo_bpm = item["bpm"] if known else item.get("tracker_bpm")
        if tempo_bpm is None:
            continue
        beats_s = item.get("beats_s" if known else "beats_tracker_s")
        frames, rate_hz = soundfile.read(folder / item["file"], dtype="float32", always_2d=True)
        yield TruthClip(
            name=item["file"],
            group=item["group"] if known else f"{item['group']} (tracker)",
            samples=np.ascontiguousarray(frames.T),
            rate_hz=rate_hz,
            tempo_bpm=float(tempo_bpm),
            beats_s=None if beats_s is None else np.asarray(beats_s, dtype=np.float64),
        )


def _at_level(disturbance: DoubleArray, samples: DoubleArray, level_db: float) -> DoubleArray:
    """The disturbance, its level in dB over that of the samples."""
    gain = np.sqrt(np.mean(samples**2) / max(float(np.mean(disturbance**2)), 1e-12))
    raised: DoubleArray = disturbance * (gain * 10 ** (level_db / 20))
    return raised


def _noise(generator: np.random.Generator, count: int) -> DoubleArray:
    """White or pink noise of unit deviation."""
    white = generator.standard_normal(count)
    if generator.random() < 0.5:
        return white
    spectrum = np.fft.rfft(white) / np.sqrt(np.arange(count // 2 + 1) + 1)
    pink = np.fft.irfft(spectrum, count)
    return np.asarray(pink / pink.std())
