"""Which executions were enriched with nothing."""

from __future__ import annotations

from workbench.contracts.records import BASE, QUOTE
from workbench.lake.result import Result
from workbench.lake.session import Session
from workbench.lake.times import Moment
from workbench.market.question import ENRICHED, moment_of, sql_of, window

UNITS = {
    "executions": "executions",
    "volume": BASE,
    "notional": QUOTE,
    "first_event": "UTC",
    "last_event": "UTC",
}


def missing_reference(session: Session, hours: float = 24, as_of: Moment | None = None) -> Result:
    """Return the symbols that traded and were enriched without reference data.

    Parameters
    ----------
    session
        The session to ask.
    hours
        Length of the window ``(as_of - hours, as_of]`` of event time.
    as_of
        End of the window; the newest event time of the enriched trades when None.

    Returns
    -------
    Result
        One row per symbol: ``symbol``, ``executions``, ``volume`` [shares or coins],
        ``notional`` [quote currency], ``first_event``, ``last_event`` [UTC], ``known_now``
        (whether the reference data of the session has it by now: what was enriched before stays
        as it was). Ordered by notional, then by symbol; empty where every symbol was known.

    Raises
    ------
    UsageError
        For `hours` or an `as_of` that cannot be used.

    Notes
    -----
    The enrichment writes ``UNKNOWN`` for what it does not find: ``docs/reference/contracts.md``.
    `sector_performance` and `exposure_by_sector` use the reference data of the session instead.

    Examples
    --------
    >>> missing_reference(session).rows()      # doctest: +SKIP
    """
    return session.result(
        sql_of("missing_reference"),
        window(session, as_of, hours, ENRICHED),
        tables=(ENRICHED,),
        units=UNITS,
        as_of=moment_of(session, as_of, ENRICHED),
        caption=f"Enriched without reference data in {hours:g} h",
    )
