"""Values of a query, without the import of pandas that DuckDB's own way of binding begins with.

DuckDB holds every value against the missing values of pandas and imports it for that, which takes
longer than most queries. Moments and whole numbers can be written out instead: they are nothing
but themselves in any text. A text of somebody's is never written into a statement.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from duckdb import DuckDBPyConnection


def run(
    cursor: DuckDBPyConnection, sql: str, parameters: Sequence[Any] | Mapping[str, Any] | None
) -> DuckDBPyConnection:
    """Run one statement with its values.

    Examples
    --------
    >>> import duckdb
    >>> with duckdb.connect() as connection:
    ...     run(connection, "SELECT $n + 1", {"n": 1}).fetchone()
    (2,)
    """
    if parameters is None:
        return cursor.execute(sql)
    written = None if "pandas" in sys.modules else _written(parameters)
    if written is None:
        return cursor.execute(sql, parameters)
    cursor.execute(f"PREPARE asked AS {sql}")
    return cursor.execute(f"EXECUTE asked({written})")


def _written(parameters: Sequence[Any] | Mapping[str, Any]) -> str | None:
    """The values as arguments of EXECUTE; None where DuckDB has to bind them itself."""
    if not isinstance(parameters, Mapping) or not parameters:
        return None
    values = {name: _literal(value) for name, value in parameters.items()}
    if None in values.values() or not all(name.isidentifier() for name in values):
        return None
    return ", ".join(f"{name} := {literal}" for name, literal in values.items())


def _literal(value: object) -> str | None:
    """A moment in UTC or a whole number as DuckDB reads it; None for anything else.

    >>> _literal(-5), _literal("5"), _literal(datetime(2024, 8, 8, tzinfo=UTC))
    ('-5', None, "TIMESTAMPTZ '2024-08-08T00:00:00+00:00'")
    """
    # No subclass: what it says of itself in a text may be anything.
    if type(value) is int:
        return str(value)
    if type(value) is datetime and value.tzinfo is UTC:
        return f"TIMESTAMPTZ '{value.isoformat()}'"
    return None
