"""One batch of attempts, from requests to deliveries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from workbench.clip import Clip, Samples
from workbench.engines.base import Attempt, Delivery
from workbench.engines.local import edits, plan
from workbench.engines.local.model import FRAMES_PER_S, PEAK, RATE_HZ, Model, Told
from workbench.engines.local.pipeline import Row
from workbench.errors import EngineFailed, RequestError
from workbench.request import AnyRequest, Inpaint, Outpaint, Request

_SAMPLED = 0.9  # share of an attempt that is over when its last step is


@dataclass(frozen=True)
class Failure:
    """Why one row of a batch came to nothing."""

    error: EngineFailed


@dataclass(frozen=True)
class _Work:
    """A batch that is ready to be sampled."""

    attempts: Sequence[Attempt]
    requests: Sequence[AnyRequest]
    settings: plan.Settings
    wishes: Sequence[plan.Wishes]
    seeds: Sequence[int]

    @classmethod
    def of(cls, model: Model, attempts: Sequence[Attempt]) -> _Work:
        requests = [attempt.request for attempt in attempts]
        return cls(
            attempts,
            requests,
            plan.settings_of(requests[0], model.weights.variant),
            [plan.wishes_of(request) for request in requests],
            [plan.drawn_seed(request) for request in requests],
        )

    def rows(self, model: Model, duration_s: float) -> list[Row]:
        instruction = model.pipe._get_task_instruction(
            self.settings.task, self.settings.track or None, _classes(self.settings)
        )
        return [
            Row(
                tags=wish.tags,
                lyrics=wish.lyrics,
                language=wish.language,
                duration_s=duration_s,
                tempo_bpm=wish.tempo_bpm,
                key=wish.key,
                time_signature=wish.time_signature,
                instruction=instruction,
            )
            for wish in self.wishes
        ]

    def told(self, first: float, last: float) -> Told:
        """Progress from one share to another; stops within a step when asked to."""

        def tell(step: int, steps: int) -> None:
            for attempt in self.attempts:
                attempt.stop_if_cancelled()
                attempt.progress(first + (last - first) * step / steps, f"step {step} of {steps}")

        return tell

    def delivery(self, model: Model, number: int, clip: Clip, row: Row) -> Delivery:
        wish = self.wishes[number]
        encoding = model.pipe.encode(row)
        sent = {name: value for name, value in asdict(row).items() if value is not None}
        sent |= {name: value for name, value in asdict(self.settings).items() if value}
        received = {
            "seed": self.seeds[number],
            "attention": model.backend or "torch's choice",
            "compiled": model.compiled,
        }
        return Delivery(
            audio=clip,
            sent=sent,
            received=received,
            notes=wish.notes + encoding.truncated,
        )


def serve(model: Model, attempts: Sequence[Attempt]) -> list[Delivery | Failure]:
    """Deliveries, in the order of the attempts; a row that failed alone is a `Failure`."""
    work = _Work.of(model, attempts)
    first = work.requests[0]
    if isinstance(first, Request):
        return _music(model, work, first.duration_s)
    if work.settings.task == "repaint":
        return _repainted(model, work)
    return _whole(model, work)


def _music(model: Model, work: _Work, duration_s: float) -> list[Delivery | Failure]:
    rows = work.rows(model, duration_s)
    latents = model.sample(rows, work.seeds, work.settings, told=work.told(0.0, _SAMPLED))
    length = round(duration_s * RATE_HZ)
    results: list[Delivery | Failure] = []
    for number, row in enumerate(rows):
        try:
            samples = model.decode(latents[number])[:, :length]
        except EngineFailed as error:
            results.append(Failure(error))
            continue
        peak = float(np.abs(samples).max())
        results.append(work.delivery(model, number, Clip(samples * (PEAK / peak), RATE_HZ), row))
    return results


def _whole(model: Model, work: _Work) -> list[Delivery | Failure]:
    """Tasks that make all of a source anew: cover, extract, lego, complete."""
    request = work.requests[0]
    assert isinstance(request, Inpaint)
    source = request.source.read()
    length = source.samples.shape[1]
    start, end = (round(t * source.rate_hz) for t in request.span.resolve(source.duration_s))
    is_lego = work.settings.task == "lego"
    if not is_lego and (start, end) != (0, length):
        raise RequestError(f"{work.settings.task} takes the whole source: let the span cover it.")
    window = edits.Window(start, end, 0, length, _frames(start, end, source.rate_hz))
    audio = edits.heard(source.samples, window, source.rate_hz)
    rows = work.rows(model, audio.shape[1] / RATE_HZ)
    latents = model.sample(
        rows,
        work.seeds,
        work.settings,
        source=audio,
        frames=window.frames if is_lego else None,
        told=work.told(0.0, _SAMPLED),
    )
    results: list[Delivery | Failure] = []
    for number, row in enumerate(rows):
        try:
            made = model.decode(latents[number])
        except EngineFailed as error:
            results.append(Failure(error))
            continue
        exact = round(source.duration_s * RATE_HZ)
        results.append(work.delivery(model, number, Clip(made[:, :exact], RATE_HZ), row))
    return results


def _frames(start: int, end: int, rate_hz: int) -> tuple[int, int]:
    first = int(start / rate_hz * FRAMES_PER_S)
    return first, max(first + 1, math.ceil(end / rate_hz * FRAMES_PER_S))


def _repainted(model: Model, work: _Work) -> list[Delivery | Failure]:
    """Inpaint and outpaint: window by window, each row pasted into its own canvas."""
    request = work.requests[0]
    assert isinstance(request, Inpaint | Outpaint)
    source = request.source.read()
    if source.channels > 2:
        raise RequestError("local edits mono and stereo sources: mix this one down first.")
    before, windows = edits.windows_of(request, source.samples.shape[1], source.rate_hz)
    total = max(before + source.samples.shape[1], max(window.end for window in windows))
    canvas = np.zeros((source.channels, total), np.float32)
    canvas[:, before : before + source.samples.shape[1]] = source.samples
    results: list[Samples | Failure] = [canvas] * len(work.attempts)
    rows: list[Row] = []
    for number, window in enumerate(windows):
        told = work.told(_SAMPLED * number / len(windows), _SAMPLED * (number + 1) / len(windows))
        rows, made = _window_made(model, work, canvas, window, source.rate_hz, told)
        crossfade_s = plan.BLENDS[work.settings.blend][2]
        results = [
            old
            if isinstance(old, Failure)
            else new
            if isinstance(new, Failure)
            else edits.paste(old, new, window, source.rate_hz, crossfade_s)
            for old, new in zip(results, made, strict=True)
        ]
    return [
        result
        if isinstance(result, Failure)
        else work.delivery(model, number, Clip(result, source.rate_hz), rows[number])
        for number, result in enumerate(results)
    ]


def _window_made(
    model: Model, work: _Work, canvas: Samples, window: edits.Window, rate_hz: int, told: Told
) -> tuple[list[Row], list[Samples | Failure]]:
    audio = edits.heard(canvas, window, rate_hz)
    rows = work.rows(model, audio.shape[1] / RATE_HZ)
    latents = model.sample(
        rows, work.seeds, work.settings, source=audio, frames=window.frames, told=told
    )
    made: list[Samples | Failure] = []
    for row in latents:
        try:
            made.append(model.decode(row))
        except EngineFailed as error:
            made.append(Failure(error))
    return rows, made


def _classes(settings: plan.Settings) -> list[str] | None:
    return settings.track.split("|") if settings.task == "complete" and settings.track else None
