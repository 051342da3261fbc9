"""What several tests share: short sketch studies and an engine whose faults are planted."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from workbench.clip import Clip
from workbench.cost import Charge, Quote, usd
from workbench.engines.base import Attempt, Delivery, Outcome
from workbench.engines.sketch import SketchEngine
from workbench.errors import EngineError
from workbench.progress import Progress
from workbench.request import AnyRequest, Request
from workbench.study import Study
from workbench.sweep import Sweep

# Two processes that compile librosa's numba code at the same time can leave a cache that crashes
# whoever reads it: each worker has its own.
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "main")
os.environ["NUMBA_CACHE_DIR"] = str(Path(sys.prefix) / f"numba-{_WORKER}")

# Torch's threads wait for work in a busy loop, at the cost of the tests in the other process.
os.environ["OMP_NUM_THREADS"] = "1"

TONE = Clip(np.sin(np.arange(24_000) / 20).astype(np.float32)[np.newaxis], 24_000)


def silent(progress: Progress) -> None:
    """A watch that shows nothing."""


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Planted:
    """An engine that does what each request's tags tell it, and counts what it was asked.

    Costs 0.10 USD a take. `script` maps a request to an error, or None for a short tone.
    """

    concurrency = 2
    batch_max = 1
    is_idempotent = False

    def __init__(
        self,
        script: Callable[[AnyRequest], EngineError | None] = lambda r: None,
        name: str = "planted",
    ) -> None:
        self.name = name
        self.script = script
        self.served: list[Attempt] = []
        self.batches: list[int] = []
        self.lock = threading.Lock()
        self.before: Callable[[Attempt], None] = lambda attempt: None

    @property
    def fingerprint(self) -> Mapping[str, str]:
        return {"engine": self.name}

    def ready(self) -> str:
        return "an engine whose faults are planted"

    def check(self, request: AnyRequest) -> None:
        """Serves anything."""

    def quote(self, request: AnyRequest) -> Quote:
        return Quote(amount_usd=usd("0.10"), basis="0.10 USD a take")

    def batch_key(self, request: AnyRequest) -> str:
        return "all"

    def generate(self, attempts: Sequence[Attempt]) -> Iterator[Outcome]:
        self.batches.append(len(attempts))
        for attempt in attempts:
            attempt.stop_if_cancelled()
            with self.lock:
                self.served.append(attempt)
            self.before(attempt)
            error = self.script(attempt.request)
            if error is not None:
                yield attempt, error
                continue
            yield attempt, Delivery(TONE, sent={}, charge=Charge(amount_usd=usd("0.08")))


@pytest.fixture
def sweep() -> Sweep:
    """Two tag sets, two seeds, 6 s each."""
    base = Request(tags="house", lyrics="[inst]", duration_s=6)
    return Sweep(base, tags=["house, 124 BPM", "jazz, 100 BPM"], seed=range(2))


@pytest.fixture
def study(sweep: Sweep, tmp_path: Path) -> Iterator[Study]:
    """The sweep on the sketch engine, not yet run."""
    with Study("trial", sweep, [SketchEngine()], store=tmp_path / "store") as made:
        yield made


@pytest.fixture
def planted_study(tmp_path: Path) -> Iterator[Callable[..., Study]]:
    """Makes studies of two tag sets and three seeds on given engines, and closes them."""
    made: list[Study] = []

    def make(*engines: Any, **settings: Any) -> Study:
        sweep = Sweep(Request(tags="a"), tags=["a", "b"], seed=range(3))
        chosen = {"store": tmp_path / "store", "measures": (), **settings}
        made.append(Study("planted", sweep, list(engines), **chosen))
        return made[-1]

    yield make
    for each in made:
        each.close()
