"""How long does the report of 500 takes take, and how heavy is it?

    python experiments/bench-report/report.py [--takes 500]

Generates short takes with the embedded engine in a temporary folder, measures them, then times
the report alone: processor and wall seconds, and the size of the file. The baseline is the table
of the same study, in the same run.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.benchmark import Found, leave
from workbench.engines import engine
from workbench.measure import DURATION, LOUDNESS, PEAK
from workbench.report import write_report
from workbench.request import Request
from workbench.study import Study
from workbench.sweep import Sweep
from workbench.tables import table


def timed(task: Callable[[], Any]) -> tuple[Any, float, float]:
    """What a task gives, with its wall and processor seconds."""
    wall, cpu = time.perf_counter(), time.process_time()
    given = task()
    return given, time.perf_counter() - wall, time.process_time() - cpu


def main() -> None:
    """Make the study, time its table and its report, leave what was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--takes", type=int, default=500)
    seeds = parser.parse_args().takes // 2
    base = Request(tags="house", lyrics="[inst]", duration_s=5)
    sweep = Sweep(base, tags=["house, 124 BPM", "jazz, 100 BPM"], seed=range(seeds))
    with tempfile.TemporaryDirectory() as folder:
        asked = (LOUDNESS, PEAK, DURATION)
        with Study("report", sweep, [engine("sketch")], store=folder, measures=asked) as study:
            study.run()
            _, table_s, table_cpu_s = timed(lambda: table(study))
            path, wall_s, cpu_s = timed(lambda: write_report(study.store, study.name))
            size_mb = Path(path).stat().st_size / 1e6
    found = [
        Found("table", [table_s], "s, wall"),
        Found("report", [wall_s], "s, wall", "table", at_most=30),
        Found("table, cpu", [table_cpu_s], "s, processor"),
        Found("report, cpu", [cpu_s], "s, processor"),
        Found("report, size", [size_mb], "MB", at_most=25),
    ]
    leave("report", f"How long does the report of {2 * seeds} takes take?", found)


if __name__ == "__main__":
    main()
