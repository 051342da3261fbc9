"""The panels without a browser: what they answer, and what their scripts must not do."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workbench.clip import Clip
from workbench.engines import engine
from workbench.errors import RequestError, StoreError
from workbench.ratings import read_ratings
from workbench.request import Request
from workbench.store import Store
from workbench.study import Study
from workbench.sweep import Sweep
from workbench.widgets import ListenPanel, ReportPanel, SeamPanel, SweepPanel, TakesPanel, sound
from workbench.widgets.base import Panel
from workbench.widgets.form import Form, quotes

WIDGETS = Path(sound.__file__).parent
HOSTILE = "</script><img src=x onerror=alert(1)>"
SMALL = {"tags": ["house"], "compared": ["120 BPM", "124 BPM"], "seeds": 2, "durations_s": [6]}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one finished study of two takes."""
    folder = tmp_path_factory.mktemp("panels")
    sweep = Sweep(Request(tags=f"house, {HOSTILE}", duration_s=14), seed=range(2))
    with Study("heard", sweep, [engine("sketch")], store=folder) as study:
        study.run(watch=lambda progress: None)
    return folder


@pytest.fixture
def sweep_panel(tmp_path: Path) -> Iterator[SweepPanel]:
    panel = SweepPanel(tmp_path)
    yield panel
    panel.wait(60)
    panel.close()


def asked(panel: Panel, question: str, **data: Any) -> Any:
    return panel.answer(question, data).data


# --- form ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        Form(),
        Form(tags=["jazz"], compared=["sax", "piano", "slow"], tag_mode="mix", seeds=1),
        Form(tags=["jazz", "sax"], compared=["piano"], tag_mode="leave-out", first_seed=7),
        Form(tags=["a 'quoted' \\ tag"], compared=[], instrumental=False, lyrics='[verse]\n"x"'),
        Form(tags=["pop"], compared=[], tempi_bpm=[90, 120], carriers=["field", "tag"]),
        Form(tags=["pop"], compared=[], keys=["C minor"], languages=["de", "en"], budget_usd="2.5"),
    ],
)
def test_the_python_shown_is_the_same_sweep(form: Form, tmp_path: Path) -> None:
    code = form.code(str(tmp_path))
    head = code[: code.index("    print(study.quote())")] + "    spec = study.spec\n"
    names: dict[str, Any] = {}
    exec(head, names)
    assert names["spec"]["sweep"] == form.sweep().to_json()
    assert [each["name"] for each in names["spec"]["engines"]] == list(form.engines)
    assert bool(names["spec"]["budget_usd"]) == bool(form.budget_usd)


def test_a_form_says_what_is_wrong() -> None:
    with pytest.raises(RequestError, match="at least one tag"):
        Form(tags=[], compared=[]).sweep()
    with pytest.raises(RequestError, match="compare at most 6"):
        Form(compared=[str(n) for n in range(7)], tag_mode="mix").sweep()
    with pytest.raises(RequestError, match="seeds"):
        Form(seeds=0)
    with pytest.raises(RequestError, match="keep one"):
        Form(tags=["90 BPM"], compared=[], tempi_bpm=[100]).sweep()


def test_a_quote_writes_nothing_and_counts_what_is_found(tmp_path: Path) -> None:
    paid = engine("sketch", usd_per_hour=36)
    form = Form(**SMALL)
    with Store(tmp_path) as empty:
        (row,) = quotes(form.sweep(), [paid], empty)
        assert empty.study_names() == []
        assert float(row["quoted_usd"]) == pytest.approx(4 * 6 / 20 * 0.01)
    with Study("s", form.sweep(), [paid], store=tmp_path) as study:
        study.run(watch=lambda progress: None)
        (row,) = quotes(form.sweep(), [paid], study.store)
    assert (row["takes"], row["found"], float(row["quoted_usd"])) == (4, 4, 0)


def test_a_large_grid_is_quoted_by_its_first_cells(tmp_path: Path) -> None:
    form = Form(**{**SMALL, "seeds": 5_000})
    with Store(tmp_path) as empty:
        (row,) = quotes(form.sweep(), [engine("sketch", usd_per_hour=36)], empty)
    assert row["takes"] == 10_000
    assert float(row["quoted_usd"]) == pytest.approx(10_000 * 6 / 20 * 0.01)


# --- sweep --------------------------------------------------------------------------------------


def test_a_panel_runs_and_another_one_finds_what_it_did(
    sweep_panel: SweepPanel, tmp_path: Path
) -> None:
    asked(sweep_panel, "run", form=SMALL)
    sweep_panel.wait(60)
    told = asked(sweep_panel, "progress")
    assert (told["phase"], told["made"], told["faults"]) == ("ended", 4, [])
    again = SweepPanel(tmp_path)
    assert asked(again, "open")["form"]["compared"] == ["120 BPM", "124 BPM"]
    asked(again, "run", form=SMALL)
    again.wait(60)
    assert "all 4 takes were found" in asked(again, "progress")["outcome"]
    again.close()


