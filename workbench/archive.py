"""Is a store whole, what in it is of no use, and how does it travel as one file?

An archive is a zip (stored, since audio is compressed already) of::

    manifest.json      the format, and for each file its size and SHA-256
    store.sqlite3      a copy of the database as of one moment
    audio/ab/ab12….flac

Nothing of an archive is put in place before every name, size and digest in it is right.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from workbench.clip import file_sha256
from workbench.errors import RequestError, StoreError
from workbench.store import DATABASE, Store

FORMAT = 1
MANIFEST = "manifest.json"
# The only names that an archive may hold; no path can climb out of the folder by them.
_NAME = re.compile(r"store\.sqlite3|audio/([0-9a-f]{2})/(\1[0-9a-f]{62})\.[a-z0-9]{2,5}")
_MANIFEST_BYTES_MAX = 256 * 2**20
_BLOCK_BYTES = 2**20


@dataclass(frozen=True)
class Fault:
    """Something in a store that is not as its records say."""

    path: str
    what: str


@dataclass(frozen=True)
class Leftover:
    """A file that no record names, and why it may go."""

    path: Path
    size_bytes: int
    why: str


def verify_store(store: Store) -> list[Fault]:
    """Read every file and compare it with its record; what does not agree.

    Examples
    --------
    >>> with tempfile.TemporaryDirectory() as folder, Store(folder) as store:
    ...     verify_store(store)
    []
    """
    faults = [Fault(DATABASE, said) for said in store.damage()]
    for relative, size_bytes in store.audio.named():
        path = store.folder / relative
        if not _NAME.fullmatch(relative):
            faults.append(Fault(relative, "is no place in a store"))
        elif not path.is_file():
            faults.append(Fault(relative, "is missing"))
        elif path.stat().st_size != size_bytes or file_sha256(path) != path.stem:
            faults.append(Fault(relative, "is not what was kept"))
    return faults


def leftovers(store: Store) -> list[Leftover]:
    """Files in the store's own folders that no record names, each with the reason.

    A file named by any take, as audio or as delivered, is never among them; nor is one that is
    not named as the store names files.
    """
    named = {relative for relative, _ in store.audio.named()}
    used = store.audio.used()
    found = [
        Leftover(path, path.stat().st_size, "tables are no longer kept")
        for path in sorted((store.folder / "tables").glob("*.arrow"))
    ]
    for path in sorted((store.folder / "audio").glob("*/*")):
        relative = path.relative_to(store.folder).as_posix()
        if path.is_symlink() or not path.is_file() or not _NAME.fullmatch(relative):
            continue
        if path.stem in used:
            continue
        why = "no take names it" if relative in named else "no record names it"
        found.append(Leftover(path, path.stat().st_size, why))
    return found


def collect(store: Store) -> list[Leftover]:
    """Remove what `leftovers` finds; returns what was removed.

    Raises
    ------
    StoreError
        If a study is running in the store: its files under way have no record yet.
    """
    with store.coordinate():
        found = leftovers(store)
        store.audio.forget([left.path.stem for left in found])
        for left in found:
            left.path.unlink()
    return found


def export(store: Store, archive: Path) -> int:
    """Write a store as one archive; returns how many files it holds.

    Raises
    ------
    StoreError
        If the store is not whole: an archive of it would carry the damage on.
    RequestError
        If there is a file of that name already.
    """
    if archive.exists():
        raise RequestError(f"{archive} exists already: name another file.")
    if faults := verify_store(store):
        raise StoreError(f"{faults[0].path} {faults[0].what}: see `workbench study verify`.")
    incoming = archive.with_name(f".{archive.name}.incoming")
    archive.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=archive.parent) as scratch:
            copy = Path(scratch) / DATABASE
            store.copy_records(copy)
            with Store(scratch, create=False) as copied:
                names = [relative for relative, _ in copied.audio.named()]
            files = {DATABASE: copy} | {name: store.folder / name for name in names}
            _write_zip(incoming, files)
        incoming.replace(archive)
    finally:
        incoming.unlink(missing_ok=True)
    return len(files)


def _write_zip(path: Path, files: dict[str, Path]) -> None:
    listed = {
        name: {"size_bytes": file.stat().st_size, "sha256": file_sha256(file)}
        for name, file in files.items()
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as zipped:
        zipped.writestr(MANIFEST, json.dumps({"format": FORMAT, "files": listed}, indent=1))
        for name, file in files.items():
            zipped.write(file, name)


def import_archive(archive: Path, folder: Path) -> int:
    """Put an archive's store into a new folder; returns how many files came.

    Raises
    ------
    FileNotFoundError
        If there is no such archive.
    RequestError
        If the folder exists and is not empty.
    StoreError
        If a name, size or digest in the archive is not as its manifest says, or the records
        do not agree with the files. Nothing is left behind.
    """
    if not archive.is_file():
        raise FileNotFoundError(f"there is no archive {archive}.")
    if folder.exists() and any(folder.iterdir()):
        raise RequestError(f"{folder} is not empty: name a new folder.")
    try:
        with zipfile.ZipFile(archive) as zipped:
            listed = _checked_manifest(zipped)
            for name, said in listed.items():
                _check_content(zipped, name, said)
            return _put_in_place(zipped, listed, folder)
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise StoreError(f"{archive.name} is damaged or no archive: {error}.") from error


def _checked_manifest(zipped: zipfile.ZipFile) -> dict[str, Any]:
    """The manifest's files, once their names are all allowed and are all that there is."""
    entries = {entry.filename: entry for entry in zipped.infolist()}
    if len(entries) < len(zipped.infolist()):
        raise StoreError("the archive holds a name twice.")
    if MANIFEST not in entries or entries[MANIFEST].file_size > _MANIFEST_BYTES_MAX:
        raise StoreError(
            "the archive has no manifest: it was not made by `workbench study export`."
        )
    try:
        manifest = json.loads(zipped.read(MANIFEST))
        version, listed = manifest["format"], dict(manifest["files"])
        sizes = {name: int(said["size_bytes"]) for name, said in listed.items()}
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"the archive's manifest cannot be read: {error!r}.") from error
    if version != FORMAT:
        raise StoreError(f"the archive has format {version!r}, this workbench reads {FORMAT}.")
    strange = sorted(name for name in {*entries, *listed} - {MANIFEST} if not _NAME.fullmatch(name))
    if strange:
        raise StoreError(f"the archive names {strange[0]!r}, which is no place in a store.")
    wrong = {*entries} - {MANIFEST} ^ {*listed}
    wrong |= {n for n in listed if n in entries and entries[n].file_size != sizes[n]}
    if wrong or DATABASE not in listed:
        raise StoreError(f"the archive and its manifest differ in {min(wrong, default=DATABASE)}.")
    return listed


def _check_content(zipped: zipfile.ZipFile, name: str, said: Any) -> None:
    sha256 = hashlib.sha256()
    with zipped.open(name) as file:
        for block in _blocks(file):
            sha256.update(block)
    is_audio = name != DATABASE
    if sha256.hexdigest() != said.get("sha256") or (
        is_audio and sha256.hexdigest() != Path(name).stem
    ):
        raise StoreError(f"{name} in the archive is not what its digest says.")


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(_BLOCK_BYTES):
        yield block


def _put_in_place(zipped: zipfile.ZipFile, listed: dict[str, Any], folder: Path) -> int:
    """Unpack beside the folder, check the store as a whole, then give it its name."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".incoming-") as scratch:
        inside = Path(scratch) / "store"
        inside.mkdir(mode=0o700)
        for name in listed:
            path = inside / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with zipped.open(name) as source, path.open("xb") as target:
                shutil.copyfileobj(source, target)
        with Store(inside, create=False) as store:
            faults = verify_store(store)
        if faults:
            raise StoreError(f"in the archive, {faults[0].path} {faults[0].what}.")
        if folder.exists():
            folder.rmdir()
        inside.rename(folder)
    return len(listed)
