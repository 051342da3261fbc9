"""Every experiment through its notebook: small, again, killed, hostile, compared."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from markdown_it import MarkdownIt

from workbench.engines.sketch import SketchEngine
from workbench.errors import StoreError
from workbench.evidence import QUESTIONS
from workbench.experiment import (
    compare_runs,
    experiments_folder,
    list_experiments,
    read_experiment,
    read_run,
    run_experiment,
)
from workbench.measure import STANDARD
from workbench.take import State

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


def test_a_killed_run_leaves_its_notebook_and_goes_on_without_making_a_take_twice(
    tmp_path: Path,
) -> None:
    from workbench.cli import main
    from workbench.store import Store

    run = "import sys; from workbench.cli import main; sys.exit(main())"
    wish = ["-p", "study.axes.duration_s=[20]", "-p", "seeds=8", "--runs", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-c", run, "experiment", "run", "seed-luck", *wish],
        cwd=FOLDER.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def made(folder: Path) -> int:
        try:
            with Store(folder / "study", create=False) as store:
                states = [state for _, state in store.latest("seed-luck").values()]
        except StoreError:
            return 0
        return states.count(State.DONE)

    folder = wait_for(lambda: next(tmp_path.glob("seed-luck-*"), None))
    wait_for(lambda: made(folder) >= 3)
    process.kill()
    process.wait(60)
    wait_for(lambda: is_free(folder / "study"))  # its kernel ends when it misses its parent
    executed = json.loads((folder / "executed.ipynb").read_text(encoding="utf-8"))
    assert any(cell.get("execution_count") for cell in executed["cells"])
    before = made(folder)
    assert 3 <= before < 32
    assert "ended_at" not in read_run(folder)
    assert main(["experiment", "show", str(folder)]) == 0
    assert main(["experiment", "run", str(folder), "--go-on"]) == 0
    record = read_run(folder)
    assert record["answer"][-1].startswith("This answer took 32 takes")
    assert len(record["earlier"]) == 1
    with Store(folder / "study", create=False) as store:
        ids = [take.id for _, take in store.takes("seed-luck") if take]
        # Numbers are given once for each start: only what was under way when it died began twice.
        assert max(ids) <= 32 + SketchEngine().concurrency * SketchEngine().batch_max
    assert list(tmp_path.iterdir()) == [folder]


def wait_for(found: Callable[[], Any], limit_s: float = 120) -> Any:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.2)
    raise AssertionError("waited too long")


def is_free(folder: Path) -> bool:
    """Whether no process runs a study there."""
    from workbench.store import Store

    with Store(folder, create=False) as store:
        try:
            with store.coordinate():
                return True
        except StoreError:
            return False


BAD = "<script>alert(1)</script>"


def test_hostile_tags_stand_as_text_in_the_notebook_and_its_report(tmp_path: Path) -> None:
    """The tags come from someone who means harm; also as HTML that Jupyter would show."""
    from nbconvert import HTMLExporter

    experiment = read_experiment(FOLDER, "tag-effects")
    tags = [
        f"house, 124 BPM, {BAD}",
        "house, 124 BPM, $\\href{javascript:alert(2)}{x}$, \x1b[31mred, <img src=x onerror=a(3)>",
    ]
    changes = {"seeds": 2, "duration_s": 6, "study.axes.tags": tags, "study.base.tags": tags[0]}
    changes["study.name"] = f"{BAD} study"
    folder = run_experiment(experiment, changes, tmp_path)
    executed = (folder / "executed.ipynb").read_text(encoding="utf-8")
    shown = [
        data
        for each in json.loads(executed)["cells"]
        for output in each.get("outputs", [])
        for kind, data in output.get("data", {}).items()
        if kind == "text/html"
    ]
    assert shown  # the quote and the table of the answer
    for part in map("".join, shown):
        assert "<script>" not in part
        assert "<img" not in part
        assert "tex2jax_ignore" in part  # a dollar in a tag begins no formula
    exporter = HTMLExporter(embed_images=True)  # type: ignore[no-untyped-call]
    page = exporter.from_filename(str(folder / "executed.ipynb"))[0]
    assert BAD not in page
    assert "<img src=x" not in page
    markdown = MarkdownIt("commonmark", {"html": True}).enable("table")
    report = (folder / "report.md").read_text(encoding="utf-8")
    for said in ((folder / "report.html").read_text(encoding="utf-8"), markdown.render(report)):
        assert BAD not in said
        assert "<img src=x" not in said
    assert BAD in (folder / "answer.csv").read_text(encoding="utf-8")  # nothing was dropped


def test_a_dry_run_counts_and_prices_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.cli import main

    monkeypatch.chdir(FOLDER.parent)
    command = ["experiment", "run", "engine-comparison", "--runs", str(tmp_path / "runs")]
    wish = ["-p", "seeds=2", "-p", "study.engines=[sketch, runcomfy-1.5]", "--dry-run"]
    assert main([*command, *wish]) == 0
    said = capsys.readouterr().out
    # Two tag sets, two seeds; 12 s at the service's 0.0003 USD a second.
    assert "runcomfy-1.5: 4 takes, 0 found, 4 to generate; at most 0.014400 USD" in said
    assert not (tmp_path / "runs").exists()
    assert main(["experiment", "run", "section-repair", "-p", "seeds=1", "--dry-run"]) == 0
    assert "sketch: 2 takes" in capsys.readouterr().out
    assert main(["experiment", "run", "ruler-check", "--dry-run"]) == 65


def test_two_answers_are_compared_by_what_they_estimate(tmp_path: Path) -> None:
    """Not by the order of their sentences, which changes with what is claimed."""
    experiment = read_experiment(FOLDER, "section-repair")
    one, other = (run_experiment(experiment, {"seeds": n}, tmp_path) for n in (1, 2))
    changes = compare_runs(one, other)
    before, after = changes["numbers.seam level 3 dB"]
    assert before != after
    assert re.fullmatch(r"[\d.]+ \([\d.]+ to [\d.]+\)", after)
    assert {"parameters.seeds", "answer.in a sentence", "answer.price"} <= set(changes)
    assert not [name for name in changes if name.startswith(("commit", "engines"))]


def test_runs_that_differ_say_in_what(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from workbench.cli import main

    experiment = read_experiment(FOLDER, "loop-bed")
    one, other = (run_experiment(experiment, {"seeds": n}, tmp_path) for n in (1, 2))
    assert main(["experiment", "compare", str(one), str(other)]) == 0
    said_ = capsys.readouterr().out
    assert "parameters.seeds" in said_
    assert "answer.in a sentence:\n  - Mostly: " in said_
    assert "answer.price:\n  - This answer took 3 takes and cost 0.00 USD.\n  + This" in said_
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
