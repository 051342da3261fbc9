"""What happened, as data: a `Take` is one attempt by one engine, a `Measurement` one number."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from workbench.cost import Charge, Quote
from workbench.request import AnyRequest
from workbench.value import Value, digest


class State(StrEnum):
    """Where a take stands.

    `UNKNOWN` means that a paid request left and no answer came: it may exist and be billed.
    """

    STARTED = "started"
    SUBMITTED = "submitted"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


class Measurement(Value):
    """One measured quantity of one take.

    Parameters
    ----------
    name : str
        With its unit, such as ``tempo_bpm``.
    value : float, str, bool or None
        None where it is undefined; `reason` then says why.
    method : str
        What measured it, with its version, such as ``tempo/1``.
    low, high : float or None
        The interval that the method's known error gives, where it has one.
    reason : str
        Why it is undefined, else empty.
    """

    name: str
    value: float | str | bool | None = None
    method: str = ""
    low: float | None = None
    high: float | None = None
    reason: str = ""


class Take(Value):
    """One attempt by one engine, whatever became of it.

    `audio` is the digest of the working copy in the store, `delivered` that of the file as the
    far side delivered it (the same where the working copy is what was delivered).
    """

    id: int
    key: str
    engine: str
    fingerprint: Mapping[str, str]
    request: Any
    state: State
    reason: str = ""
    idempotency_key: str = ""
    remote_id: str = ""
    quote: Quote = Quote()
    charge: Charge | None = None
    sent: Mapping[str, Any] = {}
    received: Mapping[str, Any] = {}
    truth: Mapping[str, Any] = {}
    notes: tuple[str, ...] = ()
    audio: str = ""
    delivered: str = ""
    started_at: str = ""
    wall_s: float | None = None


def take_key(request: AnyRequest, fingerprint: Mapping[str, str]) -> str:
    """The name under which a take is kept and found again: request and engine, nothing else."""
    return digest([request.digest, dict(fingerprint)])
