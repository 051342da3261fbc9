"""Engines that misbehave on workers; they import there, so they stand in a module."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from workbench.engines.base import Attempt, Outcome
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
