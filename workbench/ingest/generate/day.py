"""One generated market day: its events, its defects and the truth about both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.contracts.records import EXECUTIONS, SIDES, STATUSES, TRADE_EVENT
from workbench.errors import UsageError
from workbench.ingest.generate.columns import decimals, joined, names, numbered, schema
from workbench.ingest.generate.defects import (
    MALFORMED,
    Defects,
    Extra,
    Line,
    malformed_lines,
    topic_of,
    typed_defects,
)
from workbench.ingest.generate.instruments import Instrument
from workbench.ingest.generate.orders import (
    ACCOUNTS,
    FILLED,
    PARTIAL,
    TRADERS_PER_ACCOUNT,
    Events,
    symbol_events,
)
from workbench.ingest.generate.prices import session
from workbench.ingest.generate.quotes import book_columns, quote_columns
from workbench.ingest.generate.seeds import stream
from workbench.ingest.json_text import json_rows

_ACTIVITY = {"MEGA": 4.0, "LARGE": 2.0, "MID": 1.0, "SMALL": 0.6}
_TRADE_SCHEMA = schema(TRADE_EVENT)


@dataclass(frozen=True)
class MarketDay:
    """What happened on one day.

    Attributes
    ----------
    table
        The good trade events in order of time: columns and types of RawTradeEvent, prices and
        quantities as decimal(18,8), ``timestamp_ms`` as epoch ms, UTC.
    arrivals
        The same with duplicate, late, future-stamped and unroutable records where they arrive.
    malformed
        The records that no typed column can hold.
    quotes, books
        MarketDataTick and OrderBookSnap in order of time; None where not asked for.
    """

    day: date
    seed: int
    instruments: tuple[Instrument, ...]
    defects: Defects
    table: pa.Table
    arrivals: pa.Table
    malformed: tuple[Line, ...] = ()
    quotes: pa.Table | None = None
    books: pa.Table | None = None
    _arrival_ms: np.ndarray[Any, np.dtype[np.int64]] = field(
        default_factory=lambda: np.zeros(0, np.int64), repr=False
    )
    _extras: tuple[Extra, ...] = field(default=(), repr=False)

    def values(self) -> pa.Array:
        """Return the messages of ``raw.trades`` in order of arrival, as JSON in binary."""
        rows = self.arrivals.combine_chunks()
        values = json_rows({n: rows[n].combine_chunks() for n in rows.column_names}, TRADE_EVENT)
        if not self.malformed:
            return values
        lines = sorted(self.malformed, key=lambda line: line.arrival_ms)
        places = np.searchsorted(self._arrival_ms, [line.arrival_ms for line in lines], "right")
        everything = pa.concat_arrays([values, pa.array([li.value for li in lines], pa.binary())])
        index = np.insert(
            np.arange(len(values)), places, len(values) + np.arange(len(lines), dtype=np.int64)
        )
        return everything.take(pa.array(index))

    @cached_property
    def truth(self) -> dict[str, Any]:
        """What must come out: counts by kind, sums as exact decimal text, every defect's fate.

        ``trades.lines = trades.valid + sum of dead_letters``; duplicates and late records are
        valid (each message lands) and in all sums of ``trades``.
        """
        routable = pc.is_in(self.arrivals["status"], pa.array(STATUSES))
        now = pc.less_equal(self.arrivals["timestamp_ms"], pa.scalar(self._last_good_ms))
        valid = self.arrivals.filter(pc.and_(pc.fill_null(routable, False), now))
        statuses = Counter(valid["status"].to_pylist())
        return {
            "date": self.day.isoformat(),
            "seed": self.seed,
            "symbols": [each.symbol for each in self.instruments],
            "trades": {
                "lines": self.arrivals.num_rows + len(self.malformed),
                "valid": valid.num_rows,
                "distinct": valid.num_rows - self.defects.duplicates,
                "by_status": {status: statuses.get(status, 0) for status in STATUSES},
                **_sums(valid),
                "by_symbol": {
                    each.symbol: _sums(valid.filter(pc.equal(valid["symbol"], each.symbol)))
                    for each in self.instruments
                },
            },
            "quotes": self.quotes.num_rows if self.quotes is not None else 0,
            "books": self.books.num_rows if self.books is not None else 0,
            "defects": self._defects(),
            "dead_letters": self._dead_letters(),
        }

    @property
    def _last_good_ms(self) -> int:
        return int(pc.max(self.table["timestamp_ms"]).as_py())

    def _defects(self) -> dict[str, Any]:
        told: dict[str, Any] = {
            kind: {"count": 0, "trade_ids": []}
            for kind in ("malformed", "duplicates", "late", "future", "unroutable")
        }
        kinds = Counter(line.kind for line in self.malformed)
        told["malformed"] = {
            "count": len(self.malformed),
            "by_kind": {kind: kinds[kind] for kind in MALFORMED if kinds[kind]},
            "trade_ids": [line.trade_id for line in self.malformed],
        }
        for extra in self._extras:
            told[extra.kind] = {
                "count": extra.rows.num_rows,
                "trade_ids": extra.rows["trade_id"].to_pylist(),
            }
        return told

    def _dead_letters(self) -> dict[str, dict[str, int]]:
        reasons = Counter(MALFORMED[line.kind][0] for line in self.malformed)
        for extra in self._extras:
            reasons.update(extra.reasons)
        letters: dict[str, dict[str, int]] = {}
        for reason in sorted(reasons):
            letters.setdefault(topic_of(reason), {})[reason] = reasons[reason]
        return dict(sorted(letters.items()))


def _sums(trades: pa.Table) -> dict[str, Any]:
    fills = trades.filter(pc.is_in(trades["status"], pa.array(EXECUTIONS)))
    volume = pc.sum(fills["quantity"]).as_py() or Decimal(0)
    notional = pc.sum(pc.multiply(fills["quantity"], fills["price"])).as_py() or Decimal(0)
    return {
        "events": trades.num_rows,
        "executions": fills.num_rows,
        "volume": _text(volume),
        "notional": _text(notional),
    }


def _text(number: Decimal) -> str:
    plain = format(number, "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def generate_day(
    day: date,
    seed: int,
    symbols: Sequence[Instrument],
    events: int,
    defects: Defects | None = None,
    *,
    quotes: int = 0,
    books: int = 0,
) -> MarketDay:
    """Generate one day; the same arguments give the same day, whatever was generated before.

    Parameters
    ----------
    day
        A date from 2000-01-02 on; stocks trade on weekdays, crypto pairs every day.
    seed
        Not negative.
    symbols
        Instruments of the reference data; see `choose`.
    events
        Good trade events of the day, over all symbols; defects are put in besides.
    defects
        Known bad records.
    quotes, books
        Best quotes and order books of the day, over all symbols.

    Raises
    ------
    UsageError
        Where nothing trades on the day or a number makes no sense.

    Examples
    --------
    >>> from workbench.config import load_settings
    >>> from workbench.ingest.generate import choose, load_instruments
    >>> symbols = choose(load_instruments(load_settings().symbols_file), ["AAPL", "BTCUSDT"])
    >>> day = generate_day(date(2024, 1, 2), 7, symbols, 1_000, Defects(late=3))
    >>> day.table.num_rows, len(day.values()), day.truth["defects"]["late"]["count"]
    (1000, 1003, 3)
    """
    if seed < 0 or events < 1 or quotes < 0 or books < 0:
        raise UsageError(
            f"seed {seed}, {events} events, {quotes} quotes, {books} books",
            hint="at least one event, nothing negative",
        )
    trading = [each for each in symbols if session(each, day) is not None]
    if not trading:
        raise UsageError(f"nothing trades on {day} ({day:%A})", hint="a weekday, or crypto pairs")
    wanted = defects or Defects()
    weights = [_weight(seed, each, day) for each in trading]
    counts = _shares(weights, events)
    parts = [
        symbol_events(seed, each, number, day, count)
        for number, (each, count) in enumerate(zip(trading, counts, strict=True))
        if count
    ]
    table = _table(Events.concatenate(parts), trading, day)
    extras = typed_defects(seed, day, table, wanted)
    arrivals, arrival_ms = _merged(table, extras)
    return MarketDay(
        day,
        seed,
        tuple(symbols),
        wanted,
        table,
        arrivals,
        tuple(malformed_lines(seed, day, table, wanted.malformed)),
        quote_columns(seed, trading, day, _shares(weights, quotes)) if quotes else None,
        book_columns(seed, trading, day, _shares(weights, books)) if books else None,
        arrival_ms,
        tuple(extras),
    )


def _weight(seed: int, instrument: Instrument, day: date) -> float:
    mood = stream(seed, "activity", instrument.symbol, day.toordinal()).normal(0, 0.3)
    return float(_ACTIVITY.get(instrument.tier, 1.0) * np.exp(mood))


def _shares(weights: Sequence[float], total: int) -> list[int]:
    """Whole numbers by weight that add up to the total."""
    edges = np.rint(np.cumsum(weights) / np.sum(weights) * total).astype(np.int64)
    return [int(share) for share in np.diff(edges, prepend=0)]


def _table(events: Events, instruments: Sequence[Instrument], day: date) -> pa.Table:
    events = events.take(np.argsort(events.time_ms, kind="stable"))
    which = events.instrument
    ticks = np.array([each.tick for each in instruments])
    steps = np.array([each.step for each in instruments])
    symbol = names([each.symbol for each in instruments], which)
    head = f"{day:%Y%m%d}-"
    accounts = [f"ACC-{number + 1:03d}" for number in range(ACCOUNTS)]
    traders = [f"TR-{number + 1:03d}" for number in range(ACCOUNTS * TRADERS_PER_ACCOUNT)]
    is_execution = np.isin(events.status, (FILLED, PARTIAL)).astype(np.int64)
    columns = {
        "trade_id": numbered(joined("T" + head, symbol, "-"), events.sequence, 6),
        "order_id": numbered(joined("O" + head, symbol, "-"), events.order, 6),
        "symbol": symbol,
        "side": names(SIDES, events.side),
        "quantity": decimals(events.quantity * steps[which]),
        "price": decimals(events.price * ticks[which]),
        "status": names(STATUSES, events.status),
        "exchange": names([each.exchange for each in instruments], which),
        "trader_id": names(traders, events.trader),
        "account_id": names(accounts, events.account),
        "timestamp_ms": pa.array(events.time_ms),
        "event_type": names(("ORDER", "TRADE"), is_execution),
    }
    return pa.Table.from_arrays([columns[n] for n in _TRADE_SCHEMA.names], schema=_TRADE_SCHEMA)


def _merged(
    table: pa.Table, extras: list[Extra]
) -> tuple[pa.Table, np.ndarray[Any, np.dtype[np.int64]]]:
    times = table["timestamp_ms"].to_numpy()
    if not extras:
        return table, times
    arrival = np.concatenate([times, *(extra.arrival_ms for extra in extras)])
    order = np.argsort(arrival, kind="stable")
    rows = pa.concat_tables([table, *(extra.rows.cast(_TRADE_SCHEMA) for extra in extras)])
    return rows.take(pa.array(order)), arrival[order]
