"""What a report says, as plain numbers and sentences: answer, groups, costs, asked against got.

Everything is computed from the DataFrame of `tables.table`. A share of takes within 2 % counts
those whose tempo could be measured, whole octaves aside; the others are counted beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pandas as pd

from workbench import plots
from workbench.cost import NANO
from workbench.measure import EXPECTED_REASONS
from workbench.take import State

# Paid work that may still be billed; it counts at its quote.
_OPEN = (State.UNKNOWN, State.SUBMITTED, State.STARTED)
NOT_RUN = "not run yet"
_SOURCES = ("reported", "measured", "expected")


def answer(takes: pd.DataFrame) -> str:
    """The study's answer on tempo in a sentence built from its numbers."""
    judged = [row for row in groups(takes) if row["match"].n]
    if not judged:
        return "No take could be judged on tempo: none asked for one, or none could be measured."
    ranked = sorted(judged, key=lambda row: (-row["match"].mean, row["error"].mean))
    best, worst = ranked[0]["match"], ranked[-1]["match"]
    if best.mean == worst.mean:
        n = sum(row["match"].n for row in judged)
        alike = f", alike in all {len(judged)} groups of tag set and engine"
        return (
            f"{percent(best.mean)} of {n} takes kept the tempo that was asked within 2 %, "
            f"whole octaves aside{alike if len(judged) > 1 else ''}."
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
        f"“{short(row['style'])}” on {row['engine']} kept its tempo {rank} "
        f"({percent(share.mean)} of {share.n} takes within 2 %, octaves aside; 95 % interval "
        f"{percent(share.low)} to {percent(share.high)})"
    )


def percent(share: float) -> str:
    """A share in percent.

    Examples
    --------
    >>> percent(0.914)
    '91 %'
    """
    return f"{100 * share:.0f} %"


def short(text: str, length: int = 80) -> str:
    """A long text cut to a length, the cut marked.

    Examples
    --------
    >>> short("lo-fi, rhodes", 8)
    'lo-fi,…'
    """
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def groups(takes: pd.DataFrame, by: Sequence[str] = ("style", "engine")) -> list[dict[str, Any]]:
    """Per group, in the plan's order: counts, tempo match, error, loudness, cost, time."""
    order = {value: place for place, value in enumerate(dict.fromkeys(takes[by[0]]))}
    grouped = sorted(takes.groupby(list(by), sort=False), key=lambda pair: order[pair[0][0]])
    rows = []
    for values, group in grouped:
        done = group[group["state"] == State.DONE]
        errors = column(done, "tempo_folded_error_pct").dropna().abs()
        close = int((errors <= plots.TOLERANCE_PCT).sum())
        rows.append(
            {
                **dict(zip(by, values, strict=True)),
                "done": len(done),
                "of": len(group),
                "match": plots.share_interval(close, len(errors)),
                "unjudged": int(done["asked_tempo_bpm"].notna().sum()) - len(errors),
                "octave_off": int(plots.octave_off(done).sum()),
                "error": _size_interval(errors),
                "loudness": plots.mean_interval(column(done, "loudness_lufs")),
                "charged": column(done, "charged_usd").mean(),
                "wall_s": column(done, "wall_s").mean(),
            }
        )
    return rows


def _size_interval(sizes: pd.Series) -> plots.Interval:
    """Mean size of errors; Student's interval may reach below 0, a size cannot."""
    found = plots.mean_interval(sizes)
    return found._replace(low=max(found.low, 0.0) if found.n else found.low)


def facts(takes: pd.DataFrame) -> list[tuple[str, str]]:
    """The study at a glance: names and values."""
    done = takes[takes["state"] == State.DONE]
    errors = column(done, "tempo_folded_error_pct").dropna().abs()
    share = plots.share_interval(int((errors <= plots.TOLERANCE_PCT).sum()), len(errors))
    charged = sum((row["charged_usd"] for row in costs(takes)), Decimal(0))
    music_s = column(done, "duration_s").sum()
    within = (
        f"{percent(share.mean)} ({percent(share.low)} to {percent(share.high)})" if share.n else "–"
    )
    return [
        ("takes done", f"{len(done)} of {len(takes)}"),
        ("tempo within 2 %, 95 % interval", within),
        ("heard an octave off", str(int(plots.octave_off(done).sum())) if share.n else "–"),
        ("charged", f"{plots.money(charged)} USD"),
        ("music made", f"{music_s / 60:.1f} min" if music_s else "–"),
    ]


def costs(takes: pd.DataFrame) -> list[dict[str, Any]]:
    """Per engine, in exact dollars: quoted, charged (and who says so), and what is still open."""
    once = takes.drop_duplicates("take_id").dropna(subset=["take_id"])
    return [
        {"engine": str(engine), **_sums(group)}
        for engine, group in once.groupby("engine", sort=False)
    ]


def costs_total(rows: Sequence[Mapping[str, Any]], spent_usd: Decimal) -> dict[str, Any]:
    """All engines together, and what was spent on attempts that a later take replaced.

    Parameters
    ----------
    rows : sequence of mappings
        As `costs` gives them.
    spent_usd : Decimal
        All that the store's ledger counts for the study.

    Returns
    -------
    dict
        The sums of `rows`; ``earlier_usd``, the rest of `spent_usd`; and ``spent_usd``.
    """
    sums: dict[str, Any] = {
        name: sum((row[name] for row in rows), Decimal(0) if name.endswith("_usd") else 0)
        for name in (rows[0] if rows else {})
        if name != "engine"
    }
    known = sums.get("charged_usd", Decimal(0)) + sums.get("open_usd", Decimal(0))
    return sums | {"earlier_usd": spent_usd - known, "spent_usd": spent_usd}


