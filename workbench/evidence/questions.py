"""The questions, and how each is answered from a table of takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workbench import plots, statistics
from workbench.errors import AudioError, RequestError
from workbench.evidence import figures
from workbench.statistics.observed import percent
from workbench.sweep import Sweep
from workbench.take import State, Take

if TYPE_CHECKING:
    from workbench.evidence.drawings import Plot
    from workbench.report import Drawn
    from workbench.study import Study

_TEMPO_OFF = "tempo_off_pct"
# The smallest difference worth telling: below it two levels are called alike.
_MATTERS = {_TEMPO_OFF: 1.0, "loudness_lufs": 1.0, "loudness_range_lu": 1.0}


@dataclass(frozen=True)
class Evidence:
    """What a question is put to."""

    takes: pd.DataFrame
    study: Study
    options: Mapping[str, Any]

    @property
    def done(self) -> pd.DataFrame:
        """Finished takes, with the size of the tempo error beside its sign."""
        done = self.takes[self.takes["state"] == State.DONE].copy()
        if "tempo_folded_error_pct" in done:
            done[_TEMPO_OFF] = pd.to_numeric(done["tempo_folded_error_pct"]).abs()
        return done


@dataclass(frozen=True)
class Answer:
    """Sentences, the first of them the shortest way to say it, and the figures behind them."""

    sentences: tuple[str, ...]
    table: pd.DataFrame
    plots: tuple[Plot, ...] = ()

    @property
    def text(self) -> str:
        """All sentences in one."""
        return " ".join(self.sentences)

    def draw(self) -> tuple[Drawn, ...]:
        """The figures behind the answer."""
        return tuple(plot.draw() for plot in self.plots)


@dataclass(frozen=True)
class Question:
    """A question that an experiment asks; `limits` says what its answer does not cover."""

    text: str
    limits: str
    answer: Callable[[Evidence], Answer]


def _compared(
    groups: Iterable[tuple[str, pd.DataFrame]],
    value: str,
    by: str,
    pair: Sequence[str],
) -> Answer:
    """Every two levels in each group; what would settle those that are open."""
    sentences, rows, shown = [], [], []
    for where, takes in groups:
        if takes[by].nunique() < 2:
            sentences.append(f"{where}there is only one {by}: nothing to compare.")
            continue
        for found in statistics.compare_levels(
            takes, value, by, pair, matters=_MATTERS.get(value, 0.0)
        ):
            sentences.append(where + found.sentence)
            if found.verdict == "inconclusive" and found.n >= 2:
                cost = takes["charged_usd"].mean()
                settling = statistics.takes_to_settle(found, 0.0 if np.isnan(cost) else cost)
                sentences.append(settling.sentence)
            label = f"{where}{found.level} less {found.baseline}"
            shown.append((label, found, found.verdict in ("higher", "lower")))
            rows.append(
                {
                    "where": where.rstrip(": "),
                    "level": str(found.level),
                    "baseline": str(found.baseline),
                    "estimate": found.estimate,
                    "low": found.low,
                    "high": found.high,
                    "unit": found.unit,
                    "effect_size": found.effect_size,
                    "p": found.p,
                    "pairs": found.n,
                    "verdict": found.verdict,
                }
            )
    plot = figures.differences(f"Differences by {by.replace('_', ' ')}", shown)
    return Answer(tuple(sentences), pd.DataFrame(rows), (plot,))


def _tempo_carrier(evidence: Evidence) -> Answer:
    groups = [(f"{name}: ", takes) for name, takes in evidence.done.groupby("engine")]
    return _compared(groups, _TEMPO_OFF, "tempo_carrier", ["seed", "style", "asked_tempo_bpm"])


def _engine_comparison(evidence: Evidence) -> Answer:
    done = evidence.done
    cost = "charged_usd" if done["charged_usd"].notna().any() else "wall_s"
    points = statistics.pareto_frontier(done, cost, _TEMPO_OFF, "engine", best="low")
    compared = _compared([("", done)], _TEMPO_OFF, "engine", ["seed", "style"])
    wall = done.groupby("engine")["wall_s"].median()
    loud = done.groupby("engine")["loudness_lufs"].mean()
    seconds = "; ".join(
        f"{name} {wall[name]:.1f} s a take, {loud[name]:.1f} LUFS" for name in wall.index
    )
    placed = [point.sentence for point in points if point.n]
    unpriced = [str(point.level) for point in points if not point.n]
    if unpriced:
        placed.append(f"Without a place, having no {cost} or no tempo: {', '.join(unpriced)}.")
    said = (*placed, *compared.sentences, f"Median: {seconds}.")
    return Answer(said, compared.table, (figures.frontier(points), *compared.plots))


def _tag_effects(evidence: Evidence) -> Answer:
    """Each variant against the first tag set, over several measurements held together."""
    done = evidence.done
    values = evidence.options.get(
        "values", ["loudness_lufs", "loudness_range_lu", "width_db", _TEMPO_OFF]
    )
    baseline = evidence.study.sweep.base.tags
    found = []
    for value in values:
        if done[value].notna().sum() < 4:
            continue
        found += statistics.compare_levels(done, value, "tags", "seed", baseline=baseline)
    # Holm over all measurements together: one family, one false-alarm rate.
    from statsmodels.stats.multitest import multipletests

    together = multipletests([each.p for each in found], method="holm")[1] if found else []
    rows = [
        {
            "measurement": each.value,
            "tags": each.level,
            "against": each.baseline,
            "estimate": each.estimate,
            "low": each.low,
            "high": each.high,
            "unit": each.unit,
            "effect_size": each.effect_size,
            "p_together": p,
            "moves": float(p) < 0.05,
        }
        for each, p in zip(found, together, strict=True)
    ]
    moved = [row for row in rows if row["moves"]]
    sentences = [
        f"{row['measurement']} moves by {row['estimate']:.3g} {row['unit']} "
        f"(95 % interval {row['low']:.3g} to {row['high']:.3g}; effect {row['effect_size']:.2g} "
        f"standard deviations) with “{row['tags']}” against “{row['against']}”."
        for row in moved
    ] or ["No tag moves any of these measurements beyond chance; more seeds may show smaller ones."]
    head = f"{len(moved)} of {len(rows)} comparisons hold together at a 5 % false-alarm rate."
    shown = [
        (figures.tag_change(str(each.level), baseline), each, bool(p < 0.05))
        for each, p in zip(found, together, strict=True)
    ]
    plot = figures.differences(f"Against “{baseline}”", shown)
    return Answer((head, *sentences), pd.DataFrame(rows), (plot,))


def _seed_luck(evidence: Evidence) -> Answer:
    done = evidence.done
    factors = [
        name for name in ("style", "seed", "asked_duration_s", "engine") if done[name].nunique() > 1
    ]
    values = evidence.options.get("values", [_TEMPO_OFF, "loudness_lufs", "width_db"])
    found = [
        statistics.variance_components(done, value, factors)
        for value in values
        if done[value].notna().sum() > len(factors) + 2
    ]
    rows = [
        {"measurement": each.value, "factor": share.factor, "share": share.share}
        | {"low": share.low, "high": share.high, "sd": share.sd, "unit": each.unit}
        for each in found
        for share in each.shares
    ]
    said = tuple(each.sentence for each in found)
    return Answer(said, pd.DataFrame(rows), (figures.variance_shares(found),))


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
    best = kept.sort_values("off_target_lu").groupby(["style", "asked_duration_s"]).head(1)
    wanted = evidence.takes.groupby(["style", "asked_duration_s"]).ngroups
    said = [
        f"{len(best)} of {wanted} tracks have a take that keeps its tempo, does not clip, and ends "
        f"in music: {len(kept)} of {len(done)} takes pass the rule."
    ]
    if len(best):
        each_usd = float(evidence.takes["charged_usd"].sum()) / len(best)
        said.append(f"A kept track costs {plots.money(each_usd)} USD, all tries counted.")
    columns = ["style", "asked_duration_s", "seed", "engine", "loudness_lufs", "tempo_bpm"]
    plot = figures.library(done, kept.index, best.index, target)
    return Answer(tuple(said), best[[*columns, "take_id", "audio"]], (plot,))


def _multilingual(evidence: Evidence) -> Answer:
    value = str(evidence.options.get("value", "loudness_lufs"))
    return _compared([("", evidence.done)], value, "axis_language", ["seed", "style"])


def _edited_by(done: pd.DataFrame) -> str:
    """The column that tells edits apart: an option that was swept, else the engine."""
    return next((name for name in done.columns if name.startswith("axis_options.")), "engine")


def _section_repair(evidence: Evidence) -> Answer:
    done = evidence.done
    by = _edited_by(done)
    rows, sentences, shown = [], [], []
    for level, takes in done.groupby(by):
        edges = pd.concat([takes["seam_verdict_start"], takes["seam_verdict_end"]]).dropna()
        clear = int((edges == "clear").sum())
        kept = takes["kept_verdict"].value_counts()
        kept_said = ", ".join(f"{count} {verdict}" for verdict, count in kept.items())
        name = by.removeprefix("axis_options.")
        sentences.append(
            f"{name} {level}: {clear} of {len(edges)} edges can clearly be heard (about 1 % would "
            f"be by chance); outside of the span: {kept_said}."
        )
        rows.append({name: level, "edges": len(edges), "clear": clear, "kept": kept_said})
        shown.append((f"{name} {level}", clear, len(edges)))
    return Answer(tuple(sentences), pd.DataFrame(rows), (figures.edges(shown),))


def _hook_to_full(evidence: Evidence) -> Answer:
    repaired = _section_repair(evidence)
    done, by = evidence.done, _edited_by(evidence.done)
    drift = pd.to_numeric(done["tempo_drift_pct_per_min"]).dropna()
    levels = by.removeprefix("axis_options.") + " " + done[by].astype(str)
    plot = figures.drift(drift, levels)
    if drift.empty:
        said = "The tempo's drift is unknown: no take has a steady enough pulse."
    else:
        said = (
            f"From the intro to the outro the tempo drifts by {drift.median():+.2f} % a minute "
            f"(median of {len(drift)}; {drift.min():+.2f} to {drift.max():+.2f})."
        )
    return Answer((*repaired.sentences, said), repaired.table, (*repaired.plots, plot))


def _loop_bed(evidence: Evidence) -> Answer:
    """The seam where a take's end meets its start."""
    from workbench.analysis.seams import loop_seam

    rows = []
    for take in evidence.study.takes():
        if take.state is not State.DONE:
            continue
        row: dict[str, Any] = {"take_id": take.id, "tags": getattr(take.request, "tags", "")}
        clip = evidence.study.store.clip(take)
        try:
            seam = loop_seam(clip.samples, clip.rate_hz)
            row |= {"score": seam.score, "verdict": seam.verdict, "reason": ""}
        except AudioError as error:
            row |= {"score": None, "verdict": "", "reason": str(error)}
        rows.append(row)
    table = pd.DataFrame(rows)
    heard = table[table["verdict"] != ""]
    counts = heard["verdict"].value_counts()
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    sentence = (
        f"Of {len(heard)} takes the place where the end meets the start reads: "
        f"{said or 'nothing'}. “None found” is not “inaudible”."
    )
    lost = table.loc[table["verdict"] == "", "reason"]
    gaps = [f"{len(lost)} takes could not be read: {why}" for why in lost[:1]]
    return Answer((sentence, *gaps), table, (figures.loops(heard),))


