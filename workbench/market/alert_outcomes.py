"""What prices did after an alert."""

from __future__ import annotations

from workbench.contracts.records import QUOTE
from workbench.lake.result import Result
from workbench.lake.session import Session
from workbench.lake.times import Moment
from workbench.market.question import (
    ALERTS,
    TRADES,
    identity,
    moment_of,
    require_symbol,
    sql_of,
    window,
)

#: Minutes after an alert that its outcome is looked at.
HORIZONS = (1, 5, 15)
UNITS = {
    "detected_at": "UTC",
    "pct_change": "% of the baseline",
    "baseline_price": QUOTE,
    "current_price": QUOTE,
    **{f"price_{minutes}m": QUOTE for minutes in HORIZONS},
    **{f"return_{minutes}m_pct": "%" for minutes in HORIZONS},
}


def alert_outcomes(
    session: Session,
    hours: float = 24,
    symbol: str | None = None,
    as_of: Moment | None = None,
) -> Result:
    """Return the price alerts, each with the return 1, 5 and 15 minutes after it.

    The price after m minutes is that of the symbol's last execution in ``(detected_at,
    detected_at + m]``. There is none where nothing was executed in it, or where it is not over at
    `as_of`: nothing after `as_of` is looked at.

    Parameters
    ----------
    session
        The session to ask.
    hours
        Length of the window ``(as_of - hours, as_of]`` in which the alerts were detected.
    symbol
        Alerts of this symbol only; of all when None.
    as_of
        End of the window; the newest event time of alerts and trades when None.

    Returns
    -------
    Result
        One row per alert, in order of time, then by symbol and id; an alert that a replay raised
        again counts once: ``detected_at`` [UTC], ``symbol``, ``direction``, ``severity``,
        ``pct_change`` [%, the size of the move that raised it], ``baseline_price``,
        ``current_price`` (that raised it), ``price_1m``, ``price_5m``, ``price_15m`` [quote
        currency], ``return_1m_pct``, ``return_5m_pct``, ``return_15m_pct`` [% of current_price,
        half-up to 2 decimals; positive is up, whatever the direction], ``alert_id``.

    Raises
    ------
    UsageError
        For `hours`, a `symbol` or an `as_of` that cannot be used.

    Notes
    -----
    The event-study convention of returns after a signal, from the price of the signal; see
    MacKinlay, "Event Studies in Economics and Finance", Journal of Economic Literature 35
    (1997). No market return is taken off. What counts as an alert is in
    ``docs/decisions/0013-alerts-and-books-by-arrival.md``.

    Examples
    --------
    >>> alert_outcomes(session, hours=24).pl().group_by("severity").len()   # doctest: +SKIP
    """
    name = identity("symbol", symbol) if symbol is not None else None
    values = {"symbol": name, **window(session, as_of, hours, ALERTS, TRADES)}
    result = session.result(
        sql_of("alert_outcomes"),
        values,
        tables=(ALERTS, TRADES),
        units=UNITS,
        as_of=moment_of(session, as_of, ALERTS, TRADES),
        caption=f"Alerts of {name or 'all symbols'} in {hours:g} h, and what followed",
        figure="alert_timeline",
    )
    if name is not None:
        require_symbol(session, name)
    return result
