"""What `workbench lab` and `workbench app` do before a browser is needed."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import free_port
from workbench.cli import main
from workbench.desk import _run, notebooks_folder


def test_cells_run_on_our_python_whatever_kernel_the_user_has(tmp_path: Path) -> None:
    """A user's own python3 kernel, which fails at once, is not the one that is started."""
    kernel = tmp_path / "data" / "kernels" / "python3" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    strange = [sys.executable, "-c", "raise SystemExit(1)", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": strange, "display_name": "strange", "language": "x"}))
    cell: dict[str, object] = {
        "cell_type": "code",
        "execution_count": None,
        "id": "0",
        "metadata": {},
        "outputs": [],
        "source": "import sys; print(sys.executable)",
    }
    named = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    book = {"cells": [cell], "metadata": named, "nbformat": 4, "nbformat_minor": 5}
    (tmp_path / "asks.ipynb").write_text(json.dumps(book))
    settings = ["--to", "notebook", "--execute", "--output", "told", str(tmp_path / "asks.ipynb")]
    user = {"JUPYTER_DATA_DIR": str(tmp_path / "data"), "JUPYTER_PREFER_ENV_PATH": "0"}
    assert _run("nbconvert", settings, user) == 0
    (told,) = json.loads((tmp_path / "told.ipynb").read_text())["cells"][0]["outputs"]
    assert Path("".join(told["text"]).strip()) == Path(sys.executable)


_SERVING = """
import sys
from workbench.desk import _run
sys.exit(_run("http.server", [sys.argv[1], "--bind", "127.0.0.1"], {}))
"""


def test_the_server_ends_with_the_command_that_started_it() -> None:
    port = free_port()

    def is_up() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    with subprocess.Popen(
        [sys.executable, "-c", _SERVING, str(port)], stdout=subprocess.DEVNULL
    ) as command:
        deadline = time.monotonic() + 60
        while not is_up():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        command.terminate()
        command.wait(20)
    assert not is_up()


def test_the_nearest_notebooks_are_found(tmp_path: Path) -> None:
    below = tmp_path / "notebooks" / "mine" / "deep"
    below.mkdir(parents=True)
    assert notebooks_folder(below) == tmp_path / "notebooks"


def test_no_notebooks_is_said_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["lab"]) == 65
    assert "there is no notebooks folder here or above" in capsys.readouterr().err
    assert main(["lab", "nowhere"]) == 65
    assert "there is no folder nowhere" in capsys.readouterr().err
