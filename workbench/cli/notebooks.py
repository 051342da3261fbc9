"""Commands about notebooks: experiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli.app import app
from workbench.cli.exits import OK


@app.command()
def experiment(
    name: Annotated[str | None, typer.Argument(help="Which; without a name, lists them.")] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="NAME=VALUE, may be repeated.")
    ] = None,
    runs: Annotated[Path, typer.Option(help="Where the run's folder is made.")] = Path("runs"),
) -> int:
    """Run an experiment: an executed notebook, its report, data and provenance in a new folder."""
    from workbench.experiment import (
        experiments_folder,
        list_experiments,
        read_experiment,
        run_experiment,
    )

    folder = experiments_folder()
    if name is None:
        for each in list_experiments(folder):
            typer.echo(f"{each.name}: {each.question}")
        return OK
    chosen = read_experiment(folder, name)
    typer.echo(f"{chosen.name}: {chosen.question}")
    left = run_experiment(chosen, dict(map(_pair, parameter or [])), runs)
    for path in sorted(left.iterdir()):
        if path.is_file():
            typer.echo(f"  {path}")
    return OK


def _pair(text: str) -> tuple[str, Any]:
    """``name=value``; the value is read as YAML, so numbers and lists are what they look like."""
    import yaml

    name, found, value = text.partition("=")
    if not found or not name.strip():
        raise typer.BadParameter(f"-p {text!r}: write NAME=VALUE, such as -p seeds=4.")
    try:
        return name.strip(), yaml.safe_load(value)
    except yaml.YAMLError:
        return name.strip(), value
