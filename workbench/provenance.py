"""Which code made this, and on what: package, commit, lock, installed packages, machine.

The one place that says so, for the record of a run and for every report. A checkout has a lock,
the pins of all it was tested with; what is truly installed has a digest of its own, so that a
machine that strays from its lock is seen. Digests are SHA-256, in hexadecimal.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from functools import cache
from importlib.metadata import distributions, version
from pathlib import Path

LOCK = Path("requirements") / "all.txt"
_HERE = Path(__file__).resolve().parent.parent


@cache
def provenance() -> dict[str, str]:
    """What decides a result beside its parameters; read once in a process.

    Returns
    -------
    dict
        ``workbench`` (version); ``commit`` and ``lock`` where the package runs from a checkout;
        ``packages`` (digest over name and version of every installed distribution), ``python``,
        ``machine``.

    Examples
    --------
    >>> sorted(set(provenance()) - {"commit", "lock"})
    ['machine', 'packages', 'python', 'workbench']
    """
    installed = sorted({f"{d.metadata['Name']}=={d.version}" for d in distributions()})
    return {
        "workbench": version("workbench"),
        **_checkout(_HERE),
        "packages": f"sha256 {_sha256(chr(10).join(installed).encode())} of {len(installed)} "
        "installed distributions",
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
    }


def _checkout(folder: Path) -> dict[str, str]:
    """Commit and lock of a checkout; nothing where the package is installed without one."""
    if not (folder / ".git").exists():
        return {}
    found = {"commit": _commit(folder)}
    if (folder / LOCK).is_file():
        found["lock"] = f"sha256 {_sha256((folder / LOCK).read_bytes())} of {LOCK.as_posix()}"
    return found


def _commit(folder: Path) -> str:
    """The commit of the code, marked if the tree differs from it; "unknown" without git."""
    git = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(git, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
