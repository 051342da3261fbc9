"""What do search and halving find that a grid of equal cost does not?

An engine whose loudness peaks at a planted place of three axes, with luck from seed to seed; its
drafts are cheap and noisier. Each method spends the same, and is judged by how far below the
true peak its choice lies (no luck counted). Everything is made on this machine.

    python experiments/bench-adaptive/equal_cost.py --rounds 10
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workbench.adaptive import Rung, halve, search
from workbench.benchmark import Found, leave
from workbench.clip import Clip
from workbench.cost import Charge, Quote, usd
from workbench.engines.base import Attempt, Delivery, Outcome
from workbench.measure import LOUDNESS
from workbench.progress import Progress
from workbench.request import AnyRequest, Request
from workbench.study import Study
from workbench.sweep import Sweep

STEPS = 8
TONE = np.sin(np.arange(24_000) / 8).astype(np.float32)[np.newaxis]
AXES = ("options.warmth", "options.drive", "options.width")


class Peaked:
    """An engine that is loudest at a planted place; luck shifts each take by some decibels."""

    concurrency = 1
    batch_max = 1
    is_idempotent = True

    def __init__(self, name: str, peak: tuple[float, ...], luck_db: float, price: str) -> None:
        self.name, self.peak, self.luck_db, self.price = name, peak, luck_db, price

    @property
    def fingerprint(self) -> Mapping[str, str]:
        return {"engine": self.name, "peak": str(self.peak), "luck": str(self.luck_db)}

    def ready(self) -> str:
        return "an engine with a planted peak"

    def check(self, request: AnyRequest) -> None:
        """Serves anything."""

    def quote(self, request: AnyRequest) -> Quote:
        return Quote(amount_usd=usd(self.price), basis=f"{self.price} USD a take")

    def batch_key(self, request: AnyRequest) -> str:
        return "all"

    def below_peak_db(self, at: Mapping[str, Any]) -> float:
        """How far below the peak a place truly lies."""
        return float(sum((at[n] - p) ** 2 for n, p in zip(AXES, self.peak, strict=True)) / 3)

    def generate(self, attempts: Sequence[Attempt]) -> Iterator[Outcome]:
        for attempt in attempts:
            options = attempt.request.options
            at = {name: float(options[name.removeprefix("options.")]) for name in AXES}
            # Luck belongs to the request: the same one sounds the same again.
            rng = np.random.default_rng(int(attempt.request.digest[:12], 16))
            level_db = -6 - self.below_peak_db(at) + self.luck_db * rng.normal()
            clip = Clip(TONE * np.float32(10 ** (level_db / 20)), 24_000)
            yield attempt, Delivery(clip, sent={}, charge=Charge(amount_usd=usd(self.price)))


def silent(progress: Progress) -> None:
    """A watch that shows nothing."""


def study(folder: Path, engine: Peaked, values: Sequence[int]) -> Study:
    """A study of one take for each combination of values, measured by loudness."""
    sweep = Sweep(Request(tags="tone"), **dict.fromkeys(AXES, values))
    return Study("bench", sweep, [engine], store=folder, measures=(LOUDNESS,))


def grid_choice(folder: Path, engine: Peaked, values: Sequence[int]) -> tuple[float, float]:
    """Decibels below the peak of a grid's best, and what it cost."""
    with study(folder, engine, values) as grid:
        found = halve(grid, "loudness_lufs", [Rung(engine, {})], best="high", watch=silent)
    assert found.best is not None
    return engine.below_peak_db(found.best.at), float(found.spent_usd)


def one_round(folder: Path, peak: tuple[float, ...]) -> dict[str, tuple[float, float]]:
    """Each method once: decibels below the peak, and dollars."""
    final = Peaked("final", peak, luck_db=0.5, price="0.10")
    draft = Peaked("draft", peak, luck_db=2.0, price="0.004")
    results = {}
    coarse = [1, 3, 6]  # 27 cells, 2.70 USD
    results["grid, 27 finals"] = grid_choice(folder / "grid", final, coarse)
    with study(folder / "search", final, range(STEPS)) as hunted:
        found = search(hunted, "loudness_lufs", trials=27, best="high", watch=silent)
        assert found.best is not None
        results["search, 27 finals"] = (
            final.below_peak_db(found.best.at),
            float(found.spent_usd),
        )
    with study(folder / "halving", final, range(STEPS)) as halved:
        rungs = [Rung(draft, {}), Rung(final, {})]  # 512 drafts, then 6 finals: 2.65 USD
        found = halve(halved, "loudness_lufs", rungs, keep=6 / STEPS**3, best="high", watch=silent)
        assert found.best is not None
        results["halving, 512 drafts, 6 finals"] = (
            final.below_peak_db(found.best.at),
            float(found.spent_usd),
        )
    return results


def main() -> None:
    """Run some rounds and leave what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    rows: dict[str, list[tuple[float, float]]] = {}
    for _ in range(options.rounds):
        peak = tuple(rng.uniform(0, STEPS - 1, len(AXES)).tolist())
        with tempfile.TemporaryDirectory() as name:
            for method, result in one_round(Path(name), peak).items():
                rows.setdefault(method, []).append(result)
    grid = next(iter(rows))
    found = []
    for method, results in rows.items():
        below, cost = np.array(results).T.tolist()
        against = "" if method == grid else grid
        found.append(Found(method, below, "dB below the true peak", against))
        found.append(Found(f"cost: {method}", cost, "USD"))
    leave("adaptive", "What do search and halving find that a grid of equal cost does not?", found)


if __name__ == "__main__":
    main()
