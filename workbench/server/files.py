"""The files behind result links. Names in links decide nothing: the database knows the file."""

from __future__ import annotations

import time

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, JSONResponse, Response

from workbench.server import jobs
from workbench.server.refusals import Reason, Refusal
from workbench.server.service import Service

router = APIRouter(prefix="/files", include_in_schema=False)

_TYPES = {".wav": "audio/wav", ".mp3": "audio/mpeg"}


@router.api_route("/gateway/music/{job_id}/{ticket}/{name}", methods=["GET", "HEAD"])
async def fetch(job_id: str, ticket: str, name: str, request: Request) -> Response:
    """A result, to whoever has the link, until the link ends."""
    service: Service = request.app.state.service
    ends_text, _, signature = ticket.partition("-")
    ends_at = float(ends_text) if ends_text.isascii() and ends_text.isdigit() else 0.0
    if not service.links.check(job_id, ends_at, signature):
        raise Refusal(Reason.NOT_FOUND, "there is no such file.")
    job = jobs.find(service.reader, job_id)
    if ends_at <= time.time() or job is None or job.output is None:
        body = {"error_code": Reason.NOT_FOUND.value[0][1], "error_message": "link expired."}
        return JSONResponse(body, 410)
    path = service.work.outputs / job.output
    return FileResponse(path, media_type=_TYPES[path.suffix])
