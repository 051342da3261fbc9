"""Sweeps that choose their next takes by what was measured: search, and successive halving.

`search` asks Optuna's TPE sampler [1]_ for the next cell of a study's sweep; `halve` renders every
cell as a cheap draft, keeps the best, renders those more dearly, and so on [2]_. A cell is one
combination of all axes but the seed; its score is the mean of one column of the table (a
measurement, or a rating where ratings have joined it) over its seeds.

Takes come through `Study`: what is stored is found and never paid for again, the budget holds
over all steps together, and either can be killed at any moment and run again to go on.

References
----------
.. [1] J. Bergstra et al., Algorithms for Hyper-Parameter Optimization, NIPS 2011.
.. [2] K. Jamieson, A. Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter
   Optimization, AISTATS 2016.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from workbench.errors import EngineUnavailable, RequestError
from workbench.ratings import STRENGTH
from workbench.study import Study
from workbench.sweep import REPLICATE, Cell, Sweep
from workbench.tables import COLUMNS, table
from workbench.value import Value, canonical_json, digest

if TYPE_CHECKING:
    import optuna
    import pandas as pd

    from workbench.engines.base import Engine
    from workbench.progress import Watch

Best = Literal["low", "high"]
# Cells drawn at random before the sampler trusts what it saw, as many as Optuna's own default.
RANDOM_FIRST = 10


class Chosen(Sweep):
    """A sweep of which only the cells in `places` are served, with all their seeds."""

    places: tuple[Mapping[str, Any], ...] = ()

    def __init__(self, sweep: Sweep, places: Iterable[Mapping[str, Any]]) -> None:
        # Not Sweep's own: the sweep was checked when it was made.
        Value.__init__(
            self, base=sweep.base, axes=sweep.axes, skip=sweep.skip, places=tuple(places)
        )

    def to_json(self) -> dict[str, Any]:
        """As a sweep's, with ``"places"`` beside it."""
        return super().to_json() | {"places": [dict(place) for place in self.places]}

    def __iter__(self) -> Iterator[Cell]:  # type: ignore[override]
        chosen = {canonical_json(place) for place in self.places}
        for cell in super().__iter__():
            if canonical_json(_place(cell.at)) in chosen:
                yield cell


@dataclass(frozen=True)
class Scored:
    """A cell and what it scored.

    Parameters
    ----------
    at : mapping
        Its value on each axis but the seed.
    score : float
        Mean over its seeds; NaN where no take has one.
    takes : int
        Takes with a score.
    undefined : int
        Takes done without one, and takes not done.
    reason : str
        Why the first of those has none; "" where nobody said, as before a rating is given.
    """

    at: Mapping[str, Any]
    score: float
    takes: int
    undefined: int
    reason: str = ""


@dataclass(frozen=True)
class Found:
    """What a search or a halving found.

    Parameters
    ----------
    objective : str
    scored : tuple of Scored
        Best first; a halving gives the cells of its last rung.
    takes : int
        Made or found, over all steps.
    spent_usd : Decimal
    stopped : str
        Why it ended early; "" where it did not.
    """

    objective: str
    scored: tuple[Scored, ...]
    takes: int
    spent_usd: Decimal
    stopped: str = ""

    @property
    def best(self) -> Scored | None:
        """The cell with the best score; None where none has one."""
        return next((each for each in self.scored if math.isfinite(each.score)), None)

    @property
    def sentence(self) -> str:
        """The outcome in plain English."""
        spent = f"{self.takes} takes, {self.spent_usd:.6f} USD"
        tail = f" Stopped: {self.stopped}." if self.stopped else ""
        if self.best is None:
            return f"No cell has a {self.objective} yet ({spent}).{tail}"
        at = ", ".join(f"{name} “{value}”" for name, value in self.best.at.items())
        return (
            f"Best {self.objective}: {self.best.score:.4g} (mean of {self.best.takes}) at {at}; "
            f"{len(self.scored)} cells compared, {spent}.{tail}"
        )


@dataclass(frozen=True)
class Rung:
    """One step of a halving: who renders, and what changes against the study's base request."""

    engine: Engine
    changes: Mapping[str, Any]


