"""What lies beside the report's page: the same facts as Markdown, the takes as data."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Literal

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from markdown_it import MarkdownIt

from tests.browser import launched
from tests.conftest import Planted, silent
from workbench import plots
from workbench.analysis.checks.rulers import quick_figures
from workbench.engines.sketch import SketchEngine
from workbench.errors import EngineFailed
from workbench.measure import STANDARD
from workbench.provenance import provenance
from workbench.report import Drawn, Finding, ruler, write_report
from workbench.request import Request
from workbench.study import Study
from workbench.sweep import Sweep
from workbench.tables import table

SCRIPT = "<script>alert(1)</script>"
TAGS = (f"{SCRIPT} a | b, house, 124 BPM", "*bold* [x](y) `z` $t$, jazz, 100 BPM")
AGAIN = "workbench experiment run luck -p 'seeds=2'"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of hostile tags, one failing engine, and a finding with a figure."""
    folder = tmp_path_factory.mktemp("files")
    sweep = Sweep(Request(tags="house", lyrics="[inst]", duration_s=6), tags=TAGS, seed=range(2))
    bad = Planted(lambda request: EngineFailed(f"{SCRIPT} | broke."), name="bad")
    with Study("files", sweep, [SketchEngine(), bad], store=folder / "store") as study:
        study.run(watch=silent)
        finding = Finding(
            question=f"Is it luck? {SCRIPT}",
            sentences=("It is luck | mostly.", "It cost nothing."),
            limits="Two seeds.",
            table=pd.DataFrame({"level": ["a|b"], "estimate": [0.123456], "why": [None]}),
            figures=(Drawn("Luck", "By hand.", plots.asked_delivered(table(study))),),
            again=AGAIN,
        )
        write_report(study.store, study.name, folder, finding=finding)
    return folder


@pytest.fixture(scope="module")
def text(folder: Path) -> str:
    return (folder / "report.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def html(text: str) -> str:
    return rendered(text)


def rendered(markdown: str) -> str:
    return str(MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown))


def test_the_whole_report_is_there_as_markdown(html: str) -> None:
    headings = re.findall(r"<h([12])>(.*?)</h", html)
    assert headings[0] == ("1", "Is it luck? &lt;script&gt;alert(1)&lt;/script&gt;")
    assert [title for level, title in headings if level == "2"] == [
        "The numbers behind the answer",
        "At a glance",
        "Tag sets compared",
        "Asked and got",
        "What is missing or failed",
        "Costs",
        "How it was measured, and its limits",
        "Provenance",
    ]
    assert "<li>It is luck | mostly.</li>" in html
    assert "<strong>Limits.</strong> Two seeds." in html
    assert f"<code>{AGAIN}\n</code>" in html
    assert "<td>0.1235</td>" in html


def test_the_rulers_are_checked_on_programmed_clips(
    planted_study: Callable[..., Study], tmp_path: Path
) -> None:
    with planted_study(Planted()) as study:
        study.run(watch=silent)
        page = unescape(write_report(study.store, study.name, tmp_path).read_text(encoding="utf-8"))
    markdown = rendered((tmp_path / "report.md").read_text(encoding="utf-8"))
    figures = quick_figures()
    assert {figure.ruler for figure in figures} >= {"tempo", "beats", "key", "loudness", "silence"}
    for figure in figures:
        cells = (figure.what, figure.text, figure.interval_text, str(figure.n))
        assert "</td>\n<td>".join(cells) in unescape(markdown)
        assert re.search(r"</td><td[^>]*>".join(map(re.escape, cells)), page)


def test_hostile_words_neither_break_a_table_nor_become_markup(html: str) -> None:
    assert "<script>" not in html
    assert "<em>" not in html
    assert "href" not in html
    tables = re.findall(r"<table>.*?</table>", html, re.DOTALL)
    assert len(tables) == 9
    for each in tables:
        rows = re.findall(r"<tr>(.*?)</tr>", each, re.DOTALL)
        assert len({len(re.findall(r"<t[hd]>", row)) for row in rows}) == 1
        assert len(rows) > 1


