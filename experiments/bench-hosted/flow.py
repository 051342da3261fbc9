"""How close does a hosted sweep come to the ideal, when calls are refused now and then?

Starts our own server in a process of its own, with jobs that take a second and a share of calls
answered 429, and runs one study over it, some rounds. Ideal, the baseline, is jobs x service time
/ concurrency. Everything stays on this machine; what else it does meanwhile counts, too, and the
server's and the study's processor seconds say how much they needed themselves.

    python experiments/bench-hosted/flow.py [--rounds 3]
        [--jobs 200 --at-once 8 --job-s 1 --busy-share 0.05 --retry-after-s 1]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from workbench.benchmark import Found, leave
from workbench.engines import engine
from workbench.engines.hosted import Settings
from workbench.request import Request
from workbench.study import Study
from workbench.sweep import Sweep

SERVER = '''
import sys, threading
from pathlib import Path
from workbench.engines.sketch import SketchEngine
from workbench.request import Request
from workbench.server import Faults, Limits, Settings, running_server
class Canned(SketchEngine):
    """Delivers one clip again and again, so that the far side's computing is not what is timed."""
    def __init__(self):
        super().__init__()
        self.made = super()._render(Request(tags="house, 124 BPM", duration_s=10))
    def _render(self, request):
        return self.made
folder, workers, job_s, busy = Path(sys.argv[1]), int(sys.argv[2]), *map(float, sys.argv[3:5])
faults = Faults(busy_share=busy, busy_retry_after_s=int(sys.argv[5]), job_s=job_s, seed=1)
limits = Limits(submits_per_minute=100_000, active_max=1_000)
settings = Settings(Canned(), folder, workers=workers, limits=limits, faults=faults)
with running_server(settings) as base:
    print(base, flush=True)
    sys.stdin.read()
'''


@contextmanager
def server(folder: Path, options: argparse.Namespace) -> Iterator[tuple[str, psutil.Process]]:
    """A server in a process of its own; gives its base address and the process."""
    # More workers than jobs at once: the far side is not what limits the sweep.
    numbers = [2 * options.at_once, options.job_s, options.busy_share, options.retry_after_s]
    command = [sys.executable, "-c", SERVER, str(folder), *map(str, numbers)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), psutil.Process(process.pid)
        process.communicate()


def settings_at(base: str) -> Settings:
    """Settings of the hosted engines for a server of our own."""
    return Settings.from_env(
        {
            "RUNCOMFY_MODEL_API_BASE": f"{base}/v1",
            "RUNCOMFY_SERVERLESS_API_BASE": f"{base}/prod/v2",
            "SKYSTUDIO_API_BASE": f"{base}/api/v1",
            "RUNCOMFY_TOKEN": "bench",
            "SKYSTUDIO_API_KEY": "sk-bench",  # pragma: allowlist secret
        }
    )


def run(options: argparse.Namespace) -> dict[str, float]:
    """One study over a new server: wall seconds, and processor seconds of both sides."""
    base = Request(tags="house, 124 BPM", lyrics="[inst]", duration_s=10)
    sweep = Sweep(base, seed=range(options.jobs))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with server(folder / "server", options) as (address, far):
            made = engine(
                options.engine, settings=settings_at(address), concurrency=options.at_once
            )
            with Study("bench", sweep, [made], store=folder / "store", measures=()) as study:
                began, cpu = time.monotonic(), time.process_time()
                far_cpu = sum(far.cpu_times()[:2])
                summary = study.run(watch=lambda progress: None)
                assert summary.is_complete, summary
                return {
                    "wall": time.monotonic() - began,
                    "study": time.process_time() - cpu,
                    "server": sum(far.cpu_times()[:2]) - far_cpu,
                }


def main() -> None:
    """Run some rounds; the ratio to the ideal is the answer."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", default="runcomfy-base")
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=8)
    parser.add_argument("--job-s", type=float, default=1.0)
    parser.add_argument("--busy-share", type=float, default=0.05)
    parser.add_argument("--retry-after-s", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    rounds = [run(options) for _ in range(options.rounds)]
    walls, study, far = ([r[name] for r in rounds] for name in ("wall", "study", "server"))
    ideal_s = options.jobs * options.job_s / options.at_once
    asked = (
        f"{options.jobs} jobs of {options.job_s:g} s, {options.at_once} at once, "
        f"{options.busy_share:.0%} of calls answered 429"
    )
    leave(
        "hosted",
        f"How close does a hosted sweep come to the ideal? {asked}",
        [
            Found("ideal", [ideal_s], "s, wall"),
            Found("sweep", walls, "s, wall", "ideal", at_most=1.1 * ideal_s),
            Found("study", study, "s, processor"),
            Found("server", far, "s, processor"),
        ],
    )


if __name__ == "__main__":
    main()
