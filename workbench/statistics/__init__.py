"""What a table of takes says: differences, shares of variance, frontiers, and how sure that is.

Arrays and DataFrames in, frozen values out; no study, no store. The mathematics are scipy's and
statsmodels'; ours is the wording. Every value has a `sentence` in plain English, every claim an
effect size, and "inconclusive" is an answer. Measurements that are undefined are counted by
their reasons and never left out in silence. Intervals are 95 % intervals; a claim is made at a
false-alarm rate of 5 %, over all comparisons that were asked together.

Questions, and what answers them:

======================================================  =======================
does A measure higher than B?                           `paired_difference`
which of several levels differ?                         `compare_levels`
how much is the tag, the seed, the engine?              `variance_components`
which engine gives the most for its price?              `pareto_frontier`
does the cheap ranking predict the dear one?            `rank_agreement`
how many more takes would settle it, at what price?     `takes_to_settle`
what can a budget detect, before anything is spent?     `power`
======================================================  =======================
"""

from __future__ import annotations

from workbench.statistics.agreement import Agreement, rank_agreement
from workbench.statistics.differences import Difference, compare_levels, paired_difference
from workbench.statistics.frontier import Point, pareto_frontier
from workbench.statistics.planning import Power, Settling, power, takes_to_settle
from workbench.statistics.variance import Components, Share, variance_components

__all__ = [
    "Agreement",
    "Components",
    "Difference",
    "Point",
    "Power",
    "Settling",
    "Share",
    "compare_levels",
    "paired_difference",
    "pareto_frontier",
    "power",
    "rank_agreement",
    "takes_to_settle",
    "variance_components",
]
