"""What came too late to count in a window."""

from __future__ import annotations

from workbench.contracts.records import BASE, QUOTE
from workbench.lake.result import Result
from workbench.lake.session import Session
from workbench.lake.times import Moment
from workbench.market.question import LATE_ROWS, TRADES, moment_of, sql_of, window

UNITS = {
    "executions": "executions",
    "volume": BASE,
    "notional": QUOTE,
    "median_lateness_ms": "ms",
    "max_lateness_ms": "ms",
    "first_event": "UTC",
    "last_event": "UTC",
}


def late_rows(session: Session, hours: float = 24, as_of: Moment | None = None) -> Result:
    """Return the executions that came too late for any window, by job and symbol.

    They are in ``market.trades`` and so in every question about trades; they are missing from
    ``market.trade_aggregates`` and so from `volume_profile`.

    Parameters
    ----------
    session
        The session to ask.
    hours
        Length of the window ``(as_of - hours, as_of]`` of event time.
    as_of
        End of the window; the newest event time of trades and late rows when None.

    Returns
    -------
    Result
        One row per job and symbol: ``job``, ``symbol``, ``executions``, ``volume`` [shares or
        coins], ``notional`` [quote currency], ``median_lateness_ms`` (the lower one of two),
        ``max_lateness_ms`` [ms behind the watermark], ``first_event``, ``last_event`` [UTC]. The
        most executions first, then by job and symbol; empty where nothing was late.

    Raises
    ------
    UsageError
        For `hours` or an `as_of` that cannot be used.

    Notes
    -----
    Late is what the watermark has passed by more than the allowed lateness (Akidau et al., "The
    Dataflow Model", VLDB 8 (2015)): the rule and the 30 s are in ``docs/architecture.md``.

    Examples
    --------
    >>> late_rows(session, hours=1).rows()      # doctest: +SKIP
    """
    return session.result(
        sql_of("late_rows"),
        window(session, as_of, hours, LATE_ROWS, TRADES),
        tables=(LATE_ROWS,),
        units=UNITS,
        as_of=moment_of(session, as_of, LATE_ROWS, TRADES),
        caption=f"Executions too late for any window in {hours:g} h",
    )
