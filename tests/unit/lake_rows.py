"""Rows for small lakes: what a test does not care about has a plain default."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal, localcontext
from fractions import Fraction
from typing import Any

import pyarrow as pa

from workbench.contracts import table_named
from workbench.lake.schema import arrow_schema

NOON = datetime(2024, 8, 8, 12, tzinfo=UTC)


def at(seconds: float = 0, *, days: int = 0) -> datetime:
    """A moment after noon of the day the tests play on."""
    return NOON + timedelta(days=days, seconds=seconds)


def trade(number: int, **values: Any) -> dict[str, Any]:
    """One row of market.trades; numbers may be given as text."""
    row: dict[str, Any] = {
        "trade_id": f"t{number}",
        "order_id": f"o{number}",
        "symbol": "AAPL",
        "side": "BUY",
        "quantity": "1",
        "price": "100",
        "status": "FILLED",
        "exchange": None,
        "trader_id": None,
        "account_id": None,
        "event_time": at(number),
        "event_type": None,
        "source_topic": "raw.trades",
        "source_partition": 0,
        "source_offset": number,
        "source_time": at(number),
        **values,
    }
    row["quantity"], row["price"] = Decimal(row["quantity"]), Decimal(row["price"])
    return row


def partial(**values: Any) -> dict[str, Any]:
    """One row of market.trade_aggregates."""
    row: dict[str, Any] = {
        "symbol": "AAPL",
        "window_start": NOON,
        "window_end": at(60),
        "window_size": "1m",
        "vwap": "0",
        "buy_sell_ratio": None,
        "late": False,
        "computed_at": at(61),
        **values,
    }
    decimals = ("total_volume", "total_value", "vwap", "high_price", "low_price", "open_price")
    for name in (*decimals, "close_price"):
        row[name] = Decimal(row[name])
    return row


def rows_of(table: str, rows: Iterable[dict[str, Any]]) -> pa.Table:
    """The rows as an Arrow table of the contract's types."""
    return pa.Table.from_pylist(list(rows), schema=arrow_schema(table_named(table)))


def trades(rows: Iterable[dict[str, Any]]) -> pa.Table:
    """Rows of `trade` as an Arrow table."""
    return rows_of("market.trades", rows)


def half_up(value: Fraction, decimals: int) -> Decimal:
    """Round half away from zero, exactly: what the figures promise."""
    scaled = value * 10**decimals
    whole = (abs(scaled) + Fraction(1, 2)).__floor__() * (1 if scaled >= 0 else -1)
    return Decimal(f"{whole}E-{decimals}")


def z_score(value: Decimal, others: list[Decimal]) -> Decimal | None:
    """Sample standard deviations above the mean, by one square root of 60 digits."""
    if len(others) < 5 or len(set(others)) == 1:
        return None
    with localcontext(prec=60):
        mean = sum(others, Decimal(0)) / len(others)
        variance = sum((other - mean) ** 2 for other in others) / (len(others) - 1)
        return ((value - mean) / variance.sqrt()).quantize(Decimal("0.0001"), ROUND_HALF_UP)
