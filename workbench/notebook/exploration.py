"""From what is chosen in the explorer to the query that answers it; nothing here draws or asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from workbench.errors import UsageError, did_you_mean, quoted
from workbench.lake.views import quote_name, quote_text

#: Operators by the words they are shown with.
COMPARISONS = {"=": "=", "≠": "<>", "<": "<", "≤": "<=", ">": ">", "≥": ">="}
OPERATORS = (*COMPARISONS, "contains", "is one of", "is empty", "is not empty")
#: Operators that need no value.
ALONE = ("is empty", "is not empty")
BUCKETS = ("", "1 minute", "5 minutes", "15 minutes", "1 hour", "1 day")
#: Measures that are taken of a column.
OF_A_COLUMN = ("sum", "avg", "min", "max", "median", "distinct values")
#: Measures of the trades alone: they need a price and a quantity.
OF_TRADES = ("notional", "VWAP")
MEASURES = ("rows", "count", *OF_A_COLUMN, *OF_TRADES)
MOST_ROWS = 10_000
_FIGURES = {
    "notional": "sum(notional(price, quantity))",
    "VWAP": "vwap(sum(notional(price, quantity)), sum(quantity))",
}
_NAMES = {"distinct values": "distinct", "VWAP": "vwap"}
_NUMBERS = ("DECIMAL", "BIGINT", "INTEGER", "DOUBLE", "FLOAT", "HUGEINT", "SMALLINT", "TINYINT")

Columns: TypeAlias = Mapping[str, str]
#: How a value stands in a query: as the name it is bound to, or written out.
_Place: TypeAlias = Callable[[str | list[str]], str]


@dataclass(frozen=True)
class Filter:
    """Rows to keep: a column, one of `OPERATORS`, and a value as it was typed."""

    column: str
    operator: str
    value: str = ""


@dataclass(frozen=True)
class State:
    """What is chosen.

    Parameters
    ----------
    table
        Name of the table or view.
    filters
        All of them hold for the rows that count.
    group
        Up to two columns; the second makes a line or a row each.
    bucket
        Length of the steps of the first group, where it is a time; one of `BUCKETS`.
    measure
        One of `MEASURES`; ``rows`` shows rows as they are, the newest first.
    of
        The column that is measured.
    limit
        Rows of the answer at most; of a series of time the newest.
    """

    table: str
    filters: tuple[Filter, ...] = ()
    group: tuple[str, ...] = ()
    bucket: str = ""
    measure: str = "rows"
    of: str = ""
    limit: int = 1_000


@dataclass(frozen=True)
class Query:
    """A query with its values bound, and the same with them written out."""

    sql: str
    parameters: dict[str, Any] = field(default_factory=dict)
    #: For copying: asks the same with no parameters.
    copyable: str = ""

    def cell(
        self, provenance: str, as_of: str = "", snapshot: tuple[str, str] | None = None
    ) -> str:
        """Return the query to be copied, with the moment and the snapshot it was asked at.

        Parameters
        ----------
        provenance
            Says in a comment what it was that answered.
        as_of
            The moment that was chosen; empty for the session's own.
        snapshot
            The table and the snapshot that were chosen; None for the session's own.

        Returns
        -------
        str
            A query; a cell of a notebook where a moment or a snapshot was chosen.

        Examples
        --------
        >>> print(Query("", copyable="FROM t;").cell("as of noon", "2024-08-08"))
        %%wb --as-of '2024-08-08'
        -- as of noon
        FROM t;
        """
        options = [f"--as-of {quote_text(as_of)}"] if as_of else []
        options += [f"--snapshot {'='.join(snapshot)}"] if snapshot else []
        # This name of the magic is ours whatever else is loaded.
        head = [f"%%wb {' '.join(options)}"] if options else []
        return "\n".join([*head, f"-- {provenance}", self.copyable])


def is_time(kind: str) -> bool:
    """Whether values of a DuckDB type can be cut into steps of time.

    >>> is_time("TIMESTAMP WITH TIME ZONE"), is_time("VARCHAR")
    (True, False)
    """
    return kind.startswith(("TIMESTAMP", "DATE"))


def in_time(state: State, columns: Columns) -> bool:
    """Whether the answer is a series of time: it is in order of its first group."""
    return bool(state.group) and is_time(columns.get(state.group[0], ""))


def title_of(state: State, columns: Columns, *, more: bool) -> str:
    """Return what a grouped answer is, and that there is more of it where there is.

    Examples
    --------
    >>> state = State("market.trades", group=("event_time", "side"), measure="count")
    >>> title_of(state, {"event_time": "TIMESTAMP", "side": "VARCHAR"}, more=True)
    'count by event_time and side, the newest 1,000 of more'
    """
    of = f" of {state.of}" if state.measure in OF_A_COLUMN else ""
    told = f"{state.measure}{of} by {' and '.join(state.group)}"
    kept = "newest" if in_time(state, columns) else "first"
    return f"{told}, the {kept} {state.limit:,} of more" if more else told


def is_number(kind: str) -> bool:
    """Whether values of a DuckDB type can be added up.

    >>> is_number("DECIMAL(18,8)"), is_number("VARCHAR")
    (True, False)
    """
    return kind.startswith(_NUMBERS)


def query_of(state: State, columns: Columns, newest: str = "", *, beyond: int = 0) -> Query:
    """Return the query that answers what is chosen.

    Of more groups than the limit, those with the largest measure are kept; of steps of time the
    newest.

    Parameters
    ----------
    state
        What is chosen.
    columns
        Type of every column of the table, as DuckDB names them.
    newest
        The column of time that rows are shown by, the newest first.
    beyond
        Rows to ask for beyond the limit: one tells whether there are more.

    Raises
    ------
    UsageError
        For a choice that cannot be: an unknown column, a sum of texts, a value that is missing.

    Examples
    --------
    >>> state = State("market.trades", (Filter("symbol", "=", "AAPL"),), ("side",), "", "count")
    >>> query = query_of(state, {"symbol": "VARCHAR", "side": "VARCHAR"})
    >>> print(query.sql)
    SELECT "side", count(*) AS "count"
    FROM "market"."trades"
    WHERE "symbol" = CAST($v1 AS VARCHAR)
    GROUP BY ALL
    ORDER BY "count" DESC, "side"
    LIMIT 1000
    >>> query.parameters
    {'v1': 'AAPL'}
    """
    _check(state, columns)
    values: dict[str, Any] = {}

    def bind(value: str | list[str]) -> str:
        name = f"v{len(values) + 1}"
        values[name] = value
        return f"${name}"

    state = replace(state, limit=state.limit + beyond)
    sql = _text(state, columns, newest, bind)
    return Query(sql, values, f"{_text(state, columns, newest, _literal)};")


def _literal(value: str | list[str]) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(quote_text, value))}]"
    return quote_text(value)


def _check(state: State, columns: Columns) -> None:
    named = [(each.column, "filter") for each in state.filters]
    named += [(name, "group") for name in state.group]
    if state.measure in OF_A_COLUMN:
        named.append((state.of, state.measure))
    for name, what in named:
        if name not in columns:
            said = f"no column {quoted(name)}" if name else f"choose a column for {what}"
            raise UsageError(said, hint=did_you_mean(name, list(columns)) if name else None)
    for value, known in (
        (state.measure, MEASURES),
        (state.bucket, BUCKETS),
        *((each.operator, OPERATORS) for each in state.filters),
    ):
        if value not in known:
            raise UsageError(f"no choice {quoted(value)}", hint=did_you_mean(value, known))
    if len(set(state.group)) != len(state.group) or len(state.group) > 2:
        raise UsageError("group by one column, or by two that differ")
    if state.measure in ("sum", "avg", "median") and not is_number(columns[state.of]):
        raise UsageError(
            f"{state.measure} needs a number, {state.of!r} is none",
            hint="choose min, max or distinct values",
        )
    if state.measure in OF_TRADES and not {"price", "quantity"} <= set(columns):
        raise UsageError(f"{state.measure} needs the columns price and quantity")
    if not 1 <= state.limit <= MOST_ROWS:
        raise UsageError(f"rows must be from 1 to {MOST_ROWS:,}, got {state.limit:,}")


def _text(state: State, columns: Columns, newest: str, place: _Place) -> str:
    where = [_condition(each, columns, place) for each in state.filters]
    lines = [f"FROM {quote_name(state.table)}"]
    lines += [f"{'  AND' if number else 'WHERE'} {each}" for number, each in enumerate(where)]
    if state.measure == "rows":
        if state.group:
            raise UsageError("rows have no groups", hint="choose a measure, for example count")
        order = [f"ORDER BY {quote_name(newest)} DESC"] if newest in columns else []
        return "\n".join(["SELECT *", *lines, *order, f"LIMIT {state.limit}"])
    measure, name = _measure(state), _measure_name(state)
    groups = [_group(state, column, columns) for column in state.group]
    selected = [text if text == shown else f"{text} AS {shown}" for text, shown in groups]
    lines.insert(0, f"SELECT {', '.join([*selected, f'{measure} AS {name}'])}")
    if not groups:
        return "\n".join([*lines, f"LIMIT {state.limit}"])
    by = [shown for _, shown in groups]
    lines.append("GROUP BY ALL")
    if not in_time(state, columns):
        largest = ", ".join((f"{name} DESC", *by))
        return "\n".join([*lines, f"ORDER BY {largest}", f"LIMIT {state.limit}"])
    # From the newest back, and then in order: the other way round the newest would be cut off.
    back = ", ".join((f"{by[0]} DESC", *by[1:]))
    lines += [f"ORDER BY {back}", f"LIMIT {state.limit}"]
    inner = "\n".join(f"    {line}" for line in lines)
    return f"SELECT *\nFROM (\n{inner}\n)\nORDER BY {', '.join(by)}"


def _condition(given: Filter, columns: Columns, place: _Place) -> str:
    column, kind = quote_name(given.column), columns[given.column]
    if given.operator in ALONE:
        return f"{column} IS {'NOT ' if given.operator == 'is not empty' else ''}NULL"
    if not given.value.strip():
        raise UsageError(f"{given.column} {given.operator} needs a value")
    if "\x00" in given.value:
        raise UsageError(f"the value for {given.column} has a zero byte in it")
    if given.operator == "contains":
        return f"contains(lower(CAST({column} AS VARCHAR)), lower({place(given.value)}))"
    if given.operator == "is one of":
        wanted = [part.strip() for part in given.value.split(",") if part.strip()]
        return f"list_contains(CAST({place(wanted)} AS {kind}[]), {column})"
    return f"{column} {COMPARISONS[given.operator]} CAST({place(given.value)} AS {kind})"


def _group(state: State, column: str, columns: Columns) -> tuple[str, str]:
    """What a group is made of, and the name of its column."""
    shown = quote_name(column)
    if state.bucket and column == state.group[0] and is_time(columns[column]):
        return f"time_bucket(INTERVAL {quote_text(state.bucket)}, {shown})", shown
    return shown, shown


def _measure(state: State) -> str:
    if state.measure == "count":
        return "count(*)"
    if state.measure in _FIGURES:
        return _FIGURES[state.measure]
    if state.measure == "distinct values":
        return f"count(DISTINCT {quote_name(state.of)})"
    return f"{state.measure}({quote_name(state.of)})"


def _measure_name(state: State) -> str:
    name = _NAMES.get(state.measure, state.measure)
    return (
        '"'
        + (f"{name}_{state.of}" if state.measure in OF_A_COLUMN else name).replace('"', '""')
        + '"'
    )
