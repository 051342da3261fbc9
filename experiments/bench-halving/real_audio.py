"""Do cheap drafts of real audio lead to the best take, where a grid of equal cost misses it?

The embedded engine plays 8 tag sets at 8 tempi: 64 cells, of which the loudest is wanted, then the
one with the largest loudness range, which short drafts tell less of. Music is priced by its
second. First every cell is rendered at full length: that is the truth, and costs four times what a
method may spend. Then each method, in a store of its own:

* a grid of 16 finals: every tag set at two tempi;
* a search of 16 finals;
* a halving: all 64 as drafts of 5 s, the best 8 as finals of 40 s.

Printed is by how much the choice falls short of the best, and its place among the 64.
`bench-adaptive` asks the same of a planted peak; here drafts err as short music errs.

    python experiments/bench-halving/real_audio.py --rounds 2

Measured over 8 rounds, mean shortfall (worst) at 0.64 USD of the 2.56 USD that all finals cost:

=======  =====================  =====================
method   loudness [LU]          loudness range [LU]
=======  =====================  =====================
grid     0.03 (0.12)            0.35 (0.85)
search   0.36 (1.24)            0.16 (0.36)
halving  0.00 (0.00), always    0.36 (1.03)
         the very best
=======  =====================  =====================

So drafts of 5 s tell which cell is loudest, and do not tell which has the largest range: there
halving is no better than the grid. The search asked some cells twice and so spent 0.56 USD; the
first 10 of its 16 trials are drawn at random.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from workbench import benchmark
from workbench.adaptive import Found, Rung, halve, search
from workbench.cost import Charge, Quote, usd
from workbench.engines.base import Attempt, Delivery, Outcome
from workbench.engines.sketch import SketchEngine
from workbench.measure import LOUDNESS, LOUDNESS_RANGE
from workbench.progress import Progress
from workbench.request import AnyRequest, Request
from workbench.study import Study
from workbench.sweep import Sweep

TAGS = (
    "house, bright synths",
    "house, warm pads",
    "techno, dark",
    "lo-fi hip-hop, rhodes piano",
    "indie pop, electric guitar",
    "ambient pad, soft fade",
    "jazz trio, brushes",
    "rock, driving drums",
)
TEMPI_BPM = (72, 82, 92, 102, 112, 122, 132, 142)
DRAFT_S, FINAL_S = 5, 40
FINALS, KEPT = 16, 8
USD_PER_S = 0.001
OBJECTIVES = ("loudness_lufs", "loudness_range_lu")


class Priced(SketchEngine):
    """The embedded engine, at a price for each second of music."""

    def quote(self, request: AnyRequest) -> Quote:
        assert isinstance(request, Request)
        return Quote(amount_usd=usd(USD_PER_S * request.duration_s), basis="by its second")

    def generate(self, attempts: Sequence[Attempt]) -> Iterator[Outcome]:
        for attempt, outcome in super().generate(attempts):
            if isinstance(outcome, Delivery):
                charge = Charge(amount_usd=self.quote(attempt.request).amount_usd)
                yield attempt, replace(outcome, charge=charge)
            else:
                yield attempt, outcome


def silent(progress: Progress) -> None:
    """A watch that shows nothing."""


def study(folder: Path, seed: int, tempi_bpm: Sequence[int] = TEMPI_BPM) -> Study:
    """All tag sets at some tempi, finals, measured by loudness and its range."""
    base = Request(tags=TAGS[0], lyrics="[inst]", duration_s=FINAL_S, seed=seed)
    sweep = Sweep(base, tags=TAGS, tempo_bpm=tempi_bpm)
    return Study("best", sweep, [Priced()], store=folder, measures=(LOUDNESS, LOUDNESS_RANGE))


def every_final(folder: Path, objective: str, seed: int, tempi_bpm: Sequence[int]) -> Found:
    """All cells at full length, the best first."""
    with study(folder, seed, tempi_bpm) as grid:
        return halve(grid, objective, [Rung(Priced(), {})], best="high", watch=silent)


def methods(folder: Path, objective: str, seed: int) -> dict[str, Found]:
    """Each method once, at equal cost."""
    grid = every_final(folder / "grid", objective, seed, TEMPI_BPM[2::4])
    found = {f"grid, {FINALS} finals": grid}
    with study(folder / "search", seed) as hunted:
        found[f"search, {FINALS} finals"] = search(
            hunted, objective, trials=FINALS, best="high", seed=seed, watch=silent
        )
    with study(folder / "halving", seed) as halved:
        cells = len(TAGS) * len(TEMPI_BPM)
        rungs = [Rung(Priced(), {"duration_s": DRAFT_S}), Rung(Priced(), {})]
        found[f"halving, {cells} drafts, {KEPT} finals"] = halve(
            halved, objective, rungs, keep=KEPT / cells, best="high", watch=silent
        )
    return found


def judged(found: Found, truth: Found) -> tuple[float, int, float]:
    """By how much a choice falls short of the best, its place from 1 on, and what it cost."""
    assert found.best is not None
    place = [each.at for each in truth.scored].index(found.best.at)
    short_by = abs(truth.scored[0].score - truth.scored[place].score)
    return short_by, place + 1, float(found.spent_usd)


def main() -> None:
    """Run some rounds and leave what was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    rows: dict[tuple[str, str], list[tuple[float, int, float]]] = {}
    for seed in range(options.rounds):
        with tempfile.TemporaryDirectory() as name:
            for objective in OBJECTIVES:
                # Rendered for the first objective, found for the second.
                truth = every_final(Path(name) / "truth", objective, seed, TEMPI_BPM)
                for method, found in methods(Path(name) / objective, objective, seed).items():
                    row = judged(found, truth)
                    rows.setdefault((objective, method), []).append(row)
    left = []
    for (objective, method), results in rows.items():
        short_by, places, cost = np.array(results).T.tolist()
        left.append(benchmark.Found(f"{objective}: {method}", short_by, "LU short of the best"))
        left.append(benchmark.Found(f"{objective}, {method}", places, "place, 1 is the best"))
        left.append(benchmark.Found(f"cost: {objective}, {method}", cost, "USD"))
    whole_usd = float(truth.spent_usd)
    left.append(benchmark.Found(f"all {len(truth.scored)} finals", [whole_usd], "USD"))
    benchmark.leave("halving", "Do cheap drafts of real audio lead to the best take?", left)


if __name__ == "__main__":
    main()
