"""Kills workers at random moments while a study uses them: each costs at most the take it held."""

from __future__ import annotations

import multiprocessing
import random
import threading
from collections import Counter
from pathlib import Path

import pytest

from tests.conftest import silent
from workbench import engines
from workbench.clip import file_sha256
from workbench.executors import ProcessPool
from workbench.request import Request
from workbench.study import Study
from workbench.sweep import Sweep
from workbench.take import State

_WORKERS = 2
_TAKES_PER_KILL = 3


class Killer(threading.Thread):
    """Kills one of the pool's processes at random moments."""

    def __init__(self, kills: int, seed: int) -> None:
        super().__init__(daemon=True)
        self.kills, self._wanted, self._draw = 0, kills, random.Random(seed)
        self.enough = threading.Event()

    def run(self) -> None:
        while self.kills < self._wanted and not self.enough.wait(self._draw.uniform(0.2, 3.0)):
            if workers := multiprocessing.active_children():
                self._draw.choice(workers).kill()
                self.kills += 1


def kill_workers(folder: Path, kills: int, seed: int) -> dict[str, int]:
    """A study on a pool whose processes die again and again; the counts."""
    begun = folder / "begun"
    begun.mkdir(parents=True)
    with pytest.MonkeyPatch.context() as patch, ProcessPool(_WORKERS) as pool:
        patch.setitem(engines.ENGINES, "counted", ("tests.faults.engines", "Counted"))
        engine = engines.engine("counted", folder=str(begun))
        takes = _TAKES_PER_KILL * kills
        sweep = Sweep(Request(tags="tone"), seed=range(takes))
        killer = Killer(kills, seed)
        killer.start()
        with Study("away", sweep, [engine], store=folder / "store", measures=()) as study:
            # A take that happens to meet three kills counts as one that kills: it is tried again.
            while not study.run(watch=silent, retry=True, executor=pool).is_complete:
                pass
            killer.enough.set()
            killer.join()
            every = study.store.takes_in(set(State))
    done = Counter(take.key for take in every if take.state is State.DONE)
    assert len(done) == takes, "a take was lost"
    assert set(done.values()) == {1}, "a place has two finished takes"
    files = [path for path in (folder / "store" / "audio").glob("*/*") if path.is_file()]
    assert [path.name for path in files if file_sha256(path) != path.stem] == []
    assert {path.stem for path in files} == {t.audio for t in every if t.state is State.DONE}
    begins = len(list(begun.iterdir()))
    lost = begins - takes
    assert lost <= killer.kills, "a dead worker cost more than the take it held"
    return {"kills": killer.kills, "takes": takes, "begun": begins, "begun_in_vain": lost}
