"""SkyStudio's gateway: ACE-Step 1.5 in Simple and in Custom mode.

A submit carries our idempotency key, so it is repeated safely: a key used before answers with
the job it belongs to. Simple mode lets the service's compiler write lyrics and structure; what it
wrote comes back as ``compiled_input`` and is kept. One credit pays for one second.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from decimal import Decimal

from workbench.cost import Charge, Quote, usd
from workbench.engines.hosted.download import file_name
from workbench.engines.hosted.engine import HostedEngine
from workbench.engines.hosted.faults import KeyTaken
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
from workbench.engines.hosted.schema import CustomInput, SimpleInput
from workbench.engines.hosted.settings import Settings
from workbench.engines.hosted.wire import Wire
from workbench.errors import RequestError
from workbench.request import AnyRequest, Request, carry

CONTRACT = "skystudio/1"
MODEL = "ace-step-1.5"
CREDITS_PER_S = 1
_OVER = CANCELLED | {"completed", "failed"}


class SkyStudio:
    """One mode of SkyStudio; a `FarSide`.

    Parameters
    ----------
    engine : str
    custom : bool
        Custom mode, else Simple mode.
    settings : Settings
    concurrency : int
        Jobs under way at once, at most.
    """

    submit_repeats = True
    how_to_look = "Running it again is safe: the same key finds the job, if there is one."

    def __init__(self, engine: str, custom: bool, settings: Settings, concurrency: int) -> None:
        self.engine, self.settings = engine, settings
        self._custom = custom
        self._usd_per_credit = settings.usd_per_credit
        pace = Pace(concurrency)
        self.wire = Wire(settings.skystudio, settings.limits, pace=pace, engine=engine)

    @property
    def fingerprint(self) -> Mapping[str, str]:
        """Engine, model and contract; and the host, where it is not the service's own."""
        return fingerprint(self.engine, MODEL, CONTRACT, self.wire.service)

    def check(self, request: AnyRequest) -> None:
        """Raise `RequestError` if this mode cannot serve the request."""
        if not isinstance(request, Request):
            raise RequestError(f"{self.engine} cannot {request.kind}: use runcomfy-base.")
        unknown = sorted(set(request.options) - {"format"})
        if unknown:
            raise RequestError(f"{self.engine} has no option {unknown[0]!r}: it knows format.")
        if not self._custom and request.lyrics and not request.instrumental:
            raise RequestError(
                "in Simple mode the service writes the lyrics: use skystudio-custom for your own."
            )
        self.order(request, whole=False)

    def quote(self, request: AnyRequest, pause: Pause = time.sleep) -> Quote:
        """One credit per second, and dollars where the price of a credit is known."""
        credits = Decimal(str(self.seconds(request))) * CREDITS_PER_S
        return Quote(
            amount_usd=self._usd(credits),
            credits=credits,
            basis=f"{credits:g} s at {CREDITS_PER_S} credit/s{self._rate()}",
        )

    def _usd(self, credits: Decimal) -> Decimal:
        return usd(credits * (self._usd_per_credit or Decimal(0)))

    def _rate(self) -> str:
        return "" if self._usd_per_credit is None else f", {self._usd_per_credit} USD/credit"

    def seconds(self, request: AnyRequest) -> float:
        """Length of the result."""
        if not isinstance(request, Request):
            raise RequestError(f"{self.engine} cannot {request.kind}: use runcomfy-base.")
        return request.duration_s

    def order(self, request: AnyRequest, *, whole: bool) -> Order:
        """The request in SkyStudio's words.

        Raises
        ------
        RequestError
            If a field is beyond what the service takes.
        """
        has = frozenset({"tempo_bpm", "language"}) if self._custom else frozenset()
        said = carry(request, has)
        base = {
            "prompt": said.tags,
            "duration": self.seconds(request),
            "instrumental": request.instrumental,
            **request.options,
        }
        if not self._custom:
            body = SimpleInput(**base).body()
            notes = ("this mode takes no seed: every take is a new draw",)
            return Order(MODEL, body, body, notes)
        body = CustomInput(
            **base,
            lyrics="" if request.instrumental else request.lyrics,
            vocal_language=said.language,
            bpm=said.tempo_bpm,
            seed=request.seed,
        ).body()
        return Order(MODEL, body, body)

    def submit(self, order: Order, idempotency_key: str) -> str:
        """Submit once; a key used before is answered with its job, which we adopt."""
        try:
            reply = self.wire.post_once(
                "/generate",
                {"model": order.model, "input": dict(order.body)},
                headers={"Idempotency-Key": idempotency_key},
            )
        except KeyTaken as error:
            return job_id_of(error.job_id, self.wire.service.name)
        return job_id_of(reply.get("id"), self.wire.service.name)

    def look(self, job_id: str, pause: Pause) -> Look:
        """Where the job stands; a word that is not known is taken for "not over yet"."""
        reply = self.wire.get(f"/jobs/{job_id}", pause=pause)
        word = quoted(str(reply.get("status") or "")).lower()
        return Look(word, word in _OVER)

    def result(self, job_id: str, pause: Pause) -> Result:
        """The job's output, credits and compiled input."""
        reply = self.wire.get(f"/jobs/{job_id}", pause=pause)
        word, link = str(reply.get("status") or "").lower(), reply.get("output_url")
        failure = ""
        if word != "completed":
            failure = how_it_ended(word, str(reply.get("error_message") or ""))
        elif not isinstance(link, str) or not link:
            failure = "is done, but names no link to its audio"
        received = scrub_json({k: v for k, v in reply.items() if k != "audio_base64"})
        if isinstance(link, str):
            received["file_name"] = file_name(link)
        charge = self._reported(reply.get("billed_credits"))
        if charge is None and word != "completed":
            charge = UNBILLED
        return Result(
            link if isinstance(link, str) else "", failure, charge, received, _compiled(reply)
        )

    def _reported(self, value: object) -> Charge | None:
        billed = amount_of(value)
        if billed is None:
            return None
        basis = f"reported by SkyStudio{self._rate()}"
        return Charge(amount_usd=self._usd(billed), credits=billed, basis=basis)

    def cancel(self, job_id: str) -> Farewell:
        """Ask for a cancel; a job handed on to the provider may run on."""
        reply = self.wire.post_once(f"/jobs/{job_id}/cancel", total_s=self.settings.limits.get_s)
        word = str(reply.get("status") or "").lower()
        if word in CANCELLED:
            billed = amount_of(reply.get("billed_credits"))
            return Farewell(not billed, f"was cancelled, {billed or 0:f} credits billed")
        if word in _OVER:
            return Farewell(False, f"was over already ({word}) and is collected later")
        return Farewell(
            False,
            f"was asked to stop but is still {quoted(word) or 'without a state'}: it may run on "
            "and be charged, and is collected later",
        )


