"""Whether a symbol trades more or less than it used to."""

from __future__ import annotations

from workbench.lake.result import Result
from workbench.lake.session import Session
from workbench.lake.times import Moment
from workbench.market.question import (
    EPOCH,
    TRADES,
    identity,
    moment_of,
    require_symbol,
    sql_of,
)

UNITS = {
    "volume": "shares or coins",
    **{f"avg_volume_{days}d": "shares or coins a day" for days in (7, 30, 90)},
    **{f"pct_vs_{days}d": "%" for days in (7, 30, 90)},
    **{f"z_score_{days}d": "standard deviations" for days in (7, 30, 90)},
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
        ``days_7d``, ``_30d``, ``_90d`` [days with volume in the mean], ``z_score_7d``, ``_30d``,
        ``_90d`` [sample standard deviations above the mean, 4 decimals; null with fewer than 5
        days of volume, or where they are all the same]. Empty when the lake has no executions.

    Raises
    ------
    UsageError
        For a symbol that neither traded nor is in the reference data; names the nearest.

    Notes
    -----
    The z-score (standard score) is (volume - mean) / s with s the sample standard deviation,
    divisor n - 1: NIST/SEMATECH e-Handbook of Statistical Methods, 1.3.5.6 and 1.3.5.17.
    Volumes are skewed: it ranks what is unusual and is no probability.

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
        figure="volume_against_history",
    )
    require_symbol(session, name)
    return result
