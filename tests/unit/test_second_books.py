"""Liquidity by the second path: against the question, by hand, and by its laws."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.lake_rows import at, rows_of
from tests.unit.market_lake import MarketLake, book
from workbench.config import Settings
from workbench.lake.session import Session
from workbench.lake.write import append
from workbench.market import spread_curve
from workbench.reports.market_day import Day, market_day
from workbench.reports.orderbook_liquidity import day_totals
from workbench.reports.second_books import _liquidity, books_of_day, median_spread

D = Decimal
#: Microseconds that a book holds at most.
LONGEST = 300_000_000
SAME = (
    "snapshots", "covered_s", "spread_bps", "median_spread_bps", "imbalance_5",
    "order_flow_imbalance",
)  # fmt: skip


def landed(lake: Settings, session: Session, *books: dict[str, Any]) -> Session:
    append(lake, "market.orderbook_metrics", rows_of("market.orderbook_metrics", books))
    return session.refresh()


def of_day(session: Session, moment: datetime) -> dict[str, dict[str, Any]]:
    return books_of_day(session, market_day(moment))


@pytest.mark.parametrize("moment", [at(12 * 3600 - 61), at(3000.125), at(61)])
def test_a_day_is_what_the_question_says_of_it(
    market: MarketLake, market_session: Session, moment: datetime
) -> None:
    day = market_day(moment)
    [row] = spread_curve(market_session, "AAPL", 1440, day.as_of).arrow().to_pylist()
    found = books_of_day(market_session, day)
    assert found.keys() == {"AAPL"}
    assert {name: found["AAPL"][name] for name in SAME} == {name: row[name] for name in SAME}
    sided = [r for r in market.books if r["event_time"] <= day.as_of and r["spread"] is not None]
    assert found["AAPL"]["two_sided"] == len(sided)
    totals = day_totals(market_session, day)
    assert median_spread(found) == totals["median_spread_bps"] is not None


def test_the_median_of_all_is_that_of_every_book_and_not_of_the_medians() -> None:
    books = {"A": {"spreads": [100, 200, 900]}, "B": {"spreads": [1000]}}
    assert median_spread(books) == 2
    assert median_spread({}) is None


def test_a_spread_weighs_as_long_as_it_holds(lake: Settings, session: Session) -> None:
    landed(
        lake, session,
        book(0, bid="99", ask="101", bids="30", asks="10", event_time=at(0)),
        book(1, bid="95", ask="105", bids="10", asks="30", event_time=at(9)),
        book(2, bid="99", ask="101", bids="30", asks="10", event_time=at(10)),
        # Nothing of the next day, nor of the day before.
        book(3, bid="1", ask="200", event_time=at(0, days=1)),
        book(4, bid="1", ask="200", event_time=at(0, days=-1)),
    )  # fmt: skip
    [found] = books_of_day(session, Day(at(0), at(10.000001))).values()
    assert found == {
        "snapshots": 3,
        "two_sided": 3,
        "spreads": [20_000, 100_000, 20_000],
        "covered_s": 10,
        "spread_bps": D("280"),  # (9 s of 200 bps + 1 s of 1,000) / 10
        "median_spread_bps": 200,
        "imbalance_5": D("0.4"),  # (9 s of 0.5 + 1 s of -0.5) / 10
        "order_flow_imbalance": None,
    }


def test_symbols_do_not_end_each_others_books(lake: Settings, session: Session) -> None:
    landed(
        lake, session,
        book(0, event_time=at(0)),
        book(1, symbol="MSFT", bid="9", ask="11", event_time=at(1)),
        book(2, event_time=at(4)),
    )  # fmt: skip
    found = books_of_day(session, Day(at(0), at(6.000001)))
    assert {name: each["covered_s"] for name, each in found.items()} == {"AAPL": 6, "MSFT": 5}
    assert {name: each["spread_bps"] for name, each in found.items()} == {"AAPL": 200, "MSFT": 2000}


def test_a_book_with_one_side_has_no_spread_and_is_forgotten_after_five_minutes(
    lake: Settings, session: Session
) -> None:
    landed(
        lake, session,
        book(0, bid=None, event_time=at(0), order_flow_imbalance=D("-2.5")),
        book(1, event_time=at(10), order_flow_imbalance=D(4)),
    )  # fmt: skip
    [found] = of_day(session, at(3600)).values()
    assert (found["snapshots"], found["two_sided"]) == (2, 1)
    assert found["covered_s"] == 310
    assert found["spread_bps"] == 200 and found["order_flow_imbalance"] == D("1.5")


def test_a_day_without_books_has_no_symbols(session: Session) -> None:
    assert of_day(session, at(0)) == {}


levels = st.tuples(
    st.integers(0, 4 * LONGEST // 3),  # until the next
    st.integers(1, 10**12),  # bid, in 0.00000001
    st.integers(0, 10**10),  # spread
    st.one_of(st.none(), st.integers(1, 10**12)),  # bid depth
    st.one_of(st.none(), st.integers(1, 10**12)),  # ask depth
)


def day_of(made: list[tuple[int, int, int, int | None, int | None]]) -> tuple[list[Any], int]:
    """Books as the second path has them, and the last moment."""
    rows: list[dict[str, Any]] = []
    moment = 0
    for until, bid, spread, bids, asks in made:
        rows.append(
            {"starts": moment, "following": moment + until, "bid": bid, "ask": bid + spread,
             "bids": bids, "asks": asks, "flow": None}
        )  # fmt: skip
        moment += until
    rows[-1]["following"] = None
    return rows, moment


@given(st.lists(levels, min_size=1, max_size=20))
def test_means_lie_between_the_least_and_the_most(made: list[Any]) -> None:
    rows, last = day_of(made)
    found = _liquidity(rows, last)
    each = [D((r["ask"] - r["bid"]) * 20_000) / (r["bid"] + r["ask"]) for r in rows]
    slack = D("0.006")  # each is rounded to 2 decimals before, the mean to 4
    if found["spread_bps"] is not None:
        assert min(each) - slack <= found["spread_bps"] <= max(each) + slack
    assert min(each) - slack <= found["median_spread_bps"] <= max(each) + slack
    assert found["imbalance_5"] is None or -1 <= found["imbalance_5"] <= 1
    assert found["covered_s"] * 1_000_000 <= min(last, LONGEST * len(rows))


@given(st.lists(levels, min_size=1, max_size=20))
def test_bids_and_asks_changed_over_turn_the_imbalance_round(made: list[Any]) -> None:
    rows, last = day_of(made)
    turned = [{**row, "bids": row["asks"], "asks": row["bids"]} for row in rows]
    found, other = _liquidity(rows, last), _liquidity(turned, last)
    if found["imbalance_5"] is not None:
        assert other["imbalance_5"] == -found["imbalance_5"]
    assert other["spread_bps"] == found["spread_bps"]


@given(st.lists(levels, min_size=1, max_size=20), st.integers(2, 1000))
def test_a_spread_in_basis_points_knows_no_currency(made: list[Any], factor: int) -> None:
    rows, last = day_of(made)
    dearer = [{**row, "bid": row["bid"] * factor, "ask": row["ask"] * factor} for row in rows]
    found, other = _liquidity(rows, last), _liquidity(dearer, last)
    assert other == found


@given(st.lists(levels, min_size=1, max_size=10), st.integers(0, 9), st.floats(0, 1))
def test_a_book_that_is_sent_again_unchanged_changes_no_mean(
    made: list[Any], which: int, part: float
) -> None:
    # Books that hold until the next one: a copy of one that was forgotten would revive it.
    rows, last = day_of([(min(until, LONGEST), *others) for until, *others in made])
    at_index = which % len(rows)
    row = rows[at_index]
    until = last if row["following"] is None else row["following"]
    middle = row["starts"] + int((until - row["starts"]) * part)
    twice = [{**row, "following": middle}, {**row, "starts": middle}]
    again = [*rows[:at_index], *twice, *rows[at_index + 1 :]]
    found, other = _liquidity(rows, last), _liquidity(again, last)
    for name in ("covered_s", "spread_bps", "imbalance_5"):
        assert other[name] == found[name]
    assert other["snapshots"] == found["snapshots"] + 1
