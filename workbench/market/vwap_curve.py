"""Price and VWAP of a symbol through the day."""

from __future__ import annotations

from workbench.contracts.records import BASE, QUOTE
from workbench.lake.result import Result
from workbench.lake.session import Session
from workbench.lake.times import Moment
from workbench.market.question import (
    TRADES,
    day_so_far,
    identity,
    moment_of,
    require_symbol,
    sql_of,
)

UNITS = {
    "minute": "UTC",
    "price": QUOTE,
    "low_price": QUOTE,
    "high_price": QUOTE,
    "trade_count": "executions",
    "volume": BASE,
    "notional": QUOTE,
    "minute_vwap": QUOTE,
    "day_volume": BASE,
    "day_notional": QUOTE,
    "vwap": QUOTE,
}


def vwap_curve(session: Session, symbol: str, as_of: Moment | None = None) -> Result:
    """Return a symbol's day by the minute, with the VWAP of the day so far.

    Parameters
    ----------
    session
        The session to ask.
    symbol
        The symbol, as in the trades.
    as_of
        The moment; the newest event time of the trades when None. The day is its UTC day, up to
        it.

    Returns
    -------
    Result
        One row per minute with an execution, in order of time: ``symbol``, ``minute`` (its
        start), ``price`` (the last of the minute), ``low_price``, ``high_price`` [quote
        currency], ``trade_count`` [executions], ``volume`` [shares or coins], ``notional``,
        ``minute_vwap`` (of the minute alone) [quote currency], and at the end of the minute
        ``day_volume``, ``day_notional`` and ``vwap`` of the day so far (day_notional /
        day_volume, half-up to 4 decimals). Empty on a day without executions.

    Raises
    ------
    UsageError
        For a symbol that neither traded nor is in the reference data; names the nearest. For an
        `as_of` that cannot be used.

    Notes
    -----
    VWAP as in Berkowitz, Logue and Noser, "The Total Cost of Transactions on the NYSE", Journal
    of Finance 43 (1988). The curve is cumulative from midnight UTC: its last value is the VWAP
    of the day.

    Examples
    --------
    >>> vwap_curve(session, "AAPL").df().plot(x="minute", y=["price", "vwap"])  # doctest: +SKIP
    """
    name = identity("symbol", symbol)
    moment = moment_of(session, as_of)
    result = session.result(
        sql_of("vwap_curve"),
        {"symbol": name, **day_so_far(moment)},
        tables=(TRADES,),
        units=UNITS,
        as_of=moment,
        caption=f"Price and VWAP of {name} by the minute",
        figure="price_and_vwap",
    )
    require_symbol(session, name)
    return result
