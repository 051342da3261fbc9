"""Does a study stay quick when it has grown to a hundred thousand takes?

    python experiments/bench-store/store.py [--takes 100000] [--appended 2000] [--rounds 3]

Fills a store in a temporary folder with finished takes: what an embedded engine says of one (its
beats among it), and the numbers that the standard set gives. Then it asks, each in a process of
its own: open the store and give the table, scan for the takes and the measurements that a resumed
run lacks, fetch one page, append takes, keep what was measured of takes. The baselines are plain
sqlite3: fetching the rows of the table, and writing as many rows, a transaction on the disk for
each beginning and each end (the store has only ends and what costs money on the disk at once).
The filling itself is not timed.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from workbench.benchmark import Found, leave
from workbench.measure import STANDARD
from workbench.packed import Held, Packer
from workbench.records import ROWS, Place, Shown, facts
from workbench.request import Request
from workbench.store import DATABASE, Store
from workbench.take import Measurement, State, take_key
from workbench.value import canonical_json

NAME = "large"
FINGERPRINT = {"engine": "sketch", "version": "1"}
_WORDS = {"tempo_ratio_class", "tempo_match", "clipped", "mono", "key_relation", "abrupt_end"}
_KEYS = [f"{note} {mode}" for note in "CDEFGAB" for mode in ("major", "minor")]
_EDITS = ("seam_", "kept_", "edit_extent")
# What is asked, in which unit, against what, and the goal: at most for "s", at least for rates.
QUESTIONS: dict[str, tuple[str, str, float | None]] = {
    "plain sqlite3: the rows": ("s", "", None),
    "open and table": ("s", "plain sqlite3: the rows", 2.0),
    "resume scan": ("s", "plain sqlite3: the rows", 1.0),
    "page of 50 by a measurement": ("s", "plain sqlite3: the rows", None),
    "plain sqlite3: append": ("takes/s", "", None),
    "append": ("takes/s", "plain sqlite3: append", 1_000.0),
    "keep measurements": ("takes/s", "plain sqlite3: append", None),
}
_MEMORY_MB_MAX = 500.0


def place(number: int) -> Place:
    """One place of the plan: a tag set and a seed."""
    tags = ("house, 124 BPM", "jazz, 100 BPM", "lo-fi, 75 BPM", "rock, 120 BPM")[number % 4]
    request = Request(tags=tags, lyrics="[inst]", seed=number // 4, duration_s=30)
    at = {"tags": tags, "seed": request.seed}
    return Place(take_key(request, FINGERPRINT), "sketch", str(request.seed), at, request)


def measured(draw: random.Random) -> list[Held]:
    """What the standard set says of a take, in the shape and number that it has."""
    found = []
    for measure in STANDARD:
        for name in measure.quantities:
            if name.startswith(_EDITS):
                found.append(Held(name, None, measure.method, reason="not an edit"))
            elif name in ("key", "key_relative"):
                found.append(Held(name, draw.choice(_KEYS), measure.method))
            elif name in _WORDS:
                found.append(Held(name, draw.choice(("yes", "no")), measure.method))
            else:
                found.append(Held(name, draw.random(), measure.method))
    return found


def said(number: int, draw: random.Random) -> dict[str, object]:
    """What a take of the embedded engine says of itself, in the shape and length that it has."""
    tempo_bpm = draw.choice((75.0, 100.0, 120.0, 124.0))
    beats_s = [beat * 60 / tempo_bpm for beat in range(int(tempo_bpm / 2))]
    key = draw.choice(_KEYS)
    truth = {"tempo_bpm": tempo_bpm, "key": key, "beats_s": beats_s, "downbeats_s": beats_s[::4]}
    return {
        "sent": {"duration_s": 30.0, "genre": "house", "meter": 4, "seed": number, "swing": 0.0},
        "received": {"core_s": draw.random(), "seed": number},
        "truth": truth,
        "notes": [f"key not asked: {key}, drawn by the seed"],
        "quote": {"basis": "embedded engine, no charge"},
        "charge": {"basis": f"{draw.random():.2f} s of one core", "source": "measured"},
    }


def fill(folder: Path, takes: int) -> None:
    """Write a grown store in one transaction; how it grew is not what is timed here."""
    draw = random.Random(1)
    places = [place(number) for number in range(takes)]
    with Store(folder) as store:
        store.save_plan(NAME, {}, places)
        with store._db.write(durable=True) as db:
            packer = Packer(db)
            for take_id, p in enumerate(places, start=1):
                told = said(p.request.seed, draw)
                seed_and_truth = facts(told["received"], told["truth"])
                told = {name: canonical_json(value) for name, value in told.items()}
                exchange = [told.pop(name) for name in ("sent", "received", "truth")]
                db.execute(
                    "INSERT INTO takes (id, key, engine, fingerprint, request, state, "
                    "idempotency_key, notes, quote, charge, started_at, wall_s, changed, "
                    "received_seed, truth_tempo_bpm, truth_key) VALUES (?, ?, 'sketch', ?, ?, "
                    "'done', ?, ?, ?, ?, '2026-01-01T00:00:00.000+00:00', ?, ?, ?, ?, ?)",
                    (take_id, p.key, canonical_json(FINGERPRINT),
                     canonical_json(p.request.to_json()), str(take_id), *told.values(),
                     draw.random(), take_id, *seed_and_truth),
                )  # fmt: skip
                db.execute("INSERT INTO exchanges VALUES (?, ?, ?, ?)", (take_id, *exchange))
                packer.put(take_id, measured(draw))


def ask(question: str, folder: Path, count: int) -> dict[str, float]:
    """One question to the store, timed in this process."""
    if "table" in question:
        import pandas  # noqa: F401  # what importing it takes is not the store's
        import pyarrow.json  # noqa: F401

        from workbench.tables import table
    wall = time.perf_counter()
    if question.startswith("plain"):
        rows = _plain_append(folder, count) if "append" in question else _plain_rows(folder)
        return _timed(rows, wall)
    with Store(folder, create=False) as store:
        if "table" in question:
            rows = len(table(store, NAME))
        elif question == "resume scan":
            rows = sum(state is State.DONE for _, state in store.latest(NAME).values())
            assert not store.lacking(NAME, [(m.quantities[0], m.method) for m in STANDARD])
        elif question.startswith("page"):
            rows = len(store.page(NAME, Shown(sort="tempo_bpm"), limit=50))
        elif question == "append":
            rows = _append(store, count)
        else:
            rows = _measure(store, min(count, store.last_change()))
    return _timed(rows, wall)


def _timed(rows: int, began: float) -> dict[str, float]:
    wall_s = time.perf_counter() - began
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"s": wall_s, "takes/s": rows / wall_s, "peak_mb": peak_mb}


def _plain_rows(folder: Path) -> int:
    """The rows that a table is made of, as sqlite3 gives them."""
    with closing(sqlite3.connect(folder / DATABASE)) as db:
        return len(db.execute(ROWS, (1,)).fetchall())


def _plain_append(folder: Path, count: int) -> int:
    """Rows of a take's size, each inserted and updated in transactions of their own."""
    with closing(sqlite3.connect(folder / "plain.sqlite3", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE IF NOT EXISTS takes (id INTEGER PRIMARY KEY, said TEXT, end TEXT)")
        for _ in range(count):
            made = db.execute("INSERT INTO takes (said) VALUES (?)", ("x" * 500,)).lastrowid
            db.execute("UPDATE takes SET end = ? WHERE id = ?", ("y" * 100, made))
    return count


def _append(store: Store, count: int) -> int:
    """Takes that begin and end, each in its own transactions as a run writes them."""
    from workbench.cost import Quote

    for number in range(count):
        request = Request(tags="new", seed=number)
        take = store.start_take(request, "sketch", FINGERPRINT, Quote())
        store.end_take(take.id, State.FAILED, "it is not the audio that is timed")
    return count


def _measure(store: Store, count: int) -> int:
    """The standard set's answers on a take, kept in one transaction each."""
    draw = random.Random(2)
    for take_id in range(1, count + 1):
        answers = [Measurement(**one._asdict()) for one in measured(draw)]
        store.add_measurements(take_id, answers)
    return count


def main() -> None:
    """Fill, ask round by round, leave what was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--takes", type=int, default=100_000)
    parser.add_argument("--appended", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ask", nargs=2, help=argparse.SUPPRESS)  # what a child process is for
    options = parser.parse_args()
    if options.ask:
        print(json.dumps(ask(options.ask[0], Path(options.ask[1]), options.appended)))
        return
    seen: dict[str, list[dict[str, float]]] = {question: [] for question in QUESTIONS}
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), options.takes)
        for _ in range(options.rounds):
            for question, answers in seen.items():
                command = [sys.executable, __file__, "--appended", str(options.appended)]
                command += ["--ask", question, folder]
                out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                answers.append(json.loads(out))
    found = []
    for question, (unit, against, goal) in QUESTIONS.items():
        values = [answer[unit] for answer in seen[question]]
        bound = {"at_most" if unit == "s" else "at_least": goal}
        found.append(Found(question, values, unit, against, **bound))
    for question in ("open and table", "resume scan", "append"):
        peaks = [answer["peak_mb"] for answer in seen[question]]
        found.append(Found(f"memory, {question}", peaks, "MB, peak", at_most=_MEMORY_MB_MAX))
    leave("store", f"Is a study of {options.takes} takes quick?", found)


if __name__ == "__main__":
    main()
