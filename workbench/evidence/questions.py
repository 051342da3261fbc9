"""The questions, and how each is answered from a table of takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from workbench import plots, statistics
from workbench.evidence import figures
from workbench.evidence.asked import TEMPO_OFF, Answer, Evidence, Question
from workbench.evidence.edits import hook_to_full, loop_bed, section_repair
from workbench.evidence.twice import draft_then_polish, reproducibility
from workbench.evidence.wording import rows_of, share_text, told
from workbench.statistics import Difference, Point
from workbench.statistics.observed import (
    counted,
    percent,
    range_text,
    unit_of,
    with_unit,
    words_of,
)
from workbench.sweep import REPLICATE

# The smallest difference worth telling: below it two levels are called alike.
_MATTERS = {TEMPO_OFF: 1.0, "loudness_lufs": 1.0, "loudness_range_lu": 1.0, "width_db": 1.0}
_TASTE = "ear_strength"
# A library of the size that the pattern is named for.
_LIBRARY = 500


def _compared(
    evidence: Evidence, values: Sequence[str], by: str, baseline: Any = None
) -> list[Difference]:
    """Levels of `by` in several measurements, seed against seed; held together.

    A measurement that no take has is left out.
    """
    done = evidence.done
    found: list[Difference] = []
    if done[by].nunique() < 2:
        return found
    for value in values:
        if value in done and done[value].notna().any():
            found += statistics.compare_levels(
                done,
                value,
                by,
                REPLICATE,
                within=evidence.within(by),
                baseline=baseline,
                matters=_MATTERS.get(value, 0.0),
            )
    return statistics.held_together(found)


def _is_claimed(found: Difference) -> bool:
    return found.verdict in ("higher", "lower")


def _less(found: Difference) -> str:
    return f"{found.level} less {found.baseline}"


def _tempo_carrier(evidence: Evidence) -> Answer:
    """Every two carriers on each engine, all engines held together."""
    by, names = "tempo_carrier", sorted(evidence.done["engine"].unique())
    within = [name for name in evidence.within(by) if name != "engine"]
    parts: dict[str, list[Difference]] = {}
    sentences = []
    for name in names:
        own = evidence.done[evidence.done["engine"] == name]
        if own[by].nunique() < 2:
            sentences.append(f"{name}: there is only one tempo carrier: nothing to compare.")
            continue
        parts[name] = statistics.compare_levels(
            own, TEMPO_OFF, by, REPLICATE, within=within, matters=_MATTERS[TEMPO_OFF]
        )
    held = iter(statistics.held_together([d for found in parts.values() for d in found]))
    rows, shown = [], []
    for name, alone in parts.items():
        found = [next(held) for _ in alone]
        sentences += told(found, evidence.done[evidence.done["engine"] == name], f"{name}: ")
        rows += rows_of(found, name)
        shown += [(f"{name}: {_less(each)}", each, _is_claimed(each)) for each in found]
    plot = figures.differences("Differences by tempo carrier", shown)
    return Answer(tuple(sentences), pd.DataFrame(rows), (plot,))


def _engine_comparison(evidence: Evidence) -> Answer:
    """The frontier of cost against quality, and what a point of it costs above the cheapest."""
    done = evidence.done
    cost = "charged_usd" if done["charged_usd"].notna().any() else "wall_s"
    qualities = {TEMPO_OFF: "low", _TASTE: "high"}
    points = {
        value: statistics.pareto_frontier(done, cost, value, "engine", pair=REPLICATE, best=best)  # type: ignore[arg-type]
        for value, best in qualities.items()
        if value in done and done[value].notna().any()
    }
    tempo = points.get(TEMPO_OFF, [])
    placed = [point for point in tempo if point.n]
    found, sentences = [], []
    if len(tempo) > 1 and placed:
        found = _compared(evidence, [TEMPO_OFF, "loudness_lufs"], "engine", placed[0].level)
        on_tempo = [each for each in found if each.value == TEMPO_OFF]
        sentences = [_point_price(placed, on_tempo), *told(found, done)]
    for of_value in points.values():
        sentences += [point.sentence for point in of_value if point.n]
    if unpriced := [str(point.level) for point in tempo if not point.n]:
        lack = "price in dollars" if cost == "charged_usd" else "time"
        sentences.append(f"Without a place, having no {lack} or no tempo: {', '.join(unpriced)}.")
    if _TASTE not in points:
        sentences.append("Taste is unknown: nobody has compared these takes by ear yet.")
    sentences.append(_waits(done))
    shown = [(_less(each), each, _is_claimed(each)) for each in found]
    plot = figures.differences("Differences by engine", shown)
    drawn = [figures.frontier(of_value) for of_value in points.values()]
    return Answer(tuple(sentences), pd.DataFrame(rows_of(found)), (*drawn, plot))


def _point_price(placed: Sequence[Point], found: Sequence[Difference]) -> str:
    """What one percentage point less of tempo error costs beyond the cheapest engine."""
    first = placed[0]
    bought = []
    for point in placed[1:]:
        each = next((d for d in found if d.level == point.level), None)
        if each is None or each.verdict != "lower":
            continue
        dearer = point.cost - first.cost
        low, high = sorted(dearer / -end for end in (each.low, each.high))
        unit = unit_of(first.names[0])
        price = with_unit(dearer / -each.estimate, unit)
        bought.append(
            f"A percentage point less of tempo error costs {price} a take (95 % interval "
            f"{range_text(low, high, unit)}) with “{point.level}” in place of “{first.level}”."
        )
    if bought:
        return " ".join(bought)
    price = with_unit(first.cost, unit_of(first.names[0]))
    return (
        f"A point of quality cannot be bought here: “{first.level}” is the cheapest ({price} a "
        f"take), and no other engine keeps its tempo better beyond chance."
    )


def _waits(done: pd.DataFrame) -> str:
    """How long each engine took for a take."""
    waits = done.groupby("engine", sort=False)["wall_s"]
    parts = [
        f"{name} {with_unit(own.median(), 's')} ({range_text(own.min(), own.max())})"
        for name, own in waits
    ]
    return f"Time from start to kept, median and range of takes: {'; '.join(parts)}."


def _tag_effects(evidence: Evidence) -> Answer:
    """Each variant against the first tag set, over several measurements held together."""
    values = evidence.options.get(
        "values", ["loudness_lufs", "loudness_range_lu", "width_db", TEMPO_OFF]
    )
    sets = list(evidence.takes["tags"].unique())
    asked = evidence.study.sweep.base.tags
    baseline = asked if asked in sets else sets[0]
    found = _compared(evidence, values, "tags", baseline)
    changes = [figures.tag_change(str(each.level), baseline) for each in found]
    shown = [(label, each, _is_claimed(each)) for label, each in zip(changes, found, strict=True)]
    plot = figures.differences(f"Against “{baseline}”", shown)
    by_change = [replace(each, level=label) for label, each, _ in shown]
    return Answer(tuple(told(by_change, evidence.done)), pd.DataFrame(rows_of(found)), (plot,))


def _seed_luck(evidence: Evidence) -> Answer:
    """How much changes where nothing but the seed does, and how the rest splits."""
    done = evidence.done
    chosen = [n for n in ("style", "asked_duration_s", "engine") if done[n].nunique() > 1]
    done["setting"] = done[chosen].astype(str).agg(" | ".join, axis=1) if chosen else "all"
    values = [
        value
        for value in evidence.options.get("values", [TEMPO_OFF, "loudness_lufs", "width_db"])
        if value in done and done[value].notna().sum() > len(chosen) + 3
    ]
    factors = [*chosen, *([REPLICATE] if done[REPLICATE].nunique() > 1 else [])]
    split = [statistics.variance_components(done, value, factors) for value in values]
    by_luck = []
    for value in values:
        found = statistics.variance_components(done, value, ["setting", REPLICATE])
        luck = found.together(REPLICATE, "rest")
        by_luck.append(
            f"{percent(luck.share)} of the variance of {words_of(value)} (95 % interval "
            f"{percent(luck.low)} to {percent(luck.high)}; a standard deviation of "
            f"{with_unit(luck.sd, found.unit)})"
        )
    head = f"Luck, all that a new seed alone changes, is {'; '.join(by_luck)}."
    rows = [
        {"measurement": each.value, "factor": share.factor, "share": share.share}
        | {"low": share.low, "high": share.high, "sd": share.sd, "unit": each.unit}
        for each in split
        for share in each.shares
    ]
    said = (head, *(each.sentence for each in split)) if split else ("Nothing was measured.",)
    return Answer(said, pd.DataFrame(rows), (figures.variance_shares(split),))


def _background_library(evidence: Evidence) -> Answer:
    """The best take of each tag set by a rule, and what a kept track costs."""
    done = evidence.done
    ok = (
        (done["tempo_match"].fillna("") != "mismatch")
        & (done["clipped"] != "yes")
        & (done["abrupt_end"] != "yes")
        & (done["tail_silence_s"].fillna(0) < 2)
    )
    kept = done[ok].copy()
    target = float(evidence.options.get("target_lufs", -16.0))
    kept["off_target_lu"] = (kept["loudness_lufs"] - target).abs()
    track = ["style", "asked_duration_s"]
    best = kept.sort_values("off_target_lu").groupby(track).head(1)
    wanted = evidence.takes.groupby(track).ngroups
    said = [
        f"{share_text(len(best), wanted, 'tracks')} have a take that keeps its tempo, does not "
        f"clip, and ends in music; {share_text(len(kept), len(done), 'takes')} pass.",
        _library_price(evidence, len(best), wanted),
        *_choice(kept, track),
    ]
    columns = ["style", "asked_duration_s", "seed", "engine", "loudness_lufs", "tempo_bpm"]
    plot = figures.library(done, kept.index, best.index, target)
    return Answer(tuple(filter(None, said)), best[[*columns, "take_id", "audio"]], (plot,))


def _library_price(evidence: Evidence, kept: int, wanted: int) -> str:
    """What a kept track costs, all tries counted, and how many the budget pays for."""
    if not kept:
        return ""
    spent = float(evidence.takes["charged_usd"].sum())
    share = plots.share_interval(kept, wanted)
    track_usd = spent / wanted  # of one that is tried, kept or not
    dear, cheap = track_usd / share.low, track_usd / share.high
    said = (
        f"A kept track costs {plots.money(spent / kept)} USD, all tries counted (95 % interval "
        f"{plots.money(cheap)} to {plots.money(dear)})"
    )
    if not spent:
        return "A kept track costs nothing here, so any number fits a budget."
    whole = f"; {_LIBRARY} of them {plots.money(_LIBRARY * spent / kept)} USD"
    budget = evidence.budget_usd
    if budget is None:
        return f"{said}{whole}."
    ends = f"{int(float(budget) / dear):,} to {int(float(budget) / cheap):,}"
    fits = f"{int(float(budget) * kept / spent):,}"
    return f"{said}{whole}. The budget of {plots.money(budget)} USD pays for {fits} ({ends})."


def _choice(kept: pd.DataFrame, track: Sequence[str]) -> list[str]:
    """What choosing the best of several brings over taking the first that passes."""
    several = kept.groupby(list(track)).filter(lambda own: len(own) > 1)
    if several.groupby(list(track)).ngroups < 2:
        return []
    parts = {
        "the first that passes": several.groupby(list(track))["off_target_lu"].first(),
        "the best": several.groupby(list(track))["off_target_lu"].min(),
    }
    rows = pd.concat(
        [
            own.reset_index(drop=True).rename("off_target_lu").reset_index().assign(choice=name)
            for name, own in parts.items()
        ]
    )
    found = statistics.paired_difference(rows, "off_target_lu", "choice", "index")
    if _is_claimed(found):
        return [f"Choosing pays: {found.sentence}"]
    return [found.sentence]


def _multilingual(evidence: Evidence) -> Answer:
    values = evidence.options.get(
        "values", [TEMPO_OFF, "loudness_lufs", "loudness_range_lu", "width_db"]
    )
    found = _compared(evidence, values, "axis_language")
    shown = [(_less(each), each, _is_claimed(each)) for each in found]
    plot = figures.differences("Differences by language", shown)
    open_ = sum(each.verdict == "inconclusive" for each in found)
    differ = sum(map(_is_claimed, found))
    head = (
        f"Of {counted(len(found), 'comparison')} between languages {differ} differ, "
        f"{len(found) - differ - open_} are alike and {open_} are inconclusive."
    )
    return Answer((head, *told(found, evidence.done)), pd.DataFrame(rows_of(found)), (plot,))


_EMBEDDED = (
    "On the embedded engine the answer is about that engine and our rulers, not about a neural "
    "model; name your own engines in the study."
)


QUESTIONS: Mapping[str, Question] = {
    "tempo-carrier": Question(
        "Does tempo hold better as a field, as a tag, or both, by engine?",
        _EMBEDDED,
        _tempo_carrier,
    ),
    "engine-comparison": Question(
        "What does a point of quality cost, engine by engine?",
        "Through our own server every hosted engine is the embedded one: prices and waiting are "
        "real, differences in quality are not.",
        _engine_comparison,
    ),
    "tag-effects": Question("Which tag moves which measurement?", _EMBEDDED, _tag_effects),
    "seed-luck": Question("How much of what we hear is luck of the seed?", _EMBEDDED, _seed_luck),
    "background-library": Question(
        "How many tracks of a background library fit the budget, best of n by rule?",
        "The rule hears tempo, clipping, silence and loudness; taste it does not.",
        _background_library,
    ),
    "multilingual-launch": Question(
        "Does the same music come out whatever the language of the lyrics?",
        "The embedded engine sings no words: here the languages must come out alike.",
        _multilingual,
    ),
    "section-repair": Question(
        "Can the edges of a repaired chorus be heard, and did the rest of the song survive?",
        "“None found” is not “inaudible”; the seam ruler's own errors are in the report.",
        section_repair,
    ),
    "hook-to-full": Question(
        "Do an intro and an outro around a hook hold together?",
        "Seams and tempo are measured; whether it is a song, a person must say.",
        hook_to_full,
    ),
    "loop-bed": Question(
        "Does it loop?",
        "Only the place where the end meets the start is judged.",
        loop_bed,
    ),
    "draft-then-polish": Question(
        "Does the ranking of cheap drafts predict that of the dear finals?",
        _EMBEDDED,
        draft_then_polish,
    ),
    "reproducibility": Question(
        "Does the same request give the same audio again, engine by engine?",
        "The first round is rendered again on this machine, today, within what the budget leaves.",
        reproducibility,
    ),
}
