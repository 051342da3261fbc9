"""Install pinned requirements files into the environment of the Python that runs this.

    .venv/bin/python requirements/install.py requirements/demo.txt
    .venv/bin/python requirements/install.py --compile-bytecode requirements/all.txt

uv downloads in parallel and shows each large file as it comes, but it reads none of pip's
settings; a machine that has them (a mirror, a folder of wheels, a certificate) is heard here.
Further indexes are not: uv takes a version from the first index that has it, and one that holds
only a package's plain wheel would hide the wheel that brings its native library along.
Every file is checked against its hash, so it does not matter which index it came from.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

# pip's setting -> uv's option, for settings that may hold several values.
UV_OPTIONS = {
    "index-url": "--default-index",
    "find-links": "--find-links",
}


def pip_settings(listing: str) -> dict[str, list[str]]:
    """Read what `pip config list` prints; the environment wins over files, as it does in pip."""
    settings = {}
    # ":env:.x" sorts before "global.x": reversed, it comes last and stays.
    for line in sorted(listing.splitlines(), reverse=True):
        name, _, value = line.partition("=")
        settings[name.rpartition(".")[2]] = ast.literal_eval(value).split()
    return settings


def uv_options(settings: dict[str, list[str]]) -> list[str]:
    """Say pip's settings in uv's words; a folder that is gone is left out, as pip does."""
    options = []
    for name, option in UV_OPTIONS.items():
        for value in settings.get(name, []):
            if "://" in value or Path(value).exists():
                options += [option, value]
    return options


def main(arguments: list[str]) -> None:
    """Install the files named; a mark stays for as long as the environment may be incomplete."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
    ).stdout
    settings = pip_settings(listing)
    environment = dict(os.environ)
    if settings.get("cert"):
        environment.setdefault("SSL_CERT_FILE", settings["cert"][0])
    command = [
        *(sys.executable, "-m", "uv", "pip", "install", "--python", sys.executable),
        *("--require-hashes", "--index-strategy", "unsafe-best-match"),
        *uv_options(settings),
    ]
    for argument in arguments:
        command += [argument] if argument.startswith("--") else ["-r", argument]
    # Killed half-way, uv may later take a package with missing files for a whole one.
    mark = Path(sys.prefix, ".installing")
    mark.touch()
    subprocess.run(command, check=True, env=environment)
    mark.unlink()


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
