"""What a row of executions earned: positions by average cost and by first-in-first-out.

Everything is exact in decimals. The one division, the share of the average cost that a partial
sale takes with it, is rounded half-up to the smallest unit of money (16 decimals), and what is
left is the rest: cost never leaks. So for both methods, to the last digit,

    realised + unrealised = cash flow + market value.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Context, Decimal, Inexact, localcontext

ZERO = Decimal(0)
#: The smallest unit of money: a price and a quantity have 8 decimals each.
UNIT = Decimal("1E-16")
# Sums of notionals have up to 38 digits, and cost times quantity 56; anything that would still
# be rounded silently is an error.
_EXACT = Context(prec=120, rounding=ROUND_HALF_UP, traps=[Inexact])
_ROUNDING = Context(prec=120, rounding=ROUND_HALF_UP)


@dataclass(frozen=True)
class Fill:
    """One execution of an account: bought (quantity above zero) or sold (below zero)."""

    quantity: Decimal
    price: Decimal


@dataclass
class Ledger:
    """The position of one symbol after its fills, in the order they happened.

    A position may be short. A fill that crosses zero closes the whole position at its price and
    opens the rest at the same price.
    """

    bought: Decimal = ZERO
    sold: Decimal = ZERO
    #: Money paid (positive) less money received.
    net_cost: Decimal = ZERO
    fills: int = 0
    #: Cost of the open position by average cost; negative when it is short.
    cost_average: Decimal = ZERO
    realised_average: Decimal = ZERO
    realised_fifo: Decimal = ZERO
    #: Open lots, oldest first: signed quantity and price.
    lots: deque[Fill] = field(default_factory=deque)

    @property
    def position(self) -> Decimal:
        """Quantity held; negative when short."""
        return _EXACT.subtract(self.bought, self.sold)

    @property
    def cost_fifo(self) -> Decimal:
        """Cost of the open lots; negative when the position is short."""
        with localcontext(_EXACT):
            return sum((lot.quantity * lot.price for lot in self.lots), ZERO)

    def add(self, fill: Fill) -> None:
        """Take one more fill into account."""
        with localcontext(_EXACT):
            self._average(fill)
            self._fifo(fill)
            if fill.quantity > 0:
                self.bought += fill.quantity
            else:
                self.sold -= fill.quantity
            self.net_cost += fill.quantity * fill.price
            self.fills += 1

    def _average(self, fill: Fill) -> None:
        held = self.position
        closed = _closing(held, fill.quantity)
        if closed:
            # `closed` has the sign of the position, as its cost has.
            cost = self.cost_average
            if closed != held:
                cost = _divide(self.cost_average * closed, held)
            self.realised_average += closed * fill.price - cost
            self.cost_average -= cost
        self.cost_average += (fill.quantity + closed) * fill.price

    def _fifo(self, fill: Fill) -> None:
        left = fill.quantity
        while left and self.lots and _closing(self.lots[0].quantity, left):
            lot = self.lots.popleft()
            closed = _closing(lot.quantity, left)
            self.realised_fifo += closed * (fill.price - lot.price)
            left += closed
            if closed != lot.quantity:
                self.lots.appendleft(Fill(lot.quantity - closed, lot.price))
        if left:
            self.lots.append(Fill(left, fill.price))


def _closing(held: Decimal, quantity: Decimal) -> Decimal:
    """The part of a position that a fill closes, with the position's sign."""
    if held > 0 > quantity:
        return min(held, -quantity)
    if held < 0 < quantity:
        return max(held, -quantity)
    return ZERO


def _divide(amount: Decimal, by: Decimal) -> Decimal:
    """Divide, half-up to the smallest unit of money."""
    return _ROUNDING.quantize(_ROUNDING.divide(amount, by), UNIT)


def ledger_of(fills: Iterable[Fill]) -> Ledger:
    """Return the ledger after all fills.

    Examples
    --------
    >>> ledger = ledger_of([Fill(Decimal(10), Decimal(5)), Fill(Decimal(-4), Decimal(6))])
    >>> ledger.position, ledger.realised_fifo, ledger.cost_fifo
    (Decimal('6'), Decimal('4'), Decimal('30'))
    """
    ledger = Ledger()
    for fill in fills:
        ledger.add(fill)
    return ledger


def per_unit(amount: Decimal, quantity: Decimal, decimals: int) -> Decimal | None:
    """Return amount / quantity half-up, None for no quantity.

    >>> per_unit(Decimal(10), Decimal(3), 4)
    Decimal('3.3333')
    """
    if not quantity:
        return None
    return _ROUNDING.quantize(_ROUNDING.divide(amount, quantity), Decimal(1).scaleb(-decimals))


def exactly() -> AbstractContextManager[Context]:
    """Return a context in which plain arithmetic is exact, or an error."""
    return localcontext(_EXACT)


def value_of(quantity: Decimal, price: Decimal) -> Decimal:
    """Return quantity times price, exactly."""
    return _EXACT.multiply(quantity, price)


def less(a: Decimal, b: Decimal) -> Decimal:
    """Return a - b, exactly."""
    return _EXACT.subtract(a, b)
