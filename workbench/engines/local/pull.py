"""Getting a model's weights: how large, then the download, which goes on where it stopped.

The one place of this package that asks the Hugging Face hub, and only when a person asked for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.engines.local.variants import VARIANTS
from workbench.engines.local.weights import INDEX, WeightsFolder, find_weights
from workbench.errors import EngineBusy, EngineUnavailable, RequestError


@dataclass(frozen=True)
class Offer:
    """What would be downloaded.

    `revision` is the commit that the name stands for now: it pins what is got.
    """

    repository: str
    revision: str
    size_bytes: int
    files: int
    licence: str


def offer(model: str, revision: str | None = None) -> Offer:
    """Ask the hub what a model is and how large.

    Parameters
    ----------
    model : str
        A variant's name or a repository.
    revision : str, optional
        Commit, branch or tag.

    Raises
    ------
    RequestError
        If the variant has no repository, the hub knows none of that name, or it is not in
        diffusers' layout.
    EngineBusy
        If the hub cannot be reached.
    """
    repository = _repository(model)
    hub = _hub()
    try:
        info = hub.HfApi().model_info(repository, revision=revision, files_metadata=True)
    except Exception as error:
        raise _unreachable(repository, error) from error
    files = list(info.siblings or ())
    if INDEX not in {file.rfilename for file in files}:
        raise RequestError(
            f"{repository} is not in diffusers' layout (it has no {INDEX}): convert it first."
        )
    card = getattr(info, "card_data", None) or {}
    return Offer(
        repository,
        str(info.sha),
        sum(file.size or 0 for file in files),
        len(files),
        str(card.get("license") or "unknown"),
    )


def pull(what: Offer) -> WeightsFolder:
    """Download what was offered into the hub's cache; what is there already is kept.

    Raises
    ------
    EngineBusy
        If the download broke off; the same call goes on.
    EngineUnavailable
        If what came is not whole.
    """
    hub = _hub()
    try:
        folder = Path(hub.snapshot_download(what.repository, revision=what.revision))
    except Exception as error:
        raise _unreachable(what.repository, error) from error
    return find_weights(str(folder))


def _repository(model: str) -> str:
    variant = VARIANTS.get(model)
    if variant is None:
        return model
    if not variant.repository:
        raise RequestError(
            f"{model} has no known repository in diffusers' layout: convert the authors' weights "
            "and name the folder."
        )
    return variant.repository


def _hub() -> Any:
    from workbench.errors import MetricUnavailable
    from workbench.learned.weights import library

    try:
        return library("huggingface_hub")
    except MetricUnavailable as error:
        raise EngineUnavailable(str(error), "local") from None


def _unreachable(repository: str, error: Exception) -> EngineBusy | RequestError:
    from huggingface_hub import errors

    if isinstance(error, errors.RepositoryNotFoundError | errors.RevisionNotFoundError):
        return RequestError(f"the hub knows no {repository} of that name and revision: check both.")
    said = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return EngineBusy(
        f"{repository} could not be had ({said}): check the network; the same command goes on "
        "where it stopped.",
        "local",
    )
