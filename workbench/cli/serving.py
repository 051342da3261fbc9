"""Commands about our own server: serve, keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.app import app
from workbench.cli.exits import OK

if TYPE_CHECKING:
    from workbench.server.compiler import Compiler

keys = typer.Typer(help="Keys of our own server.", no_args_is_help=True)
app.add_typer(keys, name="keys")

ServerFolder = Annotated[Path, typer.Option("--folder", help="The server's folder.")]
DEFAULT_FOLDER = Path("runs/server")


@app.command()
def serve(
    engine: Annotated[str, typer.Argument(help="What makes the audio.")] = "sketch",
    planner: Annotated[
        str | None, typer.Option(help="Folder or hub name of a model that words simple requests.")
    ] = None,
    folder: ServerFolder = DEFAULT_FOLDER,
    host: Annotated[str, typer.Option(help="Other than loopback needs a key.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    workers: Annotated[int | None, typer.Option(min=1, help="Jobs at once.")] = None,
    submits_per_minute: Annotated[int, typer.Option(min=1, help="Of one key.")] = 600,
    active_max: Annotated[int, typer.Option(min=1, help="Jobs of one key at once.")] = 100,
) -> int:
    """Serve a local engine behind the RunComfy and SkyStudio contracts, until Ctrl-C."""
    from workbench.engines import engine as make_engine
    from workbench.server import Limits, Settings
    from workbench.server import serve as run

    limits = Limits(submits_per_minute=submits_per_minute, active_max=active_max)
    base = f"http://{host}:{port}"
    typer.echo(f"RUNCOMFY_MODEL_API_BASE={base}/v1")
    typer.echo(f"RUNCOMFY_SERVERLESS_API_BASE={base}/prod/v2")
    typer.echo(f"RUNCOMFY_WEB_BASE={base}/api/cli-auth")
    typer.echo(f"SKYSTUDIO_API_BASE={base}/api/v1")
    run(
        Settings(
            engine=make_engine(engine),
            folder=folder,
            host=host,
            port=port,
            workers=workers,
            limits=limits,
            compiler=_compiler(planner),
        )
    )
    return OK


def _compiler(planner: str | None) -> Compiler:
    """What words simple requests: a language model, or the table of genres."""
    from workbench.server.compiler import PlannerCompiler, RuleCompiler

    if planner is None:
        return RuleCompiler()
    from workbench.engines.local.planner import Planner

    return PlannerCompiler(Planner(planner))


@keys.command()
def make(
    name: Annotated[str, typer.Argument(help="Whom the key is for.")],
    folder: ServerFolder = DEFAULT_FOLDER,
    balance_usd: Annotated[str, typer.Option(help="What it may spend, in dollars.")] = "10",
    credits: Annotated[str, typer.Option(help="What it may spend, in credits.")] = "10000",
    days: Annotated[float | None, typer.Option(min=0, help="How long it works.")] = None,
) -> int:
    """Make a key and show it, this once; only a hash of it is kept."""
    import time

    from workbench.server import make_key

    expires_at = None if days is None else time.time() + 86_400 * days
    typer.echo(
        make_key(folder, name, balance_usd=balance_usd, credits=credits, expires_at=expires_at)
    )
    return OK


@keys.command("list")
def list_all(folder: ServerFolder = DEFAULT_FOLDER) -> int:
    """List the keys with what each has left."""
    from workbench.server import list_keys

    for key in list_keys(folder):
        typer.echo(str(key))
    return OK


@keys.command()
def revoke(
    number: Annotated[int, typer.Argument(help="Of the key, see `workbench keys list`.")],
    folder: ServerFolder = DEFAULT_FOLDER,
) -> int:
    """Make a key useless from now on."""
    from workbench.server import revoke_key

    revoke_key(folder, number)
    typer.echo(f"key {number} is revoked.")
    return OK


@keys.command()
def approve(
    code: Annotated[str, typer.Argument(help="The code that `workbench login` shows.")],
    name: Annotated[str, typer.Option(help="Whom the key is for.")] = "signed in",
    folder: ServerFolder = DEFAULT_FOLDER,
    balance_usd: Annotated[str, typer.Option(help="What it may spend, in dollars.")] = "10",
    credits: Annotated[str, typer.Option(help="What it may spend, in credits.")] = "10000",
) -> int:
    """Let a client that is signing in have a key."""
    from workbench.server import approve_sign_in

    approve_sign_in(folder, code, name=name, balance_usd=balance_usd, credits=credits)
    typer.echo(f"{code} is approved.")
    return OK
