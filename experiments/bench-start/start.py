"""How long until ``import workbench`` is done and ``workbench --help`` has answered?

    python experiments/bench-start/start.py [--rounds 10]

Each in a fresh process, some rounds of all in turn, in wall and processor seconds, beside a
process that imports nothing (the baseline) and one that imports numpy and pydantic. Wall seconds
are those of the machine as loaded as it is; processor seconds say what the work itself takes.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

from workbench.benchmark import Found, leave

_HELP = "import sys; sys.argv = ['workbench', '--help']; from workbench.cli import main; main()"
QUESTIONS = {
    "python alone": ("pass", None),
    "numpy and pydantic": ("import numpy, pydantic", None),
    "import workbench": ("import workbench", 0.3),
    "workbench --help": (_HELP, 0.6),
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
    """Ask each in turn, round by round, so that all meet the same load."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=10)
    rounds = parser.parse_args().rounds
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name in QUESTIONS}
    for _ in range(rounds):
        for name, (code, _goal) in QUESTIONS.items():
            seen[name].append(timed(code))
    found = []
    for name, (_code, goal) in QUESTIONS.items():
        walls, cpus = zip(*seen[name], strict=True)
        baseline = "" if name == "python alone" else "python alone"
        found.append(Found(name, walls, "s, wall", baseline, at_most=goal))
        found.append(Found(f"{name}, cpu", cpus, "s, processor"))
    leave("start", "How long until workbench is imported, and until it has answered --help?", found)


if __name__ == "__main__":
    main()
