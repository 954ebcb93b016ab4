"""``workbench sql``: DuckDB SQL over the pinned tables, read-only."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from workbench.cli.answers import print_result
from workbench.cli.output import format_options


def _read(text: str | None, file: Path | None) -> str:
    """The statements of -c, of a file or of the pipe."""
    from workbench.errors import UsageError

    if text is not None:
        # What is not UTF-8 comes from the shell as lone surrogates, which DuckDB does not take.
        name, raw = "-c", text.encode("utf-8", "surrogateescape")
    elif file is not None and str(file) != "-":
        name, raw = str(file), file.read_bytes()
    else:
        name, raw = "the input", sys.stdin.buffer.read()
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise UsageError(
            f"{name} is not UTF-8 text at line {line}",
            hint="give SQL statements, a file saved as UTF-8",
        ) from error


@click.command()
@click.option("-c", "--command", "text", metavar="SQL", help="Answer this and leave.")
@click.option(
    "-f",
    "--file",
    "file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="Answer the statements of this file.",
)
@click.option(
    "--as-of",
    metavar="TIME",
    help="Read the snapshots committed up to then, ISO 8601, UTC; a date means its end.",
)
@format_options
def command(text: str | None, file: Path | None, as_of: str | None, form: str | None) -> None:
    """Ask in DuckDB SQL: market.trades, market.executions and the others (`.tables`).

    Without -c and -f: statements from a pipe, or a shell with history and completion. The
    tables are pinned when it starts. Nothing that is typed can change the lake, other files or
    the settings.
    """
    from workbench.errors import UsageError
    from workbench.lake.session import open_session

    if text is not None and file is not None:
        raise UsageError("-c and -f cannot be used together")
    with open_session(as_of=as_of, read_only=True) as session:
        if text is None and file is None and sys.stdin.isatty():
            from workbench.cli.sql_shell import Shell

            Shell(session, form).run()
            return
        statements = session.statements(_read(text, file))
        if not statements:
            raise UsageError(
                "nothing to ask", hint="for example: workbench sql -c 'FROM market.trades'"
            )
        for statement in statements:
            print_result(session.sql(statement), form)
