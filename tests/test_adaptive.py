"""Search and halving find a planted best cell, go on after a kill, and keep to the budget."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.conftest import Planted, silent
from workbench.adaptive import Rung, _scored, halve, search
from workbench.cli import main
from workbench.engines.base import Engine
from workbench.engines.sketch import SketchEngine
from workbench.errors import EngineFailed, RequestError, StoreError
from workbench.measure import DURATION
from workbench.progress import Progress
from workbench.request import Request
from workbench.statistics import compare_levels
from workbench.study import Study
from workbench.sweep import Sweep
from workbench.tables import table
from workbench.take import State

Make = Callable[..., Study]
# Delivered lengths are exact, so the best cell is known.
LENGTHS_S = [5.0 + step / 4 for step in range(40)]


class Priced(SketchEngine):
    """The sketch engine under another name, so that a draft and a final can share a store."""

    def __init__(self, name: str) -> None:
        super().__init__(usd_per_hour=36)
        self.name = name

    @property
    def fingerprint(self) -> dict[str, str]:
        return {"engine": self.name}


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes studies over tags, lengths and two seeds, measuring the length; closes them."""
    made: list[Study] = []

    def build(
        engine: Engine | None = None, sweep: Sweep | None = None, **settings: object
    ) -> Study:
        chosen = sweep or Sweep(
            Request(tags="house", lyrics="[inst]"), duration_s=LENGTHS_S, seed=range(2)
        )
        options = {"store": tmp_path / "store", "measures": (DURATION,), **settings}
        made.append(Study("hunt", chosen, [engine or SketchEngine()], **options))  # type: ignore[arg-type]
        return made[-1]

    yield build
    for each in made:
        each.close()


def tried(study: Study) -> set[float]:
    return set(table(study)["asked_duration_s"])


def test_a_search_finds_the_planted_best_without_the_whole_grid(make: Make) -> None:
    study = make()
    found = search(study, "duration_s", trials=25, watch=silent)
    assert found.best is not None
    assert found.best.score <= 5.5  # the best of 40 is 5.0 s
    assert found.takes < 60  # of 80
    assert found.best.takes == 2
    assert tried(study) == {each.at["duration_s"] for each in found.scored}
    assert f"mean of 2) at duration_s “{found.best.at['duration_s']}”" in found.sentence


def test_a_search_gone_on_with_asks_what_an_unbroken_one_does(make: Make, tmp_path: Path) -> None:
    whole = search(make(), "duration_s", trials=13, best="high", watch=silent)

    class Killed(Exception):
        pass

    def dies(progress: Progress) -> None:
        if progress.made:
            raise Killed

    folder = tmp_path / "broken"
    search(make(store=folder), "duration_s", trials=5, best="high", watch=silent)
    with pytest.raises(Killed):
        search(make(store=folder), "duration_s", trials=13, best="high", watch=dies)
    study = make(store=folder)
    went_on = search(study, "duration_s", trials=13, best="high", watch=silent)
    assert went_on.scored == whole.scored
    # Nothing was made twice: as many finished takes as the table shows.
    assert study.store.take(went_on.takes).state is State.DONE
    with pytest.raises(StoreError):
        study.store.take(went_on.takes + 2)  # the one under way when it died counts as one more


def test_a_search_keeps_to_the_budget_and_says_so(make: Make) -> None:
    engine = Planted()
    sweep = Sweep(Request(tags="a"), duration_s=LENGTHS_S, seed=range(2))
    study = make(engine, sweep, budget_usd="0.55")
    found = search(study, "duration_s", trials=9, watch=silent)
    assert "raise the budget" in found.stopped
    assert found.spent_usd <= Decimal("0.55")
    assert len(engine.served) == found.takes
    richer = make(engine, sweep, budget_usd="0.90")
    search(richer, "duration_s", trials=4, watch=silent)
    keys = [attempt.request.digest for attempt in engine.served]
    assert len(keys) == len(set(keys))  # nothing paid for twice


@pytest.mark.parametrize("find", [search, halve])
def test_what_takes_will_never_have_is_refused_before_one_is_made(
    make: Make, find: Callable[..., Any]
) -> None:
    engine = Planted()
    study = make(engine, Sweep(Request(tags="a"), tags=["a", "b"]))
    more = {"trials": 2} if find is search else {"rungs": [Rung(engine, {})]}
    with pytest.raises(RequestError, match="takes will have no 'nonsense'"):
        find(study, "nonsense", watch=silent, **more)
    assert engine.served == []


def test_an_error_counts_by_its_size() -> None:
    takes = pd.DataFrame({"state": ["done"] * 2, "duration_error_s": [-3.0, -5.0]})
    assert _scored({}, takes, "duration_error_s").score == 4.0


def test_a_trial_that_fails_is_told_and_one_without_a_rating_waits(make: Make) -> None:
    engine = Planted(lambda r: EngineFailed("no sound.") if r.tags == "a" else None)
    sweep = Sweep(Request(tags="a"), tags=["a", "b"])
    failed = search(make(engine, sweep), "duration_s", trials=6, watch=silent)
    assert failed.stopped == ""
    assert [each.reason for each in failed.scored] == ["", "no sound."]
    waiting = search(make(Planted(), sweep), "ear_strength", trials=6, watch=silent)
    assert "a take has no ear_strength yet" in waiting.stopped
    assert waiting.best is None
    assert waiting.sentence.startswith("No cell has a ear_strength yet")


