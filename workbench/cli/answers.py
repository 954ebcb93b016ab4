"""How the query commands open a session and print its results."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.output import print_rows

if TYPE_CHECKING:
    from workbench.lake.result import Result

#: ``--as-of`` of the questions about the market.
as_of_option = click.option(
    "--as-of",
    metavar="TIME",
    help="Moment of event time, ISO 8601, UTC; a date means its end. Default: the newest event.",
)


def answer(question: Callable[..., Result], form: str | None, **arguments: Any) -> None:
    """Ask one question of a new session and print the rows."""
    from workbench.lake.session import open_session

    with open_session() as session:
        print_result(question(session, **arguments), form)


def print_result(result: Result, form: str | None) -> None:
    """Print a result: CSV, JSON and Markdown are the rows alone; a table has units and as-of."""
    from workbench.lake.table_text import text_table

    columns, rows = result.arrow().column_names, result.rows()
    if form is None and columns == ["explain_key", "explain_value"]:
        # A plan is a drawing: a cell of a table would lose its lines.
        click.echo("\n".join(str(row[1]) for row in rows))
        return
    if form is None:
        click.echo(text_table(columns, rows, result.units, longest=None))
        count = f"{len(rows):,} row{'' if len(rows) == 1 else 's'}"
        click.echo(f"{count} · {result.provenance()}")
        return
    print_rows(columns, [[_compact(value) for value in row] for row in rows], form)


def _compact(value: Any) -> Any:
    """A decimal without the zeros that only its type gives it."""
    if isinstance(value, Decimal) and value.is_finite():
        text = format(value, "f")
        return Decimal(text.rstrip("0").rstrip(".")) if "." in text else value
    return value
