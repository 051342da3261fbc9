"""How many takes? What a budget can detect beforehand, and what would settle it afterwards.

Power is that of the paired t test (noncentral t, solved by statsmodels): the chance that a true
difference of a given size is called "higher" or "lower" at a 5 % false-alarm rate.

Measured over 2,000 simulated studies each, the true difference and spread being known: 80 %
promised at 18 and at 64 pairs gave 80.7 and 81.0 %, 90 % at 8 pairs gave 92.9 % (whole pairs
overshoot), and 52.2 % promised at 10 pairs gave 51.6 %. A spread that is itself estimated from a
few pairs makes the promise as uncertain as that estimate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

from workbench.errors import RequestError
from workbench.statistics.differences import Difference
from workbench.statistics.observed import ALPHA, counted, percent, with_unit

TARGET = 0.8
# Beyond this nobody would pay: the answer is then that the difference is too small to chase.
PAIRS_MAX = 100_000


@dataclass(frozen=True)
class Settling:
    """How many more takes would settle a comparison.

    Parameters
    ----------
    pairs : int
        Complete pairs needed in all; 0 where no affordable number would do.
    more_takes : int
        Takes beyond those at hand.
    more_usd : Decimal
        Their price.
    more_credits : float
        Their price in prepaid credits, beside the dollars.
    difference : float
        The true difference that this assumes: the one seen, in `unit`.
    unit : str
    power : float
        The chance that it is settled then.
    """

    pairs: int
    more_takes: int
    more_usd: Decimal
    more_credits: float
    difference: float
    unit: str
    power: float

    @property
    def is_settled(self) -> bool:
        """Whether the pairs at hand suffice."""
        return self.pairs > 0 and self.more_takes == 0

    @property
    def sentence(self) -> str:
        """The answer in plain English, with its price."""
        if not self.pairs:
            return (
                "No affordable number of takes would settle it: the difference seen is too small "
                "against the spread between pairs."
            )
        seen = f"if the true difference is the {with_unit(abs(self.difference), self.unit)} seen"
        if self.is_settled:
            return f"As many takes as these settle it with {percent(self.power)} certainty, {seen}."
        price = with_unit(float(self.more_usd), "USD")
        if self.more_credits:
            price += f" and {self.more_credits:g} credits"
        return (
            f"{counted(self.more_takes, 'more take')} ({price}) "
            f"would settle it with {percent(self.power)} certainty, {seen}."
        )


def takes_to_settle(
    difference: Difference,
    price_usd: Decimal | float,
    *,
    price_credits: float = 0.0,
    target: float = TARGET,
) -> Settling:
    """How many more takes would settle a comparison, and what they would cost.

    The true difference is taken to be the one seen, and its spread too; both come from few pairs,
    so the answer is itself uncertain. Settled is what is told from nothing or, where it is named
    what matters, is told to be less than that: whichever takes fewer.

    Parameters
    ----------
    difference : Difference
    price_usd : Decimal or float
        Of one take, on average over both levels.
    price_credits : float
        The same in prepaid credits.
    target : float
        The power to reach, 0..1.

    Raises
    ------
    RequestError
        If there are fewer than two pairs to learn the spread from, or `target` is no share.

    Examples
    --------
    >>> import pandas as pd
    >>> from workbench.statistics import paired_difference
    >>> table = pd.DataFrame({"tags": ["a", "b"] * 4, "seed": [0, 0, 1, 1, 2, 2, 3, 3],
    ...                       "loudness_lufs": [-20, -18, -19, -19, -21, -18, -17, -18]})
    >>> found = paired_difference(table, "loudness_lufs", "tags", "seed")
    >>> takes_to_settle(found, 0.05).sentence
    '50 more takes (2.5 USD) would settle it with 80 % certainty, if the true difference is the \
1 LU seen.'
    """
    if difference.n < 2:
        raise RequestError("the spread is unknown: make at least two complete pairs first.")
    seen = abs(difference.estimate)
    pairs = _pairs_needed(
        max(seen, difference.matters - seen), difference.sd, target, difference.comparisons
    )
    missing = max(0, pairs - difference.n)
    more = math.ceil(missing * difference.takes_per_pair)
    return Settling(
        pairs=pairs,
        more_takes=more,
        more_usd=more * Decimal(str(price_usd)),
        more_credits=more * price_credits,
        difference=difference.estimate,
        unit=difference.unit,
        power=target,
    )


@dataclass(frozen=True)
class Power:
    """What a plan can detect.

    Parameters
    ----------
    pairs, takes : int
        Complete pairs, and takes over all levels.
    cost_usd : Decimal
        Of all takes.
    sd : float
        Standard deviation of paired differences, assumed or from an earlier study.
    unit : str
    detectable : float
        The smallest true difference found with the power asked for; infinite below two pairs.
    target : float
        That power.
    difference : float
        A difference the plan is asked about; 0 where none was.
    power : float
        The chance of finding that one.
    comparisons : int
        Held together at one false-alarm rate (Bonferroni, so the answer is on the safe side).
    """

    pairs: int
    takes: int
    cost_usd: Decimal
    sd: float
    unit: str
    detectable: float
    target: float
    difference: float
    power: float
    comparisons: int

    @property
    def sentence(self) -> str:
        """The answer in plain English."""
        plan = (
            f"{counted(self.pairs, 'pair')} of takes for each comparison "
            f"({counted(self.takes, 'take')} in all, {with_unit(float(self.cost_usd), 'USD')})"
        )
        if not math.isfinite(self.detectable):
            return f"{plan} can detect nothing: two pairs are the least."
        found = f"{plan} find a true difference of {with_unit(self.detectable, self.unit)} or more"
        spread = f"where pairs differ by a standard deviation of {with_unit(self.sd, self.unit)}"
        asked = (
            f" A difference of {with_unit(self.difference, self.unit)} would be found with "
            f"{percent(self.power)} certainty."
            if self.difference
            else ""
        )
        return f"{found} with {percent(self.target)} certainty, {spread}.{asked}"


def power(
    pairs: int,
    sd: float,
    *,
    price_usd: Decimal | float = 0,
    levels: int = 2,
    difference: float = 0.0,
    unit: str = "",
    target: float = TARGET,
    takes_each: int = 1,
) -> Power:
    """What a plan can detect, before anything is spent.

    Parameters
    ----------
    pairs : int
        Seeds (or whatever pairs the takes), each served once at every level; at least 0.
    sd : float
        Standard deviation of paired differences, above 0, in `unit`.
    price_usd : Decimal or float
        Of one take.
    levels : int
        How many are compared with each other; every two of them.
    difference : float
        A true difference whose chance of being found is asked, in `unit`.
    unit : str
    target : float
        The power to reach, 0..1.
    takes_each : int
        Takes that are averaged at each level of a pair, such as one for each duration.

    Raises
    ------
    RequestError
        If a number is out of its range.

    Examples
    --------
    >>> power(12, 1.5, price_usd=0.05, difference=1.0, unit="dB").sentence
    '12 pairs of takes for each comparison (24 takes in all, 1.2 USD) find a true difference of \
1.33 dB or more with 80 % certainty, where pairs differ by a standard deviation of 1.5 dB. A \
difference of 1 dB would be found with 56 % certainty.'
    """
    if pairs < 0 or levels < 2 or not sd > 0:
        raise RequestError("power needs 0 pairs or more, two levels or more, and a spread above 0.")
    comparisons = levels * (levels - 1) // 2
    return Power(
        pairs=pairs,
        takes=pairs * levels * takes_each,
        cost_usd=pairs * levels * takes_each * Decimal(str(price_usd)),
        sd=sd,
        unit=unit,
        detectable=_detectable(pairs, target, comparisons) * sd,
        target=target,
        difference=difference,
        power=_power(abs(difference) / sd, pairs, comparisons),
        comparisons=comparisons,
    )


def _power(effect: float, pairs: int, comparisons: int) -> float:
    from statsmodels.stats.power import TTestPower

    if pairs < 2 or not effect:
        return 0.0
    # Far out, where the noncentral t is no longer computed, nothing is missed.
    found = float(TTestPower().power(min(effect, 30.0), pairs, ALPHA / comparisons))
    return 1.0 if math.isnan(found) else found


def _detectable(pairs: int, target: float, comparisons: int) -> float:
    """Smallest effect, in standard deviations, found with the target power."""
    from scipy.optimize import brentq

    _check_target(target)
    if pairs < 2:
        return math.inf
    high = 1.0
    while _power(high, pairs, comparisons) < target and high < 1e4:
        high *= 2
    if _power(high, pairs, comparisons) < target:
        return math.inf
    return float(brentq(lambda effect: _power(effect, pairs, comparisons) - target, 1e-9, high))


def _pairs_needed(wanted: float, sd: float, target: float, comparisons: int) -> int:
    """Smallest number of pairs with the target power; 0 where none up to PAIRS_MAX has it."""
    _check_target(target)
    effect = abs(wanted) / sd if sd else math.inf
    if not wanted or _power(effect, PAIRS_MAX, comparisons) < target:
        return 0
    low, high = 1, PAIRS_MAX  # power grows with pairs, so halving the span finds the first
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (
            (low, middle) if _power(effect, middle, comparisons) >= target else (middle, high)
        )
    return high


def _check_target(target: float) -> None:
    if not 0 < target < 1:
        raise RequestError(f"the power to reach is a share between 0 and 1, not {target:g}.")
