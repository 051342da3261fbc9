"""Does each experiment find what was planted for it, and nothing where nothing was?"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from workbench.clip import Clip
from workbench.engines.base import Delivery
from workbench.engines.sketch import SketchEngine
from workbench.errors import RequestError
from workbench.evidence import QUESTIONS, Answer, Run
from workbench.evidence.questions import Evidence
from workbench.experiment import (
    compare_runs,
    experiments_folder,
    list_experiments,
    read_experiment,
    read_run,
    run_experiment,
)
from workbench.measure import LOUDNESS, STANDARD, TEMPO, Measure
from workbench.request import AnyRequest, Request
from workbench.study import Study
from workbench.sweep import Sweep
from workbench.tables import table


class Planted(SketchEngine):
    """Sketch, with requests and audio changed on the way."""

    def __init__(
        self,
        hear: Callable[[AnyRequest], AnyRequest] = lambda request: request,
        gain_db: Callable[[AnyRequest], float] = lambda request: 0.0,
    ) -> None:
        super().__init__()
        self._hear, self._gain_db = hear, gain_db

    def _render(self, request: AnyRequest) -> Delivery:
        made = super()._render(self._hear(request))
        assert isinstance(made.audio, Clip)
        gain = np.float32(10 ** (self._gain_db(request) / 20))
        return Delivery(Clip(made.audio.samples * gain, made.audio.rate_hz), made.sent)


def asked(
    question: str,
    sweep: Sweep,
    engine: SketchEngine,
    folder: Path,
    *,
    measures: Sequence[Measure] = (TEMPO, LOUDNESS),
    **options: Any,
) -> Answer:
    with Study("planted", sweep, [engine], store=folder, measures=measures) as study:
        study.run(watch=lambda progress: None)
        return QUESTIONS[question].answer(Evidence(table(study), study, options))


def deaf_to_tags(request: AnyRequest) -> AnyRequest:
    """Plays 100 BPM unless the tempo is a field."""
    if request.tempo_carrier != "tag":
        return request
    return request.but(tempo_bpm=100, tempo_carrier="field")


CARRIERS = Sweep(
    Request(tags="house, bright synths", lyrics="[inst]", duration_s=8, tempo_bpm=124),
    tempo_carrier=["field", "tag"],
    seed=range(5),
)


def test_an_engine_that_ignores_tempo_tags_is_found(tmp_path: Path) -> None:
    answer = asked("tempo-carrier", CARRIERS, Planted(deaf_to_tags), tmp_path)
    (row,) = answer.table.to_dict("records")
    assert (row["level"], row["verdict"]) == ("tag", "higher")
    assert row["estimate"] == pytest.approx(100 * (1 - 100 / 124), abs=1)


def test_an_engine_that_hears_both_is_called_alike(tmp_path: Path) -> None:
    answer = asked("tempo-carrier", CARRIERS, Planted(), tmp_path)
    assert set(answer.table["verdict"]) == {"alike"}


TAGS = ["house, 124 BPM, warm pads", "house, 124 BPM, warm pads, loud", "house, 124 BPM"]


def louder(request: AnyRequest) -> float:
    return 2.0 if "loud" in request.tag_list else 0.0


def plain(request: AnyRequest) -> AnyRequest:
    """Without its last tags, so that nothing but the plant differs."""
    return request.but(tags="house, 124 BPM")


def test_a_tag_that_shifts_loudness_by_2_db_is_found_and_a_null_is_not(tmp_path: Path) -> None:
    sweep = Sweep(Request(tags=TAGS[0], lyrics="[inst]", duration_s=8), tags=TAGS, seed=range(6))
    found = asked(
        "tag-effects", sweep, Planted(plain, louder), tmp_path, values=["loudness_lufs"]
    ).table.set_index("tags")
    assert bool(found.loc[TAGS[1], "moves"])
    assert found.loc[TAGS[1], "estimate"] == pytest.approx(2.0, abs=0.05)
    assert not bool(found.loc[TAGS[2], "moves"])


@pytest.mark.parametrize("share", [0.8, 0.5])
def test_a_ranking_of_drafts_is_as_right_as_it_is(tmp_path: Path, share: float) -> None:
    """Finals rise by a tenth of a dB with the seed; a share of the drafts keeps that order."""
    seeds = 16
    rng = np.random.default_rng(3)
    shuffled = rng.permutation(seeds) if share == 0.5 else np.arange(seeds)
    if share == 0.8:  # swap neighbours at a distance until four of five pairs are in order
        while _alike(shuffled) > 0.81:
            a, b = rng.integers(seeds, size=2)
            shuffled[[a, b]] = shuffled[[b, a]]

    def gain_db(request: AnyRequest) -> float:
        assert isinstance(request, Request)
        rank = request.seed if request.duration_s > 6 else shuffled[request.seed]
        return -0.25 * float(rank)

    def same(request: AnyRequest) -> AnyRequest:
        return request.but(seed=0)

    base = Request(tags="house, 124 BPM", lyrics="[inst]", duration_s=8)
    sweep = Sweep(base, duration_s=[6, 8], seed=range(seeds))
    engine = Planted(same, gain_db)
    answer = asked(
        "draft-then-polish", sweep, engine, tmp_path, measures=(LOUDNESS,), quality="loudness_lufs"
    )
    assert len(answer.table) == seeds
    said = answer.text
    assert ("Inconclusive" in said) == (share == 0.5), said


def test_drafts_are_also_judged_within_each_tag_set() -> None:
    """Two tag sets of unlike loudness agree over all, though no seed's draft tells its final."""
    rng = np.random.default_rng(5)
    rows = [
        {"style": style, "seed": seed, "asked_duration_s": length, "state": "done"}
        | {"charged_usd": 0.0, "engine": "x", "loudness_lufs": level + rng.normal(0, 0.1)}
        for style, level in (("loud", -8.0), ("soft", -20.0))
        for seed in range(10)
        for length in (6.0, 30.0)
    ]
    evidence = Evidence(pd.DataFrame(rows), cast(Study, None), {"quality": "loudness_lufs"})
    overall, *within = QUESTIONS["draft-then-polish"].answer(evidence).sentences
    assert "The two rankings agree" in overall
    assert len(within) == 2
    assert all("Inconclusive" in sentence for sentence in within)


