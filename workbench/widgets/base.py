"""What all panels share: questions from the browser, answered in Python, away from its event loop.

The script of a panel asks (`ask("page", {...})` in `common.js`), the method ``answer_page`` of its
class answers with JSON data, or with a `Reply` where bytes (audio, pictures) go along. Answers are
worked out in threads: the kernel stays free for other cells. Bytes travel as binary messages and
are no state of the widget, so that a saved notebook holds none of them.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import anywidget

from workbench.engines import engine
from workbench.engines.base import Engine
from workbench.errors import WorkbenchError
from workbench.store import Store

log = logging.getLogger(__name__)

EDIT = "edit "
"""What the names of studies begin with that hold one edit of the seam panel."""

# A panel's questions are answered side by side; a slow one (encoding audio) holds up no click.
_THREADS = 4


@dataclass(frozen=True)
class Reply:
    """JSON data with bytes beside it."""

    data: Any
    buffers: Sequence[bytes] = ()


class Panel(anywidget.AnyWidget):
    """Base of the panels; a subclass names its `script` and has one ``answer_…`` per question.

    Parameters
    ----------
    store : path
        Folder of the store that the panel works on; made if absent.
    """

    script = ""

    def __init__(self, store: str | os.PathLike[str] = "runs/studio") -> None:
        self._esm = script_text(self.script)
        self._css = style_text()
        super().__init__()
        self.folder = Path(store)
        self.store = Store(store)
        self._engines: dict[str, Engine] = {}
        self._pool = ThreadPoolExecutor(_THREADS, f"panel-{self.script}")
        self.on_msg(self._hear)
        self.add_class("wb-panel")

    def close(self) -> None:
        """Stop answering and close the store."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.store.close()
        super().close()

    @property
    def studies(self) -> list[str]:
        """The studies of the store, newest first; single edits come after all sweeps."""
        newest_first = self.store.study_names()[::-1]
        return sorted(newest_first, key=lambda name: name.startswith(EDIT))

    def engine(self, name: str) -> Engine:
        """An engine by name, made once: it keeps its weights, connections and prices."""
        if name not in self._engines:
            self._engines[name] = engine(name)
        return self._engines[name]

    def answer(self, question: str, data: Mapping[str, Any]) -> Reply:
        """What the browser would be told.

        Raises
        ------
        WorkbenchError
            If what is asked for is impossible; the message is for the user.
        """
        method: Callable[..., Any] = getattr(self, f"answer_{question}")
        found = method(**data)
        return found if isinstance(found, Reply) else Reply(found)

    def _hear(self, _: Any, content: Mapping[str, Any], buffers: Sequence[Any]) -> None:
        del buffers
        self._pool.submit(self._reply, content["id"], content["ask"], content.get("data") or {})

    def _reply(self, number: str, question: str, data: Mapping[str, Any]) -> None:
        try:
            reply = self.answer(question, data)
            self.send({"id": number, "reply": reply.data}, list(reply.buffers))
        except (WorkbenchError, FileNotFoundError) as error:
            self.send({"id": number, "error": str(error)})
        except Exception:
            # The browser waits for an answer whatever happens; the details go to the log.
            log.exception("the panel could not answer %s", question)
            self.send({"id": number, "error": "something broke here: see the log of the kernel."})


@cache
def script_text(name: str) -> str:
    """The script of a panel with what all scripts share in front of it."""
    return _text("common.js") + _text(f"{name}.js")


@cache
def style_text() -> str:
    """The one style sheet of all panels."""
    return _text("panel.css")


def _text(name: str) -> str:
    return (resources.files("workbench.widgets") / name).read_text(encoding="utf-8")
