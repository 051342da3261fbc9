"""The loop: nothing twice, nothing over budget, nothing lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.conftest import Planted, silent
from workbench.engines.base import Attempt
from workbench.engines.sketch import SketchEngine
from workbench.errors import (
    EngineBusy,
    EngineFailed,
    EngineRefused,
    OutcomeUnknown,
    RequestError,
    StoreError,
)
from workbench.loop import BUSY_TRIES
from workbench.measure import STANDARD
from workbench.progress import Progress
from workbench.request import Request
from workbench.store import Store
from workbench.study import Study, measure_study
from workbench.sweep import Sweep
from workbench.take import State

Make = Callable[..., Study]


def states(study: Study) -> list[str]:
    return sorted(str(take.state) for take in study.takes())


def test_a_run_generates_measures_and_the_next_finds(study: Study) -> None:
    first = study.run(watch=silent)
    assert (first.made, first.found, first.is_complete) == (4, 0, True)
    names = {m.name for take in study.takes() for m in study.store.measurements(take.id)}
    assert names == {name for measure in STANDARD for name in measure.quantities}
    before = [take.audio for take in study.takes()]
    second = study.run(watch=silent)
    assert (second.made, second.found) == (0, 4)
    assert [take.audio for take in study.takes()] == before
    assert "all 4 takes were found" in str(second)


def test_another_study_in_the_same_store_finds_what_is_there(study: Study, tmp_path: Path) -> None:
    study.run(watch=silent)
    wider = Sweep(study.sweep.base, tags=["house, 124 BPM", "techno, 130 BPM"], seed=range(2))
    with Study("other", wider, [SketchEngine()], store=study.store.folder) as other:
        assert list(other.quote()["to_generate"]) == [2]
        summary = other.run(watch=silent)
        assert (summary.made, summary.found) == (2, 2)
        assert other.store.study_names() == ["trial", "other"]


def test_a_failed_take_is_a_record_and_only_retry_runs_it_again(planted_study: Make) -> None:
    broken = {"b"}
    engine = Planted(lambda r: EngineFailed("no sound.") if r.tags in broken else None)
    study = planted_study(engine)
    summary = study.run(watch=silent)
    assert (summary.made, summary.failed, summary.is_complete) == (3, 3, False)
    assert {t.reason for t in study.takes() if t.state is State.FAILED} == {"no sound."}
    assert study.store.spent_usd("planted") == Decimal("0.24")
    assert study.run(watch=silent).failed == 3
    assert len(engine.served) == 6
    broken.clear()
    again = study.run(retry=True, watch=silent)
    assert (again.made, again.found, again.failed) == (3, 3, 0)
    assert len(engine.served) == 9


def test_what_an_engine_cannot_serve_is_a_failed_take_at_no_cost(tmp_path: Path) -> None:
    sweep = Sweep(Request(tags="house"), duration_s=[2, 6])
    with Study("s", sweep, [SketchEngine()], store=tmp_path) as study:
        summary = study.run(watch=silent)
        assert (summary.made, summary.failed) == (1, 1)
        (refused,) = [t for t in study.takes() if t.state is State.FAILED]
        assert "5 s or more" in refused.reason
        study.run(watch=silent)
        assert len(study.takes()) == 2


def test_an_engine_that_serves_no_cell_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no cell"):
        Study("s", Sweep(Request(tags="a", duration_s=2)), [SketchEngine()], store=tmp_path)


@pytest.mark.parametrize("amount", ["-1", -0.01, "nan", "inf", "cheap", ""])
def test_no_amount_and_less_than_nothing_are_refused(planted_study: Make, amount: str) -> None:
    with pytest.raises(RequestError, match=r"give 0 or more|no amount of dollars"):
        planted_study(Planted(), budget_usd=amount)
    with pytest.raises(RequestError, match=r"give 0 or more|no amount of dollars"):
        SketchEngine(usd_per_hour=amount)


def test_the_budget_stops_before_a_round_it_does_not_cover(planted_study: Make) -> None:
    engine = Planted()
    study = planted_study(engine, budget_usd="0.50")  # a round is quoted 0.20, charged 0.16
    summary = study.run(watch=silent)
    seeds = [take.request.seed for take in study.takes()]
    assert sorted(seeds) == [0, 0, 1, 1]  # whole rounds: balanced
    assert summary.missing == 2
    assert "raise the budget" in summary.stopped
    assert study.store.spent_usd("planted") == Decimal("0.32")
    richer = planted_study(engine, budget_usd="0.60")
    assert richer.run(watch=silent).made == 2


def test_nothing_starts_that_the_budget_does_not_cover(planted_study: Make) -> None:
    engine = Planted()
    study = planted_study(engine, budget_usd="0.19")
    assert study.run(watch=silent).missing == 6
    assert engine.served == []


def test_a_busy_engine_is_tried_again_with_the_same_key(planted_study: Make) -> None:
    calls: dict[str, int] = {}

    def busy_once(request: Request) -> EngineBusy | None:
        calls[request.digest] = calls.get(request.digest, 0) + 1
        return EngineBusy("try later.", retry_after_s=0.01) if calls[request.digest] == 1 else None

    engine = Planted(busy_once)  # type: ignore[arg-type]
    study = planted_study(engine)
    assert study.run(watch=silent).made == 6
    keys: dict[str, set[str]] = {}
    for attempt in engine.served:
        keys.setdefault(attempt.request.digest, set()).add(attempt.idempotency_key)
    assert all(len(used) == 1 for used in keys.values())
    assert len(study.takes()) == 6


def test_an_engine_that_stays_busy_fails_the_take_in_the_end(planted_study: Make) -> None:
    engine = Planted(lambda r: EngineBusy("try later.", retry_after_s=0.001))
    summary = planted_study(engine).run(watch=silent)
    assert summary.failed == 6
    assert len(engine.served) == 6 * BUSY_TRIES


def test_an_unknown_outcome_is_never_repeated_on_its_own(planted_study: Make) -> None:
    lost = {"a"}
    engine = Planted(lambda r: OutcomeUnknown("no answer.") if r.tags in lost else None)
    study = planted_study(engine)
    summary = study.run(watch=silent)
    assert (summary.unknown, summary.made) == (3, 3)
    assert study.store.spent_usd("planted") == Decimal("0.54")  # 3 at the quote, 3 at the charge
    lost.clear()
    assert study.run(retry=True, watch=silent).unknown == 3
    assert len(engine.served) == 6
    assert study.run(accept_double_charge=True, watch=silent).made == 3
    assert study.store.spent_usd("planted") == Decimal("0.78")


def test_an_engine_that_breaks_takes_no_other_take_with_it(planted_study: Make) -> None:
    def fault(request: Request) -> None:
        if request.tags == "b":
            raise ZeroDivisionError("a defect")

    summary = planted_study(Planted(fault)).run(watch=silent)  # type: ignore[arg-type]
    assert (summary.made, summary.failed) == (3, 3)


def test_a_batch_shares_a_call_and_one_loss_stays_one(planted_study: Make) -> None:
    engine = Planted(lambda r: EngineRefused("no.") if r.seed == 1 and r.tags == "a" else None)
    engine.batch_max = 8
    summary = planted_study(engine).run(watch=silent)
    assert engine.batches == [6]  # rounds that the budget covers may share a call
    assert (summary.made, summary.failed) == (5, 1)


def test_a_batch_takes_no_round_that_the_budget_does_not_cover(planted_study: Make) -> None:
    engine = Planted()
    engine.batch_max = 8
    summary = planted_study(engine, budget_usd="0.50").run(watch=silent)
    assert engine.batches == [4]  # two rounds of 0.20; the third is not covered
    assert (summary.made, summary.missing) == (4, 2)
    assert "raise the budget" in summary.stopped


def test_cancelling_keeps_what_is_done_and_the_next_run_goes_on(planted_study: Make) -> None:
    engine = Planted()
    engine.concurrency = 1
    study = planted_study(engine)
    engine.before = lambda attempt: study.cancel() if len(engine.served) == 3 else None
    summary = study.run(watch=silent)
    assert summary.made == 3
    assert summary.missing == 3
    assert "cancelled" in summary.stopped
    engine.before = lambda attempt: None
    again = study.run(watch=silent)
    assert (again.found, again.made) == (3, 3)
    assert len(engine.served) == 6


def test_an_interrupt_counts_as_being_asked_to_stop(planted_study: Make) -> None:
    study = planted_study(Planted())
    told: list[Progress] = []

    def watch(progress: Progress) -> None:
        told.append(progress)
        if progress.made == 1 and not any(p.made > 1 for p in told) and len(told) < 50:
            raise KeyboardInterrupt

    summary = study.run(watch=watch)
    assert summary.missing > 0
    assert study.run(watch=silent).is_complete


def test_a_submitted_job_is_resumed_by_its_id_and_never_submitted_again(
    planted_study: Make,
) -> None:
    seen: list[Attempt] = []

    def submit_then_lose(attempt: Attempt) -> None:
        seen.append(attempt)
        if attempt.remote_id is None:
            attempt.intend({"tags": attempt.request.tags})
            attempt.submitted(f"job-{attempt.request.seed}-{attempt.request.tags}")
            raise EngineBusy("the line is dead.", retry_after_s=0.001)

    engine = Planted()
    engine.before = submit_then_lose
    summary = planted_study(engine).run(watch=silent)
    assert summary.made == 6
    resumed = [a for a in seen if a.remote_id is not None]
    assert len(resumed) == 6
    assert all(a.intended for a in resumed)
    assert all(a.remote_id == f"job-{a.request.seed}-{a.request.tags}" for a in resumed)


def test_an_intent_without_a_job_is_told_to_the_engine_next_time(planted_study: Make) -> None:
    study = planted_study(Planted())
    place = study._places[0]
    take = study.store.start_take(
        place.request, "planted", {"engine": "planted"}, Planted().quote(place.request)
    )
    study.store.note_intent(take.id, {"tags": "a"})  # and here the process died
    engine = Planted()
    planted_study(engine).run(watch=silent)
    (told,) = [a for a in engine.served if a.intended]
    assert told.idempotency_key == take.idempotency_key


def test_two_engines_run_side_by_side_and_each_place_has_its_take(planted_study: Make) -> None:
    study = planted_study(Planted(name="one"), Planted(name="two"))
    assert study.run(watch=silent).made == 12
    assert [t.engine for t in study.takes()] == ["one", "two"] * 6


def test_progress_ends_whole_with_pace_and_cost(planted_study: Make) -> None:
    told: list[Progress] = []
    planted_study(Planted()).run(watch=told.append)
    last = told[-1]
    assert (last.made, last.total, last.share) == (6, 6, 1.0)
    assert last.spent_usd == Decimal("0.48")
    assert last.takes_per_min > 0
    assert [p.made for p in told] == sorted(p.made for p in told)


def test_a_second_run_of_the_same_store_is_refused_meanwhile(planted_study: Make) -> None:
    engine = Planted()
    started, go_on = threading.Event(), threading.Event()

    def hold(attempt: Attempt) -> None:
        started.set()
        go_on.wait(10)

    engine.before = hold
    study = planted_study(engine)
    thread = threading.Thread(target=study.run, kwargs={"watch": silent})
    thread.start()
    assert started.wait(10)
    try:
        with pytest.raises(StoreError, match="another process"):
            planted_study(Planted()).run(watch=silent)
    finally:
        go_on.set()
        thread.join(30)


def test_a_study_can_be_measured_elsewhere_while_it_runs(study: Study) -> None:
    counts: list[int] = []

    def watch(progress: Progress) -> None:
        if progress.made == 2 and not counts:
            with Store(study.store.folder, create=False) as reader:
                take = next(t for _, t in reader.takes("trial") if t and t.audio)
                with reader._db.write(durable=False) as db:  # as if it had never been measured
                    db.execute("DELETE FROM measurements WHERE take_id = ?", (take.id,))
                counts.append(measure_study(reader, "trial"))

    study.run(watch=watch)
    assert counts == [1]
    assert all(study.store.measurements(take.id) for take in study.takes())


def test_lost_audio_gives_undefined_measurements_with_the_reason(study: Study) -> None:
    study.run(watch=silent)
    take = study.takes()[0]
    study.store.audio.path(take.audio).unlink()
    with study.store._db.write(durable=False) as db:
        db.execute("DELETE FROM measurements WHERE take_id = ?", (take.id,))
    assert study.measure() == 1
    assert all("not in" in m.reason for m in study.store.measurements(take.id))


def test_the_same_request_twice_in_a_plan_is_generated_once(tmp_path: Path) -> None:
    sweep = Sweep(Request(tags="a"), tags=["jazz", "Jazz ", "jazz,"])
    engine = Planted()
    with Study("s", sweep, [engine], store=tmp_path, measures=()) as study:
        assert study.run(watch=silent).made == 2  # case may matter to an engine, blanks do not
        assert len(list(study.store.takes("s"))) == 3


def test_a_study_without_name_or_engines_is_refused(tmp_path: Path) -> None:
    sweep = Sweep(Request(tags="a"))
    for name, engines in ((" ", [Planted()]), ("s", []), ("s", [Planted(), Planted()])):
        with pytest.raises(RequestError, match="a study needs"):
            Study(name, sweep, engines, store=tmp_path)


def test_an_unknown_outcome_goes_on_under_its_key_where_that_cannot_pay_twice(
    planted_study: Make,
) -> None:
    lost = {"a"}
    engine = Planted(lambda r: OutcomeUnknown("no answer.") if r.tags in lost else None)
    engine.is_idempotent = True
    study = planted_study(engine)
    assert study.run(watch=silent).unknown == 3
    keys = {take.idempotency_key for take in study.takes() if take.state is State.UNKNOWN}
    lost.clear()
    assert study.run(watch=silent).made == 3
    assert {a.idempotency_key for a in engine.served[6:]} == keys
    assert study.store.spent_usd("planted") == Decimal("0.48")  # each counted once
