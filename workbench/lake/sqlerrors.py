"""DuckDB's errors as one line that says what to do."""

from __future__ import annotations

import re
from collections.abc import Iterable

import duckdb

from workbench.errors import LakeError, UsageError, WorkbenchError, did_you_mean, quoted
from workbench.lake.damage import damaged_file
from workbench.lake.names import nearest_table

_TABLE = re.compile(r'Table with name "?([^\s"]+)"? does not exist')
_COLUMN = re.compile(r'Referenced column "([^"]+)" not found|not have a column named "([^"]+)"')
_CANDIDATES = re.compile(r"Candidate bindings: (.*)")
_FUNCTION = re.compile(r"(\w+) Function with name \"?([^\s\"]+)\"? does not exist")
_TORN = re.compile(
    r"No magic bytes found at end of file '([^']+)'|File '([^']+)' too small to be a Parquet"
    r'|No files found that match the pattern "([^"]+\.parquet)"'
)
_UNBOUND = re.compile(r"Values were not provided for .* parameters: (.+)")
_LONGEST = 300
_PREFIX = re.compile(r"^[A-Z][A-Za-z -]* Error: ")


def translate(error: duckdb.Error, columns: Iterable[str] = ()) -> WorkbenchError:
    """Return the error a user sees for one of DuckDB's.

    Parameters
    ----------
    error
        What DuckDB raised.
    columns
        Columns of the tables the query names, for "did you mean".

    Examples
    --------
    >>> print(translate(duckdb.CatalogException("Table with name trade does not exist!")))
    no table 'trade': did you mean 'market.trades'?
    """
    text = str(error)
    first = _PREFIX.sub("", text.splitlines()[0] if text else type(error).__name__)
    if match := _TABLE.search(text):
        return UsageError(f"no table {quoted(match[1])}", hint=nearest_table(match[1]))
    if match := _COLUMN.search(text):
        return _column_error(match[1] or match[2], text, columns)
    if match := _FUNCTION.search(text):
        return UsageError(f"no function {quoted(match[2])}", hint=_suggested(text))
    if match := _UNBOUND.search(text):
        name = match[1].split(", ")[0]
        return UsageError(f"no value for ${name}", hint=f'sql(query, {{"{name}": ...}}) binds it')
    if "Overflow in multiplication of DECIMAL" in text:
        return UsageError(
            first.split(". ")[0], hint="use notional(price, quantity), or cast to DECIMAL(38, 8)"
        )
    if match := _TORN.search(text):
        return damaged_file(match[1] or match[2] or match[3])
    if isinstance(error, duckdb.OutOfMemoryException):
        return LakeError(
            "the query needs more memory than it may take", hint="raise duckdb.memory_limit"
        )
    if isinstance(error, duckdb.PermissionException):
        return LakeError(f"refused: {first}")
    if isinstance(error, duckdb.InterruptException):
        return LakeError("the query was interrupted")
    if isinstance(error, duckdb.IOException | duckdb.InternalException | duckdb.FatalException):
        return LakeError(first, hint="`workbench doctor` looks at the lake; refresh() reads anew")
    # The text of a query may be in it, as long as it likes.
    head = first if len(first) <= _LONGEST else f"{first[:_LONGEST]}…"
    return UsageError(head, hint=_place(text))


def _column_error(name: str, text: str, columns: Iterable[str]) -> UsageError:
    found = _CANDIDATES.search(text)
    near = re.findall(r'"([^"]+)"', found[1]) if found else []
    hint = did_you_mean(name, sorted({*columns, *near}))
    if hint.startswith("known"):
        # Every column of the lake would help nobody.
        hint = f"nearest: {', '.join(near)}" if near else "`.schema TABLE` or DESCRIBE lists them"
    return UsageError(f"no column {quoted(name)}", hint=hint)


def _suggested(text: str) -> str | None:
    match = re.search(r'Did you mean "([^"]+)"', text)
    return f"did you mean {match[1]!r}?" if match else None


def _place(text: str) -> str | None:
    """The line of the query and the place in it that DuckDB points at."""
    match = re.search(r"LINE (\d+): (.*)\n( *)\^", text)
    if not match:
        return None
    at = max(len(match[3]) - len(f"LINE {match[1]}: "), 0)
    near = match[2][at : at + 30].split("\n")[0].strip()
    return f"line {match[1]}, near {near!r}" if near else f"line {match[1]}"
