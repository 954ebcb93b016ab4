"""Units of the columns of an answer: those that are columns of the lake, just as they lie there.

Only a bare reference has the unit of its column, under whatever name; ``price * 2`` or
``sum(quantity)`` has none. Where the tree of the query leaves a doubt there is no unit: a wrong
one is worse than none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb

from workbench.lake.guard import syntax_tree
from workbench.lake.names import all_tables, columns_of, units_of

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

#: Columns in order, each with its unit; None for those of which nothing is known.
_Columns: TypeAlias = list[tuple[str, str | None]] | None
_Given: TypeAlias = Mapping[str, _Columns]
# The catalog of a database in memory; tables of another one are not the lake's.
_OWN_CATALOGS = {"", "memory"}
#: Joins that show the columns of their left side alone.
_LEFT_ALONE = {"SEMI", "ANTI"}


@dataclass(frozen=True)
class _Relation:
    """A table, or a query in place of one, as the select list sees it."""

    name: str
    schema: str
    columns: _Columns


def column_units(connection: DuckDBPyConnection, sql: str) -> dict[str, str]:
    """Return the unit of every column of an answer that is a column of the lake.

    Parameters
    ----------
    connection
        Any DuckDB connection; its parser is used.
    sql
        One query that DuckDB takes.

    Examples
    --------
    >>> import duckdb
    >>> text = "SELECT price AS paid, price * quantity AS notional FROM market.trades"
    >>> column_units(duckdb.connect(), text)
    {'paid': 'quote currency'}
    """
    try:
        tree = syntax_tree(connection, sql)
    except duckdb.Error:
        return {}
    if tree.get("error") or len(tree["statements"]) != 1:
        return {}
    return _agreed(_of_node(tree["statements"][0]["node"], {}) or [])


def _agreed(columns: list[tuple[str, str | None]]) -> dict[str, str]:
    """Units by name, without the names of which two columns say different things."""
    said: dict[str, set[str | None]] = {}
    for name, unit in columns:
        said.setdefault(name.lower(), set()).add(unit)
    return {name: unit for name, unit in columns if unit and len(said[name.lower()]) == 1}


def _of_node(node: Mapping[str, Any], given: _Given) -> _Columns:
    """The columns of a SELECT; of a UNION and the like nothing is known."""
    if node["type"] != "SELECT_NODE":
        return None
    given = dict(given)
    for part in (node.get("cte_map") or {}).get("map", []):
        query = part["value"]
        named = None if query.get("aliases") else _of_node(query["query"]["node"], given)
        given[part["key"].lower()] = named
    relations, joined = _relations(node["from_table"], given)
    found: list[tuple[str, str | None]] = []
    for item in node["select_list"]:
        if item["type"] == "STAR":
            starred = _of_star(item, relations)
            if starred is None:
                return None
            found += starred
        elif item["type"] == "COLUMN_REF":
            name, unit = _of_reference(item["column_names"], relations, joined)
            found.append((item["alias"] or name, unit))
        else:
            # Without an alias it is named by its text, which is no name of a column.
            found.append((item["alias"], None))
    return found


def _relations(table: Mapping[str, Any], given: _Given) -> tuple[list[_Relation], set[str] | None]:
    """What stands behind FROM, and the columns that joins made one of two; None for any."""
    kind, alias = table["type"], table.get("alias") or ""
    if kind == "EMPTY":
        return [], set()
    if kind == "JOIN":
        left, of_left = _relations(table["left"], given)
        right, of_right = _relations(table["right"], given)
        if table["join_type"] in _LEFT_ALONE:
            return left, of_left
        if table["ref_type"] == "NATURAL" or of_left is None or of_right is None:
            return left + right, None
        using = {str(name).lower() for name in table.get("using_columns") or []}
        return left + right, of_left | of_right | using
    schema, name, columns = "", alias, None
    if kind == "BASE_TABLE" and table["catalog_name"].lower() in _OWN_CATALOGS:
        schema, name = table["schema_name"].lower(), table["table_name"].lower()
        columns = _of_table(f"{schema}.{name}") if schema else given.get(name)
        name = alias or name
    elif kind == "SUBQUERY":
        columns = _of_node(table["subquery"]["node"], given)
    if table.get("column_name_alias"):
        columns = None
    return [_Relation(name.lower(), "" if alias else schema, columns)], set()


def _of_table(name: str) -> _Columns:
    if name not in all_tables():
        return None
    units = units_of(name)
    return [(column, units.get(column)) for column in columns_of(name)]


def _of_star(item: Mapping[str, Any], relations: list[_Relation]) -> _Columns:
    """The columns of ``*`` or ``t.*``; None for ``COLUMNS(...)`` and where one is not known."""
    wanted = item["relation_name"].lower()
    chosen = [each for each in relations if not wanted or each.name == wanted]
    if item["columns"] or item["expr"] or not chosen:
        return None
    left_out = {name.lower() for name in item["exclude_list"]}
    left_out |= {each["column"].lower() for each in item["qualified_exclude_list"]}
    replaced = {each["key"].lower() for each in item["replace_list"]}
    renamed = {each["key"]["column"].lower(): each["value"] for each in item["rename_list"]}
    found: list[tuple[str, str | None]] = []
    for relation in chosen:
        if relation.columns is None:
            return None
        for name, unit in relation.columns:
            small = name.lower()
            if small not in left_out:
                kept = None if small in replaced else unit
                found.append((renamed.get(small, name), kept))
    return found


def _of_reference(
    names: list[str], relations: list[_Relation], joined: set[str] | None
) -> tuple[str, str | None]:
    """The name of a column that is referred to, and its unit where there is no doubt."""
    *before, last = [name.lower() for name in names]
    if before:
        # Of a table and a column of one name nobody knows whose part is meant.
        if any(before[-1] == name.lower() for each in relations for name, _ in each.columns or []):
            return names[-1], None
        chosen = [each for each in relations if each.name == before[-1]]
        if len(before) > 1:
            chosen = [each for each in chosen if each.schema == before[-2]]
    else:
        chosen = relations
        unknown = any(each.columns is None for each in relations)
        if unknown and (joined is None or last in joined):
            return names[-1], None
    found = [
        column for each in chosen for column in each.columns or [] if column[0].lower() == last
    ]
    if len({unit for _, unit in found}) != 1:
        return names[-1], None
    return found[0]
