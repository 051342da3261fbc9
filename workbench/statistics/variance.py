"""Which part of the spread is the tag, the seed, the engine, and which is luck?

A random-effects model with one effect for each factor and a rest; the rest holds what no factor
explains: interactions and, where a take is repeated, luck. Variances are estimated by Henderson's
method 3 [1]_ (sums of squares of each factor after all others, equal to the classical analysis of
variance where every combination has the same number of takes); intervals of the shares come from
generalised pivotal quantities [2]_. A factor with few levels has a wide interval, and should:
three tag sets say little about tag sets in general.

Measured over 2,000 simulated studies each, 8 tag sets x 12 seeds with planted shares of 67, 17
and 17 %: the 95 % intervals of the three shares held them in 95.5 to 96.2 %, and in 95.5 to 96.1 %
where a fifth of the takes was lost at random; of 3 tag sets x 5 seeds in 96.0 to 97.0 %. Mean
variances are within 15 % of those planted.

References
----------
.. [1] C. R. Henderson, Estimation of variance and covariance components, Biometrics 9, 1953.
.. [2] S. Weerahandi, Generalized confidence intervals, JASA 88, 1993.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from workbench.errors import RequestError
from workbench.statistics.observed import (
    LEVEL,
    counted,
    difference_unit,
    observed,
    percent,
    undefined,
    undefined_text,
    with_unit,
    words_of,
)

REST = "rest"
DRAWS = 4000


@dataclass(frozen=True)
class Share:
    """A factor's part of the variance.

    Parameters
    ----------
    factor : str
        A column, or "rest".
    share, low, high : float
        Of the variance, 0..1, with its 95 % interval; the share is the effect size.
    sd : float
        The same as a standard deviation, in the unit of the quantity.
    levels : int
        How many the factor had; 0 for the rest.
    """

    factor: str
    share: float
    low: float
    high: float
    sd: float
    levels: int


@dataclass(frozen=True)
class Components:
    """How the variance of a quantity splits, largest share first.

    Parameters
    ----------
    value, unit : str
    shares : tuple of Share
    n : int
        Takes.
    undefined : mapping
        Takes without the measurement, by reason.
    drawn : mapping
        Draws of each share, from which its interval comes.
    """

    value: str
    unit: str
    shares: tuple[Share, ...]
    n: int
    undefined: Mapping[str, int]
    drawn: Mapping[str, np.ndarray] = field(repr=False, compare=False)

    def share(self, factor: str) -> Share:
        """The share of one factor, or of the "rest"."""
        return next(each for each in self.shares if each.factor == factor)

    def together(self, *factors: str) -> Share:
        """The share of several factors taken as one, such as "seed" and "rest".

        Parameters
        ----------
        *factors : str
            Names in `shares`; one of a single level adds nothing.
        """
        parts = [self.share(name) for name in factors]
        drawn = sum((self.drawn[n] for n in factors if n in self.drawn), np.zeros(DRAWS))
        low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return Share(
            factor=" and ".join(factors),
            share=sum(part.share for part in parts),
            low=float(low),
            high=float(high),
            sd=sum(part.sd**2 for part in parts) ** 0.5,
            levels=0,
        )

    @property
    def sentence(self) -> str:
        """The split in plain English."""
        gaps = undefined_text(self.value, self.undefined)
        if all(each.share == 0 for each in self.shares):
            return (
                f"{words_of(self.value)} did not vary at all over {counted(self.n, 'take')}.{gaps}"
            )
        parts = ", ".join(
            f"{words_of(each.factor)} {percent(each.share)} ({percent(each.low)} to "
            f"{percent(each.high)}; standard deviation {with_unit(each.sd, self.unit)})"
            for each in self.shares
        )
        first = self.shares[0]
        clear = first.low > max(each.high for each in self.shares[1:])
        verdict = (
            f"“{words_of(first.factor)}” is the largest."
            if clear
            else "Which is the largest is inconclusive: the intervals overlap."
        )
        return (
            f"The variance of {words_of(self.value)} over {counted(self.n, 'take')} splits into "
            f"{parts}; 95 % intervals in brackets. {verdict}{gaps}"
        )


def variance_components(
    table: pd.DataFrame, value: str, factors: Sequence[str], *, seed: int = 0
) -> Components:
    """Split the variance of a quantity among factors.

    Parameters
    ----------
    table : DataFrame
        One row per take.
    value : str
        A column of numbers, or of yes and no.
    factors : sequence of str
        Columns; each of their values is a level. Those with one level have no share.
    seed : int
        Of the draws behind the intervals: the same table gives the same numbers.

    Raises
    ------
    RequestError
        If a column is missing, or too few takes are left to tell the factors apart.

    Examples
    --------
    >>> table = pd.DataFrame([(tag, seed, 10 * tag + seed % 2) for tag in range(4)
    ...                       for seed in range(6)], columns=["tags", "seed", "tempo_bpm"])
    >>> found = variance_components(table, "tempo_bpm", ["tags", "seed"])
    >>> found.shares[0].factor, round(found.share("tags").share, 3)
    ('tags', 0.998)
    """
    kept = observed(table, value, factors)
    codes = {name: pd.factorize(kept[name], use_na_sentinel=False) for name in factors}
    used = {name: code for name, (code, levels) in codes.items() if len(levels) > 1}
    numbers = kept[value].to_numpy(float)
    numbers = numbers - numbers.mean()  # changes no share, and keeps rounding small
    squares, freedoms, weights = _sums_of_squares(numbers, used)
    if freedoms[-1] < 1 or (freedoms < 1).any():
        raise RequestError(
            f"{counted(len(kept), 'take')} of {value} cannot tell {', '.join(factors)} apart: "
            "add takes, or leave a factor out."
        )
    variances = _variances(squares / freedoms, freedoms, weights)
    # A sum of squares is its mean square's expectation times chi-squared: turned round, draws of
    # chi-squared give draws of the expectation, and so of every share.
    rng = np.random.default_rng(seed)
    drawn = _variances(squares / rng.chisquare(freedoms, (DRAWS, len(freedoms))), freedoms, weights)
    tail = (1 - LEVEL) / 2
    drawn_shares = _shares(drawn)
    low, high = np.quantile(drawn_shares, [tail, 1 - tail], axis=0)
    point = _shares(variances)
    found = [
        Share(
            factor=name,
            share=float(point[i]),
            low=float(low[i]),
            high=float(high[i]),
            sd=float(variances[i]) ** 0.5,
            levels=levels,
        )
        for i, (name, levels) in enumerate(
            [*((name, len(codes[name][1])) for name in used), (REST, 0)]
        )
    ]
    found += [Share(name, 0.0, 0.0, 0.0, 0.0, 1) for name in factors if name not in used]
    return Components(
        value=value,
        unit=difference_unit(value),
        shares=tuple(sorted(found, key=lambda each: -each.share)),
        n=len(kept),
        undefined=undefined(table, value),
        drawn=dict(zip([*used, REST], drawn_shares.T, strict=True)),
    )


def _sums_of_squares(
    numbers: np.ndarray, used: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per factor and for the rest: sum of squares, degrees of freedom, weight of the variance.

    A factor's mean square after all others is expected to be the rest's variance plus `weight`
    times its own.
    """
    n = len(numbers)
    dummies = {name: np.eye(code.max() + 1)[code] for name, code in used.items()}
    whole = _basis(np.hstack([np.ones((n, 1)), *dummies.values()]))
    rest = float(numbers @ numbers - np.sum((whole.T @ numbers) ** 2))
    squares, freedoms, weights = [], [], []
    for name, dummy in dummies.items():
        others = _basis(
            np.hstack([np.ones((n, 1)), *(d for other, d in dummies.items() if other != name)])
        )
        # What the factor adds to the space of all others.
        added = whole.shape[1] - others.shape[1]
        own = dummy - others @ (others.T @ dummy)
        squares.append(float(np.sum((whole.T @ numbers) ** 2) - np.sum((others.T @ numbers) ** 2)))
        freedoms.append(added)
        weights.append(float(np.sum(own**2)) / max(added, 1))
    return (
        np.maximum([*squares, rest], 0.0),
        np.array([*freedoms, n - whole.shape[1]]),
        np.array(weights),
    )


def _basis(columns: np.ndarray) -> np.ndarray:
    """Orthonormal columns that span the same space."""
    from scipy.linalg import orth

    return np.asarray(orth(columns))


def _variances(mean_squares: np.ndarray, freedoms: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Components from mean squares, the rest last; none below 0."""
    rest = mean_squares[..., -1:]
    own = np.maximum(mean_squares[..., :-1] - rest, 0.0) / weights
    return np.concatenate([own, rest], axis=-1)


def _shares(variances: np.ndarray) -> np.ndarray:
    total = variances.sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(variances, total, out=np.zeros_like(variances), where=total > 0))
