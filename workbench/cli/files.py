"""Commands about the user's own audio files: measure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli.app import app
from workbench.cli.exits import OK, exit_code, one_sentence

# Column heading and how a value is shown; in this order.
_SHOWN = (
    ("duration_s", "length [s]", "{:.2f}"),
    ("tempo_bpm", "tempo [BPM]", "{:.2f}"),
    ("tempo_confidence", "confidence", "{:.2f}"),
    ("asked_tempo_bpm", "asked or known [BPM]", "{:g}"),
    ("tempo_error_pct", "error [%]", "{:+.2f}"),
    ("tempo_ratio_class", "class", "{}"),
    ("tempo_match", "match", "{}"),
    ("loudness_lufs", "loudness [LUFS]", "{:.1f}"),
    ("true_peak_dbtp", "true peak [dBTP]", "{:.1f}"),
    ("clipped", "clipped", "{}"),
    ("lead_silence_s", "silence before [s]", "{:.2f}"),
    ("tail_silence_s", "after [s]", "{:.2f}"),
)


@app.command()
def measure(
    files: Annotated[list[Path], typer.Argument(help="Audio files: wav, flac, mp3, ogg, opus.")],
    tempo_bpm: Annotated[float | None, typer.Option(help="Tempo that was asked for.")] = None,
    truth: Annotated[
        Path | None, typer.Option(help="JSON: {file, bpm or tracker_bpm} of each.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, with every reason.")] = False,
) -> int:
    """Measure audio files: tempo, loudness, peaks, silence, length."""
    asked = _known_tempi(truth)
    rows, code = [], OK
    for path in files:
        try:
            rows.append(_measured(path, asked.get(path.name, tempo_bpm)))
        except (OSError, ValueError) as error:
            known = exit_code(error)
            if known is None:
                raise
            typer.echo(one_sentence(error), err=True)
            code = code or known
    if as_json:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    elif rows:
        _print_table(rows)
    return code


def _known_tempi(truth: Path | None) -> dict[str, float]:
    """Tempo by file name, from a list of objects or an object with such a list as ``items``."""
    from workbench.errors import RequestError

    if truth is None:
        return {}
    if not truth.is_file():
        raise FileNotFoundError(f"there is no file {truth}.")
    try:
        data = json.loads(truth.read_text(encoding="utf-8"))
        items = data["items"] if isinstance(data, dict) else data
        known = {item["file"]: item.get("bpm") or item.get("tracker_bpm") for item in items}
        return {file: float(bpm) for file, bpm in known.items() if bpm}
    except (ValueError, KeyError, TypeError) as error:
        raise RequestError(f"{truth.name} is no list of files with their bpm: {error}.") from None


def _measured(path: Path, asked_tempo_bpm: float | None) -> dict[str, Any]:
    """One file's figures; ``reasons`` says why one is undefined."""
    from workbench.clip import Clip
    from workbench.measure import STANDARD, Subject
    from workbench.request import Request

    wish = Request(tags="any", tempo_bpm=asked_tempo_bpm) if asked_tempo_bpm else None
    subject = Subject(Clip.read(path), wish)
    found = [m for ask in STANDARD for m in ask(subject)]
    figures = {m.name: m.value for m in found}
    if wish:  # only the tempo is known of it, no length
        figures |= {"asked_tempo_bpm": asked_tempo_bpm, "duration_error_s": None}
    return {
        "file": path.name,
        "rate_hz": subject.clip.rate_hz,
        "channels": subject.clip.channels,
        **figures,
        "reasons": {m.name: m.reason for m in found if m.reason},
    }


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = [s for s in _SHOWN if any(row.get(s[0]) is not None for row in rows)]
    table = Table("file", *(heading for _, heading, _ in shown), box=None, pad_edge=False)
    for row in rows:
        cells = [
            "-" if row.get(name) is None else form.format(row[name]) for name, _, form in shown
        ]
        table.add_row(Text(row["file"]), *cells)  # Text: a file name is never markup
    console = Console(highlight=False)
    # Where output is not a terminal, a line per file is worth more than a narrow page.
    console.width = console.width if console.is_terminal else 240
    console.print(table)
    for row in rows:
        if row["reasons"].get("tempo_bpm"):
            typer.echo(f"{row['file']}: tempo undefined: {row['reasons']['tempo_bpm']}")
