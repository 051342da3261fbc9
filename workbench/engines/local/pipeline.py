"""The pipeline of diffusers, made to keep its rows apart and to repeat itself.

`RowPipeline` is diffusers' own `AceStepPipeline` with three of its public steps replaced:

* `encode_prompt`: each row brings its own tempo, key, time signature, language and length, and is
  encoded alone, once: then its numbers cannot depend on the batch. Encodings are kept.
* `prepare_src_latents` and `prepare_reference_audio_latents`: the latents of a source are the mode
  of their distribution, where the stock pipeline draws them from torch's global random state.

The padding mask of the conditions, which the stock pipeline drops, reaches `RowAttention`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import diffusers
import torch

from workbench.engines.local.attention import PaddingMask, RowAttention

TEXT_TOKENS_MAX = 256
LYRIC_TOKENS_MAX = 2048
_KEPT_ENCODINGS = 256


@dataclass(frozen=True)
class Row:
    """What one row of a batch is told."""

    tags: str
    lyrics: str
    language: str
    duration_s: float
    tempo_bpm: int | None
    key: str | None
    time_signature: str | None
    instruction: str


@dataclass(frozen=True)
class Encoding:
    """A row's text, ready for the condition encoder; (length, width) each."""

    text: torch.Tensor
    lyrics: torch.Tensor
    truncated: tuple[str, ...]


# The library is not typed.
_Stock: Any = diffusers.AceStepPipeline


class RowPipeline(_Stock):  # type: ignore[misc]
    """AceStepPipeline whose rows are independent; see the module's docstring."""

    def prepare(self, backend: str = "") -> None:
        """Put our attention in; called once after loading."""
        if self.tokenizer.padding_side != "right":
            raise ValueError("the tokenizer pads on the left: the text encoder needs the right.")
        self._mask = PaddingMask()
        self._encodings: OrderedDict[tuple[str, str], Encoding] = OrderedDict()
        self.rows: Sequence[Row] = ()
        for layer in self.transformer.layers:
            for attention in (layer.self_attn, layer.cross_attn):
                attention.set_processor(RowAttention(self._mask, backend))
        self.condition_encoder.register_forward_hook(self._note_mask)
        self.set_progress_bar_config(disable=True)

    def _note_mask(self, module: Any, inputs: Any, outputs: Any) -> None:
        keep = outputs[1].bool()
        # Without padding there is nothing to hide, and unmasked kernels are quicker.
        self._mask.keep = None if bool(keep.all()) else keep

    def encode(self, row: Row) -> Encoding:
        """A row's encoding; made once per wording."""
        text, lyrics = self._format_prompt(
            prompt=row.tags,
            lyrics=row.lyrics,
            vocal_language=row.language,
            audio_duration=row.duration_s,
            instruction=row.instruction,
            bpm=row.tempo_bpm,
            keyscale=row.key,
            timesignature=row.time_signature,
        )
        if (text, lyrics) in self._encodings:
            self._encodings.move_to_end((text, lyrics))
            return self._encodings[text, lyrics]
        text_ids, text_cut = self._tokens(text, TEXT_TOKENS_MAX, "tags")
        lyric_ids, lyrics_cut = self._tokens(lyrics, LYRIC_TOKENS_MAX, "lyrics")
        with torch.inference_mode():
            encoding = Encoding(
                self.text_encoder(input_ids=text_ids).last_hidden_state[0].clone(),
                self.text_encoder.get_input_embeddings()(lyric_ids)[0].clone(),
                text_cut + lyrics_cut,
            )
        self._encodings[text, lyrics] = encoding
        if len(self._encodings) > _KEPT_ENCODINGS:
            self._encodings.popitem(last=False)
        return encoding

    def _tokens(self, text: str, most: int, what: str) -> tuple[torch.Tensor, tuple[str, ...]]:
        ids = self.tokenizer(text, return_tensors="pt").input_ids
        over = ids.shape[1] - most
        said = f"the {what} are {over} tokens longer than the model reads: their end was cut off"
        device = self.text_encoder.device
        return ids[:, :most].to(device), ((said,) if over > 0 else ())

    def encode_prompt(self, prompt: Any, lyrics: Any, device: Any, **_: Any) -> Any:
        """The rows that were laid out, padded on the right to one length."""
        encodings = [self.encode(row) for row in self.rows]
        text, text_mask = _padded([e.text for e in encodings], device)
        lyric, lyric_mask = _padded([e.lyrics for e in encodings], device)
        return text, text_mask, lyric, lyric_mask

    def prepare_src_latents(self, *args: Any, src_audio: Any = None, **kwargs: Any) -> Any:
        """As the stock step, but a source always gives the same latents."""
        if src_audio is None:
            return super().prepare_src_latents(*args, **kwargs)
        with _modes(self.vae):
            return super().prepare_src_latents(*args, src_audio=src_audio, **kwargs)

    def prepare_reference_audio_latents(self, **kwargs: Any) -> Any:
        """As the stock step, but a reference always gives the same latents."""
        with _modes(self.vae):
            return super().prepare_reference_audio_latents(**kwargs)


class _modes:  # noqa: N801  (used like a function)
    """Within it, an encoder's distribution gives its mode where a sample is asked for."""

    def __init__(self, vae: Any) -> None:
        self._vae = vae

    def __enter__(self) -> None:
        encode = self._vae.encode

        def encode_to_mode(audio: torch.Tensor) -> Any:
            found = encode(audio)
            found.latent_dist.sample = found.latent_dist.mode
            return found

        self._vae.encode = encode_to_mode

    def __exit__(self, *_: object) -> None:
        del self._vae.encode  # the class's own is seen again


def _padded(parts: Sequence[torch.Tensor], device: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """(rows, longest, width) and the boolean mask of what is no padding."""
    lengths = torch.tensor([len(part) for part in parts])
    padded = torch.nn.utils.rnn.pad_sequence(list(parts), batch_first=True)
    mask = torch.arange(padded.shape[1])[None, :] < lengths[:, None]
    return padded.to(device), mask.to(device)


def noise_of(seed: int, frames: int, width: int) -> torch.Tensor:
    """The noise that a seed stands for: float32 (frames, width), on whatever device.

    Drawn on the processor, so that it depends on no device, no precision and no batch.
    """
    drawn = torch.Generator("cpu").manual_seed(seed)
    return torch.randn(frames, width, generator=drawn, dtype=torch.float32)
