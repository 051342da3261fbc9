"""Money: what a take will cost (`Quote`), what it did cost (`Charge`), and the budget (`Ledger`).

Amounts are Decimal US dollars, kept to a billionth; credits of prepaid services are counted
beside them and never converted without a stated price.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal, InvalidOperation
from typing import Literal

from pydantic import Field

from workbench.errors import BudgetError, RequestError
from workbench.value import Value

NANO = Decimal("0.000000001")


def usd(amount: Decimal | float | int | str) -> Decimal:
    """An amount in dollars, rounded up to a billionth.

    Raises
    ------
    RequestError
        If it is no number.

    Examples
    --------
    >>> usd("0.0000000101"), usd(0.1) * 3
    (Decimal('1.1E-8'), Decimal('0.300000000'))
    """
    try:
        return Decimal(str(amount)).quantize(NANO, rounding=ROUND_CEILING)
    except InvalidOperation:
        raise RequestError(f"{amount!r} is no amount of dollars: write for example 2.50.") from None


def usd_from_zero(amount: Decimal | float | int | str) -> Decimal:
    """An amount that can be spent or asked for.

    Raises
    ------
    RequestError
        If it is no number, or less than 0.

    Examples
    --------
    >>> usd_from_zero("2.5")
    Decimal('2.500000000')
    """
    made = usd(amount)
    if not made.is_finite() or made < 0:
        raise RequestError(f"{amount} USD is no price or budget: give 0 or more.")
    return made


class Quote(Value):
    """What a take will cost at most, and why we think so.

    Parameters
    ----------
    amount_usd : Decimal
    credits : Decimal
        Of a prepaid service; 0 where there are none.
    basis : str
        The assumption in words, such as "60 s at 0.0002 USD/s".
    """

    amount_usd: Decimal = Field(Decimal(0), ge=0)
    credits: Decimal = Field(Decimal(0), ge=0)
    basis: str = ""


class Charge(Value):
    """What a take did cost.

    `source` says who says so: "reported" by the service, "measured" from seconds of use, or
    "expected" from the quote because nothing was reported.
    """

    amount_usd: Decimal = Field(Decimal(0), ge=0)
    credits: Decimal = Field(Decimal(0), ge=0)
    basis: str = ""
    source: Literal["reported", "measured", "expected"] = "reported"


class Ledger:
    """What is spent, what is promised to takes under way, and what is left of the budget.

    It lives in the one loop that spends (`Study`); the store keeps the entries it is fed from.

    Parameters
    ----------
    budget_usd : Decimal or None
        None sets no limit.
    spent_usd : Decimal
        Charged already, takes of unknown outcome counted at their quote.

    Examples
    --------
    >>> ledger = Ledger(Decimal("0.10"))
    >>> ledger.reserve(Quote(amount_usd=Decimal("0.06")))
    >>> ledger.settle(Quote(amount_usd=Decimal("0.06")), Decimal("0.05"))
    >>> ledger.left_usd
    Decimal('0.05')
    >>> ledger.reserve(Quote(amount_usd=Decimal("0.06")))
    Traceback (most recent call last):
    ...
    workbench.errors.BudgetError: the next take may cost 0.06 USD but 0.05 USD of the budget is \
left: raise the budget or make the sweep smaller.
    """

    def __init__(self, budget_usd: Decimal | None, spent_usd: Decimal = Decimal(0)) -> None:
        self.budget_usd = budget_usd
        self.spent_usd = spent_usd
        self.promised_usd = Decimal(0)

    @property
    def left_usd(self) -> Decimal | None:
        """Budget less what is spent and promised; None without a budget."""
        if self.budget_usd is None:
            return None
        return self.budget_usd - self.spent_usd - self.promised_usd

    def covers(self, amount_usd: Decimal) -> bool:
        """Whether the budget holds this much more."""
        return self.left_usd is None or amount_usd <= self.left_usd

    def reserve(self, quote: Quote) -> None:
        """Promise a quote's amount.

        Raises
        ------
        BudgetError
            If the budget does not cover it.
        """
        if self.left_usd is not None and not self.covers(quote.amount_usd):
            raise BudgetError(
                f"the next take may cost {quote.amount_usd} USD but {self.left_usd} USD of the "
                "budget is left: raise the budget or make the sweep smaller.",
                quote.amount_usd,
                self.left_usd,
            )
        self.promised_usd += quote.amount_usd

    def settle(self, quote: Quote, charged_usd: Decimal) -> None:
        """Turn a promise into what was charged (0 if nothing was)."""
        self.promised_usd -= quote.amount_usd
        self.spent_usd += charged_usd
