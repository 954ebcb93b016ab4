"""Which symbols trade unlike their history."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from workbench.contracts.records import BASE, QUOTE
from workbench.errors import UsageError
from workbench.lake.result import Result
from workbench.lake.session import Session
from workbench.lake.times import Moment
from workbench.market.question import TRADES, day_so_far, moment_of, sql_of, whole_number
from workbench.market.volume_profile import LONGEST_HISTORY_DAYS

UNITS = {
    "trade_count": "executions",
    "volume": BASE,
    "notional": QUOTE,
    "avg_volume": BASE + " a day",
    "pct_vs_history": "%",
    "z_score": "standard deviations",
    "days": "days with volume",
}


def volume_anomalies(
    session: Session,
    days: int = 30,
    threshold: float = 3,
    as_of: Moment | None = None,
) -> Result:
    """Rank all symbols by how unusual the volume of the day is.

    The UTC day of `as_of`, counted up to `as_of`, is held against the days with volume in the
    calendar days before, each counted up to the same time of day: a day that is not over
    compares with the same part of other days.

    Parameters
    ----------
    session
        The session to ask.
    days
        Calendar days of history.
    threshold
        The size of the z-score from which a volume is unusual.
    as_of
        The moment; the newest event time of the trades when None.

    Returns
    -------
    Result
        One row per symbol that traded on the day or in its history: ``symbol``, ``sector``
        (``UNKNOWN`` without reference data), ``trade_count`` [executions], ``volume`` [shares or
        coins], ``notional`` [quote currency], ``avg_volume`` [shares or coins a day, half-up to
        8 decimals; null without history], ``pct_vs_history`` [% above the mean, half-up to 2
        decimals], ``z_score`` [sample standard deviations above the mean, 4 decimals; null with
        fewer than 5 days, or where they are all the same], ``unusual`` (whether the z-score is
        at least `threshold` in size), ``days`` [days with volume in the mean]. Ordered by the
        size of the z-score, largest first, then by notional and symbol.

    Raises
    ------
    UsageError
        For `days`, a `threshold` or an `as_of` that cannot be used.

    Notes
    -----
    The z-score as in `volume_vs_history`; that one counts whole days, which is the same once
    the day is over.

    Examples
    --------
    >>> volume_anomalies(session, days=30, threshold=3).df().query("unusual")  # doctest: +SKIP
    """
    moment = moment_of(session, as_of)
    bounds = day_so_far(moment)
    values = {
        **bounds,
        "day": bounds["midnight"].date(),
        "days": whole_number("days", days, 1, LONGEST_HISTORY_DAYS),
        "threshold": _above_zero("threshold", threshold),
    }
    return session.result(
        sql_of("volume_anomalies"),
        values,
        tables=(TRADES,),
        units=UNITS,
        as_of=moment,
        caption=f"Volume of the day against {days} days before, the most unusual first",
        figure="volume_anomalies",
    )


def _above_zero(name: str, value: object) -> Decimal:
    try:
        number = Decimal(str(value))
        good = not isinstance(value, bool) and number.is_finite() and 0 < number < 10**6
    except InvalidOperation:
        good = False
    if not good:
        raise UsageError(f"{name} must be a number above 0, got {value!r}")
    return number.quantize(Decimal("0.0001"))
