"""How often is a ruler right, and how sure is that figure?

Shares with Wilson intervals, the area under the ROC curve, bootstrap by clip. Arrays in, numbers
out; every scoring command prints through these so that n and interval are never left out.

References: Wilson, JASA 22, 1927; Hanley & McNeil, Radiology 143, 1982 (area under the curve).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Two-sided 95 % of the normal distribution.
_NORMAL_95 = 1.959964


@dataclass(frozen=True)
class Share:
    """`hits` of `total`, with the 95 % Wilson interval of the share; 0..1.

    Examples
    --------
    >>> str(Share(9, 10))
    '90.0 % [59.6, 98.2] n=10'
    """

    hits: int
    total: int

    @property
    def value(self) -> float:
        """The share itself; NaN of nothing."""
        return self.hits / self.total if self.total else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        """95 % Wilson interval; 0..1 of nothing."""
        if not self.total:
            return 0.0, 1.0
        squared = _NORMAL_95**2 / self.total
        centre = (self.value + squared / 2) / (1 + squared)
        spread = self.value * (1 - self.value) * squared + squared**2 / 4
        half = float(np.sqrt(spread)) / (1 + squared)
        return centre - half, centre + half

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.1%} [{100 * low:.1f}, {100 * high:.1f}] n={self.total}".replace(
            "%", " %"
        )


def share_of(hits: Sequence[bool] | npt.NDArray[np.bool_]) -> Share:
    """Count what is true.

    Parameters
    ----------
    hits : sequence of bool, shape (n,)
        One per trial.

    Returns
    -------
    Share
        Of n.

    Examples
    --------
    >>> share_of([True, False, True]).hits
    2
    """
    return Share(int(np.sum(hits)), len(hits))


def area_under_curve(positive: npt.ArrayLike, negative: npt.ArrayLike) -> float:
    """Chance that a positive scores above a negative, ties counted half.

    Parameters
    ----------
    positive, negative : array_like of float, shapes (p,) and (q,)
        Scores of the trials that should read high and of those that should read low.

    Returns
    -------
    float
        0..1; 0.5 for a score that knows nothing; NaN without trials.

    Examples
    --------
    >>> area_under_curve([3, 2], [1, 2])
    0.875
    """
    high = np.asarray(positive, dtype=np.float64)
    low = np.sort(np.asarray(negative, dtype=np.float64))
    if not (len(high) and len(low)):
        return float("nan")
    below = np.searchsorted(low, high, side="left")
    tied = np.searchsorted(low, high, side="right") - below
    return float((below + tied / 2).mean() / len(low))


def bootstrap_interval(
    clips: int, statistic: Callable[[npt.NDArray[np.intp]], float], *, rounds: int = 1000
) -> tuple[float, float]:
    """95 % interval of a statistic by drawing whole clips again.

    Parameters
    ----------
    clips : int
        How many clips there are, at least 1.
    statistic : callable
        From the indices of some clips, with repetition, to a number.
    rounds : int
        How often to draw.

    Returns
    -------
    tuple of float
        2.5th and 97.5th percentile; the same on every call.

    Examples
    --------
    >>> values = np.arange(100.0)
    >>> low, high = bootstrap_interval(100, lambda drawn: float(np.median(values[drawn])))
    >>> 35 < low < 49.5 < high < 65
    True
    """
    generator = np.random.default_rng(0)
    drawn = generator.integers(0, clips, (rounds, clips))
    found = [statistic(indices) for indices in drawn]
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)
