"""Seams and compare as a user meets them: figures, pictures, repairs, and one-sentence refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench import sketch
from workbench.analysis.seams import measure_seam
from workbench.cli import main
from workbench.clip import Clip
from workbench.seam_plot import seam_figure, stretch

RATE_HZ = 48_000
SPAN = ("--start-s", "7", "--end-s", "12")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """18 s of music, and edits of its seconds 7 to 12: kept in place, 8 dB louder, all softer."""
    made = tmp_path_factory.mktemp("edits")
    plan, _ = sketch.plan_from_words(
        ["house"],
        lyrics_sections=[],
        tempo_bpm=124,
        key=None,
        time_signature=None,
        duration_s=18,
        seed=5,
        vocal=False,
    )
    source = sketch.render(plan)[0] / np.float32(3)
    Clip(source, RATE_HZ).write(made / "source.wav")
    louder = source.copy()
    louder[:, 7 * RATE_HZ : 12 * RATE_HZ] *= 10 ** (8 / 20)
    Clip(louder, RATE_HZ).write(made / "louder.wav")
    Clip(louder / np.float32(2), RATE_HZ).write(made / "softer.wav")
    Clip(source, RATE_HZ).at_rate(44_100).write(made / "other_rate.wav")
    Clip(source[:, : 10 * RATE_HZ], RATE_HZ).write(made / "short.wav")
    Clip(np.zeros((2, 18 * RATE_HZ), np.float32), RATE_HZ).write(made / "silent.wav")
    (made / "notes.txt").write_text("hello")
    return made


def told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, Any, str]:
    code = main([*arguments, "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out else None, err


def test_a_louder_part_is_heard_at_both_edges(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edited, source = str(folder / "louder.wav"), str(folder / "source.wav")
    picture = folder / "edges.png"
    drawn = ["--source", source, "--picture", str(picture)]
    code, row, _ = told(["seams", edited, *SPAN, *drawn], capsys)
    assert (code, [edge["edge"] for edge in row["edges"]]) == (0, ["start", "end"])
    for edge in row["edges"]:
        assert edge["seam_verdict"] == "clear"
        assert any("level" in reason for reason in edge["seam_reasons"])
        assert edge["seam_excess"]["score"] > 0.2
        assert edge["seam_excess"]["source_score"] < edge["seam_score"]
        assert abs(edge["seam_excess"]["statistics"]["level_4s"]) == pytest.approx(8, abs=0.5)
    assert picture.read_bytes().startswith(b"\x89PNG")
    _, quiet, _ = told(["seams", source, *SPAN], capsys)
    for before, after in zip(quiet["edges"], row["edges"], strict=True):
        assert before["seam_score"] < after["seam_score"]
        assert before["seam_excess_reason"] == "no source was named"


def test_verdict_rate_and_reasons_in_words(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["seams", str(folder / "louder.wav"), *SPAN, "--loop"]) == 0
    out, _ = capsys.readouterr()
    assert "start edge at 7.00 s: clear" in out
    assert "% of untouched places" in out
    assert "a step in level" in out
    assert "loop edge at 18.00 s" in out


def test_an_edge_that_cannot_be_measured_stands_beside_one_that_can(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    edited = str(folder / "louder.wav")
    code, row, err = told(["seams", edited, "--start-s", "2", "--end-s", "12"], capsys)
    assert code == 65
    assert [edge["edge"] for edge in row["edges"]] == ["end"]
    assert "4 s on both sides" in err
    # Of an extension the source has only one side: the edge is measured, its excess is not.
    _, row, _ = told(
        ["seams", edited, "--end-s", "12", "--source", str(folder / "short.wav")], capsys
    )
    assert row["edges"][0]["seam_excess"] is None
    assert "after it" in row["edges"][0]["seam_excess_reason"]


def test_compare_tells_what_was_kept_and_repairs_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, louder = str(folder / "source.wav"), str(folder / "louder.wav")
    code, row, _ = told(["compare", source, louder, *SPAN], capsys)
    assert (code, row["kept_verdict"], row["kept_snr_db"]) == (0, "identical", None)
    assert abs(row["edit_extent_error_s"]) <= 0.25
    _, row, _ = told(["compare", source, louder], capsys)
    assert row["kept_verdict"] == "changed"
    assert all(6.4 < start < end < 12.6 for start, end in row["changed_s"])
    repaired = folder / "repaired.wav"
    _, row, _ = told(
        ["compare", source, str(folder / "softer.wav"), *SPAN, "--splice", str(repaired)], capsys
    )
    assert row["gain_db"] == pytest.approx(-6.02, abs=0.05)
    assert [edge["edge"] for edge in row["splice"]["edges"]] == ["start", "end"]
    assert all(0 <= edge["seam_score_after"] <= 1 for edge in row["splice"]["edges"])
    outside = np.r_[: 7 * RATE_HZ, 12 * RATE_HZ : 18 * RATE_HZ]
    kept = Clip.read(repaired).samples[:, outside]
    assert np.array_equal(kept, Clip.read(source).samples[:, outside])


def test_compare_in_words_and_at_another_rate(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(folder / "source.wav"), str(folder / "other_rate.wav")]
    assert main(["compare", *paths, *SPAN]) == 0
    out, err = capsys.readouterr()
    assert "same waveform" in out
    assert "extent undefined" in out
    assert "other_rate.wav has 44100 Hz and was resampled to 48000 Hz" in err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["seams", "source.wav"], 64, "name an edge"),
        (["seams", "absent.wav", "--loop"], 66, "there is no file"),
        (["seams", "notes.txt", "--loop"], 65, "is no audio file"),
        (["seams", "silent.wav", "--loop"], 65, "silent"),
        (["seams", "source.wav", "--start-s", "40"], 65, "18.00 s long"),
        (["seams", "source.wav", "--start-s", "nan"], 65, "18.00 s long"),
        (["seams", "source.wav", "--start-s", "17"], 65, "1.00 s of audio after it"),
        (["seams", "source.wav", "--start-s", "9", "--end-s", "8"], 65, "must be less than"),
        (["compare", "source.wav", "absent.wav"], 66, "there is no file"),
        (["compare", "source.wav", "short.wav"], 65, "shorter than its source"),
        (["compare", "silent.wav", "source.wav"], 65, "silent"),
        (["compare", "source.wav", "louder.wav", "--splice", "r.wav"], 64, "needs the edit's span"),
        (["compare", "source.wav", "louder.wav", *SPAN, "--splice", "r.mp3"], 64, ".wav file"),
    ],
)
def test_refusals_are_one_sentence(
    arguments: list[str],
    code: int,
    words: str,
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    assert main(arguments) == code
    _, err = capsys.readouterr()
    assert words in err
    assert len(err.splitlines()) == 1


def test_the_picture_shows_the_sound_around_the_edge(folder: Path) -> None:
    clip = Clip.read(folder / "louder.wav")
    shown = stretch(clip.samples, RATE_HZ, 7.0)
    assert shown.extent[:2] == (5.0, 9.0)
    before, after = shown.times_s < 7, shown.times_s > 7.01
    assert shown.highest[after].mean() > 1.5 * shown.highest[before].mean()
    assert (shown.levels_db.max(), shown.levels_db.min()) == (0, -80)
    seam = measure_seam(clip.samples, RATE_HZ, 7.0)
    figure = seam_figure(clip.samples, RATE_HZ, [seam, seam])
    titles = [axes.get_title() for axes in figure.axes[:2]]
    assert all("edge at 7.00 s: clear" in title for title in titles)
    assert seam.reasons[0] in figure.axes[-1].texts[0].get_text()
