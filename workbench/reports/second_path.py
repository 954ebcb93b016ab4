"""The headline numbers once more: Polars over the pinned Parquet files, no DuckDB and no SQL.

Prices and quantities are whole numbers of 0.00000001 here, so that sums are exact in 128 bits;
nothing is shared with the first path but the files.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from workbench.contracts.records import EXECUTIONS
from workbench.lake.session import Session
from workbench.reports.frames import frame
from workbench.reports.market_day import Day


class SecondPath:
    """The trades of a session's snapshots, read by Polars.

    Parameters
    ----------
    session
        The session whose pins are read; its connection is not used.
    """

    def __init__(self, session: Session) -> None:
        #: The session, for its settings and reference data.
        self.session = session
        #: All events, as they lie in the files.
        self.trades = frame(session, "market.trades")

    def executions(self, since: datetime, until: datetime) -> pl.LazyFrame:
        """Return executions in [since, until) with ``units`` and ``value`` as whole numbers."""
        quantity, price = units_of("quantity"), units_of("price")
        return self.trades.filter(
            pl.col("event_time").is_between(since, until, closed="left"),
            pl.col("status").is_in(EXECUTIONS),
        ).with_columns(units=quantity, value=quantity * price)

    def in_order(self, since: datetime, until: datetime) -> pl.LazyFrame:
        """Return the same executions in the order they happened."""
        order = ("event_time", "source_offset", "source_partition", "source_topic")
        return self.executions(since, until).sort(*order)

    def totals(self, day: Day) -> dict[str, Any]:
        """Return what `workbench.reports.market_day.day_totals` does, of the same day."""
        events = self.trades.filter(
            pl.col("event_time").is_between(day.since, day.until, closed="left")
        )
        copies = events.group_by("trade_id").len().select(pl.col("len").sub(1).sum())
        row = (
            self.executions(day.since, day.until)
            .select(
                pl.len().alias("executions"),
                pl.col("symbol").n_unique().alias("symbols"),
                pl.col("account_id").drop_nulls().n_unique().alias("accounts"),
                pl.col("units").sum(),
                pl.col("value").sum(),
            )
            .collect()
            .row(0, named=True)
        )
        return {
            "events": events.select(pl.len()).collect().item(),
            "duplicates": copies.collect().item(),
            **{name: row[name] for name in ("executions", "symbols", "accounts")},
            **_money(row["units"], row["value"]),
        }

    def by_symbol(self, day: Day) -> dict[str, dict[str, Any]]:
        """Return ``volume``, ``notional``, ``vwap`` and ``executions`` of each symbol."""
        rows = (
            self.executions(day.since, day.until)
            .group_by("symbol")
            .agg(pl.len().alias("executions"), pl.col("units").sum(), pl.col("value").sum())
            .collect()
            .iter_rows(named=True)
        )
        return {
            row["symbol"]: {"executions": row["executions"], **_money(row["units"], row["value"])}
            for row in rows
        }

    def mean_volume(self, symbol: str, day: Day, days: int) -> Decimal | None:
        """Return the mean volume of the days with volume in the days before the day."""
        row = (
            self.executions(day.since - timedelta(days=days), day.since)
            .filter(pl.col("symbol") == symbol)
            .select(pl.col("units").sum(), pl.col("event_time").dt.date().n_unique().alias("days"))
            .collect()
            .row(0, named=True)
        )
        return decimal_of(half_up(row["units"], row["days"]), 8) if row["days"] else None

    def position(self, account: str, until: datetime) -> dict[str, dict[str, Decimal]]:
        """Return ``net_position`` and ``net_cost`` of each symbol an account has traded."""
        sign = pl.when(pl.col("side") == "BUY").then(1).otherwise(-1).cast(pl.Int128)
        rows = (
            self.executions(datetime.min.replace(tzinfo=until.tzinfo), until)
            .filter(pl.col("account_id") == account)
            .group_by("symbol")
            .agg((pl.col("units") * sign).sum(), (pl.col("value") * sign).sum())
            .collect()
            .iter_rows(named=True)
        )
        return {
            row["symbol"]: {
                "net_position": decimal_of(row["units"], 8),
                "net_cost": decimal_of(row["value"], 16),
            }
            for row in rows
        }


def units_of(column: str) -> pl.Expr:
    """Return a decimal as a whole number of 0.00000001, by way of its text-exact 128 bits."""
    return (pl.col(column).cast(pl.Decimal(38, 8)) * 100_000_000).cast(pl.Int128)


def half_up(number: int, by: int) -> int:
    """Return number / by as a whole number, rounded half away from zero.

    >>> half_up(5, 2), half_up(-5, 2), half_up(-7, 5)
    (3, -3, -1)
    """
    rounded = (2 * abs(number) + by) // (2 * by)
    return rounded if number >= 0 else -rounded


def decimal_of(units: int, scale: int) -> Decimal:
    """Return a whole number of the smallest unit as a decimal.

    >>> decimal_of(-12345, 4)
    Decimal('-1.2345')
    """
    return Decimal(f"{units}e-{scale}")


def _money(units: int, value: int) -> dict[str, Decimal | None]:
    vwap = decimal_of(half_up(value, units * 10_000), 4) if units else None
    return {"volume": decimal_of(units, 8), "notional": decimal_of(value, 16), "vwap": vwap}
