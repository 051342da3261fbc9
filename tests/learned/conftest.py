"""Tiny models with random weights, built here and written as their libraries write real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from workbench.clip import Clip
from workbench.learned.clap import Clap, load_clap

RATE_HZ = 48_000


def write_tiny_clap(folder: Path, *, fused: bool = False, seed: int = 0) -> None:
    """Write a CLAP of 30 000 weights with a byte tokenizer into a folder."""
    import torch
    from tokenizers import pre_tokenizers
    from transformers import (
        ClapConfig,
        ClapFeatureExtractor,
        ClapModel,
        ClapProcessor,
        RobertaTokenizer,
    )

    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate(special + letters)}
    text = {
        "vocab_size": len(vocabulary),
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 66,
    }
    audio = {
        "hidden_size": 32,
        "depths": [1, 1],
        "num_attention_heads": [2, 2],
        "num_hidden_layers": 2,
        "patch_embeds_hidden_size": 16,
    }
    fusion = {"enable_fusion": True, "fusion_type": "aff_2d"} if fused else {}
    torch.manual_seed(seed)
    config = ClapConfig(text_config=text, audio_config=audio | fusion, projection_dim=8)
    model = ClapModel(config)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.dim() > 1:  # as they start, every sound ends in the same place
                weights.mul_(6)
    model.save_pretrained(folder)
    ClapProcessor(  # type: ignore[no-untyped-call]
        ClapFeatureExtractor(truncation="fusion" if fused else "rand_trunc"),
        RobertaTokenizer(vocab=vocabulary, merges=[]),
    ).save_pretrained(folder)


@pytest.fixture(scope="session")
def clap_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights") / "tiny-clap"
    write_tiny_clap(folder)
    return folder


@pytest.fixture(scope="session")
def clap(clap_folder: Path) -> Clap:
    return load_clap(str(clap_folder))


def noise(duration_s: float, *, seed: int = 0, rate_hz: int = RATE_HZ) -> Clip:
    """White noise in stereo."""
    length = round(duration_s * rate_hz)
    samples = np.random.default_rng(seed).standard_normal((2, length), dtype=np.float32)
    return Clip(0.1 * samples, rate_hz)


def tone(duration_s: float, *, pitch_hz: float = 440.0) -> Clip:
    """A sine in mono."""
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    return Clip((np.sin(2 * np.pi * pitch_hz * time_s) / 2).astype(np.float32), RATE_HZ)