def _sums(group: pd.DataFrame) -> dict[str, Any]:
    charged = group[group["charged_usd"].notna()]
    by_source = {
        f"{source}_usd": _dollars(charged.loc[charged["charge_source"] == source, "charged_usd"])
        for source in _SOURCES
    }
    is_open = group["state"].isin(_OPEN) & group["charged_usd"].isna()
    return {
        "takes": len(group),
        "quoted_usd": _dollars(group["quoted_usd"]),
        "charged_usd": _dollars(charged["charged_usd"]),
        **by_source,
        "difference_usd": _dollars(charged["charged_usd"]) - _dollars(charged["quoted_usd"]),
        "open_usd": _dollars(group.loc[is_open, "quoted_usd"]),
        "quoted_credits": float(group["quoted_credits"].sum()),
        "credits": float(group["charged_credits"].sum()),
    }


def _dollars(amounts: pd.Series) -> Decimal:
    """A sum in exact dollars; the table's floats are billionths underneath."""
    nano = (amounts.fillna(0) * 1_000_000_000).round().astype("int64").sum()
    return int(nano) * NANO


def asked_delivered(takes: pd.DataFrame) -> list[dict[str, Any]]:
    """Per engine and quantity: how many takes asked for it, and what they got."""
    rows = []
    for engine, done in takes[takes["state"] == State.DONE].groupby("engine", sort=False):
        said = {
            "tempo": _tempo_got(done),
            "length": _length_got(done),
            "seed": _seed_got(done),
            "tags": (len(done), f"{int((done['notes'] != '').sum())} with a remark by the engine"),
        }
        rows += [
            {"engine": str(engine), "quantity": name, "takes": n, "got": got}
            for name, (n, got) in said.items()
            if n
        ]
    return rows


def _tempo_got(done: pd.DataFrame) -> tuple[int, str]:
    errors = column(done, "tempo_error_pct").dropna().abs()
    plain = int((errors <= plots.TOLERANCE_PCT).sum())
    return len(errors), (
        f"{plain} within 2 %, {int(plots.octave_off(done).sum())} within 2 % an octave off, "
        f"{len(errors) - plain - int(plots.octave_off(done).sum())} at another tempo"
    )


def _length_got(done: pd.DataFrame) -> tuple[int, str]:
    errors = column(done, "duration_error_s").dropna()
    worst = max(errors, key=abs, default=0.0)
    return len(errors), f"{errors.abs().mean():.2f} s off on average, {worst:+.2f} s at most"


def _seed_got(done: pd.DataFrame) -> tuple[int, str]:
    asked = done[(done["seed"] >= 0) & done["received_seed"].notna()]
    return len(asked), f"{int((asked['seed'] == asked['received_seed']).sum())} with the seed asked"


def ruler_check(takes: pd.DataFrame) -> str:
    """How the tempo ruler did on takes whose tempo is known by construction; "" without any."""
    from workbench.analysis.tempo import tempo_folded_error_pct, tempo_ratio_class

    both = pd.DataFrame({"found": column(takes, "tempo_bpm"), "true": takes["truth_tempo_bpm"]})
    pairs = [(float(found), float(true)) for found, true in both.dropna().to_numpy()]
    if not pairs:
        return ""
    sizes = [abs(tempo_folded_error_pct(found, truth)) for found, truth in pairs]
    close = [size <= plots.TOLERANCE_PCT for size in sizes]
    same = [tempo_ratio_class(found, truth) == "same" for found, truth in pairs]
    octave = sum(c and not s for c, s in zip(close, same, strict=True))
    share = plots.share_interval(sum(close), len(close))
    return (
        f"On the {share.n} takes whose tempo is known by construction, the tempo ruler was within "
        f"2 % on {percent(share.mean)} (95 % interval {percent(share.low)} to "
        f"{percent(share.high)}), {octave} of them an octave off; its largest error, octaves "
        f"aside, was {max(sizes):.2g} %."
    )


def faults(takes: pd.DataFrame) -> list[dict[str, Any]]:
    """Takes that are not done, counted by engine, state and reason."""
    bad = takes[takes["state"] != State.DONE]
    counted = bad[["engine", "state", "reason"]].value_counts(sort=False).reset_index()
    return [
        {str(name): value for name, value in row.items()} | {"reason": row["reason"] or NOT_RUN}
        for row in counted.to_dict("records")
    ]


def notes(takes: pd.DataFrame) -> list[tuple[str, int]]:
    """What engines understood otherwise than asked, each once, with how often."""
    said = takes["notes"].str.split("; ").explode()
    return [(str(note), int(n)) for note, n in said[said != ""].value_counts().items()]


def undefined(takes: pd.DataFrame) -> list[dict[str, Any]]:
    """Why measurements are undefined, with how many takes and which; never silently left out."""
    names: dict[str, list[str]] = {}
    counts: dict[str, int] = {}
    for name in (column for column in takes.columns if column.endswith("_reason")):
        for reason, count in takes[name].value_counts().items():
            if reason not in EXPECTED_REASONS:
                names.setdefault(str(reason), []).append(name.removesuffix("_reason"))
                counts[str(reason)] = max(int(count), counts.get(str(reason), 0))
    return [{"reason": r, "names": names[r], "count": counts[r]} for r in names]


def column(frame: pd.DataFrame, name: str) -> pd.Series:
    """A column of measurements; empty values where nothing of the kind was measured."""
    return frame[name] if name in frame else pd.Series(index=frame.index, dtype=float)
