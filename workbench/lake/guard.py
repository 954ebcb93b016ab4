"""Which statements a read-only session answers: queries, and nothing that could write.

DuckDB's locks (`enable_external_access`, `allowed_directories`, `lock_configuration`) keep a
statement away from other files, but inside the allowed folders they let it write. So the
statement itself is judged first, on the tree that DuckDB's own parser makes of it: one SELECT
whose table functions are known to read only. What the parser does not know as a SELECT is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from workbench.errors import UsageError, WorkbenchError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# `enable_logging` and `enable_profiling` write files, `query` and `json_execute_serialized_sql`
# run text that nobody has judged: a list of what may is safer than one of what may not. `glob`
# lists folders outside, through links that lead there.
_READING_FUNCTIONS = {
    "generate_series", "json_each", "json_tree", "parquet_file_metadata",
    "parquet_metadata", "parquet_scan", "parquet_schema", "pragma_table_info", "pragma_version",
    "range", "read_blob", "read_csv", "read_csv_auto", "read_json", "read_json_auto",
    "read_json_objects", "read_ndjson", "read_ndjson_auto", "read_parquet", "read_text", "repeat",
    "repeat_row", "summary", "unnest", "duckdb_columns", "duckdb_functions", "duckdb_keywords",
    "duckdb_memory", "duckdb_schemas", "duckdb_settings", "duckdb_tables", "duckdb_types",
    "duckdb_views",
}  # fmt: skip
_COMMENT = r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*"
_EXPLAIN = re.compile(
    rf"{_COMMENT}EXPLAIN\b{_COMMENT}(?:ANALYZE\b)?{_COMMENT}"
    rf"(?:\({_COMMENT}(?:ANALYZE\b|FORMAT\s+\w+|,|\s)+\))?",
    re.IGNORECASE | re.DOTALL,
)


class NotAQuery(WorkbenchError):
    """A statement that is not one query; its text was judged, not run."""

    exit_code = 2


def check_reads_only(connection: DuckDBPyConnection, sql: str) -> None:
    """Refuse a statement that is not one query over what may be read.

    Parameters
    ----------
    connection
        Any DuckDB connection; its parser is used.
    sql
        The statement.

    Raises
    ------
    NotAQuery
        Says what was refused.
    UsageError
        For a syntax error.
    """
    tree = syntax_tree(connection, sql)
    if tree.get("error"):
        message = str(tree.get("error_message", "")).splitlines()[0]
        if "Only SELECT" in message:
            raise NotAQuery(
                f"only queries are answered here, not {_first_words(sql)!r}",
                hint="the session is read-only; start with SELECT, WITH, FROM, DESCRIBE or EXPLAIN",
            )
        raise UsageError(message or f"cannot be parsed: {_first_words(sql)!r}")
    if len(tree["statements"]) != 1:
        raise NotAQuery(f"one query at a time, got {len(tree['statements'])}")
    for name in _table_functions(tree["statements"]):
        if name not in _READING_FUNCTIONS:
            raise NotAQuery(f"the table function {name!r} is not available in a read-only session")


def syntax_tree(connection: DuckDBPyConnection, sql: str) -> dict[str, Any]:
    """Return what DuckDB's parser makes of a query, or of the query that is explained.

    Returns
    -------
    dict
        ``statements``; or ``error`` and ``error_message`` for what is no query.
    """
    tree = _tree(connection, sql)
    if tree.get("error") and (explained := _EXPLAIN.match(sql)):
        tree = _tree(connection, sql[explained.end() :])
    return tree


def _tree(connection: DuckDBPyConnection, sql: str) -> dict[str, Any]:
    # As hex digits, which are nothing but themselves: to bind a value DuckDB imports pandas.
    digits = sql.encode("utf-8", "surrogatepass").hex()
    row = connection.execute(f"SELECT json_serialize_sql(decode(unhex('{digits}')))").fetchone()
    tree: dict[str, Any] = json.loads(row[0]) if row else {"error": True}
    return tree


def _table_functions(node: Any) -> Iterator[str]:
    """Names of the table functions anywhere in the tree."""
    if isinstance(node, dict):
        if node.get("type") == "TABLE_FUNCTION":
            yield str((node.get("function") or {}).get("function_name", "")).lower()
        for value in node.values():
            yield from _table_functions(value)
    elif isinstance(node, list):
        for value in node:
            yield from _table_functions(value)


def _first_words(sql: str) -> str:
    words = re.sub(_COMMENT, " ", sql, count=1, flags=re.DOTALL).split()
    return " ".join(words[:2])[:40] or sql.strip()[:40]
