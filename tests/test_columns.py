"""The table's columns say what takes and measurements say, read one by one; to the last bit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.conftest import TONE
from workbench import store as store_module
from workbench.cost import Charge, Quote, usd
from workbench.database import Database
from workbench.engines.base import Delivery
from workbench.records import Place
from workbench.request import AnyRequest, Inpaint, Outpaint, Request, Span
from workbench.store import Store
from workbench.tables import COLUMNS, table
from workbench.take import Measurement, State, Take, take_key
from workbench.words import without_tempo

NAME = "mixed"
HOSTILE = '\'; DROP TABLE takes; -- "quoted" \\ \u202e\u2028 é 😀 <b> {"a":[1]} \x1f ,\ttail'
OWN = ("tags", "seed", "duration_s", "lyrics", "key", "tempo_bpm", "tempo_carrier")


def wishes(source: Path) -> list[tuple[AnyRequest, dict[str, Any]]]:
    """Requests of every kind, each with its values of the axes; some axes are not everybody's."""
    texts: list[tuple[AnyRequest, dict[str, Any]]] = [
        (
            Request(tags=tags, lyrics=f"[verse]\n{HOSTILE}", seed=seed, options={"steps": steps}),
            {"tags": tags, "seed": seed, "options.steps": steps, "options.turbo": seed > 1},
        )
        for tags in ("house, 124 BPM", HOSTILE, "jazz")
        for seed in range(4)
        for steps in (4, 8)
    ]
    tuned = Request(tags="a", tempo_bpm=90, tempo_carrier="both", key="c minor", duration_s=6)
    span = Span(start_s=0.2, end_s=0.6)
    return [
        *texts,
        (tuned, {"key": "c minor", "mood": HOSTILE}),
        (Inpaint(tags="b, 90 bpm", source=source, span=span), {}),
        (Outpaint(tags="b", source=source, seed=-1), {"mood": "calm"}),
        *texts[:3],  # places may share a take
    ]


def measurements(number: int) -> list[Measurement]:
    """Numbers to their last bit, words, what is undefined, and texts meant to break something."""
    found = [
        Measurement(name="exact_db", value=(0.1 + 0.2) * 10.0 ** (number % 10 * 40 - 200)),
        Measurement(name="whole_pct", value=number),
        Measurement(name="yes", value=number % 2 == 0),
        Measurement(name="doubted_lu", value=1 / 3, reason="a number, and yet a reason"),
        Measurement(name="word", value=("007", "", HOSTILE)[number % 3]),
        Measurement(name="either", value="many" if number % 2 else 2.5),
        Measurement(name="rare_s", value=None if number % 3 else 0.0, reason="rare" * (number % 3)),
        Measurement(name="never_s", reason=HOSTILE),
        Measurement(name="void_s"),
        Measurement(name=f"[{HOSTILE}", value=-float(number)),
    ]
    return found[number % 3 :]


def lived(store: Store, place: Place, number: int) -> None:
    """A place's takes: none, one that ended in one of the ways, or several."""
    fingerprint = {"engine": place.engine}
    quote = Quote(amount_usd=usd("0.10"), credits=number % 2, basis="so")
    if number % 7 == 0:
        return
    take = store.start_take(place.request, place.engine, fingerprint, quote)
    if number % 7 == 1:
        store.end_take(take.id, State.FAILED, HOSTILE, Charge(credits=3, source="expected"))
    elif number % 7 == 2:
        store.end_take(take.id, State.UNKNOWN, "no answer came.")
    elif number % 7 > 3:
        said: dict[str, Any] = {"received": {"seed": number}} if number % 2 else {}
        truth = {"tempo_bpm": 124.5, "key": "C minor"} if number % 3 else {}
        charge = Charge(amount_usd=usd("0.08"))
        notes = (HOSTILE, "so")
        made = Delivery(TONE, sent={}, truth=truth, notes=notes, charge=charge, **said)
        store.keep_take(take.id, made, 0.1 + number)
        store.add_measurements(take.id, measurements(number))
        again = store.start_take(place.request, place.engine, fingerprint, quote)
        store.end_take(again.id, State.FAILED, "the finished one counts")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A study in which everything happens that can, beside another one's takes."""
    source = tmp_path / "source.wav"
    TONE.write(source)
    places = [
        Place(take_key(wish, {"engine": engine}), engine, str(wish.seed), at, wish)
        for wish, at in wishes(source)
        for engine in ("one", "other")
    ]
    with Store(tmp_path / "store") as made:
        made.save_plan(NAME, {}, places)
        lone = Place(take_key(Request(tags="z"), {}), "one", "0", {}, Request(tags="z"))
        made.save_plan("another", {}, [lone])
        lived(made, lone, 4)
        for number, place in enumerate(dict.fromkeys(p.key for p in places)):
            lived(made, next(p for p in places if p.key == place), number)
        yield made


