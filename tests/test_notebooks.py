"""Each notebook runs as it is, with small parameters, and leaves what it promises."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.test_ground import ROOT
from workbench.experiment import Experiment, list_experiments, run_experiment

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CELL_LINES_MAX = 25
EXPERIMENTS = {each.notebook.name: each for each in list_experiments(ROOT / "experiments")}
# What makes a notebook small enough for a test; a notebook not named here runs as it is.
SMALL: dict[str, dict[str, Any]] = {
    "tempo-fidelity.ipynb": {
        "tag_sets": ["house, 124 BPM", "<script>alert(1)</script>, $\\frac{, jazz"],
        "seeds": 1,
        "durations_s": [8],
    },
    "experiment.ipynb": {
        "question": "seed-luck",
        "study": {
            "name": "luck",
            "base": {"tags": "house", "lyrics": "[inst]", "duration_s": 6},
            "axes": {"tags": ["house, 124 BPM", "techno, 132 BPM"], "seed": {"count": 2}},
        },
        "source": None,
        "options": {},
    },
}
# What a notebook leaves beside the executed notebook and its record.
LEAVES = {
    "cost-and-quality.ipynb": {"report.html", "takes.csv"},
    "experiment.ipynb": {"report.html", "takes.csv", "report.md", "answer.json"},
    "tempo-fidelity.ipynb": {"report.html", "takes.csv", "answer.json"},
    "check-the-rulers.ipynb": {"rulers.csv", "answer.json", "report.html"},
    "your-own-files.ipynb": {"files.csv"},
}
# A sentence from the numbers: it holds some, and none of them is missing.
ANSWER = re.compile(r"\d.*\.")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_and_answers(path: Path, tmp_path: Path) -> None:
    by_itself = Experiment(path.stem, "", path, {})
    experiment = EXPERIMENTS.get(path.name, by_itself)
    folder = run_experiment(experiment, SMALL.get(path.name, {}), tmp_path)
    left = {each.name for each in folder.iterdir()}
    assert {"executed.ipynb", "provenance.json"} | LEAVES.get(path.name, set()) <= left
    assert "failed" not in json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    cells = json.loads((folder / "executed.ipynb").read_text(encoding="utf-8"))["cells"]
    printed = [
        "".join(output["text"])
        for cell in cells
        for output in cell.get("outputs", ())
        if output.get("name") == "stdout"
    ]
    assert ANSWER.search(printed[-1])
    assert "nan" not in printed[-1]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_without_outputs_and_says_its_limits(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    assert sum("parameters" in cell["metadata"].get("tags", []) for cell in code) == 1
    assert all(len(cell["source"]) <= CELL_LINES_MAX for cell in code)
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    words = "".join("".join(cell["source"]) for cell in notebook["cells"])
    assert "**Limits.**" in words
    assert "?" in "".join(notebook["cells"][0]["source"]) or path.name == "experiment.ipynb"
