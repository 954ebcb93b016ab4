"""Which symbols traded most."""

from __future__ import annotations

from workbench.lake.result import Result
from workbench.lake.session import Session
from workbench.lake.times import Moment
from workbench.market.question import TRADES, moment_of, sql_of, whole_number, window

UNITS = {
    "trade_count": "executions",
    "total_volume": "shares or coins",
    "total_notional": "quote currency",
    "vwap": "quote currency",
    "low_price": "quote currency",
    "high_price": "quote currency",
    "price_range_pct": "%",
}


def top_symbols(
    session: Session, n: int = 20, hours: float = 24, as_of: Moment | None = None
) -> Result:
    """Return the symbols with the largest volume in the hours before a moment.

    Parameters
    ----------
    session
        The session to ask.
    n
        How many symbols at most.
    hours
        Length of the window ``(as_of - hours, as_of]``.
    as_of
        End of the window; the newest event time of the trades when None.

    Returns
    -------
    Result
        ``symbol``, ``trade_count`` [executions], ``total_volume`` [shares or coins],
        ``total_notional`` [quote currency], ``vwap`` (total_notional / total_volume, half-up to
        4 decimals), ``low_price``, ``high_price``, ``price_range_pct`` ((high - low) / low,
        half-up to 2 decimals). Ordered by volume, then by symbol; empty when nothing traded.

    Raises
    ------
    UsageError
        For an `n`, `hours` or `as_of` that cannot be used.

    Notes
    -----
    VWAP as in Berkowitz, Logue and Noser, "The Total Cost of Transactions on the NYSE",
    Journal of Finance 43 (1988). Volumes of shares and coins rank together; notional compares.

    Examples
    --------
    >>> top_symbols(session, n=5, hours=1).df()      # doctest: +SKIP
    """
    values = {"n": whole_number("n", n, 1), **window(session, as_of, hours)}
    return session.result(
        sql_of("top_symbols"),
        values,
        tables=(TRADES,),
        units=UNITS,
        as_of=moment_of(session, as_of),
        caption=f"Top {n} symbols by volume in {hours:g} h",
        figure="top_symbols",
    )
