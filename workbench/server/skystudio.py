"""SkyStudio's contract: generate, poll, cancel."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import HTTPConnection

from workbench.errors import RequestError
from workbench.request import Request
from workbench.server import jobs
from workbench.server.inputs import Lyrics, Prompt, Seed, drawn
from workbench.server.keys import MICRO, micro
from workbench.server.refusals import SKYSTUDIO_PREFIX, SkyStudioError, declare
from workbench.server.runcomfy import iso
from workbench.server.service import Caller, caller_of, invalid, new_id

_STATES = {"queued": "submitted"}
_UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
Uuid = Annotated[str, Field(pattern=_UUID, description="A UUID v4, fresh for each new take.")]
Status = Literal["submitted", "running", "completed", "failed", "cancelled"]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class Wish(_Strict):
    """Simple mode has at most prompt, duration, instrumental and format; the rest is custom."""

    prompt: Prompt
    duration: float = Field(30.0, ge=10, le=300, description="Seconds; 1 credit each.")
    instrumental: bool = False
    lyrics: Lyrics | None = None
    vocal_language: str | None = Field(None, pattern=r"^[a-z]{2,3}(-[A-Za-z]{2,4})?$")
    bpm: float | None = Field(None, ge=30, le=300)
    seed: Seed | None = None
    format: Literal["mp3", "wav"] = "mp3"

    @property
    def is_simple(self) -> bool:
        """Whether the compiler words it."""
        return not self.model_fields_set & {"lyrics", "vocal_language", "bpm", "seed"}

    def request(self) -> Request:
        """What is asked of the engine if no compiler words it."""
        return Request(
            tags=self.prompt,
            lyrics="[Instrumental]" if self.instrumental else self.lyrics or "",
            language=None if self.is_simple else self.vocal_language or "en",
            tempo_bpm=self.bpm,
            seed=drawn(-1 if self.seed is None else self.seed),
            duration_s=self.duration,
        )


class Generate(_Strict):
    """A job to submit; the header's idempotency key wins over the body's."""

    model: Literal["ace-step-1.5"]
    input: Wish
    idempotency_key: Uuid | None = None


class Generated(BaseModel):
    """A job is taken in."""

    id: str
    status: Literal["submitted"]
    model: str
    estimated_credits: float
    poll_url: str


class CompiledInput(BaseModel):
    """What the model was given in simple mode."""

    prompt: str
    lyrics: str
    bpm: float | None = None
    vocal_language: str
    compiler_used: bool
    compiler_model: str
    compiler_mode: Literal["instrumental", "vocal"]


class JobReply(BaseModel):
    """Where a job stands."""

    id: str
    status: Status
    output_url: str | None = None
    output_expires_at: str | None = None
    billed_credits: float | None = None
    error_message: str | None = None
    compiled_input: CompiledInput | None = None


router = APIRouter(
    prefix=SKYSTUDIO_PREFIX,
    tags=["skystudio"],
    responses=declare(SkyStudioError, 401, 429, 500),
)


@router.post(
    "/generate",
    response_model=Generated,
    responses=declare(SkyStudioError, 400, 402, 409, 413),
)
async def generate(
    body: Generate,
    call: HTTPConnection,
    header_key: Annotated[Uuid | None, Header(alias="Idempotency-Key")] = None,
) -> JSONResponse:
    """Submit a job. A used idempotency key gives 409 and the id of its job, always."""
    caller = caller_of(call)
    service = caller.service
    idempotency_key = header_key or body.idempotency_key
    idempotency_key = idempotency_key and idempotency_key.lower()
    if idempotency_key is not None:
        known = jobs.find_by_idempotency_key(service.reader, caller.account.id, idempotency_key)
        if known is not None:
            raise jobs.conflict(known)
    service.admit(caller.account)
    try:
        request = body.input.request()
        service.settings.engine.check(request)
    except RequestError as error:
        raise invalid(error) from None
    new = jobs.NewJob(
        id=new_id(),
        service="skystudio",
        key_id=caller.account.id,
        model=body.model,
        wish=json.dumps(request.to_json()),
        format=body.input.format,
        to_compile=body.input.is_simple,
        quote_micro=micro(body.input.duration),
        idempotency_key=idempotency_key,
    )
    await service.accept(new)
    return JSONResponse(
        {
            "id": new.id,
            "status": "submitted",
            "model": new.model,
            "estimated_credits": new.quote_micro / MICRO,
            "poll_url": f"{SKYSTUDIO_PREFIX}/jobs/{new.id}",
        }
    )


def _reply(caller: Caller, job: jobs.Job) -> JSONResponse:
    reply: dict[str, Any] = {"id": job.id, "status": _STATES.get(job.state, job.state)}
    link = caller.service.links.make(job)
    if link is not None:
        reply["output_url"] = caller.base_url + link[0]
        reply["output_expires_at"] = iso(link[1])
    elif job.expires_at is not None:
        reply["output_expires_at"] = iso(job.expires_at)
    if job.state == "completed":
        reply["billed_credits"] = job.quote_micro / MICRO
    if job.error is not None:
        reply["error_message"] = job.error
    if job.compiled is not None:
        reply["compiled_input"] = json.loads(job.compiled)
    return JSONResponse(reply)


@router.get("/jobs/{job_id}", response_model=JobReply, responses=declare(SkyStudioError, 404))
async def poll(job_id: str, call: HTTPConnection) -> JSONResponse:
    """Where a job stands; its link once it is completed."""
    caller = caller_of(call)
    return _reply(caller, caller.job(job_id, "skystudio"))


@router.post(
    "/jobs/{job_id}/cancel", response_model=JobReply, responses=declare(SkyStudioError, 404)
)
async def cancel(job_id: str, call: HTTPConnection) -> JSONResponse:
    """Cancel at once what is queued, ask the engine to stop what runs; tells the latest state."""
    caller = caller_of(call)
    caller.job(job_id, "skystudio")
    job, _ = await caller.service.write(lambda c: jobs.cancel(c, job_id, running_too=True))
    if job.state == "running":
        caller.service.work.cancel(job_id)
    return _reply(caller, job)