def _compiled(reply: Mapping[str, object]) -> tuple[str, ...]:
    compiled = reply.get("compiled_input")
    if not isinstance(compiled, Mapping):
        return ()
    used = compiled.get("compiler_used") is True
    return (
        "the service's compiler wrote what the model was given, see compiled_input"
        if used
        else "the service's compiler was not used; the model was given the request as it is",
    )


def skystudio_simple(settings: Settings | None = None, concurrency: int = 4) -> HostedEngine:
    """SkyStudio in Simple mode: a prompt that the service's compiler expands.

    Parameters
    ----------
    settings : Settings, optional
        By default what the environment says.
    concurrency : int
        Jobs under way at once, at most.

    Raises
    ------
    EngineUnavailable
        If an address, a key or a price in the environment is impossible.
    """
    settings = settings or Settings.from_env()
    return HostedEngine(SkyStudio("skystudio-simple", False, settings, concurrency))


def skystudio_custom(settings: Settings | None = None, concurrency: int = 4) -> HostedEngine:
    """SkyStudio in Custom mode: prompt, lyrics, tempo and language as they are.

    Takes and raises what `skystudio_simple` does.
    """
    settings = settings or Settings.from_env()
    return HostedEngine(SkyStudio("skystudio-custom", True, settings, concurrency))
