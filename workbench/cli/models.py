"""Commands about the weights of the local engine: models list, pull, verify, try."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli.app import app
from workbench.cli.exits import FAILURE, OK
from workbench.cli.tables import print_table

models = typer.Typer(no_args_is_help=True, help="Weights for the local engine.")
app.add_typer(models, name="models")

_TRIAL_TAGS = (
    "lo-fi hip-hop, rhodes piano, soft drums, 75 BPM",
    "house, four on the floor, bright synths, 124 BPM",
    "drum and bass, breakbeat, deep bass, 174 BPM",
)
Model = Annotated[str, typer.Argument(help="Variant, repository or folder.")]
Revision = Annotated[str | None, typer.Option(help="Commit, branch or tag.")]


@models.command("list")
def list_() -> int:
    """List the variants: which are on this disk, at which revision and under which licence."""
    from workbench.engines.local.variants import VARIANTS
    from workbench.engines.local.weights import find_weights
    from workbench.errors import EngineUnavailable

    rows = []
    for variant in VARIANTS.values():
        guided = f", guidance {variant.guidance:g}" if variant.guidance != 1 else ""
        sampling = f"{variant.steps} steps, shift {variant.shift:g}{guided}"
        try:
            found = find_weights(variant.name)
            where, licence = f"{found.name} at {found.revision[:12]}", found.licence
        except EngineUnavailable:
            known = variant.repository or "convert the authors' weights"
            where, licence = f"no ({known})", ""
        size = f"{variant.size_bytes / 1e9:.1f} GB"
        rows.append((variant.name, size, sampling, where, licence))
    print_table(("variant", "size", "sampling", "on this disk", "licence"), rows)
    return OK


@models.command()
def pull(
    model: Model,
    revision: Revision = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> int:
    """Download weights into the hub's cache; a broken download goes on where it stopped."""
    from workbench.engines.local.pull import offer
    from workbench.engines.local.pull import pull as download

    what = offer(model, revision)
    typer.echo(
        f"{what.repository} at {what.revision[:12]}: {what.files} files, "
        f"{what.size_bytes / 1e9:.2f} GB, licence {what.licence}."
    )
    if not yes and not typer.confirm("Download?"):
        typer.echo("Nothing was downloaded.")
        return OK
    found = download(what)
    typer.echo(f"Whole: {found.size_bytes / 1e9:.2f} GB at revision {found.revision[:12]}.")
    return OK


@models.command()
def verify(model: Model, revision: Revision = None) -> int:
    """Check that weights are whole: every part, every file, every file's own length."""
    from workbench.engines.local.weights import find_weights
    from workbench.errors import EngineUnavailable

    try:
        found = find_weights(model, revision)
    except EngineUnavailable as error:
        typer.echo(str(error), err=True)
        return FAILURE
    typer.echo(
        f"{found.name}: whole, {found.size_bytes / 1e9:.2f} GB, revision {found.revision}, "
        f"licence {found.licence}."
    )
    return OK


@models.command("try")
def try_(
    model: Model,
    store: Annotated[Path, typer.Option(help="Folder for the takes and reports.")] = Path(
        "runs/first-weights"
    ),
    duration_s: Annotated[float, typer.Option(help="Seconds of each song.")] = 30.0,
) -> int:
    """What to run first with real weights: songs at three tempi, an inpaint, and their reports.

    The reports show the settings that were sent (to compare with the authors'), loudness, silence
    and clipping, tempo asked and delivered, the seams of the inpaint and what it left untouched.
    """
    from workbench.engines import engine
    from workbench.report import write_report
    from workbench.request import Inpaint, Request, Span
    from workbench.study import Study
    from workbench.sweep import Sweep

    made = engine("local", model=model)
    typer.echo(made.ready())
    song = Request(tags=_TRIAL_TAGS[0], lyrics="[inst]", duration_s=duration_s)
    songs = Sweep(song, tags=_TRIAL_TAGS, seed=range(2))
    with Study("songs", songs, [made], store=store / "songs") as study:
        summary = study.run()
        report = write_report(study.store, study.name)
        typer.echo(f"{summary}\nSongs, tempo, loudness, settings: {report}")
        takes = study.takes()
        paths = [study.store.audio.path(take.audio) for take in takes if take.audio]
    if not paths:
        return FAILURE
    third = duration_s / 3
    edit = Inpaint(tags=_TRIAL_TAGS[0], source=paths[0], span=Span(start_s=third, end_s=2 * third))
    axes: dict[str, Any] = {"options.blend": ["conservative", "balanced"]}
    blends = Sweep(edit, **axes)
    with Study("inpaint", blends, [made], store=store / "inpaint") as study:
        edited = study.run()
        report = write_report(study.store, study.name)
    typer.echo(f"{edited}\nSeams, and what was left untouched: {report}")
    return OK if summary.is_complete and edited.is_complete else FAILURE
