"""Where on this disk are a model's files, and which revision are they?

A model is named by a folder that holds it, or by its name on the Hugging Face hub, which is looked
up in the local cache alone. The revision is the hub's commit for cached models, otherwise the
SHA-256 of the weights, so that two results can be compared only if they may be.
"""

from __future__ import annotations

import importlib
import pickle
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from workbench.clip import file_sha256
from workbench.errors import MetricUnavailable

_CONFIG_FILE = "config.json"
_WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
_EXTRA = "workbench[local]"


@dataclass(frozen=True)
class Weights:
    """A model's files on this disk.

    `name` is the hub's name, or the folder's own without the path to it; `revision` the hub's
    commit, or ``sha256:`` and the digest of the weights.
    """

    name: str
    revision: str
    folder: Path


def find_weights(name: str) -> Weights:
    """Find a model on this disk.

    Parameters
    ----------
    name : str
        A folder with config and weights, or a name on the Hugging Face hub.

    Returns
    -------
    Weights
        Where they are and which they are.

    Raises
    ------
    MetricUnavailable
        If they are not on this disk. The network is not asked.

    Examples
    --------
    >>> find_weights("nobody/nothing")
    Traceback (most recent call last):
    workbench.errors.MetricUnavailable: nobody/nothing is not available: get it by \
`hf download nobody/nothing`, or name a folder that holds it.
    """
    given = Path(name)
    folder = given if given.is_dir() else _cached_folder(name)
    weights = next((folder / file for file in _WEIGHT_FILES if (folder / file).is_file()), None)
    if weights is None or not (folder / _CONFIG_FILE).is_file():
        raise not_on_disk(name)
    if folder.parent.name == "snapshots":  # the cache's layout: models--*/snapshots/<commit>
        revision = folder.name
    else:
        revision = f"sha256:{file_sha256(weights)}"
    return Weights(folder.resolve().name if given.is_dir() else name, revision, folder)


def not_on_disk(name: str) -> MetricUnavailable:
    """The error for a model whose files are missing or incomplete."""
    if Path(name).is_dir():
        return MetricUnavailable(
            f"the model in {Path(name).resolve().name} is not available: get all of its files "
            f"({_CONFIG_FILE}, {' or '.join(_WEIGHT_FILES)}, tokenizer) by downloading it again."
        )
    return MetricUnavailable(
        f"{name} is not available: get it by `hf download {name}`, or name a folder that holds it."
    )


def unreadable() -> tuple[type[Exception], ...]:
    """What loading a damaged or different model raises, for an `except` clause."""
    damaged: type[Exception] = library("safetensors").SafetensorError
    return (OSError, ValueError, TypeError, RuntimeError, pickle.UnpicklingError, damaged)


def library(module: str, requirement: str = _EXTRA) -> ModuleType:
    """Import a library that this package can do without.

    Parameters
    ----------
    module : str
        Dotted name of the module.
    requirement : str
        What `pip install` must be told to bring it; our extra for local engines if not said.

    Raises
    ------
    MetricUnavailable
        If it, or what it needs, is not installed.

    Examples
    --------
    >>> library("no_such_module", "no-such-package")
    Traceback (most recent call last):
    workbench.errors.MetricUnavailable: no_such_module is not available: get it by \
`pip install 'no-such-package'`.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MetricUnavailable(
            f"{module} is not available: get it by `pip install '{requirement}'`."
        ) from error


def _cached_folder(name: str) -> Path:
    # The hub's own download with `local_files_only` asks it for a list of agents all the same.
    try:
        config = library("huggingface_hub").try_to_load_from_cache(name, _CONFIG_FILE)
    except ValueError:  # no name the hub could have
        config = None
    if not isinstance(config, str):
        raise not_on_disk(name)
    return Path(config).parent
