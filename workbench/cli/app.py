"""The application that commands register with."""

from __future__ import annotations

import typer

app = typer.Typer(
    name="workbench",
    help="Sweep, measure and compare ACE-Step music generation, with evidence and a budget.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
