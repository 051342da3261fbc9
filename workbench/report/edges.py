"""The edges of edits in a report: what the seam ruler says of each, and the sound around it.

The worst come first, because those decide. Seams are heard in the highs and between the channels,
so the sound around an edge is kept in stereo and at a high rate, unlike the previews of whole
takes; the room for it is small and goes to the worst edges.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from workbench.clip import Clip
from workbench.errors import AudioError, StoreError
from workbench.measure import edges_of
from workbench.preview import data_uri, excerpt_mp3
from workbench.store import Store

EDGES_MAX = 40
PLAYERS_MAX_BYTES = 4_000_000
AROUND_S = 3.0
_REASONS_SAID = 3


@dataclass(frozen=True)
class Edge:
    """One edge of one take, as measured.

    Parameters
    ----------
    take : dict
        The take's row of the table.
    side : str
        start or end of what was made anew.
    time_s : float
        Where it is, in seconds of the result.
    score : float or None
        0..1, None where it could not be measured.
    verdict : str
    reasons : tuple of str
        What stands out, worst first; why there is no score where there is none.
    """

    take: dict[str, Any]
    side: str
    time_s: float
    score: float | None
    verdict: str
    reasons: tuple[str, ...]

    @property
    def said(self) -> str:
        """The worst of the reasons, and how many more there are.

        Examples
        --------
        >>> Edge({}, "start", 1.0, 0.9, "clear", ("a click", "a gap", "a step", "a turn")).said
        'a click; a gap; a step; and 1 more'
        """
        more = len(self.reasons) - _REASONS_SAID
        rest = (f"and {more} more",) if more > 0 else ()
        return "; ".join(self.reasons[:_REASONS_SAID] + rest)


def edges(store: Store, done: pd.DataFrame) -> list[Edge]:
    """Every edge of the finished edits in a table, the highest score first.

    Parameters
    ----------
    store : Store
        Which holds the takes.
    done : DataFrame
        Finished takes, as `tables.table` gives them.

    Returns
    -------
    list of Edge
        Unmeasured edges last. An edit whose source's length is not known here has none.
    """
    if "seam_verdict_start" not in done:
        return []
    edits = done[done["kind"] != "text"].drop_duplicates("take_id")
    rows = edits.astype(object).where(edits.notna(), None).to_dict("records")
    found = [edge for row in rows for edge in _edges_of_take(store, row)]
    return sorted(found, key=lambda edge: -1.0 if edge.score is None else edge.score, reverse=True)


def _edges_of_take(store: Store, row: dict[Any, Any]) -> Iterator[Edge]:
    try:
        times_s = edges_of(store.take(int(row["take_id"])).request)
    except (AudioError, FileNotFoundError):
        return
    for side, time_s in zip(("start", "end"), times_s, strict=True):
        if time_s is not None:
            score, verdict = row[f"seam_score_{side}"], row[f"seam_verdict_{side}"]
            said = row[f"seam_reasons_{side}"] or row.get(f"seam_reasons_{side}_reason") or ""
            reasons = tuple(said.split("; "))
            yield Edge(row, side, time_s, score, verdict or "not measured", reasons)


def players(store: Store, shown: list[Edge]) -> list[tuple[str, str]]:
    """For each edge the address of the sound around it, or "" and why there is none."""
    left = PLAYERS_MAX_BYTES
    found = []
    for edge in shown:
        try:
            data = _excerpt(store, edge) if left > 0 else b""
        except (StoreError, AudioError):
            found.append(("", "the audio is gone"))
            continue
        left -= len(data)
        found.append(
            (data_uri(data, "audio/mpeg"), "")
            if left > 0
            else ("", f"no room in this file: {edge.time_s - AROUND_S:.1f} s on in the take's own")
        )
    return found


def _excerpt(store: Store, edge: Edge) -> bytes:
    clip = Clip.read(store.audio.path(edge.take["audio"]))
    return excerpt_mp3(clip, edge.time_s - AROUND_S, edge.time_s + AROUND_S)
