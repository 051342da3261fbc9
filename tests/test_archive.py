"""A store that travels as one file, proves itself whole, and lets go only of what nobody names."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from tests.conftest import silent
from workbench.archive import (
    MANIFEST,
    collect,
    export,
    import_archive,
    leftovers,
    verify_store,
)
from workbench.cli import main
from workbench.errors import RequestError, StoreError
from workbench.ratings import Rating, keep_rating, read_ratings
from workbench.store import DATABASE, Store
from workbench.study import Study
from workbench.tables import table


@pytest.fixture
def filled(study: Study) -> Study:
    """The sketch study, run: four takes, four files."""
    study.run(watch=silent)
    return study


@pytest.fixture
def archive(filled: Study, tmp_path: Path) -> Path:
    path = tmp_path / "study.zip"
    assert export(filled.store, path) == 5
    return path


def test_what_is_exported_and_imported_is_the_same_study(
    filled: Study, archive: Path, tmp_path: Path
) -> None:
    assert import_archive(archive, tmp_path / "copy") == 5
    assert_frame_equal(table(tmp_path / "copy"), table(filled))
    with Store(tmp_path / "copy", create=False) as store:
        assert verify_store(store) == []
        for take in store.takes_in(["done"]):  # type: ignore[list-item]  # a State is its text
            assert store.clip(take).digest == filled.store.clip(take).digest


def test_what_listeners_said_travels_along(filled: Study, tmp_path: Path) -> None:
    first, second = (take.id for take in filled.takes()[:2])
    vote = Rating(
        study=filled.name,
        listener="me",
        kind="pair",
        first=first,
        second=second,
        chosen=second,
        seed=1,
    )
    keep_rating(filled.store, vote)
    export(filled.store, tmp_path / "study.zip")
    import_archive(tmp_path / "study.zip", tmp_path / "copy")
    with Store(tmp_path / "copy", create=False) as store:
        assert read_ratings(store, filled.name) == read_ratings(filled.store, filled.name) != []


def remade(archive: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The archive with its members changed."""
    with zipfile.ZipFile(archive) as zipped:
        members = {name: zipped.read(name) for name in zipped.namelist()}
    change(members)
    path = archive.with_name("hostile.zip")
    with zipfile.ZipFile(path, "w") as zipped:
        for name, data in members.items():
            zipped.writestr(name, data)
    return path


