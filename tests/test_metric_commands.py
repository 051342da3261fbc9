"""`workbench diversity` and `workbench learned`, and the table behind the first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.learned.conftest import write_tiny_clap
from workbench.cli import main
from workbench.diversities import diversity
from workbench.engines.sketch import SketchEngine
from workbench.request import Request
from workbench.study import Study
from workbench.sweep import Sweep
from workbench.take import State

TAGS = ("house, 124 BPM", "ambient, <img src=x>, 70 BPM")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of two tag sets by three seeds."""
    folder = tmp_path_factory.mktemp("study")
    sweep = Sweep(Request(tags=TAGS[0], duration_s=8), tags=TAGS, seed=range(3))
    with Study("trial", sweep, [SketchEngine()], store=folder, measures=()) as study:
        assert study.run(watch=lambda progress: None).made == 6
    return folder


def test_seeds_differ_less_than_tags(store: Path) -> None:
    from workbench.store import Store

    with Store(store) as opened:
        assert {take.state for _, take in opened.takes("trial") if take} == {State.DONE}
        found = diversity(opened, "trial").set_index("tags")
    assert set(found.index) == set(TAGS)
    assert (found.pairs == 3).all()
    assert (found.identical_pairs == 0).all()
    for tags in TAGS:
        row = found.loc[tags]
        assert 0 < row["index"] < 1, "other tags differ more than other seeds"
        assert row.index_low <= row["index"] <= row.index_high


def test_one_seed_has_no_diversity(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sweep = Sweep(Request(tags="house", duration_s=6), tags=["house", "techno"])
    with Study("single", sweep, [SketchEngine()], store=tmp_path, measures=()) as study:
        study.run(watch=lambda progress: None)
    assert main(["diversity", str(tmp_path)]) == 0
    assert "sweep over several seeds" in capsys.readouterr().out


def test_the_command_shows_tags_as_text(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["diversity", str(store)]) == 0
    shown = capsys.readouterr().out
    assert "<img src=x>" in shown
    assert "length [s]" in shown
    assert "[" in shown, "intervals are shown"
    assert main(["diversity", str(store), "--json"]) == 0
    assert {row["tags"] for row in json.loads(capsys.readouterr().out)} == set(TAGS)


def test_learned_answers_by_a_model_on_disk(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tiny_clap(tmp_path)
    files = [str(path) for path in sorted((store / "audio").rglob("*.*"))[:2]]
    asked = ["--text", "house", "--clap-model", str(tmp_path)]
    assert main(["learned", files[0], str(tmp_path / "absent.wav"), files[1], *asked]) == 66
    out, err = capsys.readouterr()
    assert "there is no file" in err
    said = json.loads(out)
    assert [row["path"] for row in said["files"]] == files, "one lost file does not lose the others"
    for row in said["files"]:
        assert -1 <= row["text_agreement"]["cosine"] <= 1
        assert row["text_agreement"]["revision"].startswith("sha256:")


def test_absent_weights_say_how_to_get_them(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(next((store / "audio").rglob("*.*")))
    monkeypatch.setenv("HF_HOME", str(store / "no-cache"))
    code = main(["learned", file, "--text", "house", "--clap-model", "nobody/nothing"])
    assert code != 0
    assert "get it by `hf download nobody/nothing`" in capsys.readouterr().err


def test_learned_without_a_file_that_can_be_read_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    assert main(["learned", str(tmp_path / "notes.txt"), "--text", "house"]) == 65
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)


def test_learned_must_be_asked_something(store: Path) -> None:
    assert main(["learned", str(next((store / "audio").rglob("*.*")))]) == 64
