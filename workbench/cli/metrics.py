"""Commands about sets of takes and about what trained networks hear: diversity, learned."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli.app import app
from workbench.cli.exits import OK, tell_fault
from workbench.cli.tables import print_table

if TYPE_CHECKING:
    from workbench.clip import Clip

AsJson = Annotated[bool, typer.Option("--json", help="JSON, with every figure.")]
# Column of the table, its heading, and how its value is shown.
_DIVERSITY = (
    ("engine", "engine", "{}"),
    ("tags", "tags", "{}"),
    ("duration_s", "length [s]", "{:g}"),
    ("takes", "takes", "{}"),
    ("aligned_mel_db", "difference [dB]", "{:.1f}"),
    ("timbre_db", "timbre [dB]", "{:.1f}"),
    ("same_key_share", "same key", "{:.0%}"),
    ("identical_pairs", "identical pairs", "{}"),
    ("index", "index (0 same, 1 as other tags)", "{:.2f}"),
    ("reason", "", "{}"),
)


@app.command()
def diversity(
    store: Annotated[Path, typer.Argument(help="Folder of a study.")],
    name: Annotated[str | None, typer.Option(help="Which study, if there are several.")] = None,
    as_json: AsJson = False,
) -> int:
    """Measure how much takes that differ only in their seed differ to the ear."""
    from workbench.diversities import diversity as measured
    from workbench.store import Store

    with Store(store, create=False) as opened:
        found = measured(opened, opened.study_name(name))
    if as_json:
        typer.echo(found.to_json(orient="records", indent=2))
    elif found.empty:
        typer.echo("No two finished takes differ in their seed alone: sweep over several seeds.")
    else:
        rows: list[Any] = found.to_dict(orient="records")
        _print(rows, _DIVERSITY)
        typer.echo("Medians over pairs of takes, 95 % bootstrap interval by take in brackets.")
    return OK


@app.command()
def learned(
    files: Annotated[list[Path], typer.Argument(help="Audio files.")],
    text: Annotated[str | None, typer.Option(help="Words to compare with, such as tags.")] = None,
    reference: Annotated[
        list[Path] | None, typer.Option(help="A file of the set to compare with; repeat it.")
    ] = None,
    aesthetics: Annotated[bool, typer.Option("--aesthetics", help="Score how it pleases.")] = False,
    clap_model: Annotated[str | None, typer.Option(help="CLAP's folder or its hub name.")] = None,
    aesthetics_model: Annotated[str | None, typer.Option(help="The same for the scores.")] = None,
) -> int:
    """Ask trained networks whose weights are on this disk; prints JSON. Nothing is downloaded."""
    from workbench.clip import Clip

    if text is None and not reference and not aesthetics:
        raise typer.BadParameter("ask something: --text, --reference or --aesthetics.")
    known = [Clip.read(path) for path in reference or []]
    clips, rows, code = _readable(files)
    if not clips:
        return code
    answer: dict[str, Any] = {"files": rows}
    if text is not None or known:
        answer |= _by_clap(rows, clips, known, text, clap_model)
    if aesthetics:
        _add_aesthetics(rows, clips, aesthetics_model)
    typer.echo(json.dumps(answer, indent=2))
    return code


def _readable(files: Sequence[Path]) -> tuple[list[Clip], list[dict[str, Any]], int]:
    """The clips that can be read, a row for each, and the exit code of the first that cannot."""
    from workbench.clip import Clip

    clips: list[Clip] = []
    rows: list[dict[str, Any]] = []
    code = OK
    for path in files:
        try:
            clips.append(Clip.read(path))
        except (OSError, ValueError) as error:
            fault = tell_fault(error)
            code = code or fault
        else:
            rows.append({"file": path.name, "path": str(path)})
    return clips, rows, code


def _by_clap(
    rows: Sequence[dict[str, Any]],
    clips: Sequence[Clip],
    known: Sequence[Clip],
    text: str | None,
    model: str | None,
) -> dict[str, Any]:
    """Agreement with the text for each row; distance to the reference for all."""
    from dataclasses import asdict

    from workbench.learned.clap import CLAP_MUSIC, load_clap, set_distance, text_agreement

    clap = load_clap(model or CLAP_MUSIC)
    if text is not None:
        for row, clip in zip(rows, clips, strict=True):
            row["text_agreement"] = asdict(text_agreement(clap, clip, text))
    return {"set_distance": asdict(set_distance(clap, clips, known))} if known else {}


def _add_aesthetics(
    rows: Sequence[dict[str, Any]], clips: Sequence[Clip], model: str | None
) -> None:
    from dataclasses import asdict

    from workbench.learned.aesthetics import AESTHETICS, aesthetic_scores, load_aesthetics

    loaded = load_aesthetics(model or AESTHETICS)
    for row, clip in zip(rows, clips, strict=True):
        row["aesthetics"] = asdict(aesthetic_scores(loaded, clip))


def _print(rows: Sequence[dict[str, Any]], columns: Sequence[tuple[str, str, str]]) -> None:
    """A table of the columns that say something; a figure's interval stands in brackets."""
    shown = [column for column in columns if any(_says(row.get(column[0])) for row in rows)]
    print_table(
        [heading for _, heading, _ in shown],
        [[_cell(row, name, form) for name, _, form in shown] for row in rows],
    )


def _says(value: Any) -> bool:
    return value is not None and value == value and value != ""


def _cell(row: dict[str, Any], name: str, form: str) -> str:
    if not _says(row.get(name)):
        return "-"
    cell = form.format(row[name])
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    return f"{cell} [{form.format(low)}, {form.format(high)}]" if _says(low) else cell
