"""What an account was worth and earned, day by day."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from workbench.contracts.records import QUOTE
from workbench.errors import UsageError
from workbench.lake.result import Result
from workbench.lake.session import Session
from workbench.lake.times import Moment
from workbench.market.accounting import Fill, Ledger, as_money, units
from workbench.market.question import (
    EPOCH,
    TRADES,
    choice,
    identity,
    midnight,
    moment_of,
    require_account,
    sql_of,
    whole_number,
)
from workbench.market.volume_profile import LONGEST_HISTORY_DAYS

UNITS = {
    "interval_start": "UTC",
    "valued_at": "UTC",
    "trade_count": "executions",
    "open_symbols": "symbols held",
    "cash_flow": QUOTE,
    "market_value": QUOTE,
    "realised_average": QUOTE,
    "unrealised_average": QUOTE,
    "realised_fifo": QUOTE,
    "unrealised_fifo": QUOTE,
    "profit": QUOTE,
    "profit_change": QUOTE,
}
INTERVALS = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "1d": timedelta(days=1),
}
_TICK = timedelta(microseconds=1)


def portfolio_history(
    session: Session,
    account_id: str,
    days: int = 30,
    every: str = "1d",
    as_of: Moment | None = None,
) -> Result:
    """Return value, cash flow and profit of an account, interval by interval.

    Parameters
    ----------
    session
        The session to ask.
    account_id
        The account, as in the trades.
    days
        UTC days that are listed, the day of `as_of` included. All executions before count, too.
    every
        Length of an interval: ``15m``, ``1h`` or ``1d``.
    as_of
        The moment; the newest event time of the trades when None.

    Returns
    -------
    Result
        One row per interval from the account's first execution on (or from the first of the
        days), in order of time, also where it did not trade: ``interval_start``, ``valued_at``
        (the last moment of the interval, or `as_of`) [UTC]; ``trade_count`` [executions in it];
        ``open_symbols`` [symbols held at its end]; ``cash_flow`` (received less paid in it),
        ``market_value`` (positions at its end at the last price anybody paid),
        ``realised_average``, ``realised_fifo`` (profit of what was closed in it),
        ``unrealised_average``, ``unrealised_fifo`` (market value less cost of what is open, at
        its end), ``profit`` (everything received less everything paid, plus market value),
        ``profit_change`` (against the end of the interval before; the whole profit in the first
        one that the account ever traded in) [all in quote currency]. Empty for an account
        without executions.

    Raises
    ------
    UsageError
        For an account that no trade names; names the nearest. For `days`, `every` or an `as_of`
        that cannot be used.

    Notes
    -----
    The rules are those of `portfolio`, applied execution by execution; the last row is its sum.
    Exact: profit is the sum of all realised profit plus unrealised, by both methods. There is no
    return in percent: the data has no capital that a portfolio began with.

    Examples
    --------
    >>> portfolio_history(session, "ACC-001", days=7).df()      # doctest: +SKIP
    """
    account = identity("account_id", account_id)
    length = INTERVALS[choice("interval", every, INTERVALS)]
    listed = whole_number("days", days, 1, LONGEST_HISTORY_DAYS)
    moment = moment_of(session, as_of)
    bound = moment or EPOCH
    try:
        since, _ = midnight(bound) - timedelta(days=listed - 1), bound + length
    except OverflowError as error:
        raise UsageError(f"no history of {listed} days ends at {bound}") from error
    values = {"account_id": account, "as_of": bound, "every_us": length // _TICK}
    fills = _by_interval(session, "portfolio_history_fills", values, length)
    if not fills:
        require_account(session, account)
    rows = _history(
        fills,
        _by_interval(session, "portfolio_history_marks", values, length),
        length,
        since=since,
        until=bound,
    )
    return session.result(
        sql_of("portfolio_history_fills"),
        values,
        tables=(TRADES,),
        units=UNITS,
        as_of=moment,
        caption=f"Portfolio of {account} by {every}",
        figure="portfolio_history",
        table=_table(list(rows)),
    )


def _by_interval(
    session: Session, name: str, values: dict[str, Any], length: timedelta
) -> dict[datetime, list[tuple[Any, ...]]]:
    """The rows of a query by the start of their interval, whose number is their first column."""
    import pyarrow as pa

    table = session.arrow(sql_of(name), values)
    columns = [
        units(column) if pa.types.is_decimal(column.type) else column.to_pylist()
        for column in table.columns
    ]
    found: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for number, *rest in zip(*columns, strict=True):
        found[number].append(tuple(rest))
    # Days, hours and quarters of an hour since 1970 begin at midnight UTC.
    return {EPOCH + number * length: rows for number, rows in found.items()}


def _history(
    fills: dict[datetime, list[tuple[Any, ...]]],
    marks: dict[datetime, list[tuple[Any, ...]]],
    length: timedelta,
    *,
    since: datetime,
    until: datetime,
) -> Iterator[dict[str, Any]]:
    if not fills:
        return
    ledgers: dict[str, Ledger] = defaultdict(Ledger)
    prices: dict[str, int] = {}

    def take(interval: datetime) -> None:
        by_symbol: dict[str, list[Fill]] = defaultdict(list)
        for symbol, quantity, price in fills.get(interval, ()):
            by_symbol[symbol].append((quantity, price))
        for symbol, found in by_symbol.items():
            ledgers[symbol].add(found)
        prices.update(marks.get(interval, ()))

    start = max(min(fills), since)
    for interval in sorted(interval for interval in {*fills, *marks} if interval < start):
        take(interval)
    before = _Totals(ledgers, prices)
    while start <= until:
        take(start)
        # Most quarters of an hour of a week-end change nothing.
        now = _Totals(ledgers, prices) if start in fills or start in marks else before
        yield {
            "interval_start": start,
            "valued_at": min(start + length - _TICK, until),
            "trade_count": len(fills.get(start, ())),
            **now.since(before),
        }
        before = now
        start += length


class _Totals:
    """Sums over the symbols of an account at one moment, in whole numbers."""

    def __init__(self, ledgers: dict[str, Ledger], prices: dict[str, int]) -> None:
        held = ledgers.values()
        positions = {name: ledger.position for name, ledger in ledgers.items()}
        self.open_symbols = sum(map(bool, positions.values()))
        self.value = sum(
            position * prices[name] for name, position in positions.items() if position
        )
        self.received = -sum(each.net_cost for each in held)
        self.realised_average = sum(each.realised_average for each in held)
        self.realised_fifo = sum(each.realised_fifo for each in held)
        self.cost_average = sum(each.cost_average for each in held)
        self.cost_fifo = sum(each.cost_fifo for each in held)

    def since(self, before: _Totals) -> dict[str, Any]:
        profit = self.received + self.value
        money = {
            "cash_flow": self.received - before.received,
            "market_value": self.value,
            "realised_average": self.realised_average - before.realised_average,
            "unrealised_average": self.value - self.cost_average,
            "realised_fifo": self.realised_fifo - before.realised_fifo,
            "unrealised_fifo": self.value - self.cost_fifo,
            "profit": profit,
            "profit_change": profit - before.received - before.value,
        }
        return {
            "open_symbols": self.open_symbols,
            **{name: as_money(number) for name, number in money.items()},
        }


def _table(rows: list[dict[str, Any]]) -> Any:
    import pyarrow as pa

    moment, money = pa.timestamp("us", "UTC"), pa.decimal128(38, 16)
    counts = ("trade_count", "open_symbols")
    schema = pa.schema(
        [
            ("interval_start", moment),
            ("valued_at", moment),
            *((name, pa.int64()) for name in counts),
            *(
                (name, money)
                for name in UNITS
                if name not in ("interval_start", "valued_at", *counts)
            ),
        ]
    )
    return pa.Table.from_pylist(rows, schema=schema)
