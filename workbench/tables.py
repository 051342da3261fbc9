"""Takes and measurements as one tidy table: a row per place of the plan, units in the names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from workbench.store import Store

if TYPE_CHECKING:
    import pandas as pd

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
            return table(store, name)
    store, of = (study, name) if isinstance(study, Store) else (study.store, study.name)
    found = store.columns(store.study_name(of))
    return found if len(found) else found.reindex(columns=list(COLUMNS))
