"""Commands about the user's own audio files: measure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli.app import app
from workbench.cli.exits import OK, tell_fault
from workbench.cli.tables import print_table, printable

if TYPE_CHECKING:
    from workbench.measure import Subject

# Name of a figure, heading of its column, how a value is shown. Columns without a value are left
# out, and a table is no wider than a page.
Columns = tuple[tuple[str, str, str], ...]
_TEMPO: Columns = (
    ("tempo_bpm", "tempo [BPM]", "{:.2f}"),
    ("tempo_confidence", "confidence", "{:.2f}"),
    ("also_heard_at", "or [BPM]", "{}"),
    ("tempo_stability_pct", "varies [%]", "{:.2f}"),
    ("asked_tempo_bpm", "asked [BPM]", "{:g}"),
    ("tempo_error_pct", "error [%]", "{:+.2f}"),
    ("tempo_ratio_class", "class", "{}"),
    ("tempo_match", "match", "{}"),
)
_KEY: Columns = (
    ("key", "key", "{}"),
    ("key_confidence", "confidence", "{:.2f}"),
    ("key_relative", "or", "{}"),
    ("key_relation", "to the asked key", "{}"),
)
_LEVEL: Columns = (
    ("loudness_lufs", "loudness [LUFS]", "{:.1f}"),
    ("loudness_range_lu", "range [LU]", "{:.1f}"),
    ("true_peak_dbtp", "true peak [dBTP]", "{:.1f}"),
    ("clipped", "clipped", "{}"),
    ("width", "width [dB]", "{}"),
)
_FORM: Columns = (
    ("duration_s", "length [s]", "{:.2f}"),
    ("duration_error_s", "error [s]", "{:+.2f}"),
    ("lead_silence_s", "silent before [s]", "{:.2f}"),
    ("tail_silence_s", "after [s]", "{:.2f}"),
    ("gaps", "gaps", "{:.0f}"),
    ("dropouts", "dropouts", "{:.0f}"),
    ("abrupt_end", "cut off", "{}"),
)
# Files decoded at once where a device shares their work.
_ON_A_DEVICE = 32
# Figures that are undefined together, by the one that a person looks for.
_EXPLAINED = {
    "tempo_bpm": "tempo",
    "key": "key",
    "loudness_lufs": "loudness",
    "loudness_range_lu": "range",
    "true_peak_dbtp": "peak",
    "abrupt_end": "ending",
}


@app.command()
def measure(
    files: Annotated[list[Path], typer.Argument(help="Audio files: wav, flac, mp3, ogg, opus.")],
    tempo_bpm: Annotated[float | None, typer.Option(help="Tempo that was asked for.")] = None,
    key: Annotated[str | None, typer.Option(help="Key that was asked for: 'A minor'.")] = None,
    duration_s: Annotated[float | None, typer.Option(help="Length that was asked for.")] = None,
    truth: Annotated[
        Path | None, typer.Option(help="JSON: {file, bpm or tracker_bpm} of each.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Where torch shares the work of many files: cuda, cuda:1.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON, with beats, places and every reason.")
    ] = False,
) -> int:
    """Measure audio files: tempo, key, loudness, peaks, silence, width, length."""
    from tqdm import tqdm  # type: ignore[import-untyped]

    from workbench.measure import compute_features

    wish = {"tempo_bpm": tempo_bpm, "key": key, "duration_s": duration_s}
    known = _known_tempi(truth)
    rows, code = [], OK
    together = _ON_A_DEVICE if device else 1
    with tqdm(total=len(files), unit="file", disable=None, leave=False) as bar:
        for start in range(0, len(files), together):
            decoded = []
            for path in files[start : start + together]:
                asked = wish | ({"tempo_bpm": known[path.name]} if path.name in known else {})
                try:
                    decoded.append((path, asked, _subject(path, asked)))
                except (OSError, ValueError) as error:
                    fault = tell_fault(error)
                    code = code or fault
            if device:
                compute_features([subject for *_, subject in decoded], device)
            rows += [_measured(*each) for each in decoded]
            bar.update(len(files[start : start + together]))
    if as_json:
        # ASCII: a file name that is no text comes back as it was.
        typer.echo(json.dumps(rows, indent=2))
    elif rows:
        _print_tables(rows)
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


def _subject(path: Path, asked: Mapping[str, Any]) -> Subject:
    """One file, decoded, with what was asked of it."""
    import numpy as np

    from workbench.clip import Clip
    from workbench.errors import AudioError
    from workbench.measure import Subject
    from workbench.request import Request

    named = {name: value for name, value in asked.items() if value is not None}
    subject = Subject(Clip.read(path), Request(tags="any", **named) if named else None)
    if not np.isfinite(subject.clip.samples).all():
        raise AudioError(f"{path.name} holds NaN or infinity: render or decode it again.")
    return subject


def _measured(path: Path, asked: Mapping[str, Any], subject: Subject) -> dict[str, Any]:
    """One file's figures; ``reasons`` says why one is undefined."""
    from workbench.measure import NOT_ASKED, STANDARD

    found = [m for ask in STANDARD for m in ask(subject)]
    figures = {m.name: m.value for m in found}
    reasons = {m.name: m.reason for m in found if m.reason}
    if (
        subject.request and asked["duration_s"] is None
    ):  # a request always has a length, this wish has none
        figures["duration_error_s"], reasons["duration_error_s"] = None, NOT_ASKED
    return {
        "file": path.name,
        "path": str(path),
        "rate_hz": subject.clip.rate_hz,
        "channels": subject.clip.channels,
        "asked_tempo_bpm": asked["tempo_bpm"],
        **figures,
        **_places(subject),
        "reasons": reasons,
    }


