"""Alerts and what followed; orders and what became of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.lake_rows import at, half_up, rows_of, trade, trades
from tests.unit.market_lake import MarketLake, alert, until
from workbench.config import Settings
from workbench.contracts.records import EXECUTIONS, STATUSES
from workbench.errors import UsageError
from workbench.lake.session import Session
from workbench.lake.write import append
from workbench.market import alert_outcomes, order_rates
from workbench.market.order_rates import GROUPS

D = Decimal


@pytest.mark.parametrize("symbol", [None, "MSFT"])
@pytest.mark.parametrize(("as_of", "hours"), [(None, 24), (None, 100), (at(9000, days=-1), 30)])
def test_alert_outcomes(
    market: MarketLake,
    market_session: Session,
    symbol: str | None,
    as_of: datetime | None,
    hours: float,
) -> None:
    newest = [row["event_time"] for row in market.trades]
    newest += [row["detected_at"] for row in market.alerts]
    since, moment = until(as_of or max(newest), hours=hours)
    known = {row["alert_id"]: row for row in reversed(market.alerts)}
    expected = []
    for row in known.values():
        if not since < row["detected_at"] <= moment or symbol not in (None, row["symbol"]):
            continue
        prices: list[Decimal | None] = []
        for minutes in (1, 5, 15):
            end = row["detected_at"] + timedelta(minutes=minutes)
            later = [
                trade["price"]
                for trade in market.executions
                if trade["symbol"] == row["symbol"]
                and row["detected_at"] < trade["event_time"] <= end <= moment
            ]
            prices.append(later[-1] if later else None)
        base = Fraction(row["current_price"])
        returns = [half_up((Fraction(p) / base - 1) * 100, 2) if p else None for p in prices]
        facts = [row[name] for name in ("detected_at", "symbol", "direction", "severity")]
        facts += [row[name] for name in ("pct_change", "baseline_price", "current_price")]
        expected.append((*facts, *prices, *returns, row["alert_id"]))
    expected.sort(key=lambda row: (row[0], row[1], row[-1]))
    answer = alert_outcomes(market_session, hours, symbol, as_of)
    assert answer.rows() == expected
    assert answer.as_of == moment


def test_returns_after_an_alert_worked_by_hand(lake: Settings, session: Session) -> None:
    append(lake, "market.price_alerts", rows_of("market.price_alerts", [alert(0)]))
    rows = [
        trade(0, price="100", event_time=at(0)),  # the one that raised it
        trade(1, price="101", event_time=at(60)),
        trade(2, price="50", event_time=at(70), status="CANCELLED"),
        trade(3, price="99", event_time=at(61)),
        trade(4, price="97.5", event_time=at(800)),
        trade(5, price="1", event_time=at(1000), symbol="MSFT"),
    ]
    append(lake, "market.trades", trades(rows))
    [row] = alert_outcomes(session.refresh()).arrow().to_pylist()
    assert [row[f"return_{m}m_pct"] for m in (1, 5, 15)] == [1, -1, D("-2.5")]


@pytest.mark.parametrize(
    ("second", "as_of", "expected"),
    [
        (60, 60, (1, None, None)),  # the minute is over, five are not
        (61, 300, (None, 1, None)),
        (59, 59, (None, None, None)),  # nothing is over yet
        (0, 2000, (None, None, None)),  # what raised it is not what followed
        (901, 2000, (None, None, None)),  # nobody traded in time
    ],
)
def test_a_horizon_counts_when_it_is_over_and_somebody_traded(
    lake: Settings, session: Session, second: int, as_of: int, expected: tuple[Any, ...]
) -> None:
    append(lake, "market.price_alerts", rows_of("market.price_alerts", [alert(0)]))
    append(lake, "market.trades", trades([trade(1, price="101", event_time=at(second))]))
    answer = alert_outcomes(session.refresh(), as_of=at(as_of))
    [row] = answer.arrow().to_pylist()
    assert tuple(row[f"return_{minutes}m_pct"] for minutes in (1, 5, 15)) == expected


def ending(statuses: set[str]) -> str:
    for status in ("FILLED", "REJECTED", "CANCELLED"):
        if status in statuses:
            return status.lower()
    return "open"


NAMED = {
    "symbol": "symbol",
    "account": "account_id",
    "trader": "trader_id",
    "venue": "exchange",
    "side": "side",
}


@pytest.mark.parametrize("by", GROUPS)
@pytest.mark.parametrize(("as_of", "hours"), [(None, 24), (at(9000, days=-1), 100)])
def test_order_rates(
    market: MarketLake, market_session: Session, by: str, as_of: datetime | None, hours: float
) -> None:
    since, moment = until(as_of or max(r["event_time"] for r in market.trades), hours=hours)
    orders: dict[str, list[Any]] = defaultdict(list)
    for row in sorted(market.trades, key=lambda row: (row["event_time"], row["source_offset"])):
        if row["event_time"] <= moment:
            orders[row["order_id"]].append(row)
    groups: dict[str, list[list[Any]]] = defaultdict(list)
    for rows in orders.values():
        if rows[0]["event_time"] > since:
            names = [row[NAMED[by]] for row in rows] if by != "all" else ["ALL"]
            groups[next((name for name in names if name is not None), "UNKNOWN")].append(rows)
    expected = []
    for name, found in groups.items():
        ends = [ending({row["status"] for row in rows}) for rows in found]
        fills = [{r["trade_id"] for r in rows if r["status"] in EXECUTIONS} for rows in found]
        counts = [ends.count(end) for end in ("filled", "cancelled", "rejected", "open")]
        executed = sum(bool(each) for each in fills)

        def rate(part: int, whole: int = len(found)) -> Decimal:
            return half_up(Fraction(part, whole) * 100, 4)

        expected.append(
            (name, len(found), *counts, executed,
             sum(len({row["trade_id"] for row in rows}) for rows in found),
             sum(map(len, fills)),
             rate(counts[0]), rate(executed), rate(counts[1]), rate(counts[2]))
        )  # fmt: skip
    expected.sort(key=lambda row: (-row[1], row[0]))
    assert len(expected) >= (1 if by == "all" else 2)
    assert order_rates(market_session, by, hours, as_of).rows() == expected


events = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from(STATUSES), st.integers(-40, 40)), max_size=20
)


@pytest.mark.filterwarnings("ignore:Delete operation did not match")
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(events)
def test_every_order_ends_one_way(
    lake: Settings, session: Session, made: list[tuple[int, str, int]]
) -> None:
    from workbench.lake.catalog import load_catalog

    load_catalog(lake).load_table("market.trades").delete()
    rows = [
        trade(number, order_id=f"o{order}", status=status, event_time=at(hour * 3600))
        for number, (order, status, hour) in enumerate(made)
    ]
    append(lake, "market.trades", trades(rows))
    since, moment = until(max((row["event_time"] for row in rows), default=at()), hours=24)
    statuses: dict[str, set[str]] = defaultdict(set)
    old = {row["order_id"] for row in rows if row["event_time"] <= since}
    for row in rows:
        if row["order_id"] not in old:
            statuses[row["order_id"]].add(row["status"])
    expected = Counter(ending(each) for each in statuses.values())
    for row in order_rates(session.refresh(), by="side", as_of=moment).arrow().to_pylist():
        ends = [row[name] for name in ("filled", "cancelled", "rejected", "open")]
        assert ends == [expected[name] for name in ("filled", "cancelled", "rejected", "open")]
        assert sum(ends) == row["orders"]
        assert row["filled"] <= row["executed"] <= row["orders"] <= row["events"]
        rates = [row[f"{name}_rate_pct"] for name in ("fill", "cancel", "reject")]
        assert sum(rates) <= 100 + D("0.00015")


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["NEW", "REJECTED", "CANCELLED"], "rejected"),
        (["NEW", "CANCELLED", "FILLED"], "filled"),
        (["NEW", "PARTIALLY_FILLED", "CANCELLED"], "cancelled"),
        (["NEW", "PARTIALLY_FILLED"], "open"),
    ],
)
def test_an_order_with_several_ends_counts_as_one(
    lake: Settings, session: Session, statuses: list[str], expected: str
) -> None:
    rows = [trade(n, order_id="o", status=status) for n, status in enumerate(statuses)]
    append(lake, "market.trades", trades(rows))
    [row] = order_rates(session.refresh()).arrow().to_pylist()
    assert row[expected] == row["orders"] == 1
    assert row["executed"] == ("PARTIALLY_FILLED" in statuses or "FILLED" in statuses)


def test_an_order_of_yesterday_is_not_one_of_today(lake: Settings, session: Session) -> None:
    rows = [
        trade(1, order_id="old", status="NEW", event_time=at(0, days=-1)),
        trade(2, order_id="old", status="FILLED", event_time=at(0)),
        trade(3, order_id="new", status="REJECTED", event_time=at(1)),
    ]
    append(lake, "market.trades", trades(rows))
    [row] = order_rates(session.refresh(), hours=2).arrow().to_pylist()
    assert (row["orders"], row["rejected"], row["filled"]) == (1, 1, 0)


def test_an_unknown_group_names_the_nearest(market_session: Session) -> None:
    with pytest.raises(UsageError, match="no grouping 'accont': did you mean 'account'"):
        order_rates(market_session, by="accont")
