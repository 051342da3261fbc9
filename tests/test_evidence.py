"""Does each experiment find what was planted for it, and nothing where nothing was?"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from workbench.clip import Clip
from workbench.cost import Charge, Quote, usd
from workbench.engines.base import Delivery
from workbench.engines.sketch import SketchEngine
from workbench.errors import RequestError
from workbench.evidence import QUESTIONS, Answer, Evidence, Run
from workbench.experiment import (
    experiments_folder,
    read_experiment,
)
from workbench.measure import LOUDNESS, TEMPO, Measure
from workbench.request import AnyRequest, Request
from workbench.study import Study
from workbench.sweep import Sweep
from workbench.tables import table

FOLDER = experiments_folder(Path(__file__).parent)


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


def plain(request: AnyRequest) -> AnyRequest:
    """Without its last tags, so that nothing but the plant differs."""
    return request.but(tags="house, 124 BPM")


# --- planted through the whole path: the experiment's own parameters, its study, its report ------


@pytest.fixture
def planted_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, SketchEngine], tuple[Answer, str]]:
    """Runs an experiment as its params.yml has it, but for its engine; gives answer and report."""

    def run(name: str, engine: SketchEngine) -> tuple[Answer, str]:
        monkeypatch.setattr("workbench.studyfile.engine", lambda name: engine)
        asked = read_experiment(FOLDER, name).parameters
        study = {**asked["study"], "engines": ["planted"], "loopback": False}
        with Run(asked["question"], study, tmp_path, options=asked.get("options")) as made:
            made.study.run(watch=lambda progress: None)
            answer = made.answer()
            return answer, made.write(answer).read_text(encoding="utf-8")

    return run


Planting = Callable[[str, SketchEngine], tuple[Answer, str]]


@pytest.mark.parametrize("is_deaf", [True, False])
def test_tempo_carrier_finds_an_engine_that_ignores_tempo_tags(
    planted_run: Planting, is_deaf: bool
) -> None:
    answer, page = planted_run("tempo-carrier", Planted(deaf_to_tags) if is_deaf else Planted())
    verdicts = answer.table.set_index(["level", "baseline"])["verdict"].to_dict()
    assert verdicts["tag", "field"] == ("higher" if is_deaf else "alike")
    assert verdicts["both", "field"] == "alike"
    assert ("“tag” is" in answer.sentences[0]) == is_deaf
    assert answer.sentences[0][:60] in page


@pytest.mark.parametrize("gain_db", [2.0, 0.0])
def test_tag_effects_finds_a_tag_that_shifts_loudness(
    planted_run: Planting, gain_db: float
) -> None:
    def sung(request: AnyRequest) -> float:
        return gain_db if "female vocal" in request.tag_list else 0.0

    answer, page = planted_run("tag-effects", Planted(plain, sung))
    claimed = answer.table[answer.table["verdict"].isin(["higher", "lower"])]
    if not gain_db:
        assert claimed.empty
        return
    (row,) = claimed.to_dict("records")
    assert (row["measurement"], "female vocal" in row["level"]) == ("loudness_lufs", True)
    assert row["estimate"] == pytest.approx(2.0, abs=0.05)
    assert row["low"] <= 2.0 <= row["high"] or row["high"] - row["low"] < 0.05
    assert "with female vocal" in page


def _shuffled(items: int, share: float) -> list[int]:
    """An order of which a share of all pairs stands as it was."""
    rng = np.random.default_rng(3)
    order = np.arange(items)
    while _alike(order) > share:
        a = int(rng.integers(items - 1))
        order[[a, a + 1]] = order[[a + 1, a]]
    return [int(place) for place in order]


@pytest.mark.parametrize("share", [0.8, 0.5])
def test_draft_then_polish_finds_drafts_that_are_right_in_80_of_100_pairs(
    planted_run: Planting, share: float
) -> None:
    """Finals fall by 0.4 dB an item; a share of all pairs of drafts keeps that order."""
    items = [(tags, seed) for tags in ("lo-fi", "house") for seed in range(6)]
    shuffled = _shuffled(len(items), share)

    def gain_db(request: AnyRequest) -> float:
        assert isinstance(request, Request)
        item = items.index((request.tag_list[0].split(" ")[0], request.seed))
        return -0.4 * (item if request.duration_s > 8 else shuffled[item])

    def same(request: AnyRequest) -> AnyRequest:
        return request.but(seed=0, tags="house, 124 BPM")

    answer, page = planted_run("draft-then-polish", Planted(same, gain_db))
    assert len(answer.table) == 12
    said = answer.sentences[0]
    assert ("The two rankings agree" in said) == (share == 0.8), said
    assert ("Inconclusive" in said) == (share == 0.5), said
    assert f"first in {100 * _alike(np.array(shuffled)):.0f} % of cases" in said
    assert said[:40] in page
    (halved,) = [each for each in answer.sentences if each.startswith("Halving")]
    assert "place 1 of 12" in halved or share == 0.5


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
    overall, *within, halved = QUESTIONS["draft-then-polish"].answer(evidence).sentences
    assert "The two rankings agree" in overall
    assert len(within) == 2
    assert all("Inconclusive" in sentence for sentence in within)
    # 20 drafts of 6 s and 7 finals of 30 s last as long as 11 finals.
    assert halved.startswith("Halving (20 drafts, then the best 7 as finals: 330 s of music of")
    assert "a grid of 11 finals" in halved


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
    study = SimpleNamespace(budget_usd=Decimal(1))
    evidence = Evidence(pd.DataFrame(rows), cast(Study, study), {"target_lufs": -16})
    return QUESTIONS["background-library"].answer(evidence)


def test_a_library_keeps_the_take_nearest_to_its_loudness_and_says_its_price() -> None:
    kept = library("no")
    assert kept.sentences[0].startswith("2 of 2 tracks (100 %; 95 % interval 34 % to 100 %) have")
    assert kept.sentences[1] == (
        "A kept track costs 0.02 USD, all tries counted (95 % interval 0.02 to 0.0584); 500 of "
        "them 10.00 USD. The budget of 1.00 USD pays for 50 (17 to 50)."
    )
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
    assert "Without a place, having no price in dollars or no tempo: credits." in answer.sentences


def engines(off_pct: float, **columns: Any) -> Answer:
    """A cheap engine 3 % off its tempo, and one four cents dearer that is off by `off_pct`."""
    rng = np.random.default_rng(2)
    rows = [
        {"engine": engine, "style": style, "seed": seed, "state": "done", "wall_s": 1.0}
        | {"charged_usd": usd, "tempo_folded_error_pct": off + rng.normal(0, 0.1)}
        | {"loudness_lufs": -14.0, "charged_credits": 0.0}
        | columns
        for engine, usd, off in (("cheap", 0.01, 3.0), ("dear", 0.05, off_pct))
        for style in ("house", "jazz")
        for seed in range(5)
    ]
    evidence = Evidence(pd.DataFrame(rows), cast(Study, None), {})
    return QUESTIONS["engine-comparison"].answer(evidence)


def test_a_point_of_quality_has_a_price_where_it_can_be_bought_and_none_where_not() -> None:
    bought = engines(1.0)
    found = re.fullmatch(
        r"A percentage point less of tempo error costs ([\d.]+) USD a take \(95 % interval "
        r"([\d.]+) to ([\d.]+) USD\) with “dear” in place of “cheap”\.",
        bought.sentences[0],
    )
    assert found, bought.sentences[0]
    price, low, high = map(float, found.groups())
    assert low < price < high
    assert price == pytest.approx(0.04 / 2, rel=0.1)
    assert "“dear” is on the frontier" in bought.text
    vain = engines(3.0)
    assert vain.sentences[0].startswith("A point of quality cannot be bought here: “cheap” is the")
    assert "Taste is unknown" in vain.text


def test_taste_has_a_frontier_of_its_own_where_takes_were_compared_by_ear() -> None:
    heard = engines(1.0, ear_strength=1.0)
    assert "Taste is unknown" not in heard.text
    assert "ear strength 1" in heard.text
    assert len(heard.draw()) == 3


@pytest.mark.parametrize("luck_db", [0.5, 3.0])
def test_luck_is_all_that_a_seed_alone_changes(luck_db: float) -> None:
    """Also what a seed does to one tag set only, which no factor by itself explains."""
    rng = np.random.default_rng(4)
    level = {"house": -10.0, "jazz": -14.0, "lo-fi": -18.0, "ambient": -22.0}
    rows = [
        {"style": style, "seed": seed, "asked_duration_s": 8.0, "state": "done", "engine": "x"}
        | {"loudness_lufs": level[style] + rng.normal(0, luck_db)}
        for style in level
        for seed in range(12)
    ]
    evidence = Evidence(pd.DataFrame(rows), cast(Study, None), {"values": ["loudness_lufs"]})
    answer = QUESTIONS["seed-luck"].answer(evidence)
    said = re.search(r"is (\d+) % of the variance of loudness .* (\d+) % to (\d+) %;", answer.text)
    assert said, answer.text
    share, low, high = (float(each) / 100 for each in said.groups())
    truth = luck_db**2 / (luck_db**2 + np.var([*level.values()], ddof=1))
    assert low - 0.01 <= truth <= high + 0.01
    assert share == pytest.approx(truth, abs=0.15)
    assert "loudness_lufs, seed" in answer.numbers


def test_takes_are_matched_where_something_was_chosen_and_not_where_it_follows() -> None:
    """A tempo that its tag set names follows the tags, so that nothing is matched by it."""
    rows = [
        {"tags": tags, "style": tags, "asked_tempo_bpm": bpm, "asked_duration_s": length}
        | {"seed": seed, "engine": "x", "state": "failed"}
        for tags, bpm in (("house", 124), ("jazz", 100))
        for length in (8, 16)
        for seed in range(2)
    ]
    evidence = Evidence(pd.DataFrame(rows), cast(Study, None), {})
    assert evidence.within("tags") == ["asked_duration_s"]
    assert evidence.within("asked_duration_s") == ["style", "asked_tempo_bpm"]


def _alike(order: np.ndarray) -> float:
    pairs = [(i, j) for j in range(len(order)) for i in range(j)]
    return float(np.mean([order[i] < order[j] for i, j in pairs]))


class Priced(SketchEngine):
    """Sketch at ten cents a take, charged as quoted."""

    def quote(self, request: AnyRequest) -> Quote:
        return Quote(amount_usd=usd("0.10"), basis="0.10 USD a take")

    def _render(self, request: AnyRequest) -> Delivery:
        return replace(super()._render(request), charge=Charge(amount_usd=usd("0.10")))


def test_a_cap_at_60_percent_stops_on_whole_rounds_and_the_report_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.studyfile.engine", lambda name: Priced())
    study = {
        "name": "capped",
        "base": {"tags": "house", "lyrics": "[inst]", "duration_s": 6},
        "axes": {"tags": ["house, 124 BPM", "techno, 132 BPM"], "seed": {"count": 5}},
    }
    quoted = 10 * 0.10
    with Run("seed-luck", {**study, "budget_usd": 0.6 * quoted}, tmp_path) as run:
        summary = run.study.run(watch=lambda progress: None)
        assert summary.missing == 4
        done = run.table().query("state == 'done'")
        assert done.groupby("tags")["seed"].apply(list).tolist() == [[0, 1, 2], [0, 1, 2]]
        assert run.study.store.spent_usd("capped") == Decimal("0.60")
        answer = run.answer()
        run.write(answer)
    missing = (
        "4 of 10 takes are not there (4 missing); 3 of 5 rounds are whole, and a round has every "
        "setting once."
    )
    assert answer.sentences[0] == missing
    assert answer.sentences[-1] == "This answer took 6 takes and cost 0.60 USD."
    for name in ("report.html", "report.md"):
        said = (tmp_path / name).read_text(encoding="utf-8").replace("\\", "")
        assert missing in said
        assert "What is missing or failed" in said
        assert "not run yet" in said


@pytest.mark.parametrize("name", sorted(QUESTIONS))
def test_a_budget_for_nothing_leaves_a_report_that_says_so(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.studyfile.engine", lambda name, **options: Priced())
    asked = read_experiment(FOLDER, name).parameters
    study = {**asked["study"], "engines": ["x"], "loopback": False, "budget_usd": 0.01}
    source = asked.get("source")
    with Run(name, study, tmp_path, source=source, options=asked.get("options")) as run:
        assert run.study.run(watch=lambda progress: None).made == 0
        answer = run.answer()
        run.write(answer)
    assert "0 of" in answer.sentences[0]
    assert answer.sentences[1] == "No take is done, so nothing is known yet."
    assert answer.sentences[-1] == "This answer took 0 takes and cost 0.00 USD."


def test_where_one_level_alone_has_takes_nothing_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Picky(SketchEngine):
        def check(self, request: AnyRequest) -> None:
            if "loud" in request.tag_list:
                raise RequestError("this engine plays nothing loud.")

    monkeypatch.setattr("workbench.studyfile.engine", lambda name: Picky())
    study = {
        "name": "picky",
        "base": {"tags": "house, 124 BPM", "lyrics": "[inst]", "duration_s": 6},
        "axes": {"tags": ["house, 124 BPM", "house, 124 BPM, loud"], "seed": {"count": 2}},
    }
    with Run("tag-effects", study, tmp_path) as run:
        run.study.run(watch=lambda progress: None)
        answer = run.answer()
        page = run.write(answer).read_text(encoding="utf-8")
    assert answer.sentences[0].startswith("2 of 4 takes are not there (2 failed)")
    assert answer.sentences[1].startswith("Nothing could be compared")
    assert "this engine plays nothing loud." in page


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
