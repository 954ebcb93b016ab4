"""How the sectors did."""

from __future__ import annotations

from workbench.lake.result import Result
from workbench.lake.session import Session
from workbench.lake.times import Moment
from workbench.market.question import TRADES, moment_of, sql_of, window

UNITS = {
    "trade_count": "executions",
    "total_volume": "shares or coins",
    "total_notional": "quote currency",
    "symbols": "symbols that traded",
    "return_weighted_pct": "%",
    "return_equal_pct": "%",
    "advancers": "symbols",
    "decliners": "symbols",
}


def sector_performance(session: Session, hours: float = 24, as_of: Moment | None = None) -> Result:
    """Return trading, return and breadth of every sector in the hours before a moment.

    A symbol's return is its last execution price over its first one in the window, less one.
    A sector's is the mean of its symbols' returns, weighted by their notional in the window and
    again with equal weights. A symbol that traded once has return 0. Returns enter the means
    rounded half-up to 8 decimals, weights to 2.

    Parameters
    ----------
    session
        The session to ask.
    hours
        Length of the window ``(as_of - hours, as_of]``.
    as_of
        End of the window; the newest event time of the trades when None.

    Returns
    -------
    Result
        ``sector`` (``UNKNOWN`` for symbols without reference data), ``trade_count``
        [executions], ``total_volume`` [shares or coins], ``total_notional`` [quote currency],
        ``symbols`` [that traded], ``return_weighted_pct``, ``return_equal_pct`` [%, half-up to
        4 decimals], ``advancers``, ``decliners`` [symbols whose last price is above, below the
        first]. Ordered by notional, then by sector; empty when nothing traded.

    Raises
    ------
    UsageError
        For `hours` or an `as_of` that cannot be used.

    Notes
    -----
    Sectors are those of the Global Industry Classification Standard (MSCI and S&P), with Crypto
    beside them; advancers and decliners are the usual measure of a market's breadth.

    Examples
    --------
    >>> sector_performance(session, hours=24).df()      # doctest: +SKIP
    """
    return session.result(
        sql_of("sector_performance"),
        window(session, as_of, hours),
        tables=(TRADES,),
        units=UNITS,
        as_of=moment_of(session, as_of),
        caption=f"Sectors in {hours:g} h",
        figure="sectors",
    )
