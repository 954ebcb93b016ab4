"""When in the day a symbol trades."""

from __future__ import annotations

from datetime import datetime

from workbench.contracts.records import BASE, TRADE_AGGREGATE
from workbench.lake.result import Result
from workbench.lake.session import Session
from workbench.lake.times import Moment, parse_moment
from workbench.market.question import (
    AGGREGATES,
    choice,
    day_so_far,
    identity,
    require_symbol,
    sql_of,
    whole_number,
)

UNITS = {
    "bucket_start": "UTC",
    "bucket_end": "UTC",
    "trade_count": "executions",
    "volume": BASE,
    "share_pct": "% of the day so far",
    "cumulative_share_pct": "% of the day so far",
    "avg_volume": BASE + " a day",
    "avg_share_pct": "% of a day up to the same time",
    "pct_vs_history": "%",
    "days": "days with volume",
}
WINDOW_SIZES = TRADE_AGGREGATE.field("window_size").symbols
#: Further back there is nothing a day is compared with.
LONGEST_HISTORY_DAYS = 3660


def volume_profile(
    session: Session,
    symbol: str,
    bucket: str = "15m",
    days: int = 30,
    as_of: Moment | None = None,
) -> Result:
    """Return the share of the day's volume by time of day, against the days before.

    It reads the windows that the aggregates job has made: executions that came too late for any
    window (``ops.late_rows``) are not in it. History is cut at the same time of day, so that a
    day that is not over compares with the same part of other days.

    Parameters
    ----------
    session
        The session to ask.
    symbol
        The symbol, as in the trades.
    bucket
        Length of a bucket: ``1m``, ``5m`` or ``15m``.
    days
        Calendar days of history before the day; those of them with volume count.
    as_of
        The moment; the end of the newest window when None. Windows that were not over at the
        moment are left out.

    Returns
    -------
    Result
        One row per bucket with volume on the day or in its history, in order of time:
        ``symbol``, ``bucket_start``, ``bucket_end`` [UTC]; ``trade_count`` [executions],
        ``volume`` [shares or coins], ``share_pct`` and ``cumulative_share_pct`` [% of the day so
        far, half-up to 4 decimals, null on a day without volume]; ``avg_volume`` (mean of
        the bucket over the days with volume, half-up to 8 decimals), ``avg_share_pct``
        (mean of the bucket's shares of those days up to the same time, half-up to 4
        decimals), ``pct_vs_history`` [% of volume above avg_volume, half-up to 2 decimals],
        ``days`` [days with volume in the means]; null
        without history. Empty when there is neither.

    Raises
    ------
    UsageError
        For an unknown symbol or `bucket`, for `days` or an `as_of` that cannot be used.

    Notes
    -----
    The profile of VWAP trading: the mean over days of a bucket's share of the day's volume, as
    in Białkowski, Darolles and Le Fol, "Improving VWAP strategies: A dynamic volume approach",
    Journal of Banking and Finance 32 (2008). Shares of single days enter the mean rounded
    half-up to 8 decimals.

    Examples
    --------
    >>> volume_profile(session, "AAPL", bucket="15m", days=20).df()      # doctest: +SKIP
    """
    name = identity("symbol", symbol)
    size = choice("bucket", bucket, WINDOW_SIZES)
    moment = parse_moment(as_of) if as_of is not None else _newest_window(session, size)
    values = {
        "symbol": name,
        "window_size": size,
        "window_minutes": int(size.removesuffix("m")),
        "days": whole_number("days", days, 1, LONGEST_HISTORY_DAYS),
        **day_so_far(moment),
    }
    result = session.result(
        sql_of("volume_profile"),
        values,
        tables=(AGGREGATES,),
        units=UNITS,
        as_of=moment,
        caption=f"Volume of {name} by {size} of the day",
        figure="volume_profile",
    )
    require_symbol(session, name)
    return result


def _newest_window(session: Session, size: str) -> datetime | None:
    newest = session.arrow_once(sql_of("newest_window"), {"window_size": size})
    moment: datetime | None = newest.column("moment")[0].as_py()
    return moment
