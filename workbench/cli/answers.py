"""How the query commands open a session and print its results."""

from __future__ import annotations

import sys
from collections.abc import Callable
from decimal import Decimal
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.output import format_options, print_rows

if TYPE_CHECKING:
    from workbench.lake.result import Result

#: A table with all columns, however wide the terminal is.
WIDE = "wide"
_TABLES = (None, WIDE)
#: ``--as-of`` of the questions about the market.
as_of_option = click.option(
    "--as-of",
    metavar="TIME",
    help="Moment of event time, ISO 8601, UTC; a date means its end. Default: the newest event.",
)


def answer_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--wide``, ``--csv``, ``--json`` and ``--md``; the command receives ``form``."""
    wide = click.option(
        "--wide", "form", flag_value=WIDE, help="All columns, however wide the terminal is."
    )
    return format_options(wide(function))


def answer(question: Callable[..., Result], form: str | None, **arguments: Any) -> None:
    """Ask one question of a new session and print the rows."""
    from workbench.lake.session import open_session

    with open_session() as session:
        print_result(question(session, **arguments), form)


def print_result(result: Result, form: str | None) -> None:
    """Print a result: CSV, JSON and Markdown are the rows alone; a table has units and as-of.

    A table has money and quantities rounded, and the columns that the terminal has room for; the
    other forms have everything, exact.
    """
    from workbench.lake.table_text import text_table

    columns, rows = result.arrow().column_names, result.rows()
    if form not in _TABLES:
        print_rows(columns, [[_compact(value) for value in row] for row in rows], str(form))
        return
    if columns == ["explain_key", "explain_value"]:
        # A plan is a drawing: a cell of a table would lose its lines.
        click.echo("\n".join(str(row[1]) for row in rows))
        return
    shown = result.for_people(columns, rows)
    width = terminal_width(form)
    click.echo(text_table(columns, shown, result.units, longest=None, width=width))
    count = f"{len(rows):,} row{'' if len(rows) == 1 else 's'}"
    click.echo(f"{count} · {result.provenance()}")
    if hint := result.why_empty(len(rows)):
        click.echo(hint)


def terminal_width(form: str | None) -> int | None:
    """Return how wide a table may be; None where nobody looks or all of it was asked for."""
    if form == WIDE or not sys.stdout.isatty():
        return None
    return get_terminal_size().columns


def _compact(value: Any) -> Any:
    """A decimal without the zeros that only its type gives it."""
    if isinstance(value, Decimal) and value.is_finite():
        text = format(value, "f")
        return Decimal(text.rstrip("0").rstrip(".")) if "." in text else value
    return value