def listed(members: dict[str, bytes], name: str, data: bytes) -> None:
    """Add a member that the manifest vouches for."""
    members[name] = data
    manifest = json.loads(members[MANIFEST])
    manifest["files"][name] = {
        "size_bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    members[MANIFEST] = json.dumps(manifest).encode()


@pytest.mark.parametrize(
    "name",
    ["../evil.txt", "/etc/evil", "audio/../../evil.flac", "audio/ab/evil.flac", "C:\\evil", "x"],
)
def test_a_hostile_name_is_refused_and_nothing_is_written(
    archive: Path, tmp_path: Path, name: str
) -> None:
    hostile = remade(archive, lambda members: listed(members, name, b"evil"))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StoreError, match="no place in a store"):
        import_archive(hostile, tmp_path / "copy")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_changed_byte_is_refused(archive: Path, tmp_path: Path) -> None:
    def change(members: dict[str, bytes]) -> None:
        name = next(n for n in members if n.startswith("audio/"))
        members[name] = members[name][:-1] + bytes([members[name][-1] ^ 1])

    with pytest.raises(StoreError, match="digest"):
        import_archive(remade(archive, change), tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_a_missing_or_unlisted_member_is_refused(archive: Path, tmp_path: Path) -> None:
    def lose(members: dict[str, bytes]) -> None:
        del members[next(n for n in members if n.startswith("audio/"))]

    def add(members: dict[str, bytes]) -> None:
        members[f"audio/ab/ab{'0' * 62}.flac"] = b"unlisted"

    for change in (lose, add):
        with pytest.raises(StoreError, match="manifest differ"):
            import_archive(remade(archive, change), tmp_path / "copy")


def test_records_that_name_absent_files_are_refused(archive: Path, tmp_path: Path) -> None:
    def change(members: dict[str, bytes]) -> None:
        name = next(n for n in members if n.startswith("audio/"))
        del members[name]
        manifest = json.loads(members[MANIFEST])
        del manifest["files"][name]
        members[MANIFEST] = json.dumps(manifest).encode()

    with pytest.raises(StoreError, match="is missing"):
        import_archive(remade(archive, change), tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


def test_records_with_a_trigger_are_refused(archive: Path, tmp_path: Path) -> None:
    def change(members: dict[str, bytes]) -> None:
        path = tmp_path / "hostile.sqlite3"
        path.write_bytes(members[DATABASE])
        with sqlite3.connect(path) as db:
            db.execute("CREATE TRIGGER t AFTER INSERT ON takes BEGIN DELETE FROM takes; END")
        db.close()
        listed(members, DATABASE, path.read_bytes())

    with pytest.raises(StoreError, match="no workbench made"):
        import_archive(remade(archive, change), tmp_path / "copy")


def test_what_is_no_archive_is_said_so(archive: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.zip"
    cut.write_bytes(archive.read_bytes()[:5_000])
    with pytest.raises(StoreError, match="no archive"):
        import_archive(cut, tmp_path / "copy")
    with pytest.raises(StoreError, match="no manifest"):
        import_archive(remade(archive, lambda members: members.clear()), tmp_path / "copy")
    with pytest.raises(FileNotFoundError):
        import_archive(tmp_path / "nowhere.zip", tmp_path / "copy")
    with pytest.raises(RequestError, match="not empty"):
        import_archive(archive, tmp_path)


def test_only_what_no_take_names_is_collected(filled: Study) -> None:
    folder = filled.store.folder
    kept = set((folder / "audio").glob("*/*"))
    stray = folder / "audio" / "ab" / f"ab{'0' * 62}.flac"
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"stray")
    users = folder / "audio" / "notes.txt"
    users.write_text("not ours")
    digest, _ = filled.store.audio.keep(filled.store.clip(filled.takes()[0]).cut(0, 1))
    with filled.store._db.write(durable=True) as db:
        filled.store.audio.settle(db, [digest])
    found = {left.path.stem: left.why for left in leftovers(filled.store)}
    assert found == {stray.stem: "no record names it", digest: "no take names it"}
    assert stray.exists()  # listing removes nothing
    assert len(collect(filled.store)) == 2
    assert set((folder / "audio").glob("*/*")) == kept
    assert users.exists()
    assert verify_store(filled.store) == []
    assert collect(filled.store) == []


def test_a_table_kept_by_an_earlier_version_is_collected(filled: Study) -> None:
    kept = filled.store.folder / "tables" / "1.arrow"
    kept.parent.mkdir()
    kept.write_bytes(b"0" * 10)
    assert [(left.path, left.size_bytes) for left in collect(filled.store)] == [(kept, 10)]
    assert not kept.exists()
    assert verify_store(filled.store) == []


def test_nothing_is_collected_while_a_study_runs(filled: Study) -> None:
    with (
        Store(filled.store.folder) as other,
        filled.store.coordinate(),
        pytest.raises(StoreError, match="another process"),
    ):
        collect(other)


def test_the_commands(filled: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, packed = str(filled.store.folder), str(tmp_path / "a.zip")
    assert main(["study", "info", folder]) == 0
    assert "trial: 4 done; 0.000000 USD" in capsys.readouterr().out
    assert main(["study", "export", folder, packed]) == 0
    assert main(["study", "import", packed, str(tmp_path / "b")]) == 0
    assert main(["study", "verify", str(tmp_path / "b")]) == 0
    assert "4 audio files read, 0 faults" in capsys.readouterr().out
    assert main(["study", "gc", folder]) == 0
    assert "0 files" in capsys.readouterr().out
    next(filled.store.folder.glob("audio/*/*")).write_bytes(b"damage")
    assert main(["study", "verify", folder]) == 1
    assert "is not what was kept" in capsys.readouterr().err
    assert main(["study", "export", folder, str(tmp_path / "c.zip")]) == 1
    assert not (tmp_path / "c.zip").exists()
    assert main(["study", "import", str(tmp_path / "none.zip"), str(tmp_path / "d")]) == 66
