"""The panels as a person uses them, in the app: clicking, dragging, hearing, reading."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Locator, Page, expect

from tests.browser import Visit
from tests.panels.conftest import Desk, shot
from workbench.engines import engine
from workbench.ratings import read_ratings
from workbench.request import Request
from workbench.store import Store
from workbench.study import Study
from workbench.sweep import Sweep

HOSTILE = "<img src=x onerror=alert(1)> jazz"
TABS = ("Sweep", "Takes", "Listen", "Seam", "Report")
Start = Callable[..., Desk]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a small finished study, hostile words among its tags and lyrics."""
    folder = tmp_path_factory.mktemp("made")
    base = Request(
        tags="house", lyrics="[verse]\n</script><script>alert(2)</script>", duration_s=14
    )
    sweep = Sweep(base, tags=["house, 124 BPM", HOSTILE], seed=range(3))
    name = 'a "study" <b>of</b> tags'
    with Study(name, sweep, [engine("sketch")], store=folder) as study:
        assert study.run(watch=lambda progress: None).is_complete
    return folder


def panel(page: Page, desk: Desk, tab: str) -> Locator:
    """Open the app at one of its tabs."""
    page.goto(desk.url, timeout=60_000)
    page.wait_for_selector(".wb-root", timeout=60_000)
    page.get_by_role("tab", name=tab).click()
    found = page.locator(f'section[aria-label="{tab}"]')
    found.wait_for(state="visible")
    return found


def advancing(bar: Locator) -> None:
    """The time of a player goes on."""
    time = bar.locator(".wb-time").first
    expect(time).not_to_have_attribute("data-position", "0.000", timeout=20_000)
    before = float(time.get_attribute("data-position") or 0)
    bar.page.wait_for_timeout(600)
    assert float(time.get_attribute("data-position") or 0) > before + 0.2


def test_a_sweep_by_clicking(voila: Start, visit: Visit, tmp_path: Path) -> None:
    page = visit.page
    sweep = panel(page, voila(tmp_path / "new"), "Sweep")
    expect(sweep.locator(".wb-count")).to_have_attribute("data-takes", "6")
    sweep.get_by_role("button", name="Remove 90 BPM").click()
    expect(sweep.locator(".wb-count")).to_have_attribute("data-takes", "3")
    tags = sweep.get_by_label("Tags to compare").first
    tags.fill(HOSTILE)
    tags.press("Enter")
    expect(sweep.locator(".wb-count")).to_have_attribute("data-takes", "6")
    sweep.get_by_label("Seeds").fill("30")
    sweep.get_by_label("Lengths (s)").fill("8, 30")
    expect(sweep.locator(".wb-count")).to_have_attribute("data-takes", "120")
    sweep.get_by_label("Tempo (BPM)").fill("5000")
    expect(sweep.locator(".wb-news")).to_contain_text("less than or equal to 300")
    expect(sweep.locator(".wb-fault")).to_contain_text("300")
    expect(sweep.get_by_role("button", name="Run", exact=True)).to_be_disabled()
    sweep.get_by_label("Tempo (BPM)").fill("")
    sweep.get_by_text("The same in Python").click()
    expect(sweep.locator("pre.wb-code")).to_contain_text("seed=range(0, 30)")
    sweep.get_by_text("The first takes of the grid").click()
    expect(sweep.locator("details td").first).to_contain_text("lo-fi hip-hop")
    sweep.get_by_role("button", name="Run", exact=True).click()
    told = sweep.locator(".wb-told")
    expect(told).to_contain_text("takes/min", timeout=20_000)
    sweep.get_by_role("button", name="Pause").click()
    expect(told).to_contain_text("Paused")
    shot(page, "sweep-paused-light")
    sweep.get_by_role("button", name="Resume").click()
    expect(told).to_have_attribute("data-phase", "running")
    sweep.get_by_role("button", name="Cancel").click()
    expect(told).to_have_attribute("data-phase", "ended", timeout=30_000)
    expect(told).to_contain_text("missing")
    # The page is loaded anew: what was filled in and what was made are found again.
    sweep = panel(page, voila(tmp_path / "new"), "Sweep")
    expect(sweep.get_by_label("Seeds")).to_have_value("30")
    sweep.get_by_label("Seeds").fill("2")
    expect(sweep.locator(".wb-count")).to_have_attribute("data-takes", "8")
    sweep.get_by_role("button", name="Run", exact=True).click()
    told = sweep.locator(".wb-told")
    expect(told).to_contain_text(
        re.compile(r"takes generated|all \d+ takes were found"), timeout=60_000
    )
    expect(sweep.locator(".wb-news")).to_have_text("")


