"""One self-contained HTML file per study: answer, figures, costs, players, limits, provenance.

It opens offline anywhere: no script, no font, no address outside the file, and a policy in its
head that forbids the browser to fetch any. Every string from outside goes through the template's
escaping. Beside it lie the data as CSV with a data dictionary.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from workbench import plots
from workbench.cost import NANO
from workbench.errors import AudioError, StoreError
from workbench.preview import BYTES_PER_S, data_uri, preview_mp3
from workbench.store import Store
from workbench.tables import COLUMNS, table

# All previews together, so that a report can still be mailed.
PREVIEWS_MAX_BYTES = 16_000_000
PREVIEW_MAX_S = 20.0
PREVIEW_MIN_S = 4.0

# What a reader should know of each ruler: how it measures and how wrong it may be.
RULERS: Mapping[str, tuple[str, str]] = {
    "tempo_bpm": (
        "pulse evidence over eight beat multiples on mel onset bands, refined on the Fourier size",
        "octave errors are common to all music and shown as half or double; see the ruler check",
    ),
    "loudness_lufs": ("ITU-R BS.1770-4, gated", "within 0.1 LU of the generated test signals"),
    "true_peak_dbtp": ("ITU-R BS.1770-4, oversampled", "+0.2 / -0.4 dB"),
    "duration_s": ("decoded samples over rate", "exact for lossless files, 0.06 s for MP3"),
    "lead_silence_s, tail_silence_s": (
        "momentary loudness under max(-60 LUFS, integrated - 40 LU)",
        "0.1 s, the hop of the momentary loudness",
    ),
}


def write_report(store: Store, name: str, folder: str | Path | None = None) -> Path:
    """Write ``report.html``, ``takes.csv`` and ``columns.csv`` of a study.

    Parameters
    ----------
    store : Store
    name : str
        The study.
    folder : path, optional
        Where to; the store's own folder if not given.

    Returns
    -------
    Path
        The HTML file. Each file is complete or, where there was none before, absent.

    Raises
    ------
    StoreError
        If there is no such study.
    """
    folder = Path(folder or store.folder)
    folder.mkdir(parents=True, exist_ok=True)
    takes = table(store, name)
    _write(folder / "takes.csv", takes.to_csv(index=False))
    _write(folder / "columns.csv", _dictionary(takes).to_csv(index=False))
    path = folder / "report.html"
    _write(path, render(store, name, takes))
    return path


def render(store: Store, name: str, takes: pd.DataFrame) -> str:
    """The report's HTML."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("workbench"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    done = takes[takes["state"] == "done"]
    return environment.get_template("report.html.j2").render(
        name=name,
        answer=answer(takes),
        counts=takes["state"].value_counts().to_dict(),
        figures=_figures(takes),
        groups=groups(takes),
        costs=costs(takes),
        faults=_faults(takes),
        notes=_notes(done),
        takes=_rows(store, done),
        rulers=RULERS,
        undefined=_undefined(done),
        provenance=_provenance(store, name, takes),
    )


def answer(takes: pd.DataFrame) -> str:
    """The study's answer on tempo in a sentence built from its numbers."""
    judged = [row for row in groups(takes) if row["match"].n]
    if not judged:
        return "No take could be judged on tempo: none asked for one, or none could be measured."
    ranked = sorted(judged, key=lambda row: (-row["match"].mean, row["error"].mean))
    best, worst = ranked[0]["match"], ranked[-1]["match"]
    if len(ranked) == 1 or best.mean == worst.mean:
        takes_judged = sum(row["match"].n for row in judged)
        return (
            f"{best.mean:.0%} of {takes_judged} takes kept the tempo that was asked within 2 %, "
            f"whole octaves aside, alike in all {len(judged)} groups of tag set and engine."
        )
    verdict = (
        "With so few takes these two cannot be told apart."
        if best.low <= worst.high
        else "Their 95 % intervals do not touch."
    )
    return f"{_kept('best', ranked[0])}, and {_kept('worst', ranked[-1])}. {verdict}"


def _kept(rank: str, row: Mapping[str, Any]) -> str:
    share = row["match"]
    return (
        f"“{row['style']}” on {row['engine']} kept its tempo {rank} ({share.mean:.0%} of "
        f"{share.n} takes within 2 %, octaves aside; 95 % interval {share.low:.0%} to "
        f"{share.high:.0%})"
    )


def groups(takes: pd.DataFrame) -> list[dict[str, Any]]:
    """Per tag set and engine: counts, tempo match, error, loudness, cost, time."""
    rows = []
    for (style, engine), group in takes.groupby(["style", "engine"], sort=False):
        done = group[group["state"] == "done"]
        errors = _column(done, "tempo_folded_error_pct").dropna().abs()
        close = errors <= plots.TOLERANCE_PCT
        asked = done[done["asked_tempo_bpm"].notna()]
        octave_off = (_column(done, "tempo_ratio_class").reindex(errors.index) != "same").sum()
        rows.append(
            {
                "style": style,
                "engine": engine,
                "done": len(done),
                "of": len(group),
                "match": plots.share_interval(int(close.sum()), len(asked)),
                "octave_off": int(octave_off),
                "error": plots.mean_interval(errors),
                "loudness": plots.mean_interval(_column(done, "loudness_lufs")),
                "charged": _column(done, "charged_usd").mean(),
                "wall_s": _column(done, "wall_s").mean(),
            }
        )
    return rows


