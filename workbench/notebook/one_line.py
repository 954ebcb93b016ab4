"""Errors for people are one line in a cell: what was wrong, and at which line of the cell."""

from __future__ import annotations

import linecache
import traceback

from IPython.core.interactiveshell import InteractiveShell

from workbench.errors import WorkbenchError

#: What IPython looks for on an exception before it draws a traceback.
_HOOK = "_render_traceback_"
#: Of the line that asked, so much is shown.
_WIDTH = 80


def show_errors_as_lines(shell: InteractiveShell) -> None:
    """Draw errors of the workbench as one line; all others stay as they are.

    With any ``%xmode`` but the default they have their traceback, too.
    """

    def drawn(error: WorkbenchError) -> list[str]:
        if shell.InteractiveTB.mode != "Context":
            return traceback_of(shell, error)
        return [f"error: {error}{_asked_at(shell, error)}"]

    setattr(WorkbenchError, _HOOK, drawn)


def show_errors_as_tracebacks() -> None:
    """Take it back."""
    if _HOOK in vars(WorkbenchError):
        delattr(WorkbenchError, _HOOK)


def show_this_one(shell: InteractiveShell, error: WorkbenchError, *, debug: bool) -> None:
    """Draw one error as its message alone, or with its traceback where that is asked for.

    The cell still fails, so that a run of the whole notebook stops there.
    """
    # Asked for later, when the traceback reaches up to the cell.
    vars(error)[_HOOK] = lambda: traceback_of(shell, error) if debug else [f"error: {error}"]


def traceback_of(shell: InteractiveShell, error: WorkbenchError) -> list[str]:
    """Return what IPython draws of an error that says nothing about it."""
    found: list[str] = shell.InteractiveTB.structured_traceback(
        type(error), error, error.__traceback__
    )
    return found


def _asked_at(shell: InteractiveShell, error: WorkbenchError) -> str:
    """The last line of a cell on the way to the error, where the cell has more than one."""
    for frame, number in reversed(list(traceback.walk_tb(error.__traceback__))):
        if frame.f_globals is shell.user_global_ns:
            lines = linecache.getlines(frame.f_code.co_filename)
            if len(lines) < 2 or number > len(lines):
                return ""
            line = lines[number - 1].strip()
            return f" (line {number}: {line[:_WIDTH]}{'...' if len(line) > _WIDTH else ''})"
    return ""
