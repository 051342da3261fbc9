"""One take in a process of its own, which the tests kill: ``python -m tests.hosted.child``.

What the attempt tells is on disk before the engine goes on, as a study has it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from tests.hosted.conftest import KEY_UUID, WISH, settings_for
from workbench.engines import engine
from workbench.engines.base import Attempt, Event


def main(base: str, folder: str, name: str) -> None:
    """Run one attempt."""
    journal = Path(folder) / "journal"

    def tell(event: Event) -> None:
        if event.kind == "progress":
            return
        with journal.open("a") as file:
            file.write(json.dumps([event.kind, dict(event.data)]) + "\n")
            file.flush()
            os.fsync(file.fileno())

    made = engine(name, settings=settings_for(base, Path(folder)))
    list(made.generate([Attempt(WISH, KEY_UUID, tell=tell, folder=Path(folder, "files"))]))


if __name__ == "__main__":
    main(*sys.argv[1:])
