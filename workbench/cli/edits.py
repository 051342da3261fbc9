"""Commands about edits: seams, compare."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.cli.app import app
from workbench.cli.exits import OK, exit_code, one_sentence
from workbench.cli.tables import printable

if TYPE_CHECKING:
    from workbench.analysis.seams import Seam, SeamExcess
    from workbench.clip import Clip

StartS = Annotated[float | None, typer.Option(help="Second at which the edit begins.")]
EndS = Annotated[float | None, typer.Option(help="Second at which it ends.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, with every statistic.")]

_NOT_INAUDIBLE = "'none found' is not 'inaudible': it says that other places stand out as much."


@app.command()
def seams(
    edited: Annotated[Path, typer.Argument(help="The edited file.")],
    source: Annotated[Path | None, typer.Option(help="What it was made from, same time.")] = None,
    start_s: StartS = None,
    end_s: EndS = None,
    loop: Annotated[bool, typer.Option("--loop", help="Measure where its end meets its start.")] = (
        False
    ),
    picture: Annotated[Path | None, typer.Option(help="PNG to draw the edges into.")] = None,
    as_json: AsJson = False,
) -> int:
    """Measure whether the edges of an edit, or the wrap-around of a loop, can be heard."""
    from workbench.clip import Clip

    if start_s is None and end_s is None and not loop:
        raise typer.BadParameter("name an edge: --start-s, --end-s or --loop.")
    clip = Clip.read(edited)
    original = None if source is None else _at_rate_of(clip, source)
    edges_s = _edges_s(edited.name, clip, start_s, end_s)
    asked = {name: _edge_measure(clip, original, edges_s, name) for name in edges_s}
    if loop:
        asked["loop"] = _loop_measure(clip)
    found, code = _found(asked)
    if as_json:
        rows = [_seam_json(name, seam, excess) for name, (seam, excess) in found.items()]
        typer.echo(json.dumps({"file": edited.name, "edges": rows}, indent=2))
    else:
        typer.echo("\n".join(_seam_lines(found)))
    if picture is not None and found:
        _draw(clip, [seam for seam, _ in found.values()], picture)
    return code


@app.command()
def compare(
    source: Annotated[Path, typer.Argument(help="The file before.")],
    edited: Annotated[Path, typer.Argument(help="The file after.")],
    start_s: StartS = None,
    end_s: EndS = None,
    splice: Annotated[
        Path | None, typer.Option(help="WAV to write: the source outside the span, the edit in it.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Compare two files outside the edited span: is what should be untouched untouched?"""
    from workbench.clip import Clip

    if splice is not None and splice.suffix.lower() != ".wav":
        raise typer.BadParameter(f"--splice {splice.name}: name a .wav file.")
    if splice is not None and start_s is None and end_s is None:
        raise typer.BadParameter("--splice needs the edit's span: add --start-s and --end-s.")
    before = Clip.read(source)
    after = _at_rate_of(before, edited)
    edges_s = _edges_s(source.name, before, start_s, end_s)
    spans = [(edges_s.get("start", 0.0), edges_s.get("end", before.duration_s))] if edges_s else []
    row: dict[str, Any] = {"source": source.name, "edited": edited.name, "spans_s": spans}
    row |= _kept(before, after, spans)
    if splice is not None:
        row["splice"] = _spliced(before, after, edges_s, splice)
    if as_json:
        typer.echo(json.dumps(row, indent=2))
    else:
        typer.echo("\n".join(_kept_lines(row)))
    return OK


def _at_rate_of(clip: Clip, path: Path) -> Clip:
    """Another file, resampled with a note if its rate differs."""
    from workbench.clip import Clip

    other = Clip.read(path)
    if other.rate_hz != clip.rate_hz:
        typer.echo(
            f"note: {printable(path.name)} has {other.rate_hz} Hz and was resampled "
            f"to {clip.rate_hz} Hz.",
            err=True,
        )
    return other.at_rate(clip.rate_hz)


