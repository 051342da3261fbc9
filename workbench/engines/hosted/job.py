"""What the engine and a service say to each other about one job, in words of our own."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from workbench.cost import Charge, Quote
from workbench.engines.hosted.faults import Unexpected
from workbench.engines.hosted.pace import Pause
from workbench.engines.hosted.redact import quoted
from workbench.engines.hosted.settings import Service, Settings
from workbench.engines.hosted.wire import Wire
from workbench.request import AnyRequest
from workbench.value import Json

CANCELLED = frozenset({"cancelled", "canceled"})
AMOUNT_MAX = Decimal(10**9)  # no amount of ours is larger: one that is, is an error
_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")


@dataclass(frozen=True)
class Look:
    """One look at a job: the service's word for its state, whether it is over, details."""

    word: str
    over: bool
    detail: str = ""


@dataclass(frozen=True)
class Result:
    """What became of a job that is over.

    Parameters
    ----------
    link : str
        Where the audio lies; "" if there is none.
    failure : str
        Why there is none; "" if there is.
    charge : Charge or None
        None if the service does not say what it cost.
    received : mapping
        What the service answered, for the record.
    notes : tuple of str
    """

    link: str
    failure: str
    charge: Charge | None
    received: Json
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Farewell:
    """What came of a cancel.

    Parameters
    ----------
    ended : bool
        Whether the job is known to have ended without a charge.
    words : str
        The end of a sentence about the job.
    """

    ended: bool
    words: str


@dataclass(frozen=True)
class Order:
    """A request in one service's words.

    Parameters
    ----------
    model : str
        The model at the service.
    body : mapping
        The model's inputs.
    record : mapping
        The inputs as they are written down, without the audio itself.
    notes : tuple of str
        What is understood otherwise than asked.
    """

    model: str
    body: Mapping[str, Any]
    record: Mapping[str, Any]
    notes: tuple[str, ...] = ()


class FarSide(Protocol):
    """One service as `HostedEngine` needs it."""

    engine: str
    settings: Settings
    wire: Wire
    # Whether a submit under the same idempotency key can be repeated without paying twice.
    submit_repeats: bool
    how_to_look: str

    @property
    def fingerprint(self) -> Mapping[str, str]: ...

    def check(self, request: AnyRequest) -> None:
        """Raise `RequestError` if the service cannot serve it."""

    def quote(self, request: AnyRequest, pause: Pause = time.sleep) -> Quote:
        """What it will cost at most."""

    def seconds(self, request: AnyRequest) -> float:
        """Length of the result at most."""

    def order(self, request: AnyRequest, *, whole: bool) -> Order:
        """The request in the service's words; the source's audio only if `whole`."""

    def submit(self, order: Order, idempotency_key: str) -> str:
        """Submit once; the job's id."""

    def look(self, job_id: str, pause: Pause) -> Look:
        """Where the job stands."""

    def result(self, job_id: str, pause: Pause) -> Result:
        """What became of a job that is over."""

    def cancel(self, job_id: str) -> Farewell:
        """Ask for a cancel once."""


def job_id_of(value: object, service: str) -> str:
    """A job's id, checked before it is put into a path.

    Raises
    ------
    Unexpected
        If it is none.

    Examples
    --------
    >>> job_id_of("36abd4da-cf45", "SkyStudio")
    '36abd4da-cf45'
    """
    if not isinstance(value, str) or not _JOB_ID.fullmatch(value):
        raise Unexpected(f"{service} accepted the call but named no usable job id.")
    return value


def amount_of(value: object) -> Decimal | None:
    """A number that a service states as an amount, or None if it is none.

    Examples
    --------
    >>> amount_of(0.012), amount_of("free"), amount_of(-1), amount_of(True)
    (Decimal('0.012'), None, None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    amount = Decimal(str(value))
    return amount if amount.is_finite() and 0 <= amount <= AMOUNT_MAX else None


def how_it_ended(word: str, because: str) -> str:
    """The end of a sentence about a job that brought no audio.

    Examples
    --------
    >>> how_it_ended("failed", "out of memory"), how_it_ended("canceled", "")
    ('ended as failed: out of memory', 'was cancelled')
    """
    state = "was cancelled" if word in CANCELLED else f"ended as {quoted(word) or 'failed'}"
    return f"{state}: {quoted(because)}" if because else state


def fingerprint(engine: str, model: str, contract: str, service: Service) -> dict[str, str]:
    """What, beside the request, decides the audio.

    A service of our own at another address is another engine: its takes must never be taken
    for those of the service itself.
    """
    known = {"engine": engine, "model": model, "contract": contract}
    return known if service.is_official else {**known, "host": service.host}


UNBILLED = Charge(basis="no cost was reported for a job without a result", source="expected")
