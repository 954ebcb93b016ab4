"""Volume against its history once more: Polars over the raw trades, `statistics` for the spread."""

from __future__ import annotations

import statistics
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from weakref import WeakKeyDictionary

import polars as pl

from workbench.reports.market_day import Day
from workbench.reports.second_path import SecondPath, decimal_of, half_up

#: With fewer days there is no score.
LEAST_DAYS = 5
#: What was read of the pinned trades, which do not change, as long as somebody holds them.
_READ: WeakKeyDictionary[SecondPath, dict[tuple[Day, int], dict[str, list[tuple[date, int]]]]] = (
    WeakKeyDictionary()
)


def same_part_of_days(second: SecondPath, symbol: str, day: Day, days: int) -> dict[str, Any]:
    """Return a symbol's ``volume`` of a day, and ``mean`` and ``z_score`` against days before.

    Days before count up to the same time of day, those without volume not at all. The trades are
    read once for all symbols.
    """
    rows = _by_symbol(second, day, days).get(symbol, [])
    today = sum(units for when, units in rows if when == day.since.date())
    before = [units for when, units in rows if when != day.since.date()]
    score = None
    if len(before) >= LEAST_DAYS and len(set(before)) > 1:
        score = (today - statistics.fmean(before)) / statistics.stdev(before)
    return {
        "volume": decimal_of(today, 8),
        "mean": decimal_of(half_up(sum(before), len(before)), 8) if before else None,
        "z_score": score,
        "days": len(before),
    }


def _by_symbol(second: SecondPath, day: Day, days: int) -> dict[str, list[tuple[date, int]]]:
    """Dates and units of every symbol in one reading: a report asks of one after the other."""
    kept = _READ.setdefault(second, {})
    if (day, days) not in kept:
        found: dict[str, list[tuple[date, int]]] = {}
        rows = (
            second.executions(day.since - timedelta(days=days), day.until)
            .with_columns(
                date=pl.col("event_time").dt.date(),
                part=pl.col("event_time") - pl.col("event_time").dt.truncate("1d"),
            )
            .filter(pl.col("part") < day.until - day.since)
            .group_by("symbol", "date")
            .agg(pl.col("units").sum())
            .collect()
            .rows()
        )
        for symbol, when, units in rows:
            found.setdefault(symbol, []).append((when, units))
        kept[day, days] = found
    return kept[day, days]


def profile(second: SecondPath, symbol: str, day: Day, minutes: int) -> dict[datetime, Decimal]:
    """Return a symbol's volume by the start of each bucket of a day, from the raw trades."""
    rows = (
        second.executions(day.since, day.until)
        .filter(pl.col("symbol") == symbol)
        .group_by(pl.col("event_time").dt.truncate(f"{minutes}m").alias("bucket"))
        .agg(pl.col("units").sum())
        .collect()
        .rows()
    )
    return {bucket: decimal_of(units, 8) for bucket, units in rows}
