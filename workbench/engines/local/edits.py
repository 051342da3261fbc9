"""Edits that leave the rest bit-exact: what part of a source is heard, sampled and pasted.

The stock pipeline only conditions on the source and makes everything anew. So three things are
added: while sampling, the latents outside the window are put back to the source's (at the noise
level of the step); at the end they are blended over a few frames; and of the decoded audio only the
window, with a short crossfade on its outer side, is pasted into the source. Windows lie on frame
boundaries and contain what was asked. Of a long source only the surroundings of the window are
encoded.

Lengths: a frame is 1920 samples at 48 kHz, 1/25 s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from workbench.clip import Clip, Samples
from workbench.request import Inpaint, Outpaint

RATE_HZ = 48_000
FRAME = 1920
FRAMES_PER_S = 25
CONTEXT_S = 30.0
OVERLAP_S = 0.5
_LEVEL_WINDOW_S = 1.0
_LEVEL_MAX_DB = 6.0
_QUIET = 1e-4


@dataclass(frozen=True)
class Window:
    """One stretch to be made anew, and the surroundings that are heard with it.

    All in samples at the source's own rate and counted in the result, except `frames`, which counts
    latent frames within the surroundings.
    """

    start: int
    end: int
    context_start: int
    context_end: int
    frames: tuple[int, int]

    def frame_count(self, rate_hz: int) -> int:
        """Frames of the surroundings, the last one padded."""
        seconds = (self.context_end - self.context_start) / rate_hz
        return max(1, math.ceil(round(seconds * FRAMES_PER_S, 6)))


def windows_of(request: Inpaint | Outpaint, length: int, rate_hz: int) -> tuple[int, list[Window]]:
    """Where new audio goes.

    Parameters
    ----------
    request : Inpaint or Outpaint
    length : int
        Samples of the source.
    rate_hz : int

    Returns
    -------
    before : int
        Samples that the source is moved by in the result.
    windows : list of Window
        In the order in which they are made; two where an outpaint adds on both sides.
    """
    if isinstance(request, Inpaint):
        start_s, end_s = request.span.resolve(length / rate_hz)
        start, end = round(start_s * rate_hz), round(end_s * rate_hz)
        return 0, [_window(start, end, (start, end), length, rate_hz)]
    before, after = round(request.before_s * rate_hz), round(request.after_s * rate_hz)
    total = before + length + after
    overlap = min(round(OVERLAP_S * rate_hz), length // 2)
    found = []
    if after:
        start = before + length
        found.append(_window(start, total, (start - overlap, total), total, rate_hz))
    if before:
        found.append(_window(0, before, (0, before + overlap), total, rate_hz))
    return before, found


def _window(start: int, end: int, made: tuple[int, int], total: int, rate_hz: int) -> Window:
    context = round(CONTEXT_S * rate_hz)
    context_start, context_end = max(0, start - context), min(total, end + context)
    first = math.floor((made[0] - context_start) / rate_hz * FRAMES_PER_S)
    last = math.ceil((made[1] - context_start) / rate_hz * FRAMES_PER_S)
    return Window(start, end, context_start, context_end, (first, last))


def heard(canvas: Samples, window: Window, rate_hz: int) -> torch.Tensor:
    """The surroundings as the model hears them: (2, frames x 1920) at 48 kHz, float32."""
    around = canvas[:, window.context_start : window.context_end]
    stereo = np.repeat(around, 3 - len(around), axis=0)[:2]
    at_48k = Clip(np.ascontiguousarray(stereo), rate_hz).at_rate(RATE_HZ).samples
    padded = np.zeros((2, window.frame_count(rate_hz) * FRAME), np.float32)
    length = min(at_48k.shape[1], padded.shape[1])
    padded[:, :length] = at_48k[:, :length]
    return torch.from_numpy(padded)


def inject(
    latents: torch.Tensor,
    source: torch.Tensor,
    noise: torch.Tensor,
    frames: tuple[int, int],
    sigma: float,
) -> torch.Tensor:
    """Latents with the source, at this noise level, outside of the window."""
    kept = sigma * noise + (1 - sigma) * source
    inside = torch.zeros(latents.shape[1], 1, dtype=torch.bool, device=latents.device)
    inside[frames[0] : frames[1]] = True
    return torch.where(inside, latents, kept.to(latents.dtype))


def blended(
    latents: torch.Tensor, source: torch.Tensor, frames: tuple[int, int], edge: int
) -> torch.Tensor:
    """Latents that go over into the source's within `edge` frames outside of the window."""
    if not edge:
        return latents
    places = torch.arange(latents.shape[1], device=latents.device, dtype=torch.float32)
    outside = torch.clamp(torch.maximum(frames[0] - places, places - (frames[1] - 1)), min=0)
    weight = torch.clamp(1 - outside / (edge + 1), 0, 1)[None, :, None]
    mixed = weight * latents.float() + (1 - weight) * source.float()
    return mixed.to(latents.dtype)


def paste(
    canvas: Samples, made: Samples, window: Window, rate_hz: int, crossfade_s: float
) -> Samples:
    """The canvas with the window made anew; outside of it and its crossfades nothing changes.

    Parameters
    ----------
    canvas : (channels, samples)
    made : (2, samples at 48 kHz)
        The decoded surroundings.
    window : Window
    rate_hz : int
    crossfade_s : float
        On each outer side, where there is something to fade into.
    """
    length = window.context_end - window.context_start
    at_rate = Clip(np.ascontiguousarray(made), RATE_HZ).at_rate(rate_hz).samples
    new = np.zeros((len(canvas), length), np.float32)
    folded = at_rate.mean(axis=0, keepdims=True) if len(canvas) == 1 else at_rate
    new[:, : min(length, folded.shape[1])] = folded[:, :length]
    result = canvas.copy()
    first, last = window.start - window.context_start, window.end - window.context_start
    new *= _level_gain(
        canvas[:, window.context_start : window.context_end], new, first, last, rate_hz
    )
    result[:, window.start : window.end] = new[:, first:last]
    fade = round(crossfade_s * rate_hz)
    _fade(result, canvas, new, window, min(fade, first), "in")
    _fade(result, canvas, new, window, min(fade, length - last), "out")
    return result


def _fade(
    result: Samples, canvas: Samples, new: Samples, window: Window, fade: int, side: str
) -> None:
    """An equal-gain crossfade outside of one edge."""
    if not fade:
        return
    ramp = ((np.arange(fade) + 1) / (fade + 1)).astype(np.float32)
    if side == "in":
        place = slice(window.start - fade, window.start)
    else:
        place, ramp = slice(window.end, window.end + fade), ramp[::-1]
    at = slice(place.start - window.context_start, place.stop - window.context_start)
    result[:, place] = ramp * new[:, at] + (1 - ramp) * canvas[:, place]


def _level_gain(old: Samples, new: Samples, first: int, last: int, rate_hz: int) -> np.float32:
    """What brings the made audio to the source's level just outside of the window."""
    reach = round(_LEVEL_WINDOW_S * rate_hz)
    beside = np.r_[max(0, first - reach) : first, last : min(old.shape[1], last + reach)]
    if not len(beside):
        return np.float32(1)
    before, after = (float(np.sqrt(np.mean(np.square(x[:, beside])))) for x in (old, new))
    if before < _QUIET or after < _QUIET:
        return np.float32(1)
    most = 10 ** (_LEVEL_MAX_DB / 20)
    return np.float32(np.clip(before / after, 1 / most, most))
