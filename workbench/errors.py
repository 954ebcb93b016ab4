"""What went wrong, with which value, and what to do next: one line a person can act on."""

from __future__ import annotations

from collections.abc import Sequence

#: Of a longer value an error shows the head.
_LONGEST = 60
#: Names a hint lists when none is near.
_LISTED = 20


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
    #: 5 notebook error, 6 dead kernel, 124 out of time (as of timeout(1)).
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


class QueryTimeout(LakeError):
    """A query was ended because it took longer than it was given."""

    exit_code = 124


class NotebookError(WorkbenchError):
    """A notebook stopped before its end."""

    exit_code = 5


class KernelError(NotebookError):
    """The kernel of a notebook died or did not start: another try may go well."""

    exit_code = 6


class StaleData(WorkbenchError):
    """The newest data is older than whoever asks accepts."""

    exit_code = 4


def quoted(value: object) -> str:
    """Return a value as an error names it: quoted, and of a very long one only the head.

    Examples
    --------
    >>> print(quoted("AAPL"), quoted("A" * 500), quoted(5))
    'AAPL' 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA…' 5
    """
    if isinstance(value, str):
        return repr(value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…")
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """Return a hint that names the nearest known name, or all of them; upper case or not.

    Examples
    --------
    >>> did_you_mean("routr", ["router", "landing"])
    "did you mean 'router'?"
    >>> did_you_mean("acc-001", ["ACC-001"])
    "did you mean 'ACC-001'?"
    >>> did_you_mean("x", ["router", "landing"])
    'known: landing, router'
    """
    from difflib import get_close_matches

    # The exact one wins where two differ in case alone.
    folded = {each.casefold(): each for each in known} | {each: each for each in known}
    near = get_close_matches(name, known, n=1) or get_close_matches(
        name.casefold()[:_LONGEST], folded, n=1
    )
    if near:
        return f"did you mean {folded[near[0]]!r}?"
    listed = sorted(known)
    more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
    return "known: " + ", ".join(listed[:_LISTED]) + more
