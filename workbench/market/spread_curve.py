"""Spread, depth and imbalance of a symbol's order book through the day."""

from __future__ import annotations

from workbench.contracts.records import BASE, PREVIOUS_BOOK_MS, QUOTE
from workbench.errors import UsageError, did_you_mean, quoted
from workbench.lake.result import Result
from workbench.lake.session import Session
from workbench.lake.times import Moment
from workbench.market.question import (
    BOOKS,
    day_so_far,
    identity,
    moment_of,
    sql_of,
    whole_number,
)

UNITS = {
    "bucket_start": "UTC",
    "bucket_end": "UTC",
    "snapshots": "order books",
    "covered_s": "s",
    "mid_price": QUOTE,
    "spread": QUOTE,
    "spread_bps": "basis points",
    "median_spread_bps": "basis points",
    "bid_depth_5": BASE,
    "ask_depth_5": BASE,
    "imbalance_5": "ratio from -1 to 1",
    "order_flow_imbalance": BASE,
}
MINUTES_OF_A_DAY = 24 * 60
_MINUTE_US = 60 * 1_000_000


def spread_curve(
    session: Session, symbol: str, minutes: int = 5, as_of: Moment | None = None
) -> Result:
    """Return spread, depth and imbalance of a symbol over the day, bucket by bucket.

    A snapshot of the book holds from its time to the symbol's next one, for at most 5 minutes,
    and not beyond `as_of`. Means are weighted with the time that each value held in the bucket; a
    bucket into which a snapshot only reaches has means and no snapshots. Time with an empty side
    is in no mean of both sides.

    Parameters
    ----------
    session
        The session to ask.
    symbol
        The symbol, as in the order books.
    minutes
        Length of a bucket; buckets begin at midnight UTC.
    as_of
        The moment; the newest snapshot of any symbol when None. The day is its UTC day, up to it.

    Returns
    -------
    Result
        One row per bucket with a book, in order of time: ``symbol``, ``bucket_start``,
        ``bucket_end`` [UTC], ``snapshots`` [order books that came in it], ``covered_s`` [seconds
        with a book],
        ``mid_price`` (the last with two sides), ``spread`` [quote currency] and ``spread_bps``
        [basis points] (time-weighted means, half-up to 4 decimals), ``median_spread_bps`` (of the
        snapshots, the lower one of two), ``bid_depth_5``, ``ask_depth_5`` [shares or coins on the
        first five levels, time-weighted, half-up to 8 decimals], ``imbalance_5`` (time-weighted,
        half-up to 4 decimals), ``order_flow_imbalance`` [shares or coins, sum]. A mean is null
        where nothing held for any time. Empty on a day without books.

    Raises
    ------
    UsageError
        For a symbol that never had a book; names the nearest. For `minutes` or an `as_of` that
        cannot be used.

    Notes
    -----
    The time-weighted quoted spread as in Holden and Jacobsen, "Liquidity Measurement Problems in
    Fast, Competitive Markets", Journal of Finance 69 (2014); order-flow imbalance as in Cont,
    Kukanov and Stoikov, "The Price Impact of Order Book Events", Journal of Financial
    Econometrics 12 (2014). Each value is rounded in ``market.orderbook_metrics`` already.

    Examples
    --------
    >>> spread_curve(session, "BTCUSDT", minutes=15).df()      # doctest: +SKIP
    """
    name = identity("symbol", symbol)
    moment = moment_of(session, as_of, BOOKS)
    values = {
        "symbol": name,
        "bucket_us": whole_number("minutes", minutes, 1, MINUTES_OF_A_DAY) * _MINUTE_US,
        "longest_us": PREVIOUS_BOOK_MS * 1000,
        **day_so_far(moment),
    }
    result = session.result(
        sql_of("spread_curve"),
        values,
        tables=(BOOKS,),
        units=UNITS,
        as_of=moment,
        caption=f"Order book of {name} by {minutes} min",
        figure="spread_and_imbalance",
    )
    require_book(session, name)
    return result


def require_book(session: Session, symbol: str) -> None:
    """Refuse a symbol that never had an order book.

    A misspelt symbol would look like one without liquidity.

    Raises
    ------
    UsageError
        Names the nearest.
    """
    known = session.arrow_once(sql_of("known_book"), {"symbol": symbol})
    if known.num_rows == 0 or known.column("known")[0].as_py():
        return
    booked = session.arrow(sql_of("booked_symbols")).column("symbol").to_pylist()
    raise UsageError(f"no order book of {quoted(symbol)}", hint=did_you_mean(symbol, booked))