def one_by_one(store: Store) -> pd.DataFrame:
    """The same table from `Take` and `Measurement`, a row at a time."""
    rows = []
    for place, take in store.takes(NAME):
        wish = place.request
        row: dict[str, Any] = {
            "engine": place.engine,
            "state": "missing",
            "reason": "",
            "round": place.round,
            "kind": wish.kind,
            "tags": wish.tags,
            "style": ", ".join(without_tempo(wish.tag_list)),
            "lyrics": wish.lyrics,
            "seed": wish.seed,
            "asked_tempo_bpm": wish.asked_tempo_bpm,
            "tempo_carrier": wish.tempo_carrier,
            "asked_key": wish.key,
            "asked_duration_s": getattr(wish, "duration_s", None),
            "notes": "",
            "audio": "",
        }
        row |= {f"axis_{axis}": value for axis, value in place.at.items() if axis not in OWN}
        rows.append(row | (of_take(store, take) if take else {}))
    return pd.DataFrame(rows)


def of_take(store: Store, take: Take) -> dict[str, Any]:
    row: dict[str, Any] = {
        "take_id": take.id,
        "state": str(take.state),
        "reason": take.reason,
        "quoted_usd": float(take.quote.amount_usd),
        "quoted_credits": float(take.quote.credits),
        "wall_s": take.wall_s,
        "received_seed": take.received.get("seed"),
        "truth_tempo_bpm": take.truth.get("tempo_bpm"),
        "truth_key": take.truth.get("key"),
        "notes": "; ".join(take.notes),
        "audio": take.audio,
        "started_at": take.started_at,
    }
    if take.charge:
        in_credits = take.charge.credits and not take.charge.amount_usd
        row["charged_usd"] = None if in_credits else float(take.charge.amount_usd)
        row["charged_credits"] = float(take.charge.credits)
        row["charge_source"] = take.charge.source
    for measurement in store.measurements(take.id):
        row[measurement.name] = measurement.value
        if measurement.reason:
            row[f"{measurement.name}_reason"] = measurement.reason
    return row


def plain(frame: pd.DataFrame) -> dict[str, list[Any]]:
    """Columns as lists; whatever is absent is None."""
    return {str(c): [None if pd.isna(v) else v for v in frame[c]] for c in sorted(frame.columns)}


@pytest.mark.parametrize("at_once", [7, 10_000])
def test_columns_say_what_takes_say_one_by_one(
    store: Store, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "ROWS_AT_ONCE", at_once)
    takes = table(store, NAME)
    assert set(takes["state"]) == {"missing", "failed", "unknown", "started", "done"}
    assert takes["exact_db"].nunique() > 3
    assert plain(takes) == plain(one_by_one(store))


def test_a_measurement_written_meanwhile_does_not_mix_with_the_others(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = table(store, NAME)
    take_id = int(before.query("state == 'done'")["take_id"].iloc[0])
    read = Database.columns

    def written_between(database: Database, *query: Any) -> Iterator[Any]:
        for batch in read(database, *query):
            with Store(tmp_path / "store") as other:
                other.add_measurements(take_id, [Measurement(name="a_newer_one_s", value=5.0)])
            yield batch

    monkeypatch.setattr(store_module, "ROWS_AT_ONCE", 7)
    with monkeypatch.context() as patched:
        patched.setattr(Database, "columns", written_between)
        assert plain(table(store, NAME)) == plain(before)
    assert table(store, NAME)["a_newer_one_s"].dropna().unique().tolist() == [5.0]


def test_a_plan_without_places_has_the_columns_all_the_same(store: Store) -> None:
    store.save_plan("empty", {}, [])
    assert list(table(store, "empty").columns) == list(COLUMNS)
    assert len(table(store, "empty")) == 0
