"""Which sectors an account is exposed to."""

from __future__ import annotations

from workbench.contracts.records import QUOTE
from workbench.lake.result import Result
from workbench.lake.session import Session
from workbench.lake.times import Moment
from workbench.market.question import EPOCH, TRADES, identity, moment_of, require_account, sql_of

UNITS = {
    "symbols": "symbols held",
    "accounts": "accounts",
    "long_value": QUOTE,
    "short_value": QUOTE,
    "gross_exposure": QUOTE,
    "net_exposure": QUOTE,
    "gross_share_pct": "% of gross exposure",
    "net_share_pct": "% of gross exposure",
}


def exposure_by_sector(
    session: Session, account_id: str | None = None, as_of: Moment | None = None
) -> Result:
    """Return long, short, gross and net exposure by sector.

    A position is what an account has bought less what it has sold of a symbol, valued at the last
    execution price of the symbol by anybody. Positions of several accounts do not offset each
    other in gross exposure.

    Parameters
    ----------
    session
        The session to ask.
    account_id
        The account; all accounts when None. Executions without an account are nobody's.
    as_of
        The moment; the newest event time of the trades when None.

    Returns
    -------
    Result
        One row per sector with an open position: ``sector`` (``UNKNOWN`` for symbols without
        reference data), ``symbols`` [held, long or short], ``accounts``, ``long_value``,
        ``short_value`` (both not negative), ``gross_exposure`` (long + short),
        ``net_exposure`` (long - short) [quote currency], ``gross_share_pct`` and
        ``net_share_pct`` [% of the gross exposure of all sectors, half-up to 4 decimals, from
        values rounded to 2]. Ordered by gross exposure, then by sector; empty without positions.

    Raises
    ------
    UsageError
        For an account that no trade names; names the nearest. For an `as_of` that cannot be
        used.

    Notes
    -----
    Gross and net exposure as in the SEC's Form PF and in the GIPS standards: the sum of the
    sizes of long and short positions, and their difference.

    Examples
    --------
    >>> exposure_by_sector(session, "ACC-001").df()      # doctest: +SKIP
    """
    account = identity("account_id", account_id) if account_id is not None else None
    if account is not None:
        require_account(session, account)
    moment = moment_of(session, as_of)
    return session.result(
        sql_of("exposure_by_sector"),
        {"account_id": account, "as_of": moment or EPOCH},
        tables=(TRADES,),
        units=UNITS,
        as_of=moment,
        caption=f"Exposure of {account or 'all accounts'} by sector",
        figure="exposure_by_sector",
    )
