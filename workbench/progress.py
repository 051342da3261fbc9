"""How far a run is: plain numbers for any display, and a bar for terminals and notebooks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    `made` counts takes generated in this run, `found` those that the store had; `share` is the
    part of the run's work that is done, 0..1, takes under way counted by how far they are.
    """

    total: int
    found: int = 0
    made: int = 0
    failed: int = 0
    under_way: int = 0
    share: float = 0.0
    spent_usd: Decimal = Decimal(0)
    elapsed_s: float = 0.0
    words: str = ""

    @property
    def eta_s(self) -> float | None:
        """Seconds left at the pace so far; None before anything is done.

        Examples
        --------
        >>> Progress(total=4, made=1, share=0.25, elapsed_s=2.0).eta_s
        6.0
        """
        return self.elapsed_s * (1 - self.share) / self.share if self.share > 0 else None

    @property
    def takes_per_min(self) -> float:
        """Takes generated per minute of this run."""
        return 60 * self.made / self.elapsed_s if self.elapsed_s > 0 else 0.0


Watch = Callable[[Progress], None]


@contextmanager
def progress_bar() -> Iterator[Watch]:
    """A `Watch` that draws a bar with ETA, pace and cost on standard error.

    Examples
    --------
    >>> with progress_bar() as watch:
    ...     watch(Progress(total=2, found=1, made=1, share=1.0, elapsed_s=1.0))
    """
    from tqdm.std import tqdm  # type: ignore[import-untyped]

    layout = (
        "{desc} {percentage:3.0f}%|{bar:24}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"
    )
    # The first line waits for the first numbers.
    shown = {"file": sys.stderr, "bar_format": layout, "mininterval": 0.5, "delay": 1e-9}
    with tqdm(total=0, desc="takes", **shown) as bar:

        def watch(now: Progress) -> None:
            bar.total = now.total
            bar.initial = now.found  # what was found says nothing of the pace
            bar.n = now.found + now.made + now.failed
            failed = f", {now.failed} failed" if now.failed else ""
            bar.set_postfix_str(
                f"{now.takes_per_min:.0f} takes/min, {now.spent_usd:.6f} USD{failed}", refresh=False
            )
            bar.update(0)

        yield watch
        bar.refresh()
