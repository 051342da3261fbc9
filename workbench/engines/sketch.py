"""The embedded engine: procedural music whose tempo, beats, key and edits are known exactly.

It is no neural model. It makes every path runnable in seconds with no GPU, key or network, and
it is the ruler that measures our rulers: each delivery carries its truth.
"""

from __future__ import annotations

import dataclasses
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

import numpy as np

from workbench import sketch
from workbench.clip import Clip, Samples
from workbench.cost import Charge, Quote, usd, usd_from_zero
from workbench.engines.base import Attempt, Delivery, Outcome
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
from workbench.value import Json
from workbench.words import parse_tags

NAME = "sketch"
# Raise it whenever the same request would sound different: stored takes then no longer match.
VERSION = "3"
FIELDS = frozenset({"tempo_bpm", "key", "time_signature", "language"})
DURATION_MIN_S = 5.0
# Stated cautiously, so that a quote is not exceeded on a slow machine: twenty times real time.
QUOTED_SPEED = 20
_SEAM_OPTIONS = {"seam_phase_ms", "seam_level_db", "seam_timbre", "seam_hard_cut"}


class SketchEngine:
    """Embedded procedural music with known truth; needs no GPU, key or network.

    Parameters
    ----------
    usd_per_hour : number or str
        What an hour of this machine's core costs; 0 makes takes free.

    Options of a request: on edits ``seam_phase_ms``, ``seam_level_db``, ``seam_timbre`` (0..1)
    and ``seam_hard_cut`` dial how bad the edges are; none of them makes them as clean as can be.

    Examples
    --------
    >>> engine = SketchEngine()
    >>> attempt = Attempt(Request(tags="house, 124 BPM", duration_s=6), "key")
    >>> [(_, delivery)] = engine.generate([attempt])
    >>> delivery.audio, delivery.truth["tempo_bpm"]
    (Clip(6.000 s, 2 ch, 48000 Hz), 124.0)
    """

    name = NAME
    concurrency = 1
    batch_max = 1
    is_idempotent = True  # nothing is sent, so nothing can be paid for twice

    def __init__(self, usd_per_hour: Decimal | float | str = 0) -> None:
        self._usd_per_s = usd_from_zero(usd_per_hour) / 3600

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """Model and version; the audio depends on nothing else."""
        return {"engine": NAME, "version": VERSION}

    def ready(self) -> str:
        """Always: it is part of this package."""
        return "embedded procedural music with known truth; needs no GPU, key or network"

    def check(self, request: AnyRequest) -> None:
        """Raise `RequestError` for an unknown option or a length outside 5..600 s."""
        known = set() if isinstance(request, Request) else _SEAM_OPTIONS
        unknown = sorted(set(request.options) - known)
        if unknown:
            hint = f"it knows {sorted(known)}" if known else "it has none for text to audio"
            raise RequestError(f"sketch has no option {', '.join(unknown)}: {hint}.")
        _seam(request.options)
        if isinstance(request, Request) and request.duration_s < DURATION_MIN_S:
            raise RequestError(f"sketch renders {DURATION_MIN_S:g} s or more: raise duration_s.")
        if _rendered_s(request) > DURATION_MAX_S:
            raise RequestError(f"sketch renders at most {DURATION_MAX_S:g} s: ask for less.")

    def quote(self, request: AnyRequest) -> Quote:
        """Seconds of computing at the hourly price, at a cautious speed."""
        self.check(request)
        if not self._usd_per_s:
            return Quote(basis="embedded engine, no charge")
        seconds = _rendered_s(request) / QUOTED_SPEED
        return Quote(
            amount_usd=usd(self._usd_per_s * Decimal(str(seconds))),
            basis=f"{seconds:.2f} s of one core at {self._usd_per_s * 3600:.2f} USD/h",
        )

    def batch_key(self, request: AnyRequest) -> str:
        """Takes are rendered one by one."""
        return request.digest

    def generate(self, attempts: Sequence[Attempt]) -> Iterator[Outcome]:
        """Render each attempt; deterministic for a given request and version."""
        for attempt in attempts:
            attempt.stop_if_cancelled()
            yield attempt, self._render(attempt.request)

    def _render(self, request: AnyRequest) -> Delivery:
        began = time.process_time()
        plan, notes = _plan(request)
        clip, truth = _samples(request, plan)
        core_s = time.process_time() - began
        charge = Charge(
            amount_usd=usd(self._usd_per_s * Decimal(str(core_s))),
            basis=f"{core_s:.2f} s of one core",
            source="measured",
        )
        return Delivery(
            audio=clip,
            sent=_described(plan),
            received={"seed": plan.seed, "core_s": round(core_s, 4)},
            charge=charge,
            truth=truth,
            notes=notes,
        )


