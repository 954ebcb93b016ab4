"""Raw records into DuckDB, and each of them read: the relations `raw` and `read_trades`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, date, datetime
from importlib.resources import files
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from duckdb.func import ARROW, SPECIAL

from workbench.contracts.reader import (
    SHOWN_CHARACTERS,
    STATUS_EXPECTED,
)
from workbench.contracts.records import (
    MAX_FUTURE_MS,
    MAX_NOTIONAL,
    MAX_STRING_CHARACTERS,
    MAX_VALUE_BYTES,
    ORIGINAL_VALUE_CHARACTERS,
    SIDES,
    STATUSES,
    TRADE_EVENT,
)
from workbench.contracts.topics import UNROUTABLE
from workbench.contracts.types import duckdb_type
from workbench.definitions.strict import VERDICT, reading
from workbench.lake.macros import load_macros

RAW_TRADES = "raw.trades"
#: The relations behind `read_trades`: records that were read, events that need no reading.
RECORDS, EVENTS = "records_read", "events_read"

# A plain record: a flat object of strings without escapes and of numbers that a double holds
# exactly, with their digits as the contract keeps them. Everything else is for the strict reader.
_SPACE = r"[ \t\r\n]*"
_TEXT = r'"[ !#-\[\]-~]*"'
_NUMBER = r"-?(?:0|[1-9][0-9]{0,17}|(?:0|[1-9][0-9]{0,6})\.[0-9]{1,8}|[1-9][0-9]{7,9}\.[0-9]{1,5})"
_MEMBER = f"{_SPACE}{_TEXT}:{_SPACE}(?:{_TEXT}|{_NUMBER}|true|false|null){_SPACE}"
PLAIN_OBJECT = rf"{_SPACE}\{{{_MEMBER}(?:,{_MEMBER})*\}}{_SPACE}"
#: Nothing is rounded and nothing is out of range.
PLAIN_DECIMAL = r'"?[0-9]{1,10}(\.[0-9]{1,8})?"?'
PLAIN_LONG = r'"?[0-9]{1,18}"?'
REPEATED_FIELD = "|".join(rf'"{f.name}"\s*:.*"{f.name}"\s*:' for f in TRADE_EVENT.fields)

_READING = pa.struct(
    [
        *(pa.field(name, pa.string()) for name in VERDICT),
        *(
            pa.field(
                f.name,
                {"DECIMAL(18, 8)": pa.decimal128(18, 8), "BIGINT": pa.int64()}.get(
                    duckdb_type(f.type), pa.string()
                ),
            )
            for f in TRADE_EVENT.fields
        ),
    ]
)


def connect(memory_limit: str = "2GB", threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """Open a connection for definitions: in memory, in UTC, with the exact macros of the lake.

    Examples
    --------
    >>> connect().sql("SELECT vwap(10::DECIMAL(38, 16), 3::DECIMAL(38, 8))").fetchone()
    (Decimal('3.3333'),)
    """
    # Local variables of the caller are not tables: a definition means the same everywhere.
    config: dict[str, Any] = {"memory_limit": memory_limit, "python_enable_replacements": False}
    if threads is not None:
        config["threads"] = threads
    con = duckdb.connect(":memory:", config=config)
    con.execute("SET TimeZone = 'UTC'")
    # In a notebook without ipywidgets there is no bar, and saying so is an error.
    with suppress(duckdb.InvalidInputException):
        con.execute("SET enable_progress_bar = false")
    load_macros(con)
    con.create_function(
        "read_trade",
        _read_trades,
        ["BLOB", "BIGINT"],
        _struct_type(),
        type=ARROW,
        null_handling=SPECIAL,
    )
    return con


def load_raw(
    con: duckdb.DuckDBPyConnection,
    batches: Iterable[pa.RecordBatch | bytes | None] | pa.Table,
    *,
    topic: str = RAW_TRADES,
    source_time: datetime | None = None,
) -> None:
    """Make the relation `raw` from messages.

    Parameters
    ----------
    con
        A connection made by `connect`.
    batches
        Values (None is a tombstone); or batches of `workbench.ingest.files.iter_batches`, of
        which only those of `topic` are taken; or a table that already has the columns of `raw`:
        ``source_topic``, ``source_partition``, ``source_offset``, ``source_time``, ``value``.
    topic
        Name the records are known by.
    source_time
        When they arrived; now when None. Records stamped far after it are refused.
    """
    if isinstance(batches, pa.Table):
        table = batches.select(_RAW.names).cast(_RAW)
    else:
        value = _values(batches, topic)
        columns = {**_source(len(value), topic, source_time), "value": value}
        table = pa.Table.from_pydict(columns, schema=_RAW)
    # DuckDB's threads share the batches of a table: one large batch keeps one thread busy.
    parts = table.to_batches(max_chunksize=_BATCH_ROWS)
    con.register("raw", pa.Table.from_batches(parts, table.schema))


_BATCH_ROWS = 1 << 16
_RAW = pa.schema(
    {
        "source_topic": pa.string(),
        "source_partition": pa.int32(),
        "source_offset": pa.int64(),
        "source_time": pa.timestamp("us", "UTC"),
        "value": pa.binary(),
    }
)


def _source(rows: int, topic: str, source_time: datetime | None) -> dict[str, pa.Array]:
    """The source columns of records that did not come from Kafka."""
    arrived = pa.scalar(source_time or datetime.now(UTC), _RAW.field("source_time").type)
    return {
        "source_topic": pa.repeat(pa.scalar(topic), rows),
        "source_partition": pa.repeat(pa.scalar(0, pa.int32()), rows),
        "source_offset": pa.array(np.arange(rows)),
        "source_time": pa.repeat(arrived, rows),
    }


def _values(batches: Iterable[pa.RecordBatch | bytes | None], topic: str) -> pa.ChunkedArray:
    chunks: list[pa.Array] = []
    loose: list[bytes | None] = []
    for batch in batches:
        if not isinstance(batch, pa.RecordBatch):
            loose.append(batch)
            continue
        topics = batch.column("topic")
        chunks.append(batch.column("value").filter(pc.equal(topics, topic)))
    if loose:
        chunks.append(pa.array(loose, pa.binary()))
    return pa.chunked_array(chunks, pa.binary())


def read_trades(con: duckdb.DuckDBPyConnection, *, keep_value: bool = False) -> None:
    """Make the relation `read_trades` from `raw`: every record with its fields or its error.

    Parameters
    ----------
    con
        A connection on which `load_raw` was called.
    keep_value
        Whether the original bytes stay as column ``value``; the router needs them.
    """
    query = sql("read_trades")
    kept = "*" if keep_value else "* EXCLUDE (value)"
    parameters = {
        "plain_object": PLAIN_OBJECT,
        "repeated_field": REPEATED_FIELD,
        "fields": json.dumps({field.name: "JSON" for field in TRADE_EVENT.fields}),
        "plain_decimal": PLAIN_DECIMAL,
        "plain_long": PLAIN_LONG,
        "sides": list(SIDES),
        "statuses": list(STATUSES),
        "status_expected": STATUS_EXPECTED,
        "max_future_ms": MAX_FUTURE_MS,
        "max_notional": MAX_NOTIONAL,
        "max_value_bytes": MAX_VALUE_BYTES,
        "max_characters": MAX_STRING_CHARACTERS,
        "shown_characters": SHOWN_CHARACTERS,
        "original_value_characters": ORIGINAL_VALUE_CHARACTERS,
        "unroutable": UNROUTABLE,
    }
    create = f"CREATE OR REPLACE TEMP TABLE {RECORDS} AS SELECT {kept} FROM ({query})"
    con.execute(create, parameters)
    expose(con, RECORDS)


def load_events(
    con: duckdb.DuckDBPyConnection,
    events: pa.Table,
    *,
    topic: str = RAW_TRADES,
    source_time: datetime | None = None,
) -> None:
    """Make the relation `read_trades` from trade events that are known to be valid.

    Parameters
    ----------
    con
        A connection made by `connect`.
    events
        The columns of market.trades, or those of RawTradeEvent. Nothing is read or checked:
        parsing is skipped.
    topic, source_time
        Where events without source columns came from (their offsets are their positions), and
        when they arrived; now when None.
    """
    if "source_offset" not in events.column_names:
        for name, column in _source(events.num_rows, topic, source_time).items():
            events = events.append_column(name, column)
    con.register("events", events)
    if "event_time" in events.column_names:
        times = "epoch_ms(event_time) AS timestamp_ms"
    else:
        times = "make_timestamptz(timestamp_ms * 1000) AS event_time"
    verdict = ", ".join(f"NULL::VARCHAR AS {name}" for name in VERDICT)
    con.execute(f"CREATE OR REPLACE TEMP VIEW {EVENTS} AS SELECT *, {times}, {verdict} FROM events")
    expose(con, EVENTS)


def expose(
    con: duckdb.DuckDBPyConnection,
    relation: str,
    first: date | None = None,
    last: date | None = None,
) -> None:
    """Make `RECORDS` or `EVENTS`, or their UTC days from first to last, the `read_trades`."""
    days = f"WHERE event_time::DATE BETWEEN '{first}' AND '{last}'" if first and last else ""
    con.execute(f"CREATE OR REPLACE TEMP VIEW read_trades AS SELECT * FROM {relation} {days}")


def sql(name: str) -> str:
    """Return the text of one definition, for example ``aggregates``."""
    return files("workbench.definitions").joinpath(f"{name}.sql").read_text()


def _struct_type() -> Any:
    members: dict[str, Any] = dict.fromkeys(VERDICT, "VARCHAR")
    members |= {field.name: duckdb_type(field.type) for field in TRADE_EVENT.fields}
    return duckdb.struct_type(members)


def _read_trades(values: pa.ChunkedArray, source_ms: pa.ChunkedArray) -> pa.Array:
    """The strict reader over a vector of DuckDB."""
    readings = [
        reading(TRADE_EVENT, value, arrived)
        for value, arrived in zip(values.to_pylist(), source_ms.to_pylist(), strict=True)
    ]
    return pa.array(readings, _READING)
