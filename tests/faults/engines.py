"""Engines that misbehave on workers; they import there, so they stand in a module."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from workbench.clip import Clip
from workbench.engines.base import Attempt, Delivery, Outcome
from workbench.engines.sketch import SketchEngine


class Poisoned(SketchEngine):
    """Sketch, whose process dies of the tag "poison", and once of the tag "unlucky"."""

    def __init__(self, folder: str = "") -> None:
        super().__init__()
        self._folder = Path(folder)

    def generate(self, attempts: Sequence[Attempt]) -> Iterator[Outcome]:
        for attempt in attempts:
            tags = attempt.request.tag_list
            died_before = self._folder / "died"
            if "poison" in tags or ("unlucky" in tags and not died_before.exists()):
                died_before.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        yield from super().generate(attempts)


class Counted(SketchEngine):
    """A tone after a moment; leaves a file for each take that it begins."""

    def __init__(self, folder: str = "") -> None:
        super().__init__()
        self._folder = Path(folder)

    def generate(self, attempts: Sequence[Attempt]) -> Iterator[Outcome]:
        for attempt in attempts:
            (self._folder / uuid.uuid4().hex).touch()
            time.sleep(0.4)
            tone = np.sin(np.arange(4_000) * (1 + attempt.request.seed) / 997)
            clip = Clip(tone[np.newaxis].astype(np.float32), 8_000)
            yield attempt, Delivery(clip, sent={})


class Slow(SketchEngine):
    """Sketch that waits for ever, and leaves a file when it was told to stop."""

    def __init__(self, folder: str = "") -> None:
        super().__init__()
        self._folder = Path(folder)

    def generate(self, attempts: Sequence[Attempt]) -> Iterator[Outcome]:
        (self._folder / "began").touch()
        try:
            while True:
                attempts[0].stop_if_cancelled()
                time.sleep(0.05)
        finally:
            (self._folder / "stopped").touch()
        yield from super().generate(attempts)
