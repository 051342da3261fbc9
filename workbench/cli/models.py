"""Commands about the weights of the local engine: models list, pull, verify."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli.app import app
from workbench.cli.exits import FAILURE, OK

models = typer.Typer(no_args_is_help=True, help="Weights for the local engine.")
app.add_typer(models, name="models")

Model = Annotated[str, typer.Argument(help="Variant, repository or folder.")]
Revision = Annotated[str | None, typer.Option(help="Commit, branch or tag.")]


@models.command("list")
def list_() -> int:
    """List the variants: which are on this disk, at which revision and under which licence."""
    from rich.console import Console
    from rich.table import Table

    from workbench.engines.local.variants import VARIANTS
    from workbench.engines.local.weights import find_weights
    from workbench.errors import EngineUnavailable

    table = Table(
        "variant", "size", "sampling", "on this disk", "licence", box=None, pad_edge=False
    )
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
        table.add_row(variant.name, size, sampling, where, licence)
    console = Console(highlight=False)
    console.width = console.width if console.is_terminal else 160
    console.print(table)
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
