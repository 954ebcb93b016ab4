"""Each question against the same figures computed another way: Python decimals and fractions."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.unit.conftest import Land
from tests.unit.lake_rows import at, half_up, trade, z_score
from workbench import market
from workbench.config import Settings
from workbench.errors import UsageError
from workbench.lake.session import Session, open_session

D = Decimal


def random_day(seed: int = 7, count: int = 600) -> list[dict[str, Any]]:
    """Trades of a few symbols over some days, in no order, with statuses of every kind."""
    chance = random.Random(seed)
    rows = [
        trade(
            number,
            symbol=chance.choice(["AAPL", "MSFT", "XOM", "BTCUSDT", "NOBODY"]),
            side=chance.choice(["BUY", "SELL"]),
            quantity=str(D(chance.randint(1, 10**11)).scaleb(-8)),
            price=str(D(chance.randint(10**9, 10**11)).scaleb(-8)),
            status=chance.choice(
                ["FILLED", "FILLED", "PARTIALLY_FILLED", "NEW", "CANCELLED", "REJECTED"]
            ),
            account_id=chance.choice(["A1", "A2", None]),
            event_time=at(chance.randint(0, 9) * 600, days=-chance.randint(0, 40)),
        )
        for number in range(count)
    ]
    chance.shuffle(rows)
    return rows


def executions(rows: list[dict[str, Any]], since: datetime, until: datetime) -> list[Any]:
    found = [
        row
        for row in rows
        if row["status"] in ("FILLED", "PARTIALLY_FILLED") and since < row["event_time"] <= until
    ]
    return sorted(found, key=lambda row: (row["event_time"], row["source_offset"]))


@pytest.fixture
def rows(land: Land) -> list[dict[str, Any]]:
    made = random_day()
    land(*made[:300])
    land(*made[300:])
    return made


@pytest.fixture
def market_session(lake: Settings, rows: list[dict[str, Any]]) -> Any:
    with open_session(lake) as session:
        yield session


@pytest.mark.parametrize("hours", [0.5, 24, 24 * 50])
@pytest.mark.parametrize("as_of", [None, at(1800, days=-3)])
def test_top_symbols(market_session, rows, hours, as_of) -> None:  # type: ignore[no-untyped-def]
    until = as_of or max(row["event_time"] for row in rows)
    by_symbol = defaultdict(list)
    for row in executions(rows, until - timedelta(hours=hours), until):
        by_symbol[row["symbol"]].append(row)
    expected = []
    for symbol, found in by_symbol.items():
        volume = sum(row["quantity"] for row in found)
        notional = sum(row["quantity"] * row["price"] for row in found)
        low, high = (pick(row["price"] for row in found) for pick in (min, max))
        vwap = half_up(Fraction(notional) / Fraction(volume), 4)
        spread = half_up((Fraction(high) / Fraction(low) - 1) * 100, 2)
        expected.append((symbol, len(found), volume, notional, vwap, low, high, spread))
    expected.sort(key=lambda row: (-row[2], row[0]))
    result = market.top_symbols(market_session, n=3, hours=hours, as_of=as_of)
    assert result.rows() == expected[:3]
    assert result.as_of == until
    assert set(result.units) < set(result.columns)


def test_the_window_is_open_at_its_start_and_closed_at_its_end(
    land: Land, session: Session
) -> None:
    land(trade(1, event_time=at(0)), trade(2, event_time=at(1)), trade(3, event_time=at(3600)))
    answer = market.top_symbols(session.refresh(), hours=1)
    assert answer.rows()[0][1] == 2


def test_equal_volumes_rank_by_symbol(land: Land, session: Session) -> None:
    land(*(trade(i, symbol=s) for i, s in enumerate(["C", "A", "B"])))
    session.refresh()
    assert [row[0] for row in market.top_symbols(session, n=2).rows()] == ["A", "B"]


def test_one_absurd_price_does_not_stop_the_others(land: Land, session: Session) -> None:
    land(trade(1, price="0.00000001"), trade(2, price="9999999999"), trade(3, symbol="MSFT"))
    session.refresh()
    assert market.top_symbols(session).rows()[0][7] == D("99999999989999999900.00")
    assert len(market.sector_performance(session).rows()) == 1


def test_vwap_rounds_half_up_where_doubles_do_not(land: Land, session: Session) -> None:
    # (1.00005 + 1.00005) / 2 = 1.00005, a tie at four decimals; as doubles it lies below.
    land(trade(1, price="1.00005"), trade(2, price="1.00005"))
    assert market.top_symbols(session.refresh()).rows()[0][4] == D("1.0001")


def test_sums_of_the_largest_values_are_exact(land: Land, session: Session) -> None:
    largest = "9999999999.99999999"
    land(*(trade(i, price=largest, quantity=largest) for i in range(50)))
    row = market.top_symbols(session.refresh()).rows()[0]
    assert row[2] == 50 * D(largest)
    assert row[3] == D("4999999999999999990000.0000000000000050")
    assert row[4] == D("10000000000.0000")


@pytest.mark.parametrize("as_of", [None, at(1800, days=-3)])
def test_volume_vs_history(market_session, rows, as_of) -> None:  # type: ignore[no-untyped-def]
    until = as_of or max(row["event_time"] for row in rows)
    today = until.date()
    daily: dict[date, Decimal] = defaultdict(D)
    for row in executions(rows, until - timedelta(days=400), until):
        if row["symbol"] == "AAPL":
            daily[row["event_time"].date()] += row["quantity"]
    means, percents, counts, scores = [], [], [], []
    for days in (7, 30, 90):
        window = [v for day, v in daily.items() if 0 < (today - day).days <= days]
        mean = Fraction(sum(window)) / len(window) if window else None
        counts.append(len(window))
        means.append(half_up(mean, 8) if mean else None)
        percents.append(half_up((Fraction(daily[today]) / mean - 1) * 100, 2) if mean else None)
        scores.append(z_score(daily[today], window))
    answer = market.volume_vs_history(market_session, "AAPL", as_of=as_of).rows()
    assert answer == [("AAPL", today, daily[today], *means, *percents, *counts, *scores)]


def test_a_day_without_volume_is_not_in_the_mean(land: Land, session: Session) -> None:
    land(
        trade(1, quantity="10", event_time=at(0)),
        trade(2, quantity="4", event_time=at(0, days=-1)),
        trade(3, quantity="6", event_time=at(0, days=-7)),
        trade(4, quantity="50", event_time=at(0, days=-8)),
        trade(5, quantity="999", event_time=at(0, days=-91)),
    )
    row = market.volume_vs_history(session.refresh(), "AAPL").rows()[0]
    assert row[2:6] == (D(10), D(5), D(20), D(20))
    assert row[6:9] == (D(100), D(-50), D(-50))
    assert row[9:12] == (2, 3, 3)


def test_a_z_score_needs_five_days_that_differ(land: Land, session: Session) -> None:
    def day(number: int, quantity: str) -> dict[str, Any]:
        return trade(number, quantity=quantity, event_time=at(0, days=-number))

    land(*(day(number, "4") for number in range(1, 7)))
    same = market.volume_vs_history(session.refresh(), "AAPL", as_of=at(0)).rows()[0]
    assert same[9:] == (6, 6, 6, None, None, None)
    land(day(20, "9"), day(0, "5"))
    row = market.volume_vs_history(session.refresh(), "AAPL").rows()[0]
    # Six days of 4 and one of 9: mean 33/7, sample deviation 5/sqrt(7).
    assert row[12:] == (None, D("0.1512"), D("0.1512"))


def test_a_known_symbol_that_did_not_trade_has_volume_zero(land: Land, session: Session) -> None:
    land(trade(1, symbol="AAPL"))
    row = market.volume_vs_history(session.refresh(), "MSFT").rows()[0]
    assert row == ("MSFT", date(2024, 8, 8), D(0), *[None] * 6, 0, 0, 0, *[None] * 3)


def test_an_unknown_symbol_names_the_nearest(land: Land, session: Session) -> None:
    land(trade(1, symbol="AAPL"))
    with pytest.raises(UsageError, match="no symbol 'APPL': did you mean 'AAPL'"):
        market.volume_vs_history(session.refresh(), "APPL")


@pytest.mark.parametrize("hours", [24, 24 * 50])
def test_sector_performance(market_session, rows, hours) -> None:  # type: ignore[no-untyped-def]
    until = max(row["event_time"] for row in rows)
    sector_of = {row[0]: row[2] for row in market.reference_data(market_session).rows()}
    by_symbol = defaultdict(list)
    for row in executions(rows, until - timedelta(hours=hours), until):
        by_symbol[row["symbol"]].append(row)
    sectors: dict[str, list[Any]] = defaultdict(list)
    for symbol, found in by_symbol.items():
        exact = Fraction(found[-1]["price"]) / Fraction(found[0]["price"]) - 1
        change = Fraction(half_up(exact, 8))
        notional = sum(row["price"] * row["quantity"] for row in found)
        sectors[sector_of.get(symbol, "UNKNOWN")].append((found, change, notional))
    expected = []
    for sector, members in sectors.items():
        notional = sum(n for _, _, n in members)
        weights = [Fraction(half_up(Fraction(n), 2)) for _, _, n in members]
        changes = [c for _, c, _ in members]
        total = sum(c * w for c, w in zip(changes, weights, strict=True))
        weighted = total / sum(weights) * 100
        equal = sum(c for _, c, _ in members) / len(members) * 100
        expected.append(
            (
                sector,
                sum(len(found) for found, _, _ in members),
                sum(row["quantity"] for found, _, _ in members for row in found),
                notional,
                len(members),
                half_up(weighted, 4),
                half_up(equal, 4),
                sum(change > 0 for _, change, _ in members),
                sum(change < 0 for _, change, _ in members),
            )
        )
    expected.sort(key=lambda row: (-row[3], row[0]))
    assert market.sector_performance(market_session, hours=hours).rows() == expected
    if hours > 24:
        sectors_seen = {row[0] for row in expected}
        assert sectors_seen == {"UNKNOWN", "Crypto", "Energy", "Information Technology"}


@pytest.mark.parametrize("sector", [None, "Information Technology", "UNKNOWN"])
@pytest.mark.parametrize("hours", [24, 24 * 50])
def test_symbol_performance(market_session, rows, sector, hours) -> None:  # type: ignore[no-untyped-def]
    until = max(row["event_time"] for row in rows)
    sector_of = {row[0]: row[2] for row in market.reference_data(market_session).rows()}
    by_symbol = defaultdict(list)
    for row in executions(rows, until - timedelta(hours=hours), until):
        by_symbol[row["symbol"]].append(row)
    cents: dict[str, Fraction] = defaultdict(Fraction)
    worth = {s: sum(r["price"] * r["quantity"] for r in found) for s, found in by_symbol.items()}
    for symbol, notional in worth.items():
        cents[sector_of.get(symbol, "UNKNOWN")] += Fraction(half_up(Fraction(notional), 2))
    expected = []
    for symbol, found in by_symbol.items():
        of = sector_of.get(symbol, "UNKNOWN")
        first, last = found[0]["price"], found[-1]["price"]
        share = Fraction(half_up(Fraction(worth[symbol]), 2)) / cents[of] * 100
        change = (Fraction(last) / Fraction(first) - 1) * 100
        volume = sum(row["quantity"] for row in found)
        if sector in (None, of):
            expected.append((symbol, of, len(found), volume, worth[symbol], half_up(share, 4),
                             first, last, half_up(change, 2)))  # fmt: skip
    expected.sort(key=lambda row: (-row[4], row[0]))
    assert market.symbol_performance(market_session, sector, hours).rows() == expected


def test_an_unknown_sector_names_the_nearest(session: Session) -> None:
    with pytest.raises(UsageError, match="no sector 'Enrgy': did you mean 'Energy'"):
        market.symbol_performance(session, "Enrgy")


def test_first_and_last_price_at_the_same_moment_follow_arrival(
    land: Land, session: Session
) -> None:
    same = {"event_time": at(0)}
    land(trade(2, price="3", **same), trade(0, price="1", **same), trade(1, price="2", **same))
    row = market.sector_performance(session.refresh()).rows()[0]
    assert row[5:7] == (D(200), D(200))


def test_portfolio_worked_by_hand(land: Land, session: Session) -> None:
    mine = {"account_id": "A1"}
    land(
        trade(1, quantity="100", price="10", **mine),
        trade(2, quantity="100", price="20", status="PARTIALLY_FILLED", **mine),
        trade(3, quantity="100", price="18", side="SELL", **mine),
        trade(4, quantity="999", price="1", status="CANCELLED", **mine),
        trade(5, symbol="MSFT", quantity="10", price="5", **mine),
        trade(6, symbol="MSFT", quantity="25", price="8", side="SELL", **mine),
        trade(7, symbol="XOM", quantity="1", price="7", **mine),
        trade(8, symbol="XOM", quantity="1", price="9", side="SELL", **mine),
        trade(9, quantity="1", price="21", account_id="A2"),
    )
    answer = market.portfolio(session.refresh(), "A1").arrow().to_pylist()
    assert [row["symbol"] for row in answer] == ["AAPL", "MSFT", "XOM"]
    aapl, msft, xom = answer
    expected_aapl = {
        "bought_qty": 200, "sold_qty": 100, "net_position": 100, "net_cost": 1200,
        "net_cost_per_unit": 12, "trade_count": 3, "average_cost": 15, "cost_basis": 1500,
        "realised_average": 300, "realised_fifo": 800, "last_price": 21, "market_value": 2100,
        "unrealised_average": 600, "unrealised_fifo": 100,
    }  # fmt: skip
    assert aapl == {"symbol": "AAPL", **expected_aapl}
    expected_msft = {
        "bought_qty": 10, "sold_qty": 25, "net_position": -15, "net_cost": -150,
        "net_cost_per_unit": 10, "trade_count": 2, "average_cost": 8, "cost_basis": -120,
        "realised_average": 30, "realised_fifo": 30, "last_price": 8, "market_value": -120,
        "unrealised_average": 0, "unrealised_fifo": 0,
    }  # fmt: skip
    assert msft == {"symbol": "MSFT", **expected_msft}
    assert (xom["net_position"], xom["realised_fifo"], xom["average_cost"]) == (0, 2, None)
    open_only = market.portfolio(session, "A1", include_closed=False)
    assert [row[0] for row in open_only.rows()] == ["AAPL", "MSFT"]


def test_portfolio_as_of_sees_neither_later_trades_nor_later_prices(
    land: Land, session: Session
) -> None:
    mine = {"account_id": "A1"}
    land(trade(1, price="10", **mine), trade(2, price="20"), trade(3, price="30", **mine))
    row = market.portfolio(session.refresh(), "A1", as_of=at(2)).arrow().to_pylist()[0]
    assert (row["net_position"], row["last_price"]) == (1, 20)


def test_portfolio_balances_to_the_last_digit(market_session: Session) -> None:
    for row in market.portfolio(market_session, "A1").arrow().to_pylist():
        flow = row["market_value"] - row["net_cost"]
        assert row["realised_average"] + row["unrealised_average"] == flow
        assert row["realised_fifo"] + row["unrealised_fifo"] == flow
        assert row["net_position"] == row["bought_qty"] - row["sold_qty"]


def test_an_account_before_its_first_execution_has_an_empty_portfolio(
    market_session: Session,
) -> None:
    answer = market.portfolio(market_session, "A1", as_of="2001-01-01")
    assert answer.rows() == []
    assert answer.columns[:2] == ["symbol", "bought_qty"]
    # A value is bound, whatever it holds.
    with pytest.raises(UsageError, match="no account"):
        market.portfolio(market_session, "nobody'; DROP TABLE x; --")
