"""Experiments: parameters, provenance, failures, and several runs at once; on small notebooks."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.test_ground import ROOT
from workbench.cli.notebooks import pair
from workbench.engines import ENGINES, is_hosted
from workbench.errors import ExperimentError, RequestError
from workbench.experiment import (
    Experiment,
    changed,
    changed_since,
    compare_runs,
    experiments_folder,
    go_on,
    list_experiments,
    read_experiment,
    read_run,
    run_experiment,
)
from workbench.provenance import _checkout, provenance
from workbench.studyfile import StudyFile
from workbench.sweep import Sweep

Make = Callable[..., Experiment]
HOSTILE = '\'; raise SystemExit #\n""" $(id) `id` {x} %s \\N{BULLET} </script> ‮ 日本'


def cell(source: str, *tags: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "id": f"c{abs(hash(source)) % 10**8}",
        "metadata": {"tags": list(tags)},
        "source": source,
        "outputs": [],
        "execution_count": None,
    }


def say(path: Path) -> Any:
    return json.loads((path / "said.json").read_text(encoding="utf-8"))


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """An experiment whose notebook has the parameters `text` and `number`, and given cells."""

    def build(*sources: str, **parameters: Any) -> Experiment:
        cells = [cell("text = 'as is'\nnumber = 1", "parameters"), *map(cell, sources)]
        spec = {"display_name": "gone", "language": "python", "name": "no-such-kernel"}
        notebook = {
            "cells": cells,
            "metadata": {"kernelspec": spec, "language_info": {"name": "python"}},
            "nbformat": 4,
            "nbformat_minor": 5,
        }
        path = tmp_path / "trial.ipynb"
        path.write_text(json.dumps(notebook), encoding="utf-8")
        return Experiment("trial", "does it run?", path, parameters)

    return build


SAY = (
    "import json, os, sys\n"
    "said = {'text': text, 'number': number, 'python': sys.executable, 'prefix': sys.prefix}\n"
    "json.dump(said | {'cwd': os.getcwd()}, open('said.json', 'w'))"
)


def test_parameters_stack_and_hostile_text_arrives_as_it_is(make: Make, tmp_path: Path) -> None:
    folder = run_experiment(make(SAY, number=2, text="mine"), {"text": HOSTILE}, tmp_path / "runs")
    said = say(folder)
    assert (said["text"], said["number"]) == (HOSTILE, 2)
    assert said["cwd"] == str(folder)


