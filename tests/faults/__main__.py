"""The fault suite: random kills of coordinators, workers and servers, with its counts.

    python -m tests.faults FOLDER [--kills 1000] [--seed 1] [--only coordinator worker server]

Of the kills, nine in ten go to coordinators (a fork each, quick), the rest to workers of a pool
and to servers of both contracts, which take a second each to come back. A count is printed for
each kind as it ends; whatever is lost, half-written or paid twice ends the suite with its name.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from tests.faults.killing import kill_coordinators
from tests.faults.servers import kill_servers
from tests.faults.workers import kill_workers

_SERVICES = ("skystudio-custom", "runcomfy-1.5")
_KINDS = ("coordinator", "worker", "server")


def main() -> None:
    """Kill each kind in turn."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, help="New, or of an earlier suite that was stopped.")
    parser.add_argument("--kills", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=_KINDS, default=_KINDS)
    asked = parser.parse_args()
    share = 1.0 if len(asked.only) == 1 else 0.04
    few = max(1, round(share * asked.kills))
    for kind in asked.only:
        began = time.monotonic()
        folder = asked.folder / kind
        if kind == "coordinator":
            kills = asked.kills if len(asked.only) == 1 else asked.kills - 2 * few
            found = {kind: kill_coordinators(folder, kills, asked.seed)}
        elif kind == "worker":
            found = {kind: kill_workers(folder, few, asked.seed)}
        else:
            each = max(1, few // len(_SERVICES))
            found = {
                f"{kind}, {name}": kill_servers(folder / name, name, each, asked.seed)
                for name in _SERVICES
            }
        wall_s = round(time.monotonic() - began)
        for name, counts in found.items():
            print(json.dumps({"killed": name, **counts, "wall_s": wall_s}), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
