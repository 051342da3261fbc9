"""Takes and measurements as one tidy table: a row per place of the plan, units in the names.

A large table is kept beside its store, as an Arrow file that knows the last change it has seen;
only takes that changed since are read again. Whoever runs a study keeps it up (`upkeep`), so that
even the first to ask for the table need not wait until it is built.
"""

from __future__ import annotations

import contextlib
import json
import logging
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from workbench.progress import Progress, Watch
from workbench.store import Store

if TYPE_CHECKING:
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

# How many takes end until a run brings the kept table up to date: the pause, a second with a
# hundred thousand takes, is then short beside what making them took.
_UPKEEP_TAKES = 5_000


class Study(Protocol):
    """What a table needs to know of a `study.Study`."""

    name: str
    store: Store


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
    if isinstance(study, str | Path):
        with Store(study, create=False) as store:
            return _frame(store, store.study_name(name))
    if isinstance(study, Store):
        return _frame(study, study.study_name(name))
    return _frame(study.store, study.name)


def keep_up(study: Study) -> None:
    """Bring the kept table of a large study up to date; a small one is built when asked for."""
    if study.store.plan_size(study.name) >= _KEPT_ROWS:
        _frame(study.store, study.name)


def upkeep(study: Study, watch: Watch) -> Watch:
    """A watch that also keeps up the table, every some thousand takes."""
    seen = 0

    def watching(progress: Progress) -> None:
        nonlocal seen
        watch(progress)
        ended = progress.made + progress.failed
        if ended - seen >= _UPKEEP_TAKES:
            seen = ended
            keep_up(study)

    return watching


def _frame(store: Store, name: str) -> pd.DataFrame:
    """The table as it was last kept, with the rows read again whose takes changed since."""
    import pandas as pd

    path = store.folder / "tables" / f"{store.study_id(name)}.arrow"
    plan_digest, change = store.plan_digest(name), store.last_change()
    kept, since = _kept(path, plan_digest) if plan_digest else (None, 0)
    if kept is not None and since == change:
        return kept.drop(columns="position")
    parts = [_typed(part) for part in store.columns(name, since)]
    if not parts:
        return (
            pd.DataFrame(columns=list(COLUMNS)) if kept is None else kept.drop(columns="position")
        )
    read_anew = sum(map(len, parts))
    if kept is not None:
        now = {position for part in parts for position in part["position"]}
        parts.insert(0, kept[~kept["position"].isin(now)])
    frame = pd.concat(parts)
    del kept, parts  # a large table is not held twice while it is put in order
    frame = _typed(frame.sort_values("position", ignore_index=True))
    if plan_digest and read_anew >= _KEPT_ROWS:
        _keep(frame, path, plan_digest, change)
    return frame.drop(columns="position")


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
    return read.to_pandas(split_blocks=True, self_destruct=True), int(said["change"])


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