def _edges_s(name: str, clip: Clip, start_s: float | None, end_s: float | None) -> dict[str, float]:
    """The edges that were named, in order and within the clip."""
    from workbench.errors import RequestError

    edges_s = {
        side: edge_s for side, edge_s in (("start", start_s), ("end", end_s)) if edge_s is not None
    }
    for side, edge_s in edges_s.items():
        if not 0 <= edge_s <= clip.duration_s:
            raise RequestError(
                f"--{side}-s {edge_s:g} lies outside {name}, which is {clip.duration_s:.2f} s long."
            )
    if start_s is not None and end_s is not None and start_s >= end_s:
        raise RequestError(f"--start-s {start_s:g} must be less than --end-s {end_s:g}.")
    return edges_s


# --- seams --------------------------------------------------------------------------------------

Measured = tuple["Seam", "SeamExcess | str"]  # a string says why there is no excess


def _edge_measure(
    clip: Clip, original: Clip | None, edges_s: Mapping[str, float], name: str
) -> Callable[[], Measured]:
    def measured() -> Measured:
        from workbench.analysis.seams import measure_seam, seam_excess
        from workbench.errors import AudioError

        avoid_s = tuple(edge_s for other, edge_s in edges_s.items() if other != name)
        reason = "no source was named"
        if original is not None:
            try:
                pair = (clip.samples, original.samples)
                excess = seam_excess(*pair, clip.rate_hz, edges_s[name], avoid_s=avoid_s)
                return excess.edited, excess
            except AudioError as error:
                reason = str(error)
        return measure_seam(clip.samples, clip.rate_hz, edges_s[name], avoid_s=avoid_s), reason

    return measured


def _loop_measure(clip: Clip) -> Callable[[], Measured]:
    def measured() -> Measured:
        from workbench.analysis.seams import loop_seam

        return loop_seam(clip.samples, clip.rate_hz), "a loop has no source"

    return measured


def _found(asked: Mapping[str, Callable[[], Measured]]) -> tuple[dict[str, Measured], int]:
    """What could be measured, and the exit code of the first edge that could not."""
    found, code = {}, OK
    for name, measured in asked.items():
        try:
            found[name] = measured()
        except ValueError as error:
            known = exit_code(error)
            if known is None:
                raise
            typer.echo(one_sentence(error), err=True)
            code = code or known
    return found, code


def _seam_json(name: str, seam: Seam, excess: SeamExcess | str) -> dict[str, Any]:
    row = {
        "edge": name,
        "edge_s": seam.edge_s,
        "seam_score": seam.score,
        "seam_verdict": seam.verdict,
        "false_alarm_rate": seam.false_alarm_rate,
        "seam_reasons": seam.reasons,
        "severity_jnd": dict(seam.severity_jnd),
        "statistics": dict(seam.statistics),
    }
    if isinstance(excess, str):
        return row | {"seam_excess": None, "seam_excess_reason": excess}
    added = {
        "score": excess.score,
        "reasons": excess.reasons,
        "statistics": dict(excess.statistics),
        "source_score": excess.source.score,
    }
    return row | {"seam_excess": added, "seam_excess_reason": ""}


def _seam_lines(found: Mapping[str, Measured]) -> list[str]:
    from workbench.seam_plot import heading

    lines = []
    for name, (seam, excess) in found.items():
        lines.append(f"{name} {heading(seam)}")
        lines += [f"  {reason}" for reason in seam.reasons or ("nothing stands out",)]
        if not isinstance(excess, str):
            added = "; ".join(excess.reasons) or "nothing that the source does not have there"
            lines.append(f"  against the source: score {excess.score:+.2f}; {added}")
    if any(seam.verdict == "none found" for seam, _ in found.values()):
        lines.append(_NOT_INAUDIBLE)
    return lines


def _draw(clip: Clip, found: list[Seam], picture: Path) -> None:
    import numpy as np

    from workbench.seam_plot import seam_figure

    # The wrap-around of a loop is drawn where the clip meets its second playing.
    twice = np.concatenate([clip.samples, clip.samples], axis=1)
    samples = twice if any(seam.edge_s >= clip.duration_s for seam in found) else clip.samples
    seam_figure(samples, clip.rate_hz, found).savefig(picture, format="png", dpi=110)


# --- compare ------------------------------------------------------------------------------------