def test_provenance_holds_what_it_takes_in_both_forms(folder: Path, html: str) -> None:
    page = (folder / "report.html").read_text(encoding="utf-8")
    expected = ["written", "takes made", *provenance(), "engine sketch", "engine bad", "weights"]
    for name in [*expected, "device", "rulers", "seeds", "asked", "budget", "report again"]:
        assert f"<td>{name}</td>" in html
        assert f'<th scope="row">{name}</th>' in page
    assert provenance()["lock"] in page
    assert '<th scope="row">make again</th>' in page


def test_every_quantity_of_the_standard_set_has_a_known_error() -> None:
    quantities = [name for measure in STANDARD for name in measure.quantities]
    assert [name for name in quantities if not ruler(name)[1]] == []


def test_figures_lie_beside_it_and_in_the_page(folder: Path, html: str) -> None:
    assert '<img src="figure-1.svg" alt="Luck"' in html
    assert (folder / "figure-1.svg").read_text(encoding="utf-8").startswith("<?xml")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("<figcaption>") == 3
    assert page.index("<b>Luck.</b>") < page.index("<h2>Tag sets compared</h2>")
    assert "<td><bdi>a|b</bdi></td><td><bdi>0.1235</bdi></td><td><bdi>–</bdi></td>" in page


def test_parquet_keeps_numbers_as_numbers_and_the_dictionary_says_which(folder: Path) -> None:
    kept, said = pd.read_parquet(folder / "takes.parquet"), pd.read_csv(folder / "columns.csv")
    assert list(kept.columns) == list(said["column"])
    assert [str(kind).lower() for kind in kept.dtypes] == list(said["type"].str.lower())
    by_name = said.set_index("column")
    assert kept["loudness_lufs"].dtype == "float64"
    assert by_name.loc["loudness_lufs", "unit"] == "LUFS"
    assert "loudness/1" in str(by_name.loc["loudness_lufs", "meaning"])
    assert kept["seed"].tolist() == pd.read_csv(folder / "takes.csv")["seed"].tolist()
    assert said["meaning"].notna().all()


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_text_that_a_spreadsheet_would_run_is_one_in_csv_and_as_it_is_in_parquet(
    planted_study: Callable[..., Study], tmp_path: Path, start: str
) -> None:
    formula = start + "HYPERLINK(0)"
    numbers = pd.DataFrame({"level": [formula], "estimate": [-1.5]})
    study = planted_study(Planted(lambda request: EngineFailed(formula)))
    study.run(watch=silent)
    write_report(study.store, study.name, tmp_path, finding=Finding(table=numbers))
    reasons = pd.read_parquet(tmp_path / "takes.parquet")["reason"]
    assert reasons.str.startswith(formula).all()
    assert pd.read_csv(tmp_path / "takes.csv")["reason"].str.startswith("'" + formula).all()
    answer = pd.read_csv(tmp_path / "answer.csv")
    assert answer["level"].tolist() == ["'" + formula]
    assert answer["estimate"].tolist() == [-1.5]


def test_a_study_without_takes_and_without_a_question_has_its_files(tmp_path: Path) -> None:
    sweep = Sweep(Request(tags="house", duration_s=6), seed=range(2))
    with Study("bare", sweep, [SketchEngine()], store=tmp_path) as study:
        write_report(study.store, study.name)
    said = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert said.startswith("# bare\n\n- No take could be judged on tempo")
    assert "Make it again" not in said
    assert len(pd.read_parquet(tmp_path / "takes.parquet")) == 2
    assert not list(tmp_path.glob("answer.csv"))
    assert not list(tmp_path.glob("figure-*.svg"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_breaks_no_rule_of_accessibility(
    folder: Path, scheme: Literal["light", "dark"]
) -> None:
    with launched() as browser:
        # The page forbids scripts, also the checker's.
        page = browser.new_context(offline=True, color_scheme=scheme, bypass_csp=True).new_page()
        page.goto((folder / "report.html").resolve().as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        found = Axe().run(page).response["violations"]
        assert [(each["id"], each["nodes"][0]["html"]) for each in found] == []
        page.evaluate("document.querySelector('#behind img').removeAttribute('alt')")
        assert [each["id"] for each in Axe().run(page).response["violations"]] == ["image-alt"]