def test_pause_holds_go_on_goes_on_and_cancel_ends(sweep_panel: SweepPanel) -> None:
    asked(sweep_panel, "run", form={**SMALL, "seeds": 40})
    with pytest.raises(RequestError, match="pause or cancel it first"):
        asked(sweep_panel, "run", form=SMALL)
    assert asked(sweep_panel, "pause")["phase"] == "paused"
    still = threading.Event()
    still.wait(1.5)  # what was under way ends
    before = asked(sweep_panel, "progress")["made"]
    still.wait(0.7)
    assert asked(sweep_panel, "progress")["made"] == before < 80
    assert asked(sweep_panel, "go_on")["phase"] == "running"
    for _ in range(100):
        if asked(sweep_panel, "progress")["made"] > before:
            break
        still.wait(0.1)
    assert asked(sweep_panel, "progress")["made"] > before
    asked(sweep_panel, "cancel")
    sweep_panel.wait(60)
    assert "missing" in asked(sweep_panel, "progress")["outcome"]


def test_a_run_that_is_refused_says_so(sweep_panel: SweepPanel, tmp_path: Path) -> None:
    with Store(tmp_path) as other, other.coordinate():
        asked(sweep_panel, "run", form=SMALL)
        sweep_panel.wait(60)
    (fault,) = asked(sweep_panel, "progress")["faults"]
    assert "another process is running a study" in fault


def test_a_damaged_draft_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "panel.json").write_text('{"tags": 3, "nonsense": true}')
    panel = SweepPanel(tmp_path)
    assert asked(panel, "open")["form"]["name"] == Form().name
    panel.close()


# --- takes --------------------------------------------------------------------------------------


def test_takes_in_pages_with_what_was_measured(store: Path) -> None:
    panel = TakesPanel(store)
    assert asked(panel, "open")["study"] == "heard"
    page = asked(panel, "page", study="heard", shown={"sort": "loudness_lufs", "descending": True})
    levels = [row["loudness_lufs"] for row in page["rows"]]
    assert page["total"] == 2
    assert levels == sorted(levels, reverse=True)
    reply = panel.answer("take", {"take_id": page["rows"][0]["id"]})
    by_name = {one["name"]: one for one in reply.data["measurements"]}
    assert "octave errors" in by_name["tempo_bpm"]["error"]
    assert len(reply.buffers[0]) == 2 * sound.COLUMNS * 4
    heard = panel.answer("audio", {"take_id": page["rows"][0]["id"]}).buffers[0]
    assert abs(Clip.from_bytes(heard).duration_s - 14) < 0.1
    assert asked(panel, "page", study="heard", shown={"words": "nowhere"})["rows"] == []
    with pytest.raises(RequestError, match="no such field"):
        asked(panel, "page", study="heard", shown={"colour": "red"})
    with pytest.raises(StoreError, match="no take 99"):
        asked(panel, "take", take_id=99)
    panel.close()


def test_a_sort_order_from_outside_is_only_a_name(store: Path) -> None:
    panel = TakesPanel(store)
    page = asked(panel, "page", study="heard", shown={"sort": "1; DROP TABLE takes"})
    assert page["total"] == 2
    panel.close()


# --- listen -------------------------------------------------------------------------------------


def test_a_trial_gives_nothing_away_and_is_equally_loud(store: Path) -> None:
    panel = ListenPanel(store)
    told = asked(panel, "begin_pairs", study="heard", listener=HOSTILE, pairs=3)
    assert told["trials"] == 3
    reply = panel.answer("trial", {"trial": 0})
    assert set(reply.data) == {"sounds"}
    levels = []
    for data in reply.buffers:
        from workbench.analysis.loudness import KWeighted, loudness_lufs

        clip = Clip.from_bytes(data)
        levels.append(loudness_lufs(KWeighted.of(clip.samples, clip.rate_hz)))
    assert abs(levels[0] - levels[1]) < 0.1
    heard = asked(panel, "vote", trial=0, choice=1, comment=HOSTILE)
    assert len(heard["heard"]) == 2
    (kept,) = read_ratings(panel.store, "heard", HOSTILE)
    assert (kept.comment, kept.seed) == (HOSTILE, told["seed"])
    result = asked(panel, "result", study="heard", listener=HOSTILE)
    assert result["pairs"] == 1
    assert len(result["ranking"]) == 2
    json.dumps(result, allow_nan=False)
    panel.close()