def library(clipped: str) -> Answer:
    """Four takes of two tag sets, a cent each."""
    rows = [
        {"style": style, "seed": seed, "asked_duration_s": 10.0, "state": "done", "engine": "x"}
        | {"tempo_match": "match", "clipped": clipped, "abrupt_end": "no", "tail_silence_s": 0.1}
        | {"loudness_lufs": -15.0 - seed, "tempo_bpm": 100.0, "charged_usd": 0.01}
        | {"take_id": seed, "audio": "a"}
        for style in ("house", "jazz")
        for seed in range(2)
    ]
    evidence = Evidence(pd.DataFrame(rows), cast(Study, None), {"target_lufs": -16})
    return QUESTIONS["background-library"].answer(evidence)


def test_a_library_keeps_the_take_nearest_to_its_loudness_and_says_its_price() -> None:
    kept = library("no")
    assert kept.sentences[0].startswith("2 of 2 tracks")
    assert kept.sentences[1] == "A kept track costs 0.02 USD, all tries counted."
    assert kept.table["seed"].tolist() == [1, 1]
    none = library("yes")
    assert none.sentences[0].startswith("0 of 2 tracks")
    assert len(none.sentences) == 1
    assert len(none.draw()) == 1


def test_engines_without_a_price_in_dollars_have_no_place_on_the_frontier() -> None:
    rows = [
        {"engine": engine, "style": "house", "seed": seed, "state": "done", "wall_s": 1.0}
        | {"charged_usd": usd, "tempo_folded_error_pct": 0.1 * seed, "loudness_lufs": -14.0}
        for engine, usd in (("dollars", 0.1), ("credits", None))
        for seed in range(4)
    ]
    evidence = Evidence(pd.DataFrame(rows), cast(Study, None), {})
    answer = QUESTIONS["engine-comparison"].answer(evidence)
    assert "“credits” is beaten" not in answer.text
    assert "Without a place, having no charged_usd or no tempo: credits." in answer.sentences


def _alike(order: np.ndarray) -> float:
    pairs = [(i, j) for j in range(len(order)) for i in range(j)]
    return float(np.mean([order[i] < order[j] for i, j in pairs]))


def test_a_cap_stops_on_a_balanced_subset_and_the_answer_says_what_is_missing(
    tmp_path: Path,
) -> None:
    study = {
        "name": "capped",
        "engines": [{"name": "sketch", "usd_per_hour": 3600}],  # a dollar a second of computing
        "base": {"tags": "house", "lyrics": "[inst]", "duration_s": 6},
        "axes": {"tags": ["house, 124 BPM", "techno, 132 BPM"], "seed": {"count": 5}},
    }
    quote = 10 * 6 / 20
    with Run("seed-luck", {**study, "budget_usd": 0.6 * quote}, tmp_path) as run:
        summary = run.study.run(watch=lambda progress: None)
        # Takes cost less than they are quoted, so more than 60 % may fit; never half a round.
        done = run.table().query("state == 'done'")
        assert (done.groupby("tags").size().nunique()) == 1
        assert run.study.store.spent_usd("capped") <= 0.6 * quote
        if summary.missing:
            assert "takes are not there" in run.answer().sentences[0]


