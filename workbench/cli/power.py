"""Commands that spend well: power before a run, search and halve in place of a full grid."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.cli.app import app
from workbench.cli.exits import FAILURE, OK

if TYPE_CHECKING:
    from workbench.adaptive import Found
    from workbench.study import Study

_STUDY = Annotated[Path, typer.Argument(help="A study in YAML.")]
_OBJECTIVE = Annotated[str, typer.Option(help="A measurement, such as tempo_folded_error_pct.")]
_HIGH = Annotated[bool, typer.Option("--high", help="More is better; else less is.")]


@app.command()
def power(
    study_file: _STUDY,
    value: Annotated[str, typer.Option(help="The measurement that is compared.")],
    by: Annotated[str, typer.Option(help="The axis whose values are compared, or engine.")],
    sd: Annotated[
        float, typer.Option(help="Standard deviation of differences, where it is assumed.")
    ] = 0.0,
    earlier: Annotated[
        Path | None, typer.Option(help="Folder of an earlier study that tells the deviation.")
    ] = None,
    difference: Annotated[float, typer.Option(help="A difference you hope to find.")] = 0.0,
) -> int:
    """What a study's budget can detect, before anything is spent."""
    from workbench.errors import RequestError
    from workbench.statistics import power as plan_power
    from workbench.statistics.observed import difference_unit
    from workbench.studyfile import StudyFile

    if (earlier is None) == (sd == 0):
        raise RequestError("say either --sd, or --earlier with a study that was run.")
    spread = sd if earlier is None else _earlier_sd(earlier, value, by)
    with StudyFile.read(study_file).study() as study:
        levels, each, price_usd = _design(study, by)
        seeds = len({str(cell.round) for cell in study.sweep})
        round_usd = levels * each * price_usd
        if study.budget_usd is not None and round_usd:
            seeds = min(seeds, math.floor(float(study.budget_usd) / round_usd))
        plan = plan_power(
            seeds,
            spread,
            price_usd=price_usd,
            levels=levels,
            difference=difference,
            unit=difference_unit(value),
            takes_each=each,
        )
    typer.echo(plan.sentence)
    return OK


@app.command()
def search(
    study_file: _STUDY,
    objective: _OBJECTIVE,
    trials: Annotated[int, typer.Option(help="Cells to try in all; each with all its seeds.")],
    high: _HIGH = False,
) -> int:
    """Look for the best cell of a study without rendering all; run it again to go on."""
    from workbench.adaptive import search as run_search
    from workbench.studyfile import StudyFile

    with StudyFile.read(study_file).study() as study:
        best = "high" if high else "low"
        return _say(run_search(study, objective, trials=trials, best=best))  # type: ignore[arg-type]


@app.command()
def halve(
    study_file: _STUDY,
    objective: _OBJECTIVE,
    keep: Annotated[float, typer.Option(help="Share of cells that goes on, 0 to 1.")] = 1 / 3,
    draft: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE of a draft, such as duration_s=8; may be repeated."),
    ] = None,
    high: _HIGH = False,
) -> int:
    """Draft all on the study's first engine, finish only the best on the next, and so on.

    With --draft the first engine makes drafts that differ from the study in those fields.
    """
    from workbench.adaptive import Rung
    from workbench.adaptive import halve as run_halving
    from workbench.cli.notebooks import pair
    from workbench.errors import RequestError
    from workbench.studyfile import StudyFile

    with StudyFile.read(study_file).study() as study:
        rungs = [Rung(engine, {}) for engine in study.engines]
        if len(rungs) < 2 and not draft:
            raise RequestError(
                "a halving needs drafts: name a second engine in the study, or a cheaper setting "
                "such as --draft duration_s=8."
            )
        if draft:
            first, *others = rungs
            rungs = [Rung(first.engine, dict(map(pair, draft))), *(others or [first])]
        best = "high" if high else "low"
        return _say(run_halving(study, objective, rungs, keep=keep, best=best))  # type: ignore[arg-type]


def _say(found: Found) -> int:
    typer.echo(found.sentence)
    return FAILURE if found.stopped or found.best is None else OK


def _design(study: Study, by: str) -> tuple[int, int, float]:
    """Levels compared, takes averaged at each level and seed, mean price of a take."""
    from workbench.errors import RequestError

    axes = {axis.name: axis.length for axis in study.sweep.axes}
    levels = {**axes, "engine": len(study.engines)}.get(by, 0)
    if levels < 2:
        raise RequestError(f"{by} has no two values in this study: compare {', '.join(axes)}.")
    quotes = [
        float(engine.quote(cell.request).amount_usd)
        for cell in study.sweep
        for engine in study.engines
    ]
    each = len(quotes) // (axes.get("seed", 1) * levels)
    return levels, max(1, each), sum(quotes) / len(quotes)


def _earlier_sd(folder: Path, value: str, by: str) -> float:
    """Standard deviation of paired differences in an earlier study, over all its comparisons."""
    from workbench.errors import RequestError
    from workbench.statistics import compare_levels
    from workbench.tables import table

    found = [each.sd for each in compare_levels(table(folder), value, by, "seed") if each.n > 1]
    if not found or not any(found):
        raise RequestError(f"{folder.name} does not tell how {value} varies: say --sd.")
    return math.sqrt(sum(sd**2 for sd in found) / len(found))
