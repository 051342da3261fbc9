"""Real JupyterLab and real Voila, each in a process of its own, and Chromium to use them with.

`make test-browser` runs what is here; screenshots go to ``runs/screenshots``.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.browser import Visit, launched, watched
from tests.conftest import free_port
from tests.test_ground import ROOT

TOKEN = "test-browser"
SHOTS = ROOT / "runs" / "screenshots"
_UP_S = 60.0
_MAIN = "import sys; from workbench.cli import main; sys.exit(main())"
# What browsers and JupyterLab say by themselves, whatever runs in them.
_HARMLESS = re.compile(
    r"^(log|info|debug|warning|timeEnd|startGroup|endGroup|group)|"
    r"Failed to load resource: the server responded with a status of 404|"
    # The farewell of Voila's page to its kernel is refused where a token is used.
    r"Failed to load resource: the server responded with a status of 403|"
    r"error: .*(ResizeObserver loop)"
)
# Part of the lab's own start: a file that is not there yet, a workspace that is new.
_LOOPBACK = re.compile(r"^(https?|wss?)://(127\.0\.0\.1|localhost)(:\d+)?/|^(data|blob):")


@dataclass
class Desk:
    """A server that is up."""

    url: str
    folder: Path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All that is here needs a browser."""
    here = str(Path(__file__).parent)
    for item in items:
        if str(item.path).startswith(here):
            item.add_marker("browser")


@contextmanager
def serving(command: list[str], ready: str, folder: Path) -> Iterator[None]:
    """Run one of our commands until the block ends; its output is shown if it does not start."""
    own = {
        name: str(folder / name.lower())
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    }
    # The tests drive JupyterLab by its commands, which it hides otherwise.
    config = Path(own["JUPYTER_CONFIG_DIR"]) / "jupyter_lab_config.json"
    config.parent.mkdir(exist_ok=True)
    config.write_text('{"LabApp": {"expose_app_in_browser": true}}')
    log = folder / "server.log"
    with log.open("wb") as out:
        server = subprocess.Popen(
            [sys.executable, "-c", _MAIN, *command],
            env=os.environ | own | {"JUPYTER_TOKEN": TOKEN, "PYTHONWARNINGS": "default"},
            cwd=folder,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        until = time.monotonic() + _UP_S
        while True:
            try:
                if httpx.get(ready, timeout=5, trust_env=False).status_code == 200:
                    break
            except httpx.HTTPError:
                pass
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.2)
        yield
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests."""
    with launched() as chromium:
        yield chromium


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Desk]:
    """`workbench lab` on a copy of the notebooks."""
    folder = tmp_path_factory.mktemp("lab")
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        (folder / notebook.name).write_bytes(notebook.read_bytes())
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = ["lab", str(folder), "--port", str(port), "--no-browser"]
    with serving(command, f"{url}/api/status?token={TOKEN}", folder):
        yield Desk(url, folder)


@pytest.fixture(scope="session")
def voila(
    tmp_path_factory: pytest.TempPathFactory, browser: Browser
) -> Iterator[Callable[..., Desk]]:
    """Starts `workbench app` on a store, once per store and theme."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        up: dict[tuple[Path, bool], Desk] = {}

        def start(store: Path, *, dark: bool = False) -> Desk:
            if (store, dark) not in up:
                port = free_port()
                command = ["app", str(store), "--port", str(port), "--no-browser"]
                folder = tmp_path_factory.mktemp("app")
                command += ["--dark"] if dark else []
                ready = f"http://127.0.0.1:{port}/voila/static/voila.js"
                stack.enter_context(serving(command, ready, folder))
                up[store, dark] = Desk(f"http://127.0.0.1:{port}/?token={TOKEN}", folder)
            return up[store, dark]

        yield start


@pytest.fixture
def visit(browser: Browser) -> Iterator[Visit]:
    """A page of 1280 x 900; afterwards: no error on its console, nothing asked beyond loopback."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    seen = watched(context.new_page())
    yield seen
    context.close()
    assert [said for said in seen.console if not _HARMLESS.search(said)] == []
    assert [url for url in seen.requests if not _LOOPBACK.search(url)] == []
    assert seen.dialogs == []


def open_notebook(page: Page, lab: Desk, name: str) -> None:
    """Open a notebook and wait for its kernel."""
    page.goto(f"{lab.url}/lab/tree/{name}?reset&token={TOKEN}", timeout=60_000)
    page.wait_for_function("() => window.jupyterapp", timeout=60_000)
    page.wait_for_function(
        "() => { const name = document.querySelector('.jp-Toolbar-kernelName');"
        " const run = document.querySelector('.jp-Notebook-ExecutionIndicator');"
        " return name && !name.textContent.includes('No Kernel') && run"
        " && run.dataset.status === 'idle'; }",
        timeout=60_000,
    )


def run_all(page: Page) -> bool:
    """Run every cell; False where one raised."""
    return bool(page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')"))


def close_all(page: Page) -> None:
    """Shut all kernels down."""
    page.evaluate("window.jupyterapp.serviceManager.sessions.shutdownAll()")


def shot(page: Page, name: str) -> None:
    """A picture for people to look at."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")
