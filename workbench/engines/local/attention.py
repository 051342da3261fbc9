"""Attention in which a row of a batch does not depend on its neighbours.

The stock processor gives cross-attention no padding mask, so that in a batch of unequal prompts
each row also hears the padding of the longer ones (5 to 6 % of the signal was measured). This one
applies the mask that the condition encoder returns. It repeats the key and value heads before the
product, which opens the fast kernels that refuse both a mask and unequal heads, and looks nothing
up, so that a block compiles into one graph.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (torch's own name for it)

_PROBE_ROWS, _PROBE_LENGTH, _PROBE_TRIES = 2, 750, 5


class PaddingMask:
    """The mask of the batch that is being sampled, shared by all cross-attentions."""

    def __init__(self) -> None:
        self.keep: torch.Tensor | None = None

    def for_rows(self, rows: int) -> torch.Tensor | None:
        """Boolean (rows, 1, 1, length); guidance runs the batch twice over, stacked."""
        if self.keep is None:
            return None
        return self.keep.repeat(rows // self.keep.shape[0], 1)[:, None, None, :]


class RowAttention:
    """An attention processor for every attention of the transformer."""

    _attention_backend = None
    _parallel_config = None

    def __init__(self, mask: PaddingMask, backend: str = "") -> None:
        self._mask, self._backend = mask, backend

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        image_rotary_emb: tuple[torch.Tensor, torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """(batch, length, width) -> the same shape."""
        is_cross = attn.is_cross_attention and encoder_hidden_states is not None
        heard = encoder_hidden_states if is_cross else hidden_states
        query = attn.norm_q(attn.to_q(hidden_states).unflatten(-1, (attn.heads, attn.head_dim)))
        key = attn.norm_k(attn.to_k(heard).unflatten(-1, (attn.kv_heads, attn.head_dim)))
        value = attn.to_v(heard).unflatten(-1, (attn.kv_heads, attn.head_dim))
        if is_cross:
            attention_mask = self._mask.for_rows(hidden_states.shape[0])
        elif image_rotary_emb is not None:
            query, key = _turned(query, image_rotary_emb), _turned(key, image_rotary_emb)
        repeats = attn.heads // attn.kv_heads
        with kernel(self._backend):
            mixed = F.scaled_dot_product_attention(
                query.transpose(1, 2),
                key.repeat_interleave(repeats, dim=2).transpose(1, 2),
                value.repeat_interleave(repeats, dim=2).transpose(1, 2),
                attn_mask=attention_mask,
                scale=attn.scaling,
            )
        mixed = mixed.transpose(1, 2).flatten(2, 3).to(query.dtype)
        out: torch.Tensor = attn.to_out[1](attn.to_out[0](mixed))
        return out


def _turned(states: torch.Tensor, freqs: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    """Rotary positions on (batch, length, heads, width); halves are turned against each other."""
    cos, sin = (part[None, :, None, :].to(states.device) for part in freqs)
    first, second = states.chunk(2, dim=-1)
    turned = torch.cat([-second, first], dim=-1)
    return (states.float() * cos + turned.float() * sin).to(states.dtype)


def kernel(backend: str) -> Any:
    """The context in which torch uses one kernel; its own choice where none is named."""
    if not backend:
        return nullcontext()
    from torch.nn.attention import SDPBackend, sdpa_kernel

    return sdpa_kernel(getattr(SDPBackend, backend))


def fastest_backend(device: torch.device, dtype: torch.dtype) -> str:
    """The kernel that is quickest for masked attention here, by trying; "" leaves it to torch.

    Only on a GPU: on a processor torch has one kernel.
    """
    if device.type != "cuda":
        return ""
    times_s = {
        name: _probe_s(name, device, dtype)
        for name in ("CUDNN_ATTENTION", "EFFICIENT_ATTENTION", "MATH")
    }
    working = {name: time_s for name, time_s in times_s.items() if time_s is not None}
    return min(working, key=lambda name: working[name]) if working else ""


def _probe_s(backend: str, device: torch.device, dtype: torch.dtype) -> float | None:
    """Best seconds of a few tries, or None where the kernel refuses."""
    shape = (_PROBE_ROWS, 16, _PROBE_LENGTH, 128)
    query = torch.zeros(shape, device=device, dtype=dtype)
    mask = torch.ones(_PROBE_ROWS, 1, _PROBE_LENGTH, _PROBE_LENGTH, device=device).bool()
    times_s = []
    try:
        for _ in range(_PROBE_TRIES):
            torch.cuda.synchronize(device)
            began = time.perf_counter()
            with kernel(backend):
                F.scaled_dot_product_attention(query, query, query, attn_mask=mask)
            torch.cuda.synchronize(device)
            times_s.append(time.perf_counter() - began)
    except RuntimeError:
        return None
    return min(times_s)
