"""A loaded model: sampling a batch of rows into latents, and latents into audio.

Two things differ from the stock pipeline on purpose. Noise is drawn by us, one generator per row,
so that a seed means the same noise on every device, in every precision and in every batch. Audio is
decoded by us, row by row, so that an edit keeps its level and a batch needs no more memory than a
row; text to audio is then brought to the peak of -1 dBFS that the stock pipeline has.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from workbench.clip import Clip, Samples
from workbench.engines.local import edits
from workbench.engines.local.attention import fastest_backend
from workbench.engines.local.pipeline import Row, RowPipeline, noise_of
from workbench.engines.local.plan import BLENDS, Settings
from workbench.engines.local.weights import WeightsFolder
from workbench.errors import EngineFailed, EngineUnavailable

RATE_HZ, FRAME, FRAMES_PER_S = edits.RATE_HZ, edits.FRAME, edits.FRAMES_PER_S
PEAK = 10 ** (-1 / 20)
_SILENT = 1e-5
# Exact from 9 frames of overlap on; the library's 512 and 64 waste a third of the work.
_TILE_FRAMES, _TILE_OVERLAP = 1500, 16
# Below this much audio in a run, compiling costs more than it saves.
COMPILE_FROM_S = 3600.0

Told = Callable[[int, int], None]
"""Called after each step with its number and how many there are; may raise to stop."""


@dataclass(frozen=True)
class Place:
    """Where a model runs: "cuda" or "cpu", and in which precision."""

    device: torch.device
    dtype: torch.dtype

    @classmethod
    def here(cls, device: str = "") -> Place:
        """The first GPU in bfloat16 where it can, else the processor in float32."""
        name = device or ("cuda" if torch.cuda.is_available() else "cpu")
        if name.startswith("cuda") and not torch.cuda.is_available():
            raise EngineUnavailable(
                "no GPU that torch can use: check the driver, or set device to cpu.", "local"
            )
        chosen = torch.device(name)
        # float16 is known to end in NaN with lyrics.
        is_modern = chosen.type == "cuda" and torch.cuda.get_device_capability(chosen)[0] >= 8
        return cls(chosen, torch.bfloat16 if is_modern else torch.float32)

    @property
    def words(self) -> str:
        """Device and precision, for people and for the fingerprint."""
        name = torch.cuda.get_device_name(self.device) if self.device.type == "cuda" else "cpu"
        return f"{name}, {str(self.dtype).removeprefix('torch.')}"

    def free_bytes(self) -> int | None:
        """Free memory of the GPU, None on a processor."""
        return torch.cuda.mem_get_info(self.device)[0] if self.device.type == "cuda" else None


class Model:
    """A pipeline in memory; not to be used by two threads at once.

    Raises
    ------
    EngineUnavailable
        If the weights do not fit or cannot be read.
    """

    def __init__(self, weights: WeightsFolder, place: Place) -> None:
        self.weights, self.place = weights, place
        _check_room(weights, place)
        self.backend = fastest_backend(place.device, place.dtype)
        self.pipe: Any = _load(weights.path, place)
        self.pipe.prepare(self.backend)
        self.compiled = False
        self._adapters: set[str] = set()
        self._sources: dict[str, torch.Tensor] = {}

    def compile(self) -> None:
        """Compile the blocks of the transformer and the decoder, once."""
        if self.compiled or self.place.device.type != "cuda":
            return
        layers = self.pipe.transformer.layers
        for number, layer in enumerate(layers):
            layers[number] = torch.compile(layer, fullgraph=True)
        self.pipe.vae.decoder.compile()
        self.compiled = True

    def sample(
        self,
        rows: Sequence[Row],
        seeds: Sequence[int],
        settings: Settings,
        *,
        source: torch.Tensor | None = None,
        frames: tuple[int, int] | None = None,
        told: Told = lambda step, steps: None,
    ) -> torch.Tensor:
        """Latents (rows, frames, width) for a batch.

        `source` is (2, frames x 1920) at 48 kHz; `frames` the window of a repaint within it.
        """
        pipe, place = self.pipe, self.place
        pipe.rows = tuple(rows)
        self._use_lora(settings)
        width = pipe.transformer.config.audio_acoustic_hidden_dim
        length = math.ceil(round(rows[0].duration_s * FRAMES_PER_S, 6))
        if source is not None:
            length = source.shape[1] // FRAME
        noise = torch.stack([noise_of(seed, length, width) for seed in seeds]).to(place.device)
        share, edge, _ = BLENDS[settings.blend]
        kept = None
        if source is not None and frames is not None and share:
            kept = self._latents_of(source)

        def step_end(_pipe: Any, step: int, _t: float, values: dict[str, Any]) -> dict[str, Any]:
            told(step + 1, settings.steps)
            if kept is not None and frames is not None and step < share * settings.steps:
                sigma = float(pipe.scheduler.sigmas[step + 1])
                values["latents"] = edits.inject(values["latents"], kept, noise, frames, sigma)
            return values

        with torch.inference_mode():
            latents: torch.Tensor = pipe(
                prompt=[row.tags for row in rows],
                lyrics=[row.lyrics for row in rows],
                audio_duration=length / FRAMES_PER_S,
                num_inference_steps=settings.steps,
                shift=settings.shift,
                guidance_scale=settings.guidance,
                latents=noise,
                output_type="latent",
                task_type=settings.task,
                src_audio=source,
                reference_audio=_reference(settings.reference),
                # A hair over a frame's start, as the pipeline rounds down.
                repainting_start=None if frames is None else (frames[0] + 0.001) / FRAMES_PER_S,
                repainting_end=None if frames is None else (frames[1] + 0.001) / FRAMES_PER_S,
                callback_on_step_end=step_end,
                return_dict=False,
            )[0]
            if kept is not None and frames is not None:
                latents = edits.blended(latents, kept, frames, edge)
        return latents

    def _latents_of(self, source: torch.Tensor) -> torch.Tensor:
        vae = self.pipe.vae
        audio = source[None].to(self.place.device, vae.dtype)
        with torch.inference_mode():
            mode = vae.encode(audio).latent_dist.mode()
        return mode.transpose(1, 2).float()  # type: ignore[no-any-return]

    def decode(self, latents: torch.Tensor) -> Samples:
        """One row's latents, (frames, width), as float32 audio (2, frames x 1920).

        Raises
        ------
        EngineFailed
            If there are numbers in it that are no sound, or nothing but silence.
        """
        if not torch.isfinite(latents).all():
            raise EngineFailed(
                "the model made numbers that are no sound (NaN or infinity): try float32, another "
                "seed, or fewer lyrics.",
                "local",
            )
        vae = self.pipe.vae
        with torch.inference_mode():
            audio = vae.decode(latents.T[None].to(vae.dtype)).sample[0].float().cpu()
        samples: Samples = np.ascontiguousarray(audio.numpy())
        if not np.isfinite(samples).all() or np.abs(samples).max() < _SILENT:
            raise EngineFailed("the model made silence: try another seed or other tags.", "local")
        return samples

    def _use_lora(self, settings: Settings) -> None:
        if not settings.lora:
            if self._adapters:
                self.pipe.disable_lora()
            return
        name = f"lora_{len(settings.lora)}_{abs(hash(settings.lora))}"
        if name not in self._adapters:
            self.pipe.load_lora_weights(settings.lora, adapter_name=name)
            self._adapters.add(name)
        self.pipe.enable_lora()
        self.pipe.set_adapters([name], [settings.lora_scale])


def _load(folder: Path, place: Place) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the libraries' own deprecations
            pipeline: Any = RowPipeline  # the library's classes are not typed
            pipe = pipeline.from_pretrained(folder, local_files_only=True, dtype=place.dtype)
    except (OSError, ValueError, RuntimeError) as error:
        raise EngineUnavailable(
            f"the weights cannot be loaded ({str(error).splitlines()[0]}): "
            "`workbench models verify` says what is wrong with them.",
            "local",
        ) from error
    pipe.to(place.device)
    pipe.vae.enable_tiling()
    pipe.vae.tile_latent_min_length = _TILE_FRAMES
    pipe.vae.tile_latent_overlap = _TILE_OVERLAP
    return pipe


def _check_room(weights: WeightsFolder, place: Place) -> None:
    free = place.free_bytes()
    needed = weights.size_bytes + 4_000_000_000  # a song's decoding beside the weights
    if free is not None and free < needed:
        fits = "the 2B variants (about 11 GB)" if free > 11e9 else "the processor (device: cpu)"
        raise EngineUnavailable(
            f"{weights.name} needs about {needed / 1e9:.0f} GB of GPU memory and "
            f"{free / 1e9:.0f} GB are free: close what uses it, or take {fits}.",
            "local",
        )


def _reference(path: str) -> torch.Tensor | None:
    if not path:
        return None
    clip = Clip.read(path).at_rate(RATE_HZ)
    return torch.from_numpy(np.repeat(clip.samples, 3 - clip.channels, axis=0)[:2].copy())
