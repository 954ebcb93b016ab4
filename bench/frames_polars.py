"""The questions of the desk in Polars."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pyarrow as pa

from bench.frames import EXECUTED, ORDER, RATES, WINDOWS, Asked, against


def _executions(asked: Asked) -> pl.LazyFrame:
    return pl.scan_parquet(asked.paths).filter(
        pl.col("status").is_in(EXECUTED), pl.col("event_time") <= asked.until
    )


def _notional() -> pl.Expr:
    return pl.col("quantity").cast(pl.Float64) * pl.col("price").cast(pl.Float64)


def top_symbols(asked: Asked) -> pa.Table:
    """The largest volumes of the day."""
    return (
        _executions(asked)
        .filter(pl.col("event_time") > asked.since)
        .group_by("symbol")
        .agg(
            pl.len().alias("trade_count"),
            pl.col("quantity").sum().alias("total_volume"),
            _notional().sum().alias("total_notional"),
            pl.col("price").min().alias("low_price"),
            pl.col("price").max().alias("high_price"),
        )
        .with_columns(
            vwap=pl.col("total_notional") / pl.col("total_volume").cast(pl.Float64),
            price_range_pct=100
            * (pl.col("high_price").cast(pl.Float64) / pl.col("low_price").cast(pl.Float64) - 1),
        )
        .sort(["total_volume", "symbol"], descending=[True, False])
        .head(20)
        .collect()
        .to_arrow()
    )


def sector_performance(asked: Asked) -> pa.Table:
    """Trading, return and breadth of the sectors in a day."""
    sectors = pl.from_arrow(asked.reference.select(["symbol", "sector"]))
    assert isinstance(sectors, pl.DataFrame)
    change = pl.col("last_price") / pl.col("first_price") - 1
    return (
        _executions(asked)
        .filter(pl.col("event_time") > asked.since)
        .sort(ORDER)
        .group_by("symbol")
        .agg(
            pl.len().alias("trade_count"),
            pl.col("quantity").sum().alias("volume"),
            _notional().sum().alias("notional"),
            pl.col("price").first().cast(pl.Float64).alias("first_price"),
            pl.col("price").last().cast(pl.Float64).alias("last_price"),
        )
        .join(sectors.lazy(), on="symbol", how="left")
        .with_columns(pl.col("sector").fill_null("UNKNOWN"), change.alias("change"))
        .group_by("sector")
        .agg(
            pl.col("trade_count").sum(),
            pl.col("volume").sum().alias("total_volume"),
            pl.col("notional").sum().alias("total_notional"),
            pl.len().alias("symbols"),
            (100 * (pl.col("change") * pl.col("notional")).sum() / pl.col("notional").sum()).alias(
                "return_weighted_pct"
            ),
            (100 * pl.col("change").mean()).alias("return_equal_pct"),
            (pl.col("last_price") > pl.col("first_price")).sum().alias("advancers"),
            (pl.col("last_price") < pl.col("first_price")).sum().alias("decliners"),
        )
        .sort(["total_notional", "sector"], descending=[True, False])
        .collect()
        .to_arrow()
    )


def volume_vs_history(asked: Asked) -> pa.Table:
    """A symbol's day against its mean day."""
    daily = (
        _executions(asked)
        .filter(
            pl.col("symbol") == asked.symbol,
            pl.col("event_time") >= asked.midnight - timedelta(days=max(WINDOWS)),
        )
        .group_by(pl.col("event_time").dt.date().alias("day"))
        .agg(pl.col("quantity").sum().cast(pl.Float64).alias("volume"))
        .collect()
    )
    day = asked.midnight.date()
    volume = float(daily.filter(pl.col("day") == day)["volume"].sum())
    before = daily.filter(pl.col("day") < day)
    row: dict[str, Any] = {"symbol": asked.symbol, "day": day, "volume": volume}
    for days in WINDOWS:
        those = before.filter(pl.col("day") >= day - timedelta(days=days))["volume"]
        row |= against(days, volume, len(those), those.mean(), those.std())
    return pa.Table.from_pylist([row])


def vwap_curve(asked: Asked) -> pa.Table:
    """A symbol's day by the minute, and the VWAP so far."""
    return (
        _executions(asked)
        .filter(pl.col("symbol") == asked.symbol, pl.col("event_time") >= asked.midnight)
        .sort(ORDER)
        .group_by(pl.col("event_time").dt.truncate("1m").alias("minute"))
        .agg(
            pl.col("symbol").first(),
            pl.col("price").last(),
            pl.col("price").min().alias("low_price"),
            pl.col("price").max().alias("high_price"),
            pl.len().alias("trade_count"),
            pl.col("quantity").sum().alias("volume"),
            _notional().sum().alias("notional"),
        )
        .sort("minute")
        .with_columns(
            minute_vwap=pl.col("notional") / pl.col("volume").cast(pl.Float64),
            day_volume=pl.col("volume").cast(pl.Float64).cum_sum(),
            day_notional=pl.col("notional").cum_sum(),
        )
        .with_columns(vwap=pl.col("day_notional") / pl.col("day_volume"))
        .collect()
        .to_arrow()
    )


def order_rates(asked: Asked) -> pa.Table:
    """What became of the orders of a day, by symbol."""
    trades = pl.scan_parquet(asked.paths)
    before = trades.filter(pl.col("event_time") <= asked.since).select("order_id")
    status = pl.col("status")
    orders = (
        trades.filter(pl.col("event_time") > asked.since, pl.col("event_time") <= asked.until)
        .join(before, on="order_id", how="anti")
        .sort(ORDER)
        .group_by("order_id")
        .agg(
            pl.col("symbol").first().alias("name"),
            pl.col("trade_id").n_unique().alias("events"),
            pl.col("trade_id").filter(status.is_in(EXECUTED)).n_unique().alias("executions"),
            (status == "FILLED").any().alias("is_filled"),
            (status == "REJECTED").any().alias("is_rejected"),
            (status == "CANCELLED").any().alias("is_cancelled"),
        )
    )
    filled, rejected = pl.col("is_filled"), pl.col("is_rejected")
    cancelled = pl.col("is_cancelled")
    counts = orders.group_by("name").agg(
        pl.len().alias("orders"),
        filled.sum().alias("filled"),
        (cancelled & ~rejected & ~filled).sum().alias("cancelled"),
        (rejected & ~filled).sum().alias("rejected"),
        (~filled & ~rejected & ~cancelled).sum().alias("open"),
        (pl.col("executions") > 0).sum().alias("executed"),
        pl.col("events").sum(),
        pl.col("executions").sum(),
    )
    rates = {f"{rate}_rate_pct": 100 * pl.col(of) / pl.col("orders") for rate, of in RATES.items()}
    return (
        counts.with_columns(**rates)
        .sort(["orders", "name"], descending=[True, False])
        .collect()
        .to_arrow()
    )