def search(
    study: Study,
    objective: str,
    *,
    trials: int,
    best: Best = "low",
    seed: int = 0,
    watch: Watch | None = None,
) -> Found:
    """Look for the best cell of a study's sweep without rendering all of them.

    Each trial serves one cell with all its seeds. The study's plan becomes the cells tried, so
    its table and report show those. What was tried lies in ``search-….log`` beside the
    store's records; a killed search goes on exactly as if it had not been.

    Parameters
    ----------
    study : Study
        Its sweep names what may be tried, its budget holds over all trials; one engine.
    objective : str
        A column of `workbench.table`; errors count by their size. A trial whose takes have no
        value, and no reason for it, waits: rate them, and run the search again.
    trials : int
        Cells tried in all, those of earlier runs included; a cell asked again costs nothing.
    best : "low" or "high"
        Which end of the objective is good.
    seed : int
        Of the sampler.
    watch : callable, optional
        As for `Study.run`.

    Raises
    ------
    RequestError
        If the study has several engines or no axis but the seed, or takes will have no such
        objective.
    EngineUnavailable
        If Optuna is not installed.
    """
    if len(study.engines) != 1:
        raise RequestError("a search needs one engine: compare engines with a sweep.")
    values = {axis.name: axis.values for axis in study.sweep.axes if axis.name != REPLICATE}
    if not values:
        raise RequestError("a search needs an axis beside the seed.")
    if trials < 1:
        raise RequestError("a search needs at least one trial.")
    _check_objective(study, objective)
    memory = _memory(study, objective, best)
    allowed = _places(study.sweep)
    tried: list[Mapping[str, Any]] = []
    found: Found | None = None
    for number in range(trials):
        trial, is_over = _trial(memory, number, seed)
        at = _asked(trial, values)
        if at in allowed and at not in tried:
            tried.append(at)
        if is_over:
            continue
        if at not in allowed:  # the sweep skips it
            _tell(memory, number, math.nan)
            continue
        found = _serve(study, tried, objective, best, watch)
        (mine,) = [each for each in found.scored if each.at == at]
        if not found.stopped and not math.isfinite(mine.score) and not mine.reason:
            found = replace(
                found, stopped=f"a take has no {objective} yet: give it one, then go on"
            )
        if found.stopped:
            return found
        _tell(memory, number, mine.score)
    return found or _serve(study, tried, objective, best, watch)


def halve(
    study: Study,
    objective: str,
    rungs: Sequence[Rung],
    *,
    keep: float = 1 / 3,
    best: Best = "low",
    watch: Watch | None = None,
) -> Found:
    """Draft every cell cheaply, keep the best, and render only those more dearly.

    Parameters
    ----------
    study : Study
        Its sweep gives the cells, its budget holds over all rungs together.
    objective : str
        A column of `workbench.table`, by which each rung ranks; errors count by their size.
    rungs : sequence of Rung
        From the cheapest to the dearest; each is a study of its own in the same store.
    keep : float
        Share of cells that goes on, 0..1; at least one does.
    best : "low" or "high"
        Which end of the objective is good.
    watch : callable, optional
        As for `Study.run`.

    Raises
    ------
    RequestError
        If there is no rung, `keep` is no share, or takes will have no such objective.
    """
    if not rungs or not 0 < keep < 1:
        raise RequestError("a halving needs a rung, and keeps a share between 0 and 1.")
    _check_objective(study, objective)
    places = _places(study.sweep)
    takes, spent_usd = 0, Decimal(0)
    found = Found(objective, (), 0, spent_usd)
    for number, rung in enumerate(rungs, start=1):
        left_usd = None if study.budget_usd is None else study.budget_usd - spent_usd
        with Study(
            f"{study.name}, rung {number} of {len(rungs)}",
            Chosen(_changed(study.sweep, rung.changes), places),
            [rung.engine],
            store=study.store.folder,
            budget_usd=left_usd,
            measures=study.measures,
        ) as step:
            found = _run(step, places, objective, best, watch)
        takes, spent_usd = takes + found.takes, spent_usd + found.spent_usd
        if found.stopped:
            break
        places = [each.at for each in found.scored[: max(1, math.ceil(len(places) * keep))]]
    return replace(found, takes=takes, spent_usd=spent_usd)


def _check_objective(study: Study, objective: str) -> None:
    """Before anything is spent."""
    measured = [name for measure in study.measures for name in measure.quantities]
    if objective not in (*measured, STRENGTH, *COLUMNS, *table(study).columns):
        raise RequestError(
            f"takes will have no {objective!r}: choose what is measured, such as "
            f"{', '.join(measured[:3]) or 'a rating'}."
        )


def _place(at: Mapping[str, Any]) -> dict[str, Any]:
    """A cell's value on each axis but the seed."""
    return {name: value for name, value in at.items() if name != REPLICATE}


def _places(sweep: Sweep) -> list[Mapping[str, Any]]:
    """Each cell of a sweep once, its seeds together."""
    return list({canonical_json(_place(cell.at)): _place(cell.at) for cell in sweep}.values())


