"""Commands that open the panels: lab, app."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.app import app

NoBrowser = Annotated[bool, typer.Option("--no-browser", help="Do not open a browser.")]


@app.command()
def lab(
    folder: Annotated[
        Path | None, typer.Argument(help="Notebooks; the project's own if not given.")
    ] = None,
    port: Annotated[int, typer.Option(help="On this machine only.")] = 8888,
    no_browser: NoBrowser = False,
) -> int:
    """Start JupyterLab on the notebooks; Ctrl-C ends it."""
    from workbench.desk import notebooks_folder, run_lab

    return run_lab(folder or notebooks_folder(), port, browser=not no_browser)


@app.command(name="app")
def app_(
    store: Annotated[Path, typer.Argument(help="Folder of the store; made if absent.")] = Path(
        "runs/studio"
    ),
    port: Annotated[int, typer.Option(help="On this machine only.")] = 8866,
    no_browser: NoBrowser = False,
    dark: Annotated[bool, typer.Option("--dark", help="Dark theme.")] = False,
) -> int:
    """Show the panels as an app, for people without notebooks; Ctrl-C ends it."""
    from workbench.desk import run_app

    return run_app(store, port, browser=not no_browser, dark=dark)
