"""The few types of the contracts, and what each is called in every engine."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Type(Enum):
    """A type of the contracts.

    Prices and quantities have 18 digits, 8 of them decimals (half-up rounding on landing):
    their product and sums of it are then exact in 38 digits in Flink, Iceberg, DuckDB and
    Polars alike.
    """

    STRING = "string"
    BYTES = "bytes"
    BOOLEAN = "boolean"
    INT = "int"
    LONG = "long"
    #: A price or a quantity.
    DECIMAL = "decimal(18,8)"
    #: A sum of quantities.
    VOLUME = "decimal(38,8)"
    #: A sum of price times quantity.
    NOTIONAL = "decimal(38,16)"
    #: A rounded result: VWAP, ratio.
    RESULT = "decimal(18,4)"
    #: A rounded percentage or number of basis points.
    PERCENT = "decimal(18,2)"
    #: UTC, microseconds, in tables; epoch milliseconds in records (see `Record`).
    TIMESTAMP = "timestamptz"
    DATE = "date"
    #: Levels of one side of an order book, best first.
    LEVELS = "levels"


_FLINK = {
    Type.STRING: "STRING",
    Type.BYTES: "BYTES",
    Type.BOOLEAN: "BOOLEAN",
    Type.INT: "INT",
    Type.LONG: "BIGINT",
    Type.DECIMAL: "DECIMAL(18, 8)",
    Type.VOLUME: "DECIMAL(38, 8)",
    Type.NOTIONAL: "DECIMAL(38, 16)",
    Type.RESULT: "DECIMAL(18, 4)",
    Type.PERCENT: "DECIMAL(18, 2)",
    Type.TIMESTAMP: "TIMESTAMP_LTZ(6)",
    Type.DATE: "DATE",
    Type.LEVELS: "ARRAY<ROW<price DECIMAL(18, 8), quantity DECIMAL(18, 8)>>",
}
_DUCKDB = {
    Type.STRING: "VARCHAR",
    Type.BYTES: "BLOB",
    Type.BOOLEAN: "BOOLEAN",
    Type.INT: "INTEGER",
    Type.LONG: "BIGINT",
    Type.DECIMAL: "DECIMAL(18, 8)",
    Type.VOLUME: "DECIMAL(38, 8)",
    Type.NOTIONAL: "DECIMAL(38, 16)",
    Type.RESULT: "DECIMAL(18, 4)",
    Type.PERCENT: "DECIMAL(18, 2)",
    Type.TIMESTAMP: "TIMESTAMPTZ",
    Type.DATE: "DATE",
    Type.LEVELS: "STRUCT(price DECIMAL(18, 8), quantity DECIMAL(18, 8))[]",
}


def flink_type(kind: Type) -> str:
    """Return the Flink SQL name of a type.

    >>> flink_type(Type.TIMESTAMP)
    'TIMESTAMP_LTZ(6)'
    """
    return _FLINK[kind]


def duckdb_type(kind: Type) -> str:
    """Return the DuckDB name of a type.

    >>> duckdb_type(Type.LONG)
    'BIGINT'
    """
    return _DUCKDB[kind]


@dataclass(frozen=True)
class Field:
    """One field of a record or one column of a table.

    Parameters
    ----------
    name
        Name in records, tables and every engine.
    type
        Its type.
    doc
        What it means.
    unit
        The unit of a number: ``shares or coins``, ``quote currency``, ``ms since 1970, UTC``.
    required
        Whether a record or a row without it is refused.
    symbols
        The values an enumeration may have; matched without regard to case and blanks.
    positive
        Whether a value must be finite and above zero.
    event_time
        Whether this is the time the event happened, which moves the watermark.
    normalised
        Whether surrounding blanks are cut and letters made capital on reading.
    best
        Of a side of an order book: ``highest`` or ``lowest``, the price its levels start with.
    factor
        Whether it is a factor of the record's notional, which is below `records.MAX_NOTIONAL`.
    """

    name: str
    type: Type
    doc: str
    unit: str | None = None
    required: bool = True
    symbols: tuple[str, ...] = ()
    positive: bool = False
    event_time: bool = False
    normalised: bool = False
    best: str = ""
    factor: bool = False
