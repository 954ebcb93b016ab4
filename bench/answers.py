"""Whether an engine's answer is right: row by row against the DuckDB definition of the job."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from bench.outputs import Message
from bench.records import CLOSE_MS, Shape, records
from workbench.definitions import connect, load_raw, run_definition
from workbench.definitions.compare import COORDINATES, WALL_CLOCK, Difference, compare

#: Sums of doubles differ from exact sums in the last digits.
TOLERANCE = 1e-9
#: The definition rounds a VWAP to four decimals; some engines round theirs, others do not, and
#: plain SQL rounds a quotient to six first: one in the last decimal, and what doubles make of it.
VWAP_TOLERANCE = 1.0001e-4
_ROUTES = ("processed.trades.", "dlq.trades.")


class Expected:
    """The right answers for a shape, computed once and kept.

    Parameters
    ----------
    folder
        Where they are kept.
    shape
        The records.
    """

    def __init__(self, folder: Path, shape: Shape) -> None:
        self._folder = folder / shape.name
        self._shape = shape

    def _table(self, name: str) -> pa.Table:
        file = self._folder / f"{name}.parquet"
        if not file.is_file():
            self._folder.mkdir(parents=True, exist_ok=True)
            with connect("3GB") as con:
                values = [value for _, value in records(self._shape)]
                load_raw(con, values, topic=self._shape.source)
                self._make(con)
        return pq.read_table(file)

    def _make(self, con: duckdb.DuckDBPyConnection) -> None:
        if self._shape.kind != "trades":
            job = "orderbook" if self._shape.kind == "books" else "alerts"
            for name, table in run_definition(con, job).items():
                _write(table, self._folder / f"{name}.parquet")
        else:
            routed = run_definition(con, "router")
            parts = [table for name, table in routed.items() if name.startswith(_ROUTES)]
            _write(digests(pa.concat_tables(parts)), self._folder / "routed.parquet")
            windows = run_definition(con, "aggregates", reread=False)["market.trade_aggregates"]
            _write(before_close(windows), self._folder / "windows.parquet")
            trades = run_definition(con, "landing", reread=False)["market.trades"]
            _write(trades, self._folder / "trades.parquet")
            as_sent = [("", key.encode(), value, 0) for key, value in records(self._shape)]
            _write(digests(routed_table(as_sent, "")), self._folder / "passed.parquet")

    def windows(self) -> pa.Table:
        """The rows of market.trade_aggregates whose windows the closing records close."""
        return self._table("windows")

    def minutes(self) -> dict[tuple[str, int], tuple[Any, ...]]:
        """Open, high, low, close, volume, value, count and VWAP by symbol and minute (ms)."""
        prices = ("open_price", "high_price", "low_price", "close_price")
        columns = (*prices, "total_volume", "total_value", "trade_count", "vwap")
        rows = self.windows().filter(pa.compute.field("window_size") == "1m")
        starts = pa.compute.cast(rows["window_start"], pa.timestamp("ms", "UTC")).cast(pa.int64())
        names = rows["symbol"].to_pylist()
        keys = zip(names, starts.to_pylist(), strict=True)
        values = zip(*(map(float, rows[c].to_pylist()) for c in columns), strict=True)
        return dict(zip(keys, values, strict=True))

    def of(self, name: str) -> pa.Table:
        """Rows of a table, or messages of a topic, of the job for prices that move or for books."""
        return self._table(name)

    def trades(self) -> pa.Table:
        """The rows of market.trades."""
        return self._table("trades")

    def passed(self) -> pa.Table:
        """Key and digest of every record as it is."""
        return self._table("passed")

    def routed(self) -> pa.Table:
        """Topic, key and digest of every message of the router."""
        return self._table("routed")


def _write(table: pa.Table, file: Path) -> None:
    temporary = file.with_suffix(".tmp")
    pq.write_table(table, temporary)
    temporary.replace(file)


def before_close(windows: pa.Table) -> pa.Table:
    """Return the windows without those of the closing records, which nobody closes."""
    limit = pa.scalar(CLOSE_MS // 900_000 * 900_000, pa.timestamp("ms", "UTC"))
    return windows.filter(pa.compute.less(windows["window_start"], limit))


def digests(routed: pa.Table) -> pa.Table:
    """Return topic, key and a digest of the value of each message."""
    with duckdb.connect() as con:
        con.register("routed", routed)
        return con.execute("SELECT topic, key, md5(value) AS digest FROM routed").to_arrow_table()


def merged(windows: pa.Table) -> pa.Table:
    """Return one row per window, as the view trade_aggregates_current gives it.

    A late execution is a partial result of its own; which are late depends on how far the
    partitions are apart when they are read.
    """
    view = files("workbench.lake").joinpath("views/trade_aggregates_current.sql").read_text()
    with connect() as con:
        con.register("found", windows)
        return con.execute(view.replace("market.trade_aggregates", "found")).to_arrow_table()


def _windows_difference(found: pa.Table, expected: pa.Table) -> Difference:
    # Offsets are those of the topic on one side and numbers of lines on the other.
    ignore = {*WALL_CLOCK, *COORDINATES, "late"}
    return compare(merged(before_close(found)), expected, ignore=ignore)


def windows_lost_and_doubled(found: pa.Table, expected: pa.Table) -> tuple[int, int]:
    """Return how many windows are missing or wrong, and how many rows are too many."""
    difference = _windows_difference(found, expected)
    rows, right = difference.rows
    return difference.only_right, max(0, rows - right)


def check_windows(found: pa.Table, expected: pa.Table) -> str | None:
    """Say how the rows of market.trade_aggregates differ; None where they do not."""
    difference = _windows_difference(found, expected)
    return None if not difference else f"{difference}"[:500]


def check_rows(found: pa.Table, expected: pa.Table) -> str | None:
    """Say how the rows of a job without windows differ; None where they do not.

    Examples
    --------
    >>> check_rows(pa.table({"symbol": ["A", "B"]}), pa.table({"symbol": ["A", "B"]}))
    >>> check_rows(pa.table({"symbol": ["A"]}), pa.table({"symbol": ["A", "A"]}))
    "Difference(rows=(1, 2), only_left=0, only_right=1, ...
    """
    difference = compare(found, expected, ignore=WALL_CLOCK | COORDINATES)
    return None if not difference else f"{difference}"[:500]


def message_table(messages: Iterable[Message], schema: pa.Schema) -> pa.Table:
    """Return JSON messages as rows, their decimals exact.

    Examples
    --------
    >>> schema = pa.schema({"price": pa.decimal128(18, 8)})
    >>> message_table([("topic", None, b'{"price": 0.10000000}', 0)], schema)["price"][0].as_py()
    Decimal('0.10000000')
    """
    values = (json.loads(value or b"{}", parse_float=Decimal) for _, _, value, _ in messages)
    return pa.Table.from_pylist(list(values), schema)


def routed_table(messages: Iterable[Message], prefix: str) -> pa.Table:
    """Return topic (without what stands before it), key and value of messages."""
    rows = [(topic.removeprefix(prefix), key, value) for topic, key, value, _ in messages]
    topics, keys, values = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table(
        {
            "topic": pa.array(topics, pa.string()),
            "key": pa.array(keys, pa.binary()),
            "value": pa.array(values, pa.binary()),
        }
    )


def check_routed(messages: Iterable[Message], prefix: str, expected: pa.Table) -> str | None:
    """Say how routed messages differ; None where they do not.

    Parameters
    ----------
    messages
        What was read back.
    prefix
        What stands before the names of the contracts.
    expected
        `Expected.routed`.
    """
    difference = compare(digests(routed_table(messages, prefix)), expected)
    return None if not difference else f"{difference}"[:500]


def check_passed(messages: Iterable[Message], expected: pa.Table) -> str | None:
    """Say how messages differ from `Expected.passed`, whatever their topic; None if not."""
    as_sent = (("", key, value, at) for _, key, value, at in messages)
    difference = compare(digests(routed_table(as_sent, "")), expected)
    return None if not difference else f"{difference}"[:500]


def check_window_messages(messages: Iterable[Message], expected: pa.Table) -> str | None:
    """Say how the messages of analytics.trade-aggregates differ from the windows; None if not."""
    times = {name for name, kind in zip(expected.column_names, expected.schema.types, strict=True)
             if pa.types.is_timestamp(kind)}  # fmt: skip
    schema = pa.schema(
        pa.field(field.name, pa.int64() if field.name in times else field.type)
        for field in expected.schema
    )
    found = message_table(messages, schema)
    for place, name in enumerate(found.column_names):
        if name in times:
            moments = found[name].cast(pa.timestamp("ms", "UTC"))
            found = found.set_column(place, name, moments.cast(expected.schema.field(name).type))
    return check_windows(found, expected)


def last_of_each(messages: Iterable[Message]) -> dict[tuple[str, int], tuple[float, ...]]:
    """Return the newest result of every symbol and minute, as engines with updates send them."""
    names = ("open", "high", "low", "close", "volume", "value", "count", "vwap")
    found = {}
    for _, _, value, _ in messages:
        row = json.loads(value or b"{}")
        # Some send a change as the old row, taken back, and the new one.
        if row["start"] < CLOSE_MS and row.get("diff", 1) > 0:
            found[row["symbol"], row["start"]] = tuple(float(row[name]) for name in names)
    return found


def check_minutes(
    found: dict[tuple[str, int], tuple[float, ...]],
    expected: dict[tuple[str, int], Any],
    *,
    by_arrival: bool = False,
) -> str | None:
    """Say how 1-minute results differ: prices and counts exactly, sums to `TOLERANCE`.

    With `by_arrival`, open and close are left out: the engine took the first and last to arrive.

    Examples
    --------
    >>> right = {("A", 0): (1.0, 2.0, 1.0, 2.0, 30.0, 45.0, 2.0, 1.5)}
    >>> check_minutes({("A", 0): (1.0, 2.0, 1.0, 2.0, 30.000000000001, 45.0, 2.0, 1.5)}, right)
    >>> check_minutes({("A", 0): (1.0, 2.0, 1.0, 2.0, 30.0, 45.0, 2.0, 1.6)}, right)
    "1 of 1 windows are wrong, the first: ('A', 0) is (1.0, 2.0, 1.0, 2.0, 30.0, 45.0, ..."
    >>> check_minutes({}, right)
    '1 of 1 windows are missing, 0 too many'
    """
    missing, more = expected.keys() - found.keys(), found.keys() - expected.keys()
    if missing or more:
        return f"{len(missing):,} of {len(expected):,} windows are missing, {len(more):,} too many"
    exact = (1, 2, 6) if by_arrival else (0, 1, 2, 3, 6)
    wrong = [key for key in expected if not _same(found[key], expected[key], exact)]
    if not wrong:
        return None
    first = min(wrong)
    return (
        f"{len(wrong):,} of {len(expected):,} windows are wrong, the first: "
        f"{first} is {found[first]}, not {expected[first]}"
    )


def _same(found: tuple[float, ...], expected: tuple[float, ...], exact: tuple[int, ...]) -> bool:
    if any(found[place] != expected[place] for place in exact):
        return False
    if abs(found[7] - expected[7]) > VWAP_TOLERANCE:
        return False
    sums = zip(found[4:6], expected[4:6], strict=True)
    return all(abs(f - e) <= TOLERANCE * max(abs(f), abs(e)) for f, e in sums)


def routed_lost_and_doubled(
    messages: Iterable[Message], prefix: str, expected: pa.Table
) -> tuple[int, int]:
    """Return how many messages are missing, and how many are too many."""
    difference = compare(digests(routed_table(messages, prefix)), expected)
    return difference.only_right, difference.only_left


def minutes_lost_and_doubled(
    messages: Iterable[Message], expected: dict[tuple[str, int], Any]
) -> tuple[int, int]:
    """Return how many minutes are missing or wrong, and how many messages are too many."""
    rows = list(messages)
    newest = last_of_each(rows)
    everything = (0, 1, 2, 3, 6)
    lost = sum(
        key not in newest or not _same(newest[key], values, everything)
        for key, values in expected.items()
    )
    sent = sum(json.loads(value or b"{}")["start"] < CLOSE_MS for _, _, value, _ in rows)
    return lost, max(0, sent - len(expected))
