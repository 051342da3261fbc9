"""Commands about the rulers themselves: rulers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.app import app
from workbench.cli.exits import FAILURE, OK
from workbench.cli.tables import print_table

if TYPE_CHECKING:
    from workbench.analysis.checks.rulers import RulerFigure


# A line on how far it is, no oftener than this.
_SAY_EVERY_S = 5.0


class CheckSize(StrEnum):
    """How long the check may take."""

    SMALL = "small"
    FULL = "full"


@app.command()
def rulers(
    size: Annotated[
        CheckSize, typer.Option(help="small: half a minute; full: five minutes, narrow intervals.")
    ] = CheckSize.SMALL,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, one object per figure.")] = False,
) -> int:
    """Check every ruler against truth on this machine, and print its error with an interval."""
    from dataclasses import asdict

    from workbench.analysis.checks.rulers import ruler_figures

    figures: list[RulerFigure] = []
    code = OK
    try:
        for figure in ruler_figures(size.value, _sayer()):
            figures.append(figure)  # noqa: PERF402  what was found until a stop is kept
    except KeyboardInterrupt:
        typer.echo("Stopped. These are the figures so far; the next run begins anew.", err=True)
        code = FAILURE
    if as_json:
        typer.echo(json.dumps([asdict(figure) for figure in figures], indent=2))
    else:
        _print_table(figures)
    return code


def _sayer() -> Callable[[str, float], None]:
    """Says on standard error what is being checked and when all will be done."""
    began_s = time.monotonic()
    said_s: dict[str, float] = {}

    def say(name: str, share: float) -> None:
        now_s = time.monotonic()
        if now_s < said_s.get(name, 0.0) + _SAY_EVERY_S:
            return
        said_s[name] = now_s
        line = f"checking {name}: {share:.0%} of all done"
        if share > 0:
            line += f", about {_time_text((now_s - began_s) * (1 / share - 1))} left"
        typer.echo(line, err=True)

    return say


def _time_text(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _print_table(figures: Sequence[RulerFigure]) -> None:
    print_table(
        ("ruler", "what", "figure", "95 % interval", "n", "material"),
        [
            (each.ruler, each.what, each.text, each.interval_text, str(each.n), each.material)
            for each in figures
        ],
    )
