"""A symbol's day by the minute, by the bucket and by its order book, against plain Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.conftest import Land
from tests.unit.lake_rows import at, half_up, rows_of, trade
from tests.unit.market_lake import DAYS, SYMBOLS, MarketLake, book
from workbench.config import Settings
from workbench.errors import UsageError
from workbench.lake.session import Session
from workbench.lake.write import append
from workbench.market import spread_curve, volume_profile, vwap_curve

D = Decimal
MINUTE = timedelta(minutes=1)


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def minute_of(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def share(part: Any, whole: Any) -> Decimal | None:
    return half_up(Fraction(part) / Fraction(whole) * 100, 4) if whole else None


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("as_of", [None, at(7000.5, days=-3)])
def test_vwap_curve(
    market: MarketLake, market_session: Session, symbol: str, as_of: datetime | None
) -> None:
    moment = as_of or max(row["event_time"] for row in market.trades)
    minutes: dict[datetime, list[Any]] = defaultdict(list)
    for row in market.executions:
        if row["symbol"] == symbol and midnight(moment.date()) <= row["event_time"] <= moment:
            minutes[minute_of(row["event_time"])].append(row)
    expected, volume, notional = [], D(0), D(0)
    for minute, rows in minutes.items():
        prices = [row["price"] for row in rows]
        here = sum((row["quantity"] for row in rows), D(0))
        worth = sum((row["quantity"] * row["price"] for row in rows), D(0))
        volume, notional = volume + here, notional + worth
        vwaps = [
            half_up(Fraction(a) / Fraction(b), 4) for a, b in ((worth, here), (notional, volume))
        ]
        expected.append(
            (symbol, minute, prices[-1], min(prices), max(prices), len(rows), here, worth, vwaps[0],
             volume, notional, vwaps[1])
        )  # fmt: skip
    assert vwap_curve(market_session, symbol, as_of).rows() == expected


quantities = st.integers(1, 10**13).map(lambda n: str(D(n).scaleb(-8)))
prices = st.integers(1, 10**13).map(lambda n: str(D(n).scaleb(-8)))
days = st.lists(st.tuples(quantities, prices, st.integers(0, 600)), min_size=1, max_size=25)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(days)
def test_vwap_lies_between_the_lowest_and_the_highest_price(
    lake: Settings, session: Session, day: list[tuple[str, str, int]]
) -> None:
    from tests.unit.lake_rows import trades
    from workbench.definitions.backfill import backfill

    rows = [
        trade(number, quantity=quantity, price=price, event_time=at(second))
        for number, (quantity, price, second) in enumerate(day)
    ]
    backfill(lake, trades(rows), tables=["market.trades"])
    curve = vwap_curve(session.refresh(), "AAPL").arrow().to_pylist()
    low, high = D("Infinity"), D(0)
    for row in curve:
        low, high = min(low, row["low_price"]), max(high, row["high_price"])
        # Rounded to 4 decimals, and so by half of the last one outside at most.
        assert low - D("0.00005") <= row["vwap"] <= high + D("0.00005")
        assert row["low_price"] <= row["price"] <= row["high_price"]
    assert curve[-1]["day_volume"] == sum(row["volume"] for row in curve)
    assert curve[-1]["day_notional"] == sum(row["notional"] for row in curve)


def windows_over(
    market: MarketLake, symbol: str, size: int, moment: datetime
) -> dict[date, dict[int, list[Any]]]:
    """Executions by day and by bucket of the day, of buckets that are over at the moment's time."""
    last = moment - midnight(moment.date()) + timedelta(microseconds=1)
    found: dict[date, dict[int, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for row in market.executions:
        day = row["event_time"].date()
        bucket = int((row["event_time"] - midnight(day)) / MINUTE) // size
        if (
            row["symbol"] == symbol
            and (bucket + 1) * size * MINUTE <= last
            and day <= moment.date()
        ):
            found[day][bucket].append(row)
    return found


@pytest.mark.parametrize("symbol", ["AAPL", "NOBODY"])
@pytest.mark.parametrize(("bucket", "size"), [("1m", 1), ("5m", 5), ("15m", 15)])
@pytest.mark.parametrize("as_of", [None, at(7000, days=-1), at(900)])
def test_volume_profile(
    market: MarketLake,
    market_session: Session,
    symbol: str,
    bucket: str,
    size: int,
    as_of: datetime | None,
) -> None:
    newest = max(row["event_time"] for row in market.executions)
    step = timedelta(minutes=size)
    end = midnight(newest.date()) + ((newest - midnight(newest.date())) // step + 1) * step
    moment = as_of or end - timedelta(microseconds=1)
    found = windows_over(market, symbol, size, moment)
    today = found.pop(moment.date(), {})
    first = moment.date() - timedelta(days=5)
    history = {day: buckets for day, buckets in found.items() if day >= first}

    def volume(rows: list[Any]) -> Decimal:
        return sum((row["quantity"] for row in rows), D(0))

    total = sum((volume(rows) for rows in today.values()), D(0))
    expected, so_far = [], D(0)
    for number in sorted({*today, *(b for buckets in history.values() for b in buckets)}):
        start = midnight(moment.date()) + number * step
        here = volume(today.get(number, []))
        so_far += here
        before = [volume(buckets.get(number, [])) for buckets in history.values()]
        shares = [
            half_up(
                Fraction(volume(buckets.get(number, [])))
                / Fraction(sum(volume(rows) for rows in buckets.values())),
                8,
            )
            for buckets in history.values()
        ]
        mean = Fraction(sum(before)) / len(before) if before else None
        expected.append(
            (
                symbol,
                start,
                start + step,
                len(today.get(number, [])),
                here,
                share(here, total),
                share(so_far, total),
                half_up(mean, 8) if mean is not None else None,
                half_up(Fraction(sum(shares)) / len(shares) * 100, 4) if shares else None,
                half_up((Fraction(here) / mean - 1) * 100, 2) if mean else None,
                len(history),
            )
        )
    answer = volume_profile(market_session, symbol, bucket, days=5, as_of=as_of)
    assert answer.rows() == expected
    assert answer.as_of == moment


def test_shares_of_a_profile_add_up(market_session: Session) -> None:
    rows = volume_profile(market_session, "AAPL").arrow().to_pylist()
    slack = D("0.00005") * len(rows)
    assert rows[-1]["cumulative_share_pct"] == 100
    assert abs(sum(row["share_pct"] for row in rows) - 100) <= slack
    assert abs(sum(row["avg_share_pct"] for row in rows) - 100) <= slack
    assert [row["cumulative_share_pct"] for row in rows] == sorted(
        row["cumulative_share_pct"] for row in rows
    )


def test_an_unknown_bucket_names_the_nearest(market_session: Session) -> None:
    with pytest.raises(UsageError, match="no bucket '10m': "):
        volume_profile(market_session, "AAPL", bucket="10m")


def held(rows: list[Any], moment: datetime) -> Iterator[tuple[Any, datetime, datetime]]:
    """Each snapshot with the time it holds."""
    for row, later in zip(rows, [*rows[1:], None], strict=True):
        ends = later["event_time"] if later else moment
        yield row, row["event_time"], min(ends, row["event_time"] + timedelta(minutes=5))


@pytest.mark.parametrize("minutes", [1, 5, 7, 1440])
@pytest.mark.parametrize("as_of", [None, at(3000.125)])
def test_spread_curve(
    market: MarketLake, market_session: Session, minutes: int, as_of: datetime | None
) -> None:
    moment = as_of or max(row["event_time"] for row in market.books)
    rows = [row for row in market.books if row["event_time"] <= moment]
    begin, length = midnight(moment.date()), timedelta(minutes=minutes)
    parts: dict[datetime, list[tuple[Any, int, bool]]] = defaultdict(list)
    for row, starts, ends in held(rows, moment):
        bucket = begin + (starts - begin) // length * length
        here = True
        while here or bucket < ends:
            us = (min(ends, bucket + length) - max(starts, bucket)) // timedelta(microseconds=1)
            parts[bucket].append((row, us, here))
            bucket, here = bucket + length, False

    def mean(found: list[tuple[Any, int, bool]], name: str, digits: int) -> Decimal | None:
        weights = [(Fraction(row[name]), us) for row, us, _ in found if row[name] is not None]
        total = sum(us for _, us in weights)
        return half_up(sum(v * us for v, us in weights) / total, digits) if total else None

    expected = []
    for bucket in sorted(parts):
        found = parts[bucket]
        came = [row for row, _, here in found if here]
        spreads = sorted(row["spread_bps"] for row in came if row["spread_bps"] is not None)
        flow = [r["order_flow_imbalance"] for r in came if r["order_flow_imbalance"] is not None]
        mids = [row["mid_price"] for row, _, _ in found if row["mid_price"] is not None]
        expected.append(
            (
                "AAPL",
                bucket,
                bucket + length,
                len(came),
                D(sum(us for _, us, _ in found)).scaleb(-6),
                mids[-1] if mids else None,
                mean(found, "spread", 4),
                mean(found, "spread_bps", 4),
                spreads[(len(spreads) - 1) // 2] if spreads else None,
                mean(found, "bid_depth_5", 8),
                mean(found, "ask_depth_5", 8),
                mean(found, "imbalance_5", 4),
                sum(flow) if flow else None,
            )
        )
    assert spread_curve(market_session, "AAPL", minutes, as_of).rows() == expected


def test_a_short_wide_spread_weighs_less_than_a_long_narrow_one(
    lake: Settings, session: Session
) -> None:
    books = [
        book(0, bid="99", ask="101", event_time=at(0)),
        book(1, bid="95", ask="105", event_time=at(9)),
        book(2, bid="99", ask="101", event_time=at(10)),
    ]
    append(lake, "market.orderbook_metrics", rows_of("market.orderbook_metrics", books))
    [row] = spread_curve(session.refresh(), "AAPL").arrow().to_pylist()
    assert row["spread"] == D("2.8")  # (9 x 2 + 1 x 10) / 10
    assert row["covered_s"] == 10
    assert row["median_spread_bps"] == 200


def test_a_book_is_forgotten_after_five_minutes(lake: Settings, session: Session) -> None:
    books = [book(0, event_time=at(0)), book(1, event_time=at(3600))]
    append(lake, "market.orderbook_metrics", rows_of("market.orderbook_metrics", books))
    rows = spread_curve(session.refresh(), "AAPL", minutes=1).arrow().to_pylist()
    assert [row["covered_s"] for row in rows] == [60, 60, 60, 60, 60, 0]
    assert [row["snapshots"] for row in rows] == [1, 0, 0, 0, 0, 1]
    assert rows[-1]["spread"] is None and rows[-1]["median_spread_bps"] == 200


def test_a_symbol_without_books_names_the_nearest(market_session: Session) -> None:
    with pytest.raises(UsageError, match="no order book of 'AAPK': did you mean 'AAPL'"):
        spread_curve(market_session, "AAPK")


def test_the_day_is_that_of_the_moment(market: MarketLake, market_session: Session) -> None:
    for back in range(DAYS):
        moment = at(8 * 3600, days=-back)
        rows = vwap_curve(market_session, "MSFT", as_of=moment).arrow().to_pylist()
        assert {row["minute"].date() for row in rows} <= {moment.date()}


def test_nothing_after_the_moment_is_seen(land: Land, session: Session) -> None:
    land(trade(1, price="10", event_time=at(1)), trade(2, price="20", event_time=at(2)))
    [row] = vwap_curve(session.refresh(), "AAPL", as_of=at(1)).arrow().to_pylist()
    assert (row["price"], row["vwap"]) == (10, 10)
