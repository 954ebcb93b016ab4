"""Average cost and first-in-first-out, against cases worked by hand and the laws of the ledger."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.market import accounting
from workbench.market.accounting import Ledger, as_money, as_quantity, per_unit

D = Decimal


class Fill(NamedTuple):
    """An execution as a person writes it."""

    quantity: Decimal
    price: Decimal


def whole(fills: Iterable[Fill]) -> list[accounting.Fill]:
    return [(int(fill.quantity.scaleb(8)), int(fill.price.scaleb(8))) for fill in fills]


def ledger_of(fills: Iterable[Fill]) -> Ledger:
    return accounting.ledger_of(whole(fills))


def after(*fills: tuple[str, str]) -> Ledger:
    return ledger_of(Fill(D(quantity), D(price)) for quantity, price in fills)


def figures(ledger: Ledger) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    return (
        as_quantity(ledger.position),
        as_money(ledger.cost_average),
        as_money(ledger.realised_average),
        as_money(ledger.realised_fifo),
    )


@pytest.mark.parametrize(
    ("fills", "expected"),
    [
        pytest.param([], ("0", "0", "0", "0"), id="nothing happened"),
        pytest.param([("10", "5")], ("10", "50", "0", "0"), id="bought and held"),
        pytest.param([("-10", "5")], ("-10", "-50", "0", "0"), id="sold short"),
        pytest.param(
            # Average cost of 100 at 10 and 100 at 20 is 15: 100 sold at 18 earn 300, by FIFO 800.
            [("100", "10"), ("100", "20"), ("-100", "18")],
            ("100", "1500", "300", "800"),
            id="a part is sold",
        ),
        pytest.param(
            [("100", "10"), ("-60", "12"), ("-40", "9")],
            ("0", "0", "80", "80"),
            id="closed in two steps",
        ),
        pytest.param(
            # 10 bought at 5; 25 sold at 8 close them (+30) and leave 15 short at 8.
            [("10", "5"), ("-25", "8")],
            ("-15", "-120", "30", "30"),
            id="from long to short",
        ),
        pytest.param(
            # ... 15 short at 8 and 5 short at 10: average 8.5. 30 bought at 7: +30, 10 long at 7.
            [("10", "5"), ("-25", "8"), ("-5", "10"), ("30", "7")],
            ("10", "70", "60", "60"),
            id="to short and back to long",
        ),
        pytest.param(
            # Short 10 at 20 and 10 at 30: average 25. 10 bought at 22: +30, by FIFO 20 - 22 = -20.
            [("-10", "20"), ("-10", "30"), ("10", "22")],
            ("-10", "-250", "30", "-20"),
            id="a part of a short is bought back",
        ),
        pytest.param(
            [("1", "0.00000001"), ("-1", "9999999999.99999999")],
            ("0", "0", "9999999999.99999998", "9999999999.99999998"),
            id="smallest and largest price",
        ),
    ],
)
def test_cases_worked_by_hand(
    fills: list[tuple[str, str]], expected: tuple[str, str, str, str]
) -> None:
    assert figures(after(*fills)) == tuple(map(D, expected))


def test_cost_that_does_not_divide_is_rounded_once_and_never_lost() -> None:
    # 3 units for 10 in all; selling them one by one takes 3.33..., 3.33... and the rest.
    ledger = after(("1", "3"), ("1", "3"), ("1", "4"), ("-1", "5"), ("-1", "5"), ("-1", "5"))
    assert figures(ledger) == (D(0), D(0), D(5), D(5))
    ledger = after(("1", "3"), ("1", "3"), ("1", "4"), ("-1", "5"))
    assert as_money(ledger.cost_average) == D("6.6666666666666667")
    assert as_money(ledger.realised_average) == D("1.6666666666666667")


def test_per_unit_rounds_half_away_from_zero_and_knows_no_zero() -> None:
    assert per_unit(D("0.00005"), D(1), 4) == D("0.0001")
    assert per_unit(D("-0.00005"), D(1), 4) == D("-0.0001")
    assert per_unit(D(1), D(0), 4) is None


units8 = st.integers(1, 10**12).map(lambda n: D(n).scaleb(-8))
fills_of = st.lists(
    st.builds(
        lambda quantity, price, buy: Fill(quantity if buy else -quantity, price),
        # Few quantities: so that positions close exactly and cross zero often.
        st.one_of(units8, st.sampled_from([D(1), D(2), D(3), D("0.5")])),
        units8,
        st.booleans(),
    ),
    max_size=40,
)


@given(fills_of, units8)
def test_realised_and_unrealised_are_cash_flow_and_market_value(
    fills: list[Fill], price: Decimal
) -> None:
    ledger = ledger_of(fills)
    flow = -sum((Fraction(f.quantity) * Fraction(f.price) for f in fills), Fraction(0))
    market_value = Fraction(as_quantity(ledger.position)) * Fraction(price)
    for realised, cost in (
        (ledger.realised_average, ledger.cost_average),
        (ledger.realised_fifo, ledger.cost_fifo),
    ):
        unrealised = market_value - Fraction(as_money(cost))
        assert Fraction(as_money(realised)) + unrealised == flow + market_value
    assert Fraction(as_money(ledger.net_cost)) == -flow


@given(fills_of)
def test_open_lots_and_cost_belong_to_the_position(fills: list[Fill]) -> None:
    ledger = ledger_of(fills)
    position = sum((f.quantity for f in fills), D(0))
    assert ledger.position == sum(quantity for quantity, _ in ledger.lots)
    assert as_quantity(ledger.position) == position
    assert ledger.cost_fifo == sum(quantity * price for quantity, price in ledger.lots)
    if not position:
        assert ledger.cost_average == 0
        assert ledger.realised_average == ledger.realised_fifo == -ledger.net_cost
    else:
        assert all((quantity > 0) == (position > 0) for quantity, _ in ledger.lots)


@given(fills_of, st.integers(0, 40))
def test_fills_may_come_in_parts(fills: list[Fill], first: int) -> None:
    ledger = ledger_of(fills[:first])
    ledger.add(whole(fills[first:]))
    assert ledger == ledger_of(fills)


@given(fills_of)
def test_the_mirror_image_earns_the_opposite(fills: list[Fill]) -> None:
    there = ledger_of(fills)
    back = ledger_of(Fill(-fill.quantity, fill.price) for fill in fills)
    assert figures(back) == tuple(-value for value in figures(there))


@given(fills_of)
def test_average_cost_agrees_with_exact_fractions(fills: list[Fill]) -> None:
    """The same rule in fractions, written another way: cost per unit instead of cost."""
    position, average, realised = Fraction(0), Fraction(0), Fraction(0)
    for fill in fills:
        quantity, price = Fraction(fill.quantity), Fraction(fill.price)
        if position * quantity < 0:
            closed = min(abs(position), abs(quantity)) * (1 if position > 0 else -1)
            realised += closed * (price - average)
            if abs(quantity) > abs(position):
                average = price
        else:
            held = abs(position) + abs(quantity)
            average = (abs(position) * average + abs(quantity) * price) / held
        position += quantity
    ledger = ledger_of(fills)
    # Each partial close may be off by half of the smallest unit of money.
    slack = Fraction(len(fills) + 1, 10**16)
    assert abs(Fraction(as_money(ledger.realised_average)) - realised) <= slack
    assert abs(Fraction(as_money(ledger.cost_average)) - position * average) <= slack
