"""Simulated studies: how many, and what counts as nominal."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats

FEW = 400
MANY = 2000

# The normal run simulates few studies and allows for chance; the full run shows the claim.
both_sizes = pytest.mark.parametrize("studies", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])


def measured(figures: str) -> None:
    """Show figures under `pytest -rP`; the docstrings state those of the full run."""
    sys.stdout.write(f"{figures}\n")


def assert_covers(hits: int, studies: int, at_least_only: bool = False) -> None:
    """95 % intervals hold the truth in 93 to 97 % of many studies; of few, as chance allows.

    A cautious interval may hold it more often.
    """
    low, high = 0.93, 0.97
    if studies < MANY:
        low, high = (end / studies for end in stats.binom.interval(0.999, studies, 0.95))
    assert low <= hits / studies, f"{hits} of {studies}"
    assert at_least_only or hits / studies <= high, f"{hits} of {studies}"


def assert_false_alarms(alarms: int, studies: int, at_most_only: bool = False) -> None:
    """False alarms at the nominal 5 %, give or take chance; a cautious method may have fewer."""
    low, high = stats.binom.interval(0.999, studies, 0.05)
    assert alarms <= high, f"{alarms} of {studies}"
    assert at_most_only or alarms >= low, f"{alarms} of {studies}"


def paired_table(
    rng: np.random.Generator, pairs: int, effects: dict[str, float], skewed: bool = False
) -> pd.DataFrame:
    """A take per level and seed: level's effect, seed's effect, and unit noise."""
    shape = (pairs, len(effects))
    noise = rng.lognormal(size=shape) if skewed else rng.normal(size=shape)
    values = noise + rng.normal(scale=3, size=(pairs, 1)) + np.array([*effects.values()])
    return pd.DataFrame(
        {
            "seed": np.repeat(np.arange(pairs), len(effects)),
            "tags": list(effects) * pairs,
            "loudness_lufs": values.ravel(),
        }
    )
