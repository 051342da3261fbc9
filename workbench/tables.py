"""Takes and measurements as one tidy table: a row per place of the plan, units in the names."""

from __future__ import annotations

import contextlib
import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.request import request_from_json
from workbench.store import Store
from workbench.study import Study
from workbench.words import without_tempo

if TYPE_CHECKING:
    import sqlite3

    import pandas as pd

log = logging.getLogger(__name__)

# What a column holds that is neither an axis nor a measurement; the data dictionary of a table.
COLUMNS: Mapping[str, str] = {
    "take_id": "number of the take in its store; empty where there is none yet",
    "engine": "engine that was asked",
    "state": "done, failed, unknown, cancelled, started, submitted or missing",
    "reason": "why it is not done",
    "round": "replicate: the seed as asked",
    "kind": "text, inpaint or outpaint",
    "tags": "tags as asked",
    "style": "tags less those that only name a tempo",
    "lyrics": "lyrics as asked",
    "seed": "seed as asked; -1 lets the engine draw one",
    "asked_tempo_bpm": "tempo asked for, as field or tag [BPM]",
    "tempo_carrier": "how the tempo was to travel",
    "asked_key": "key asked for",
    "asked_duration_s": "length asked for; empty for edits [s]",
    "quoted_usd": "cost before [USD]",
    "quoted_credits": "prepaid credits before",
    "charged_usd": "cost after [USD]; empty where nothing is known",
    "charged_credits": "prepaid credits used",
    "charge_source": "who says so: reported, measured or expected",
    "wall_s": "time from start to kept [s]",
    "received_seed": "seed the engine says it used",
    "truth_tempo_bpm": "tempo known by construction [BPM]",
    "truth_key": "key known by construction",
    "notes": "what the engine understood otherwise than asked",
    "audio": "digest of the working copy",
    "started_at": "when the take began (UTC)",
}

# Numbers even where no row has one yet; whole ones may be absent without turning into fractions.
_WHOLE = ("take_id", "received_seed")
_REAL = (
    "asked_tempo_bpm",
    "asked_duration_s",
    "quoted_usd",
    "quoted_credits",
    "charged_usd",
    "charged_credits",
    "wall_s",
    "truth_tempo_bpm",
)

# A table is kept once this many rows were read anew: smaller ones are quicker to build.
_KEPT_ROWS = 2_000
_MARK = b"workbench"

# Axes that a column of their own shows already.
_OWN_COLUMN = ("tags", "seed", "duration_s", "lyrics", "key", "tempo_bpm", "tempo_carrier")


def table(study: Study | Store | str | Path, name: str | None = None) -> pd.DataFrame:
    """One row per place of a study's plan, whatever became of it.

    Parameters
    ----------
    study : Study, Store or path
        A study, or the store (or its folder) that holds it.
    name : str, optional
        Which study of a store; needed where it holds several.

    Returns
    -------
    DataFrame
        The columns of `COLUMNS`, further axes as ``axis_…``, and each measurement under its own
        name with its unit, undefined ones empty with the reason in ``…_reason`` columns.

    Raises
    ------
    StoreError
        If there is no such store or study.
    """
    if isinstance(study, Study):
        return _frame(study.store, study.name)
    if isinstance(study, Store):
        return _frame(study, study.study_name(name))
    with Store(study, create=False) as store:
        return _frame(store, store.study_name(name))


def _frame(store: Store, name: str) -> pd.DataFrame:
    """The table as it was last kept, with the rows read again whose takes changed since."""
    import pandas as pd

    path = store.folder / "tables" / f"{store.study_id(name)}.arrow"
    plan_digest, change = store.plan_digest(name), store.last_change()
    kept, since = _kept(path, plan_digest) if plan_digest else (None, 0)
    if kept is not None and since == change:
        return kept.drop(columns="position")
    parts = [_built(*rows) for rows in store.frame_rows(name, since)]
    if not parts:
        return (
            pd.DataFrame(columns=list(COLUMNS)) if kept is None else kept.drop(columns="position")
        )
    read_anew = sum(map(len, parts))
    if kept is not None:
        now = {position for part in parts for position in part["position"]}
        parts.insert(0, kept[~kept["position"].isin(now)])
    frame = _typed(pd.concat(parts).sort_values("position", ignore_index=True))
    if plan_digest and read_anew >= _KEPT_ROWS:
        _keep(frame, path, plan_digest, change)
    return frame.drop(columns="position")


