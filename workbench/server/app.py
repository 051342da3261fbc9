"""The application, and the ways to run it: `serve` for a command, `running_server` for a test."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from typing import Any

import uvicorn
from fastapi import FastAPI

from workbench.errors import EngineUnavailable
from workbench.server import files, runcomfy, signin, skystudio
from workbench.server.database import connect
from workbench.server.gate import KEYED, Gate
from workbench.server.keys import has_keys
from workbench.server.refusals import SKYSTUDIO_PREFIX, speak_refusals
from workbench.server.service import Service
from workbench.server.settings import Settings

_ROUTERS = (runcomfy.router, runcomfy.wallet, skystudio.router, signin.router, files.router)
_SWEEP_EVERY_S = 10.0
_START_MAX_S = 30.0
# The event loop gives up the interpreter at each read and write. While an engine computes, the
# default of 5 ms per turn adds up to a tenth of a second per call.
_SWITCH_S = 0.0005


def create_app(settings: Settings) -> FastAPI:
    """The server as an ASGI application; it opens its folder when it starts, not before.

    Parameters
    ----------
    settings : Settings

    Returns
    -------
    FastAPI
        With its description at ``/openapi.json``.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        interval_s = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_S)
        service = Service(settings)
        app.state.service = service
        service.work.start()
        sweeper = asyncio.create_task(_sweep(service))
        try:
            yield
        finally:
            sweeper.cancel()
            with suppress(asyncio.CancelledError):
                await sweeper
            await asyncio.to_thread(service.work.stop)
            service.database.close()
            sys.setswitchinterval(interval_s)

    app = FastAPI(
        title="workbench server",
        version="1",
        summary="RunComfy's and SkyStudio's contracts over a local engine.",
        lifespan=lifespan,
        # Those pages would load their scripts from elsewhere.
        docs_url=None,
        redoc_url=None,
        # Handed over as they are: an included router costs every call a second matching.
        routes=[route for router in _ROUTERS for route in router.routes],
    )
    app.add_middleware(Gate, settings=settings)
    speak_refusals(app)
    _make_openapi_true(app)
    return app


def serve(settings: Settings) -> None:
    """Run the server until it is told to stop.

    Raises
    ------
    EngineUnavailable
        If others could reach it and there is no key.
    """
    _check_reach(settings)
    uvicorn.Server(_config(settings)).run()


@contextmanager
def running_server(settings: Settings) -> Iterator[str]:
    """Run a server in a thread on a free port; gives its base address, such as http://127.0.0.1:1.

    Raises
    ------
    EngineUnavailable
        As `serve` does.
    """
    _check_reach(settings)
    server = uvicorn.Server(_config(settings))
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # By its protocol asyncio knows TCP and switches Nagle's delay off: 40 ms a reply otherwise.
    with closing(socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)) as listener:
        listener.bind((settings.host, 0))
        port = listener.getsockname()[1]
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        deadline = time.monotonic() + _START_MAX_S
        while not server.started:
            if not thread.is_alive() or time.monotonic() > deadline:
                raise EngineUnavailable("the server did not start; its log says why.")
            time.sleep(0.005)
        try:
            host = f"[{settings.host}]" if ":" in settings.host else settings.host
            yield f"http://{host}:{port}"
        finally:
            server.should_exit = True
            thread.join()


def _config(settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )


def _check_reach(settings: Settings) -> None:
    if settings.is_loopback(settings.host):
        return
    with closing(connect(settings.folder)) as connection:
        if not has_keys(connection):
            raise EngineUnavailable(
                f"{settings.host} can be reached by others: make a key first "
                "(workbench keys make), or listen on 127.0.0.1."
            )


async def _sweep(service: Service) -> None:
    """Delete expired files now and then."""
    every_s = min(_SWEEP_EVERY_S, service.settings.limits.retention_s)
    while True:
        await asyncio.to_thread(service.work.drop_expired)
        await asyncio.sleep(every_s)


def _make_openapi_true(app: FastAPI) -> None:
    """Tell what happens outside the routes: keys at the gate, SkyStudio's 400 in place of 422."""
    drawn = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        schema = drawn()
        schema["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        for path, item in schema["paths"].items():
            for operation in item.values():
                if path.startswith(KEYED):
                    operation["security"] = [{"key": []}]
                if path.startswith(SKYSTUDIO_PREFIX):
                    operation["responses"].pop("422", None)
        return schema

    app.openapi = openapi  # type: ignore[method-assign]
