"""How soon does a click show, with 10,000 takes, and how free is the kernel while a study runs?

    python experiments/bench-panels/panels.py [--takes 10000] [--clicks 20]

Reaction: the real app in Chromium on a grown store; milliseconds from the click to the first
changed row on the screen. Kernel: the sweep panel renders a study in a real kernel; milliseconds
from asking for ``1 + 1`` to the answer, beside the same kernel at rest in the same run.
"""

from __future__ import annotations

import argparse
import os
import runpy
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from jupyter_client.manager import start_new_kernel
from playwright.sync_api import Locator, sync_playwright

from workbench.benchmark import Found, leave

_STORE = Path(__file__).parents[1] / "bench-store" / "store.py"
_TOKEN = "bench"  # noqa: S105  # of a server that lives for this run, on this machine
_APP = "import sys; from workbench.cli import main; sys.exit(main())"
_CHANGED = """
(button) => new Promise((done) => {
  const body = document.querySelector("section[aria-label=Takes] tbody");
  const take = () => body.querySelector("tr[data-take]")?.dataset.take;
  const before = take();
  const began = performance.now();
  const seen = new MutationObserver(() => {
    if (take() === undefined || take() === before) return;
    seen.disconnect();
    requestAnimationFrame(() => done(performance.now() - began));
  });
  seen.observe(body, { childList: true });
  button.click();
})
"""
_CHOSEN = """
(row) => new Promise((done) => {
  const detail = document.querySelector("section[aria-label=Takes] .wb-detail");
  const began = performance.now();
  const seen = new MutationObserver(() => {
    seen.disconnect();
    requestAnimationFrame(() => done(performance.now() - began));
  });
  seen.observe(detail, { childList: true });
  row.click();
})
"""
_RUN = """
from workbench.widgets import SweepPanel
panel = SweepPanel({folder!r})
panel.answer("run", {{"form": {{"seeds": 500, "durations_s": [20]}}}})
"""


@contextmanager
def app(store: Path) -> Iterator[str]:
    """The app on a store; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", _APP, "app", str(store), "--port", str(port), "--no-browser"]
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = os.environ | {"JUPYTER_TOKEN": _TOKEN}
    with subprocess.Popen(command, env=environment, **silent) as server:
        try:
            while not _is_up(f"http://127.0.0.1:{port}/voila/static/voila.js"):
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/?token={_TOKEN}"
        finally:
            server.terminate()


def _is_up(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False).is_success
    except httpx.HTTPError:
        return False


def reactions(store: Path, clicks: int) -> dict[str, list[float]]:
    """Milliseconds from click to changed screen, by what was clicked."""
    found: dict[str, list[float]] = {"sort by tempo": [], "sort by loudness": [], "open a take": []}
    with app(store) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto(url, timeout=60_000)
        page.get_by_role("tab", name="Takes").click(timeout=60_000)
        takes = page.locator('section[aria-label="Takes"]')
        takes.locator("tr[data-take]").first.wait_for()
        page.wait_for_timeout(2000)
        buttons: dict[str, Locator] = {
            "sort by tempo": takes.get_by_role("button", name="tempo (BPM)"),
            "sort by loudness": takes.get_by_role("button", name="loudness (LUFS)"),
        }
        for click in range(clicks):
            for name, button in buttons.items():
                found[name].append(button.evaluate(_CHANGED))
            row = takes.locator("tr[data-take]").nth(click % 8)
            found["open a take"].append(row.evaluate(_CHOSEN))
        browser.close()
    return found


def answers(folder: str, asked: int) -> dict[str, list[float]]:
    """Milliseconds until a kernel says 1 + 1, at rest and while a panel runs a study."""
    manager, client = start_new_kernel()
    try:
        client.execute_interactive("import workbench.widgets", timeout=120)
        found = {"kernel at rest": [_answer_ms(client) for _ in range(asked)]}
        client.execute_interactive(_RUN.format(folder=folder), timeout=120, silent=True)
        time.sleep(3)
        found["kernel while a study runs"] = [_answer_ms(client) for _ in range(asked)]
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return found


def _answer_ms(client: object) -> float:
    began = time.perf_counter()
    client.execute("1 + 1", reply=True, timeout=30)  # type: ignore[attr-defined]
    answered_ms = (time.perf_counter() - began) * 1000
    time.sleep(0.05)
    return answered_ms


def main() -> None:
    """Grow a store, click, ask, leave what was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--takes", type=int, default=10_000)
    parser.add_argument("--clicks", type=int, default=20)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "grown"
        runpy.run_path(str(_STORE))["fill"](store, asked.takes)
        clicks = reactions(store, asked.clicks)
        kernel = answers(f"{folder}/running", 5 * asked.clicks)
    found = [Found(name, times, "ms to the screen", at_most=200) for name, times in clicks.items()]
    for name, times in kernel.items():
        baseline = "" if name == "kernel at rest" else "kernel at rest"
        found.append(Found(name, times, "ms to the answer", baseline))
    leave("panels", f"How soon does a click show, with {asked.takes} takes?", found)


if __name__ == "__main__":
    main()
