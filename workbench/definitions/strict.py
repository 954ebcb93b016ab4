"""Records of any topic from `raw`, read by the strict reader: slower than SQL, and for all."""

from __future__ import annotations

from typing import Any

import duckdb
import pyarrow as pa

from workbench.contracts import Record, Type
from workbench.contracts.reader import Refused, original_value, read_record

VERDICT = ("error_type", "error_message", "error_topic", "original_value")
_LEVEL = pa.struct({"price": pa.decimal128(18, 8), "quantity": pa.decimal128(18, 8)})
_ARROW = {
    Type.STRING: pa.string(),
    Type.LONG: pa.int64(),
    Type.DECIMAL: pa.decimal128(18, 8),
    Type.LEVELS: pa.list_(_LEVEL),
}


def read_strictly(
    con: duckdb.DuckDBPyConnection, record: Record, name: str, topic: str | None = None
) -> None:
    """Make the relation `name` from `raw`: every record with its fields or its error.

    Parameters
    ----------
    con
        A connection on which `load_raw` was called.
    record
        What the records should be.
    name
        What the relation is called; it has the columns of `raw` without ``value``, ``event_time``,
        ``arrival`` (the position in `raw`), the fields, and why a record was refused.
    topic
        Read only what came from this topic; everything when None.
    """
    where = "WHERE source_topic = $topic" if topic else ""
    raw = con.execute(
        "SELECT * FROM (SELECT *, row_number() OVER () AS arrival FROM raw) " + where,
        {"topic": topic} if topic else {},
    ).to_arrow_table()
    readings = [
        reading(record, value, round(arrived.timestamp() * 1000))
        for value, arrived in zip(
            raw["value"].to_pylist(), raw["source_time"].to_pylist(), strict=True
        )
    ]
    schema = pa.schema(
        {
            **dict.fromkeys(VERDICT, pa.string()),
            **{field.name: _ARROW[field.type] for field in record.fields},
        }
    )
    read = pa.Table.from_pylist(readings, schema)
    table = raw.drop_columns(["value"])
    for column in schema.names:
        table = table.append_column(schema.field(column), read[column])
    con.register(f"{name}_rows", table)
    time = record.event_time.name
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {name} AS "
        f"SELECT *, make_timestamptz({time} * 1000) AS event_time FROM {name}_rows"
    )


def reading(record: Record, value: bytes | None, source_ms: int) -> dict[str, Any]:
    """Return the fields of a record, or why it is refused and what is kept of it."""
    result = read_record(record, value, source_ms)
    if not isinstance(result, Refused):
        return result.values
    return {
        "error_type": result.error_type,
        "error_message": result.error_message,
        "error_topic": result.topic,
        "original_value": original_value(value),
    }
