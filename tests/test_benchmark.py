"""What a benchmark leaves says the figure, its baseline and its goal."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from workbench import benchmark
from workbench.benchmark import Found, figure, leave, table
from workbench.errors import RequestError

ROOT = Path(__file__).parents[1]


def test_goals_are_judged_by_the_median() -> None:
    seen = table(
        [
            Found("quick", [0.1, 0.2, 9.0], "s", at_most=0.2),
            Found("slow", [0.1, 0.3, 0.3], "s", at_most=0.2),
            Found("many", [900.0], "takes/s", at_least=1_000),
            Found("enough", [1_000.0], "takes/s", at_least=1_000),
            Found("free", [1.0], "s"),
        ]
    )
    assert list(seen["met"]) == ["yes", "no", "no", "yes", ""]
    assert list(seen["goal"])[2:] == [">= 1000 takes/s", ">= 1000 takes/s", ""]


@pytest.mark.parametrize("baseline", [Found("b", [1.0], "MB"), Found("other", [1.0], "s")])
def test_a_baseline_must_be_there_in_the_same_unit(baseline: Found) -> None:
    with pytest.raises(RequestError, match="no baseline"):
        table([baseline, Found("a", [2.0], "s", "b")])


def test_the_figure_has_an_axis_per_unit_and_every_value() -> None:
    found = [Found("a", [1.0, 2.0], "s", at_most=3.0), Found("b", [5.0], "MB")]
    seconds, megabytes = figure(found, "why?").axes
    assert (seconds.get_xlabel(), megabytes.get_xlabel()) == ("s", "MB")
    drawn = {float(x) for line in seconds.get_lines() for x in line.get_xdata()}  # type: ignore[union-attr, arg-type]
    assert drawn == {1.0, 1.5, 2.0, 3.0}
    assert [label.get_text() for label in megabytes.get_yticklabels()] == ["b"]


def test_all_is_left_in_one_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(benchmark, "RUNS", tmp_path)
    folder = leave("trial", "how long?", [Found("a", [1.0], "s"), Found("b", [3.0], "s", "a")])
    assert "3.00 x a" in re.sub(r"\s+", " ", capsys.readouterr().out)
    assert pd.read_csv(folder / "table.csv")["ratio"][1] == 3.0
    assert b"how long?" in (folder / "figure.svg").read_bytes()
    assert {"command", "load", "machine"} <= set(json.loads((folder / "origin.json").read_text()))


@pytest.mark.parametrize(
    ("script", "options"),
    [
        ("bench-start/start.py", ["--rounds", "2"]),
        ("bench-store/store.py", ["--takes", "300", "--appended", "20", "--rounds", "1"]),
        ("bench-report/report.py", ["--takes", "4"]),
        ("bench-hosted/flow.py", ["--jobs", "8", "--job-s", "0.2", "--rounds", "1"]),
        ("bench-server/load.py", ["--seconds", "1", "--submits", "20", "--polls", "40"]),
    ],
)
def test_each_benchmark_is_one_command_that_leaves_table_and_figure(
    script: str, options: list[str], tmp_path: Path
) -> None:
    path = ROOT / "experiments" / script
    run = subprocess.run(
        [sys.executable, str(path), *options],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name == path.parent.name
    assert {"table.csv", "figure.svg", "origin.json"} == {p.name for p in folder.iterdir()}
    assert len(pd.read_csv(folder / "table.csv")) >= 2


def test_every_benchmark_says_what_it_asks_in_its_first_line() -> None:
    for folder in (ROOT / "experiments").glob("bench-*"):
        readme = (folder / "README.md").read_text()
        (script,) = folder.glob("*.py")
        assert readme.startswith("# ")
        assert f"python experiments/{folder.name}/{script.name}" in readme
        assert runpy.run_path(str(script))["main"]
