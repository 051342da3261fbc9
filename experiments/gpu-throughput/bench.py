"""How many songs an hour does this machine make, to disk, against the plain pipeline?

Everything is measured in one run; the table is printed and written as CSV. See README.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from workbench.clip import Clip
from workbench.engines.base import Attempt, Delivery
from workbench.engines.local import LocalEngine
from workbench.request import Request

PEAK_TFLOPS = 790.0  # H200, bfloat16
# Work of one song in TFLOP: 8 steps of the transformer, decoding, encoders.
WORK = {
    ("turbo", 60): 18.7 + 7.3 + 1.0,
    ("turbo", 240): 83.8 + 29.2 + 1.5,
    ("xl-turbo", 60): 51.0 + 7.3 + 1.0,
    ("xl-turbo", 240): 230.0 + 29.2 + 1.5,
}
XL = {
    "hidden_size": 2560,
    "intermediate_size": 9728,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "encoder_hidden_size": 2048,
}
TAGS = "house, warm pads, four on the floor, 124 BPM"


def write_full(folder: Path, variant: str) -> Path:
    """Random weights of a variant's true size, as diffusers writes them."""
    import diffusers
    import transformers
    from diffusers.pipelines.ace_step.modeling_ace_step import AceStepConditionEncoder
    from tokenizers import Tokenizer, models, pre_tokenizers

    library: Any = diffusers
    text: Any = transformers
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    bpe = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words = text.PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        eos_token="<|im_end|>",  # noqa: S106
        pad_token="<|endoftext|>",  # noqa: S106
    )
    sizes = XL if variant.startswith("xl") else {}
    torch.set_default_dtype(torch.bfloat16)
    try:
        conditions = AceStepConditionEncoder()
        with torch.no_grad():
            conditions.silence_latent.normal_()
        pipeline = library.AceStepPipeline(
            vae=library.AutoencoderOobleck(
                encoder_hidden_size=128,
                downsampling_ratios=[2, 4, 4, 6, 10],
                channel_multiples=[1, 2, 4, 8, 16],
                decoder_channels=128,
                decoder_input_channels=64,
                audio_channels=2,
                sampling_rate=48_000,
            ),
            text_encoder=text.Qwen3Model(
                text.Qwen3Config(
                    vocab_size=151_669,
                    hidden_size=1024,
                    intermediate_size=3072,
                    num_hidden_layers=28,
                    num_attention_heads=16,
                    num_key_value_heads=8,
                    head_dim=128,
                )
            ),
            tokenizer=words,
            transformer=library.AceStepTransformer1DModel(is_turbo=True, **sizes),
            condition_encoder=conditions,
            scheduler=library.FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
        )
    finally:
        torch.set_default_dtype(torch.float32)
    pipeline.save_pretrained(folder)
    return folder


def plain_s(folder: Path, seconds: int, songs: int, out: Path) -> float:
    """Seconds per song of the plain pipeline, called song by song."""
    import diffusers

    library: Any = diffusers
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    pipe = library.AceStepPipeline.from_pretrained(folder, local_files_only=True, dtype=dtype)
    pipe.to(device).set_progress_bar_config(disable=True)

    def song(number: int) -> None:
        audio = pipe(
            prompt=TAGS,
            lyrics="[Instrumental]",
            audio_duration=float(seconds),
            guidance_scale=1.0,
            generator=torch.Generator("cpu").manual_seed(number),
            return_dict=False,
        )[0]
        Clip(audio[0].float().cpu().numpy(), 48_000).write(out / f"plain-{number}.wav")

    song(0)  # the first call warms up kernels and caches
    began = time.perf_counter()
    for number in range(songs):
        song(number)
    return (time.perf_counter() - began) / songs


def ours_s(engine: LocalEngine, seconds: int, batch: int, songs: int, out: Path) -> float:
    """Seconds per song of the engine, batch by batch, files written beside the next batch."""
    attempts = [
        Attempt(Request(tags=TAGS, lyrics="[inst]", duration_s=seconds, seed=n), str(n))
        for n in range(songs)
    ]
    list(engine.generate(attempts[: min(batch, songs)]))
    began = time.perf_counter()
    with ThreadPoolExecutor(2) as writers:
        for start in range(0, songs, batch):
            for attempt, outcome in engine.generate(attempts[start : start + batch]):
                if not isinstance(outcome, Delivery) or not isinstance(outcome.audio, Clip):
                    raise SystemExit(f"a song failed: {outcome}")
                name = f"ours-{batch}-{attempt.idempotency_key}.wav"
                writers.submit(outcome.audio.write, out / name)
    return (time.perf_counter() - began) / songs


def rows(options: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    """One row per variant, length and batch, after the plain pipeline of the same kind."""
    out = folder / "songs"
    out.mkdir()
    for variant in options.variants:
        weights = folder / variant
        if options.tiny:
            from tests.local.tiny import write_tiny

            write_tiny(weights)
        else:
            write_full(weights, variant)
        for seconds in options.seconds:
            base_s = plain_s(weights, seconds, options.plain_songs, out)
            yield _row("plain", variant, seconds, 1, base_s, base_s)
            for batch in options.batches:
                engine = LocalEngine(str(weights), batch_max=batch)
                if options.compile:
                    engine.model.compile()
                songs = max(options.songs, batch)
                took_s = ours_s(engine, seconds, batch, songs, out)
                row = _row("workbench", variant, seconds, batch, took_s, base_s)
                row["attention"] = engine.model.backend or "torch's choice"
                row["compiled"] = engine.model.compiled
                yield row


def _row(
    what: str, variant: str, seconds: int, batch: int, song_s: float, base_s: float
) -> dict[str, Any]:
    work = WORK.get((variant, seconds))
    on_gpu = torch.cuda.is_available()
    return {
        "pipeline": what,
        "variant": variant,
        "song_s": seconds,
        "batch": batch,
        "songs_per_hour": round(3600 / song_s),
        "ratio_to_plain": round(base_s / song_s, 2),
        "roofline_share": round(work / song_s / PEAK_TFLOPS, 3) if work and on_gpu else None,
        "peak_memory_gb": round(torch.cuda.max_memory_allocated() / 1e9, 1) if on_gpu else None,
    }


def main() -> None:
    """Run, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="A tiny model, for any machine.")
    parser.add_argument("--variants", nargs="+", default=["turbo", "xl-turbo"])
    parser.add_argument("--seconds", nargs="+", type=int, default=[30, 60, 240])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8, 32])
    parser.add_argument("--songs", type=int, default=32)
    parser.add_argument("--plain-songs", type=int, default=4)
    parser.add_argument("--compile", action="store_true", help="Compile blocks and decoder.")
    parser.add_argument("--out", type=Path, default=Path("runs/gpu-throughput"))
    options = parser.parse_args()
    if options.tiny:
        options.variants, options.songs, options.plain_songs = ["turbo"], 4, 2
        options.seconds, options.batches = [10], [1, 4]
        sys.path.insert(0, str(Path(__file__).parents[2]))
    with tempfile.TemporaryDirectory() as name:
        table = pd.DataFrame(rows(options, Path(name)))
    options.out.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.out / "table.csv", index=False)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    about = {"device": device, "torch": torch.__version__, "tiny": options.tiny}
    (options.out / "about.json").write_text(json.dumps(about, indent=2))
    print(table.to_string(index=False))
    if device == "cpu":
        print("No GPU here: these figures show that the harness runs, and nothing about a GPU.")


if __name__ == "__main__":
    main()
