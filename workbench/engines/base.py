"""What an engine is: the contract between the one loop that spends (`Study`) and all that sings.

An engine turns requests into audio. It knows nothing of studies, stores and budgets. It says
beforehand what it can serve (`check`), what that costs (`quote`) and which requests may share a
call (`batch_key`, `batch_max`); it then serves a batch (`generate`), and tells each attempt what
it does at the moments that matter:

* `Attempt.intend` before paid work leaves: when it returns, the intent is on disk;
* `Attempt.submitted` when a far side has given a job id: with it the work is found again after
  any crash. An attempt that already carries a `remote_id` is resumed, never submitted again;
* `Attempt.progress` and `Attempt.stop_if_cancelled` as often as it likes.

One `generate` serves text to audio, edits, batches, local and hosted engines alike. Engines are
synchronous; the study runs up to `concurrency` calls of one engine at a time, in threads.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from workbench.clip import Clip
from workbench.cost import Charge, Quote
from workbench.errors import Cancelled, EngineError
from workbench.request import AnyRequest
from workbench.value import Json


@dataclass(frozen=True)
class Event:
    """Something an engine tells of an attempt; the study writes it down or shows it."""

    kind: str  # "intent", "submitted" or "progress"
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Attempt:
    """One request on its way through an engine.

    Parameters
    ----------
    request : Request, Inpaint or Outpaint
    idempotency_key : str
        A UUID on disk before the engine sees it; the same for every retry of this attempt.
    remote_id : str or None
        The far side's job, where an earlier run got as far as submitting.
    intended : bool
        An earlier run wrote down its intent and learned no job id: the work may exist. An engine
        that cannot repeat safely raises `OutcomeUnknown`; one with idempotency keys repeats.
    tell : callable
        Where events go. An "intent" or "submitted" event is on disk when it returns.
    is_cancelled : callable
        Whether the user asked to stop.
    folder : Path
        Where a download under way belongs: what a crash leaves there is cleared away.
    """

    request: AnyRequest
    idempotency_key: str
    remote_id: str | None = None
    intended: bool = False
    tell: Callable[[Event], None] = lambda event: None
    is_cancelled: Callable[[], bool] = lambda: False
    folder: Path = Path(tempfile.gettempdir())

    def intend(self, sent: Json) -> None:
        """Write down what is about to be sent; returns once it is on disk."""
        self.tell(Event("intent", {"sent": sent}))

    def submitted(self, remote_id: str) -> None:
        """Write down the far side's job id; returns once it is on disk."""
        self.tell(Event("submitted", {"remote_id": remote_id}))

    def progress(self, share: float, words: str = "") -> None:
        """Tell how far this attempt is, 0..1."""
        self.tell(Event("progress", {"share": share, "words": words}))

    def stop_if_cancelled(self) -> None:
        """Raise `Cancelled` if the user asked to stop."""
        if self.is_cancelled():
            raise Cancelled("stopped as asked; run the study again to go on.")


@dataclass(frozen=True)
class Delivery:
    """What came back for one attempt.

    Parameters
    ----------
    audio : Clip or Path
        A clip made here, or the file as the far side delivered it: the store takes the file
        over, byte for byte.
    sent, received : mapping
        JSON data: what the engine was told, what it answered (seed drawn, rewrites, clamps).
    charge : Charge
    truth : mapping
        What is known of the audio by construction (tempo, beats, key, sections), else empty.
    notes : tuple of str
        In plain words, what was understood otherwise than asked.
    """

    audio: Clip | Path
    sent: Json
    received: Json = field(default_factory=dict)
    charge: Charge = field(default_factory=Charge)
    truth: Json = field(default_factory=dict)
    notes: tuple[str, ...] = ()


Outcome = tuple[Attempt, Delivery | EngineError]


class Engine(Protocol):
    """Turns requests into audio.

    Attributes
    ----------
    name : str
        Short and unique, such as "sketch".
    fingerprint : mapping of str to str
        What, beside the request, decides the audio: model, revision, precision, device.
        With the request's digest it is the key under which a take is kept and found again.
    concurrency : int
        How many calls of `generate` may run at once.
    batch_max : int
        How many requests of one `batch_key` a call may hold.
    is_idempotent : bool
        Whether an attempt repeated under its idempotency key is never paid for twice. Where it
        is not, an attempt of unknown outcome is left to a person.
    """

    name: str
    concurrency: int
    batch_max: int
    is_idempotent: bool

    @property
    def fingerprint(self) -> Mapping[str, str]: ...

    def ready(self) -> str:
        """One line on the engine; raises `EngineUnavailable` if it cannot run here and now."""

    def check(self, request: AnyRequest) -> None:
        """Raise `RequestError` if this engine cannot serve the request."""

    def quote(self, request: AnyRequest) -> Quote:
        """What the request will cost at most."""

    def batch_key(self, request: AnyRequest) -> str:
        """Requests with the same key may share one call of `generate`."""

    def generate(self, attempts: Sequence[Attempt]) -> Iterator[Outcome]:
        """Serve a batch; one outcome per attempt, in any order, as each becomes ready.

        Raises
        ------
        EngineError
            If the whole rest of the batch is lost; a single loss is yielded instead.
        Cancelled
            If the user asked to stop.
        """
