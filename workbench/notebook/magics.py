"""``%sql``, ``%%sql`` and their second names ``%wb``, ``%%wb``; see `load`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from workbench.errors import UsageError, WorkbenchError, did_you_mean, quoted
from workbench.lake.result import Result
from workbench.lake.session import Session
from workbench.notebook.arguments import Arguments, parse_line
from workbench.notebook.completion import Matcher
from workbench.notebook.current import session_at
from workbench.notebook.one_line import (
    show_errors_as_lines,
    show_errors_as_tracebacks,
    show_this_one,
)

OWN, COMMON = "wb", "sql"
TAKEN = "%%sql belongs to another extension that is loaded; use %%wb and %wb for the lake"
HELP = """\
Ask the pinned tables in DuckDB SQL.

    %sql SELECT count(*) FROM market.trades
    top = %sql SELECT symbol, price FROM market.trades WHERE symbol = $symbol

    %%sql [NAME <<] [-o df|pl|arrow|rel] [--as-of TIME] [--snapshot TABLE=ID]
          [--timeout SECONDS] [--debug]
    SELECT ...

NAME <<     put the answer into a variable instead of showing it
-o          as a pandas or Polars frame, an Arrow table or a DuckDB relation
--as-of     read the snapshots committed up to then; a date means its end, UTC
--snapshot  read this snapshot of one table
--timeout   end a statement that takes longer than this; no limit without it
--debug     show the traceback of an error

$name is bound to the variable of that name, never pasted into the text. The functions are
workbench.sql, workbench.session and workbench.refresh. %wb and %%wb are the same magics where
another extension owns %%sql.
"""


class Magics:
    """The magics of one shell: a question in, an answer shown or kept."""

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell

    def line(self, line: str) -> Any:
        """``%sql``."""
        return self.ask(line, "")

    def cell(self, line: str, cell: str | None = None) -> Any:
        """``%%sql``."""
        return self.ask(line, cell or "")

    def ask(self, line: str, cell: str) -> Any:
        """Answer one magic; errors for people are one line."""
        debug = "--debug" in line.split()
        try:
            arguments = parse_line(line)
            answer = self._answer(arguments, f"{arguments.query}\n{cell}".strip())
        except WorkbenchError as error:
            show_this_one(self.shell, error, debug=debug)
            raise
        if arguments.name is None:
            return answer
        self.shell.user_ns[arguments.name] = answer
        return None

    def _answer(self, arguments: Arguments, text: str) -> Any:
        chosen = dict([arguments.snapshot]) if arguments.snapshot else None
        session = session_at(_moment(arguments.as_of, self.shell.user_ns), chosen)
        result = self._result(session, text, arguments.timeout_s)
        if arguments.form is not None:
            return _in_form(result, arguments.form)
        if arguments.name is None:
            # What only fails while it runs is met here, not while IPython draws the answer.
            result.columns  # noqa: B018
        return result

    def _result(self, session: Session, text: str, timeout_s: float | None) -> Result:
        statements = session.statements(text) if text else []
        if not statements:
            raise UsageError("nothing to ask", hint="for example: %sql FROM market.trades LIMIT 5")
        for statement in statements[:-1]:
            session.sql(statement, self._values(session, statement), timeout_s=timeout_s)
        last = statements[-1]
        return session.sql(last, self._values(session, last), timeout_s=timeout_s)

    def _values(self, session: Session, statement: str) -> dict[str, Any] | None:
        names = session.parameters(statement)
        return {name: _value(name, self.shell.user_ns) for name in names} if names else None


def _in_form(result: Result, form: str) -> Any:
    return result.rel if form == "rel" else getattr(result, form)()


def _value(name: str, variables: Mapping[str, Any]) -> Any:
    """The variable that a ``$name`` stands for, as DuckDB takes it."""
    if name.isdecimal():
        raise UsageError(
            "parameters need names in a magic", hint="write $symbol for the variable `symbol`"
        )
    if name not in variables:
        known = [known for known in variables if not known.startswith("_")]
        hint = did_you_mean(name, known)
        # Every name of a notebook would help nobody.
        raise UsageError(
            f"no variable {quoted(name)} for ${name}",
            hint=hint if hint.startswith("did") else f"set {name} = ... before",
        )
    value = variables[name]
    # NumPy's scalars are not known to DuckDB, Python's are.
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        value = value.item()
    if callable(value) or hasattr(value, "columns"):
        raise UsageError(
            f"${name} is a {type(value).__name__}", hint="bind a number, a text, a time or a list"
        )
    return value


def _moment(text: str | None, variables: Mapping[str, Any]) -> Any:
    if text is not None and text.startswith("$"):
        return _value(text[1:], variables)
    return text


def load(shell: InteractiveShell) -> None:
    """Register the magics and their completion; what ``%load_ext workbench`` does.

    Errors of the workbench are one line from then on, also those of functions.
    ``%%sql`` of another extension (JupySQL, ipython-sql) stays what it is: a warning says so.
    """
    unload(shell)
    magics = Magics(shell)
    line, cell = _magic_functions(magics)
    names = [OWN]
    registered = shell.magics_manager.magics
    if COMMON in registered["cell"] or COMMON in registered["line"]:
        warnings.warn(TAKEN, stacklevel=2)
    else:
        names.append(COMMON)
        shell.events.register("post_run_cell", _watch(shell, magics))
    for name in names:
        shell.register_magic_function(line, "line", name)
        shell.register_magic_function(cell, "cell", name)
    shell.Completer.custom_matchers.append(Matcher(shell, _is_ours))
    show_errors_as_lines(shell)


def _magic_functions(magics: Magics) -> tuple[Any, Any]:
    from IPython.core.magic import no_var_expand

    # Functions of their own: IPython writes attributes on them, and must not paste variables.
    @no_var_expand
    def line(text: str) -> Any:
        return magics.line(text)

    @no_var_expand
    def cell(text: str, body: str | None = None) -> Any:
        return magics.cell(text, body)

    for function in (line, cell):
        function.__doc__ = HELP
        vars(function)["workbench"] = magics
    return line, cell


def _watch(shell: InteractiveShell, magics: Magics) -> Any:
    """Say once that an extension which was loaded later has taken ``%%sql``."""

    def look(_: Any) -> None:
        registered = shell.magics_manager.magics
        if not all(_is_ours(registered[kind].get(COMMON)) for kind in ("line", "cell")):
            shell.events.unregister("post_run_cell", look)
            warnings.warn(TAKEN, stacklevel=2)

    vars(look)["workbench"] = magics
    return look


def _is_ours(function: Any) -> bool:
    return isinstance(getattr(function, "workbench", None), Magics)


def unload(shell: InteractiveShell) -> None:
    """Take the magics, their completion and the one-line errors away again."""
    for kind in ("line", "cell"):
        registered = shell.magics_manager.magics[kind]
        for name in (OWN, COMMON):
            if _is_ours(registered.get(name)):
                del registered[name]
    for look in filter(_is_ours, list(shell.events.callbacks["post_run_cell"])):
        shell.events.unregister("post_run_cell", look)
    kept = [known for known in shell.Completer.custom_matchers if not isinstance(known, Matcher)]
    shell.Completer.custom_matchers[:] = kept
    show_errors_as_tracebacks()
