"""How many orders were filled, cancelled and rejected."""

from __future__ import annotations

from workbench.contracts.records import EXECUTIONS
from workbench.lake.result import Result
from workbench.lake.session import Session
from workbench.lake.times import Moment
from workbench.market.question import TRADES, choice, moment_of, sql_of, window

COUNTS = ("orders", "filled", "cancelled", "rejected", "open", "executed")
UNITS = {
    **dict.fromkeys(COUNTS, "orders"),
    "events": "events",
    "executions": "executions",
    **{f"{name}_rate_pct": "% of orders" for name in ("fill", "executed", "cancel", "reject")},
}
#: What orders can be grouped by.
GROUPS = ("symbol", "account", "trader", "venue", "side", "all")


def order_rates(
    session: Session, by: str = "symbol", hours: float = 24, as_of: Moment | None = None
) -> Result:
    """Return fill, cancel and reject rates of orders.

    An order is all events with one ``order_id``; it belongs to the window in which its first
    event lies, and counts once however many events it has. It is filled when one of its events is
    FILLED; else rejected, else cancelled, when one of them is; else open. A partial fill alone
    does not fill an order: it makes it an executed one.

    Parameters
    ----------
    session
        The session to ask.
    by
        What orders are grouped by: ``symbol``, ``account``, ``trader``, ``venue``, ``side`` or
        ``all``; of the first event of the order that names it.
    hours
        Length of the window ``(as_of - hours, as_of]``.
    as_of
        End of the window; the newest event time of the trades when None.

    Returns
    -------
    Result
        One row per group: ``name`` (``UNKNOWN`` for orders that name none, ``ALL`` for `by`
        ``all``), ``orders`` = ``filled`` + ``cancelled`` + ``rejected`` + ``open``, ``executed``
        [orders with at least one execution], ``events`` and ``executions`` [distinct
        ``trade_id``: what was sent twice counts once], ``fill_rate_pct``, ``executed_rate_pct``,
        ``cancel_rate_pct``, ``reject_rate_pct`` [% of orders, half-up to 4 decimals]. Ordered by
        orders, then by name; empty without orders.

    Raises
    ------
    UsageError
        For `by`, `hours` or an `as_of` that cannot be used.

    Notes
    -----
    Statuses as FIX OrdStatus (tag 39): New, Partially filled, Filled, Canceled, Rejected. The
    fill rate counts orders, not shares.

    Examples
    --------
    >>> order_rates(session, by="venue").df()      # doctest: +SKIP
    """
    group = choice("grouping", by, GROUPS)
    return session.result(
        sql_of("order_rates"),
        {"by": group, "executions": list(EXECUTIONS), **window(session, as_of, hours)},
        tables=(TRADES,),
        units=UNITS,
        as_of=moment_of(session, as_of),
        caption=f"Orders by {group} in {hours:g} h",
        figure="order_rates",
    )
