"""The listen panel: blind comparison of takes, loudness-matched and in step, and what it says.

The browser learns nothing of the takes before the vote: it gets two or three sounds, in an order
drawn from a recorded seed, the louder one turned down to the other. A vote is on disk before the
next pair is played.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from workbench.errors import RequestError
from workbench.ratings import (
    Rating,
    abx_result,
    ear_agreement,
    keep_ranking,
    keep_rating,
    plan_abx,
    plan_pairs,
    rank_takes,
    read_ratings,
)
from workbench.records import Shown
from workbench.tables import table
from workbench.take import Take
from workbench.widgets import sound
from workbench.widgets.base import Panel, Reply

_TAKES_MAX = 200
_PAIRS_MAX = 500


@dataclass(frozen=True)
class _Session:
    """One sitting: what is compared, in which order, and by whom."""

    study: str
    listener: str
    kind: Literal["pair", "abx"]
    seed: int
    trials: Sequence[tuple[int, int, int | None]]


class ListenPanel(Panel):
    """Compare takes blind; the votes stay in the store and join the table.

    Parameters
    ----------
    store : path
        Folder of the store.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     panel = ListenPanel(folder)
    ...     print(panel.answer("open", {}).data["studies"])
    ...     panel.close()
    []
    """

    script = "listen"

    def __init__(self, store: str | os.PathLike[str] = "runs/studio") -> None:
        super().__init__(store)
        self._session: _Session | None = None

    def answer_open(self) -> dict[str, Any]:
        """The studies there are, the newest first."""
        return {"studies": self.studies}

    def answer_takes(self, study: str, words: str = "") -> list[dict[str, Any]]:
        """The takes that can be compared."""
        return [
            {"id": take.id, "words": f"{take.id}: {take.request.tags}, seed {take.request.seed}"}
            for take in self._takes(study, words)
        ]

    def _takes(self, study: str, words: str) -> list[Take]:
        page = self.store.page(study, Shown(state="done", words=words), limit=_TAKES_MAX)
        # One take may serve several places of the plan.
        return list({take.id: take for _, take in page if take}.values())

    def answer_begin_pairs(
        self, study: str, listener: str, pairs: int, words: str = ""
    ) -> dict[str, Any]:
        """Draw which takes meet, and on which side."""
        takes = self._takes(study, words)
        if len(takes) < 2:
            raise RequestError(
                "a comparison needs two finished takes: run a sweep first, or change the filter."
            )
        if not 1 <= pairs <= _PAIRS_MAX:
            raise RequestError(f"compare between 1 and {_PAIRS_MAX} pairs.")
        seed = secrets.randbelow(2**31)
        drawn = plan_pairs([take.id for take in takes], seed, pairs)
        trials = [(first, second, None) for first, second in drawn]
        return self._begin(_Session(study, _name(listener), "pair", seed, trials))

    def answer_begin_abx(
        self, study: str, listener: str, pairs: int, first: int, second: int
    ) -> dict[str, Any]:
        """Draw what X is in each trial."""
        if first == second:
            raise RequestError("ABX compares two different takes: choose another one.")
        if not 1 <= pairs <= _PAIRS_MAX:
            raise RequestError(f"listen to between 1 and {_PAIRS_MAX} trials.")
        seed = secrets.randbelow(2**31)
        trials = [(first, second, x) for x in plan_abx(first, second, seed, pairs)]
        return self._begin(_Session(study, _name(listener), "abx", seed, trials))

    def _begin(self, session: _Session) -> dict[str, Any]:
        self._session = session
        return {"kind": session.kind, "seed": session.seed, "trials": len(session.trials)}

    def answer_trial(self, trial: int) -> Reply:
        """The sounds of one trial: A, B and, for ABX, X; nothing that tells them apart."""
        session = self._sitting()
        shown = [take_id for take_id in session.trials[trial] if take_id is not None]
        gains_db = self._gains_db(shown)
        paths = [self.store.audio.path(self.store.take(take_id).audio) for take_id in shown]
        sounds = [
            sound.preview(path, gain_db) for path, gain_db in zip(paths, gains_db, strict=True)
        ]
        return Reply({"sounds": len(sounds)}, sounds)

    def _gains_db(self, take_ids: Sequence[int]) -> list[float]:
        """What turns every take down to the quietest of them; 0 where loudness is undefined."""
        levels: list[float] = []
        for take_id in take_ids:
            found = {m.name: m.value for m in self.store.measurements(take_id)}
            level = found.get("loudness_lufs")
            if not isinstance(level, float):
                return [0.0] * len(take_ids)
            levels.append(level)
        return [round(min(levels) - level, 2) for level in levels]

    def answer_vote(
        self, trial: int, choice: int | None, comment: str = "", wall_s: float | None = None
    ) -> dict[str, Any]:
        """Keep a vote: 0 for A, 1 for B, None for no difference; then tell what was heard."""
        session = self._sitting()
        first, second, asked = session.trials[trial]
        chosen = None if choice is None else (first, second)[choice]
        keep_rating(
            self.store,
            Rating(
                study=session.study,
                listener=session.listener,
                kind=session.kind,
                first=first,
                second=second,
                chosen=chosen,
                asked=asked,
                seed=session.seed,
                comment=comment,
                wall_s=wall_s,
            ),
        )
        heard = [self.store.take(take_id).request.tags for take_id in (first, second)]
        was = None if asked is None else "AB"[asked == second]
        return {"kept": trial + 1, "heard": heard, "x_was": was}

    def answer_result(self, study: str, listener: str) -> dict[str, Any]:
        """The ranking with its intervals, the ABX count, and which measurements agree."""
        ratings = read_ratings(self.store, study, _name(listener))
        pairs = [rating for rating in ratings if rating.kind == "pair"]
        trials = [rating for rating in ratings if rating.kind == "abx"]
        result: dict[str, Any] = {"pairs": len(pairs), "ranking": [], "agreement": [], "abx": None}
        if pairs:
            keep_ranking(self.store, study)
            ranking = rank_takes(pairs).sort_values("strength", ascending=False)
            result["ranking"] = [
                {**row, "tags": self.store.take(int(row["take_id"])).request.tags}
                for row in ranking.to_dict("records")
            ]
            agreement = ear_agreement(pairs, table(self.store, study))
            result["agreement"] = agreement["sentence"].tolist()
        if trials:
            found = abx_result(trials)
            result["abx"] = {
                "n": found.n,
                "correct": found.correct,
                "low": found.low,
                "high": found.high,
                "p_value": found.p_value,
            }
        return result

    def _sitting(self) -> _Session:
        if self._session is None:
            raise RequestError("nothing is being compared: press Begin.")
        return self._session


def _name(listener: str) -> str:
    if not listener.strip():
        raise RequestError("write your name, or any word that stands for you.")
    return listener.strip()
