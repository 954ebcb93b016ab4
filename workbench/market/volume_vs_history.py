"""Whether a symbol trades more or less than it used to."""

from __future__ import annotations

from workbench.errors import UsageError, did_you_mean
from workbench.lake.result import Result
from workbench.lake.session import Session
from workbench.lake.times import Moment
from workbench.market.question import EPOCH, TRADES, identity, moment_of, sql_of

UNITS = {
    "volume": "shares or coins",
    **{f"avg_volume_{days}d": "shares or coins a day" for days in (7, 30, 90)},
    **{f"pct_vs_{days}d": "%" for days in (7, 30, 90)},
    **{f"days_{days}d": "days with volume" for days in (7, 30, 90)},
}


def volume_vs_history(session: Session, symbol: str, as_of: Moment | None = None) -> Result:
    """Compare a day's volume of a symbol with its mean day over 7, 30 and 90 days before.

    The day is the UTC day of `as_of`, counted up to `as_of`: a day that is not over compares
    low. The windows are calendar days before that day; the mean is over those of them that have
    volume, so weekends and holidays do not lower it.

    Parameters
    ----------
    session
        The session to ask.
    symbol
        The symbol, as in the trades.
    as_of
        The moment; the newest event time of the trades when None.

    Returns
    -------
    Result
        One row: ``symbol``, ``day``, ``volume`` and ``avg_volume_7d``, ``_30d``, ``_90d``
        [shares or coins; means half-up to 8 decimals, null without a day of volume],
        ``pct_vs_7d``, ``_30d``, ``_90d`` [% above the mean, half-up to 2 decimals],
        ``days_7d``, ``_30d``, ``_90d`` [days with volume in the mean]. Empty when the lake has
        no executions.

    Raises
    ------
    UsageError
        For a symbol that neither traded nor is in the reference data; names the nearest.

    Examples
    --------
    >>> volume_vs_history(session, "AAPL").rows()      # doctest: +SKIP
    """
    name = identity("symbol", symbol)
    moment = moment_of(session, as_of)
    bound = moment or EPOCH
    values = {"symbol": name, "as_of": bound, "day": bound.date()}
    result = session.result(
        sql_of("volume_vs_history"),
        values,
        tables=(TRADES,),
        units=UNITS,
        as_of=moment,
        caption=f"Volume of {name} against its history",
    )
    _require_known(session, name)
    return result


def _require_known(session: Session, symbol: str) -> None:
    """A misspelt symbol would look like one that did not trade."""
    known = session.arrow(sql_of("known_symbol"), {"symbol": symbol})
    if known.num_rows == 0 or known.column("known")[0].as_py():
        return
    traded = session.arrow(sql_of("traded_symbols")).column("symbol").to_pylist()
    hint = did_you_mean(symbol.upper(), traded)
    if not hint.startswith("did"):
        hint = "workbench top lists those that trade"
    raise UsageError(f"no symbol {symbol!r}", hint=hint)
