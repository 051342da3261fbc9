"""Commands about the rulers themselves: rulers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.app import app
from workbench.cli.exits import OK

if TYPE_CHECKING:
    from workbench.analysis.checks.rulers import RulerFigure


class CheckSize(StrEnum):
    """How long the check may take."""

    SMALL = "small"
    FULL = "full"


@app.command()
def rulers(
    size: Annotated[
        CheckSize, typer.Option(help="small: under a minute; full: many minutes, narrow intervals.")
    ] = CheckSize.SMALL,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, one object per figure.")] = False,
) -> int:
    """Check every ruler against truth on this machine, and print its error with an interval."""
    from dataclasses import asdict

    from workbench.analysis.checks.rulers import check_rulers

    figures = check_rulers(size.value, watch=_say_what)
    if as_json:
        typer.echo(json.dumps([asdict(figure) for figure in figures], indent=2))
    else:
        _print_table(figures)
    return OK


def _say_what(name: str) -> None:
    typer.echo(f"checking {name} ...", err=True)


def _print_table(figures: Sequence[RulerFigure]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "ruler", "what", "figure", "95 % interval", "n", "material", box=None, pad_edge=False
    )
    for figure in figures:
        table.add_row(
            figure.ruler,
            figure.what,
            figure.text,
            figure.interval_text,
            str(figure.n),
            figure.material,
        )
    console = Console(highlight=False)
    # Where output is not a terminal, a line per figure is worth more than a narrow page.
    console.width = console.width if console.is_terminal else 160
    console.print(table)
