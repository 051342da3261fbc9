"""Stores of every earlier form come forward with all they hold, once, whole or not at all."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from workbench import store as store_module
from workbench.database import Database
from workbench.errors import StoreError
from workbench.records import MIGRATIONS
from workbench.request import Request
from workbench.store import DATABASE, Store
from workbench.tables import table
from workbench.take import Measurement, State, take_key

FORMS = (1, 2, 3)  # those with a row for each measurement
WISHES = [Request(tags="jazz", seed=seed) for seed in range(4)]
SENT = {"prompt": "jazz \u2028 é"}
RECEIVED = {"seed": 2**40 + 1, "core_s": 0.1}
TRUTH = {"tempo_bpm": 0.1 + 0.2, "key": "C minor", "beats_s": [0.1 * n for n in range(50)]}
HELD = [
    Measurement(name="exact_db", value=0.1 + 0.2, method="m/1"),
    Measurement(name="huge_s", value=1.7976931348623157e308, method="m/1", low=-1 / 3, high=1e-320),
    Measurement(name="whole_s", value=30.0, method="m/1"),
    Measurement(name="word", value="yes", method="m/2"),
    Measurement(name="blank", value="", method="m/2"),
    Measurement(name="none_s", method="m/2", reason="; -- 'no' pulse: 0.25"),
    Measurement(name="doubted_s", value=-0.5, method="m/2", low=1.0, reason="but"),
]


def old_store(folder: Path, form: int) -> None:
    """A store as it was written in an earlier form: a take that is done, two that are not."""
    folder.mkdir()
    database = Database(folder / DATABASE, MIGRATIONS[:form])
    keys = [take_key(wish, {"engine": "sketch"}) for wish in WISHES]
    with database.write(durable=True) as db:
        db.execute("INSERT INTO studies (name, spec, created_at) VALUES ('s', '{}', '')")
        for number, (key, wish) in enumerate(zip(keys, WISHES, strict=True)):
            text = json.dumps(wish.to_json())
            db.execute(
                "INSERT INTO plan VALUES (1, ?, ?, 'sketch', '0', ?, ?)",
                (number, key, json.dumps({"seed": number}), text),
            )
            if number < 3:
                insert(db, key, text, State.FAILED if number else State.DONE)
        db.execute(
            "UPDATE takes SET sent = ?, received = ?, truth = ? WHERE id = 1",
            [json.dumps(said) for said in (SENT, RECEIVED, TRUTH)],
        )
        db.executemany(
            "INSERT INTO measurements VALUES (1, ?, ?, ?, ?, ?, ?)",
            [(m.name, m.value, m.method, m.low, m.high, m.reason) for m in HELD],
        )
    database.close()


def insert(db: sqlite3.Connection, key: str, request: str, state: State) -> None:
    db.execute(
        "INSERT INTO takes (key, engine, fingerprint, request, state, idempotency_key, quote, "
        "charge, notes, started_at, wall_s) VALUES (?, 'sketch', '{\"engine\":\"sketch\"}', ?, ?, "
        '?, \'{"amount_usd":"0.10"}\', \'{"amount_usd":"0.08"}\', \'["so"]\', \'2026\', 0.3)',
        (key, request, state, key),
    )


@pytest.mark.parametrize("form", FORMS)
def test_a_store_comes_forward_with_all_it_holds(tmp_path: Path, form: int) -> None:
    old_store(tmp_path / "old", form)
    with Store(tmp_path / "old") as store:
        assert store._db.version == len(MIGRATIONS)
        assert store.damage() == []
        takes = [take for _, take in store.takes("s") if take]
        assert [take.state for take in takes] == ["done", "failed", "failed"]
        assert (takes[0].sent, takes[0].received, takes[0].truth) == (SENT, RECEIVED, TRUTH)
        assert takes[1].sent == takes[1].received == takes[1].truth == {}
        assert [take.request for take in takes] == WISHES[:3]
        assert store.measurements(1) == sorted(HELD, key=lambda one: one.name)
        assert store.measurements(2) == []
        assert store.lacking("s", [("word", "m/1")]) == {1: [("word", "m/1")]}
        assert store.lacking("s", [("word", "m/2")]) == {}
        row = table(store, "s").iloc[0]
    assert row["received_seed"] == 2**40 + 1
    assert (row["truth_tempo_bpm"], row["truth_key"]) == (0.1 + 0.2, "C minor")
    for one in HELD:
        expected = None if pd.isna(row[one.name]) else row[one.name]
        assert one.value == expected, one.name


@pytest.mark.parametrize("form", FORMS)
def test_a_break_on_the_way_leaves_the_old_store(
    tmp_path: Path, form: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_store(tmp_path / "old", form)
    before = contents(tmp_path / "old", form)
    broken = (*MIGRATIONS, "CREATE TABLE extra (a); CREATE TABLE takes (b)")
    monkeypatch.setattr(store_module, "MIGRATIONS", broken)
    with pytest.raises(StoreError, match="already exists"):
        Store(tmp_path / "old")
    assert contents(tmp_path / "old", form) == before


def contents(folder: Path, form: int) -> dict[str, list[Any]]:
    database = Database(folder / DATABASE, MIGRATIONS[:form])
    names = [row[0] for row in database.rows("SELECT name FROM sqlite_schema WHERE type='table'")]
    found = {name: [tuple(row) for row in database.rows(f"SELECT * FROM {name}")] for name in names}
    database.close()
    return found


def test_what_the_old_form_took_is_given_back(tmp_path: Path) -> None:
    old_store(tmp_path / "old", 3)
    with Store(tmp_path / "old") as store:
        assert store._db.rows("PRAGMA freelist_count")[0][0] == 0


def test_what_came_forward_is_what_the_store_writes_itself(tmp_path: Path) -> None:
    old_store(tmp_path / "old", 3)
    with Store(tmp_path / "old") as store:
        row = "SELECT layout, numbers FROM measurements WHERE take_id = 1"
        before = [tuple(one) for one in store._db.rows(row)]
        store.add_measurements(1, HELD)
        assert [tuple(one) for one in store._db.rows(row)] == before
