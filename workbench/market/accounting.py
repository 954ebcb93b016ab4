"""What a row of executions earned: positions by average cost and by first-in-first-out.

Everything is exact, in whole numbers: a quantity and a price have 8 decimals, so that money has 16.
The one division, the share of the average cost that a partial sale takes with it, is rounded
half-up to the smallest unit of money, and what is left is the rest: cost never leaks. So for both
methods, to the last digit,

    realised + unrealised = cash flow + market value.

Both methods are recurrences: what a fill earns depends on what all fills before it have left. They
are loops over integers, which take a second for a million fills.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import pyarrow as pa

#: Decimals of a quantity and of a price, as in the contracts; money is a product of both.
DECIMALS = 8
MONEY_DECIMALS = 2 * DECIMALS
_ROUNDING = Context(prec=120, rounding=ROUND_HALF_UP)

#: One execution of an account: quantity (bought above zero, sold below) and price, in units of
#: 0.00000001.
Fill: TypeAlias = tuple[int, int]


@dataclass
class Ledger:
    """The position of one symbol after its fills, in the order they happened.

    A position may be short. A fill that crosses zero closes the whole position at its price and
    opens the rest at the same price. All are whole numbers of the smallest unit; `as_quantity` and
    `as_money` make decimals of them.
    """

    bought: int = 0
    sold: int = 0
    #: Money paid (positive) less money received.
    net_cost: int = 0
    fills: int = 0
    #: Cost of the open position by average cost; negative when it is short.
    cost_average: int = 0
    realised_average: int = 0
    #: Cost of the open lots; negative when the position is short.
    cost_fifo: int = 0
    realised_fifo: int = 0
    #: Open lots, oldest first: signed quantity and price.
    lots: deque[Fill] = field(default_factory=deque)

    @property
    def position(self) -> int:
        """Quantity held; negative when short."""
        return self.bought - self.sold

    def add(self, fills: Sequence[Fill]) -> None:
        """Take more fills into account."""
        self._average(fills)
        self._fifo(fills)
        self.bought += sum(quantity for quantity, _ in fills if quantity > 0)
        self.sold -= sum(quantity for quantity, _ in fills if quantity < 0)
        self.net_cost += sum(quantity * price for quantity, price in fills)
        self.fills += len(fills)

    def _average(self, fills: Sequence[Fill]) -> None:
        held, cost, realised = self.position, self.cost_average, self.realised_average
        for quantity, price in fills:
            opened = quantity
            if held and (held > 0) != (quantity > 0):
                # What is closed has the sign of the position, as its cost has.
                closed = held if abs(quantity) >= abs(held) else -quantity
                share = cost if closed == held else _half_up(cost * closed, held)
                realised += closed * price - share
                cost -= share
                opened += closed
            cost += opened * price
            held += quantity
        self.cost_average, self.realised_average = cost, realised

    def _fifo(self, fills: Sequence[Fill]) -> None:
        lots, cost, realised = self.lots, self.cost_fifo, self.realised_fifo
        for quantity, price in fills:
            left = quantity
            while left and lots:
                lot, paid = lots[0]
                if (lot > 0) == (left > 0):
                    break
                closed = lot if abs(left) >= abs(lot) else -left
                realised += closed * (price - paid)
                cost -= closed * paid
                left += closed
                if closed == lot:
                    lots.popleft()
                else:
                    lots[0] = lot - closed, paid
            if left:
                lots.append((left, price))
                cost += left * price
        self.cost_fifo, self.realised_fifo = cost, realised


def _half_up(number: int, by: int) -> int:
    """Divide, half away from zero.

    >>> _half_up(5, 2), _half_up(-5, 2), _half_up(5, -2), _half_up(-7, -5)
    (3, -3, -3, 1)
    """
    whole, rest = divmod(abs(number), abs(by))
    whole += 2 * rest >= abs(by)
    return whole if (number > 0) == (by > 0) else -whole


def ledger_of(fills: Sequence[Fill]) -> Ledger:
    """Return the ledger after all fills.

    Examples
    --------
    >>> one = 10**DECIMALS
    >>> ledger = ledger_of([(10 * one, 5 * one), (-4 * one, 6 * one)])
    >>> as_quantity(ledger.position), as_money(ledger.realised_fifo), as_money(ledger.cost_fifo)
    (Decimal('6.00000000'), Decimal('4.0000000000000000'), Decimal('30.0000000000000000'))
    """
    ledger = Ledger()
    ledger.add(fills)
    return ledger


def units(column: pa.ChunkedArray) -> list[int]:
    """Return quantities or prices, decimals of up to 18 digits, as whole numbers.

    >>> import pyarrow as pa
    >>> units(pa.chunked_array([pa.array([Decimal("-1.5")], pa.decimal128(18, 8))]))
    [-150000000]
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    found: list[int] = pc.multiply(column, 10**DECIMALS).cast(pa.int64()).to_pylist()
    return found


def as_quantity(number: int) -> Decimal:
    """Return a whole number of the smallest quantity as a decimal."""
    return Decimal(f"{number}e-{DECIMALS}")


def as_money(number: int) -> Decimal:
    """Return a whole number of the smallest unit of money as a decimal."""
    return Decimal(f"{number}e-{MONEY_DECIMALS}")


def per_unit(amount: Decimal, quantity: Decimal, decimals: int) -> Decimal | None:
    """Return amount / quantity half-up, None for no quantity.

    >>> per_unit(Decimal(10), Decimal(3), 4)
    Decimal('3.3333')
    """
    if not quantity:
        return None
    return _ROUNDING.quantize(_ROUNDING.divide(amount, quantity), Decimal(1).scaleb(-decimals))
