"""The small shell of ``workbench sql``: lines in, tables out, until Ctrl-D."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click

from workbench.cli.answers import print_result
from workbench.cli.output import print_rows
from workbench.contracts import TABLES, table_named
from workbench.errors import UsageError, WorkbenchError, did_you_mean
from workbench.lake.session import Session
from workbench.lake.views import DERIVED, REFERENCE, quote_name

HELP = """\
A statement ends with ; and may take several lines. Ctrl-C drops it, Ctrl-D leaves.
.tables        what can be queried, with rows and snapshots
.schema NAME   the columns of a table, with types and units
.refresh       pin the newest snapshots
.help          this text
.quit          leave"""
KEYWORDS = "SELECT FROM WHERE GROUP BY ORDER LIMIT HAVING JOIN USING DESCRIBE SUMMARIZE EXPLAIN"
HISTORY_LINES = 2_000


class Shell:
    """Reads statements and dot commands, prints answers; errors are one line each."""

    def __init__(self, session: Session, form: str | None) -> None:
        self.session = session
        self.form = form
        self._words = sorted(
            {
                *KEYWORDS.split(),
                *all_tables(),
                *(column.name for table in TABLES for column in table.columns),
            }
        )
        self._commands: dict[str, Callable[[str], None]] = {
            ".tables": lambda _: click.echo(repr(self.session.tables())),
            ".schema": self.schema,
            ".refresh": lambda _: click.echo(repr(self.session.refresh())),
            ".help": lambda _: click.echo(HELP),
        }

    def run(self) -> None:
        """Read until the end of input."""
        click.echo(f"{self.session!r}\n.help says more; Ctrl-D leaves.")
        history = self._start_readline()
        buffer = ""
        while True:
            try:
                line = input("   ...> " if buffer else "lake> ")
            except EOFError:
                click.echo()
                break
            except KeyboardInterrupt:
                click.echo()
                buffer = ""
                continue
            if not buffer and line.strip() in (".quit", ".exit"):
                break
            buffer = self.feed(buffer, line)
        if history is not None:
            self._save_history(history)

    def feed(self, buffer: str, line: str) -> str:
        """Take one line; return what is still to be completed."""
        text = f"{buffer}\n{line}" if buffer else line
        if not text.strip():
            return ""
        try:
            if not buffer and line.lstrip().startswith("."):
                self.dot(line.strip())
                return ""
            if not text.rstrip().endswith(";"):
                return text
            for statement in self.session.statements(text):
                result = self.session.sql(statement)
                # The shell shows what a repr shows; -c and --csv print every row.
                if self.form is None and not statement.lower().startswith("explain"):
                    click.echo(repr(result))
                else:
                    print_result(result, self.form)
        except WorkbenchError as error:
            click.echo(f"error: {error}", err=True)
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
        return ""

    def dot(self, line: str) -> None:
        """Run a dot command."""
        name, _, argument = line.partition(" ")
        if name not in self._commands:
            known = [*self._commands, ".quit"]
            raise UsageError(f"no command {name!r}", hint=did_you_mean(name, known))
        self._commands[name](argument.strip().rstrip(";"))

    def schema(self, name: str) -> None:
        """Print the columns of a table or view."""
        known = all_tables()
        if name not in known:
            raise UsageError(f"no table {name!r}", hint=did_you_mean(name, known))
        units: dict[str, str] = {}
        base = DERIVED.get(name, name)
        if base != REFERENCE:
            units = {c.name: c.unit for c in table_named(base).columns if c.unit}
        rows = self.session.sql(f"DESCRIBE {quote_name(name)}").rows()
        print_rows(
            ("column", "type", "unit"),
            [(row[0], row[1], units.get(str(row[0]), "")) for row in rows],
            self.form or "table",
        )

    def complete(self, text: str, state: int) -> str | None:
        """Return the `state`-th word that `text` may become, as readline asks for it."""
        start = text.lower()
        found = [word for word in self._words if word.lower().startswith(start)]
        return found[state] if state < len(found) else None

    def _start_readline(self) -> Path | None:
        """Turn on history and completion where the platform has them."""
        try:
            import readline
        except ImportError:
            return None
        readline.set_completer(self.complete)
        readline.set_completer_delims(" \t\n,()=<>;'\"")
        readline.parse_and_bind("tab: complete")
        state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
        file = Path(state) / "workbench" / "sql_history"
        with suppress(OSError):
            readline.read_history_file(file)
        return file

    @staticmethod
    def _save_history(file: Path) -> None:
        import readline

        with suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            readline.set_history_length(HISTORY_LINES)
            readline.write_history_file(file)


def all_tables() -> list[str]:
    """Return the names of everything that can be queried."""
    return [*(table.name for table in TABLES), *DERIVED, REFERENCE]
