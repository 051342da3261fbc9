"""A study that has grown stays quick: what changed is read again, pages come without the rest."""

from __future__ import annotations

from pathlib import Path

from pandas.testing import assert_frame_equal

from tests.conftest import Planted, silent
from workbench import tables
from workbench.records import Shown
from workbench.request import Request
from workbench.store import Store
from workbench.study import Study
from workbench.sweep import Sweep
from workbench.take import Measurement


def made(folder: Path, seeds: int = 3) -> Study:
    sweep = Sweep(Request(tags="a"), tags=["a", "b"], seed=range(seeds))
    return Study("grown", sweep, [Planted()], store=folder, measures=())


def measured(store: Store, take_id: int, value: float | str) -> None:
    store.add_measurements(take_id, [Measurement(name="tempo_bpm", value=value, method="t/1")])


def test_a_table_follows_every_change(tmp_path: Path) -> None:
    with made(tmp_path) as study:
        assert list(tables.table(study)["state"]) == ["missing"] * 6
        study.run(watch=silent)
        first = tables.table(study)
        assert list(first["state"]) == ["done"] * 6
        for take in study.takes()[:2]:
            measured(study.store, take.id, 120.0 + take.id)
        second = tables.table(study)
        assert second["tempo_bpm"].notna().sum() == 2
        measured(study.store, study.takes()[0].id, 90.0)
        third = tables.table(study)
    assert third["tempo_bpm"].min() == 90.0
    assert_frame_equal(third, tables.table(tmp_path))


def test_another_plan_is_another_table(tmp_path: Path) -> None:
    with made(tmp_path) as study:
        study.run(watch=silent)
        assert len(tables.table(study)) == 6
    with made(tmp_path, seeds=5) as study:
        wider = tables.table(study)
    assert wider["state"].value_counts().to_dict() == {"done": 6, "missing": 4}


def test_a_page_is_sorted_and_filtered(tmp_path: Path) -> None:
    with made(tmp_path) as study:
        study.run(watch=silent)
        for take, tempo_bpm in zip(study.takes(), (100, 80, 120, 90), strict=False):
            measured(study.store, take.id, float(tempo_bpm))
        store = study.store
        plan = [place for place, _ in store.takes("grown")]
        assert [place for place, _ in store.page("grown")] == plan
        assert [place for place, _ in store.page("grown", offset=4)] == plan[4:]
        assert [place for place, _ in store.page("grown", Shown(descending=True), limit=2)] == [
            plan[5],
            plan[4],
        ]
        by_tempo = [place for place, _ in store.page("grown", Shown(sort="tempo_bpm"))]
        assert by_tempo == [plan[1], plan[3], plan[0], plan[2], plan[4], plan[5]]
        fastest = Shown(sort="tempo_bpm", descending=True)
        downwards = [p for p, _ in store.page("grown", fastest)]
        assert downwards[:4] == by_tempo[3::-1]
        assert store.page("grown", Shown(state="failed")) == []
        assert store.count("grown", Shown(state="done")) == 6
        assert store.count("grown", Shown(words="NOWHERE")) == 0
        assert store.count("grown", Shown(engine=plan[0].engine, words=plan[0].request.tags)) > 0


def test_the_same_plan_is_not_written_twice(tmp_path: Path) -> None:
    with made(tmp_path) as study:
        before = study.store.plan_digest("grown")
    with made(tmp_path) as study:
        assert study.store.plan_digest("grown") == before
    with made(tmp_path, seeds=4) as study:
        assert study.store.plan_digest("grown") != before


def test_a_page_is_sorted_by_words_after_numbers(tmp_path: Path) -> None:
    with made(tmp_path) as study:
        study.run(watch=silent)
        values: list[float | str] = ["007", 80.0, "Zulu", 7.0]
        for take, said in zip(study.takes(), values, strict=False):
            measured(study.store, take.id, said)
        plan = [place for place, _ in study.store.takes("grown")]
        page = [place for place, _ in study.store.page("grown", Shown(sort="tempo_bpm"))]
    assert page == [plan[3], plan[1], plan[0], plan[2], plan[4], plan[5]]
