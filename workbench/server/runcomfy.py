"""RunComfy's contract: models, requests, wallet."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.requests import HTTPConnection

from workbench.errors import RequestError
from workbench.server import jobs
from workbench.server.catalogue import CATEGORIES, MODELS, Model
from workbench.server.inputs import AudioInpaint, AudioOutpaint, Inputs
from workbench.server.keys import MICRO
from workbench.server.refusals import Reason, Refusal, RunComfyError, declare
from workbench.server.service import Caller, caller_of, invalid, new_id

_STATES = {"queued": "in_queue", "running": "in_progress"}
Status = Literal["in_queue", "in_progress", "completed", "failed", "cancelled"]


class Submitted(BaseModel):
    """A job is taken in."""

    request_id: str
    status_url: str
    result_url: str
    cancel_url: str


class StatusReply(BaseModel):
    """Where a job stands."""

    request_id: str
    status: Status
    queue_position: int | None = None
    status_url: str
    result_url: str


class Output(BaseModel):
    """Links to the audio: both keys name the same one."""

    audio: str
    audios: list[str]


class ResultReply(BaseModel):
    """What came of a job, or its state so far."""

    request_id: str
    status: Status
    model_id: str
    output: Output | None = None
    created_at: str
    finished_at: str | None = None
    error: str | None = None
    cost: float | None = None


class CancelReply(BaseModel):
    """What became of a wish to cancel."""

    request_id: str
    status: Status
    outcome: Literal["cancelled", "not_cancellable"]


class ModelRow(BaseModel):
    """One model of the catalogue."""

    model_id: str
    display_name: str
    kind: Literal["model"]
    categories: list[str]
    base_price_usd: float
    price_unit: Literal["second"]
    pricing_note: str
    inputs: list[str]
    required_inputs: list[str]
    model_url: str
    input_schema: dict[str, Any] | None = None


class ModelsReply(BaseModel):
    """Part of the catalogue."""

    models: list[ModelRow]
    total: int


class CategoriesReply(BaseModel):
    """The catalogue's categories."""

    categories: list[str]


class Balance(BaseModel):
    """What the key may still spend."""

    balance_usd: float
    currency: Literal["USD"]


router = APIRouter(
    prefix="/v1",
    tags=["runcomfy"],
    responses=declare(RunComfyError, 401, 422, 429, 500),
)
wallet = APIRouter(
    prefix="/prod/v2",
    tags=["runcomfy"],
    responses=declare(RunComfyError, 401, 429, 500),
)


