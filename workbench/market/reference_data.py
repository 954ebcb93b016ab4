"""Which symbols there are, and what is known of them."""

from __future__ import annotations

from workbench.lake.result import Result
from workbench.lake.session import Session
from workbench.market.question import sql_of


def reference_data(session: Session) -> Result:
    """Return the reference data as it was when the session opened.

    Parameters
    ----------
    session
        The session to ask.

    Returns
    -------
    Result
        One row per symbol, ordered by it: ``symbol``, ``company_name``, ``sector``,
        ``industry``, ``market_cap_tier``, ``exchange`` (where it is listed). Tier and exchange
        are illustrative; ``reference/README.md`` has the sources.

    Examples
    --------
    >>> reference_data(session).rows()[0][:2]      # doctest: +SKIP
    ('A', 'Agilent Technologies')
    """
    return session.result(sql_of("reference_data"), caption="Reference data of the symbols")
