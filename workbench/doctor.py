"""What works on this machine, what is missing, and how to get it."""

from __future__ import annotations

import io
import os
import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from workbench.clip import Clip
from workbench.engines import ENGINES, engine
from workbench.errors import WorkbenchError

# What an extra is for, and the module that shows whether it is installed.
_EXTRAS = {
    "notebook": ("JupyterLab and its panels", "jupyterlab"),
    "server": ("our own server", "fastapi"),
    "local": ("ACE-Step on a local GPU", "torch"),
    "adaptive": ("workbench search", "optuna"),
    "cluster": ("Dask clusters", "distributed"),
}
_FREE_WANTED_GB = 5


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `hint` is the next step where it is not well."""

    name: str
    is_well: bool
    said: str
    hint: str = ""

    def __str__(self) -> str:
        tail = f"  {self.hint}" if self.hint else ""
        return f"{'ok     ' if self.is_well else 'missing'}  {self.name}: {self.said}{tail}"


def engine_findings() -> Iterator[Finding]:
    """Whether each engine can be made here, and why not.

    Examples
    --------
    >>> [f.is_well for f in engine_findings() if f.name == "sketch"]
    [True]
    """
    for name in ENGINES:
        try:
            yield Finding(name, True, engine(name).ready())
        except WorkbenchError as error:
            yield Finding(name, False, str(error))


def findings() -> Iterator[Finding]:
    """Versions, codecs, disk, extras, GPU, browser and engines, in that order."""
    yield Finding("workbench", True, version("workbench"))
    yield Finding("python", True, f"{platform.python_version()} on {platform.machine()}")
    yield _codecs()
    yield _disk()
    for extra, (purpose, module) in _EXTRAS.items():
        has = find_spec(module) is not None
        how = "" if has else f"pip install 'workbench[{extra}]'"
        yield Finding(f"extra {extra}", has, f"for {purpose}", how)
    yield _gpu()
    yield _browser()
    for finding in engine_findings():
        yield Finding(f"engine {finding.name}", finding.is_well, finding.said, finding.hint)


def _codecs() -> Finding:
    """Write and read half a second in every format we use."""
    clip = Clip(np.zeros((2, 24_000), np.float32), 48_000)
    broken = []
    for suffix in (".wav", ".flac", ".mp3", ".ogg", ".opus"):
        try:
            file = io.BytesIO()
            clip.encode(file, suffix)
            Clip.from_bytes(file.getvalue())
        except (WorkbenchError, RuntimeError):
            broken.append(suffix)
    if broken:
        return Finding("audio files", False, f"cannot do {broken}", "pip install -U soundfile")
    return Finding("audio files", True, "wav, flac, mp3, ogg and opus can be read and written")


def _disk() -> Finding:
    free_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    hint = "" if free_gb >= _FREE_WANTED_GB else "60 s of stereo take about 6 MB: make room."
    return Finding("disk", not hint, f"{free_gb:.0f} GB free here", hint)


def _gpu() -> Finding:
    if find_spec("torch") is None:
        return Finding("gpu", False, "torch is not installed, so none was looked for")
    import torch

    if not torch.cuda.is_available():
        return Finding("gpu", False, "torch sees none", "Hosted engines and sketch need none.")
    return Finding("gpu", True, torch.cuda.get_device_name(0))


def _browser() -> Finding:
    names = ("chromium", "chromium-browser", "google-chrome", "firefox")
    found = next((name for name in names if shutil.which(name)), None)
    can_open = found or sys.platform in {"darwin", "win32"} or os.environ.get("BROWSER")
    if can_open:
        return Finding("browser", True, found or "the system's own")
    return Finding(
        "browser", False, "none found", "Reports are plain HTML files: open them anywhere."
    )