def _rendered_s(request: AnyRequest) -> float:
    if isinstance(request, Request):
        return request.duration_s
    if isinstance(request, Outpaint):
        return request.before_s + request.after_s
    start, end = request.span.resolve(request.source.duration_s)
    return end - start


def _plan(request: AnyRequest) -> tuple[sketch.Plan, tuple[str, ...]]:
    """What to play, and notes on what was understood otherwise than asked."""
    drawn = secrets.randbelow(SEED_MAX + 1) if request.seed < 0 else request.seed
    carried = carry(request, FIELDS)
    plan, notes = sketch.plan_from_words(
        parse_tags(carried.tags),
        lyrics_sections=[section.name for section in request.sections if section.name],
        tempo_bpm=carried.tempo_bpm,
        key=carried.key,
        time_signature=carried.time_signature,
        duration_s=max(DURATION_MIN_S, _rendered_s(request)),
        seed=drawn,
        vocal=not request.instrumental and any(section.lines for section in request.sections),
    )
    if request.language:
        notes += (f"language {request.language!r} changes nothing: sketch sings no words",)
    return plan, notes


def _samples(request: AnyRequest, plan: sketch.Plan) -> tuple[Clip, Json]:
    """The audio, and what is known of it by construction."""
    if isinstance(request, Request):
        samples, truth = sketch.render(plan)
        return Clip(samples, sketch.RATE_HZ), truth.to_json()
    return _edited(request, plan), {}


def _edited(request: Inpaint | Outpaint, plan: sketch.Plan) -> Clip:
    """The edit, at the source's own rate and channels, every kept sample as it was."""
    source = request.source.read()
    if source.channels > 2:
        raise RequestError("sketch edits mono and stereo sources: mix this one down first.")
    stereo = np.repeat(source.samples, 3 - source.channels, axis=0)[:2]
    at_48k = Clip(stereo, source.rate_hz).at_rate(sketch.RATE_HZ).samples
    seam = _seam(request.options)
    length = source.samples.shape[1]
    if isinstance(request, Outpaint):
        new = sketch.outpaint(at_48k, plan, request.before_s, request.after_s, seam)
        before = round(request.before_s * source.rate_hz)
        total = before + length + round(request.after_s * source.rate_hz)
        kept = slice(before, before + length)
        edited = _at_rate(new, source.rate_hz, total)[: source.channels].copy()
        edited[:, kept] = source.samples
        return Clip(edited, source.rate_hz)
    start_s, end_s = request.span.resolve(source.duration_s)
    new = sketch.inpaint(at_48k, plan, start_s, end_s, seam)
    window = slice(round(start_s * source.rate_hz), round(end_s * source.rate_hz))
    edited = source.samples.copy()
    edited[:, window] = _at_rate(new, source.rate_hz, length)[: source.channels, window]
    return Clip(edited, source.rate_hz)


def _seam(options: Mapping[str, str | float | bool]) -> sketch.Seam:
    try:
        return sketch.Seam(
            phase_ms=float(options.get("seam_phase_ms", 0)),
            level_db=float(options.get("seam_level_db", 0)),
            timbre=float(options.get("seam_timbre", 0)),
            hard_cut=bool(options.get("seam_hard_cut", False)),
        )
    except ValueError as error:
        raise RequestError(f"a seam option is no number: {error}.") from None


def _at_rate(new: Samples, rate_hz: int, length: int) -> Samples:
    """What sketch made, at another rate and exactly `length` samples long."""
    found = Clip(new, sketch.RATE_HZ).at_rate(rate_hz).samples
    return np.pad(found, ((0, 0), (0, max(0, length - found.shape[1]))))[:, :length]


def _described(plan: sketch.Plan) -> Json:
    """The plan as JSON data: what was, so to speak, sent to the band."""
    return {**dataclasses.asdict(plan), "moods": sorted(plan.moods)}
