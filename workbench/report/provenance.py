"""Where a report's takes come from: code, engines, weights, device, seeds, what was asked, when."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from workbench import plots
from workbench.measure import STANDARD
from workbench.provenance import provenance
from workbench.store import Store
from workbench.value import canonical_json


def provenance_rows(
    store: Store, name: str, takes: pd.DataFrame, again: str = ""
) -> dict[str, str]:
    """Everything that decided the takes of a study, by name.

    Parameters
    ----------
    store : Store
    name : str
        The study.
    takes : DataFrame
        As `tables.table` gives it.
    again : str
        The command that makes them anew, where one is known.
    """
    spec = store.study_spec(name)
    prints = {engine["name"]: engine["fingerprint"] for engine in spec["engines"]}
    started = takes["started_at"].dropna()
    rulers = [each.method for each in STANDARD if set(each.quantities) & set(takes.columns)]
    rows = {
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "takes made": f"{started.min()} to {started.max()}" if len(started) else "none yet",
        **provenance(),
        **{f"engine {engine}": _words(said) for engine, said in prints.items()},
        "weights": _named(prints, "revision") or "none: no engine here loads weights",
        "device": _named(prints, "place") or "the machine above; of a service, its own",
        "rulers": ", ".join(rulers) or "none yet",
        "seeds": ", ".join(str(seed) for seed in sorted(set(takes["seed"]))),
        "asked": canonical_json(spec["sweep"]),
        "budget": f"{plots.money(float(spec['budget_usd']))} USD"
        if spec["budget_usd"]
        else "none set",
        "make again": again,
        "report again": f"workbench report {store.folder}",
    }
    return {row: said for row, said in rows.items() if said}


def _words(fingerprint: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in fingerprint.items())


def _named(prints: Mapping[str, Mapping[str, Any]], part: str) -> str:
    """What the engines whose fingerprint has this part say of it."""
    return "; ".join(f"{name}: {said[part]}" for name, said in prints.items() if part in said)
