"""The notebooks in real JupyterLab: opened, run, reloaded, their kernels restarted."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser import Visit
from tests.panels.conftest import Desk, close_all, open_notebook, run_all, shot
from tests.test_ground import ROOT

NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
# Panels that a notebook shows.
PANELS = {
    "start-here.ipynb": ("Takes",),
    "sweep-and-choose.ipynb": ("Sweep", "Takes"),
    "inpaint-seams.ipynb": ("Seam",),
    "cost-and-quality.ipynb": ("Report",),
    "listening-test.ipynb": ("Listen",),
}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_runs_as_it_is(lab: Desk, visit: Visit, name: str) -> None:
    page = visit.page
    open_notebook(page, lab, name)
    assert run_all(page)
    for panel in PANELS.get(name, ()):
        section = page.locator(f'section[aria-label="{panel}"]')
        section.scroll_into_view_if_needed()
        expect(section.locator(".wb-body > *").first).to_be_attached()
        expect(section.locator(".wb-error")).to_have_count(0)
        shot(page, f"lab-{name.removesuffix('.ipynb')}-{panel.lower()}")
    close_all(page)


def use_theme(page: Page, name: str) -> None:
    """Switch JupyterLab's theme and wait until it is there."""
    page.evaluate(
        "name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})", name
    )
    light = "false" if "Dark" in name else "true"
    expect(page.locator("body")).to_have_attribute("data-jp-theme-light", light, timeout=20_000)
    # JupyterLab takes its curtain down twice, and fails, where the next theme comes before it fell.
    expect(page.locator("#jupyterlab-splash")).to_have_count(0)


def test_a_panel_outlives_a_reload_and_a_restart(lab: Desk, visit: Visit) -> None:
    page = visit.page
    open_notebook(page, lab, "start-here.ipynb")
    assert run_all(page)
    takes = page.locator('section[aria-label="Takes"]')
    expect(takes.locator("[data-count]")).to_have_attribute("data-count", "1")
    use_theme(page, "JupyterLab Dark")
    expect(takes).to_have_attribute("data-theme", "dark")
    takes.scroll_into_view_if_needed()
    shot(page, "lab-takes-dark")
    use_theme(page, "JupyterLab Light")
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_timeout(1000)
    size = (lab.folder / "start-here.ipynb").stat().st_size
    page.reload()
    expect(takes.locator("[data-count]")).to_have_attribute("data-count", "1", timeout=60_000)
    takes.locator("tr[data-take]").first.click()
    expect(takes.get_by_text("loudness_lufs", exact=True)).to_be_visible()
    # No audio of the panel in the file; the player of another cell is a preview of 20 s.
    assert size < 300_000
    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    page.wait_for_timeout(1500)
    assert run_all(page)
    takes = page.locator('section[aria-label="Takes"]')
    expect(takes.locator("[data-count]")).to_have_attribute("data-count", "1", timeout=30_000)
    expect(page.locator(".jp-Notebook")).to_contain_text("all 1 takes were found")
    close_all(page)
