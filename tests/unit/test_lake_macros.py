"""The exact macros against fractions, and aggregates that merge from any split."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.conftest import Land
from tests.unit.lake_rows import NOON, at, half_up, partial, rows_of
from workbench.config import Settings
from workbench.contracts import table_named
from workbench.lake.macros import load_macros
from workbench.lake.session import Session
from workbench.lake.views import derived_view
from workbench.lake.write import append

D = Decimal
_CONNECTION = duckdb.connect()
load_macros(_CONNECTION)


def macro(call: str, *values: Any) -> Any:
    row = _CONNECTION.execute(f"SELECT {call}", values).fetchone()
    assert row is not None
    return row[0]


prices = st.integers(1, 10**18 - 1).map(lambda n: D(n).scaleb(-8))
volumes = st.integers(1, 10**26).map(lambda n: D(n).scaleb(-8))


@given(prices, volumes)
def test_vwap_is_exact(price: Decimal, volume: Decimal) -> None:
    value = Fraction(price) * Fraction(volume) * Fraction(2, 3)
    if value >= 10**22:
        return
    rounded = half_up(value, 16)
    expected = half_up(Fraction(rounded) / Fraction(volume), 4)
    call = "vwap(CAST(? AS DECIMAL(38, 16)), CAST(? AS DECIMAL(38, 8)))"
    assert macro(call, str(rounded), str(volume)) == expected


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_ratio_is_exact_and_null_without_sells(buys: int, sells: int) -> None:
    expected = half_up(Fraction(buys, sells), 4) if sells else None
    assert macro("buy_sell_ratio(?, ?)", buys, sells) == expected


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**30))
def test_half_up_rounds_away_from_zero(n: int, d: int) -> None:
    expected = int(half_up(Fraction(n, d), 0))
    assert macro("half_up(CAST(? AS HUGEINT), CAST(? AS HUGEINT))", n, d) == expected


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("vwap(0, 0)", None),
        ("vwap(NULL, 1)", None),
        ("buy_sell_ratio(0, 0)", None),
        ("percent_change(3, 4)", D("33.33")),
        ("percent_change(0, 4)", None),
        ("percent_change(8, 7.9996)", D("-0.01")),  # -0.005, away from zero
        ("mean_volume(10, 3)", D("3.33333333")),
        ("mean_volume(10, 0)", None),
        ("percent_of_mean(6, 9, 3)", D(100)),
        ("notional(9999999999.99999999, 0.00000001)", D("99.9999999999999999")),
    ],
)  # fmt: skip
def test_cases(call: str, expected: Decimal | None) -> None:
    assert macro(call) == expected


Trade = tuple[int, int, Decimal, Decimal, bool]
small = st.integers(1, 10**10).map(lambda n: D(n).scaleb(-8))
trades_of = st.lists(
    # event second, part it belongs to, price, quantity, buy; the offset is the position.
    st.tuples(st.integers(0, 5), st.integers(0, 3), small, small, st.booleans()),
    min_size=1,
    max_size=20,
)


def aggregate(trades: list[tuple[int, Trade]]) -> dict[str, Any]:
    """One row of the aggregates job, in plain Python, of (offset, trade)."""
    ordered = sorted((trade[0], offset, trade) for offset, trade in trades)
    volume = sum(trade[3] for _, _, trade in ordered)
    value = sum(trade[2] * trade[3] for _, _, trade in ordered)
    buys = sum(trade[4] for _, _, trade in ordered)
    sells = len(ordered) - buys
    (open_second, open_offset, opened), (close_second, close_offset, closed) = (
        ordered[0],
        ordered[-1],
    )
    return partial(
        total_volume=volume,
        total_value=value,
        vwap=half_up(Fraction(value) / Fraction(volume), 4),
        trade_count=len(ordered),
        buy_count=buys,
        sell_count=sells,
        buy_sell_ratio=half_up(Fraction(buys, sells), 4) if sells else None,
        high_price=max(trade[2] for _, _, trade in ordered),
        low_price=min(trade[2] for _, _, trade in ordered),
        open_price=opened[2],
        close_price=closed[2],
        open_time=at(open_second),
        open_offset=open_offset,
        close_time=at(close_second),
        close_offset=close_offset,
    )


@pytest.fixture(scope="module")
def view() -> Iterator[duckdb.DuckDBPyConnection]:
    """The view over a plain table, so that hypothesis can refill it."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        load_macros(connection)
        empty = rows_of("market.trade_aggregates", [])
        connection.execute("CREATE SCHEMA market")
        connection.register("empty", empty)
        connection.execute("CREATE TABLE market.trade_aggregates AS FROM empty")
        connection.execute(derived_view("market.trade_aggregates_current"))
        yield connection


@given(trades=trades_of)
def test_merging_any_split_is_the_aggregate_of_the_whole(
    view: duckdb.DuckDBPyConnection, trades: list[Trade]
) -> None:
    numbered = list(enumerate(trades))
    whole = aggregate(numbered)
    parts = [[(i, t) for i, t in numbered if t[1] == part] for part in range(4)]
    view.execute("DELETE FROM market.trade_aggregates")
    view.register("parts", rows_of("market.trade_aggregates", [aggregate(p) for p in parts if p]))
    view.execute("INSERT INTO market.trade_aggregates FROM parts")
    merged = view.execute("FROM market.trade_aggregates_current").to_arrow_table().to_pylist()
    assert merged == [{**whole, "partials": sum(bool(p) for p in parts)}]


def test_the_current_view_has_the_columns_of_its_table(session: Session) -> None:
    described = session.sql("DESCRIBE market.trade_aggregates_current").rows()
    columns = [column.name for column in table_named("market.trade_aggregates").columns]
    assert [row[0] for row in described] == [*columns, "partials"]
    types = {row[0]: row[1] for row in session.sql("DESCRIBE market.trade_aggregates").rows()}
    assert {row[0]: row[1] for row in described[:-1]} == types


def test_windows_of_a_lake_stay_apart(lake: Settings, session: Session, land: Land) -> None:
    one: Trade = (1, 0, D(2), D(3), True)
    rows = [
        aggregate([(0, one)]),
        {**aggregate([(1, (2, 0, D(4), D(1), False))]), "late": True, "computed_at": at(99)},
        {**aggregate([(0, one)]), "window_size": "5m", "window_end": at(300)},
        {**aggregate([(0, one)]), "window_start": at(60), "window_end": at(120)},
        {**aggregate([(0, one)]), "symbol": "MSFT"},
    ]
    append(lake, "market.trade_aggregates", rows_of("market.trade_aggregates", rows))
    current = session.refresh().sql(
        "FROM market.trade_aggregates_current ORDER BY symbol, window_size, window_start"
    )
    merged = current.arrow().to_pylist()
    assert [row["partials"] for row in merged] == [2, 1, 1, 1]
    first = merged[0]
    assert (first["window_start"], first["vwap"]) == (NOON, D("2.5"))
    assert (first["open_price"], first["close_price"]) == (D(2), D(4))
    assert (first["late"], first["computed_at"]) == (True, at(99))
