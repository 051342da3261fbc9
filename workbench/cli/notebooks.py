"""Commands about notebooks: experiment list, run, show, compare."""

from __future__ import annotations

import json
from collections.abc import Mapping
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
        list[str] | None,
        typer.Option(
            "--parameter", "-p", help="NAME=VALUE, may be repeated; study.engines=[local] too."
        ),
    ] = None,
    runs: Runs = Path("runs"),
    go_on: Annotated[
        bool,
        typer.Option("--go-on", help="Finish a run in its own folder; finished takes are kept."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count and price, generate nothing.")
    ] = False,
) -> int:
    """Run an experiment: an executed notebook, its report, data and provenance in a new folder."""
    from dataclasses import replace

    from workbench import experiment as experiments
    from workbench.errors import RequestError

    changes = dict(map(pair, parameter or []))
    earlier = Path(name) if (Path(name) / experiments.PROVENANCE).is_file() else None
    record = experiments.read_run(earlier) if earlier else {}
    chosen = experiments.read_experiment(
        experiments.experiments_folder(), str(record.get("experiment", name))
    )
    if earlier:
        chosen = replace(chosen, parameters=record["parameters"])
        if strayed := experiments.changed_since(record, chosen):
            typer.echo(f"Not as in that run: {', '.join(strayed)}.", err=True)
    elif go_on:
        raise RequestError("--go-on needs a run's folder, such as runs/NAME-20260101-120000.")
    typer.echo(f"{chosen.name}: {chosen.question}")
    if dry_run:
        return _quote(experiments.changed(chosen, changes))
    if earlier and go_on:
        left = experiments.go_on(chosen, changes, earlier)
    else:
        left = experiments.run_experiment(chosen, changes, runs)
    for sentence in experiments.read_run(left).get("answer", ()):
        typer.echo(f"- {sentence}")
    for path in sorted(left.iterdir()):
        if path.is_file():
            typer.echo(f"  {path}")
    return OK


def _quote(parameters: Mapping[str, Any]) -> int:
    """Say what a run would make and cost, in a folder that is gone afterwards."""
    from tempfile import TemporaryDirectory

    from workbench.cli.studies import quote_text
    from workbench.errors import RequestError
    from workbench.evidence import Run, resized

    if "study" not in parameters:
        raise RequestError("this notebook holds its own study: only a run tells its price.")
    sizes = {name: parameters.get(name) for name in ("seeds", "duration_s", "budget_usd")}
    study = resized(parameters["study"], **sizes)
    with (
        TemporaryDirectory() as folder,
        Run(parameters["question"], study, folder, source=parameters.get("source")) as made,
    ):
        typer.echo(quote_text(made.study))
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
    if record.get("failed") or "ended_at" not in record:
        typer.echo(f"To finish it: workbench experiment run {run_folder} --go-on")
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


def pair(text: str) -> tuple[str, Any]:
    """``name=value``; the value is read as YAML, so numbers and lists are what they look like."""
    import yaml

    name, found, value = text.partition("=")
    if not found or not name.strip():
        raise typer.BadParameter(f"-p {text!r}: write NAME=VALUE, such as -p seeds=4.")
    try:
        return name.strip(), yaml.safe_load(value)
    except yaml.YAMLError:
        return name.strip(), value
