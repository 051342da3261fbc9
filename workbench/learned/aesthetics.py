"""How pleasing does a clip sound, as a network that learned it from listeners says?

Four scores, each about 1..10: content enjoyment, content usefulness (for making something else of
it), production complexity, production quality. Computed by the `audiobox_aesthetics` package over
windows of 10 s and averaged. Our windows all have full length and cover the clip, where the
package pads the last one: for clips of whole tens of seconds the two are the same.

Reference: Tjandra et al., Meta Audiobox Aesthetics, 2025, arXiv 2502.05139.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from workbench.clip import Clip
from workbench.learned.listening import mono_at, windows
from workbench.learned.weights import Weights, find_weights, library, not_on_disk, unreadable

AESTHETICS = "facebook/audiobox-aesthetics"

_RATE_HZ = 16_000
_WINDOW_S = 10
# Our scores by the package's short names of its axes.
_AXES = {"enjoyment": "CE", "usefulness": "CU", "complexity": "PC", "quality": "PQ"}


@dataclass(frozen=True)
class Aesthetics:
    """The model, ready to listen; made by `load_aesthetics`."""

    weights: Weights
    device: str
    model: Any = field(repr=False)


@dataclass(frozen=True)
class AestheticScores:
    """Scores of a clip, about 1..10 each, by which model and revision."""

    enjoyment: float
    usefulness: float
    complexity: float
    quality: float
    model: str
    revision: str


def load_aesthetics(name: str = AESTHETICS, *, device: str = "cpu") -> Aesthetics:
    """Load the aesthetics model that is on this disk.

    Parameters
    ----------
    name : str
        A folder, or a name on the Hugging Face hub whose files are in the local cache.
    device : str
        Where to run it: "cpu", "cuda", ...

    Raises
    ------
    MetricUnavailable
        If the package or the weights are not on this disk. Nothing is downloaded.
    """
    # No extra of ours brings this package: it is for those who want this one metric.
    package = library("audiobox_aesthetics.model.aes", "audiobox_aesthetics")
    weights = find_weights(name)
    try:
        model = package.AesMultiOutput.from_pretrained(
            str(weights.folder), local_files_only=True, strict=True
        )
    except unreadable() as error:
        raise not_on_disk(name) from error
    return Aesthetics(weights, device, model.to(device).eval())


def aesthetic_scores(aesthetics: Aesthetics, clip: Clip) -> AestheticScores:
    """Score a clip.

    Parameters
    ----------
    aesthetics : Aesthetics
        From `load_aesthetics`.
    clip : Clip
        At least 1 s, not silent.

    Raises
    ------
    AudioError
        If the clip is too short, silent or not finite.
    """
    import torch

    cut = np.stack(windows(mono_at(clip, _RATE_HZ), _WINDOW_S * _RATE_HZ))
    with torch.inference_mode():
        found = aesthetics.model({"wav": torch.from_numpy(cut[:, None]).to(aesthetics.device)})
    scales = aesthetics.model.target_transform
    scores = {
        score: float(found[axis].mean()) * scales[axis]["std"] + scales[axis]["mean"]
        for score, axis in _AXES.items()
    }
    return AestheticScores(
        **scores, model=aesthetics.weights.name, revision=aesthetics.weights.revision
    )
