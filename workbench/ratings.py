"""What a listener said, and what follows from it: a ranking, an ABX count, measurements that agree.

A rating is one vote on two takes, presented as A and B in an order that a recorded seed drew. A
ranking is a Bradley-Terry model (the `choix` package): the log-odds that one take is preferred to
another is the difference of their strengths. A weak prior keeps strengths finite after few votes.
Intervals are bootstrap percentiles over votes.

References: Bradley and Terry, Biometrika 39, 1952; ITU-R BS.1116-3 and Munson and Gardner,
J. Acoust. Soc. Am. 22, 1950 (ABX); Wilson, JASA 22, 1927; Holm, Scand. J. Statist. 6, 1979.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from workbench.errors import RequestError
from workbench.records import now
from workbench.store import Store
from workbench.take import Measurement
from workbench.value import Value

if TYPE_CHECKING:
    import pandas as pd

METHOD = "bradley-terry/1"
STRENGTH = "ear_strength"
_RESAMPLES = 200
# Strength of the prior towards "all alike"; with it one vote moves a take by a bounded step.
_PRIOR = 0.1
_AGREEMENT_AT_LEAST = 5
# Columns that say nothing about how a take sounds.
_NOT_SOUND = ("take_id", "seed", "received_seed", "round", "wall_s", STRENGTH)
_NOT_SOUND_STARTS = ("quoted_", "charged_", "asked_", "truth_")


class Rating(Value):
    """One vote on two takes.

    Parameters
    ----------
    study : str
    listener : str
    kind : str
        "pair" (which is better) or "abx" (which one is X).
    first, second : int
        Takes presented as A and B.
    chosen : int or None
        The preferred take, or the one that X was said to be; None for no difference.
    asked : int or None
        For ABX, the take that X was.
    seed : int
        Drew the order.
    comment : str
    wall_s : float or None
        Time from hearing to voting in seconds.
    at : str
        UTC, set when the vote is kept.
    """

    study: str
    listener: str
    kind: Literal["pair", "abx"]
    first: int
    second: int
    chosen: int | None = None
    asked: int | None = None
    seed: int
    comment: str = ""
    wall_s: float | None = None
    at: str = ""


@dataclass(frozen=True)
class AbxResult:
    """How often X was told right: `share` with its 95 % interval, and the chance by guessing."""

    n: int
    correct: int
    share: float
    low: float
    high: float
    p_value: float


def keep_rating(store: Store, rating: Rating) -> None:
    """Put a vote on disk.

    Parameters
    ----------
    store : Store
    rating : Rating
        Its `at` is set here.

    Raises
    ------
    RequestError
        If it names one take twice, or chooses a take that was not heard; or if an ABX vote does
        not say which of the two X was, or a vote on a pair does.
    StoreError
        If there is no such study.
    """
    heard = (rating.first, rating.second)
    if rating.first == rating.second or rating.chosen not in (None, *heard):
        raise RequestError("a vote is on two different takes, and for one of them or for neither.")
    if rating.asked not in (heard if rating.kind == "abx" else (None,)):
        raise RequestError("an ABX vote says which of its two takes X was; other votes have no X.")
    kept = {**rating.to_json(), "at": now()}
    store.ratings.add(store.study_id(rating.study), rating.listener, kept)


def read_ratings(store: Store, study: str, listener: str | None = None) -> list[Rating]:
    """The votes on a study's takes, oldest first; of one listener, or of all."""
    return [Rating(**row) for row in store.ratings.of(store.study_id(study), listener)]


def plan_pairs(take_ids: Sequence[int], seed: int, pairs: int) -> list[tuple[int, int]]:
    """Which takes meet, in which order and on which side.

    Parameters
    ----------
    take_ids : sequence of int
        At least two.
    seed : int
        Decides everything.
    pairs : int
        How many; no pair comes back before all have been. At any time takes have appeared
        equally often within one appearance, within two where their number is odd.

    Returns
    -------
    list of (int, int)

    Examples
    --------
    >>> plan_pairs([1, 2, 3], 7, 3) == plan_pairs([1, 2, 3], 7, 3)
    True
    >>> sorted(tuple(sorted(pair)) for pair in plan_pairs([1, 2, 3], 7, 3))
    [(1, 2), (1, 3), (2, 3)]
    """
    if len(set(take_ids)) < 2:
        raise RequestError("a comparison needs two different takes.")
    random = np.random.Generator(np.random.PCG64(seed))
    drawn: list[tuple[int, int]] = []
    while len(drawn) < pairs:
        drawn += _tournament(take_ids, random)
    return [pair if random.random() < 0.5 else pair[::-1] for pair in drawn[:pairs]]