def test_takes_are_sorted_filtered_heard(voila: Start, visit: Visit, made: Path) -> None:
    page = visit.page
    takes = panel(page, voila(made), "Takes")
    expect(takes.locator("[data-count]")).to_have_attribute("data-count", "6")
    takes.get_by_role("button", name="tempo (BPM)").click()
    expect(takes.locator('th[data-sort="tempo_bpm"]')).to_have_attribute("aria-sort", "ascending")
    takes.get_by_label("Tags contain").fill("JAZZ")
    expect(takes.locator("[data-count]")).to_have_attribute("data-count", "3")
    expect(takes.get_by_text(HOSTILE).first).to_be_visible()
    takes.locator("tr[data-take]").first.click()
    expect(takes.get_by_text("loudness_lufs", exact=True)).to_be_visible()
    takes.get_by_role("button", name=re.compile("Play take")).click()
    advancing(takes)
    shot(page, "takes-light")
    takes.get_by_role("button", name=re.compile("Stop take")).click()


def test_a_run_elsewhere_is_followed(voila: Start, visit: Visit, tmp_path: Path) -> None:
    sweep = Sweep(Request(tags="house", duration_s=6), seed=range(3))
    with Study("elsewhere", sweep, [engine("sketch")], store=tmp_path) as study:
        takes = panel(visit.page, voila(tmp_path), "Takes")
        expect(takes.get_by_text("missing", exact=True)).to_have_count(4)  # three rows, one choice
        study.run(watch=lambda progress: None)
        expect(takes.locator("td").get_by_text("done", exact=True)).to_have_count(3, timeout=10_000)


def test_ten_pairs_are_rated(voila: Start, visit: Visit, made: Path) -> None:
    page = visit.page
    listen = panel(page, voila(made), "Listen")
    listen.get_by_label("Listener").fill("<i>ear</i>")
    listen.get_by_role("button", name="Begin").click()
    expect(listen.locator("[data-trial='0']")).to_be_visible()
    advancing(listen)
    listen.get_by_role("button", name="Hear B").click()
    expect(listen.get_by_role("button", name="Hear B")).to_have_attribute("aria-pressed", "true")
    shot(page, "listen-light")
    votes = ("A is better", "B is better", "No difference")
    for trial in range(5):
        expect(listen.locator(f"[data-trial='{trial}']")).to_be_visible(timeout=20_000)
        listen.get_by_role("button", name=votes[trial % 3]).click()
    for trial in range(5, 10):  # by keyboard alone
        expect(listen.locator(f"[data-trial='{trial}']")).to_be_visible(timeout=20_000)
        expect(listen.get_by_role("button", name="Hear A")).to_be_visible(timeout=20_000)
        page.keyboard.press("b")
        page.keyboard.press("1")
    expect(listen.get_by_text("Ranking by this ear (10 comparisons)")).to_be_visible(timeout=20_000)
    shot(page, "listen-ranking-light")
    with Store(made) as store:
        (name,) = [name for name in store.study_names() if "study" in name]
        kept = read_ratings(store, name, "<i>ear</i>")
    assert len(kept) == 10
    assert len({rating.seed for rating in kept}) == 1
    assert all(rating.wall_s is not None and rating.wall_s > 0 for rating in kept)


