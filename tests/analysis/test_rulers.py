"""The ruler check: its figures, and that it sees a ruler that is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from workbench.analysis import loudness, seams
from workbench.analysis.checks import rulers, score_diversity
from workbench.analysis.checks.rulers import (
    CHECKS,
    SIZES,
    Check,
    RulerFigure,
    Size,
    Step,
    ruler_figures,
)
from workbench.analysis.diversity import Distance, take_distance
from workbench.analysis.features import Features
from workbench.analysis.seam_classifier import stored_classifier
from workbench.analysis.tempo import Tempo, estimate_tempo
from workbench.cli import main
from workbench.experiment import EXECUTED, read_experiment, run_experiment

TINY = Size(
    tempo_clips=3,
    factors=(0.94,),
    keys_per_genre=2,
    level_clips=4,
    edits=2,
    seam_clips=2,
    seam_kinds=("gain_6_db", "dropout_20_ms"),
    untouched_places=2,
    songs=2,
)


def figures(name: str) -> dict[str, RulerFigure]:
    return {figure.what: figure for figure in CHECKS[name](TINY)}


def test_the_meter_tones_are_read_within_the_published_tolerance() -> None:
    found = figures("loudness")
    assert found["loudness, worst error"].figure <= 0.1
    assert found["range, worst error"].figure <= 1
    assert found["true peak, worst error"].figure <= 0.2
    assert {figure.interval_text for figure in found.values()} == {"-"}


def test_planted_flaws_are_found() -> None:
    found = figures("levels")
    assert found["runs found"].figure >= 99
    assert found["clean channels called clipped"].figure == 0
    assert found["holes of 10 ms found"].figure == 100
    assert found["median of each clip's largest error"].figure < 0.05
    assert found["verdict right"].figure >= 95
    assert found["median error"].figure < 0.1


def test_tempo_and_what_a_wrong_tempo_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    good = figures("tempo")
    assert good["within 4 %, octaves allowed"].figure == 100
    assert good["median error, octaves allowed"].figure < 0.1
    assert good["follows a known resampling to 0.5 %"].n == 3
    assert good["verification"].figure > 0.95
    assert good["mean F-measure"].figure >= 0.6
    assert good["mean AMLt"].figure >= good["mean CMLt"].figure

    def off(features: Features) -> Tempo:
        found = estimate_tempo(features)
        return replace(found, tempo_bpm=found.tempo_bpm and 1.1 * found.tempo_bpm)

    monkeypatch.setattr(rulers, "estimate_tempo", off)
    bad = figures("tempo")
    assert bad["within 4 %, octaves allowed"].figure == 0
    assert bad["median error, octaves allowed"].figure == pytest.approx(10, abs=0.1)
    assert bad["mean AMLt"].figure < good["mean AMLt"].figure - 0.2

    def refusing(features: Features) -> Tempo:
        return Tempo(None, reason="asleep")

    monkeypatch.setattr(rulers, "estimate_tempo", refusing)
    asleep = figures("tempo")
    assert asleep["within 4 %"].figure == 0
    assert asleep["refused without a pulse"].figure == 100
    assert "median error, octaves allowed" not in asleep


def test_a_meter_that_reads_one_unit_too_much_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "workbench.analysis.checks.score_levels.loudness_lufs",
        lambda weighted: loudness.loudness_lufs(weighted) + 1,
    )
    assert figures("loudness")["loudness, worst error"].figure == pytest.approx(1, abs=0.1)


def test_seams_and_what_a_blind_classifier_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    good = figures("seams")
    assert good["gain 6 dB"].figure > 0.9
    assert (good["gain 6 dB"].n, good["alarms at untouched places"].n) == (2, 4)
    stored = stored_classifier()
    blind = replace(stored, weights=0 * stored.weights)
    monkeypatch.setattr(seams, "stored_classifier", lambda: blind)
    assert figures("seams")["gain 6 dB"].figure == 0.5


def test_untouched_names_what_was_done() -> None:
    found = figures("untouched")
    assert found["pasted back: verdict right"].figure == 100
    assert found["all replaced: verdict right"].figure == 100
    assert found["pasted back: edge within 0.25 s"].n == 4


def test_distances_climb_the_ladder_and_a_deaf_one_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    good = figures("diversity")
    assert good["aligned_mel_db does not fall with variance"].figure == 100
    assert good["nothing between two renderings of a seed"].figure == 100

    def upside_down(take: Features, other: Features) -> Distance:
        found = take_distance(take, other)
        return replace(found, aligned_mel_db=20 - found.aligned_mel_db)

    monkeypatch.setattr(score_diversity, "take_distance", upside_down)
    bad = figures("diversity")
    assert bad["aligned_mel_db does not fall with variance"].figure == 0
    assert bad["nothing between two renderings of a seed"].figure == 0


def test_the_work_that_is_told_never_falls_and_ends_at_all_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = {name: CHECKS[name] for name in ("tempo", "loudness", "levels")}
    monkeypatch.setattr(rulers, "CHECKS", few)
    monkeypatch.setattr(rulers, "SIZES", {"small": TINY})
    told: list[tuple[str, float]] = []
    found = list(ruler_figures("small", lambda name, share: told.append((name, share))))
    assert {figure.ruler for figure in found} > {"tempo", "beats", "loudness", "clipping"}
    assert list(dict.fromkeys(name for name, _ in told)) == list(few)
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == pytest.approx(1)


def test_both_sizes_ask_the_same_and_key_takes_both_modes() -> None:
    assert set(SIZES["small"].seam_kinds) < set(SIZES["full"].seam_kinds)
    found = figures("key")
    assert found["exact"].n == 18
    assert found["exact or relative"].figure >= found["exact"].figure > 50


def test_the_command_prints_a_table_or_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(rulers, "CHECKS", {"loudness": CHECKS["loudness"]})
    assert main(["rulers"]) == 0
    out, err = capsys.readouterr()
    assert "true peak, worst error" in out
    assert "checking loudness: 0% of all done" in err
    assert main(["rulers", "--json"]) == 0
    rows = json.loads(capsys.readouterr()[0])
    assert [row["ruler"] for row in rows] == ["loudness"] * 3
    assert set(rows[0]) == {"ruler", "what", "figure", "unit", "n", "low", "high", "material"}
    assert main(["rulers", "--size", "huge"]) == 64


def test_stopping_keeps_what_was_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(size: Size, step: Step) -> Iterator[RulerFigure]:
        yield from ()
        raise KeyboardInterrupt

    endless = Check(stopped, lambda size: 1, lambda size: 9.0)
    monkeypatch.setattr(rulers, "CHECKS", {"loudness": CHECKS["loudness"], "endless": endless})
    assert main(["rulers", "--json"]) == 1
    out, err = capsys.readouterr()
    assert [row["ruler"] for row in json.loads(out)] == ["loudness"] * 3
    assert "checking endless: 10% of all done, about" in err
    assert "Stopped." in err


@pytest.mark.slow
def test_the_experiment_answers_with_the_figures(tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "experiments"
    ran = run_experiment(read_experiment(folder, "ruler-check"), {}, tmp_path)
    lines = (ran / "rulers.csv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "ruler,what,figure,unit,n,low,high,material"
    assert {line.split(",")[0] for line in lines[1:]} >= {"tempo", "key", "loudness", "seams"}
    answer = json.loads((ran / EXECUTED).read_text(encoding="utf-8"))["cells"][-2]
    assert "octaves allowed; the key is exact in" in "".join(answer["outputs"][0]["text"])
