"""RunComfy's Model API: ACE-Step, ACE-Step 1.5, their edits, and ElevenLabs music.

RunComfy has no idempotency key, so a submit whose answer is lost leaves an unknown outcome.
Only a queued job can be cancelled. Prices are read live, per second of audio; what a job did
cost comes with its result.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote as percent

from workbench.cost import Charge, Quote, usd
from workbench.engines.hosted.download import file_name
from workbench.engines.hosted.engine import HostedEngine
from workbench.engines.hosted.job import (
    CANCELLED,
    UNBILLED,
    Farewell,
    Look,
    Order,
    Result,
    amount_of,
    fingerprint,
    how_it_ended,
    job_id_of,
)
from workbench.engines.hosted.pace import Pace, Pause
from workbench.engines.hosted.redact import quoted, scrub_json
from workbench.engines.hosted.schema import (
    EDIT_MAX_S,
    SOURCE_MAX_S,
    ElevenLabsInput,
    InpaintInput,
    Input,
    OutpaintInput,
    TextInput,
    check_total,
    check_window,
)
from workbench.engines.hosted.settings import Settings
from workbench.engines.hosted.source import (
    BODY_MAX_BYTES,
    DATA_URI,
    as_field,
    source_length_s,
    without_payload,
)
from workbench.engines.hosted.wire import Wire
from workbench.errors import EngineRefused, RequestError
from workbench.request import AnyRequest, Inpaint, Outpaint, Request, carry
from workbench.value import canonical_json

CONTRACT = "runcomfy/1"
ELEVENLABS = "elevenlabs/elevenlabs/music-generation"
_PRICE_KEPT_S = 60.0
_SUCCEEDED = {"completed", "succeeded"}
_OVER = _SUCCEEDED | CANCELLED | {"failed"}


@dataclass(frozen=True)
class Price:
    """A model's price as it is now."""

    model: str
    usd_per_s: Decimal
    note: str = ""


def read_price(wire: Wire, model: str, pause: Pause = time.sleep) -> Price:
    """The live price of a model.

    Raises
    ------
    EngineRefused
        If what comes is no price per second of this model; it is never taken as zero.
    """
    row = wire.get(f"/models/{model_path(model)}", pause=pause)
    price = amount_of(row.get("base_price_usd"))
    if price is None or row.get("price_unit") != "second" or row.get("model_id") != model:
        raise EngineRefused(
            f"RunComfy states no usable price per second for {model}: look at its page, and try "
            "again later.",
            wire.engine,
        )
    return Price(model, price, quoted(str(row.get("pricing_note") or "")))


def model_path(model: str) -> str:
    """A model id as part of a path: slashes stay, each segment is encoded.

    Raises
    ------
    RequestError
        If it is no model id.

    Examples
    --------
    >>> model_path("acestep-ai/ace-step-1.5/text-to-audio")
    'acestep-ai/ace-step-1.5/text-to-audio'
    """
    segments = model.split("/")
    if any(not segment.strip(".") for segment in segments):
        raise RequestError(f"{model!r} is no model id: write for example owner/model/task.")
    return "/".join(percent(segment, safe="") for segment in segments)


def audio_links(output: object) -> list[str]:
    """Links to audio in a job's output: under ``audios`` or ``audio``, else anywhere in it.

    Examples
    --------
    >>> audio_links({"audio": "https://a/1.wav", "audios": ["https://a/1.wav"]})
    ['https://a/1.wav']
    """
    if isinstance(output, Mapping):
        for key in ("audios", "audio"):
            found = list(dict.fromkeys(_links(output.get(key))))
            if found:
                return found
    return list(dict.fromkeys(_links(output)))


def _links(data: object) -> Iterator[str]:
    if isinstance(data, str) and data.startswith(("https://", "http://")):
        yield data
    children = list(data.values()) if isinstance(data, Mapping) else data
    if isinstance(children, list):
        for child in children:
            yield from _links(child)