def _draft_then_polish(evidence: Evidence) -> Answer:
    """Does the order of the short drafts hold in the long finals, over all and per tag set?"""
    done = evidence.done
    quality = str(evidence.options.get("quality", "loudness_range_lu"))
    lengths = sorted(done["asked_duration_s"].dropna().unique())
    if len(lengths) != 2:
        raise RequestError("a draft and a final are two lengths: sweep over two duration_s.")
    draft, final = (
        done[done["asked_duration_s"] == length].set_index(["style", "seed"])[quality]
        for length in lengths
    )
    both = pd.concat({"draft": draft, "final": final}, axis=1, join="inner").reset_index()
    found = statistics.rank_agreement(both["draft"], both["final"])
    share = done.loc[done["asked_duration_s"] == lengths[0], "charged_usd"].sum()
    whole = done["charged_usd"].sum()
    cost = f" Drafts were {percent(share / whole)} of the cost." if whole else ""
    within = []
    if both["style"].nunique() > 1:  # tag sets that differ agree with themselves, whatever the seed
        within = [
            f"Within “{style}”: {statistics.rank_agreement(own['draft'], own['final']).sentence}"
            for style, own in both.groupby("style", sort=False)
            if own[["draft", "final"]].notna().all(axis=1).sum() > 1
        ]
    said = (f"By {quality}: {found.sentence}{cost}", *within)
    return Answer(said, both, (figures.ranking(quality, both, found),))


def _reproducibility(evidence: Evidence) -> Answer:
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
    table = pd.DataFrame(rows)
    sentences = [
        f"{name}: "
        + ", ".join(f"{n} {verdict}" for verdict, n in part["verdict"].value_counts().items())
        + f" (of {len(part)} takes rendered again)."
        for name, part in table.groupby("engine")
    ]
    return Answer(tuple(sentences), table, (figures.likenesses(table),))


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
        _section_repair,
    ),
    "hook-to-full": Question(
        "Do an intro and an outro around a hook hold together?",
        "Seams and tempo are measured; whether it is a song, a person must say.",
        _hook_to_full,
    ),
    "loop-bed": Question(
        "Does it loop?",
        "Only the place where the end meets the start is judged.",
        _loop_bed,
    ),
    "draft-then-polish": Question(
        "Does the ranking of cheap drafts predict that of the dear finals?",
        _EMBEDDED,
        _draft_then_polish,
    ),
    "reproducibility": Question(
        "Does the same request give the same audio again, engine by engine?",
        "The first round is rendered again on this machine, today, within what the budget leaves.",
        _reproducibility,
    ),
}
