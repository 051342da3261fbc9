"""Does a server, and a study that uses it, go on for hours in the same memory?

    python experiments/bench-soak/soak.py [--minutes 60] [--at-once 1] [--job-s 1]

A server over the embedded engine, in a process of its own, keeps its results for a minute; a
study in another process has it make one take after the other, measures each with the standard
set, and gives its table every minute, as someone who watches would. Both processes' resident
memory is looked at every five seconds. Growth is the median of the last quarter of the time
against the median of the second quarter, so that imports and caches do not count; the baseline
is the second quarter. At the end every job that the server accepted must be a take. Besides what
every benchmark leaves, ``memory.csv`` and ``memory.svg`` show both over time.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from workbench.benchmark import Found, leave

_EVERY_S = 5.0
_GROWTH_MAX = 1.05
SERVER = """
import sys
from pathlib import Path
from workbench.engines import engine
from workbench.server import Faults, Limits, Settings, running_server
faults = Faults(job_s=float(sys.argv[2]), seed=1)
limits = Limits(submits_per_minute=100_000, retention_s=60, link_s=60)
settings = Settings(engine("sketch"), Path(sys.argv[1]), workers=4, limits=limits, faults=faults)
with running_server(settings) as base:
    print(base, flush=True)
    sys.stdin.read()
"""
STUDY = """
import json, runpy, sys, threading
from pathlib import Path
from workbench.engines import engine
from workbench.request import Request
from workbench.study import Study
from workbench.sweep import Sweep
from workbench.tables import table
settings_at = runpy.run_path(sys.argv[1])["settings_at"]
made = engine("runcomfy-base", settings=settings_at(sys.argv[2]), concurrency=int(sys.argv[4]))
sweep = Sweep(Request(tags="house, 124 BPM", lyrics="[inst]", duration_s=5), seed=range(100_000))
with Study("soak", sweep, [made], store=sys.argv[3]) as study:
    ended = threading.Event()
    def end():
        sys.stdin.read()
        study.cancel()
    def look():
        while not ended.wait(60):
            table(study)
    looking = threading.Thread(target=look)
    looking.start()
    threading.Thread(target=end, daemon=True).start()
    summary = study.run(watch=lambda progress: None)
    ended.set()
    looking.join()
    print(json.dumps({"made": summary.made, "failed": summary.failed, "unknown": summary.unknown}))
"""
_FLOW = Path(__file__).parents[1] / "bench-hosted" / "flow.py"


@contextmanager
def child(code: str, *values: object) -> Iterator[subprocess.Popen[str]]:
    """A process that ends when its standard input does."""
    command = [sys.executable, "-c", code, *map(str, values)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process


def watched(processes: Mapping[str, psutil.Process], minutes: float) -> dict[str, list[float]]:
    """Resident memory of each in MiB, and the minute, every few seconds."""
    seen: dict[str, list[float]] = {"minute": [], **{name: [] for name in processes}}
    began = time.monotonic()
    while (passed_s := time.monotonic() - began) < 60 * minutes:
        seen["minute"].append(passed_s / 60)
        for name, process in processes.items():
            seen[name].append(process.memory_info().rss / 2**20)
        time.sleep(min(_EVERY_S, 60 * minutes / 40))
    return seen


def quarters(values: Sequence[float]) -> tuple[list[float], list[float]]:
    """The second and the last quarter of values over time."""
    quarter = len(values) // 4
    return list(values[quarter : 2 * quarter]), list(values[3 * quarter :])


def draw(folder: Path, seen: Mapping[str, Sequence[float]]) -> None:
    """Memory over time, as numbers and as a figure."""
    import pandas as pd
    from matplotlib.lines import Line2D

    from workbench import plots

    pd.DataFrame(seen).to_csv(folder / "memory.csv", index=False)
    figure, axes = plots.canvas(3.2)
    key = []
    for number, name in enumerate(name for name in seen if name != "minute"):
        style = plots.look(number) | {"markersize": 3}
        axes.plot(seen["minute"], seen[name], linewidth=1, markevery=0.05, **style)
        key.append(Line2D([], [], label=name, **style))
    axes.set(xlabel="time (minutes)", ylabel="resident memory (MiB)", ylim=(0, None))
    plots.legend(figure, key)
    (folder / "memory.svg").write_bytes(plots.svg(figure))


def soak(
    options: argparse.Namespace, folder: Path
) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Memory over time, and what the study made."""
    with child(SERVER, folder / "server", options.job_s) as server:
        assert server.stdout is not None
        base = server.stdout.readline().strip()
        with child(STUDY, _FLOW, base, folder / "store", options.at_once) as study:
            processes = {
                "server": psutil.Process(server.pid),
                "study": psutil.Process(study.pid),
            }
            seen = watched(processes, options.minutes)
            out, _ = study.communicate()
        assert study.returncode == 0, "the study did not end well"
        assert server.poll() is None, "the server ended"
        server.communicate()
    return seen, json.loads(out)


def main() -> None:
    """Soak, and say how flat it was."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--job-s", type=float, default=1.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        seen, made = soak(options, Path(name))
    found = []
    for process in ("server", "study"):
        before, after = quarters(seen[process])
        baseline = f"{process}, second quarter"
        most = _GROWTH_MAX * statistics.median(before)
        found.append(Found(baseline, before, "MiB"))
        found.append(Found(f"{process}, last quarter", after, "MiB", baseline, at_most=most))
    found.append(Found("takes made", [made["made"]], "takes"))
    lost = made["failed"] + made["unknown"]
    found.append(Found("takes failed or unknown", [lost], "takes", at_most=0))
    question = f"Is memory flat over {options.minutes:g} min of a server and a study?"
    draw(leave("soak", question, found), seen)


if __name__ == "__main__":
    main()