class RunComfy:
    """One engine's models at RunComfy; a `FarSide`.

    Parameters
    ----------
    engine : str
    models : mapping
        The model that serves each kind of request (text, inpaint, outpaint).
    settings : Settings
    concurrency : int
        Jobs under way at once, at most.
    """

    submit_repeats = False
    how_to_look = (
        "Look for it on the Generations page of runcomfy.com, then resolve this take by hand "
        "before it is run again."
    )

    def __init__(
        self, engine: str, models: Mapping[str, str], settings: Settings, concurrency: int
    ) -> None:
        self.engine, self.settings = engine, settings
        self._models = models
        pace = Pace(concurrency)
        self.wire = Wire(settings.runcomfy, settings.limits, pace=pace, engine=engine)
        self._prices: dict[str, tuple[float, Price]] = {}
        self._pricing = threading.Lock()

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """Engine, model and contract; and the host, where it is not the service's own."""
        return fingerprint(self.engine, self._models["text"], CONTRACT, self.wire.service)

    def check(self, request: AnyRequest) -> None:
        """Raise `RequestError` if the model cannot serve the request."""
        self._check_options(request)
        self.order(request, whole=False)
        if isinstance(request, Inpaint):
            check_window(request.span, source_length_s(request.source))
        if isinstance(request, Outpaint):
            source_s = source_length_s(request.source)
            if not request.options.get("allow_beyond_240_s"):
                check_total(request.before_s, request.after_s, source_s)

    def _check_options(self, request: AnyRequest) -> None:
        known = set()
        if self._model(request) == ELEVENLABS:
            known = {"output_format"}
        elif isinstance(request, Outpaint):
            known = {"allow_beyond_240_s"}
        unknown = sorted(set(request.options) - known)
        if unknown:
            has = ", ".join(sorted(known)) or "none"
            raise RequestError(f"{self.engine} has no option {unknown[0]!r}: it knows {has}.")

    def _model(self, request: AnyRequest) -> str:
        if request.kind not in self._models:
            raise RequestError(f"{self.engine} cannot {request.kind}: use runcomfy-base.")
        return self._models[request.kind]

    def quote(self, request: AnyRequest, pause: Pause = time.sleep) -> Quote:
        """Seconds at the live price, which is kept for a minute."""
        seconds = self.seconds(request)
        price = self._price(self._model(request), pause)
        return Quote(
            amount_usd=usd(Decimal(str(seconds)) * price.usd_per_s),
            basis=f"{seconds:g} s at {price.usd_per_s} USD/s, {price.model}",
        )

    def _price(self, model: str, pause: Pause) -> Price:
        with self._pricing:  # one thread asks, the others take its answer
            read_at, price = self._prices.get(model, (-math.inf, None))
            if price is None or time.monotonic() - read_at > _PRICE_KEPT_S:
                price = read_price(self.wire, model, pause)
                self._prices[model] = (time.monotonic(), price)
            return price

    def seconds(self, request: AnyRequest) -> float:
        """Length of the result at most: it is what an edit is expected to be billed by."""
        if isinstance(request, Request):
            return request.duration_s
        source_s = source_length_s(request.source)
        if isinstance(request, Inpaint):
            return SOURCE_MAX_S if source_s is None else source_s
        added_s = request.before_s + request.after_s
        if source_s is not None:
            return source_s + added_s
        return SOURCE_MAX_S if request.options.get("allow_beyond_240_s") else EDIT_MAX_S

    def order(self, request: AnyRequest, *, whole: bool) -> Order:
        """The request in RunComfy's words; the source's audio only if `whole`.

        Raises
        ------
        RequestError
            If a field is beyond what the model takes.
        """
        model = self._model(request)
        tags = carry(request, frozenset()).tags
        notes: tuple[str, ...] = ()
        if model == ELEVENLABS:
            given = _elevenlabs(request, tags)
            notes = ("this model takes no seed: every take is a new draw",)
        else:
            given = _ace_step(request, tags, whole=whole)
            if not request.lyrics:
                reading = "plays without vocals" if "1.5" in model else "may write words of its own"
                notes = (f"without lyrics this model {reading}",)
        body = given.body()
        if whole and len(canonical_json(body)) > BODY_MAX_BYTES:
            raise RequestError("the whole call is larger than 64 MiB: shorten lyrics or source.")
        if isinstance(request, Request):
            return Order(model, body, body, notes)
        return Order(model, body, without_payload(body, request.source), notes)

    def submit(self, order: Order, idempotency_key: str) -> str:
        """Submit once; RunComfy knows no keys."""
        reply = self.wire.post_once(f"/models/{model_path(order.model)}", dict(order.body))
        return job_id_of(reply.get("request_id"), self.wire.service.name)

    def look(self, job_id: str, pause: Pause) -> Look:
        """Where the job stands; a word that is not known is taken for "not over yet"."""
        reply = self.wire.get(f"/requests/{job_id}/status", pause=pause)
        word = quoted(str(reply.get("status") or "")).lower()
        place = reply.get("queue_position")
        queued = f"place {place} in the queue" if isinstance(place, int) else ""
        return Look(word, word in _OVER, queued)

    def result(self, job_id: str, pause: Pause) -> Result:
        """The job's output, with what it cost."""
        reply = self.wire.get(f"/requests/{job_id}/result", {"include_cost": "true"}, pause=pause)
        word = str(reply.get("status") or "").lower()
        links = audio_links(reply.get("output"))
        failure = ""
        if word not in _SUCCEEDED:
            failure = how_it_ended(word, _words(reply.get("error")))
        elif len(links) != 1:
            failure = f"is done, but its output holds {len(links)} links to audio instead of one"
        received = scrub_json(reply)
        if links:
            received["file_name"] = file_name(links[0])
        cost = amount_of(reply.get("cost"))
        charge = UNBILLED if cost is None and word not in _SUCCEEDED else None
        if cost is not None:
            charge = Charge(amount_usd=usd(cost), basis="reported by RunComfy")
        return Result(links[0] if links else "", failure, charge, received)

    def cancel(self, job_id: str) -> Farewell:
        """Ask for a cancel; only a queued job can still be cancelled."""
        reply = self.wire.post_once(
            f"/requests/{job_id}/cancel", total_s=self.settings.limits.get_s
        )
        word = str(reply.get("status") or "").lower()
        if reply.get("outcome") == "cancelled" or word in CANCELLED:
            return Farewell(True, "was cancelled before it ran")
        if word in _OVER:
            return Farewell(False, f"was over already ({word}) and is collected later")
        return Farewell(
            False,
            f"could not be cancelled any more ({quoted(word) or 'no state'}): it runs on and may "
            "be charged, and is collected later",
        )


