"""What an account at RunComfy can ask: its balance, a model's price, the catalogue."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from workbench.engines.hosted.job import amount_of
from workbench.engines.hosted.redact import quoted
from workbench.engines.hosted.runcomfy import Price, read_price
from workbench.engines.hosted.settings import Settings
from workbench.engines.hosted.wire import Wire
from workbench.errors import EngineFailed

_PAGE = 100
_PAGES_MAX = 100


class Balance(NamedTuple):
    """What is left in the wallet that pays for every RunComfy product."""

    amount: Decimal
    currency: str


def balance(settings: Settings) -> Balance:
    """What is left in the RunComfy wallet.

    Raises
    ------
    EngineError
        If it cannot be read.
    """
    reply = Wire(settings.wallet, settings.limits).get("/balance")
    amount = amount_of(reply.get("balance_usd"))
    if amount is None:
        raise EngineFailed("RunComfy states no usable balance: try again later.")
    return Balance(amount, quoted(str(reply.get("currency") or "USD")))


def price(settings: Settings, model: str) -> Price:
    """The live price of a RunComfy model, per second of audio.

    Raises
    ------
    EngineError
        If it cannot be read, or is none that we can count with.
    """
    return read_price(Wire(settings.runcomfy, settings.limits), model)


def catalogue(settings: Settings, search: str = "") -> list[dict[str, Any]]:
    """RunComfy's models as it lists them, all pages.

    Raises
    ------
    EngineError
        If they cannot be read.
    """
    wire = Wire(settings.runcomfy, settings.limits)
    rows: list[dict[str, Any]] = []
    asked: dict[str, Any] = {"limit": _PAGE, **({"search": search} if search else {})}
    for _ in range(_PAGES_MAX):
        reply = wire.get("/models", {**asked, "offset": len(rows)})
        page = reply.get("models")
        if not isinstance(page, list) or not all(isinstance(row, dict) for row in page):
            raise EngineFailed("RunComfy's list of models is unreadable: try again later.")
        rows += page
        total = reply.get("total")
        if not page or not isinstance(total, int) or len(rows) >= total:
            break
    return rows