def _places(subject: Subject) -> dict[str, Any]:
    """What is more than one figure: other tempos, beats, and where silence and holes are."""
    from workbench.analysis.beats import track_beats
    from workbench.analysis.levels import dropouts
    from workbench.errors import AudioError

    places: dict[str, Any] = {"alternatives_bpm": [], "beats_s": []}
    places |= {"gaps_s": None, "dropouts_s": None}
    try:
        tempo = subject.tempo
        places["alternatives_bpm"] = [vars(other) for other in tempo.alternatives_bpm]
        places["beats_s"] = track_beats(subject.features, tempo).round(4).tolist()
        places["gaps_s"] = subject.silence.gaps
        places["dropouts_s"] = dropouts(subject.levels)
    except AudioError:
        pass  # whose reason stands beside the figure that counts them
    return places


def _print_tables(rows: Sequence[Mapping[str, Any]]) -> None:
    named = [
        {**row, "also_heard_at": _strongest_alternative(row), "width": _width(row)} for row in rows
    ]
    for columns in (_TEMPO, _KEY, _LEVEL, _FORM):
        shown = [c for c in columns if any(row.get(c[0]) is not None for row in named)]
        if shown:
            cells = [[row["file"], *(_cell(row, *column) for column in shown)] for row in named]
            print_table(["file", *(heading for _, heading, _ in shown)], cells)
            typer.echo()
    for line in _reason_lines(rows):
        typer.echo(line)


def _strongest_alternative(row: Mapping[str, Any]) -> str | None:
    others = row["alternatives_bpm"]
    if not others:
        return None
    best = max(others, key=lambda other: other["strength"])
    return f"{best['tempo_bpm']:.1f} ({best['tempo_ratio_class']})"


def _width(row: Mapping[str, Any]) -> str | None:
    if row["channels"] == 1 or row["mono"] == "yes":
        return "mono"
    return None if row["width_db"] is None else f"{row['width_db']:.1f}"


def _cell(row: Mapping[str, Any], name: str, heading: str, form: str) -> str:
    return "-" if row.get(name) is None else form.format(row[name])


def _reason_lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line per file and reason: which figures have no value, and why."""
    for row in rows:
        by_reason: dict[str, list[str]] = {}
        for name, word in _EXPLAINED.items():
            reason = row["reasons"].get(name)
            if reason:
                by_reason.setdefault(reason, []).append(word)
        for reason, words in by_reason.items():
            yield printable(f"{row['file']}: {', '.join(words)} undefined: {reason}")
