"""Commands about notebooks: experiment list, run, show, compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli.app import app
from workbench.cli.exits import OK

experiment = typer.Typer(no_args_is_help=True, help="Questions, each with its study and report.")
app.add_typer(experiment, name="experiment")

Runs = Annotated[Path, typer.Option(help="Where the runs' folders are made.")]


@experiment.command("list")
def list_() -> int:
    """List the experiments and their questions."""
    from workbench.experiment import experiments_folder, list_experiments

    for each in list_experiments(experiments_folder()):
        typer.echo(f"{each.name}: {each.question}")
    return OK


@experiment.command()
def run(
    name: Annotated[str, typer.Argument(help="Which one, or a run's folder to repeat.")],
    parameter: Annotated[
        list[str] | None, typer.Option("--parameter", "-p", help="NAME=VALUE, may be repeated.")
    ] = None,
    runs: Runs = Path("runs"),
) -> int:
    """Run an experiment: an executed notebook, its report, data and provenance in a new folder."""
    from workbench.experiment import (
        PROVENANCE,
        experiments_folder,
        read_experiment,
        read_run,
        run_experiment,
    )

    folder = experiments_folder()
    changes = dict(map(_pair, parameter or []))
    if (Path(name) / PROVENANCE).is_file():
        record = read_run(Path(name))
        name, changes = str(record["experiment"]), {**record["parameters"], **changes}
    chosen = read_experiment(folder, name)
    typer.echo(f"{chosen.name}: {chosen.question}")
    left = run_experiment(chosen, changes, runs)
    for path in sorted(left.iterdir()):
        if path.is_file():
            typer.echo(f"  {path}")
    return OK


# What a run's record says of how it was made, in the order in which it is shown.
_MADE_WITH = (
    "parameters",
    "engines",
    "workbench",
    "commit",
    "lock",
    "packages",
    "python",
    "machine",
    "started_at",
    "again",
)


@experiment.command()
def show(run_folder: Annotated[Path, typer.Argument(help="A run's folder.")]) -> int:
    """Show a run: its question, its answer, and what it was made with."""
    from workbench.experiment import read_run

    record = read_run(run_folder)
    typer.echo(str(record["question"]))
    for sentence in record.get("answer", ()):
        typer.echo(f"- {sentence}")
    if record.get("failed"):
        typer.echo(f"It failed: {record['failed']}")
    for key in _MADE_WITH:
        if key not in record:
            continue
        value = record[key]
        said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        typer.echo(f"{key}: {said}")
    return OK


@experiment.command()
def compare(
    one: Annotated[Path, typer.Argument(help="A run's folder.")],
    other: Annotated[Path, typer.Argument(help="Another one.")],
) -> int:
    """Compare two runs: what changed in code, versions, parameters and answers."""
    from workbench.experiment import compare_runs

    changes = compare_runs(one, other)
    if not changes:
        typer.echo("Nothing that is recorded differs.")
    for name, (before, after) in changes.items():
        typer.echo(f"{name}:\n  - {before}\n  + {after}")
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
