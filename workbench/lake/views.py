"""DuckDB views over pinned tables: the data files of one snapshot, columns as the contracts say.

Columns are found by Iceberg's field ids, so a file that is older than a column reads as null
there, and a renamed column keeps its values. (Contracts never rename; another writer might.)
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from workbench.contracts import Table
from workbench.contracts.records import EXECUTIONS
from workbench.contracts.types import Field, duckdb_type
from workbench.errors import LakeError
from workbench.lake.locations import local_path
from workbench.lake.pins import Pin

if TYPE_CHECKING:
    from pyiceberg.schema import Schema

#: Views derived from tables, and the table each reads.
DERIVED = {
    "market.executions": "market.trades",
    "market.trade_aggregates_current": "market.trade_aggregates",
}
#: What a row of them is.
DERIVED_DOCS = {
    "market.executions": "The trades that are volume: filled, whole or in part.",
    "market.trade_aggregates_current": "One row per symbol, window size and window, merged.",
}
REFERENCE = "reference.symbols"
#: The kept runs of reports; read from their folders when a query names it.
REPORT_RUNS = "ops.report_runs"
_ICEBERG_TO_DUCKDB = {
    "string": "VARCHAR",
    "binary": "BLOB",
    "boolean": "BOOLEAN",
    "int": "INTEGER",
    "long": "BIGINT",
    "float": "FLOAT",
    "double": "DOUBLE",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
    "uuid": "UUID",
}


def quote_name(name: str) -> str:
    """Return an identifier in double quotes; a qualified name part by part.

    >>> quote_name("market.trades")
    '"market"."trades"'
    """
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))


def quote_text(text: str) -> str:
    """Return a string literal.

    >>> quote_text("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def table_view(pin: Pin) -> str:
    """Return the statement that creates the view of a pinned table.

    Raises
    ------
    LakeError
        Where the snapshot has equality deletes, or files that cannot be read from here.
    """
    head = f"CREATE OR REPLACE VIEW {quote_name(pin.table.name)} AS\n"
    if not pin.files:
        return head + _empty(pin.table)
    assert pin.source is not None
    schema = pin.source.schema()
    if pin.delete_count:
        return head + _select(pin.table, schema, _scan_with_deletes(pin))
    return head + _select(pin.table, schema, _scan(pin, schema))


def _empty(table: Table) -> str:
    columns = ",\n    ".join(_null(column) for column in table.columns)
    return f"SELECT\n    {columns}\nWHERE false"


def _null(column: Field) -> str:
    return f"CAST(NULL AS {duckdb_type(column.type)}) AS {quote_name(column.name)}"


def _select(table: Table, schema: Schema, source: str) -> str:
    """The contract's columns in its order, then those the contract does not know."""
    present = {field.name: str(field.field_type) for field in schema.fields}
    columns = []
    for column in table.columns:
        name, wanted = quote_name(column.name), duckdb_type(column.type)
        if column.name not in present:
            columns.append(_null(column))
        elif _duckdb_name(present.pop(column.name)) == wanted:
            columns.append(name)
        else:
            columns.append(f"CAST({name} AS {wanted}) AS {name}")
    columns += [quote_name(name) for name, kind in present.items() if _duckdb_name(kind)]
    return "SELECT\n    " + ",\n    ".join(columns) + f"\nFROM {source}"


def _duckdb_name(iceberg: str) -> str | None:
    decimal = re.fullmatch(r"decimal\((\d+), ?(\d+)\)", iceberg)
    if decimal:
        return f"DECIMAL({decimal[1]}, {decimal[2]})"
    return _ICEBERG_TO_DUCKDB.get(iceberg)


def _scan(pin: Pin, schema: Schema) -> str:
    paths = ", ".join(quote_text(file.path) for file in pin.files)
    by_id = []
    nested = False
    for field in schema.fields:
        kind = _duckdb_name(str(field.field_type))
        nested = nested or kind is None
        by_id.append(
            f"{field.field_id}: {{name: {quote_text(field.name)}, type: {quote_text(kind or '')}, "
            "default_value: NULL}"
        )
    # The map of ids has no nested types: such tables are read by name.
    option = "union_by_name = true" if nested else f"schema = MAP {{{', '.join(by_id)}}}"
    return f"read_parquet([{paths}], {option})"


def _scan_with_deletes(pin: Pin) -> str:
    assert pin.source is not None and pin.snapshot is not None
    if "EQUALITY_DELETES" in pin.delete_kinds():
        raise LakeError(
            f"table {pin.table.name} has equality deletes, which DuckDB reads wrongly",
            hint="compact the table with the engine that wrote them",
        )
    location = quote_text(local_path(pin.source.metadata_location))
    return f"iceberg_scan({location}, snapshot_from_id = {pin.snapshot.snapshot_id})"


def derived_view(name: str) -> str:
    """Return the statement that creates a derived view."""
    head = f"CREATE OR REPLACE VIEW {quote_name(name)} AS\n"
    if name == "market.executions":
        statuses = ", ".join(quote_text(status) for status in EXECUTIONS)
        return f"{head}SELECT * FROM market.trades WHERE status IN ({statuses})"
    return head + _view_text(name.split(".")[1])


@cache
def _view_text(name: str) -> str:
    return files("workbench.lake").joinpath(f"views/{name}.sql").read_text(encoding="utf-8")