def _built(places: Sequence[sqlite3.Row], measured: Sequence[sqlite3.Row]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame([_row(row) for row in places])
    if measured:
        frame = frame.join(_wide(measured), on="take_id")
    return _typed(frame)


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Columns of the kind that their values have; what is known to be a number is one."""
    import pandas as pd

    kinds = dict.fromkeys(_REAL, "float64") | dict.fromkeys(_WHOLE, "Int64")
    frame = frame.astype(kinds).infer_objects()
    for column in frame.columns.difference([*COLUMNS, "position"]):
        # What was measured stays text where it is text; all else is a number.
        kind = pd.api.types.infer_dtype(frame[column])
        if not column.startswith("axis_") and kind not in ("string", "mixed", "mixed-integer"):
            frame[column] = frame[column].astype("float64")
    return frame


def _kept(path: Path, plan_digest: str) -> tuple[pd.DataFrame | None, int]:
    """A kept table and the last change that it has seen; None if it is of another plan."""
    from pyarrow import ArrowInvalid, feather  # type: ignore[import-untyped]

    try:
        read = feather.read_table(path, memory_map=False)
    except (OSError, ArrowInvalid):  # not kept yet, or cut short: it is made anew
        return None, 0
    said = json.loads((read.schema.metadata or {}).get(_MARK, b"{}"))
    if said.get("plan") != plan_digest:
        return None, 0
    return read.to_pandas(), int(said["change"])


def _keep(frame: pd.DataFrame, path: Path, plan_digest: str, change: int) -> None:
    """Keep a table for the next time; where that cannot be, it is built each time."""
    import pyarrow
    from pyarrow import feather

    said = {_MARK: json.dumps({"plan": plan_digest, "change": change}).encode()}
    incoming = path.with_suffix(f".{uuid.uuid4().hex}")
    try:
        table = pyarrow.Table.from_pandas(frame, preserve_index=False)
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), **said})
        path.parent.mkdir(exist_ok=True)
        feather.write_feather(table, incoming, compression="uncompressed")
        incoming.replace(path)
    except (OSError, pyarrow.ArrowException) as error:
        with contextlib.suppress(OSError):  # what stopped the writing may stop this too
            incoming.unlink()
        log.info("the table is not kept: %s", error)


def _wide(measured: Sequence[sqlite3.Row]) -> pd.DataFrame:
    """Measurements with a row per take: values under their names, reasons beside them."""
    import numpy as np
    import pandas as pd

    ids, names, values, reasons = zip(*measured, strict=True)
    row_of, takes = pd.factorize(np.array(ids))
    column_of, columns = pd.factorize(np.array(names, dtype=object))
    grid = np.full((2, len(columns), len(takes)), None, dtype=object)
    grid[0, column_of, row_of] = values
    grid[1, column_of, row_of] = [reason or None for reason in reasons]
    wide = dict(zip(columns, grid[0], strict=True))
    for name, why in zip(columns, grid[1], strict=True):
        if any(why):
            wide[f"{name}_reason"] = why
    return pd.DataFrame(wide, index=takes)


def _row(row: sqlite3.Row) -> dict[str, Any]:
    request = request_from_json(json.loads(row["wish"]))
    data: dict[str, Any] = {
        "position": row["position"],
        "take_id": row["id"],
        "engine": row["asked_engine"],
        "state": row["state"] or "missing",
        "reason": row["reason"] or "",
        "round": row["round"],
        "kind": request.kind,
        "tags": request.tags,
        "style": ", ".join(without_tempo(request.tag_list)),
        "lyrics": request.lyrics,
        "seed": request.seed,
        "asked_tempo_bpm": request.asked_tempo_bpm,
        "tempo_carrier": request.tempo_carrier,
        "asked_key": request.key,
        "asked_duration_s": getattr(request, "duration_s", None),
    }
    axes = {f"axis_{name}": value for name, value in json.loads(row["at"]).items()}
    known = {f"axis_{name}" for name in _OWN_COLUMN}
    data |= {name: value for name, value in axes.items() if name not in known}
    return data | _outcome(row)


def _outcome(row: sqlite3.Row) -> dict[str, Any]:
    """What the columns of a take say; empty where there is no take yet."""
    quote = json.loads(row["quote"] or "{}")
    charge = json.loads(row["charge"] or "{}")
    received = json.loads(row["received"] or "{}")
    truth = json.loads(row["truth"] or "{}")
    return {
        "quoted_usd": _dollars(quote) if row["quote"] else None,
        "quoted_credits": float(quote.get("credits", 0)) if row["quote"] else None,
        "charged_usd": _dollars(charge) if row["charge"] else None,
        "charged_credits": float(charge.get("credits", 0)) if row["charge"] else None,
        "charge_source": charge.get("source", "reported") if row["charge"] else None,
        "wall_s": row["wall_s"],
        "received_seed": seed if isinstance(seed := received.get("seed"), int) else None,
        "truth_tempo_bpm": truth.get("tempo_bpm"),
        "truth_key": truth.get("key"),
        "notes": "; ".join(json.loads(row["notes"] or "[]")),
        "audio": row["audio"] or "",
        "started_at": row["started_at"],
    }


def _dollars(cost: Mapping[str, Any]) -> float | None:
    """Dollars of a quote or charge; None where it is in credits whose price nobody has told."""
    amount_usd = float(cost.get("amount_usd", 0))
    return None if not amount_usd and float(cost.get("credits", 0)) else amount_usd
