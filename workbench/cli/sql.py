"""``workbench sql``: DuckDB SQL over the pinned tables, read-only."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from workbench.cli.answers import answer_options, print_result


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
@click.option("-q", "--query", "saved", metavar="NAME", help="Answer a saved query.")
@click.option(
    "-p",
    "--param",
    "params",
    multiple=True,
    metavar="NAME=VALUE",
    help="Bind a value to $NAME of the statements; may be given several times.",
)
@click.option(
    "--as-of",
    metavar="TIME",
    help="Read the snapshots committed up to then, ISO 8601, UTC; a date means its end. Not the "
    "time of events: that is WHERE event_time <= ...",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="End a statement that takes longer: exit code 124. No limit without it.",
)
@answer_options
def command(
    text: str | None,
    file: Path | None,
    saved: str | None,
    params: tuple[str, ...],
    as_of: str | None,
    timeout: float | None,
    form: str | None,
) -> None:
    """Ask in DuckDB SQL: market.trades, market.executions and the others (`.tables`).

    Without -c, -f and -q: statements from a pipe, or a shell with history, completion and saved
    queries. The tables are pinned when it starts. Nothing that is typed can change the lake,
    other files or the settings; files are read only in sql.allowed_directories.

    \b
    workbench sql -c "FROM market.trades WHERE symbol = $symbol LIMIT 5" -p symbol=AAPL
    workbench sql --as-of 2024-08-08 -f questions.sql --csv
    workbench sql --timeout 30 -c "SELECT count(DISTINCT order_id) FROM market.trades"
    workbench sql -c "FROM market.trades JOIN 'data/watchlist.csv' USING (symbol)"
    """
    from workbench.cli.values import bound, check_used, parse_values
    from workbench.errors import UsageError
    from workbench.lake.session import open_session

    if sum(given is not None for given in (text, file, saved)) > 1:
        raise UsageError("-c, -f and -q cannot be used together")
    values = parse_values(params)
    with open_session(as_of=as_of, read_only=True) as session:
        if text is None and file is None and saved is None and sys.stdin.isatty():
            from workbench.cli.sql_shell import Shell

            if values:
                raise UsageError("-p needs -c, -f or -q", hint="in the shell: .run NAME x=1")
            Shell(session, form, timeout).run()
            return
        if saved is not None:
            from workbench.cli.saved_queries import SavedQueries

            asked = SavedQueries(session.settings).read(saved)
        else:
            asked = _read(text, file)
        if asked.lstrip().startswith("."):
            raise UsageError(
                f"{asked.split()[0]} is for the shell",
                hint="`workbench sql` alone, on a terminal, opens it",
            )
        statements = session.statements(asked)
        if not statements:
            raise UsageError(
                "nothing to ask", hint="for example: workbench sql -c 'FROM market.trades'"
            )
        wanted = [session.parameters(statement) for statement in statements]
        check_used(values, [name for names in wanted for name in names])
        for statement, names in zip(statements, wanted, strict=True):
            result = session.sql(statement, bound(values, names), timeout_s=timeout)
            print_result(result, form)
