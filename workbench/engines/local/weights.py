"""Where on this disk are a model's weights, which revision are they, and are they whole?

A model is named by a variant, by a repository on the Hugging Face hub, or by a folder. The hub is
never asked: its local cache is read. What a folder lacks is found here, because the libraries that
load it fill missing tensors with random numbers.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from workbench.clip import file_sha256
from workbench.engines.local.variants import VARIANTS, Variant
from workbench.errors import EngineUnavailable

INDEX = "model_index.json"
_UNKNOWN = "unknown"
# Parts that hold no weights, or that text to audio can do without.
_WEIGHTLESS = {"tokenizer", "scheduler"}
_HASHED_BYTES_MAX = 20_000_000


@dataclass(frozen=True)
class WeightsFolder:
    """A model's files on this disk.

    Attributes
    ----------
    variant : Variant
        How it is sampled.
    name : str
        Repository, or the folder's own name without the path to it.
    revision : str
        The hub's commit; for other folders ``sha256:`` and a digest of its index and configs.
    licence : str
        As its files say; "unknown" where they do not.
    path : Path
    """

    variant: Variant
    name: str
    revision: str
    licence: str
    path: Path

    @property
    def size_bytes(self) -> int:
        """Of all its files."""
        return sum(file.stat().st_size for file in self.path.rglob("*") if file.is_file())


def find_weights(model: str, revision: str | None = None) -> WeightsFolder:
    """Find a model on this disk.

    Parameters
    ----------
    model : str
        A variant's name, a repository on the hub, or a folder.
    revision : str, optional
        Commit, branch or tag of a repository; the cache's main branch if not said.

    Raises
    ------
    EngineUnavailable
        If it is not here or not whole; says how to get it.

    Examples
    --------
    >>> find_weights("nobody/nothing")
    Traceback (most recent call last):
    ...
    workbench.errors.EngineUnavailable: the weights of nobody/nothing are not on this disk: get \
them by `workbench models pull nobody/nothing`, or name a folder that holds them.
    """
    variant = VARIANTS.get(model)
    if variant and not variant.repository:
        raise EngineUnavailable(
            f"{model} has no known repository in diffusers' layout: convert the authors' weights "
            "and name the folder.",
            "local",
        )
    folder = Path(model)
    if variant is None and folder.is_dir():
        name, path = folder.resolve().name, folder.resolve()
    else:
        name = variant.repository if variant else model
        path = _cached(name, revision, model)
    lacking = list(lacks(path))
    if lacking:
        raise EngineUnavailable(
            f"the weights of {name} are not whole ({lacking[0]}): get them again by "
            f"`workbench models pull {model}`.",
            "local",
        )
    return WeightsFolder(
        variant or _variant_of(path, name), name, _revision(path), _licence(path), path
    )


def lacks(folder: Path) -> Iterator[str]:
    """What a model's folder lacks, in words; nothing if it is whole.

    Every part that its index names must have a folder, and every tensor that a part's own index
    names a file whose header can be read.
    """
    try:
        parts = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        yield f"no readable {INDEX}"
        return
    for part, described in parts.items():
        if part.startswith("_") or not isinstance(described, list) or described[0] is None:
            continue
        if not (folder / part).is_dir():
            yield f"{part} is missing"
        elif part not in _WEIGHTLESS:
            yield from _part_lacks(folder / part)


def _part_lacks(part: Path) -> Iterator[str]:
    if not (part / "config.json").is_file():
        yield f"{part.name}/config.json is missing"
    files = sorted(part.glob("*.safetensors"))
    named: set[str] = set()
    for index in part.glob("*.safetensors.index.json"):
        try:
            named |= set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError):
            yield f"{part.name}/{index.name} cannot be read"
    yield from (
        f"{part.name}/{name} is missing" for name in sorted(named - {f.name for f in files})
    )
    if not files and not named and not list(part.glob("*.bin")):
        yield f"{part.name} has no weights"
    yield from (f"{part.name}/{file.name} is damaged" for file in files if not _is_whole(file))


def _is_whole(file: Path) -> bool:
    """Whether a safetensors file is as long as its header says."""
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        if not 0 < length < min(file.stat().st_size, 100_000_000):
            return False
        try:
            header = json.loads(opened.read(length))
        except ValueError:
            return False
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    return file.stat().st_size == 8 + length + max(ends, default=0)


def _cached(repository: str, revision: str | None, asked: str) -> Path:
    from workbench.errors import MetricUnavailable
    from workbench.learned.weights import library

    try:
        hub = library("huggingface_hub")
        found = hub.try_to_load_from_cache(repository, INDEX, revision=revision)
    except ValueError:  # no name the hub could have
        found = None
    except MetricUnavailable as error:
        raise EngineUnavailable(str(error), "local") from None
    if not isinstance(found, str) and revision is None:
        found = _newest(Path(hub.constants.HF_HUB_CACHE), repository)
    if not isinstance(found, str):
        raise EngineUnavailable(
            f"the weights of {asked} are not on this disk: get them by "
            f"`workbench models pull {asked}`, or name a folder that holds them.",
            "local",
        )
    return Path(found).parent


def _newest(cache: Path, repository: str) -> str | None:
    """The index of the snapshot that came last: what is got by its commit has no branch here."""
    snapshots = cache / f"models--{repository.replace('/', '--')}" / "snapshots"
    found = sorted(snapshots.glob(f"*/{INDEX}"), key=lambda file: file.lstat().st_mtime)
    return str(found[-1]) if found else None


def _variant_of(folder: Path, name: str) -> Variant:
    """Which variant a folder holds, by its repository's name, else by what its configs say."""
    for variant in VARIANTS.values():
        if name == variant.repository:
            return variant
    try:
        config = json.loads((folder / "transformer" / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        config = {}
    kind = "turbo" if config.get("is_turbo") else ("sft" if "sft" in name.lower() else "base")
    return VARIANTS[f"xl-{kind}" if config.get("hidden_size", 0) > 2048 else kind]


def _revision(folder: Path) -> str:
    if folder.parent.name == "snapshots":  # the cache's layout: models--*/snapshots/<commit>
        return folder.name
    # Weights of many gigabytes are known by their configs and by the sizes of their files.
    import hashlib

    known = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        size = file.stat().st_size
        mark = file_sha256(file) if size < _HASHED_BYTES_MAX else str(size)
        known.update(f"{file.relative_to(folder).as_posix()} {mark}\n".encode())
    return f"sha256:{known.hexdigest()}"


def _licence(folder: Path) -> str:
    card = folder / "README.md"
    if card.is_file():
        head = card.read_text(encoding="utf-8", errors="replace")[:4000]
        said = re.search(r"^licen[sc]e:\s*([\w.+-]+)", head, re.MULTILINE)
        if said:
            return said[1]
    file = next((f for f in folder.glob("LICEN[SC]E*") if f.is_file()), None)
    if file:
        return file.read_text(encoding="utf-8", errors="replace").strip().splitlines()[0][:80]
    return _UNKNOWN
