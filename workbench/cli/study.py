"""Commands about a store as a whole: study info, verify, export, import, gc."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.app import app
from workbench.cli.exits import FAILURE, OK

study = typer.Typer(
    no_args_is_help=True, help="Look into, check, pack, unpack and tidy the folder of a study."
)
app.add_typer(study, name="study")

Folder = Annotated[Path, typer.Argument(help="Folder of a study.")]
Archive = Annotated[Path, typer.Argument(help="One file, such as study.zip.")]


@study.command()
def info(store: Folder) -> int:
    """What the folder holds: studies, takes by state, cost, files."""
    from workbench.store import Store

    with Store(store, create=False) as opened:
        for name in opened.study_names():
            states = Counter(str(state) for _, state in opened.latest(name).values())
            counted = ", ".join(f"{n} {state}" for state, n in states.items()) or "no takes yet"
            typer.echo(f"{name}: {counted}; {opened.spent_usd(name):.6f} USD")
        sizes = [size_bytes for _, size_bytes in opened.audio.named()]
    typer.echo(f"{len(sizes)} audio files, {sum(sizes) / 1e6:.1f} MB")
    return OK


@study.command()
def verify(store: Folder) -> int:
    """Read every file and record, and say what is missing or changed."""
    from workbench.archive import verify_store
    from workbench.store import Store

    with Store(store, create=False) as opened:
        faults = verify_store(opened)
        for fault in faults:
            typer.echo(f"{fault.path} {fault.what}", err=True)
        typer.echo(f"{len(opened.audio.named())} audio files read, {len(faults)} faults.")
    return FAILURE if faults else OK


@study.command()
def export(store: Folder, archive: Archive) -> int:
    """Pack the folder into one file that proves what it holds."""
    from workbench.archive import export as write
    from workbench.store import Store

    with Store(store, create=False) as opened:
        typer.echo(f"{write(opened, archive)} files packed into {archive}")
    return OK


@study.command("import")
def import_(archive: Archive, store: Annotated[Path, typer.Argument(help="A new folder.")]) -> int:
    """Unpack such a file into a new folder, once all of it is checked."""
    from workbench.archive import import_archive

    typer.echo(f"{import_archive(archive, store)} files unpacked into {store}")
    return OK


@study.command()
def gc(
    store: Folder,
    remove: Annotated[bool, typer.Option("--remove", help="Remove them, not only list.")] = False,
) -> int:
    """List audio files that no take names, and why; with --remove, remove them."""
    from workbench.archive import collect, leftovers
    from workbench.store import Store

    with Store(store, create=False) as opened:
        found = collect(opened) if remove else leftovers(opened)
    for left in found:
        typer.echo(f"{left.path.relative_to(store)}: {left.why}")
    said = "removed" if remove else "can be removed with --remove"
    typer.echo(f"{len(found)} files, {sum(f.size_bytes for f in found) / 1e6:.1f} MB {said}.")
    return OK
