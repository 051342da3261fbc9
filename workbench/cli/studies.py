"""Commands that generate and report: generate, sweep, report."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli.app import app
from workbench.cli.exits import FAILURE, OK

if TYPE_CHECKING:
    from workbench.executors import Executor
    from workbench.study import Study
    from workbench.take import Take


@app.command()
def generate(
    engine: Annotated[str, typer.Argument(help="Engine or model, see `workbench engines`.")],
    input: Annotated[str, typer.Option(help="The request: JSON, @FILE, or - for standard input.")],
    output_dir: Annotated[Path, typer.Option(help="Where the audio goes.")] = Path(),
) -> int:
    """Generate one take from the fields of the engine's public contract."""
    from workbench.contract import request_from_contract
    from workbench.engines import engine as make_engine
    from workbench.study import Study
    from workbench.sweep import Sweep

    request = request_from_contract(_json_input(input))
    made = make_engine(engine)
    made.check(request)
    # The store keeps the intent before anything is sent, and the record of what came of it.
    with Study("generate", Sweep(request), [made], store=output_dir / ".workbench") as study:
        summary = study.run(retry=True)
        if summary.errors:
            raise summary.errors[0]
        (take,) = study.takes()
        return _handed_over(study, take, output_dir)


@app.command()
def sweep(
    study_file: Annotated[Path, typer.Argument(help="A study in YAML.")],
    store: Annotated[Path | None, typer.Option(help="Folder instead of the file's own.")] = None,
    retry: Annotated[bool, typer.Option(help="Try failed takes again.")] = False,
    accept_double_charge: Annotated[
        bool, typer.Option(help="Make takes of unknown outcome anew; the first may be billed too.")
    ] = False,
    dry_run: Annotated[bool, typer.Option(help="Count and price, generate nothing.")] = False,
    dask: Annotated[
        str | None, typer.Option(help="Make takes on the Dask cluster at tcp://HOST:PORT.")
    ] = None,
    resources: Annotated[
        str, typer.Option(help="With --dask: what a take needs of its worker, such as GPU=1.")
    ] = "",
    storage: Annotated[
        str,
        typer.Option(help="With --dask: where workers leave audio, if they do not see the store."),
    ] = "",
) -> int:
    """Run a study and write its report; run it again to go on where it stopped."""
    from workbench.studyfile import StudyFile

    with StudyFile.read(study_file).study(store=store) as study:
        typer.echo(quote_text(study))
        if dry_run:
            return OK
        with _executor(dask, resources, storage) as executor:
            summary = study.run(
                retry=retry, accept_double_charge=accept_double_charge, executor=executor
            )
        typer.echo(str(summary)[0].upper() + str(summary)[1:])
        _faults(study)
        from workbench.report import Finding, write_report

        again = f"workbench sweep {shlex.quote(str(study_file))}"
        path = write_report(study.store, study.name, finding=Finding(again=again))
        typer.echo(f"Report: {path}")
        return OK if summary.is_complete else FAILURE


@contextmanager
def _executor(address: str | None, resources: str, storage: str) -> Iterator[Executor | None]:
    """The cluster at an address for as long as it is needed; None without one."""
    from workbench.errors import RequestError

    if address is None:
        if resources or storage:
            raise RequestError("--resources and --storage are for a cluster: give --dask as well.")
        yield None
        return
    from workbench.executors.dask import Dask

    needed = _resources(resources)
    with closing(Dask.at(address, resources=needed, storage=storage)) as cluster:
        yield cluster


def _resources(text: str) -> dict[str, float]:
    """Resources as the command line writes them.

    Examples
    --------
    >>> _resources("GPU=1,MEMORY=20e9"), _resources("")
    ({'GPU': 1.0, 'MEMORY': 20000000000.0}, {})
    """
    from workbench.errors import RequestError

    pairs = [entry.partition("=") for entry in text.split(",") if entry.strip()]
    try:
        return {name.strip(): float(amount) for name, _, amount in pairs}
    except ValueError:
        raise RequestError(f"--resources is {text!r}, but is written like GPU=1.") from None


@app.command()
def report(
    store: Annotated[Path, typer.Argument(help="Folder of a study.")],
    name: Annotated[str | None, typer.Option(help="Which study, if there are several.")] = None,
) -> int:
    """Write the report of a study anew; also while it runs."""
    from workbench.report import write_report
    from workbench.store import Store
    from workbench.study import measure_study

    with Store(store, create=False) as opened:
        chosen = opened.study_name(name)
        measure_study(opened, chosen)
        typer.echo(f"Report: {write_report(opened, chosen)}")
    return OK


def _json_input(text: str) -> dict[str, Any]:
    """JSON from the command line, a file (@) or standard input (-)."""
    from workbench.errors import RequestError

    if text == "-":
        text = sys.stdin.read()
    elif text.startswith("@"):
        path = Path(text[1:])
        if not path.is_file():
            raise FileNotFoundError(f"there is no input file {path}.")
        text = path.read_text(encoding="utf-8")
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise RequestError(f"--input is no JSON: {error}.") from None
    if not isinstance(data, dict):
        raise RequestError('--input must be a JSON object, such as {"tags": "jazz"}.')
    return data


def _handed_over(study: Study, take: Take, output_dir: Path) -> int:
    """Copy a take's file, as delivered, to where the user wants it, and say what came back."""
    if not take.delivered:
        typer.echo(f"workbench: {take.engine}: {take.reason}", err=True)
        return FAILURE
    kept = study.store.audio.path(take.delivered)
    output_dir.mkdir(parents=True, exist_ok=True)
    path = output_dir / f"{take.engine}-{take.key[:8]}{kept.suffix}"  # never a name from outside
    shutil.copyfile(kept, path)
    charge = take.charge.amount_usd if take.charge else None
    typer.echo(
        json.dumps(
            {
                "file": str(path),
                "seed": take.request.seed,
                "charged_usd": None if charge is None else float(charge),
                "sent": dict(take.sent),
                "received": dict(take.received),
                "notes": list(take.notes),
            },
            indent=2,
            ensure_ascii=False,
        )
    )
    return OK


def quote_text(study: Study) -> str:
    """What a run would make and cost, a line for each engine."""
    lines = []
    for row in study.quote().to_dict("records"):
        credits_ = f" and {row['quoted_credits']} credits" if row["quoted_credits"] else ""
        refused = f", {row['refused']} it cannot serve" if row["refused"] else ""
        lines.append(
            f"{row['engine']}: {row['takes']} takes, {row['found']} found, "
            f"{row['to_generate']} to generate{refused}; at most {row['quoted_usd']:.6f} USD"
            f"{credits_} ({row['basis']})"
        )
    return "\n".join(lines)


def _faults(study: Study) -> None:
    """Say what failed, each reason once."""
    reasons: dict[str, int] = {}
    for take_id, state in study.store.latest(study.name).values():
        if state != "done":
            take = study.store.take(take_id)
            said = f"{take.engine}, {take.state}: {take.reason or 'not finished'}"
            reasons[said] = reasons.get(said, 0) + 1
    for said, count in reasons.items():
        typer.echo(f"  {count} x {said}", err=True)
