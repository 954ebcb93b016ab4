"""What may come next in a query: tables, columns of the tables it names, keywords, macros.

One answer for the shell and for the cells of notebooks, from the text alone: it needs no lake.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from workbench.lake.macros import macros_sql
from workbench.lake.names import all_tables, columns_of

KEYWORDS = (
    "SELECT", "FROM", "WHERE", "GROUP", "BY", "ORDER", "HAVING", "LIMIT", "OFFSET", "QUALIFY",
    "JOIN", "LEFT", "INNER", "FULL", "CROSS", "ASOF", "USING", "ON", "AS", "WITH", "UNION",
    "ALL", "DISTINCT", "CASE", "WHEN", "THEN", "ELSE", "END", "AND", "OR", "NOT", "IN", "IS",
    "NULL", "BETWEEN", "LIKE", "ILIKE", "ASC", "DESC", "OVER", "PARTITION", "WINDOW", "FILTER",
    "INTERVAL", "CAST", "EXCLUDE", "REPLACE", "COLUMNS", "DESCRIBE", "SUMMARIZE", "EXPLAIN",
    "PIVOT", "UNPIVOT", "VALUES", "SAMPLE",
)  # fmt: skip
_FUNCTIONS = (
    "count", "sum", "avg", "min", "max", "median", "quantile_cont", "stddev", "arg_min",
    "arg_max", "first", "last", "list", "lag", "lead", "row_number", "rank", "coalesce",
    "round", "abs", "date_trunc", "time_bucket", "strftime", "epoch_ms", "now",
)  # fmt: skip
_WORD = re.compile(r"[\w.]*$")
# `FROM market.trades AS t`, `JOIN market.trades t`
_NAMED = re.compile(r"\b([a-z_]+\.[a-z_]+)\b(?:\s+(?:AS\s+)?([a-z_]\w*))?", re.IGNORECASE)
_WANTS_TABLE = re.compile(r"\b(?:FROM|JOIN|DESCRIBE|SUMMARIZE|TABLE)\s+[\w.]*$", re.IGNORECASE)

# Texts, quoted names, dollar quotes and comments that have ended, and the beginnings of those
# that have not.
_CLOSED = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$\w*\$).*?\1|--[^\n]*\n|/\*.*?\*/""", re.DOTALL
)
_OPENS = re.compile(r"""['"]|--|/\*|\$\w*\$""")


@dataclass(frozen=True)
class Candidate:
    """A word that may take the place of what was typed."""

    text: str
    #: ``table``, ``column``, ``function``, ``keyword`` or ``value``.
    kind: str


def word_before(text: str) -> str:
    """Return the word at the end of a text; it may have dots.

    >>> word_before("SELECT t.pri")
    't.pri'
    """
    found = _WORD.search(text)
    return found[0] if found else ""


def complete(before: str, after: str = "", values: Iterable[str] = ()) -> list[Candidate]:
    """Return what the word before the cursor may become, the likeliest first.

    Parameters
    ----------
    before, after
        The query before and after the cursor.
    values
        Names that may stand behind a ``$``.

    Examples
    --------
    >>> [candidate.text for candidate in complete("FROM market.ex")]
    ['market.executions']
    >>> [candidate.text for candidate in complete("SELECT t.pri", " FROM market.trades t")]
    ['t.price']
    """
    word = word_before(before)
    start = before[: len(before) - len(word)]
    if start.endswith("$"):
        return [Candidate(name, "value") for name in sorted(values) if name.startswith(word)]
    if _inside_text(start):
        return []
    typed = word.lower()
    found = dict.fromkeys(
        candidate
        for candidate in _possible(before, after, word)
        if candidate.text.lower().startswith(typed) and candidate.text != word
    )
    return list(found)


def _inside_text(before: str) -> bool:
    """Whether the cursor stands in a text or a comment; a name in quotes may be completed.

    >>> [_inside_text(text) for text in ("-- don't\\nFROM ", "WHERE a = '-- ", "/* it's")]
    [False, True, True]
    """
    # What is closed is taken out from left to right: a quote in a comment opens no text.
    opened = _OPENS.search(_CLOSED.sub(" ", before))
    return opened is not None and opened[0] != '"'


def _possible(before: str, after: str, word: str) -> Iterator[Candidate]:
    aliases = _aliases(f"{before} {after}")
    tables = [Candidate(name, "table") for name in all_tables()]
    if _WANTS_TABLE.search(before):
        yield from tables
        return
    prefix, dot, _ = word.rpartition(".")
    if dot and prefix.lower() in aliases:
        for column in columns_of(aliases[prefix.lower()]):
            yield Candidate(f"{prefix}.{column}", "column")
        return
    named = list(dict.fromkeys(aliases.values()))
    for table in named or all_tables():
        for column in columns_of(table):
            yield Candidate(column, "column")
    yield from tables
    for name in (*_macros(), *_FUNCTIONS):
        yield Candidate(name, "function")
    for keyword in KEYWORDS:
        yield Candidate(keyword, "keyword")


def _aliases(query: str) -> dict[str, str]:
    """The tables that a query names, by alias, by full name and by the name alone."""
    known = {name.lower(): name for name in all_tables()}
    found: dict[str, str] = {}
    for table, alias in _NAMED.findall(query):
        name = known.get(table.lower())
        if name is None:
            continue
        found[name] = found[name.split(".")[1]] = name
        if alias and alias.upper() not in KEYWORDS:
            found[alias.lower()] = name
    return found


@cache
def _macros() -> tuple[str, ...]:
    """The macros that stand for figures, not those they are made of."""
    names = re.findall(r"CREATE OR REPLACE MACRO (\w+)\(", macros_sql())
    return tuple(name for name in names if not re.match(r"half_up|units|of_units", name))
