"""Does a study stay quick when it has grown to a hundred thousand takes?

    python experiments/bench-store/store.py [--takes 100000] [--appended 2000]

Fills a store in a temporary folder with finished takes and the numbers that the standard set
gives of each, then asks, each in a process of its own: open it and give the table (as a run left
it; when a hundred takes changed since; and where no table was ever kept, so that every row is
read), scan for what a resumed run lacks, fetch one page, append takes. Prints wall and processor
seconds and the peak of memory; the filling itself is not timed.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from workbench.measure import STANDARD
from workbench.records import Place, Shown
from workbench.request import Request
from workbench.store import Store
from workbench.take import State, take_key

NAME = "large"
FINGERPRINT = {"engine": "sketch", "version": "1"}
_WORDS = {"tempo_ratio_class", "tempo_match", "clipped", "mono", "key", "key_relative"}
_WORDS |= {"key_relation", "abrupt_end"}
_EDITS = ("seam_", "kept_", "edit_extent")
TARGETS = {
    "open and table, none was kept": "<= 2 s",
    "open and table, after a run": "<= 2 s",
    "open and table, 100 takes changed": "<= 2 s",
    "resume scan": "<= 1 s",
    "page of 50, sorted by a measurement": "",
    "append": ">= 1000 takes/s",
}


def place(number: int) -> Place:
    """One place of the plan: a tag set and a seed."""
    tags = ("house, 124 BPM", "jazz, 100 BPM", "lo-fi, 75 BPM", "rock, 120 BPM")[number % 4]
    request = Request(tags=tags, lyrics="[inst]", seed=number // 4, duration_s=30)
    at = {"tags": tags, "seed": request.seed}
    return Place(take_key(request, FINGERPRINT), "sketch", str(request.seed), at, request)


def measured(take_id: int, draw: random.Random) -> list[tuple[object, ...]]:
    """What the standard set says of a take, in the shape and number that it has."""
    rows: list[tuple[object, ...]] = []
    for measure in STANDARD:
        for name in measure.quantities:
            value: object = draw.choice(("yes", "no")) if name in _WORDS else draw.random()
            reason = "not an edit" if name.startswith(_EDITS) else ""
            kept = None if reason else value
            rows.append((take_id, name, kept, measure.method, None, None, reason))
    return rows


def fill(folder: Path, takes: int) -> None:
    """Write a grown store in one transaction; how it grew is not what is timed here."""
    draw = random.Random(1)
    places = [place(number) for number in range(takes)]
    with Store(folder) as store:
        store.save_plan(NAME, {}, places)
        with store._db.write(durable=True) as db:
            for take_id, p in enumerate(places, start=1):
                db.execute(
                    "INSERT INTO takes (id, key, engine, fingerprint, request, state, "
                    "idempotency_key, quote, charge, truth, started_at, wall_s, changed) VALUES "
                    "(?, ?, 'sketch', ?, ?, 'done', ?, '{}', '{}', '{\"tempo_bpm\":124.0}', "
                    "'2026-01-01T00:00:00.000+00:00', 0.5, ?)",
                    (take_id, p.key, json.dumps(FINGERPRINT), json.dumps(p.request.to_json()),
                     str(take_id), take_id),
                )  # fmt: skip
                db.executemany(
                    "INSERT INTO measurements VALUES (?, ?, ?, ?, ?, ?, ?)",
                    measured(take_id, draw),
                )


def ask(question: str, folder: Path, count: int) -> dict[str, float]:
    """One question to the store, timed in this process."""
    if "table" in question:
        import pandas  # noqa: F401  # what importing it takes is not the store's
        import pyarrow.feather  # noqa: F401

        from workbench.tables import table
    wall, cpu = time.perf_counter(), time.process_time()
    with Store(folder, create=False) as store:
        if "table" in question:
            rows = len(table(store, NAME))
        elif question == "resume scan":
            rows = sum(state is State.DONE for _, state in store.latest(NAME).values())
        elif question.startswith("page"):
            rows = len(store.page(NAME, Shown(sort="tempo_bpm"), limit=50))
        else:
            rows = _append(store, count)
    cpu_s, wall_s = time.process_time() - cpu, time.perf_counter() - wall
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"rows": rows, "wall_s": wall_s, "cpu_s": cpu_s, "peak_mb": peak_mb}


def _append(store: Store, count: int) -> int:
    """Takes that begin and end, each in its own transactions as a run writes them."""
    from workbench.cost import Quote

    for number in range(count):
        request = Request(tags="new", seed=number)
        take = store.start_take(request, "sketch", FINGERPRINT, Quote())
        store.end_take(take.id, State.FAILED, "it is not the audio that is timed")
    return count


def touch(folder: Path, takes: int) -> None:
    """Measure some takes anew."""
    with Store(folder) as store:
        for take_id in range(1, takes + 1):
            store.add_measurements(take_id, store.measurements(take_id))


def main() -> None:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--takes", type=int, default=100_000)
    parser.add_argument("--appended", type=int, default=2_000)
    parser.add_argument("--ask", nargs=2, help=argparse.SUPPRESS)  # what a child process is for
    options = parser.parse_args()
    if options.ask:
        found = ask(options.ask[0], Path(options.ask[1]), options.appended)
        Console().print_json(data=found)
        return
    shown = Table("question", "rows", "wall [s]", "cpu [s]", "peak [MB]", "rows/s", "target")
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), options.takes)
        for question, target in TARGETS.items():
            if "changed" in question:
                touch(Path(folder), min(100, options.takes))
            command = [sys.executable, __file__, "--appended", str(options.appended)]
            command += ["--ask", question, folder]
            out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            found = json.loads(out)
            cells = [f"{found[name]:.2f}" for name in ("wall_s", "cpu_s")]
            per_s = found["rows"] / found["wall_s"]
            peak = f"{found['peak_mb']:.0f}"
            shown.add_row(question, f"{found['rows']:.0f}", *cells, peak, f"{per_s:.0f}", target)
    Console().print(shown)


if __name__ == "__main__":
    main()