def test_what_cannot_be_searched_is_refused(make: Make, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="an axis beside the seed"):
        search(make(sweep=Sweep(Request(tags="a"), seed=range(3))), "duration_s", trials=2)
    two = [Priced("draft"), Priced("final")]
    with (
        Study("two", Sweep(Request(tags="a"), seed=[0]), two, store=tmp_path / "two") as study,
        pytest.raises(RequestError, match="one engine"),
    ):
        search(study, "duration_s", trials=2)


def test_a_skipped_cell_is_never_served(make: Make) -> None:
    sweep = Sweep(
        Request(tags="a"), duration_s=[6, 7], tags=["a", "b"], skip=[{"duration_s": 6, "tags": "a"}]
    )
    found = search(make(Planted(), sweep), "duration_s", trials=12, watch=silent)
    assert len(found.scored) == 3


def test_halving_drafts_all_and_finishes_few(make: Make) -> None:
    study = make(Priced("any"))
    drafts, finals = Priced("draft"), Priced("final")
    rungs = [Rung(drafts, {"lyrics": ""}), Rung(finals, {})]
    found = halve(study, "duration_s", rungs, keep=0.1, watch=silent)
    assert [each.at["duration_s"] for each in found.scored] == LENGTHS_S[:4]
    assert found.takes == 80 + 8
    again = halve(study, "duration_s", rungs, keep=0.1, watch=silent)
    assert again == found  # all found, nothing rendered or paid for again


def test_halving_keeps_one_budget_over_all_rungs(make: Make) -> None:
    sweep = Sweep(Request(tags="a"), duration_s=[6, 7, 8])
    draft, final = Planted(name="draft"), Planted(name="final")
    study = make(draft, sweep, budget_usd="0.30")
    found = halve(study, "duration_s", [Rung(draft, {}), Rung(final, {})], watch=silent)
    assert "raise the budget" in found.stopped
    assert (len(draft.served), len(final.served)) == (3, 0)
    assert found.spent_usd == Decimal("0.24")


def test_a_halving_that_makes_no_sense_is_refused(make: Make) -> None:
    study = make()
    with pytest.raises(RequestError, match="a rung"):
        halve(study, "duration_s", [])
    with pytest.raises(RequestError, match="keep one"):
        halve(study, "duration_s", [Rung(SketchEngine(), {"duration_s": 6})])


# --- the command line ---------------------------------------------------------------------------

STUDY = """
name: hunt
store: {folder}/store
budget_usd: 0.01
engines: [{{name: sketch, usd_per_hour: 3.6}}]
base: {{tags: house, lyrics: "[inst]"}}
axes:
  duration_s: [5, 6]
  seed: {{count: 4}}
"""


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    path = tmp_path / "study.yml"
    path.write_text(STUDY.format(folder=tmp_path))
    return path


def test_power_says_what_the_budget_detects(
    study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["power", str(study_file), "--value", "loudness_lufs", "--by", "duration_s"]
    assert main([*command, "--sd", "1.5", "--difference", "2"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("4 pairs of takes for each comparison (8 takes in all, 0.0022 USD)")
    assert "standard deviation of 1.5 LU" in said
    poor = study_file.with_name("poor.yml")
    poor.write_text(study_file.read_text().replace("0.01", "0.0012"))
    assert main([command[0], str(poor), *command[2:], "--sd", "1.5"]) == 0
    assert capsys.readouterr().out.startswith("2 pairs of takes")
    assert main(command) == 65
    assert "--sd, or --earlier" in capsys.readouterr().err
    assert main([*command[:-1], "tags", "--sd", "1"]) == 65


def test_power_learns_the_spread_from_an_earlier_study(
    study_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["power", str(study_file), "--value", "loudness_lufs", "--by", "duration_s"]
    assert main(["sweep", str(study_file)]) == 0
    capsys.readouterr()
    assert main([*command, "--earlier", str(tmp_path / "store")]) == 0
    (found,) = compare_levels(table(tmp_path / "store"), "loudness_lufs", "duration_s", "seed")
    assert f"standard deviation of {found.sd:.3g} LU" in capsys.readouterr().out


def test_search_and_halve_run_from_a_study_file(
    study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(study_file)
    assert main(["search", file, "--objective", "duration_s", "--trials", "4"]) == 0
    assert "Best duration_s: 5" in capsys.readouterr().out
    halving = ["halve", file, "--objective", "duration_s", "--high"]
    assert main(halving) == 65
    assert "such as --draft duration_s=8" in capsys.readouterr().err
    assert main([*halving, "--draft", "tags=jazz"]) == 0
    assert "Best duration_s: 6" in capsys.readouterr().out


def test_halving_drafts_from_the_command_line(
    study_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = study_file.read_text().replace("duration_s: [5, 6]", "tags: [house, techno, jazz]")
    study_file.write_text(text.replace("count: 4", "count: 1"))
    command = ["halve", str(study_file), "--objective", "loudness_lufs", "--high"]
    assert main([*command, "--draft", "duration_s=5", "--keep", "0.3"]) == 0
    assert "1 cells compared, 4 takes" in capsys.readouterr().out  # three drafts, one final
    drafts = table(tmp_path / "store", "hunt, rung 1 of 2")
    finals = table(tmp_path / "store", "hunt, rung 2 of 2")
    assert set(drafts["asked_duration_s"]) == {5.0}
    best = drafts.sort_values("loudness_lufs")["tags"].iloc[-1]
    assert (set(finals["tags"]), len(finals)) == ({best}, 1)
    assert set(finals["asked_duration_s"]) == {60.0}
    assert main([*command, "--draft", "duration_s"]) == 64