def test_what_is_not_reproducible_is_called_so(tmp_path: Path) -> None:
    import itertools

    draws = itertools.count()

    def drifting(request: AnyRequest) -> AnyRequest:
        return request.but(seed=next(draws))

    sweep = Sweep(Request(tags="house, 124 BPM", lyrics="[inst]", duration_s=6), seed=range(2))
    steady = asked("reproducibility", sweep, Planted(), tmp_path / "a")
    assert set(steady.table["verdict"]) == {"identical"}
    wild = asked("reproducibility", sweep, Planted(drifting), tmp_path / "b")
    assert "identical" not in set(wild.table["verdict"])


def test_an_unknown_question_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="choose from tempo-carrier"):
        Run("what-is-love", {}, tmp_path)


# --- every experiment, through its notebook -----------------------------------------------------

FOLDER = experiments_folder(Path(__file__).parent)
SMALL: dict[str, dict[str, Any]] = {
    "engine-comparison": {"seeds": 2},
    "draft-then-polish": {"seeds": 3},
    "tag-effects": {"seeds": 3},
}
NAMES = [each.name for each in list_experiments(FOLDER) if each.notebook.name == "experiment.ipynb"]


@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_answers_at_a_small_size(name: str, tmp_path: Path) -> None:
    experiment = read_experiment(FOLDER, name)
    folder = run_experiment(experiment, SMALL.get(name, {"seeds": 2}), tmp_path)
    record = read_run(folder)
    assert record["answer"]
    assert "cost" in record["answer"][-1]
    assert {path.name for path in folder.iterdir()} >= {
        "report.html",
        "report.md",
        "figure-1.svg",
        "answer.csv",
        "columns.csv",
        "takes.csv",
        "takes.parquet",
        "executed.ipynb",
    }
    assert experiment.question == QUESTIONS[name].text
    page = (folder / "report.html").read_text()
    assert QUESTIONS[name].text.split("'")[0][:30] in page
    drawn = len(list(folder.glob("figure-*.svg")))
    assert page.count("<figcaption>") >= drawn + 2
    executed = json.loads((folder / "executed.ipynb").read_text())
    shown = [o for cell in executed["cells"] for o in cell.get("outputs", []) if "data" in o]
    assert sum("image/png" in output["data"] for output in shown) == drawn


def test_a_second_run_from_the_record_alone_gives_the_same_table(tmp_path: Path) -> None:
    from workbench.cli import main

    experiment = read_experiment(FOLDER, "seed-luck")
    first = run_experiment(experiment, {"seeds": 2, "duration_s": [6, 8]}, tmp_path / "one")
    assert main(["experiment", "run", str(first), "--runs", str(tmp_path / "two")]) == 0
    (second,) = (tmp_path / "two").iterdir()
    said = (first / "report.md").read_text(encoding="utf-8")
    (line,) = [line for line in said.splitlines() if line.startswith("workbench experiment run")]
    assert main([*shlex.split(line)[1:], "--runs", str(tmp_path / "three")]) == 0
    (third,) = (tmp_path / "three").iterdir()
    one, two, three = (
        pd.read_csv(folder / "takes.csv").drop(columns=["wall_s", "started_at"])
        for folder in (first, second, third)
    )
    pd.testing.assert_frame_equal(one, two)
    pd.testing.assert_frame_equal(one, three)
    changes = compare_runs(first, second)
    assert not [name for name in changes if name.startswith(("parameters", "answer"))]


def test_runs_that_differ_say_in_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from workbench.cli import main

    experiment = read_experiment(FOLDER, "loop-bed")
    one, other = (run_experiment(experiment, {"seeds": n}, tmp_path) for n in (1, 2))
    assert main(["experiment", "compare", str(one), str(other)]) == 0
    assert "parameters.seeds" in capsys.readouterr().out
    assert main(["experiment", "show", str(other)]) == 0
    assert "Does it loop?" in capsys.readouterr().out
    said = json.loads((other / "answer.json").read_text(encoding="utf-8"))
    assert said["engines"] == {"sketch": dict(SketchEngine().fingerprint)}
    said["engines"]["sketch"]["version"] = "another"
    (other / "answer.json").write_text(json.dumps(said), encoding="utf-8")
    assert compare_runs(one, other)["engines.sketch.version"][1] == "another"


def test_the_standard_measures_hold_all_that_questions_read() -> None:
    quantities = {name for measure in STANDARD for name in measure.quantities}
    assert {
        "tempo_folded_error_pct",
        "loudness_lufs",
        "width_db",
        "seam_verdict_start",
    } <= quantities
