"""Commands about this machine: engines, doctor."""

from __future__ import annotations

import typer

from workbench.cli.app import app
from workbench.cli.exits import OK


@app.command()
def engines() -> int:
    """List the engines, and whether they work here."""
    from workbench.doctor import engine_findings

    for finding in engine_findings():
        typer.echo(str(finding))
    return OK


@app.command()
def doctor() -> int:
    """Say what works on this machine, what is missing, and how to get it."""
    from workbench.doctor import findings

    for finding in findings():
        typer.echo(str(finding))
    return OK
