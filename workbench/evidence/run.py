"""One run of an experiment: its study, its table, its answer, and what it leaves on disk."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.clip import Clip
from workbench.engines import engine
from workbench.engines.base import Attempt, Delivery
from workbench.errors import RequestError
from workbench.evidence.questions import QUESTIONS, Answer, Evidence
from workbench.experiment import ANSWER, command
from workbench.request import Request
from workbench.studyfile import StudyFile

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
    source : mapping, optional
        A request whose audio the edits of the study start from: it is made first, by `sketch`,
        and written to ``source.wav``.
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
    The variance of tempo_off_pc
    """

    def __init__(
        self,
        question: str,
        study: Mapping[str, Any],
        folder: str | Path = ".",
        *,
        source: Mapping[str, Any] | None = None,
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
            path = _made_source(source, self.folder)
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
        takes = self.table()
        found = self.question.answer(Evidence(takes, self.study, self.options))
        return replace(found, sentences=(*_gaps(takes), *found.sentences, _price(takes)))

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
        said = {
            "question": self.question.text,
            "answer": list(answer.sentences),
            "engines": {each.name: dict(each.fingerprint) for each in self.study.engines},
        }
        _write(self.folder / ANSWER, json.dumps(said, indent=2, ensure_ascii=False))
        return write_report(self.study.store, self.study.name, self.folder, finding=finding)


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


def _price(takes: pd.DataFrame) -> str:
    from workbench.plots import money

    charged = takes["charged_usd"].sum()
    credits = takes["charged_credits"].sum()
    prepaid = f" and {credits:g} credits" if credits else ""
    done = int((takes["state"] == "done").sum())
    return f"This answer took {done} takes and cost {money(charged)} USD{prepaid}."


def _write(path: Path, text: str) -> None:
    incoming = path.with_suffix(".tmp")
    incoming.write_text(text, encoding="utf-8")
    incoming.replace(path)
