"""Where people sit: JupyterLab on the notebooks, and the panels as an app without notebooks.

Both run on this machine alone (127.0.0.1, and with a token) and ask nothing of any
other: JupyterLab's news and update checks are off, and the app's template fetches no icons.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.errors import EngineUnavailable, RequestError

if TYPE_CHECKING:
    from ipywidgets import Tab

STORE = "WORKBENCH_STORE"
_HOST = "127.0.0.1"
# After this long without a page, a kernel of the app ends.
_CULL_S = 3600
# On this machine a player may get its audio at once; the default of 1 MB/s is for networks.
_RATE_BYTES_PER_S = 100_000_000


def panels(store: str | None = None) -> Tab:
    """All panels on one store, as tabs.

    Parameters
    ----------
    store : path, optional
        Folder of the store; what the environment's ``WORKBENCH_STORE`` says if not given.
    """
    from ipywidgets import Tab

    from workbench import widgets

    folder = store or os.environ.get(STORE, "runs/studio")
    kinds = {
        "Sweep": widgets.SweepPanel,
        "Takes": widgets.TakesPanel,
        "Listen": widgets.ListenPanel,
        "Seam": widgets.SeamPanel,
        "Report": widgets.ReportPanel,
    }
    return Tab([make(folder) for make in kinds.values()], titles=list(kinds))


def notebooks_folder(start: Path | None = None) -> Path:
    """The nearest ``notebooks`` folder at or above the working directory.

    Raises
    ------
    RequestError
        If there is none.
    """
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / "notebooks").is_dir():
            return folder / "notebooks"
    raise RequestError("there is no notebooks folder here or above: go to the project's folder.")


def run_lab(folder: Path, port: int, *, browser: bool) -> int:
    """JupyterLab on a folder until it is stopped; returns its exit code.

    Raises
    ------
    EngineUnavailable
        If JupyterLab is not installed.
    RequestError
        If there is no such folder.
    """
    if not folder.is_dir():
        raise RequestError(f"there is no folder {folder}: name one that holds notebooks.")
    _need("jupyterlab")
    settings = [
        f"--ServerApp.root_dir={folder.resolve()}",
        f"--ServerApp.ip={_HOST}",
        f"--ServerApp.port={port}",
        f"--ZMQChannelsWebsocketConnection.iopub_data_rate_limit={_RATE_BYTES_PER_S}",
        *([] if browser else ["--no-browser"]),
        # JupyterLab refuses root unless told; only containers work as root.
        *(["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
    ]
    return _run("jupyterlab", settings, {})


def run_app(store: Path, port: int, *, browser: bool, dark: bool) -> int:
    """The panels as an app in the browser until it is stopped; returns its exit code.

    Raises
    ------
    EngineUnavailable
        If Voila is not installed.
    """
    _need("voila")
    settings = [
        str(resources.files("workbench.desk") / "app.ipynb"),
        f"--Voila.ip={_HOST}",
        f"--port={port}",
        "--template=workbench",
        # Others on a shared machine may connect as well; the address that is printed lets in.
        "--Voila.auto_token=True",
        # A page that is closed leaves its kernel, so that a run goes on; not for ever, though.
        f"--MappingKernelManager.cull_idle_timeout={_CULL_S}",
        f"--theme={'dark' if dark else 'light'}",
        f"--ZMQChannelsWebsocketConnection.iopub_data_rate_limit={_RATE_BYTES_PER_S}",
        *([] if browser else ["--no-browser"]),
    ]
    return _run("voila", settings, {STORE: str(store.resolve())})


def _need(module: str) -> None:
    if find_spec(module) is None:
        raise EngineUnavailable(f"{module} is not installed: pip install 'workbench[notebook]'.")


def _run(module: str, settings: list[str], environment: dict[str, str]) -> int:
    """Run a server with our settings and kernel before, and not in place of, the user's own."""
    ours = str(resources.files("workbench.desk"))
    paths = {
        name: os.pathsep.join(filter(None, (ours, os.environ.get(name))))
        for name in ("JUPYTER_CONFIG_PATH", "JUPYTER_PATH")
    }
    command = [sys.executable, "-m", module, *settings]
    with subprocess.Popen(command, env=os.environ | paths | environment) as server:  # noqa: S603
        # Whoever ends this process means the server, which would go on by itself.
        before = signal.signal(signal.SIGTERM, lambda *_: server.terminate())
        try:
            return server.wait()
        except KeyboardInterrupt:
            server.terminate()
            server.wait()
            return 0
        finally:
            signal.signal(signal.SIGTERM, before)
