"""A tiny ACE-Step pipeline with random weights: the real code at a true 48 kHz and 25 Hz."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from diffusers.pipelines.ace_step.modeling_ace_step import (
    AceStepAudioTokenDetokenizer,
    AceStepAudioTokenizer,
    AceStepConditionEncoder,
)
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

# Libraries without types.
LIBRARY: Any = diffusers
TEXT: Any = transformers
LATENT_WIDTH = 8
SHARED = {
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "hidden_size": 32,
    "intermediate_size": 64,
    "rope_theta": 10_000.0,
    "sliding_window": 16,
}


def tokenizer() -> Any:
    """One token per byte."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    return TEXT.PreTrainedTokenizerFast(
        tokenizer_object=bpe, eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )


def write_tiny(folder: Path, *, turbo: bool = True, seed: int = 0) -> Path:
    """Write the pipeline as diffusers does; about 1.4 MB."""
    torch.manual_seed(seed)
    words = tokenizer()
    text = TEXT.Qwen3Model(
        TEXT.Qwen3Config(
            vocab_size=len(words),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            head_dim=8,
            max_position_embeddings=4096,
        )
    )
    conditions = AceStepConditionEncoder(
        **SHARED,
        text_hidden_dim=32,
        timbre_hidden_dim=LATENT_WIDTH,
        num_lyric_encoder_hidden_layers=2,
        num_timbre_encoder_hidden_layers=2,
    )
    with torch.no_grad():
        conditions.silence_latent.normal_()
    pipeline = LIBRARY.AceStepPipeline(
        vae=LIBRARY.AutoencoderOobleck(
            encoder_hidden_size=2 * LATENT_WIDTH,
            downsampling_ratios=[2, 4, 4, 6, 10],
            channel_multiples=[1, 1, 1, 1, 1],
            decoder_channels=4,
            decoder_input_channels=LATENT_WIDTH,
            audio_channels=2,
            sampling_rate=48_000,
        ),
        text_encoder=text,
        tokenizer=words,
        transformer=LIBRARY.AceStepTransformer1DModel(
            **SHARED,
            num_hidden_layers=2,
            in_channels=3 * LATENT_WIDTH,
            audio_acoustic_hidden_dim=LATENT_WIDTH,
            patch_size=2,
            is_turbo=turbo,
        ),
        condition_encoder=conditions,
        scheduler=LIBRARY.FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
        audio_tokenizer=AceStepAudioTokenizer(
            **SHARED,
            audio_acoustic_hidden_dim=LATENT_WIDTH,
            pool_window_size=5,
            fsq_dim=32,
            num_attention_pooler_hidden_layers=1,
        ),
        audio_token_detokenizer=AceStepAudioTokenDetokenizer(
            **SHARED,
            audio_acoustic_hidden_dim=LATENT_WIDTH,
            pool_window_size=5,
            num_attention_pooler_hidden_layers=1,
        ),
    )
    pipeline.save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: mit\n---\nRandom numbers.\n")
    return folder


def write_tiny_planner(folder: Path) -> Path:
    """A language model of 30,000 random numbers that reads and writes bytes."""
    torch.manual_seed(0)
    words = tokenizer()
    words.save_pretrained(folder)
    config = TEXT.Qwen3Config(
        vocab_size=len(words),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=4096,
    )
    TEXT.Qwen3ForCausalLM(config).save_pretrained(folder)
    return folder