def _words(error: object) -> str:
    """A job's error, which may have any type, in words."""
    if isinstance(error, Mapping):
        return next((str(error[k]) for k in ("message", "error_message") if error.get(k)), "")
    return "" if error is None else str(error)


def _ace_step(request: AnyRequest, tags: str, *, whole: bool) -> Input:
    said: dict[str, Any] = {"tags": tags, "seed": request.seed}
    said["lyrics"] = "[inst]" if request.instrumental else request.lyrics
    if isinstance(request, Request):
        return TextInput(**said, duration=_whole(request.duration_s, "seconds"))
    source = request.source
    said["audio"] = as_field(source) if whole else source.url or DATA_URI
    if isinstance(request, Inpaint):
        return InpaintInput(
            **said,
            start_time=request.span.start_s,
            start_time_relative_to=request.span.start_from,
            end_time=request.span.end_s,
            end_time_relative_to=request.span.end_from,
        )
    return OutpaintInput(
        **said, extend_before_duration=request.before_s, extend_after_duration=request.after_s
    )


def _elevenlabs(request: AnyRequest, tags: str) -> Input:
    """Style and lyrics share one prompt here."""
    assert isinstance(request, Request)
    sung = "" if request.instrumental or not request.lyrics else f"\n\nLyrics:\n{request.lyrics}"
    return ElevenLabsInput(
        prompt=tags + sung,
        music_length_ms=_whole(request.duration_s * 1000, "milliseconds"),
        force_instrumental=request.instrumental,
        **request.options,
    )


def _whole(amount: float, unit: str) -> int:
    if amount != int(amount):
        raise RequestError(f"the length must be a whole number of {unit}, not {amount:g}.")
    return int(amount)


def _engine(
    name: str, models: Mapping[str, str], settings: Settings | None, concurrency: int
) -> HostedEngine:
    return HostedEngine(RunComfy(name, models, settings or Settings.from_env(), concurrency))


def runcomfy_base(settings: Settings | None = None, concurrency: int = 4) -> HostedEngine:
    """ACE-Step at RunComfy: text to audio, inpaint and outpaint.

    Parameters
    ----------
    settings : Settings, optional
        By default what the environment says.
    concurrency : int
        Jobs under way at once, at most.

    Raises
    ------
    EngineUnavailable
        If an address or a token in the environment is impossible.
    """
    of = "acestep-ai/ace-step/"
    tasks = {"text": "text-to-audio", "inpaint": "audio-inpaint", "outpaint": "audio-outpaint"}
    models = {kind: of + task for kind, task in tasks.items()}
    return _engine("runcomfy-base", models, settings, concurrency)


def runcomfy_1_5(settings: Settings | None = None, concurrency: int = 4) -> HostedEngine:
    """ACE-Step 1.5 at RunComfy: text to audio. Takes and raises what `runcomfy_base` does."""
    models = {"text": "acestep-ai/ace-step-1.5/text-to-audio"}
    return _engine("runcomfy-1.5", models, settings, concurrency)


def runcomfy_elevenlabs(settings: Settings | None = None, concurrency: int = 4) -> HostedEngine:
    """ElevenLabs music at RunComfy. Takes and raises what `runcomfy_base` does."""
    return _engine("runcomfy-elevenlabs", {"text": ELEVENLABS}, settings, concurrency)
