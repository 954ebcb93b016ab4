"""Portfolio history and exposure: against `portfolio`, plain sums, and the laws of money."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.unit.conftest import Land
from tests.unit.lake_rows import at, half_up, trade
from tests.unit.market_lake import MarketLake
from workbench.errors import UsageError
from workbench.lake.session import Session
from workbench.market import exposure_by_sector, portfolio, portfolio_history, reference_data

D = Decimal
MONEY = ("market_value", "unrealised_average", "unrealised_fifo")


def history(session: Session, **arguments: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = portfolio_history(session, "A1", **arguments).arrow().to_pylist()
    return rows


@pytest.mark.parametrize(("every", "days"), [("1d", 4), ("1d", 400), ("1h", 2), ("15m", 1)])
@pytest.mark.parametrize("as_of", [None, at(5000.25, days=-2)])
def test_every_row_is_what_portfolio_says_of_its_moment(
    market_session: Session, every: str, days: int, as_of: datetime | None
) -> None:
    rows = history(market_session, days=days, every=every, as_of=as_of)
    # All of the few, some of the many.
    for row in rows[:: max(1, len(rows) // 12)]:
        held = portfolio(market_session, "A1", as_of=row["valued_at"]).arrow().to_pylist()
        for name in MONEY:
            assert row[name] == sum(each[name] for each in held)
        paid = sum(each["net_cost"] for each in held)
        assert row["profit"] == row["market_value"] - paid
        assert row["open_symbols"] == sum(each["net_position"] != 0 for each in held)


def test_what_happens_in_the_intervals_adds_up(market_session: Session) -> None:
    rows = history(market_session, days=400, every="1h")
    held = portfolio(market_session, "A1").arrow().to_pylist()
    for name in ("realised_average", "realised_fifo", "trade_count"):
        assert sum(row[name] for row in rows) == sum(each[name] for each in held)
    assert sum(row["cash_flow"] for row in rows) == -sum(each["net_cost"] for each in held)
    assert sum(row["profit_change"] for row in rows) == rows[-1]["profit"]


def test_profit_is_realised_and_unrealised_at_every_moment(market_session: Session) -> None:
    realised = {"average": D(0), "fifo": D(0)}
    for row in history(market_session, days=400):
        for method, before in realised.items():
            realised[method] = before + row[f"realised_{method}"]
            assert row["profit"] == realised[method] + row[f"unrealised_{method}"]


def test_a_shorter_history_is_the_end_of_a_longer_one(market_session: Session) -> None:
    longer = history(market_session, days=400, every="1h")
    shorter = history(market_session, days=3, every="1h")
    assert shorter == longer[-len(shorter) :]
    assert shorter[0]["interval_start"] == datetime.fromisoformat("2024-08-06T00:00:00Z")


def test_a_day_without_a_trade_changes_value_with_the_price(land: Land, session: Session) -> None:
    land(
        trade(1, quantity="10", price="5", account_id="A1", event_time=at(0, days=-2)),
        trade(2, quantity="1", price="7", event_time=at(0, days=-1)),
        trade(3, quantity="4", price="8", side="SELL", account_id="A1", event_time=at(0)),
    )
    rows = history(session.refresh(), days=30)
    assert [row["interval_start"].day for row in rows] == [6, 7, 8]
    shown = ("trade_count", "cash_flow", "market_value", "realised_fifo", "profit_change")
    assert [tuple(row[name] for name in shown) for row in rows] == [
        (1, -50, 50, 0, 0),
        (0, 0, 70, 0, 20),
        (1, 32, 48, 12, 10),
    ]
    assert [row["valued_at"] for row in rows][-1] == at(0)


def test_a_price_from_before_the_account_began_is_not_needed(land: Land, session: Session) -> None:
    land(
        trade(1, price="5", event_time=at(0, days=-3)),
        trade(2, price="6", account_id="A1", event_time=at(0, days=-1)),
        trade(3, price="9", symbol="MSFT", account_id="A1", event_time=at(0)),
    )
    rows = history(session.refresh(), days=2)
    assert [row["market_value"] for row in rows] == [6, 15]


@pytest.mark.parametrize("every", ["1w", "", None])
def test_an_unknown_interval_is_refused(market_session: Session, every: str) -> None:
    with pytest.raises(UsageError, match="no interval "):
        portfolio_history(market_session, "A1", every=every)


@pytest.mark.parametrize("days", [0, -1, True, 1.5, 10**9])
def test_days_that_are_none_are_refused(market_session: Session, days: Any) -> None:
    with pytest.raises(UsageError, match="days must be a whole number of at least 1"):
        portfolio_history(market_session, "A1", days=days)


@pytest.mark.parametrize("as_of", ["0001-01-01", "9999-12-31"])
def test_a_history_at_the_ends_of_the_calendar_is_refused(
    market_session: Session, as_of: str
) -> None:
    with pytest.raises(UsageError, match="no history of 30 days ends at"):
        portfolio_history(market_session, "A1", as_of=as_of)


@pytest.mark.parametrize("account", [None, "A1", "A2"])
@pytest.mark.parametrize("as_of", [None, at(100, days=-4)])
def test_exposure_by_sector(
    market: MarketLake, market_session: Session, account: str | None, as_of: datetime | None
) -> None:
    moment = as_of or max(row["event_time"] for row in market.trades)
    sector_of = {row[0]: row[2] for row in reference_data(market_session).rows()}
    positions: dict[tuple[str, str], Decimal] = defaultdict(D)
    last: dict[str, Decimal] = {}
    for row in market.executions:
        if row["event_time"] > moment:
            continue
        last[row["symbol"]] = row["price"]
        if row["account_id"] is not None and account in (None, row["account_id"]):
            sign = 1 if row["side"] == "BUY" else -1
            positions[row["account_id"], row["symbol"]] += sign * row["quantity"]
    sectors: dict[str, list[tuple[str, str, Decimal]]] = defaultdict(list)
    for (name, symbol), position in positions.items():
        if position:
            value = position * last[symbol]
            sectors[sector_of.get(symbol, "UNKNOWN")].append((name, symbol, value))
    cents = {
        sector: half_up(Fraction(sum(abs(value) for *_, value in found)), 2)
        for sector, found in sectors.items()
    }
    expected = []
    for sector, found in sectors.items():
        long = sum((value for *_, value in found if value > 0), D(0))
        short = -sum((value for *_, value in found if value < 0), D(0))
        net = Fraction(half_up(Fraction(long - short), 2))
        whole = Fraction(sum(cents.values()))
        expected.append(
            (sector, len({s for _, s, _ in found}), len({a for a, _, _ in found}), long, short,
             long + short, long - short, half_up(Fraction(cents[sector]) / whole * 100, 4),
             half_up(net / whole * 100, 4))
        )  # fmt: skip
    expected.sort(key=lambda row: (-row[5], row[0]))
    assert exposure_by_sector(market_session, account, as_of).rows() == expected


def test_shares_of_exposure_add_up_to_the_whole(market_session: Session) -> None:
    rows = exposure_by_sector(market_session).arrow().to_pylist()
    assert abs(sum(row["gross_share_pct"] for row in rows) - 100) <= D("0.00005") * len(rows)
    for row in rows:
        assert row["gross_exposure"] == row["long_value"] + row["short_value"]
        assert abs(row["net_share_pct"]) <= row["gross_share_pct"]


def test_long_and_short_of_two_accounts_do_not_offset_in_gross(
    land: Land, session: Session
) -> None:
    land(
        trade(1, quantity="3", price="10", account_id="A1"),
        trade(2, quantity="3", price="10", side="SELL", account_id="A2"),
    )
    [row] = exposure_by_sector(session.refresh()).arrow().to_pylist()
    assert (row["gross_exposure"], row["net_exposure"]) == (60, 0)
    assert (row["gross_share_pct"], row["net_share_pct"]) == (100, 0)


def test_exposure_is_what_the_portfolio_is_worth(market_session: Session) -> None:
    exposed = exposure_by_sector(market_session, "A1").arrow().to_pylist()
    held = portfolio(market_session, "A1").arrow().to_pylist()
    assert sum(row["net_exposure"] for row in exposed) == sum(r["market_value"] for r in held)
    assert history(market_session)[-1]["market_value"] == sum(r["market_value"] for r in held)


def test_days_are_calendar_days(market: MarketLake, market_session: Session) -> None:
    rows = history(market_session, days=400)
    first = min(row["event_time"] for row in market.executions if row["account_id"] == "A1").date()
    assert [row["interval_start"].date() for row in rows] == [
        first + timedelta(days=number) for number in range((date(2024, 8, 8) - first).days + 1)
    ]


@pytest.mark.parametrize("question", [portfolio, portfolio_history, exposure_by_sector])
@pytest.mark.parametrize(
    ("account", "hint"),
    [
        ("A11", "no account 'A11': did you mean 'A1'"),
        ("a2", "no account 'a2': did you mean 'A2'"),
        ("somebody else", "no account 'somebody else': there is for example 'A"),
        ("A" * 500, "no account 'AAAAAA"),
    ],
)
def test_a_misspelt_account_names_the_nearest(
    market_session: Session, question: Any, account: str, hint: str
) -> None:
    with pytest.raises(UsageError) as error:
        question(market_session, account)
    assert hint in str(error.value)
    assert len(str(error.value)) < 150


def test_an_account_that_only_ordered_is_known_and_holds_nothing(
    land: Land, session: Session
) -> None:
    land(trade(1, account_id="A1"), trade(2, account_id="QUIET", status="REJECTED"))
    session.refresh()
    for question in (portfolio, portfolio_history, exposure_by_sector):
        assert question(session, "QUIET").rows() == []


def test_where_no_trade_names_an_account_none_is_misspelt(land: Land, session: Session) -> None:
    land(trade(1))
    assert portfolio(session.refresh(), "A1").rows() == []