def _tournament(take_ids: Sequence[int], random: np.random.Generator) -> list[tuple[int, int]]:
    """Every pair once, round by round (the circle method), everybody in drawn order."""
    seats: list[int | None] = [int(one) for one in random.permutation(sorted(set(take_ids)))]
    seats += [None] * (len(seats) % 2)  # who meets nobody sits this round out
    met = []
    for _ in range(len(seats) - 1):
        half = len(seats) // 2
        sides = zip(seats[:half], reversed(seats[half:]), strict=True)
        met += [(one, other) for one, other in sides if one is not None and other is not None]
        seats = [seats[0], seats[-1], *seats[1:-1]]
    return met


def plan_abx(first: int, second: int, seed: int, trials: int) -> list[int]:
    """What X is in each trial: a fair coin for each, so that counting gives nothing away.

    Examples
    --------
    >>> set(plan_abx(1, 2, 3, 40)) == {1, 2}
    True
    """
    random = np.random.Generator(np.random.PCG64(seed))
    return [(first, second)[side] for side in random.integers(0, 2, trials)]


def rank_takes(ratings: Sequence[Rating], seed: int = 0) -> pd.DataFrame:
    """How strongly each take is preferred.

    Parameters
    ----------
    ratings : sequence of Rating
        Votes of kind "pair"; others are left out. No difference counts half for each side.
    seed : int
        Of the bootstrap.

    Returns
    -------
    DataFrame
        ``take_id, strength, low, high, wins, losses, ties, comparisons``, one row per compared
        take; strengths are log-odds with mean 0, `low` and `high` their 95 % interval.

    Examples
    --------
    >>> vote = Rating(study="s", listener="me", kind="pair", first=1, second=2, chosen=1, seed=0)
    >>> rank_takes([vote] * 8)[["take_id", "wins", "losses"]].values.tolist()
    [[1, 8, 0], [2, 0, 8]]
    """
    import pandas as pd

    pairs = [rating for rating in ratings if rating.kind == "pair"]
    take_ids = sorted({one for rating in pairs for one in (rating.first, rating.second)})
    places = {take_id: place for place, take_id in enumerate(take_ids)}
    columns = ["take_id", "strength", "low", "high", "wins", "losses", "ties", "comparisons"]
    if not pairs:
        return pd.DataFrame(columns=columns)
    votes = [_vote(rating, places) for rating in pairs]
    strengths = _strengths(votes, len(take_ids))
    random = np.random.default_rng(seed)
    drawn = [
        _strengths([votes[at] for at in random.integers(0, len(votes), len(votes))], len(take_ids))
        for _ in range(_RESAMPLES)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    rows = []
    for take_id, place in places.items():
        heard = [rating for rating in pairs if take_id in (rating.first, rating.second)]
        wins = sum(rating.chosen == take_id for rating in heard)
        ties = sum(rating.chosen is None for rating in heard)
        losses = len(heard) - wins - ties
        interval = (float(strengths[place]), float(low[place]), float(high[place]))
        rows.append((take_id, *interval, wins, losses, ties, len(heard)))
    return pd.DataFrame(rows, columns=columns)


def _vote(rating: Rating, places: dict[int, int]) -> tuple[int, int, float]:
    """Two places and the share of the vote that the first of them won."""
    first, second = places[rating.first], places[rating.second]
    share = 0.5 if rating.chosen is None else float(rating.chosen == rating.first)
    return first, second, share


def _strengths(
    votes: Sequence[tuple[int, int, float]], takes: int
) -> np.ndarray[Any, np.dtype[np.float64]]:
    import choix

    won = np.zeros((takes, takes))
    for first, second, share in votes:
        won[first, second] += share
        won[second, first] += 1 - share
    found = np.asarray(choix.ilsr_pairwise_dense(won, alpha=_PRIOR))
    centred: np.ndarray[Any, np.dtype[np.float64]] = found - found.mean()
    return centred


def abx_result(ratings: Sequence[Rating]) -> AbxResult:
    """How often X was told right.

    Raises
    ------
    RequestError
        If there is no ABX vote.

    Examples
    --------
    >>> vote = Rating(
    ...     study="s", listener="me", kind="abx", first=1, second=2, chosen=1, asked=1, seed=0)
    >>> found = abx_result([vote] * 8)
    >>> found.correct, round(found.p_value, 4)
    (8, 0.0039)
    """
    from scipy.stats import binomtest

    trials = [rating for rating in ratings if rating.kind == "abx"]
    if not trials:
        raise RequestError("there is no ABX vote yet.")
    correct = sum(rating.chosen == rating.asked for rating in trials)
    test = binomtest(correct, len(trials), 0.5, alternative="greater")
    interval = binomtest(correct, len(trials)).proportion_ci(method="wilson")
    return AbxResult(
        len(trials),
        correct,
        correct / len(trials),
        float(interval.low),
        float(interval.high),
        float(test.pvalue),
    )


def ear_agreement(ratings: Sequence[Rating], takes: pd.DataFrame) -> pd.DataFrame:
    """Which measurement agrees with this listener's ear.

    Parameters
    ----------
    ratings : sequence of Rating
    takes : DataFrame
        From `workbench.table`; its numeric measurements are tried one by one.

    Returns
    -------
    DataFrame
        ``measurement, n, share, low, high, p_value, sentence``: in which share of `n` decided
        pairs with different values the take with the higher value was chosen, its 95 % interval
        (Wilson), and the two-sided p-value after Holm's correction over all measurements. Those
        with fewer than five such pairs are left out.
    """
    import pandas as pd
    from scipy.stats import binomtest

    by_take = takes.drop_duplicates("take_id").set_index("take_id")
    rows = []
    for name in _sounding(by_take):
        votes = _higher_was_chosen(ratings, by_take[name])
        if len(votes) < _AGREEMENT_AT_LEAST:
            continue
        test = binomtest(sum(votes), len(votes))
        interval = test.proportion_ci(method="wilson")
        share = sum(votes) / len(votes)
        limits = (float(interval.low), float(interval.high))
        rows.append((name, len(votes), share, *limits, float(test.pvalue)))
    columns = ["measurement", "n", "share", "low", "high", "p_value"]
    found = pd.DataFrame(rows, columns=columns)
    if found.empty:
        return found.assign(sentence=pd.Series(dtype=str))
    from statsmodels.stats.multitest import multipletests

    found["p_value"] = multipletests(found["p_value"], method="holm")[1]
    found["sentence"] = [_sentence(row) for _, row in found.iterrows()]
    return found.sort_values("p_value", kind="stable").reset_index(drop=True)


def _sounding(by_take: pd.DataFrame) -> list[str]:
    """Numeric columns that say something about the sound and are not the same everywhere."""
    numbers = by_take.select_dtypes("number")
    return [
        name
        for name in map(str, numbers.columns)
        if name not in _NOT_SOUND
        and not name.startswith(_NOT_SOUND_STARTS)
        and numbers[name].nunique() > 1
    ]


def _higher_was_chosen(ratings: Sequence[Rating], values: pd.Series) -> list[bool]:
    known = values.dropna().to_dict()
    votes = []
    for rating in ratings:
        pair = (rating.first, rating.second)
        if rating.kind != "pair" or rating.chosen is None or not all(one in known for one in pair):
            continue
        first, second = (known[one] for one in pair)
        if first != second:
            votes.append(rating.chosen == (rating.first if first > second else rating.second))
    return votes


def _sentence(row: pd.Series) -> str:
    share = f"{100 * row['share']:.0f} % of {row['n']} pairs"
    interval = f"95 % interval {100 * row['low']:.0f} to {100 * row['high']:.0f} %"
    head = f"{row['measurement']}: the higher value was preferred in {share} ({interval})"
    if row["p_value"] >= 0.05:
        return f"{head}: inconclusive (p = {row['p_value']:.2f} after correction)."
    way = "higher" if row["share"] > 0.5 else "lower"
    chance = "p < 0.001" if row["p_value"] < 0.001 else f"p = {row['p_value']:.3f}"
    return f"{head}: this ear prefers it {way} ({chance} after correction)."


def keep_ranking(store: Store, study: str) -> int:
    """Write the strengths of a study's takes, by all its listeners, beside their measurements.

    The table of the study then has a column ``ear_strength``. Returns how many takes got one.
    """
    ranking = rank_takes(read_ratings(store, study))
    for row in ranking.to_dict("records"):
        strength = Measurement(
            name=STRENGTH, value=row["strength"], method=METHOD, low=row["low"], high=row["high"]
        )
        store.add_measurements(int(row["take_id"]), [strength])
    return len(ranking)
