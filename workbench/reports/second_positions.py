"""Positions, profit and exposure once more: Polars and whole numbers, no ledger.

A position is bought less sold. First-in-first-out needs no lots either: the n-th unit that was
bought belongs to the n-th unit that was sold, so that what is realised is the money of the first M
units sold less that of the first M units bought, M being the smaller of both sides. That holds for
short positions and for those that cross zero.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from typing import Any

import polars as pl

from workbench.reports.second_path import SecondPath, decimal_of

BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Worth:
    """An account at a moment, in quote currency."""

    market_value: Decimal
    #: Money paid less money received.
    net_cost: Decimal
    realised_fifo: Decimal
    #: Symbols with a position.
    open_symbols: int

    @property
    def profit(self) -> Decimal:
        """What was received less what was paid, and what is left at its last price."""
        return self.market_value - self.net_cost


def worth(second: SecondPath, account: str, until: datetime) -> Worth:
    """Return what an account holds and has earned before a moment."""
    traded = second.in_order(BEGINNING, until).filter(pl.col("account_id") == account)
    bought, sold = (_side(traded, side) for side in ("BUY", "SELL"))
    last = _last_units(second, BEGINNING, until)
    value = cost = realised = held = 0
    for symbol in {*bought, *sold}:
        buys, sells = bought.get(symbol, []), sold.get(symbol, [])
        position = _units(buys) - _units(sells)
        value += position * last[symbol]
        cost += _money(buys) - _money(sells)
        both = min(_units(buys), _units(sells))
        realised += money_of_first(sells, both) - money_of_first(buys, both)
        held += position != 0
    return Worth(decimal_of(value, 16), decimal_of(cost, 16), decimal_of(realised, 16), held)


def realised_by_average(second: SecondPath, account: str, until: datetime) -> Decimal:
    """Return what an account has realised by average cost before a moment.

    By the cost of one unit instead of the cost of the position, and not rounded at every close.
    """
    traded = second.in_order(BEGINNING, until).filter(pl.col("account_id") == account)
    rows = traded.select("symbol", "side", "units", "value").collect().rows()
    held: dict[str, tuple[Decimal, Decimal]] = defaultdict(lambda: (Decimal(0), Decimal(0)))
    realised = Decimal(0)
    with localcontext(prec=60):
        for symbol, side, units, value in rows:
            price = decimal_of(value // units, 8)
            quantity = decimal_of(units if side == "BUY" else -units, 8)
            position, cost = held[symbol]
            if position * quantity < 0:
                closed = min(abs(position), abs(quantity)) * (1 if position > 0 else -1)
                realised += closed * (price - cost)
                if abs(quantity) > abs(position):
                    cost = price
            else:
                size = abs(position) + abs(quantity)
                cost = (abs(position) * cost + abs(quantity) * price) / size
            held[symbol] = position + quantity, cost
    return realised


def last_prices(second: SecondPath, since: datetime, until: datetime) -> dict[str, Decimal]:
    """Return the last price of every symbol in [since, until)."""
    found = _last_units(second, since, until)
    return {symbol: decimal_of(units, 8) for symbol, units in found.items()}


def cash_flow(second: SecondPath, account: str, since: datetime, until: datetime) -> Decimal:
    """Return what an account received less what it paid in [since, until)."""
    rows = second.executions(since, until).filter(pl.col("account_id") == account)
    sides = rows.group_by("side").agg(pl.col("value").sum()).collect().rows()
    flow = sum(value if side == "SELL" else -value for side, value in sides)
    return decimal_of(flow, 16)


def exposure(
    second: SecondPath, sector_of: Mapping[str, str], until: datetime, account: str | None = None
) -> dict[str, dict[str, Decimal]]:
    """Return ``gross`` and ``net`` exposure of every sector before a moment.

    Parameters
    ----------
    second
        The trades.
    sector_of
        Sector by symbol; UNKNOWN for others.
    until
        The moment; exclusive.
    account
        The account; all accounts when None.
    """
    sign = pl.when(pl.col("side") == "BUY").then(1).otherwise(-1).cast(pl.Int128)
    rows = second.executions(BEGINNING, until).filter(pl.col("account_id").is_not_null())
    if account is not None:
        rows = rows.filter(pl.col("account_id") == account)
    positions = rows.group_by("account_id", "symbol").agg((pl.col("units") * sign).sum())
    last = _last_units(second, BEGINNING, until)
    sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for _, symbol, position in positions.collect().rows():
        if position:
            worth_now = position * last[symbol]
            sector = sums[sector_of.get(symbol, "UNKNOWN")]
            sector[0] += abs(worth_now)
            sector[1] += worth_now
    return {
        name: {"gross": decimal_of(gross, 16), "net": decimal_of(net, 16)}
        for name, (gross, net) in sums.items()
    }


def orders(second: SecondPath, account: str, since: datetime, until: datetime) -> dict[str, int]:
    """Return ``orders``, ``filled`` and ``rejected`` of an account.

    Its orders are those that began in [since, until); see `workbench.market.order_rates`.
    """
    order = ("event_time", "source_offset", "source_partition", "source_topic")
    found = (
        second.trades.filter(pl.col("event_time") < until)
        .sort(*order)
        .group_by("order_id")
        .agg(
            pl.col("event_time").min().alias("began"),
            pl.col("account_id").drop_nulls().first(),
            pl.col("status").unique(),
        )
        .filter(pl.col("began") >= since, pl.col("account_id") == account)
        .collect()
    )
    statuses = [set(each) for each in found["status"].to_list()]
    filled = sum("FILLED" in each for each in statuses)
    rejected = sum("REJECTED" in each and "FILLED" not in each for each in statuses)
    return {"orders": len(statuses), "filled": filled, "rejected": rejected}


#: Units and price of each fill, in order.
Fills = list[tuple[int, int]]


def _side(traded: pl.LazyFrame, side: str) -> dict[str, Fills]:
    """Units and price of each fill of one side, by symbol, in order."""
    rows = traded.filter(pl.col("side") == side).select("symbol", "units", "value").collect()
    found: dict[str, Fills] = defaultdict(list)
    for symbol, units, value in rows.rows():
        found[symbol].append((units, value // units))
    return found


def _units(fills: Fills) -> int:
    return sum(units for units, _ in fills)


def _money(fills: Fills) -> int:
    return sum(units * price for units, price in fills)


def money_of_first(fills: Fills, most: int) -> int:
    """The money of the first so many units."""
    money = 0
    for units, price in fills:
        taken = min(units, most)
        money += taken * price
        most -= taken
    return money


def _last_units(second: SecondPath, since: datetime, until: datetime) -> dict[str, int]:
    rows: list[tuple[Any, ...]] = (
        second.in_order(since, until)
        .group_by("symbol", maintain_order=True)
        .agg((pl.col("value") // pl.col("units")).last())
        .collect()
        .rows()
    )
    return dict(rows)
