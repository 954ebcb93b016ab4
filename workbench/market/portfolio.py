"""What an account holds and what it earned."""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import Any

from workbench.contracts.records import BASE, QUOTE
from workbench.lake.result import Result
from workbench.lake.session import Session
from workbench.lake.times import Moment
from workbench.market.accounting import (
    Ledger,
    as_money,
    as_quantity,
    ledger_of,
    per_unit,
    units,
)
from workbench.market.question import EPOCH, TRADES, identity, moment_of, require_account, sql_of

UNITS = {
    "bought_qty": BASE,
    "sold_qty": BASE,
    "net_position": BASE,
    "net_cost": QUOTE,
    "net_cost_per_unit": QUOTE,
    "trade_count": "executions",
    "average_cost": QUOTE,
    "cost_basis": QUOTE,
    "realised_average": QUOTE,
    "realised_fifo": QUOTE,
    "last_price": QUOTE,
    "market_value": QUOTE,
    "unrealised_average": QUOTE,
    "unrealised_fifo": QUOTE,
}


def portfolio(
    session: Session,
    account_id: str,
    as_of: Moment | None = None,
    *,
    include_closed: bool = True,
) -> Result:
    """Return position, cost and profit of an account, symbol by symbol.

    Parameters
    ----------
    session
        The session to ask.
    account_id
        The account, as in the trades.
    as_of
        The moment; the newest event time of the trades when None.
    include_closed
        Whether symbols with position 0 are listed, with what they have earned.

    Returns
    -------
    Result
        One row per symbol that the account has traded; empty for an account without executions.

        ``symbol``; ``bought_qty``, ``sold_qty``, ``net_position`` [shares or coins; negative is
        short]; ``net_cost`` [quote currency: paid less received]; ``net_cost_per_unit``
        (net_cost / net_position, half-up to 4 decimals, null when closed: what the remaining
        units have to fetch to break even, NOT a cost basis once something was sold);
        ``trade_count`` [executions].

        ``average_cost`` (cost_basis / net_position, half-up to 8 decimals), ``cost_basis``
        (cost of the open position by average cost; negative when short), ``realised_average``
        and ``realised_fifo`` (profit of what was closed, by average cost and first-in-first-
        out), ``last_price`` (last execution of the symbol by anybody), ``market_value``
        (net_position x last_price), ``unrealised_average``, ``unrealised_fifo`` (market value
        less the cost of what is open) [all in quote currency].

        Ordered by the size of net_cost, largest first, then by symbol. Money and quantities are
        exact: for both methods realised + unrealised = market_value - net_cost. Fees are not in
        the data and not in the figures.

    Raises
    ------
    UsageError
        For an account that no trade names; names the nearest. For an `as_of` that cannot be
        used.

    Notes
    -----
    Average cost and first-in-first-out as in IAS 2, paragraphs 25 to 27, applied execution by
    execution. One that crosses zero closes the position and opens the rest at its price.

    Examples
    --------
    >>> portfolio(session, "ACC-001").df()      # doctest: +SKIP
    """
    account = identity("account_id", account_id)
    moment = moment_of(session, as_of)
    values = {"account_id": account, "as_of": moment or EPOCH}
    fills = session.arrow(sql_of("portfolio_fills"), values)
    if not fills.num_rows:
        require_account(session, account)
    marks = session.arrow(sql_of("portfolio_marks"), values)
    prices = dict(zip(marks["symbol"].to_pylist(), units(marks["price"]), strict=True))
    of_fill = (fills["symbol"].to_pylist(), units(fills["quantity"]), units(fills["price"]))
    ledgers = {
        symbol: ledger_of([(quantity, price) for _, quantity, price in group])
        for symbol, group in groupby(zip(*of_fill, strict=True), key=itemgetter(0))
    }
    listed = [(s, ledger) for s, ledger in ledgers.items() if ledger.position or include_closed]
    listed.sort(key=lambda one: (-abs(one[1].net_cost), one[0]))
    rows = [_row(symbol, ledger, prices[symbol]) for symbol, ledger in listed]
    return session.result(
        sql_of("portfolio_fills"),
        values,
        tables=(TRADES,),
        units=UNITS,
        as_of=moment,
        caption=f"Portfolio of {account}",
        figure="portfolio",
        table=_table(rows),
    )


def _row(symbol: str, ledger: Ledger, price: int) -> dict[str, Any]:
    position, market_value = as_quantity(ledger.position), ledger.position * price
    return {
        "symbol": symbol,
        "bought_qty": as_quantity(ledger.bought),
        "sold_qty": as_quantity(ledger.sold),
        "net_position": position,
        "net_cost": as_money(ledger.net_cost),
        "net_cost_per_unit": per_unit(as_money(ledger.net_cost), position, 4),
        "trade_count": ledger.fills,
        "average_cost": per_unit(as_money(ledger.cost_average), position, 8),
        "cost_basis": as_money(ledger.cost_average),
        "realised_average": as_money(ledger.realised_average),
        "realised_fifo": as_money(ledger.realised_fifo),
        "last_price": as_quantity(price),
        "market_value": as_money(market_value),
        "unrealised_average": as_money(market_value - ledger.cost_average),
        "unrealised_fifo": as_money(market_value - ledger.cost_fifo),
    }


def _table(rows: list[dict[str, Any]]) -> Any:
    import pyarrow as pa

    quantity, money = pa.decimal128(38, 8), pa.decimal128(38, 16)
    types = {
        "symbol": pa.string(),
        **dict.fromkeys(("bought_qty", "sold_qty", "net_position"), quantity),
        "net_cost": money,
        "net_cost_per_unit": pa.decimal128(38, 4),
        "trade_count": pa.int64(),
        "average_cost": quantity,
        "cost_basis": money,
        "realised_average": money,
        "realised_fifo": money,
        "last_price": pa.decimal128(18, 8),
        "market_value": money,
        "unrealised_average": money,
        "unrealised_fifo": money,
    }
    return pa.Table.from_pylist(rows, schema=pa.schema(list(types.items())))
