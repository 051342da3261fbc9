"""The store: complete or absent, versioned, one coordinator, many readers."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from workbench import store as store_module
from workbench.clip import Clip, file_sha256
from workbench.cost import Charge, Quote, usd
from workbench.engines.base import Delivery
from workbench.errors import AudioError, StoreError
from workbench.records import MIGRATIONS, Place
from workbench.request import Request
from workbench.store import DATABASE, Store
from workbench.take import Measurement, State, Take

NOISE = np.round(np.random.default_rng(0).standard_normal((2, 4800)) * 900) / 32768
CLIP = Clip(NOISE.astype(np.float32), 48_000)
WISH = Request(tags="jazz")


def begun(store: Store, amount: str = "0") -> Take:
    return store.start_take(WISH, "sketch", {"engine": "sketch"}, Quote(amount_usd=usd(amount)))


def files_in(store: Store) -> list[Path]:
    return [p for p in (store.folder / "audio").rglob("*") if p.is_file()]


def test_a_clip_is_kept_under_the_name_of_its_content(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        take = store.keep_take(begun(store).id, Delivery(CLIP, sent={}), 0.5)
        assert take.state is State.DONE
        assert store.clip(take) == CLIP
        (path,) = files_in(store)
        assert path.stem == file_sha256(path) == take.audio == take.delivered


def test_delivered_bytes_stay_as_they_came_beside_a_lossless_copy(tmp_path: Path) -> None:
    delivered = tmp_path / "download.part"
    with delivered.open("wb") as file:
        Clip(np.tile(CLIP.samples, 20), 48_000).encode(file, ".mp3")
    as_sent = delivered.read_bytes()
    with Store(tmp_path / "store") as store:
        take = store.keep_take(begun(store).id, Delivery(delivered, sent={}), 0.5)
        assert store.audio.path(take.delivered).read_bytes() == as_sent
        assert store.audio.path(take.delivered).suffix == ".mp3"
        assert store.clip(take) == Clip.read(store.audio.path(take.delivered))
        assert take.audio != take.delivered
    assert not delivered.exists()


def test_a_delivered_lossless_file_needs_no_copy(tmp_path: Path) -> None:
    delivered = tmp_path / "download.wav"
    CLIP.write(delivered)
    with Store(tmp_path / "store") as store:
        take = store.keep_take(begun(store).id, Delivery(delivered, sent={}), 0.5)
        assert take.audio == take.delivered
        assert len(files_in(store)) == 1


def test_a_delivered_file_that_is_no_audio_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    delivered = tmp_path / "download.wav"
    delivered.write_text("<html>not found</html>")
    with Store(tmp_path / "store") as store:
        take = begun(store)
        with pytest.raises(AudioError, match="no audio"):
            store.keep_take(take.id, Delivery(delivered, sent={}), 0.5)
        assert store.take(take.id).state is State.STARTED
        assert files_in(store) == []


def test_a_key_is_finished_once(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.keep_take(begun(store).id, Delivery(CLIP, sent={}), 0.5)
        second = begun(store)
        with pytest.raises(sqlite3.IntegrityError):
            store.keep_take(second.id, Delivery(CLIP, sent={}), 0.5)
        assert store.take(second.id).state is State.STARTED


def test_a_file_whose_take_was_never_written_is_cleared_away(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        kept = store.keep_take(begun(store).id, Delivery(CLIP, sent={}), 0.5)
        stray = Clip(CLIP.samples[:, :100], 48_000)
        store.audio._encode(stray)  # as if the process died before the take's record
        (tmp_path / "incoming" / "half.flac").write_bytes(b"fLaC")
        assert len(files_in(store)) == 2
        with store.coordinate():
            assert [p.stem for p in files_in(store)] == [kept.audio]
            assert not list((tmp_path / "incoming").glob("*"))
        assert store.clip(kept) == CLIP


def test_a_second_coordinator_is_refused_and_readers_are_not(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from workbench.store import Store\n"
        "from workbench.errors import StoreError\n"
        "store = Store(sys.argv[1], create=False)\n"
        "print(len(store.study_names()))\n"
        "try:\n"
        "    with store.coordinate(): print('joined')\n"
        "except StoreError as error: print(error)\n"
    )
    with Store(tmp_path) as store, store.coordinate():
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
        )
    seen, said = done.stdout.splitlines()
    assert seen == "0"
    assert "another process is running" in said


def test_takes_of_unknown_outcome_count_at_their_quote(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        place = Place(begun(store, "0.5").key, "sketch", "0", {}, WISH)
        store.save_plan("s", {}, [place])
        assert store.spent_usd("s") == usd("0.5")
        store.end_take(1, State.UNKNOWN, "no answer")
        assert store.spent_usd("s") == usd("0.5")
        store.end_take(1, State.FAILED, "billed all the same", Charge(amount_usd=usd("0.2")))
        assert store.spent_usd("s") == usd("0.2")
        store.end_take(1, State.FAILED, "not billed")
        assert store.spent_usd("s") == 0


def test_what_was_measured_is_replaced_by_name(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        take = store.keep_take(begun(store).id, Delivery(CLIP, sent={}), 0.5)
        store.add_measurements(take.id, [Measurement(name="a", value=1.5, method="m/1")])
        store.add_measurements(
            take.id,
            [
                Measurement(name="a", value=2.5, method="m/2"),
                Measurement(name="b", method="m/2", reason="too short"),
                Measurement(name="c", value="match", method="m/2"),
            ],
        )
        values = {m.name: (m.value, m.reason) for m in store.measurements(take.id)}
        assert values == {"a": (2.5, ""), "b": (None, "too short"), "c": ("match", "")}
        store.save_plan("s", {}, [Place(take.key, "sketch", "0", {}, WISH)])
        assert store.lacking("s", [("a", "m/2")]) == {}
        asked = [("a", "m/2"), ("a", "m/3"), ("new", "m/1")]
        assert store.lacking("s", asked) == {take.id: asked[1:]}
        assert store.lacking("s", []) == {}


def test_a_measurement_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    held = [
        Measurement(name="a_digits", value="007", method="m/1"),
        Measurement(name="b_flag", value=True, method="m/1"),
        Measurement(name="c_number", value=0.1 + 0.2, method="m/1", low=-1e-300, high=2.0),
        Measurement(name="d_text", value="1e3", method="m/1", reason="and a reason"),
        Measurement(name="e_hostile", value="'); DROP TABLE texts; --\x00\n", method="m/1"),
        Measurement(name="f_void", method="m/1"),
    ]
    with Store(tmp_path) as store:
        take = begun(store)
        store.add_measurements(take.id, held)
        found = store.measurements(take.id)
        assert found == held
        assert [type(one.value) for one in found] == [type(one.value) for one in held]
        assert store.measurements(take.id + 1) == []


@pytest.mark.parametrize(
    "broken",
    ["measurements SET numbers = substr(numbers, 1, 11)", "layouts SET said = 'no list'"],
)
def test_a_row_of_measurements_that_was_cut_is_damage(tmp_path: Path, broken: str) -> None:
    with Store(tmp_path) as store:
        take = begun(store)
        word = Measurement(name="a", value="yes", method="m/1", reason="so")
        store.add_measurements(take.id, [word])
        assert store.damage() == []
        with store._db.write(durable=False) as db:
            db.execute(f"UPDATE {broken}")
        assert store.damage() == ["the measurements of take 1 are not as their layout says"]


def test_an_older_store_is_brought_forward_with_its_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path) as store:
        kept = store.keep_take(begun(store).id, Delivery(CLIP, sent={}), 0.5)
    added = "CREATE TABLE marks (take_id INTEGER, mark TEXT); CREATE INDEX m ON marks (mark)"
    monkeypatch.setattr(store_module, "MIGRATIONS", (*MIGRATIONS, added))
    with Store(tmp_path) as store:
        assert store.take(kept.id) == kept
        assert store.clip(kept) == CLIP
        assert store._db.version == len(MIGRATIONS) + 1


def test_a_migration_that_breaks_leaves_the_old_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store(tmp_path).close()
    broken = "CREATE TABLE extra (a); CREATE TABLE takes (b)"
    monkeypatch.setattr(store_module, "MIGRATIONS", (*MIGRATIONS, broken))
    with pytest.raises(StoreError, match="already exists"):
        Store(tmp_path)
    monkeypatch.setattr(store_module, "MIGRATIONS", MIGRATIONS)
    with Store(tmp_path) as store:
        assert store.study_names() == []
        with pytest.raises(sqlite3.OperationalError):
            store._db.rows("SELECT * FROM extra")


def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    with Store(tmp_path) as store, store._db.write(durable=True) as db:
        db.execute("PRAGMA user_version=99")
    with pytest.raises(StoreError, match="newer workbench"):
        Store(tmp_path)


def test_what_is_no_store_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no store"):
        Store(tmp_path, create=False)
    (tmp_path / DATABASE).write_bytes(b"hello" * 1000)
    with pytest.raises(StoreError, match="cannot be read"):
        Store(tmp_path)


def test_audio_that_is_gone_or_damaged_is_said_so(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        take = store.keep_take(begun(store).id, Delivery(CLIP, sent={}), 0.5)
        (path,) = files_in(store)
        path.write_bytes(path.read_bytes()[:100])
        with pytest.raises(AudioError, match="damaged"):
            store.clip(take)
        path.unlink()
        with pytest.raises(StoreError, match="not in"):
            store.clip(take)


def test_studies_are_found_by_name(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.save_plan("one", {"a": 1}, [])
        assert store.study_name() == "one"
        store.save_plan("two", {}, [])
        with pytest.raises(StoreError, match="one, two"):
            store.study_name()
        with pytest.raises(StoreError, match="no study 'three'"):
            store.study_name("three")


def test_a_new_store_is_its_owners_alone(tmp_path: Path) -> None:
    Store(tmp_path / "runs" / "new").close()
    assert (tmp_path / "runs" / "new").stat().st_mode & 0o077 == 0
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o750)
    Store(shared).close()
    assert shared.stat().st_mode & 0o777 == 0o750  # what its owner decided stays
