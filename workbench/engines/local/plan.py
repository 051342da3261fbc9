"""From a request to what the sampler is told: settings that a batch shares, and rows of its own."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.engines.local.variants import Variant
from workbench.errors import RequestError
from workbench.request import (
    DURATION_MAX_S,
    SEED_MAX,
    AnyRequest,
    Inpaint,
    Outpaint,
    Request,
    carry,
)
from workbench.value import digest

FIELDS = frozenset({"tempo_bpm", "key", "time_signature", "language"})
TAGS_MAX, LYRICS_MAX = 512, 4096
SHORTEST_S, USUAL_SHORTEST_S = 1.0, 10.0
BLENDS: Mapping[str, tuple[float, int, float]] = {
    # share of the steps with the source put back, frames of blended latents, crossfade in seconds
    "conservative": (1.0, 25, 0.050),
    "balanced": (0.5, 12, 0.025),
    "aggressive": (0.0, 0, 0.0),
}
_WHOLE_TASKS = ("cover", "extract", "lego", "complete")
_NUMBERS = {
    "steps": (int, 1, 200),
    "shift": (float, 0.1, 10.0),
    "guidance": (float, 1.0, 20.0),
    "lora_scale": (float, -4.0, 4.0),
}
_WORDS = frozenset({"blend", "task", "track", "lora", "reference"})


@dataclass(frozen=True)
class Settings:
    """What all rows of a batch share."""

    task: str
    steps: int
    shift: float
    guidance: float
    blend: str
    track: str
    lora: str
    lora_scale: float
    reference: str


def settings_of(request: AnyRequest, variant: Variant) -> Settings:
    """The settings a request asks for; the variant's own where it asks for none.

    Raises
    ------
    RequestError
        For an option that is unknown, out of range, or that this variant or kind cannot serve.
    """
    options = dict(request.options)
    _refuse_unknown(options)
    numbers = {name: _number(options, name) for name in _NUMBERS}
    is_edit = not isinstance(request, Request)
    task = str(options.get("task", "repaint" if is_edit else "text2music"))
    _check_task(request, task, variant)
    blend = str(options.get("blend", "balanced"))
    if blend not in BLENDS:
        raise RequestError(f"blend is {blend!r}: choose one of {', '.join(BLENDS)}.")
    for name in ("lora", "reference"):
        if options.get(name) and not Path(str(options[name])).exists():
            raise RequestError(f"there is no {name} at {options[name]}: name a file or folder.")
    guidance = variant.guidance if numbers["guidance"] is None else numbers["guidance"]
    if variant.guidance == 1 and guidance != 1:
        raise RequestError(
            f"guidance is part of {variant.name}'s weights: leave it at 1, or take base or sft."
        )
    return Settings(
        task=task,
        steps=int(numbers["steps"] or variant.steps),
        shift=float(numbers["shift"] or variant.shift),
        guidance=float(guidance),
        blend=blend,
        track=str(options.get("track", "")),
        lora=str(options.get("lora", "")),
        lora_scale=1.0 if numbers["lora_scale"] is None else float(numbers["lora_scale"]),
        reference=str(options.get("reference", "")),
    )


def _refuse_unknown(options: Mapping[str, Any]) -> None:
    known = _WORDS | _NUMBERS.keys()
    unknown = sorted(set(options) - known)
    if unknown:
        raise RequestError(
            f"local has no option {', '.join(unknown)}: it knows {', '.join(sorted(known))}."
        )


def _number(options: Mapping[str, Any], name: str) -> float | None:
    if name not in options:
        return None
    kind, least, most = _NUMBERS[name]
    try:
        number = kind(options[name])
    except (TypeError, ValueError):
        number = least - 1
    if not least <= number <= most:
        raise RequestError(f"{name} is {options[name]!r}: give a number from {least} to {most}.")
    return float(number)


def _check_task(request: AnyRequest, task: str, variant: Variant) -> None:
    allowed = ("text2music",) if isinstance(request, Request) else ("repaint", *_WHOLE_TASKS)
    if isinstance(request, Outpaint):
        allowed = ("repaint",)
    if task not in allowed:
        raise RequestError(
            f"task is {task!r}, but {request.kind} can be {', '.join(allowed)}: tasks with a "
            "source are asked for as an Inpaint."
        )
    if task not in variant.tasks:
        raise RequestError(f"{variant.name} was not trained for {task}: take base or xl-base.")


def check(request: AnyRequest, variant: Variant) -> None:
    """Raise `RequestError` for what the model was never made for, before anything is loaded."""
    settings_of(request, variant)
    if len(request.tags) > TAGS_MAX:
        raise RequestError(f"the tags are {len(request.tags)} characters: {TAGS_MAX} are read.")
    if len(request.lyrics) > LYRICS_MAX:
        raise RequestError(
            f"the lyrics are {len(request.lyrics)} characters: {LYRICS_MAX} are read."
        )
    seconds = rendered_s(request)
    if not SHORTEST_S <= seconds <= DURATION_MAX_S:
        raise RequestError(
            f"{seconds:g} s would be rendered: ask for {SHORTEST_S:g} to {DURATION_MAX_S:g} s."
        )
    if not isinstance(request, Request) and request.source.url:
        raise RequestError("local edits files: download the source and name the file.")


def rendered_s(request: AnyRequest) -> float:
    """Seconds of new audio."""
    if isinstance(request, Request):
        return request.duration_s
    if isinstance(request, Outpaint):
        return request.before_s + request.after_s
    start_s, end_s = request.span.resolve(_source_s(request))
    return end_s - start_s


def _source_s(request: Inpaint) -> float:
    if request.source.url:
        raise RequestError("local edits files: download the source and name the file.")
    return request.source.duration_s


def batch_key(request: AnyRequest, variant: Variant) -> str:
    """Requests that agree in this may share a call: all that a batch cannot hold row by row."""
    shape: list[Any] = [type(request).__name__, settings_of(request, variant).__dict__]
    if isinstance(request, Request):
        shape.append(request.duration_s)
    else:
        where = (
            request.span if isinstance(request, Inpaint) else (request.before_s, request.after_s)
        )
        shape += [request.source.digest, str(where)]
    return digest(shape)


@dataclass(frozen=True)
class Wishes:
    """A request's words as the model is told them."""

    tags: str
    lyrics: str
    language: str
    tempo_bpm: int | None
    key: str | None
    time_signature: str | None
    notes: tuple[str, ...]


def wishes_of(request: AnyRequest) -> Wishes:
    """Tags and fields for one row, with notes on what was understood otherwise than asked."""
    carried = carry(request, FIELDS)
    notes = []
    tempo_bpm = None if carried.tempo_bpm is None else round(carried.tempo_bpm)
    if tempo_bpm is not None and tempo_bpm != carried.tempo_bpm:
        notes.append(f"tempo {carried.tempo_bpm:g} BPM was rounded to {tempo_bpm}: a whole number")
    if isinstance(request, Request) and request.duration_s < USUAL_SHORTEST_S:
        notes.append(f"under {USUAL_SHORTEST_S:g} s the model was not trained")
    return Wishes(
        tags=carried.tags,
        lyrics="[Instrumental]" if request.instrumental else request.lyrics,
        language=carried.language or ("unknown" if request.instrumental else "en"),
        tempo_bpm=tempo_bpm,
        key=carried.key,
        time_signature=None if carried.time_signature is None else str(carried.time_signature),
        notes=tuple(notes),
    )


def drawn_seed(request: AnyRequest) -> int:
    """The request's seed, or one drawn now."""
    return secrets.randbelow(SEED_MAX + 1) if request.seed < 0 else request.seed
