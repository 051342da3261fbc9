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

How often do the 95 % intervals hold the truth, and how often is nothing called something? Measured
over 2,000 simulated studies each, with normal luck where nothing else is said; the full run of the
tests (``pytest -m slow -rP tests/statistics``) measures it again and fails beyond 93 to 97 %:

=====================================================  =============================
paired difference, 3 / 5 / 20 pairs                    94.7 / 95.2 / 94.1 %
the same, luck with long tails (log-normal)            97.5 / 97.8 / 95.7 %, cautious
false alarms of one comparison, 8 pairs                5.1 %
false alarms of six held together, 8 pairs             5.1 % (22 % without Holm)
mean on the frontier, 3 / 5 / 10 pairs                 94.2 / 95.0 / 96.4 %
claims of a place where two are alike, seeds shared    6.4 / 5.3 / 5.5 %
the same, 3 / 5 / 10 takes without shared seeds        1.3 / 2.3 / 4.1 %, cautious
shares of variance, 8 tag sets, 12 seeds               95.5 to 96.2 %
shares of variance, 3 tag sets, 5 seeds                96.0 to 97.0 %
agreement of rankings, 12 / 40 items                   95.7 to 96.5 / 95.4 to 96.0 %
false alarms of it                                     4.3 / 4.7 %
share (Wilson), 3 / 5 / 10 / 40 takes                  95.6 / 95.4 / 95.4 / 95.3 %
mean of errors' sizes, 3 / 5 / 10 / 40 takes           93.3 / 92.7 / 93.2 / 94.3 %
power promised 80 / 80 / 90 %                          80.7 / 81.0 / 92.9 % got
settled as alike, promised 80 %                        80.4 % got
=====================================================  =============================

Wilson's figures are computed and are averages over all true shares: where the true share is close
to 0 or 1 a few takes hold it in as few as 83 %. Sizes of errors lean to one side, and of them few
takes hold a little less than they say. No interval here is a bootstrap: that one holds the mean of
three to five takes too seldom.
"""

from __future__ import annotations

from workbench.statistics.agreement import Agreement, rank_agreement
from workbench.statistics.differences import (
    Difference,
    compare_levels,
    held_together,
    paired_difference,
)
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
    "held_together",
    "paired_difference",
    "pareto_frontier",
    "power",
    "rank_agreement",
    "takes_to_settle",
    "variance_components",
]