def _changed(sweep: Sweep, changes: Mapping[str, Any]) -> Sweep:
    """The same axes over a base request with some fields changed."""
    axes = {axis.name: axis.values for axis in sweep.axes}
    clash = set(axes) & set(changes)
    if clash:
        raise RequestError(f"a rung changes {sorted(clash)}, which the sweep varies: keep one.")
    return Sweep(sweep.base.but(**changes), skip=sweep.skip, **axes)


def _run(
    study: Study,
    places: Sequence[Mapping[str, Any]],
    objective: str,
    best: Best,
    watch: Watch | None,
) -> Found:
    """Run a study and score its cells, best first."""
    summary = study.run(watch=watch)
    frame = table(study)
    # One engine, so the table has a row for each cell, in the sweep's order.
    keys = [canonical_json(_place(cell.at)) for cell in study.sweep]
    rows = frame.groupby(keys, sort=False).indices
    scores = [_scored(p, frame.iloc[rows[canonical_json(p)]], objective) for p in places]
    sign = 1 if best == "low" else -1
    scores.sort(key=lambda each: sign * each.score if math.isfinite(each.score) else math.inf)
    return Found(
        objective,
        tuple(scores),
        takes=summary.found + summary.made,
        spent_usd=summary.spent_usd,
        stopped=summary.stopped,
    )


def _serve(
    study: Study,
    places: Sequence[Mapping[str, Any]],
    objective: str,
    best: Best,
    watch: Watch | None,
) -> Found:
    """Serve some cells of a study under its own name and budget, and score them."""
    with Study(
        study.name,
        Chosen(study.sweep, places),
        study.engines,
        store=study.store.folder,
        budget_usd=study.budget_usd,
        measures=study.measures,
    ) as step:
        return _run(step, places, objective, best, watch)


def _scored(place: Mapping[str, Any], takes: pd.DataFrame, objective: str) -> Scored:
    from workbench.statistics.observed import NOT_MEASURED, observed, undefined

    if objective not in takes:
        return Scored(place, math.nan, 0, len(takes))
    values = observed(takes, objective, [])[objective]
    if "_error_" in objective:  # signed, and either sign is as wrong
        values = values.abs()
    reasons = [reason for reason in undefined(takes, objective) if reason != NOT_MEASURED]
    return Scored(
        place,
        float(values.mean()) if len(values) else math.nan,
        takes=len(values),
        undefined=len(takes) - len(values),
        reason=next(iter(reasons), ""),
    )


def _memory(study: Study, objective: str, best: Best) -> optuna.Study:
    """What was tried, in a file of the study's folder that a kill cannot break."""
    try:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
    except ModuleNotFoundError:
        raise EngineUnavailable(
            "a search needs Optuna: pip install 'workbench[adaptive]'."
        ) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # Another sweep or objective is another search: its file carries their digest.
    asked = digest([study.sweep.to_json(), objective, best])
    path = study.store.folder / f"search-{asked[:12]}.log"
    return optuna.create_study(
        study_name=study.name,
        storage=JournalStorage(JournalFileBackend(str(path))),
        direction="minimize" if best == "low" else "maximize",
        load_if_exists=True,
    )


def _trial(memory: optuna.Study, number: int, seed: int) -> tuple[optuna.trial.BaseTrial, bool]:
    """The trial of this number: told already, left open by a kill, or new; and whether told."""
    import optuna

    # Seeded by its number, so that a search gone on with asks what an unbroken one would.
    memory.sampler = optuna.samplers.TPESampler(seed=seed + number, n_startup_trials=RANDOM_FIRST)
    known = memory.get_trials(deepcopy=False)
    if number >= len(known):
        return memory.ask(), False
    if known[number].state.is_finished():
        return known[number], True
    return optuna.trial.Trial(memory, known[number]._trial_id), False


def _asked(trial: optuna.trial.BaseTrial, values: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """The cell a trial asks for: numbers are ordered, words are not."""
    at = {}
    for name, choices in values.items():
        if all(isinstance(c, int | float) for c in choices):
            ordered = sorted(choices)
            at[name] = ordered[trial.suggest_int(name, 0, len(ordered) - 1)]
        else:
            at[name] = choices[trial.suggest_categorical(name, range(len(choices)))]
    return at


def _tell(memory: optuna.Study, number: int, score: float) -> None:
    """Close a trial; one that cannot be scored has failed."""
    import optuna

    if math.isfinite(score):
        memory.tell(number, score)
    else:
        memory.tell(number, state=optuna.trial.TrialState.FAIL)
