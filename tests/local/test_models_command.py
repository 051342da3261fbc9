"""`workbench models`, against a hub of our own that speaks what the hub's client needs."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.local.tiny import write_tiny
from workbench.cli import main

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

COMMIT = "0123456789abcdef0123456789abcdef01234567"  # pragma: allowlist secret


class Hub(BaseHTTPRequestHandler):
    """Model info, and files with their ETags; breaks one download off half-way if told to."""

    protocol_version = "HTTP/1.1"

    def __init__(self, folder: Path, broken: list[str], *arguments: object) -> None:
        self.folder, self.broken = folder, broken
        super().__init__(*arguments)  # type: ignore[arg-type]

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path.startswith("/api/models/nobody/tiny/tree/"):
            entries = [
                {
                    "type": "file",
                    "path": f.relative_to(self.folder).as_posix(),
                    "size": f.stat().st_size,
                    "oid": hashlib.sha1(f.read_bytes()).hexdigest(),
                }
                for f in sorted(self.folder.rglob("*"))
                if f.is_file()
            ]
            self._answer(json.dumps(entries).encode(), {})
        elif path.startswith("/api/models/nobody/tiny"):
            siblings = [
                {"rfilename": f.relative_to(self.folder).as_posix(), "size": f.stat().st_size}
                for f in sorted(self.folder.rglob("*"))
                if f.is_file()
            ]
            about = {"id": "nobody/tiny", "sha": COMMIT, "siblings": siblings}
            self._answer(json.dumps(about | {"cardData": {"license": "mit"}}).encode(), {})
        elif path.startswith(f"/nobody/tiny/resolve/{COMMIT}/"):
            content = (self.folder / path.split(f"{COMMIT}/")[1]).read_bytes()
            etag = hashlib.sha1(content).hexdigest()
            self._answer(content, {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT})
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _answer(self, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.broken and self.path.endswith(self.broken[0]):
            self.broken.pop()
            self.wfile.write(content[: len(content) // 2])
            self.close_connection = True
            return
        self.wfile.write(content)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def broken() -> list[str]:
    return []


@pytest.fixture
def hub(folder: Path, broken: list[str]) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, folder, broken)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def run(hub: str, cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own: the hub's address is read when its client is imported."""
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub,
        "HF_HOME": str(cache),
        "HF_HUB_DISABLE_XET": "1",
        "no_proxy": "*",
    }
    return subprocess.run(
        [str(Path(sys.executable).with_name("workbench")), "models", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_pull_shows_the_size_first_and_then_verifies(hub: str, tmp_path: Path) -> None:
    done = run(hub, tmp_path, "pull", "nobody/tiny", "--yes")
    assert done.returncode == 0, done.stderr
    assert "files, 0.00 GB, licence mit" in done.stdout.splitlines()[0]
    assert done.stdout.splitlines()[-1].startswith("Whole:")
    checked = run(hub, tmp_path, "verify", "nobody/tiny")
    assert checked.returncode == 0, checked.stderr
    assert f"revision {COMMIT}, licence mit" in checked.stdout


def test_a_download_that_breaks_off_goes_on(hub: str, tmp_path: Path, broken: list[str]) -> None:
    broken.append("transformer/diffusion_pytorch_model.safetensors")
    for _ in range(3):
        done = run(hub, tmp_path, "pull", "nobody/tiny", "--yes")
        if done.returncode == 0:
            break
    assert done.returncode == 0, done.stderr
    assert not broken, "it did break off"
    assert run(hub, tmp_path, "verify", "nobody/tiny").returncode == 0


def test_an_unknown_model_is_said_in_a_sentence(hub: str, tmp_path: Path) -> None:
    done = run(hub, tmp_path, "pull", "nobody/nothing", "--yes")
    assert done.returncode == 65
    assert "the hub knows no nobody/nothing" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_hub_is_a_fault_that_may_pass(tmp_path: Path) -> None:
    done = run("http://127.0.0.1:1", tmp_path, "pull", "nobody/tiny", "--yes")
    assert done.returncode == 75
    assert "check the network" in done.stderr


def test_list_names_every_variant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "list"]) == 0
    shown = capsys.readouterr().out
    for variant in ("turbo", "base", "sft", "xl-turbo", "xl-base", "xl-sft"):
        assert variant in shown


def test_verify_says_what_is_missing(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    shutil.copytree(folder, tmp_path / "copy")
    assert main(["models", "verify", str(tmp_path / "copy")]) == 0
    shutil.rmtree(tmp_path / "copy" / "vae")
    assert main(["models", "verify", str(tmp_path / "copy")]) == 1
    assert "vae is missing" in capsys.readouterr().err


def test_try_writes_its_reports(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Random numbers make no music: the run must finish and say so in its measurements.
    assert main(["models", "try", str(folder), "--store", str(tmp_path), "--duration-s", "9"]) == 0
    said = capsys.readouterr().out
    assert "6 takes generated" in said
    assert "2 takes generated" in said
    reports = list(tmp_path.rglob("*.html"))
    assert len(reports) == 2
    assert any("conservative" in report.read_text() for report in reports)
