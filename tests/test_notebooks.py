"""Each notebook runs as it is, with small parameters, and leaves what it promises."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.test_ground import ROOT
from workbench.experiment import list_experiments, run_experiment

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXPERIMENTS = {each.notebook.name: each for each in list_experiments(ROOT / "experiments")}
# What makes a notebook small enough for a test; a notebook not named here runs as it is.
SMALL: dict[str, dict[str, Any]] = {
    "tempo-by-tags.ipynb": {
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
# What each leaves beside the executed notebook and its record.
LEAVES = {
    "experiment.ipynb": {"report.html", "takes.csv", "answer.md"},
    "tempo-by-tags.ipynb": {"report.html", "takes.csv"},
    "check-the-rulers.ipynb": {"rulers.csv"},
}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_and_leaves_its_report(path: Path, tmp_path: Path) -> None:
    folder = run_experiment(EXPERIMENTS[path.name], SMALL.get(path.name, {}), tmp_path)
    left = {each.name for each in folder.iterdir()}
    assert {"executed.ipynb", "provenance.json", *LEAVES[path.name]} <= left
    assert "failed" not in json.loads((folder / "provenance.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_kept_without_outputs_and_says_its_limits(path: Path) -> None:
    notebook = json.loads(path.read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code)
    assert sum("parameters" in cell["metadata"].get("tags", []) for cell in code) == 1
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    words = "".join("".join(cell["source"]) for cell in notebook["cells"])
    assert "**Limits.**" in words
    assert path.name in EXPERIMENTS, "no experiment asks the question that this notebook answers"