def test_abx_by_keyboard(voila: Start, visit: Visit, made: Path) -> None:
    page = visit.page
    listen = panel(page, voila(made), "Listen")
    listen.get_by_label("Listener").fill("abx")
    listen.get_by_label("Question").select_option("abx")
    expect(listen.get_by_label("against this one")).to_be_visible()
    expect(listen.get_by_label("against this one").locator("option")).to_have_count(6)
    listen.get_by_label("Comparisons").fill("3")
    listen.get_by_role("button", name="Begin").click()
    for trial in range(3):
        expect(listen.locator(f"[data-trial='{trial}']")).to_be_visible(timeout=20_000)
        expect(listen.get_by_role("button", name="Hear X")).to_be_visible(timeout=20_000)
        page.keyboard.press("x")
        page.keyboard.press("2")
    expect(listen.get_by_text(re.compile(r"of 3 right"))).to_be_visible(timeout=20_000)


def test_a_window_is_dragged_made_anew_and_judged(voila: Start, visit: Visit, made: Path) -> None:
    page = visit.page
    seam = panel(page, voila(made), "Seam")
    takes = seam.get_by_label("Take", exact=True)
    takes.select_option(index=1)
    expect(seam.locator(".wb-news")).to_contain_text("beats", timeout=20_000)
    box = seam.locator("canvas.wb-over").bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.4, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.5, y)
    page.mouse.move(box["x"] + box["width"] * 0.6, y)
    page.mouse.up()
    start = float(seam.get_by_label("Window from (s)").input_value())
    end = float(seam.get_by_label("to (s)", exact=True).input_value())
    assert 4.5 < start < 6.7
    assert 7.3 < end < 9.5
    expect(seam.get_by_text("inpaint: at most 0.0000 USD")).to_be_visible()
    seam.get_by_role("button", name="Inpaint the window").click()
    expect(seam.locator("[data-verdict]")).to_have_count(2, timeout=60_000)
    expect(seam.locator("[data-kept]")).to_have_attribute("data-kept", "identical")
    seam.get_by_role("button", name=re.compile(r"Loop ±3 s")).first.click()
    advancing(seam)
    seam.get_by_role("button", name="Hear original").click()
    shot(page, "seam-light")
    page.get_by_role("button", name=re.compile("Stop")).first.click()
    seam.get_by_role("button", name="Splice the original back").click()
    expect(seam.locator(".wb-news")).to_contain_text("Spliced")
    seam.get_by_label("File").fill("/nowhere/<b>.wav")
    seam.get_by_role("button", name="Open the file").click()
    expect(seam.locator(".wb-news")).to_contain_text("there is no file /nowhere/<b>.wav")


def test_the_report_is_drawn_and_exported(voila: Start, visit: Visit, made: Path) -> None:
    page = visit.page
    report = panel(page, voila(made), "Report")
    expect(report.locator("figure img")).to_have_count(3, timeout=30_000)
    report.get_by_role("button", name="Export HTML").click()
    expect(report.locator(".wb-links")).to_contain_text("report.html", timeout=60_000)
    shot(page, "report-light")
    assert (made / "report.html").stat().st_size > 10_000


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_panel_can_be_used_by_everyone(
    voila: Start, visit: Visit, made: Path, *, dark: bool
) -> None:
    page = visit.page
    faults = []
    panel(page, voila(made, dark=dark), "Sweep")
    assert page.title() == "workbench"
    assert page.evaluate("document.documentElement.lang") == "en"
    for width in (1280, 1920):
        page.set_viewport_size({"width": width, "height": 1000})
        for tab in TABS:
            page.get_by_role("tab", name=tab).click()
            section = page.locator(f'section[aria-label="{tab}"]')
            section.wait_for(state="visible")
            if tab == "Takes":
                section.locator("tr[data-take]").first.click()
                expect(section.get_by_text("loudness_lufs", exact=True)).to_be_visible()
            if tab == "Report":
                expect(section.locator("figure img").first).to_be_visible(timeout=30_000)
            page.wait_for_timeout(300)
            shot(page, f"{tab.lower()}-{'dark' if dark else 'light'}-{width}")
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{tab} is wider than {width} pixels"
    for tab in TABS:
        page.get_by_role("tab", name=tab).click()
        found = Axe().run(page)
        faults += [
            f"{tab}: {fault['id']}: {node['html'][:120]}"
            for fault in found.response["violations"]
            for node in fault["nodes"]
        ]
    assert faults == []
