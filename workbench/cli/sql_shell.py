"""The small shell of ``workbench sql``: statements in, tables out, until Ctrl-D."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import click

from workbench.cli.answers import WIDE, print_result, terminal_width
from workbench.cli.output import print_rows
from workbench.cli.saved_queries import SavedQueries
from workbench.cli.sql_prompt import Prompt, prompt_for
from workbench.cli.values import bound, check_used, parse_values
from workbench.errors import UsageError, WorkbenchError, did_you_mean, quoted
from workbench.lake.completion import complete
from workbench.lake.names import all_tables, require_table, units_of
from workbench.lake.result import Result
from workbench.lake.session import Session
from workbench.lake.views import quote_name

HELP = """\
A statement ends with ; and may take several lines. Ctrl-C drops it, Ctrl-D leaves.
.tables               what can be queried, with rows and snapshots
.schema NAME          the columns of a table, with types and units
.save NAME [replace]  keep the last statement as queries/NAME.sql
.run NAME [x=1 ...]   answer a saved query; its $x is bound to 1
.queries              the saved queries
.wide                 all columns, however wide the terminal is; again: those that fit
.refresh              pin the newest snapshots
.help                 this text
.quit                 leave"""
_LEAVE = (".quit", ".exit")


class Shell:
    """Answers statements and dot commands; errors are one line each.

    Parameters
    ----------
    session
        A session for text that somebody typed: read-only.
    form
        ``csv``, ``json`` or ``md``; None and ``wide`` print tables.
    timeout_s
        Seconds a statement may take; no limit when None.
    """

    def __init__(self, session: Session, form: str | None, timeout_s: float | None = None) -> None:
        self.session = session
        self.form = form
        self.timeout_s = timeout_s
        self.saved = SavedQueries(session.settings)
        self._last = ""
        self._commands: dict[str, Callable[[str], None]] = {
            ".tables": lambda _: self.show(self.session.tables()),
            ".schema": self.schema,
            ".save": self.save,
            ".run": self.run_saved,
            ".queries": lambda _: self.list_saved(),
            ".refresh": lambda _: click.echo(repr(self.session.refresh())),
            ".wide": lambda _: self.turn_wide(),
            ".help": lambda _: click.echo(HELP),
        }

    def run(self, prompt: Prompt | None = None) -> None:
        """Read until the end of input."""
        click.echo(f"{self.session!r}\n.help says more; Ctrl-D leaves.")
        prompt = prompt or prompt_for(is_complete, self.words)
        while True:
            try:
                text = prompt.ask().strip()
            except EOFError:
                click.echo()
                return
            except KeyboardInterrupt:
                click.echo()
                continue
            if text in _LEAVE:
                return
            self.answer(text)

    def answer(self, text: str) -> None:
        """Answer one command, or statements; what goes wrong is one line on stderr."""
        try:
            if text.startswith("."):
                self.dot(text)
            elif text:
                self.ask(text)
                self._last = text
        except WorkbenchError as error:
            click.echo(f"error: {error}", err=True)
        except KeyboardInterrupt:
            click.echo("stopped", err=True)

    def ask(self, text: str, values: Mapping[str, Any] | None = None) -> None:
        """Answer the statements of a text."""
        for statement in self.session.statements(text):
            wanted = self.session.parameters(statement)
            result = self.session.sql(
                statement, bound(values or {}, wanted), timeout_s=self.timeout_s
            )
            # The shell shows what a repr shows; -c and --csv print every row.
            if self.form in (None, WIDE) and not statement.lower().startswith("explain"):
                self.show(result)
            else:
                print_result(result, self.form)

    def show(self, result: Result) -> None:
        """Print what a repr shows, as wide as the terminal is."""
        click.echo(result.text(terminal_width(self.form)))

    def turn_wide(self) -> None:
        """Show all columns from now on, or again those that fit."""
        if self.form not in (None, WIDE):
            raise UsageError(f"--{self.form} has all columns")
        self.form = None if self.form == WIDE else WIDE
        click.echo("all columns" if self.form else "the columns that fit")

    def dot(self, line: str) -> None:
        """Run a dot command."""
        name, _, argument = line.partition(" ")
        name = name.rstrip(";")
        if name not in self._commands:
            known = [*self._commands, ".quit"]
            raise UsageError(f"no command {quoted(name)}", hint=did_you_mean(name, known))
        self._commands[name](argument.strip().rstrip(";"))

    def schema(self, name: str) -> None:
        """Print the columns of a table or view."""
        table = require_table(name)
        units = units_of(table)
        rows = self.session.sql(f"DESCRIBE {quote_name(table)}").rows()
        print_rows(
            ("column", "type", "unit"),
            [(row[0], row[1], units.get(str(row[0]), "")) for row in rows],
            self.form or "table",
        )

    def save(self, argument: str) -> None:
        """Keep the last statement under a name."""
        name, _, option = argument.partition(" ")
        if not self._last:
            raise UsageError("nothing was asked yet", hint="answer a statement, then .save NAME")
        if option not in ("", "replace"):
            raise UsageError(f"no option {quoted(option)}", hint=".save NAME replace")
        click.echo(self.saved.save(name, self._last, replace=option == "replace"))

    def run_saved(self, argument: str) -> None:
        """Answer a saved query, with values for its parameters."""
        import shlex

        try:
            name, *texts = shlex.split(argument) or [""]
        except ValueError as error:
            raise UsageError(f"{quoted(argument)} cannot be read: {error}") from error
        query, values = self.saved.read(name), parse_values(texts)
        check_used(values, self._wanted(query))
        self.ask(query, values)
        self._last = query

    def _wanted(self, query: str) -> list[str]:
        statements = self.session.statements(query)
        return [name for statement in statements for name in self.session.parameters(statement)]

    def list_saved(self) -> None:
        """Print the saved queries with their first lines."""
        rows = [
            (name, next(iter(self.saved.read(name).splitlines()), ""))
            for name in self.saved.names()
        ]
        print_rows(("query", "begins with"), rows, self.form or "table")

    def words(self, before: str, after: str) -> Iterable[tuple[str, str]]:
        """What the word at the cursor may become, with its kind."""
        if not before.startswith("."):
            return [(each.text, each.kind) for each in complete(before, after)]
        command, space, word = before.partition(" ")
        if not space:
            known = [(name, "command") for name in (*self._commands, ".quit")]
            return [(name, kind) for name, kind in known if name.startswith(command)]
        names = {".schema": all_tables, ".run": self.saved.names, ".save": self.saved.names}
        found = names[command]() if command in names else []
        return [(name, "name") for name in found if name.startswith(word)]


def is_complete(text: str) -> bool:
    """Whether Enter sends a text: a command, a statement with its semicolon, or nothing.

    >>> is_complete("SELECT 1"), is_complete("SELECT 1;"), is_complete(".tables")
    (False, True, True)
    """
    text = text.strip()
    return not text or text.startswith(".") or text.endswith(";")
