"""A page in headless Chromium, offline, with all it says and asks for written down."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Dialog, Page, sync_playwright

_SETTINGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Visit:
    """A page that is open, and what happened on it."""

    page: Page
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    @property
    def outside(self) -> list[str]:
        """Addresses that were asked for beyond the page itself and what lies in it."""
        own = self.page.url.partition("#")[0]
        return [url for url in self.requests if url != own and not url.startswith("data:")]


@contextmanager
def launched() -> Iterator[Browser]:
    """Chromium; the test is skipped where there is none."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip(
            "there is no chromium on this machine: install it, then run `make test-browser`"
        )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_SETTINGS)
        try:
            yield browser
        finally:
            browser.close()


def watched(page: Page) -> Visit:
    """A page whose console, requests and dialogs are written down from now on."""
    visit = Visit(page)
    page.on("console", lambda said: visit.console.append(f"{said.type}: {said.text}"))
    page.on("pageerror", lambda error: visit.console.append(f"error: {error}"))
    page.on("request", lambda request: visit.requests.append(request.url))

    def note(dialog: Dialog) -> None:
        visit.dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", note)
    return visit


@contextmanager
def opened(path: Path) -> Iterator[Visit]:
    """Open a file in Chromium, offline."""
    with launched() as browser:
        visit = watched(browser.new_context(offline=True).new_page())
        visit.page.goto(path.resolve().as_uri(), timeout=60_000)
        yield visit