def test_an_unknown_parameter_is_refused_with_the_known_ones_before_anything_is_made(
    make: Make, tmp_path: Path
) -> None:
    with pytest.raises(RequestError, match=r"no parameter seed: it knows number, text\."):
        run_experiment(make(SAY), {"seed": 1}, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_failing_notebook_is_saved_and_its_cell_shown(make: Make, tmp_path: Path) -> None:
    experiment = make("before = 1", "wish = {}\nwish['tempo']", "after = 1")
    with pytest.raises(ExperimentError) as caught:
        run_experiment(experiment, {}, tmp_path / "runs")
    error = caught.value
    # Papermill puts the parameters of a run into a cell of their own, if there are any.
    assert error.cell == 3
    assert "cell 3 of trial failed: KeyError: 'tempo'" in str(error)
    assert "    wish = {}\n    wish['tempo']" in str(error)
    assert error.notebook is not None
    notebook = json.loads(error.notebook.read_text(encoding="utf-8"))
    outputs = [output for c in notebook["cells"] for output in c.get("outputs", [])]
    assert any(o["output_type"] == "error" and o["ename"] == "KeyError" for o in outputs)
    assert notebook["cells"][-1]["execution_count"] is None  # what came after never ran
    record = json.loads((error.notebook.parent / "provenance.json").read_text(encoding="utf-8"))
    assert "KeyError" in record["failed"]
    assert record["ended_at"] >= record["started_at"]


def test_a_process_that_dies_is_an_experiment_that_failed(make: Make, tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="ended early"):
        run_experiment(make("import os; os._exit(7)"), {}, tmp_path / "runs")
    (record,) = (tmp_path / "runs").glob("*/provenance.json")
    assert "ended early" in json.loads(record.read_text(encoding="utf-8"))["failed"]


def test_a_cell_that_takes_too_long_ends_the_run(make: Make, tmp_path: Path) -> None:
    experiment = make("import time; time.sleep(600)")
    with pytest.raises(ExperimentError, match="longer than 2 s"):
        run_experiment(experiment, {}, tmp_path / "runs", timeout_s=2)


def test_the_kernel_is_this_python_whatever_is_registered(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered = tmp_path / "jupyter" / "kernels" / "python3"
    registered.mkdir(parents=True)
    spec = {"argv": ["false", "{connection_file}"], "display_name": "x", "language": "python"}
    (registered / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("PATH", "")
    said = say(run_experiment(make(SAY), {}, tmp_path / "runs"))
    assert (said["python"], said["prefix"]) == (sys.executable, sys.prefix)


def test_a_dotted_name_changes_a_part_and_leaves_the_rest(make: Make, tmp_path: Path) -> None:
    experiment = make(SAY, text={"engines": ["sketch"], "axes": {"options.steps": [8], "seed": 1}})
    changes = {"text.engines": ["local"], "text.axes.options.steps": [27], "text.budget_usd": 2}
    said = say(run_experiment(experiment, changes, tmp_path / "runs"))
    axes = {"options.steps": [27], "seed": 1}
    assert said["text"] == {"engines": ["local"], "axes": axes, "budget_usd": 2}
    assert experiment.parameters["text"]["engines"] == ["sketch"]  # the experiment's own stay
    with pytest.raises(RequestError, match=r"no parameter number\.part"):
        run_experiment(experiment, {"number.part": 1}, tmp_path / "runs")


BREAKS_ONCE = (
    "import pathlib\nleft = pathlib.Path('left.txt')\n"
    "if not left.exists():\n    left.write_text('kept')\n    raise KeyError('tempo')"
)


def test_a_run_that_broke_goes_on_in_its_own_folder(make: Make, tmp_path: Path) -> None:
    experiment = make(BREAKS_ONCE, SAY)
    with pytest.raises(ExperimentError):
        run_experiment(experiment, {"number": 2}, tmp_path / "runs")
    (folder,) = (tmp_path / "runs").iterdir()
    broken = read_run(folder)
    again = replace(experiment, parameters=broken["parameters"])
    assert go_on(again, {"number": 3}, folder) == folder
    assert (say(folder)["number"], (folder / "left.txt").read_text()) == (3, "kept")
    record = read_run(folder)
    assert "failed" not in record
    (tried,) = record["earlier"]
    assert tried["started_at"] == broken["started_at"]
    assert "KeyError" in tried["failed"]
    assert list((tmp_path / "runs").iterdir()) == [folder]
    assert compare_runs(folder, folder) == {}


def test_what_changed_since_a_run_is_named(make: Make, tmp_path: Path) -> None:
    experiment = make(SAY)
    record = read_run(run_experiment(experiment, {}, tmp_path / "runs"))
    assert changed_since(record, experiment) == []
    experiment.notebook.write_text(experiment.notebook.read_text().replace("as is", "changed"))
    assert changed_since(record | {"commit": "another"}, experiment) == ["notebook", "commit"]


def test_going_on_needs_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    from workbench.cli import main

    assert main(["experiment", "run", "loop-bed", "--go-on"]) == 65
    assert "needs a run's folder" in capsys.readouterr().err


def test_provenance_says_what_it_takes_to_run_it_again(make: Make, tmp_path: Path) -> None:
    experiment = make(SAY, number=3)
    first = run_experiment(experiment, {"text": "it's"}, tmp_path / "runs")
    record = json.loads((first / "provenance.json").read_text(encoding="utf-8"))
    assert record["parameters"] == {"number": 3, "text": "it's"}
    assert record["again"] == (
        "workbench experiment run trial -p number=3 -p 'text=\"it'\"'\"'s\"'"
    )
    assert record["question"] == "does it run?"
    assert set(provenance()) | {"notebook", "started_at", "ended_at"} <= set(record)
    lock = hashlib.sha256((ROOT / "requirements" / "all.txt").read_bytes()).hexdigest()
    assert record["lock"] == f"sha256 {lock} of requirements/all.txt"
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?", record["commit"])
    assert "failed" not in record
    experiment.notebook.write_text(experiment.notebook.read_text().replace("as is", "changed"))
    second = run_experiment(experiment, {}, tmp_path / "runs")
    later = json.loads((second / "provenance.json").read_text(encoding="utf-8"))
    assert later["notebook"] != record["notebook"]
    assert later["packages"] == record["packages"]


def test_without_a_checkout_there_is_no_commit_and_no_lock(tmp_path: Path) -> None:
    """An installed package must not be given the commit of a folder that it happens to lie in."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    installed = tmp_path / "site-packages"
    installed.mkdir()
    assert _checkout(installed) == {}
    assert set(_checkout(tmp_path)) == {"commit"}


def test_two_runs_at_once_have_folders_of_their_own(make: Make, tmp_path: Path) -> None:
    make(SAY)
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "trial.ipynb").rename(tmp_path / "notebooks" / "trial.ipynb")
    (tmp_path / "experiments" / "trial").mkdir(parents=True)
    text = "question: does it run?\nnotebook: trial.ipynb\n"
    (tmp_path / "experiments" / "trial" / "params.yml").write_text(text)
    main = "import sys; from workbench.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", main, "experiment", "run", "trial", "-p"]
    running = [
        subprocess.Popen([*command, f"number={number}"], cwd=tmp_path, stdout=subprocess.DEVNULL)
        for number in (5, 6)
    ]
    assert [process.wait(180) for process in running] == [0, 0]
    left = list((tmp_path / "runs").iterdir())
    assert sorted(say(folder)["number"] for folder in left) == [5, 6]


FOLDERS = sorted(path for path in (ROOT / "experiments").iterdir() if path.is_dir())


def asked_in(folder: Path) -> str:
    """The question of a folder, where it is decided: parameters, a script, or a study."""
    if (folder / "params.yml").is_file():
        return read_experiment(folder.parent, folder.name).question
    for script in sorted(folder.glob("*.py")):
        return (ast.get_docstring(ast.parse(script.read_text("utf-8"))) or "").splitlines()[0]
    return (folder / "study.yml").read_text("utf-8").splitlines()[0].removeprefix("# ")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_each_folder_says_its_question_and_its_command(folder: Path) -> None:
    title, _, rest = (folder / "README.md").read_text("utf-8").partition("\n")
    assert title == f"# {asked_in(folder)}"
    named = [word for word in rest.split() if word.startswith("experiments/")]
    if (folder / "params.yml").is_file():
        assert f"workbench experiment run {folder.name}\n" in rest
    else:
        assert named
        assert all((ROOT / word).exists() for word in named)


ASKED = [folder for folder in FOLDERS if (folder / "params.yml").is_file()]


@pytest.mark.parametrize("folder", ASKED, ids=lambda folder: folder.name)
def test_what_a_readme_says_to_change_can_bechanged(folder: Path) -> None:
    """Every command it names is one that the experiment takes, down to the study's fields."""
    text = (folder / "README.md").read_text("utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.startswith("workbench ")]
    assert len(lines) >= 2
    for line in lines:
        *start, name = shlex.split(line)[:4]
        assert (start, name) == (["workbench", "experiment", "run"], folder.name)
        changes = dict(pair(word) for word in shlex.split(line)[4:] if word != "-p")
        parameters = changed(read_experiment(folder.parent, name), changes)
        if "study" not in parameters:
            continue
        study = StudyFile(**parameters["study"])
        assert all(each.name in ENGINES for each in study.engines)
        if any(is_hosted(each.name) for each in study.engines) and not study.loopback:
            assert study.budget_usd  # no line here spends without a cap
        if "source" not in parameters:
            assert len(Sweep(study.base, skip=study.skip, **study.axes)) > 1


def test_experiments_are_found_from_below_and_read_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "experiments"
    (folder / "one").mkdir(parents=True)
    (folder / "one" / "params.yml").write_text("question: why?\nnotebook: n.ipynb\n")
    (tmp_path / "deep" / "down").mkdir(parents=True)
    assert experiments_folder(tmp_path / "deep" / "down") == folder
    (found,) = list_experiments(folder)
    assert (found.name, found.question, found.parameters) == ("one", "why?", {})
    assert found.notebook == tmp_path / "notebooks" / "n.ipynb"
    for name in ("two", "../experiments/one"):
        with pytest.raises(RequestError, match=r"there are: one"):
            read_experiment(folder, name)


def test_without_a_project_there_are_no_experiments(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="no experiments folder"):
        experiments_folder(tmp_path)