def test_listening_says_what_it_needs(store: Path, tmp_path: Path) -> None:
    panel = ListenPanel(store)
    with pytest.raises(RequestError, match="press Begin"):
        asked(panel, "trial", trial=0)
    with pytest.raises(RequestError, match="your name"):
        asked(panel, "begin_pairs", study="heard", listener=" ", pairs=2)
    with pytest.raises(RequestError, match="two finished takes"):
        asked(panel, "begin_pairs", study="heard", listener="me", pairs=2, words="nowhere")
    with pytest.raises(RequestError, match="two different takes"):
        asked(panel, "begin_abx", study="heard", listener="me", pairs=2, first=1, second=1)
    panel.close()


# --- seam ---------------------------------------------------------------------------------------


def test_an_edit_is_judged_spliced_and_found_again(store: Path) -> None:
    panel = SeamPanel(store)
    take_id = asked(panel, "open")["takes"][0]["id"]
    loaded = asked(panel, "load", take_id=take_id)
    assert loaded["duration_s"] == 14
    wish = {"kind": "inpaint", "start_s": 5.0, "end_s": 9.0, "tags": "house", "engine": "sketch"}
    wish["options"] = {"seam_level_db": 6.0}
    assert asked(panel, "quote", **wish) == "at most 0.0000 USD (embedded engine, no charge)"
    judged = asked(panel, "edit", **wish)
    assert [seam["edge_s"] for seam in judged["seams"]] == [5.0, 9.0]
    assert judged["seams"][0]["verdict"] == "clear"
    assert len(judged["seams"][0]["elsewhere"]) == 40
    assert judged["kept"]["verdict"] == "identical"
    assert asked(panel, "edit", **wish)["take"] == judged["take"]
    spliced = asked(panel, "splice")
    assert Clip.read(spliced["path"]).duration_s == 14
    cuts = [
        Clip.from_bytes(data) for data in panel.answer("sounds", {"start_s": 2, "end_s": 8}).buffers
    ]
    assert [cut.duration_s for cut in cuts] == [6, 6, 6]
    json.dumps(judged, allow_nan=False)
    longer = asked(panel, "edit", **{**wish, "kind": "outpaint", "start_s": 0, "end_s": 5})
    assert longer["duration_s"] == 19
    with pytest.raises(RequestError, match="must lie in order"):
        asked(panel, "edit", **{**wish, "start_s": 12.0, "end_s": 40.0})
    panel.close()


def test_the_seam_panel_says_what_it_needs(tmp_path: Path) -> None:
    panel = SeamPanel(tmp_path)
    with pytest.raises(RequestError, match="name an audio file"):
        asked(panel, "load", path=" ")
    with pytest.raises(FileNotFoundError):
        asked(panel, "load", path=str(tmp_path / "none.wav"))
    with pytest.raises(RequestError, match="press Inpaint"):
        asked(panel, "splice")
    panel.close()


# --- report and all -----------------------------------------------------------------------------


def test_a_report_is_drawn_and_written(store: Path) -> None:
    panel = ReportPanel(store)
    drawn = panel.answer("figures", {"study": "heard"})
    assert len(drawn.buffers) == len(drawn.data["titles"]) == 3
    assert all(b"<script" not in figure for figure in drawn.buffers)
    written = panel.answer("export", {"study": "heard"})
    assert Path(written.data["path"]).read_bytes() == written.buffers[0]
    panel.close()


def test_a_refusal_reaches_the_browser_as_a_sentence(store: Path) -> None:
    panel = TakesPanel(store)
    sent: list[Any] = []
    panel.send = lambda content, buffers=None: sent.append(content)
    panel._reply("1", "take", {"take_id": 99})
    panel._reply("2", "nonsense", {})
    assert sent[0]["id"] == "1"
    assert "no take 99" in sent[0]["error"]
    assert "broke" in sent[1]["error"]
    panel.close()


@pytest.mark.parametrize("path", sorted(WIDGETS.glob("*.js")), ids=lambda path: path.name)
def test_scripts_make_text_of_text_and_ask_nobody_else(path: Path) -> None:
    script = path.read_text(encoding="utf-8")
    code = "\n".join(line for line in script.splitlines() if not line.lstrip().startswith("//"))
    for way_in in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert way_in not in code
    assert not re.search(r"https?://|\bfetch\(|XMLHttpRequest|import\(", code)


def test_a_preview_stays_under_what_a_kernel_may_send() -> None:
    import numpy as np

    noise = np.random.default_rng(0).normal(0, 0.1, (2, 48_000 * 150)).astype(np.float32)
    long = sound.encoded(Clip(noise, 48_000))
    assert len(long) < 3_000_000
    assert abs(Clip.from_bytes(long).duration_s - sound.PREVIEW_MAX_S) < 0.1
    short = sound.encoded(Clip(noise[:, : 48_000 * 6], 48_000))
    assert short[:4] == b"fLaC"
    assert len(short) < 3_000_000
