"""Which tables a query reads, by the tree that DuckDB's own parser makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import duckdb

from workbench.lake.guard import syntax_tree

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# They run text that is not in the tree.
_RUN_TEXT = {"query", "query_table", "json_execute_serialized_sql"}
# The catalog of a database in memory; tables of another one are not the lake's.
_OWN_CATALOGS = {"", "memory"}


def tables_read(connection: DuckDBPyConnection, sql: str) -> set[tuple[str, str]] | None:
    """Return schema and name, in small letters, of every table or view that a query reads.

    The schema is empty where the query does not say it. Names that `WITH` gives to a part of the
    query are no tables; neither are columns, aliases, texts and comments.

    Parameters
    ----------
    connection
        Any DuckDB connection; its parser is used, and the tables need not be there.
    sql
        One statement; it may wait for values.

    Returns
    -------
    set of tuple or None
        None where the tree does not say: ``PIVOT``, ``CREATE TABLE ... AS``, ``query_table``.

    Examples
    --------
    >>> import duckdb
    >>> text = "WITH t AS (FROM market.trades) SELECT 'ops.late_rows' AS alerts FROM t"
    >>> tables_read(duckdb.connect(), text)
    {('market', 'trades')}
    """
    try:
        tree = syntax_tree(connection, sql)
    except duckdb.Error:
        return None
    if tree.get("error"):
        return None
    found = set(_sources(tree["statements"], frozenset()))
    if any(schema is None for schema, _ in found):
        return None
    return {(schema or "", name) for schema, name in found}


def _sources(node: Any, given: frozenset[str]) -> Iterator[tuple[str | None, str]]:
    """Tables below a node; without a schema at all for what runs a text of its own.

    `given` are the names that `WITH` gives where the node stands.
    """
    if isinstance(node, list):
        for each in node:
            yield from _sources(each, given)
    if not isinstance(node, dict):
        return
    kind = node.get("type")
    if kind == "BASE_TABLE" and node["catalog_name"].lower() in _OWN_CATALOGS:
        schema, name = node["schema_name"].lower(), node["table_name"].lower()
        if schema or name not in given:
            yield schema, name
    elif kind == "TABLE_FUNCTION" and node["function"]["function_name"].lower() in _RUN_TEXT:
        yield None, ""
    elif kind == "RECURSIVE_CTE_NODE":
        given |= {node["cte_name"].lower()}
    # One after the other: each part sees the names before it.
    for part in (node.get("cte_map") or {}).get("map", []):
        yield from _sources(part["value"], given)
        given |= {part["key"].lower()}
    for name, value in node.items():
        if name != "cte_map":
            yield from _sources(value, given)
