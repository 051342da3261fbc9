"""How long until ``import workbench`` is done and ``workbench --help`` has answered?

    python experiments/bench-start/start.py [--rounds 10]

Each in a fresh process, best and median of some rounds, in wall and processor seconds, beside a
process that imports nothing and one that imports numpy and pydantic, in the same run.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time

from rich.console import Console
from rich.table import Table

_HELP = "import sys; sys.argv = ['workbench', '--help']; from workbench.cli import main; main()"
QUESTIONS = {
    "python alone": ("pass", ""),
    "numpy and pydantic": ("import numpy, pydantic", ""),
    "import workbench": ("import workbench", "<= 0.3 s"),
    "workbench --help": (_HELP, "<= 0.6 s"),
}


def timed(code: str) -> tuple[float, float]:
    """Wall and processor seconds of a fresh process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=False, stdout=subprocess.DEVNULL)
    wall_s = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Ask each in turn, round by round, so that all meet the same load; print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in QUESTIONS}
    for _ in range(rounds):
        for name, (code, _target) in QUESTIONS.items():
            found[name].append(timed(code))
    shown = Table("process", "best wall [s]", "median wall [s]", "best cpu [s]", "target")
    for name, (_code, target) in QUESTIONS.items():
        walls, cpus = zip(*found[name], strict=True)
        figures = (min(walls), statistics.median(walls), min(cpus))
        shown.add_row(name, *(f"{figure:.2f}" for figure in figures), target)
    Console().print(shown)


if __name__ == "__main__":
    main()
