"""The questions of the report orderbook_liquidity: one day of order books."""

from __future__ import annotations

from typing import Any

from workbench.lake.session import Session
from workbench.market import spread_curve
from workbench.market.spread_curve import MINUTES_OF_A_DAY
from workbench.reports.market_day import Day, ask, ask_one


def booked_symbols(session: Session, day: Day) -> list[str]:
    """Return the symbols with order books on a day, those with the most snapshots first."""
    return [symbol for symbol, _ in ask(session, "booked_symbols", day.bounds).rows()]


def day_totals(session: Session, day: Day) -> dict[str, Any]:
    """Return the day in one row.

    ``snapshots``, ``two_sided`` (with bids and asks), ``symbols``, ``median_spread_bps`` (the
    lower one of two in the middle) [basis points].
    """
    return ask_one(session, "book_totals", day.bounds)


def liquidity(session: Session, symbols: list[str], day: Day) -> list[dict[str, Any]]:
    """Return a symbol's whole day as one row of `workbench.market.spread_curve`, for each.

    The tightest spread first, then by symbol.
    """
    rows = [
        row
        for symbol in symbols
        for row in spread_curve(session, symbol, MINUTES_OF_A_DAY, day.as_of).arrow().to_pylist()
    ]
    return sorted(
        rows, key=lambda row: (row["spread_bps"] is None, row["spread_bps"], row["symbol"])
    )
