"""The report's HTML: numbers, figures and players put into the template."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jinja2
import pandas as pd

from workbench import plots
from workbench.errors import AudioError, StoreError
from workbench.preview import BYTES_PER_S, data_uri, preview_mp3, read_head
from workbench.report import numbers
from workbench.report.edges import AROUND_S, EDGES_MAX, edges, players
from workbench.report.finding import Drawn, Finding
from workbench.report.known import KNOWN
from workbench.report.provenance import provenance_rows
from workbench.report.put import put
from workbench.store import Store
from workbench.take import State

# All previews together, so that a report can still be mailed.
PREVIEWS_MAX_BYTES = 12_000_000
PREVIEW_MAX_S = 20
PREVIEW_MIN_S = 4

# Columns that a list of takes shows only where they differ between takes.
_VARYING: Mapping[str, str] = {
    "kind": "kind",
    "lyrics": "lyrics",
    "asked_key": "key asked",
    "tempo_carrier": "tempo as",
}


def environment(*, autoescape: bool) -> jinja2.Environment:
    """Where templates are read, with the filters that both forms of a report use."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("workbench"),
        autoescape=autoescape,  # noqa: S701  Markdown escapes by its own filter
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "number": _number,
        "money": _money,
        "percent": numbers.percent,
        "short": numbers.short,
    }
    return made


def facts(store: Store, name: str, takes: pd.DataFrame, finding: Finding) -> dict[str, Any]:
    """All that a report says in words and numbers, whatever its form.

    Parameters
    ----------
    store : Store
    name : str
        The study.
    takes : DataFrame
        As `tables.table` gives it.
    finding : Finding
        What was asked and found; about tempo where nothing is said.
    """
    from workbench.analysis.checks.rulers import quick_figures

    done = takes[takes["state"] == State.DONE]
    costs = numbers.costs(takes)
    found = edges(store, done)
    return {
        "name": name,
        "finding": finding,
        "sentences": finding.sentences or (numbers.answer(takes),),
        "facts": numbers.facts(takes),
        "engines": numbers.groups(takes, ["engine"]),
        "groups": numbers.groups(takes),
        "edges": found[:EDGES_MAX],
        "edges_left_out": max(0, len(found) - EDGES_MAX),
        "costs": costs,
        "costs_total": numbers.costs_total(costs, store.spent_usd(name)),
        "asked_delivered": numbers.asked_delivered(takes),
        "faults": numbers.faults(takes),
        "notes": numbers.notes(done),
        "rulers": KNOWN,
        "ruler_check": numbers.ruler_check(done),
        "ruler_figures": quick_figures() if len(done) else (),
        "undefined": numbers.undefined(done),
        "provenance": provenance_rows(store, name, takes, finding.again),
    }


def render(store: Store, takes: pd.DataFrame, said: Mapping[str, Any]) -> str:
    """The report as HTML, from what `facts` says, with its figures and players."""
    done = takes[takes["state"] == State.DONE]
    return (
        environment(autoescape=True)
        .get_template("report.html.j2")
        .render(
            said,
            answer_figures=list(map(_shown, said["finding"].figures)),
            figures=list(map(_shown, _figures(takes))),
            varying=_varying(done),
            edge_players=players(store, said["edges"]),
            edge_around_s=AROUND_S,
            takes=_take_lists(store, done),
        )
    )


def _shown(drawn: Drawn) -> dict[str, str]:
    src = data_uri(plots.svg(drawn.figure), "image/svg+xml")
    return {"title": drawn.title, "caption": drawn.caption, "src": src}


def _figures(takes: pd.DataFrame) -> list[Drawn]:
    drawn = [
        Drawn(
            "Tempo error by tag set",
            "Each point is one take (one seed at one length); the bar is their mean with "
            "Student's 95 % interval. The scale is even within ±0.2 %, and counts in factors "
            "beyond.",
            plots.tempo_error(takes),
        ),
        Drawn(
            "Tempo asked and delivered",
            "One mark per take. On the unbroken line the tempo is as asked; on the others it was "
            "heard an octave off.",
            plots.asked_delivered(takes),
        ),
    ]
    if takes["charged_usd"].sum() > 0:
        by, said = (
            ("engine", "engine")
            if takes["engine"].nunique() > 1
            else ("asked_duration_s", "length asked")
        )
        drawn.append(
            Drawn(
                f"Cost against tempo error, by {said}",
                "Small marks are takes, large ones the means with their 95 % intervals. Lower "
                "and further left is better.",
                plots.cost_quality(takes, by),
            )
        )
    return drawn


def _varying(done: pd.DataFrame) -> dict[str, str]:
    """Columns that tell the takes of a group apart, with their headings."""
    axes = {c: c.removeprefix("axis_") for c in done.columns if c.startswith("axis_")}
    return {c: said for c, said in {**_VARYING, **axes}.items() if done[c].nunique() > 1}


def _take_lists(store: Store, done: pd.DataFrame) -> dict[tuple[str, str], list[dict[str, Any]]]:
    """The finished takes of each group of tag set and engine, each with its player."""
    players = _players(store, list(dict.fromkeys(done["audio"])))
    lists: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in done.astype(object).where(done.notna(), None).to_dict("records"):
        take = {str(name): value for name, value in row.items()}
        take["player"], take["silence"] = players[take["audio"]]
        lists.setdefault((take["style"], take["engine"]), []).append(take)
    return lists


def _players(store: Store, audio: Sequence[str]) -> dict[str, tuple[str, str]]:
    """For each audio file the address of its preview, or "" and why there is none.

    Previews are as long as the room for all of them allows; in the largest studies the last
    takes go without.
    """
    if not audio:
        return {}
    fair_s = int(PREVIEWS_MAX_BYTES / BYTES_PER_S / len(audio))
    max_s = min(PREVIEW_MAX_S, max(PREVIEW_MIN_S, fair_s))
    served = audio[: PREVIEWS_MAX_BYTES // (PREVIEW_MIN_S * BYTES_PER_S)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        previews = list(pool.map(lambda sha256: _preview(store, sha256, max_s), served))
    found = dict.fromkeys(audio, ("", "no room in this file"))
    left = PREVIEWS_MAX_BYTES
    for sha256, data in zip(served, previews, strict=True):
        left -= len(data)
        if not data:
            found[sha256] = ("", "the audio is gone")
        elif left >= 0:
            found[sha256] = (data_uri(data, "audio/mpeg"), "")
    return found


def _preview(store: Store, sha256: str, max_s: int) -> bytes:
    """The preview of an audio file, empty if that is gone; made once and kept in the store."""
    kept = store.folder / "previews" / f"{sha256}-{max_s}.mp3"
    try:
        return kept.read_bytes()
    except FileNotFoundError:
        pass
    try:
        data = preview_mp3(read_head(store.audio.path(sha256), max_s), max_s)
    except (StoreError, AudioError):
        return b""
    kept.parent.mkdir(exist_ok=True)
    put(kept, data)
    return data


def _number(value: Any, form: str = "{:.2f}", none: str = "–") -> str:
    """A number as text; a dash where there is none."""
    return none if value is None or pd.isna(value) else form.format(value)


def _money(amount_usd: Any) -> str:
    """Dollars as text; a dash where nothing is known."""
    return "–" if amount_usd is None or pd.isna(amount_usd) else plots.money(float(amount_usd))
