"""What went wrong, with which value, and what to do next: one line a person can act on."""

from __future__ import annotations


class WorkbenchError(Exception):
    """Base of every error a user of the workbench can meet.

    Parameters
    ----------
    message
        What happened and with which value, as one line.
    hint
        What to do next, as one line.

    Examples
    --------
    >>> print(WorkbenchError("no topic 'raw.trade'", hint="did you mean 'raw.trades'?"))
    no topic 'raw.trade': did you mean 'raw.trades'?
    """

    #: Exit code of the command line: 1 error, 2 usage, 3 validation failed, 4 stale data,
    #: 5 notebook error.
    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}: {self.hint}" if self.hint else self.message


class UsageError(WorkbenchError):
    """An argument or a setting that cannot be used as it is."""

    exit_code = 2


class ValidationFailed(WorkbenchError):
    """A check over data or a report did not hold."""

    exit_code = 3


class StackError(WorkbenchError):
    """A part of the embedded stack is missing, broken or does not answer."""


class LakeError(WorkbenchError):
    """The catalog or a table cannot be used as asked."""


class NotebookError(WorkbenchError):
    """A notebook stopped before its end."""

    exit_code = 5


class KernelError(NotebookError):
    """The kernel of a notebook died or did not start: another try may go well."""


class StaleData(WorkbenchError):
    """The newest data is older than whoever asks accepts."""

    exit_code = 4


def did_you_mean(name: str, known: list[str] | tuple[str, ...]) -> str:
    """Return a hint that names the nearest known name, or all of them.

    Examples
    --------
    >>> did_you_mean("routr", ["router", "landing"])
    "did you mean 'router'?"
    >>> did_you_mean("x", ["router", "landing"])
    'known: landing, router'
    """
    from difflib import get_close_matches

    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else "known: " + ", ".join(sorted(known))
