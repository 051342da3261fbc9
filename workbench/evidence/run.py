"""One run of an experiment: its study, its table, its answer, and what it leaves on disk."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.clip import Clip
from workbench.engines import engine
from workbench.engines.base import Attempt, Delivery
from workbench.errors import RequestError
from workbench.evidence.asked import Answer, Evidence
from workbench.evidence.questions import QUESTIONS
from workbench.evidence.wording import price_text
from workbench.experiment import command, leave_answer
from workbench.request import Request
from workbench.studyfile import StudyFile
from workbench.take import State

if TYPE_CHECKING:
    import pandas as pd

SOURCE = "source.wav"


class Run:
    """An experiment on its way; use it as a context, or close it.

    Parameters
    ----------
    question : str
        One of `QUESTIONS`.
    study : mapping
        The study as a study's file says it; ``store`` is a folder beside `folder`.
    folder : path
        Where everything is left.
    source : mapping or path, optional
        What the edits of the study start from: an audio file, or a request whose audio is made
        first, by `sketch`, and written to ``source.wav``.
    options : mapping, optional
        What the question wants to know beside the table, such as ``quality``.

    Raises
    ------
    RequestError
        If the question is unknown, or the study is impossible.
    EngineUnavailable
        If an engine cannot run here.

    Examples
    --------
    >>> import tempfile
    >>> study = {"name": "luck", "base": {"tags": "house", "duration_s": 6, "lyrics": "[inst]"},
    ...          "axes": {"tags": ["house, 124 BPM", "techno, 132 BPM"], "seed": {"count": 3}}}
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with Run("seed-luck", study, folder) as run:
    ...         _ = run.study.run(watch=lambda progress: None)
    ...         print(run.answer().sentences[0][:28])
    Luck, all that a new seed al
    """

    def __init__(
        self,
        question: str,
        study: Mapping[str, Any],
        folder: str | Path = ".",
        *,
        source: Mapping[str, Any] | str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        if question not in QUESTIONS:
            raise RequestError(
                f"there is no question {question!r}: choose from {', '.join(QUESTIONS)}."
            )
        self.question = QUESTIONS[question]
        asked = {"question": question, "study": study, "source": source, "options": options or {}}
        self.again = command(question, asked)
        self.folder = Path(folder)
        self.options = dict(options or {})
        self._stack = ExitStack()
        described = dict(study)
        if source is not None:
            path = Path(source) if isinstance(source, str) else _made_source(source, self.folder)
            described["base"] = {**described["base"], "source": str(path)}
        file = StudyFile(**described)
        self.study = self._stack.enter_context(file.study(store=self.folder / "study"))

    def close(self) -> None:
        """Close the study, and the server it may have brought."""
        self._stack.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def table(self) -> pd.DataFrame:
        """The study's takes, one row each."""
        from workbench.tables import table

        return table(self.study)

    def answer(self) -> Answer:
        """The question put to what there is; what is missing is said first."""
        import pandas as pd

        takes = self.table()
        if (takes["state"] == State.DONE).any():
            found = self.question.answer(Evidence(takes, self.study, self.options))
        else:
            found = Answer(("No take is done, so nothing is known yet.",), pd.DataFrame())
        price = price_text(pd.concat([takes, found.more_takes]))
        return replace(found, sentences=(*_gaps(takes), *found.sentences, price))

    def write(self, answer: Answer) -> Path:
        """Write the report with its data, and the answer as JSON; gives the report."""
        from workbench.report import Finding, write_report

        finding = Finding(
            question=self.question.text,
            sentences=answer.sentences,
            limits=self.question.limits,
            table=answer.table,
            figures=answer.draw(),
            again=self.again,
        )
        leave_answer(
            self.question.text,
            answer.sentences,
            engines={each.name: dict(each.fingerprint) for each in self.study.engines},
            numbers=answer.numbers,
            folder=self.folder,
        )
        return write_report(self.study.store, self.study.name, self.folder, finding=finding)


def resized(
    study: Mapping[str, Any],
    *,
    seeds: int | None = None,
    duration_s: Any = None,
    budget_usd: float | None = None,
) -> dict[str, Any]:
    """A study with other seeds, lengths or cap, where they are given.

    Parameters
    ----------
    study : mapping
        As a study's file says it.
    seeds : int, optional
        Takes per setting.
    duration_s : number or list, optional
        Length of every take, or those to sweep where the study sweeps them; edits keep theirs.
    budget_usd : number, optional

    Examples
    --------
    >>> resized({"base": {"tags": "a"}, "axes": {"seed": [0]}}, seeds=3, duration_s=8)
    {'base': {'tags': 'a', 'duration_s': 8}, 'axes': {'seed': {'count': 3}}}
    """
    made = copy.deepcopy(dict(study))
    axes = made.get("axes", {})
    if seeds is not None and "seed" in axes:
        axes["seed"] = {"count": seeds}
    if duration_s is not None and "duration_s" in axes:
        axes["duration_s"] = duration_s
    elif duration_s is not None and "kind" not in made["base"]:
        made["base"]["duration_s"] = duration_s
    if budget_usd is not None:
        made["budget_usd"] = budget_usd
    return made


def _made_source(wish: Mapping[str, Any], folder: Path) -> Path:
    """The source of the edits; the same request gives the same file."""
    path = folder / SOURCE
    sketch = engine("sketch")
    ((_, outcome),) = sketch.generate([Attempt(Request(**wish), "source")])
    if not isinstance(outcome, Delivery):
        raise outcome
    if isinstance(outcome.audio, Clip):
        folder.mkdir(parents=True, exist_ok=True)
        outcome.audio.write(path)
    return path


def _gaps(takes: pd.DataFrame) -> list[str]:
    """What is missing, by engine and reason."""
    lost = takes[takes["state"] != "done"]
    if lost.empty:
        return []
    why = lost["state"].value_counts()
    parts = ", ".join(f"{count} {state}" for state, count in why.items())
    rounds, broken = takes["round"].nunique(), lost["round"].nunique()
    return [
        f"{len(lost)} of {len(takes)} takes are not there ({parts}); {rounds - broken} of "
        f"{rounds} rounds are whole, and a round has every setting once."
    ]