def _kept(before: Clip, after: Clip, spans: list[tuple[float, float]]) -> dict[str, Any]:
    """The audit's figures; what is infinite or undefined is None, with its reason."""
    from dataclasses import asdict

    from workbench.analysis.untouched import audit_untouched, edit_extent
    from workbench.errors import AudioError

    row = asdict(audit_untouched(before.samples, after.samples, before.rate_hz, spans))
    row["kept_verdict"] = row.pop("verdict")
    reasons = {}
    if math.isinf(row["kept_snr_db"]):
        row["kept_snr_db"], reasons["kept_snr_db"] = None, "no difference"
    row |= dict.fromkeys(("edit_extent_error_s", "start_error_s", "end_error_s"))
    try:
        for span in spans:
            extent = edit_extent(before.samples, after.samples, before.rate_hz, span)
            row["edit_extent_error_s"] = extent.edit_extent_error_s
            row |= {"start_error_s": extent.start_error_s, "end_error_s": extent.end_error_s}
    except AudioError as error:
        reasons["edit_extent_error_s"] = str(error)
    if not spans:
        reasons["edit_extent_error_s"] = "no span was named"
    return row | {"reasons": reasons}


def _spliced(
    before: Clip, after: Clip, edges_s: Mapping[str, float], target: Path
) -> dict[str, Any]:
    """Write the repaired clip; each edge's seam score before and after."""
    from workbench.analysis.untouched import splice_back
    from workbench.clip import Clip
    from workbench.errors import AudioError

    span = (edges_s.get("start", 0.0), edges_s.get("end", before.duration_s))
    rate_hz = before.rate_hz
    repaired = Clip(splice_back(before.samples, after.samples, rate_hz, [span]), rate_hz)
    repaired.write(target)
    rows = []
    for name, edge_s in edges_s.items():
        row: dict[str, Any] = {"edge": name, "edge_s": edge_s}
        try:
            for when, clip in (("before", after), ("after", repaired)):
                seam, _ = _edge_measure(clip, None, edges_s, name)()
                row |= {f"seam_score_{when}": seam.score, f"seam_verdict_{when}": seam.verdict}
        except AudioError as error:
            row["reason"] = str(error)
        rows.append(row)
    return {"file": target.name, "edges": rows}


def _kept_lines(row: Mapping[str, Any]) -> list[str]:
    snr = row["kept_snr_db"]
    lag_s = row["lag_s"]
    lines = [
        f"outside the span ({row['kept_s']:.1f} s compared): {row['kept_verdict']}"
        + (", pasted back" if row["pasted_back"] else ""),
        f"  signal over difference {'without end' if snr is None else f'{snr:.1f} dB'}, "
        f"mel {row['kept_mel_db']:.2f} dB, chroma {row['kept_chroma']:.3f}",
        f"  level {row['gain_db']:+.2f} dB, "
        + ("waveforms unrelated" if lag_s is None else f"lag {1000 * lag_s:+.2f} ms")
        + (", polarity inverted" if row["polarity_inverted"] else ""),
    ]
    lines += [f"  changed from {start:.2f} s to {end:.2f} s" for start, end in row["changed_s"]]
    if row["edit_extent_error_s"] is not None:
        errors = (("begins", row["start_error_s"]), ("ends", row["end_error_s"]))
        said = [f"{verb} {error_s:+.2f} s" for verb, error_s in errors if error_s is not None]
        lines.append(f"  against the span asked, the change {' and '.join(said)} off")
    elif row["spans_s"]:
        lines.append(f"  extent undefined: {row['reasons']['edit_extent_error_s']}")
    for edge in row.get("splice", {}).get("edges", ()):
        if "reason" in edge:
            lines.append(f"{edge['edge']} edge, no seam score: {edge['reason']}")
            continue
        lines.append(
            f"{edge['edge']} edge at {edge['edge_s']:.2f} s: seam score "
            f"{edge['seam_score_before']:.2f} ({edge['seam_verdict_before']}) before the splice, "
            f"{edge['seam_score_after']:.2f} ({edge['seam_verdict_after']}) after"
        )
    return lines
