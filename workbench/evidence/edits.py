"""What is heard where audio was joined: edges of edits, drift across them, the loop of a bed."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from workbench import plots, statistics
from workbench.errors import AudioError
from workbench.evidence import figures
from workbench.evidence.asked import Answer, Evidence
from workbench.evidence.wording import level_text, share_text, told
from workbench.statistics import Difference
from workbench.statistics.observed import (
    counted,
    mean_interval,
    percent,
    range_text,
    with_unit,
)
from workbench.sweep import REPLICATE
from workbench.take import State

# Untouched places that read clear, by the seam ruler's own false-alarm rate.
_BY_CHANCE = 0.01
_SEEMLY = 0.05


def _edited_by(done: pd.DataFrame) -> str:
    """The column that tells edits apart: an option that was swept, else the engine."""
    return next((name for name in done.columns if name.startswith("axis_options.")), "engine")


def section_repair(evidence: Evidence) -> Answer:
    """How many edges stand out at each level, by how much levels differ, and what was kept."""
    done = evidence.done
    by = _edited_by(done)
    scores = done[["seam_score_start", "seam_score_end"]].apply(pd.to_numeric)
    done["seam_score"] = scores.max(axis=1)  # one number per take: its edges share their luck
    rows, edges_said, kept_said, settling, shown = [], [], [], [], []
    for level, takes in done.groupby(by):
        edges = pd.concat([takes["seam_verdict_start"], takes["seam_verdict_end"]]).dropna()
        clear = int((edges == "clear").sum())
        share = plots.share_interval(clear, len(edges))
        verdicts = takes["kept_verdict"].value_counts()
        kept = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
        name = level_text(by, level)
        chance = "more than by chance" if share.low > _BY_CHANCE else "which may be chance"
        edges_said.append(f"with {name} {share_text(clear, len(edges), 'edges')}, {chance}")
        kept_said.append(f"with {name} {kept or 'not audited'}")
        settling += _edges_to_settle(name, clear, takes)
        rows.append(
            {"setting": name, "edges": len(edges), "clear": clear, "share": share.mean}
            | {"low": share.low, "high": share.high, "kept": kept}
        )
        shown.append((name, clear, len(edges)))
    said = (
        f"Edges that stand out clearly: {'; '.join(edges_said)}.",
        *settling,
        f"Outside of the span, against the source: {'; '.join(kept_said)}.",
        *told(_scores_compared(evidence, done, by), done),
    )
    return Answer(said, pd.DataFrame(rows), (figures.edges(shown),))


def _edges_to_settle(name: str, clear: int, takes: pd.DataFrame) -> list[str]:
    """For a level without a clear edge: what would show that few stand out, and its price."""
    edges = next(n for n in range(1, 1000) if plots.share_interval(0, n).high <= _SEEMLY)
    more = math.ceil(edges / 2) - len(takes)
    if clear or more <= 0:
        return []
    usd = takes["charged_usd"].mean()
    price = with_unit(0.0 if pd.isna(usd) else float(more * usd), "USD")
    return [
        f"To say of {name} that at most {percent(_SEEMLY)} stand out takes "
        f"{counted(more, 'more take')} ({price}) without a clear edge."
    ]


def _scores_compared(evidence: Evidence, done: pd.DataFrame, by: str) -> list[Difference]:
    if done[by].nunique() < 2:
        return []
    return statistics.compare_levels(
        done, "seam_score", by, REPLICATE, within=evidence.within(by), matters=0.0
    )


def hook_to_full(evidence: Evidence) -> Answer:
    """The edges of an intro and an outro, and the drift of the tempo across them."""
    repaired = section_repair(evidence)
    done, by = evidence.done, _edited_by(evidence.done)
    name = "tempo_drift_pct_per_min"
    drift = pd.to_numeric(done[name]).dropna()
    levels = pd.Series([level_text(by, level) for level in done[by]], done.index)
    said = []
    for level in dict.fromkeys(levels):
        own = drift[levels.loc[drift.index] == level].to_numpy(float)
        if not len(own):
            said.append(f"With {level} the tempo's drift is unknown: no pulse is steady enough.")
            continue
        mean, low, high = mean_interval(own)
        is_sure = low > 0 or high < 0
        verdict = "drifts" if is_sure else "is not seen to drift"
        said.append(
            f"With {level} the tempo {verdict} from intro to outro: {mean:+.2f} % a minute (95 % "
            f"interval {range_text(low, high)}; {counted(len(own), 'take')})."
        )
    plot = figures.drift(drift, levels)
    return Answer((*repaired.sentences, *said), repaired.table, (*repaired.plots, plot))


def loop_bed(evidence: Evidence) -> Answer:
    """The seam where a take's end meets its start."""
    from workbench.analysis.seams import loop_seam

    rows = []
    for take in evidence.study.takes():
        if take.state is not State.DONE:
            continue
        row: dict[str, Any] = {"take_id": take.id, "engine": take.engine}
        row |= {"tags": getattr(take.request, "tags", ""), "seed": take.request.seed}
        clip = evidence.study.store.clip(take)
        try:
            seam = loop_seam(clip.samples, clip.rate_hz)
            row |= {"loop_score": seam.score, "verdict": seam.verdict, "reason": ""}
        except AudioError as error:
            row |= {"loop_score": math.nan, "verdict": "", "reason": str(error)}
        rows.append(row)
    read = pd.DataFrame(rows)
    heard = read[read["verdict"] != ""]
    parts = []
    for tags, own in heard.groupby("tags", sort=False):
        clear = int((own["verdict"] == "clear").sum())
        parts.append(f"“{tags}” {share_text(clear, len(own), 'takes')}")
    clear = int((heard["verdict"] == "clear").sum())
    verdict = "No" if 2 * clear > len(heard) else "Mostly" if clear else "As far as is heard, yes"
    sentences = [
        f"{verdict}: the place where the end meets the start stands out clearly in "
        f"{share_text(clear, len(heard), 'takes')}.",
        f"By tag set: {'; '.join(parts)}. “None found” is not “inaudible”.",
    ]
    if heard["tags"].nunique() > 1:
        found = statistics.compare_levels(heard, "loop_score", "tags", REPLICATE)
        sentences += told(found, evidence.done)
    lost = read.loc[read["verdict"] == "", "reason"]
    sentences += [f"{len(lost)} takes could not be read: {why}" for why in lost[:1]]
    return Answer(tuple(sentences), read, (figures.loops(heard),))
