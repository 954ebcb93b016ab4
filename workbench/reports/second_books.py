"""Liquidity once more: Polars over the pinned order-book metrics, in whole numbers.

Spreads are computed from the best prices and imbalances from the depths again; only these and the
times are taken from the files.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from workbench.contracts.records import PREVIOUS_BOOK_MS
from workbench.lake.session import Session
from workbench.reports.frames import frame
from workbench.reports.market_day import Day
from workbench.reports.second_path import decimal_of, half_up, units_of

_ORDER = ("symbol", "event_time", "source_offset", "source_partition", "source_topic")


def books_of_day(session: Session, day: Day) -> dict[str, dict[str, Any]]:
    """Return the liquidity of every symbol with order books on a day.

    ``snapshots``, ``two_sided`` (with bids and asks), ``covered_s`` [s], ``spread_bps`` and
    ``imbalance_5`` (weighted with time), ``median_spread_bps``, ``order_flow_imbalance``; as
    `workbench.market.spread_curve` defines them, with one bucket for the day. And ``spreads``,
    that of each snapshot in 0.01 basis points.
    """
    rows = (
        frame(session, "market.orderbook_metrics")
        .filter(pl.col("event_time").is_between(day.since, day.as_of, closed="both"))
        .sort(*_ORDER)
        .with_columns(
            starts=pl.col("event_time").dt.epoch("us"),
            following=pl.col("event_time").dt.epoch("us").shift(-1).over("symbol"),
            bid=units_of("best_bid"),
            ask=units_of("best_ask"),
            bids=units_of("bid_depth_5"),
            asks=units_of("ask_depth_5"),
            flow=units_of("order_flow_imbalance"),
        )
        .select("symbol", "starts", "following", "bid", "ask", "bids", "asks", "flow")
        .collect()
    )
    last = _micros(day.as_of)
    return {
        str(symbol): _liquidity(part.to_dicts(), last)
        for (symbol,), part in rows.partition_by("symbol", as_dict=True).items()
    }


def median_spread(books: Mapping[str, Mapping[str, Any]]) -> Decimal | None:
    """Return the median spread of all snapshots of all symbols, in basis points."""
    return _median([spread for each in books.values() for spread in each["spreads"]])


def _liquidity(rows: list[dict[str, Any]], last: int) -> dict[str, Any]:
    longest = PREVIOUS_BOOK_MS * 1000
    covered = spread_us = spread_sum = imbalance_us = imbalance_sum = 0
    spreads: list[int] = []
    flows = [row["flow"] for row in rows if row["flow"] is not None]
    for row in rows:
        until = last if row["following"] is None else row["following"]
        held = min(until, row["starts"] + longest) - row["starts"]
        covered += held
        bid, ask, bids, asks = row["bid"], row["ask"], row["bids"], row["asks"]
        if bid is not None and ask is not None:
            spreads.append(half_up((ask - bid) * 2_000_000, bid + ask))
            spread_sum += spreads[-1] * held
            spread_us += held
        if bids is not None and asks is not None:
            imbalance_sum += half_up((bids - asks) * 10_000, bids + asks) * held
            imbalance_us += held
    return {
        "snapshots": len(rows),
        "two_sided": len(spreads),
        "spreads": spreads,
        "covered_s": decimal_of(covered, 6),
        "spread_bps": _mean(spread_sum * 100, spread_us),
        "median_spread_bps": _median(spreads),
        "imbalance_5": _mean(imbalance_sum, imbalance_us),
        "order_flow_imbalance": decimal_of(sum(flows), 8) if flows else None,
    }


def _mean(weighted: int, weight: int) -> Decimal | None:
    return decimal_of(half_up(weighted, weight), 4) if weight else None


def _median(values: list[int]) -> Decimal | None:
    """The lower one of two in the middle."""
    return decimal_of(sorted(values)[(len(values) - 1) // 2], 2) if values else None


def _micros(moment: datetime) -> int:
    return (moment - datetime.fromtimestamp(0, moment.tzinfo)) // timedelta(microseconds=1)
