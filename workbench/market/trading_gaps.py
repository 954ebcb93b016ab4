"""Where a symbol stopped trading for a while."""

from __future__ import annotations

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
    whole_number,
)

UNITS = {"gap_start": "UTC", "gap_end": "UTC", "minutes": "minutes without executions"}


def trading_gaps(
    session: Session, minutes: int = 5, symbol: str | None = None, as_of: Moment | None = None
) -> Result:
    """Return the stretches of the day without executions, of symbols that trade before and after.

    Parameters
    ----------
    session
        The session to ask.
    minutes
        Gaps of at least so many whole minutes.
    symbol
        Of this symbol only; of all when None.
    as_of
        The moment; the newest event time of the trades when None. The day is its UTC day, up to
        it. Silence before the first and after the last execution is no gap.

    Returns
    -------
    Result
        One row per gap: ``symbol``, ``gap_start`` (first minute without executions),
        ``gap_end`` (the minute in which it traded again) [UTC], ``minutes``. The longest first,
        then by symbol and time; empty without gaps.

    Raises
    ------
    UsageError
        For `minutes`, a `symbol` or an `as_of` that cannot be used.

    Notes
    -----
    Minutes are those of the UTC clock. A gap is a question, not a verdict: a quiet symbol, a
    halt, a closed exchange and a broken feed all look like this.

    Examples
    --------
    >>> trading_gaps(session, minutes=30).rows()      # doctest: +SKIP
    """
    name = identity("symbol", symbol) if symbol is not None else None
    least = whole_number("minutes", minutes, 1, 24 * 60)
    moment = moment_of(session, as_of)
    result = session.result(
        sql_of("trading_gaps"),
        {"symbol": name, "minutes": least, **day_so_far(moment)},
        tables=(TRADES,),
        units=UNITS,
        as_of=moment,
        caption=f"At least {least} min without executions of {name or 'a symbol'}",
    )
    if name is not None:
        require_symbol(session, name)
    return result
