"""How the symbols of a sector did."""

from __future__ import annotations

from workbench.contracts.records import BASE, QUOTE
from workbench.lake.result import Result
from workbench.lake.session import Session
from workbench.lake.times import Moment
from workbench.market.question import TRADES, identity, moment_of, require_sector, sql_of, window

UNITS = {
    "trade_count": "executions",
    "total_volume": BASE,
    "total_notional": QUOTE,
    "sector_share_pct": "% of the sector",
    "first_price": QUOTE,
    "last_price": QUOTE,
    "return_pct": "%",
}


def symbol_performance(
    session: Session,
    sector: str | None = None,
    hours: float = 24,
    as_of: Moment | None = None,
) -> Result:
    """Return trading and return of every symbol, or of those of one sector.

    Parameters
    ----------
    session
        The session to ask.
    sector
        Of this sector only; ``UNKNOWN`` for symbols without reference data, all when None.
    hours
        Length of the window ``(as_of - hours, as_of]``.
    as_of
        End of the window; the newest event time of the trades when None.

    Returns
    -------
    Result
        One row per symbol that traded: ``symbol``, ``sector``, ``trade_count`` [executions],
        ``total_volume`` [shares or coins], ``total_notional`` [quote currency],
        ``sector_share_pct`` [% of its sector's notional, half-up to 4 decimals, from notionals
        rounded to 2], ``first_price``, ``last_price`` (of the window) [quote currency],
        ``return_pct`` [last over first, less one, in %, half-up to 2 decimals]. Ordered by
        notional, then by symbol; empty when nothing traded.

    Raises
    ------
    UsageError
        For a sector that the reference data does not have; names the nearest. For `hours` or an
        `as_of` that cannot be used.

    Notes
    -----
    What `sector_performance` sums up, with its definitions of window and return.

    Examples
    --------
    >>> symbol_performance(session, "Energy", hours=24).df()      # doctest: +SKIP
    """
    name = identity("sector", sector) if sector is not None else None
    if name is not None:
        require_sector(session, name)
    return session.result(
        sql_of("symbol_performance"),
        {"sector": name, **window(session, as_of, hours)},
        tables=(TRADES,),
        units=UNITS,
        as_of=moment_of(session, as_of),
        caption=f"Symbols of {name or 'all sectors'} in {hours:g} h",
    )