def iso(moment_s: float) -> str:
    """ISO 8601 in UTC with milliseconds.

    Examples
    --------
    >>> iso(1778284800)
    '2026-05-09T00:00:00.000Z'
    """
    text = datetime.fromtimestamp(moment_s, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _status(job: jobs.Job) -> str:
    return _STATES.get(job.state, job.state)


def _urls(caller: Caller, job_id: str, *names: str) -> dict[str, str]:
    root = f"{caller.base_url}/v1/requests/{job_id}"
    return {f"{name}_url": f"{root}/{name}" for name in names}


def _live_job(caller: Caller, job_id: str) -> jobs.Job:
    """The caller's job while its result is kept; then it counts as gone."""
    job = caller.job(job_id, "runcomfy")
    if job.state == "completed" and not job.is_kept:
        raise Refusal(Reason.NOT_FOUND, "this request has expired.")
    return job


# The routes are tried in this order, so those that are polled come first.
_missing = declare(RunComfyError, 403, 404)


@router.get("/requests/{request_id}/status", response_model=StatusReply, responses=_missing)
async def status(request_id: str, call: HTTPConnection) -> JSONResponse:
    """Where a job stands."""
    caller = caller_of(call)
    job = _live_job(caller, request_id)
    reply: dict[str, Any] = {"request_id": job.id, "status": _status(job)}
    if job.state == "queued":
        reply["queue_position"] = jobs.queue_position(caller.service.reader, job)
    return JSONResponse(reply | _urls(caller, job.id, "status", "result"))


@router.get("/requests/{request_id}/result", response_model=ResultReply, responses=_missing)
async def result(request_id: str, call: HTTPConnection, include_cost: bool = False) -> JSONResponse:
    """What came of a job; its state while there is no more to say."""
    caller = caller_of(call)
    job = _live_job(caller, request_id)
    reply: dict[str, Any] = {
        "request_id": job.id,
        "status": _status(job),
        "model_id": job.model,
        "created_at": iso(job.created_at),
    }
    link = caller.service.links.make(job)
    if link is not None:
        url = caller.base_url + link[0]
        reply["output"] = {"audio": url, "audios": [url]}
    if job.finished_at is not None:
        reply["finished_at"] = iso(job.finished_at)
        if include_cost:
            # Only what completes is charged.
            reply["cost"] = job.quote_micro / MICRO if job.state == "completed" else 0.0
    if job.error is not None:
        reply["error"] = job.error
    return JSONResponse(reply)


@router.post("/requests/{request_id}/cancel", response_model=CancelReply, responses=_missing)
async def cancel(request_id: str, call: HTTPConnection) -> JSONResponse:
    """Cancel a job that is still queued; any other goes on."""
    caller = caller_of(call)
    _live_job(caller, request_id)
    job, cancelled = await caller.service.write(
        lambda c: jobs.cancel(c, request_id, running_too=False)
    )
    outcome = "cancelled" if cancelled else "not_cancellable"
    return JSONResponse({"request_id": job.id, "status": _status(job), "outcome": outcome})


async def _submit(model: Model, inputs: Inputs, caller: Caller) -> JSONResponse:
    service = caller.service
    service.admit(caller.account)
    job_id = new_id()
    path = service.work.sources / job_id
    try:
        source = None
        if isinstance(inputs, AudioInpaint | AudioOutpaint):
            source = await service.take_in(inputs.audio, path)
        plan = inputs.plan(source)
        service.settings.engine.check(plan.request)
        new = jobs.NewJob(
            id=job_id,
            service="runcomfy",
            key_id=caller.account.id,
            model=model.id,
            wish=json.dumps(plan.request.to_json()),
            format=plan.format,
            to_compile=False,
            quote_micro=model.quote_micro(plan.billed_s),
            idempotency_key=None,
        )
        await service.accept(new)
    except RequestError as error:
        path.unlink(missing_ok=True)
        raise invalid(error) from None
    except Refusal:
        path.unlink(missing_ok=True)
        raise
    urls = _urls(caller, job_id, "status", "result", "cancel")
    return JSONResponse({"request_id": job_id, **urls})


def _add_model(model: Model) -> None:
    """One submit route and one price route, so that OpenAPI tells each model's own inputs."""

    async def submit(inputs: Inputs, call: HTTPConnection) -> JSONResponse:
        return await _submit(model, inputs, caller_of(call))

    async def describe() -> JSONResponse:
        return JSONResponse(model.row(with_schema=True))

    submit.__annotations__["inputs"] = model.inputs
    router.add_api_route(
        f"/models/{model.id}",
        submit,
        methods=["POST"],
        response_model=Submitted,
        responses=declare(RunComfyError, 402, 413),
        summary=f"Submit to {model.display_name}",
    )
    router.add_api_route(
        f"/models/{model.id}",
        describe,
        methods=["GET"],
        response_model=ModelRow,
        summary=f"Price and inputs of {model.display_name}",
    )


@router.get("/models", response_model=ModelsReply)
async def list_models(
    search: str = "",
    category: str = "",
    kind: Literal["model", "workflow", "inference"] = "model",
    include_schema: bool = False,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> JSONResponse:
    """The catalogue, or the part of it that fits."""
    found = [
        model
        for model in MODELS.values()
        if kind == "model"
        and search.lower() in f"{model.id} {model.display_name}".lower()
        and category in ("", model.category)
    ]
    rows = [model.row(with_schema=include_schema) for model in found[offset : offset + limit]]
    return JSONResponse({"models": rows, "total": len(found)})


@router.get("/models/categories", response_model=CategoriesReply)
async def list_categories() -> JSONResponse:
    """The categories of the catalogue."""
    return JSONResponse({"categories": CATEGORIES})


for _model in MODELS.values():
    _add_model(_model)


@router.api_route("/models/{owner}/{name:path}", methods=["GET", "POST"], include_in_schema=False)
async def no_model(owner: str, name: str) -> None:
    """Any other model."""
    raise Refusal(Reason.NO_MODEL, "there is no such model; GET /v1/models lists them.")


@wallet.get("/balance", response_model=Balance)
async def balance(call: HTTPConnection) -> JSONResponse:
    """What is left for this key, running jobs already taken off."""
    account = caller_of(call).account
    return JSONResponse({"balance_usd": account.usd_micro / MICRO, "currency": "USD"})
