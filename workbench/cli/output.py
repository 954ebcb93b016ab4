"""How commands print: rows on stdout as a table, CSV, JSON or Markdown; progress on stderr."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any

import click

from workbench.terminal import escape

Row = Sequence[Any]


def _plain(value: Any) -> Any:
    """A value as JSON can carry it; decimals as their exact text, times in ISO 8601."""
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value


def _json(value: Any) -> Any:
    """The same for JSON, also inside lists and structs: no number there is infinite or NaN."""
    if isinstance(value, dict):
        return {str(_plain(key)): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_json(item) for item in value]
    if isinstance(value, float | Decimal) and not isfinite(value):
        return None
    return _plain(value)


def json_text(value: Any) -> str:
    """Return a value as JSON that every reader takes; infinite and NaN are null."""
    return json.dumps(_json(value), indent=2, default=str, allow_nan=False)


def print_json(value: Any) -> None:
    """Print a value as JSON that every reader takes; infinite and NaN are null."""
    click.echo(json_text(value))


def _cell(value: Any) -> str:
    plain = _plain(value)
    if plain is None:
        return ""
    return f"{plain}"


def table_text(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return cells as a table with aligned columns."""
    widths = [max([len(c), *(len(r[i]) for r in rows)]) for i, c in enumerate(columns)]
    lines = [list(columns), ["-" * width for width in widths], *rows]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _markdown(columns: Sequence[str], rows: list[list[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(c.replace("|", "\\|").replace("\n", " ") for c in cells) + " |"

    return "\n".join([line(columns), line(["---"] * len(columns)), *(line(r) for r in rows)])


def print_rows(columns: Sequence[str], rows: Iterable[Row], form: str = "table") -> None:
    """Print rows as ``table``, ``csv``, ``json`` or ``md`` on stdout."""
    if form == "json":
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    cells = [[_cell(value) for value in row] for row in rows]
    if form == "csv":
        writer = csv.writer(sys.stdout, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(cells)
    elif form == "md":
        click.echo(_markdown(columns, cells))
    else:
        # A file may hold anything; what a terminal might act on is shown instead.
        click.echo(table_text(columns, [[escape(cell) for cell in row] for row in cells]))


def format_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--csv``, ``--json`` and ``--md``; the command receives ``form``."""
    for name, text in (("md", "Markdown"), ("json", "JSON"), ("csv", "CSV")):
        function = click.option(
            f"--{name}", "form", flag_value=name, help=f"Print the rows as {text}."
        )(function)
    return function


def progress(message: str) -> None:
    """Say on stderr what is going on; silent where nobody looks."""
    if sys.stderr.isatty():
        click.echo(message, err=True)
