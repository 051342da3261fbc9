"""What two renderings tell of each other: drafts of their finals, a request of itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench import statistics
from workbench.errors import RequestError
from workbench.evidence import figures
from workbench.evidence.asked import Answer, Evidence
from workbench.evidence.wording import share_text
from workbench.statistics.observed import (
    counted,
    unit_of,
    with_unit,
    words_of,
)
from workbench.sweep import Sweep
from workbench.tables import table
from workbench.take import State, Take

if TYPE_CHECKING:
    from workbench.study import Study


def draft_then_polish(evidence: Evidence) -> Answer:
    """Does the order of the short drafts hold in the long finals, over all and per tag set?"""
    done = evidence.done
    quality = str(evidence.options.get("quality", "loudness_lufs"))
    lengths = sorted(done["asked_duration_s"].dropna().unique())
    if len(lengths) != 2:
        raise RequestError("a draft and a final are two lengths: sweep over two duration_s.")
    both = pd.concat(
        {
            name: done[done["asked_duration_s"] == length].set_index(["style", "seed"])[quality]
            for name, length in zip(("draft", "final"), lengths, strict=True)
        },
        axis=1,
        join="inner",
    ).reset_index()
    found = statistics.rank_agreement(both["draft"], both["final"])
    within = []
    if both["style"].nunique() > 1:  # tag sets that differ agree with themselves, whatever the seed
        within = [
            f"Within “{style}”: {statistics.rank_agreement(own['draft'], own['final']).sentence}"
            for style, own in both.groupby("style", sort=False)
            if own[["draft", "final"]].notna().all(axis=1).sum() > 1
        ]
    prices = _prices(done, lengths)
    said = (f"By {words_of(quality)}: {found.sentence}", *within, *_halved(both, quality, prices))
    return Answer(said, both, (figures.ranking(quality, both, found),))


def _prices(done: pd.DataFrame, lengths: Sequence[float]) -> tuple[float, float, str]:
    """Mean price of a draft and of a final; by their length where nothing was charged."""
    means = [
        pd.to_numeric(done.loc[done["asked_duration_s"] == length, "charged_usd"]).mean()
        for length in lengths
    ]
    if all(mean > 0 for mean in means):
        return float(means[0]), float(means[1]), "USD"
    return float(lengths[0]), float(lengths[1]), "s of music"


def _halved(both: pd.DataFrame, quality: str, prices: tuple[float, float, str]) -> list[str]:
    """What a third of the drafts, polished, would have found, against finals of equal cost.

    The grid does not know which to render: its outcome is given over all choices of as many
    finals, whose best has the order statistics' distribution.
    """
    ranked = both.dropna(subset=["draft", "final"])
    draft_price, final_price, unit = prices
    n = len(ranked)
    if n < 3:
        return []
    kept = math.ceil(n / 3)
    chosen = ranked.nlargest(kept, "draft")
    cost = n * draft_price + kept * final_price
    finals = min(n, int(cost / final_price + 1e-9))
    ordered = np.sort(ranked["final"].to_numpy(float))[::-1]
    # Chance that the best of `finals` chosen at random is the one of this place.
    chances = np.array([math.comb(n - 1 - place, finals - 1) for place in range(n)], float)
    chances /= chances.sum()
    grid = float(chances @ ordered)
    low = ordered[min(n - 1, int(np.searchsorted(np.cumsum(chances), 0.95)))]
    best = float(chosen["final"].max())
    place = int((ordered > best).sum()) + 1
    whole = n * final_price
    gap, name = best - grid, unit_of(quality)
    return [
        f"Halving ({counted(n, 'draft')}, then the best {kept} as finals: {with_unit(cost, unit)} "
        f"of the {with_unit(whole, unit)} that all finals cost) finds the highest at "
        f"{with_unit(best, name)}, place {place} of {n}. At the same cost a grid of "
        f"{counted(finals, 'final')} finds {with_unit(grid, name)} on average (in 95 % of choices "
        f"{with_unit(float(low), name)} or more), {abs(gap):.2g} "
        f"{'lower' if gap >= 0 else 'higher'}."
    ]


def reproducibility(evidence: Evidence) -> Answer:
    """The first round made anew, in a store of its own and within what the budget leaves."""
    from workbench.study import Study

    study = evidence.study
    left = (
        None if study.budget_usd is None else study.budget_usd - study.store.spent_usd(study.name)
    )
    folder = study.store.folder / "again"
    engines = study.engines
    with Study(study.name, _first_round(study), engines, store=folder, budget_usd=left) as again:
        again.run(watch=lambda progress: None)
        made = {(take.engine, take.request.digest): take for take in again.takes()}
        rows = [
            {"engine": take.engine, "take_id": take.id}
            | {"verdict": _likeness(study, take, again, made[take.engine, take.request.digest])}
            for take in study.takes()
            if (take.engine, take.request.digest) in made and take.state is State.DONE
        ]
        more_takes = table(again)
    found = pd.DataFrame(rows, columns=["engine", "take_id", "verdict"])
    sentences = []
    for name, part in found.groupby("engine"):
        same = int((part["verdict"] == "identical").sum())
        others = part.loc[part["verdict"] != "identical", "verdict"].value_counts()
        rest = "".join(f", {n} {verdict}" for verdict, n in others.items())
        sentences.append(
            f"{name}: {share_text(same, len(part), 'takes')} came out identical, sample by sample"
            f"{rest}."
        )
    return Answer(
        tuple(sentences or ["No take was made twice, so nothing is known."]),
        found,
        (figures.likenesses(found),),
        more_takes,
    )


def _first_round(study: Study) -> Sweep:
    axes = {axis.name: list(axis.values) for axis in study.sweep.axes}
    if "seed" in axes:
        axes["seed"] = axes["seed"][:1]
    return Sweep(study.sweep.base, skip=study.sweep.skip, **axes)


def _likeness(study: Study, take: Take, again: Study, other: Take) -> str:
    """How the second rendering compares with the first."""
    from workbench.analysis.untouched import audit_untouched

    if other.state is not State.DONE:
        return f"not rendered again: {other.reason}"
    one, two = study.store.clip(take), again.store.clip(other)
    if one.samples.shape != two.samples.shape or one.rate_hz != two.rate_hz:
        return "of another length or rate"
    return str(audit_untouched(one.samples, two.samples, one.rate_hz, []).verdict)
