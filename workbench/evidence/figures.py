"""The figure behind each answer: from its numbers to a plot that can be drawn.

Small functions, one for each kind of answer. Each gives a frozen value of `drawings` with all that
is to be shown, and a caption that says how the numbers came about and how wrong their ruler is
known to be.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import pandas as pd

from workbench import plots
from workbench.evidence.drawings import (
    Counts,
    Estimate,
    Frontier,
    Intervals,
    Panel,
    Ranking,
    Strip,
    axis_text,
    with_count,
)
from workbench.report import ruler
from workbench.statistics import Agreement, Components, Difference, Point
from workbench.statistics.observed import words_of


def differences(title: str, rows: Sequence[tuple[str, Difference, bool]]) -> Intervals:
    """Paired differences, one panel per quantity.

    Parameters
    ----------
    title : str
    rows : sequence of (label, Difference, bool)
        What each row is called, and whether the difference is claimed.
    """
    found = []
    for value, group in groupby(rows, key=lambda row: row[1].value):
        own = list(group)
        estimates = tuple(
            Estimate(with_count(label, d.n), d.estimate, d.low, d.high, is_sure)
            for label, d, is_sure in own
            if d.n
        )
        band = max(d.matters for _, d, _ in own)
        if estimates:
            found.append(Panel(axis_text(value, is_difference=True), estimates, 0.0, band))
    values = dict.fromkeys(d.value for _, d, _ in rows)
    caption = (
        "Mean differences of pairs that share everything else, with Student's 95 % intervals; n "
        "counts pairs. Claims are held together by Holm's correction at 5 % false alarms. "
        f"{_known(*values)}"
    )
    return Intervals(
        title, caption.strip(), tuple(found), "a difference is claimed", "none is claimed"
    )


def variance_shares(found: Sequence[Components]) -> Intervals:
    """How the variance of each measurement splits."""
    shown = tuple(
        Panel(
            f"share of the variance of {words_of(each.value)} [%]",
            tuple(
                Estimate(
                    words_of(s.factor), 100 * s.share, 100 * s.low, 100 * s.high, s.low >= 0.01
                )
                for s in each.shares
            ),
            reach=(-3, 103),
        )
        for each in found
    )
    caption = (
        "Random-effects shares with 95 % intervals; “rest” is what no factor explains. A factor "
        f"of few levels has a wide interval. {_known(*(each.value for each in found))}"
    )
    return Intervals(
        "Shares of the variance", caption.strip(), shown, "surely 1 % or more", "may be nothing"
    )


def frontier(points: Sequence[Point]) -> Frontier:
    """Cost against a quality."""
    value = points[0].names[1] if points else ""
    caption = (
        "Means of takes with Student's 95 % intervals; filled where 97.5 % of 2,000 "
        "draws of all means put the engine on the frontier. Lower and further left is better. "
        f"{_known(value)}"
    )
    return Frontier("Cost against quality, by engine", caption.strip(), tuple(points))


def ranking(quality: str, both: pd.DataFrame, found: Agreement) -> Ranking:
    """Places in the drafts against places in the finals, over all tag sets together.

    Parameters
    ----------
    quality : str
        What ranks.
    both : DataFrame
        A row per item with ``style``, ``draft`` and ``final``; items without both are left out.
    found : Agreement
    """
    kept = both.dropna(subset=["draft", "final"])
    places = kept[["draft", "final"]].rank(ascending=False)
    by_style = {
        str(style): tuple(zip(own["draft"].tolist(), own["final"].tolist(), strict=True))
        for style, own in places.groupby(kept["style"], sort=False)
    }
    caption = (
        f"Places by {axis_text(quality)}; equal values share a place. Kendall's tau "
        f"{found.tau:.2f} (95 % interval {found.low:.2f} to {found.high:.2f}). {_known(quality)}"
    )
    return Ranking("Places in the drafts and in the finals", caption.strip(), by_style)


def edges(rows: Sequence[tuple[str, int, int]]) -> Intervals:
    """Share of an edit's edges that clearly stand out: (label, clear, edges) for each level."""
    estimates = tuple(
        Estimate(with_count(label, n), 100 * s.mean, 100 * s.low, 100 * s.high, s.low > 0.01)
        for label, clear, n in rows
        if (s := plots.share_interval(clear, n)).n
    )
    panel = Panel("edges that clearly stand out [%]", estimates, reference=1.0, reach=(-3, 103))
    return Intervals(
        "Edges that can be heard",
        "Shares with Wilson's 95 % intervals; the line is the 1 % of untouched places that read "
        f"clear. {_known('seam_score')}",
        (panel,) if estimates else (),
        "more than by chance",
        "may be chance",
    )


