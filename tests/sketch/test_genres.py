"""Are genres recognisable? A nearest-centroid guess from spectrum and rhythm, on unheard seeds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.signal import stft

from workbench.sketch import GENRES, Plan, render

PlanMaker = Callable[..., Plan]


def features(samples: np.ndarray, beat_s: float) -> np.ndarray:
    """Level, movement and stereo width per band, and the rhythm within a beat."""
    middle, side = samples[0] + samples[1], samples[0] - samples[1]
    power = np.abs(stft(middle, 48000, nperseg=2048, noverlap=1024)[2]) ** 2
    edges = np.unique(np.geomspace(2, 800, 15).astype(int))
    bands = np.log(np.add.reduceat(power, edges, axis=0)[:-1] + 1e-9)
    rises = np.maximum(0, np.diff(bands, axis=1))
    shape = bands.mean(axis=1)
    frames_per_beat = beat_s * 48000 / 1024
    flux = rises[[0, 6, -1]] - rises[[0, 6, -1]].mean(axis=1, keepdims=True)
    rhythm = [
        np.mean(flux[:, :-k] * flux[:, k:], axis=1) / (flux.var(axis=1) + 1e-9)
        for k in (max(1, round(frames_per_beat * share)) for share in (0.25, 0.5, 1, 2))
    ]
    width = np.log((side**2).mean() / (middle**2).mean() + 1e-6)
    return np.concatenate([shape - shape.mean(), rises.mean(axis=1), *rhythm, [width]])


def test_unheard_seeds_are_recognised(plan_of: PlanMaker) -> None:
    names = list(GENRES)

    def table(seeds: range) -> np.ndarray:
        rows = []
        for name in names:
            for seed in seeds:
                # The same tempo and meter for all: neither must give the genre away.
                plan = plan_of(name, seed=seed, tonic=seed % 12, duration_s=6.0, tempo_bpm=120.0)
                rows.append(features(render(plan)[0], plan.beat_s))
        return np.array(rows).reshape(len(names), len(seeds), -1)

    heard, unheard = table(range(3)), table(range(20, 22))
    scale = heard.std(axis=(0, 1)) + 1e-9
    centroids = heard.mean(axis=1) / scale
    distance = np.linalg.norm(unheard[:, :, None] / scale - centroids[None, None], axis=-1)
    right = distance.argmin(axis=-1) == np.arange(len(names))[:, None]
    assert len(names) >= 12
    assert right.mean() >= 0.8, {
        name: [names[k] for k in row.argmin(axis=-1)]
        for name, row, good in zip(names, distance, right, strict=True)
        if not good.all()
    }