def costs(takes: pd.DataFrame) -> list[dict[str, Any]]:
    """Per engine: what was quoted and charged, and what is still open."""
    rows = []
    once = takes.drop_duplicates("take_id").dropna(subset=["take_id"])
    for engine, group in once.groupby("engine", sort=False):
        is_open = group["state"].isin(["unknown", "submitted", "started"])
        rows.append(
            {
                "engine": engine,
                "takes": len(group),
                "quoted_usd": _dollars(group["quoted_usd"]),
                "charged_usd": _dollars(group["charged_usd"]),
                "open_usd": _dollars(group.loc[is_open, "quoted_usd"]),
                "credits": group["charged_credits"].sum(),
                "sources": ", ".join(sorted(set(group["charge_source"].dropna()))) or "none",
            }
        )
    return rows


def _column(frame: pd.DataFrame, name: str) -> pd.Series:
    return frame[name] if name in frame else pd.Series(index=frame.index, dtype=float)


def _dollars(amounts: pd.Series) -> Decimal:
    """A sum in exact dollars; the table's floats are billionths underneath."""
    nano = (amounts.fillna(0) * 1_000_000_000).round().astype(int).sum()
    return (int(nano) * NANO).quantize(Decimal("0.000001"))


def _figures(takes: pd.DataFrame) -> list[dict[str, str]]:
    drawn = (
        (
            "Tempo error by tag set",
            "Each point is one take (one seed at one length). Bar: mean with Student's 95 % "
            "interval. Grey: within 2 %. Hollow: heard at half or double the tempo.",
            plots.tempo_error(takes),
        ),
        (
            "Tempo asked and delivered",
            "On the middle line the tempo is as asked; on the others it was heard an octave off.",
            plots.asked_delivered(takes),
        ),
        (
            "Cost against tempo error",
            "Each point is one take. Dashed: the tolerance of 2 %.",
            plots.cost_quality(takes),
        ),
    )
    return [
        {"title": title, "caption": caption, "src": data_uri(plots.svg(f), "image/svg+xml")}
        for title, caption, f in drawn
    ]


def _rows(store: Store, done: pd.DataFrame) -> list[dict[str, Any]]:
    """One entry per finished take, with its player."""
    if done.empty:
        return []
    max_s = PREVIEWS_MAX_BYTES / BYTES_PER_S / len(done)
    max_s = round(min(PREVIEW_MAX_S, max(PREVIEW_MIN_S, max_s)))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        players = list(pool.map(lambda sha: _player(store, sha, max_s), done["audio"]))
    records = done.astype(object).where(done.notna(), None).to_dict("records")
    for row, player in zip(records, players, strict=True):
        row["player"] = player
    return [{str(name): value for name, value in row.items()} for row in records]


def _player(store: Store, sha256: str, max_s: float) -> str:
    """The preview as an address, "" if the audio is gone; made once and kept in the store."""
    from workbench.clip import Clip

    kept = store.folder / "previews" / f"{sha256}-{max_s:g}.mp3"
    try:
        if not kept.is_file():
            data = preview_mp3(Clip.read(store.audio.path(sha256)), max_s)
            kept.parent.mkdir(exist_ok=True)
            incoming = kept.with_suffix(".tmp")
            incoming.write_bytes(data)
            incoming.replace(kept)
        return data_uri(kept.read_bytes(), "audio/mpeg")
    except (StoreError, AudioError, FileNotFoundError):
        return ""


def _faults(takes: pd.DataFrame) -> list[dict[str, Any]]:
    bad = takes[takes["state"] != "done"]
    counted = (
        bad.groupby(["engine", "state", "reason"], sort=False).size().reset_index(name="count")
    )
    return [
        {str(k): v for k, v in row.items()} | {"reason": row["reason"] or "not run yet"}
        for row in counted.to_dict("records")
    ]


def _notes(done: pd.DataFrame) -> list[tuple[str, int]]:
    """What engines understood otherwise than asked, each once, with how often."""
    said = done["notes"].str.split("; ").explode()
    return [(str(note), int(n)) for note, n in said[said != ""].value_counts().items()]


def _undefined(done: pd.DataFrame) -> list[dict[str, Any]]:
    """Measurements that are undefined, by reason; never silently left out."""
    rows = []
    for column in done.columns:
        if column.endswith("_reason"):
            for reason, count in done[column].value_counts().items():
                if reason != "not asked for":
                    name = column.removesuffix("_reason")
                    rows.append({"name": name, "reason": reason, "count": int(count)})
    return rows


def _provenance(store: Store, name: str, takes: pd.DataFrame) -> dict[str, str]:
    spec = store.study_spec(name)
    engines = "; ".join(
        f"{e['name']} ({', '.join(f'{k} {v}' for k, v in e['fingerprint'].items())})"
        for e in spec["engines"]
    )
    started = takes["started_at"].dropna()
    return {
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "takes made": f"{started.min()} to {started.max()}" if len(started) else "none yet",
        "workbench": version("workbench"),
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "engines": engines,
        "seeds": ", ".join(str(s) for s in sorted(set(takes["seed"]))),
        "budget": f"{spec['budget_usd']} USD" if spec["budget_usd"] else "none set",
        "report again": f"workbench report {store.folder}",
    }


def _dictionary(takes: pd.DataFrame) -> pd.DataFrame:
    def said(column: str) -> str:
        if column.endswith("_reason"):
            return f"why {column.removesuffix('_reason')} is undefined; empty where it is defined"
        if column.startswith("axis_"):
            return f"value on the axis {column.removeprefix('axis_')}"
        return COLUMNS.get(column, "measurement; the unit ends its name")

    return pd.DataFrame({"column": list(takes.columns), "meaning": map(said, takes.columns)})


def _write(path: Path, text: str) -> None:
    incoming = path.with_name(f".{path.name}.tmp")
    incoming.write_text(text, encoding="utf-8")
    incoming.replace(path)


def _number(value: Any, form: str = "{:.2f}", none: str = "–") -> str:
    """A number as text; a dash where there is none."""
    return none if value is None or pd.isna(value) else form.format(value)
