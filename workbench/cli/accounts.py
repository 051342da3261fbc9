"""Commands about hosted services: login, balance, price, jobs, resolve."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.app import app
from workbench.cli.exits import OK

StoreFolder = Annotated[Path, typer.Argument(help="Folder of a study.")]


@app.command()
def login(
    service: Annotated[str, typer.Argument(help="Only runcomfy signs in this way.")] = "runcomfy",
) -> int:
    """Sign in to RunComfy: open an address, confirm a code; the token is kept for this user."""
    from workbench.engines.hosted import Settings
    from workbench.engines.hosted.login import sign_in

    if service != "runcomfy":
        raise typer.BadParameter("only runcomfy signs in; SkyStudio's key goes into its variable.")
    path = sign_in(
        Settings.from_env(),
        lambda prompt: typer.echo(f"Open {prompt.address} and confirm the code {prompt.code}"),
    )
    typer.echo(f"Signed in; the token is in {path} (readable by you alone).")
    return OK


@app.command()
def balance() -> int:
    """Say what is left in the RunComfy wallet."""
    from workbench.engines.hosted import Settings
    from workbench.engines.hosted.account import balance as read_balance

    left = read_balance(Settings.from_env())
    typer.echo(f"RunComfy: {left.amount} {left.currency}")
    return OK


@app.command()
def price(
    model: Annotated[
        str | None, typer.Argument(help="A model; all that we know without it.")
    ] = None,
) -> int:
    """Say what hosted models cost, as the service states it now."""
    from workbench.engines import MODELS
    from workbench.engines.hosted import Settings
    from workbench.engines.hosted.account import price as read_price

    settings = Settings.from_env()
    for name in [model] if model else [m for m in MODELS if "/" in m]:
        found = read_price(settings, name)
        note = f" ({found.note})" if found.note else ""
        typer.echo(f"{name}: {found.usd_per_s:f} USD per second{note}")
    return OK


@app.command()
def jobs(
    store: StoreFolder,
    resume: Annotated[bool, typer.Option(help="Follow submitted jobs to their end.")] = False,
    cancel: Annotated[list[int] | None, typer.Option(help="Cancel the job of this take.")] = None,
) -> int:
    """List takes that are under way or of unknown outcome; resume or cancel their jobs."""
    from workbench import jobs as work
    from workbench.progress import progress_bar
    from workbench.store import Store

    with Store(store, create=False) as opened:
        if cancel:
            for said in work.cancel(opened, cancel):
                typer.echo(said)
        if resume:
            with progress_bar() as watch:
                errors = work.resume(opened, watch)
            if errors:
                raise errors[0]
        for take in work.open_takes(opened):
            job = f", job {take.remote_id}" if take.remote_id else ""
            typer.echo(
                f"take {take.id}: {take.engine}, {take.state}{job}, begun {take.started_at}, "
                f"quoted {take.quote.amount_usd:.6f} USD. {take.reason}"
            )
    return OK


@app.command()
def resolve(
    store: StoreFolder,
    take: Annotated[int, typer.Argument(help="Number of the take, see `workbench jobs`.")],
    job: Annotated[str, typer.Option(help="The job exists under this id: follow it.")] = "",
    charged_usd: Annotated[
        str | None, typer.Option(help="No audio is to be had; this was charged (0 if nothing).")
    ] = None,
) -> int:
    """Say what became of a take of unknown outcome."""
    from workbench.jobs import Resolution
    from workbench.jobs import resolve as settle
    from workbench.store import Store

    with Store(store, create=False) as opened:
        settled = settle(opened, take, Resolution(job, charged_usd))
        typer.echo(f"take {settled.id} is {settled.state} now.")
    return OK
