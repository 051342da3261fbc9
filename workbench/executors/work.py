"""What a worker does: rebuild the engine, make the audio, leave it in shared storage, measure it.

Nothing here touches a store. What crosses is JSON data and the names of measures.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
import time
import uuid
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from workbench.clip import Clip
from workbench.engines import Recipe
from workbench.engines.base import Attempt, Delivery, Engine
from workbench.errors import Cancelled, EngineError, EngineFailed
from workbench.measure import Measure, Subject
from workbench.request import request_from_json
from workbench.take import Measurement

_FLAG_LOOK_S = 0.2


@dataclasses.dataclass(frozen=True)
class Order:
    """A batch for a worker: how to rebuild the engine, what to make, where to leave it."""

    recipe: Recipe
    requests: tuple[Mapping[str, Any], ...]
    idempotency_keys: tuple[str, ...]
    measures: tuple[Measure, ...]
    storage: str
    name: str

    @property
    def _is_far(self) -> bool:
        return "://" in self.storage

    @property
    def _flag(self) -> str:
        return f"{self.storage}/{self.name}.cancel"

    def raise_flag(self) -> None:
        """Tell the worker to stop."""
        if self._is_far:
            self._files().pipe_file(self._flag, b"stop")
        else:
            Path(self._flag).touch()

    def lower_flag(self) -> None:
        """Take the flag away, if it was raised."""
        if not self._is_far:
            Path(self._flag).unlink(missing_ok=True)
        elif self._files().exists(self._flag):
            self._files().rm_file(self._flag)

    def is_cancelled(self) -> bool:
        """Whether the flag is raised."""
        if self._is_far:
            return bool(self._files().exists(self._flag))
        return Path(self._flag).exists()

    def leave(self, audio: Clip | Path) -> str:
        """Put audio where the coordinator finds it, whole before it is reported; its place."""
        suffix = audio.lossless_suffix if isinstance(audio, Clip) else audio.suffix
        place = f"{self.storage}/{uuid.uuid4().hex}{suffix}"
        with tempfile.TemporaryDirectory() as scratch:
            local = Path(scratch) / f"audio{suffix}" if self._is_far else Path(place)
            if isinstance(audio, Clip):
                audio.write(local)
            else:
                shutil.move(audio, local)
            if self._is_far:
                self._files().put_file(str(local), place)
        return place

    def fetch(self, place: str, folder: Path) -> Path:
        """On the coordinator: the audio as a file of its own."""
        if not self._is_far:
            return Path(place)
        local = folder / place.rpartition("/")[2]
        self._files().get_file(place, str(local))
        self._files().rm_file(place)
        return local

    def _files(self) -> Any:
        import fsspec

        return fsspec.core.url_to_fs(self.storage)[0]


def leave_word(place: str) -> None:
    """On a worker: write a small file."""
    with _opened(place, "wb") as file:
        file.write(b"here")


def take_word(place: str) -> bool:
    """On the coordinator: whether that file arrived; it is taken away."""
    try:
        with _opened(place, "rb") as file:
            said = bool(file.read() == b"here")
    except FileNotFoundError:
        return False
    if "://" in place:
        import fsspec

        files, path = fsspec.core.url_to_fs(place)
        files.rm_file(path)
    else:
        Path(place).unlink()
    return said


def _opened(place: str, mode: str) -> Any:
    if "://" not in place:
        return Path(place).open(mode)
    import fsspec

    return fsspec.open(place, mode)


def serve(order: Order) -> list[tuple[int, Any]]:
    """On a worker: an outcome for each request of the order, by its number.

    A delivery comes as its fields (audio as its place) and measurements; an error as itself.
    """
    is_cancelled = _Looking(order)
    attempts = [
        Attempt(request_from_json(data), key, is_cancelled=is_cancelled)
        for data, key in zip(order.requests, order.idempotency_keys, strict=True)
    ]
    numbers = {id(attempt): number for number, attempt in enumerate(attempts)}
    outcomes: dict[int, Any] = {}
    error: EngineError | Cancelled = EngineFailed("nothing came back.", order.recipe.name)
    try:
        for attempt, outcome in _engine(order.recipe).generate(attempts):
            done = _left(order, attempt, outcome) if isinstance(outcome, Delivery) else outcome
            outcomes[numbers[id(attempt)]] = done
    except (EngineError, Cancelled) as raised:
        error = raised
    return list((dict.fromkeys(range(len(attempts)), error) | outcomes).items())


def _left(
    order: Order, attempt: Attempt, delivery: Delivery
) -> tuple[dict[str, Any], list[Measurement]]:
    clip = delivery.audio if isinstance(delivery.audio, Clip) else Clip.read(delivery.audio)
    subject = Subject(clip, attempt.request)
    measurements = [m for measure in order.measures for m in measure(subject)]
    fields = {f.name: getattr(delivery, f.name) for f in dataclasses.fields(Delivery)}
    return fields | {"audio": order.leave(delivery.audio)}, measurements


class _Looking:
    """Whether the flag is raised, looked up a few times a second at most."""

    def __init__(self, order: Order) -> None:
        self._order, self._next, self._raised = order, 0.0, False

    def __call__(self) -> bool:
        if not self._raised and time.monotonic() >= self._next:
            self._raised = self._order.is_cancelled()
            self._next = time.monotonic() + _FLAG_LOOK_S
        return self._raised


@lru_cache(maxsize=2)
def _engine(recipe: Recipe) -> Engine:
    """The engine, made once per process: a model stays on its device."""
    return recipe.make()
