"""The second paths of the reports, against the questions, on a lake with every kind of row."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.lake_rows import at
from tests.unit.market_lake import MarketLake
from workbench import market as questions
from workbench.lake.session import Session
from workbench.market.accounting import ledger_of
from workbench.reports.market_day import day_totals, market_day
from workbench.reports.second_path import SecondPath, half_up
from workbench.reports.second_positions import (
    cash_flow,
    exposure,
    last_prices,
    money_of_first,
    orders,
    realised_by_average,
    worth,
)
from workbench.reports.second_sectors import sectors, unknown_symbols
from workbench.reports.second_volume import profile, same_part_of_days

TICK = timedelta(microseconds=1)
MOMENTS = [at(6 * 3600), at(9000, days=-1), at(100, days=-6)]


@pytest.fixture(scope="module")
def second(market_session: Session) -> SecondPath:
    return SecondPath(market_session)


@pytest.fixture(scope="module")
def sector_of(market_session: Session) -> dict[str, str]:
    return {row[0]: row[2] for row in questions.reference_data(market_session).rows()}


@pytest.mark.parametrize("moment", [*MOMENTS, at(0, days=-90)])
def test_totals_of_a_day(second: SecondPath, market_session: Session, moment: datetime) -> None:
    day = market_day(moment)
    assert second.totals(day) == day_totals(market_session, day)


@pytest.mark.parametrize("moment", MOMENTS)
def test_symbols_without_reference_data(market_session: Session, moment: datetime) -> None:
    day = market_day(moment)
    rows = questions.missing_reference(market_session, day.hours, day.as_of).rows()
    assert unknown_symbols(market_session, day.since, day.until) == len(rows)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("account", ["A1", "A2"])
def test_positions_and_profit(
    second: SecondPath, market_session: Session, account: str, moment: datetime
) -> None:
    rows = questions.portfolio(market_session, account, moment).arrow().to_pylist()

    def total(name: str) -> Decimal:
        return sum((row[name] for row in rows), Decimal(0))

    again = worth(second, account, moment + TICK)
    assert again.market_value == total("market_value")
    assert again.net_cost == total("net_cost")
    assert again.realised_fifo == total("realised_fifo")
    assert again.open_symbols == sum(row["net_position"] != 0 for row in rows)
    average = realised_by_average(second, account, moment + TICK)
    assert abs(average - total("realised_average")) < Decimal("1E-12")


fills = st.lists(
    st.tuples(st.sampled_from([-3, -2, -1, 1, 2, 3, 7]), st.integers(1, 50)), max_size=30
)


@given(fills)
def test_fifo_needs_no_lots(made: list[tuple[int, int]]) -> None:
    """The n-th unit bought belongs to the n-th unit sold, whichever came first."""
    ledger = ledger_of(made)
    buys = [(quantity, price) for quantity, price in made if quantity > 0]
    sells = [(-quantity, price) for quantity, price in made if quantity < 0]
    both = min(sum(q for q, _ in buys), sum(q for q, _ in sells))
    assert ledger.realised_fifo == money_of_first(sells, both) - money_of_first(buys, both)


def test_cash_flow_and_orders(second: SecondPath, market_session: Session) -> None:
    since, until = at(-12 * 3600, days=-3), at(12 * 3600)
    history = questions.portfolio_history(market_session, "A1", days=4).pl()
    assert cash_flow(second, "A1", since, until) == history["cash_flow"].sum()
    rates = questions.order_rates(market_session, "account", 96, until - TICK).arrow().to_pylist()
    [row] = [row for row in rates if row["name"] == "A1"]
    counted = orders(second, "A1", since, until)
    assert counted == {name: row[name] for name in counted}


@pytest.mark.parametrize("account", [None, "A1"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_exposure(
    second: SecondPath,
    market_session: Session,
    sector_of: dict[str, str],
    account: str | None,
    moment: datetime,
) -> None:
    rows = questions.exposure_by_sector(market_session, account, moment).arrow().to_pylist()
    assert exposure(second, sector_of, moment + TICK, account) == {
        row["sector"]: {"gross": row["gross_exposure"], "net": row["net_exposure"]} for row in rows
    }


@pytest.mark.parametrize("hours", [1, 24, 400])
def test_sectors(
    second: SecondPath, market_session: Session, sector_of: dict[str, str], hours: int
) -> None:
    until = at(6 * 3600)
    rows = questions.sector_performance(market_session, hours, until - TICK).arrow().to_pylist()
    found = sectors(second, sector_of, until - timedelta(hours=hours), until)
    assert {
        name: (each.notional, each.executions, each.return_pct, each.advancers, each.decliners)
        for name, each in found.items()
    } == {
        row["sector"]: (
            row["total_notional"], row["trade_count"], row["return_weighted_pct"],
            row["advancers"], row["decliners"],
        )
        for row in rows
    }  # fmt: skip


@pytest.mark.parametrize("moment", MOMENTS)
def test_volume(second: SecondPath, market_session: Session, moment: datetime) -> None:
    day = market_day(moment)
    rows = questions.volume_anomalies(market_session, 8, 3, day.as_of).arrow().to_pylist()
    for row in rows:
        again = same_part_of_days(second, row["symbol"], day, 8)
        assert (again["volume"], again["mean"]) == (row["volume"], row["avg_volume"])
        assert again["days"] == row["days"]
        if row["z_score"] is None:
            assert again["z_score"] is None
        else:
            assert abs(again["z_score"] - float(row["z_score"])) < 1e-4


def test_the_volume_of_all_symbols_is_read_at_once(
    market_session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    second, day, reads = SecondPath(market_session), market_day(MOMENTS[0]), []
    executions = second.executions

    def counted(since: datetime, until: datetime) -> pl.LazyFrame:
        reads.append(since)
        return executions(since, until)

    monkeypatch.setattr(second, "executions", counted)
    found = {name: same_part_of_days(second, name, day, 8) for name in ("AAPL", "MSFT", "NONE")}
    assert len(reads) == 1
    assert found["AAPL"]["days"] > 0
    assert found["NONE"] == {"volume": 0, "mean": None, "z_score": None, "days": 0}
    # Other days are other rows.
    same_part_of_days(second, "AAPL", day, 3)
    assert reads == [day.since - timedelta(days=8), day.since - timedelta(days=3)]


def test_profile_and_last_price(
    second: SecondPath, market: MarketLake, market_session: Session
) -> None:
    day = market_day(at(12 * 3600 - 61))
    buckets = questions.volume_profile(market_session, "AAPL", "5m", 3, day.as_of).arrow()
    told = {row["bucket_start"]: row["volume"] for row in buckets.to_pylist() if row["volume"]}
    assert profile(second, "AAPL", day, 5) == told
    curve = questions.vwap_curve(market_session, "AAPL", day.as_of).arrow().to_pylist()
    assert last_prices(second, day.since, day.until)["AAPL"] == curve[-1]["price"]


@given(st.integers(-(10**20), 10**20), st.integers(1, 10**9))
def test_half_up_rounds_away_from_zero(number: int, by: int) -> None:
    rounded = half_up(number, by)
    assert abs(rounded * by - number) * 2 <= by
    assert half_up(-number, by) == -rounded
