"""Are aesthetic scores the model's, on its own scale, averaged over the clip?"""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from tests.learned.conftest import RATE_HZ, noise, tone
from workbench.clip import Clip
from workbench.errors import AudioError, MetricUnavailable
from workbench.learned.aesthetics import (
    Aesthetics,
    AestheticScores,
    aesthetic_scores,
    load_aesthetics,
)
from workbench.learned.weights import Weights

AXES = ("CE", "CU", "PC", "PQ")


def constant_of_level() -> Any:
    """A network in the package's form whose every axis is the level of the window."""
    import torch

    class Level(torch.nn.Module):
        target_transform = {  # noqa: RUF012 - the package's own form
            axis: {"mean": float(number), "std": 2.0} for number, axis in enumerate(AXES)
        }

        def forward(self, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            level = batch["wav"].square().mean(dim=(1, 2)).sqrt()
            return dict.fromkeys(AXES, level)

    return Level()


def scored(clip: Clip) -> AestheticScores:
    weights = Weights("level", "sha256:0", Path())
    return aesthetic_scores(Aesthetics(weights, "cpu", constant_of_level()), clip)


def test_scores_are_scaled_per_axis_and_averaged_over_windows() -> None:
    loud = tone(10)
    quiet_end = np.concatenate([loud.samples, loud.samples / 2], axis=1)
    mean_level = (0.5 + 0.25) / 2 / np.sqrt(2)
    found = scored(Clip(quiet_end, RATE_HZ))
    scores = (found.enjoyment, found.usefulness, found.complexity, found.quality)
    expected = [number + 2 * mean_level for number in range(4)]
    assert scores == pytest.approx(expected, abs=1e-3)
    assert (found.model, found.revision) == ("level", "sha256:0")


def test_what_cannot_be_heard_has_no_score() -> None:
    with pytest.raises(AudioError, match="lasts"):
        scored(noise(0.9))
    with pytest.raises(AudioError, match="silent"):
        scored(Clip(np.zeros((1, RATE_HZ * 2), np.float32), RATE_HZ))


def test_without_weights_the_package_alone_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setitem(
        sys.modules, "audiobox_aesthetics.model.aes", ModuleType("audiobox_aesthetics.model.aes")
    )
    for package in ("audiobox_aesthetics", "audiobox_aesthetics.model"):
        monkeypatch.setitem(sys.modules, package, ModuleType(package))
    with pytest.raises(MetricUnavailable, match="`hf download facebook/audiobox-aesthetics`"):
        load_aesthetics()


# The package calls torch in ways that torch will drop.
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore:.*is deprecated:UserWarning")
def test_the_package_itself_answers_with_random_weights(tmp_path: Path) -> None:
    package = pytest.importorskip("audiobox_aesthetics.model.aes")
    import torch

    tiny = {
        "encoder_layers": 1,
        "encoder_embed_dim": 32,
        "encoder_ffn_embed_dim": 32,
        "encoder_attention_heads": 2,
        "conv_feature_layers": "[(16,10,5)] + [(16,3,2)] * 4 + [(16,2,2)] * 2",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in tiny.items():
            patch.setattr(package.DEFAULT_AUDIO_CFG, name, value)
        torch.manual_seed(0)
        scales = {axis: {"mean": 5.0, "std": 2.0} for axis in AXES}
        package.AesMultiOutput(nth_layer=2, target_transform=scales).save_pretrained(tmp_path)
        aesthetics = load_aesthetics(str(tmp_path))
        whole, again = (aesthetic_scores(aesthetics, noise(20)) for _ in range(2))
        parts = [
            aesthetic_scores(aesthetics, noise(20).cut(start_s, start_s + 10))
            for start_s in (0, 10)
        ]
        (tmp_path / "model.safetensors").write_bytes(b"no weights")
        with pytest.raises(MetricUnavailable, match="is not available"):
            load_aesthetics(str(tmp_path))
    assert whole == again
    assert whole.quality == pytest.approx(np.mean([part.quality for part in parts]), abs=1e-3)
    assert whole.revision.startswith("sha256:")
