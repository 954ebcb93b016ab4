"""Tables of a report: chosen columns, rounded, as text and as HTML with the same cells."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import sha256
from html import escape
from typing import Any

from workbench.lake.table_text import shown
from workbench.reports.checks import plain, show

#: Rows of a table that report.json keeps; a digest covers all of them.
KEPT_ROWS = 1_000


@dataclass(frozen=True)
class Column:
    """How a column is shown.

    Parameters
    ----------
    name
        Its name in the rows.
    label
        Its heading.
    unit
        Its unit, under the heading.
    digits
        Decimals of a number; None for what is no number.
    exact
        Numbers with all their decimals.
    """

    name: str
    label: str
    unit: str = ""
    digits: int | None = None
    exact: bool = False

    @property
    def is_number(self) -> bool:
        """Whether cells stand to the right."""
        return self.exact or self.digits is not None

    def cell(self, value: Any) -> str:
        """Return a value as text."""
        if value is None:
            return "-"
        if isinstance(value, datetime):
            value = value.replace(microsecond=0)
        return show(value, self.digits) if self.is_number else shown(value)


Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class NamedTable:
    """A table of a report as two runs are compared by it.

    Parameters
    ----------
    name
        Its name; one report has it once.
    columns
        The columns shown.
    rows
        The rows, with the exact values of these columns.
    key
        Columns that tell one row from another; found when empty.
    """

    name: str
    columns: Sequence[Column]
    rows: Rows
    key: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as report.json keeps it: exact values, at most `KEPT_ROWS` rows."""
        names = [column.name for column in self.columns]
        rows = [{name: _plain(row[name]) for name in names} for row in self.rows]
        text = json.dumps(rows, sort_keys=True, default=str)
        return {
            "name": self.name,
            "columns": [asdict(column) for column in self.columns],
            "key": list(self.key) or _key(self.columns, rows),
            "row_count": len(rows),
            "sha256": sha256(text.encode()).hexdigest(),
            "rows": rows[:KEPT_ROWS],
        }


def _plain(value: Any) -> Any:
    """A value as JSON can carry it, inside of lists and structs as well."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    value = plain(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _key(columns: Sequence[Column], rows: Rows) -> list[str]:
    """The fewest leading columns without numbers that no two rows share; none: by position."""
    names = [column.name for column in columns if not column.is_number]
    for count in range(1, len(names) + 1):
        head = names[:count]
        if len({tuple(str(row[name]) for name in head) for row in rows}) == len(rows):
            return head
    return []


def as_text(columns: Sequence[Column], rows: Rows) -> str:
    """Return the table as plain text; numbers to the right."""
    units = any(column.unit for column in columns)
    head = [[c.label for c in columns], *([[c.unit for c in columns]] if units else [])]
    body = [[column.cell(row[column.name]) for column in columns] for row in rows]
    widths = [max(len(line[i]) for line in [*head, *body]) for i in range(len(columns))]

    def line(cells: Sequence[str]) -> str:
        parts = zip(cells, widths, columns, strict=True)
        text = [c.rjust(w) if column.is_number else c.ljust(w) for c, w, column in parts]
        return "  ".join(text).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return "\n".join([*map(line, head), rule, *map(line, body)])


def as_html(columns: Sequence[Column], rows: Rows, caption: str) -> str:
    """Return the table as HTML; every cell is text, whatever it contains."""

    def side(column: Column) -> str:
        return ' class="number"' if column.is_number else ""

    def head(column: Column) -> str:
        unit = f"<small>{escape(column.unit)}</small>" if column.unit else ""
        return f'<th scope="col"{side(column)}>{escape(column.label)}{unit}</th>'

    def line(row: Mapping[str, Any]) -> str:
        cells = (f"<td{side(c)}>{escape(c.cell(row[c.name]))}</td>" for c in columns)
        return f"<tr>{''.join(cells)}</tr>"

    heads = "".join(head(column) for column in columns)
    body = "".join(line(row) for row in rows)
    return (
        f'<table class="report-table"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    )