def library(done: pd.DataFrame, kept: pd.Index, best: pd.Index, target_lufs: float) -> Strip:
    """The loudness of every take of a library: chosen, spare, or out by the rule."""
    kinds = pd.Series("out by the rule", done.index)
    kinds[kept] = "passes, not the best"
    kinds[best] = "chosen"
    return Strip(
        "The takes of each track",
        f"One mark per take. The chosen one passes the rule and lies nearest to {target_lufs:g} "
        f"LUFS. {_known('loudness_lufs', 'clipped')}",
        axis_text("loudness_lufs"),
        _by_group(done["loudness_lufs"], kinds, done["style"]),
        (target_lufs, f"{target_lufs:g} LUFS"),
    )


def drift(drifts: pd.Series, levels: pd.Series) -> Strip:
    """The drift of the tempo in every take that has one, by the level that was swept."""
    return Strip(
        "Drift of the tempo from intro to outro",
        "One mark per take whose pulse is steady enough to follow; a straight line through its "
        f"tempo. {_known('tempo_drift_pct_per_min')}",
        axis_text("tempo_drift_pct_per_min"),
        _by_group(drifts, pd.Series("take", drifts.index), levels),
        (0.0, "no drift"),
    )


def loops(heard: pd.DataFrame) -> Strip:
    """How much the place where the end meets the start stands out, take by take."""
    return Strip(
        "The place where the end meets the start",
        "One mark per take; 0 is like any other place of the same take, 1 stands out most. "
        f"{_known('seam_score')}",
        "seam score, 0 to 1",
        _by_group(heard["loop_score"], heard["verdict"], heard["tags"]),
        reach=(-0.03, 1.03),
    )


def likenesses(table: pd.DataFrame) -> Counts:
    """How like the second rendering is to the first, by engine."""
    groups = table.groupby("engine")["verdict"] if len(table) else ()
    return Counts(
        "The same request again",
        "Takes rendered a second time and compared with the first, sample by sample, then by "
        f"log-mel and chroma. {_known('kept_verdict')}",
        "takes rendered again",
        {str(name): _counts(own) for name, own in groups},
    )


def tag_change(tags: str, baseline: str) -> str:
    """How one tag set differs from another.

    Examples
    --------
    >>> tag_change("house, 124 BPM, loud", "house, 124 BPM, warm pads")
    'with loud, without warm pads'
    >>> tag_change("house", "house")
    'the same tags'
    """
    ours, theirs = ([tag.strip() for tag in text.split(",")] for text in (tags, baseline))
    more = [f"with {tag}" for tag in ours if tag not in theirs]
    less = [f"without {tag}" for tag in theirs if tag not in ours]
    return ", ".join(more + less) or "the same tags"


def _by_group(
    values: pd.Series, kinds: pd.Series, groups: pd.Series
) -> dict[str, tuple[tuple[float, str], ...]]:
    """Values with their kinds, by group; undefined values are left out."""
    rows = pd.DataFrame({"value": pd.to_numeric(values), "kind": kinds}).dropna()
    return {
        str(name): tuple((float(value), str(kind)) for value, kind in own.to_numpy())
        for name, own in rows.groupby(groups.loc[rows.index], sort=False)
    }


def _counts(verdicts: pd.Series) -> dict[str, int]:
    return {str(verdict): int(n) for verdict, n in verdicts.value_counts().items()}


def _known(*values: str) -> str:
    """How wrong the rulers of these quantities are known to be."""
    said = [f"{words_of(name)}, {error}" for name, error in map(ruler, values) if error]
    return f"Known error of the rulers: {'; '.join(dict.fromkeys(said))}." if said else ""
