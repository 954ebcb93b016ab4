"""How an attempt ended, and whether another one may go better."""

from __future__ import annotations

import re

from workbench.errors import KernelError, NotebookError, StaleData, WorkbenchError
from workbench.schedule.history import Status

#: What a cell raises when a part or the lake does not answer it.
_PART_IN_A_CELL = re.compile(r" stopped: (StackError|LakeError|ConnectionError|\w*TimeoutError)\b")


class Unexpected(WorkbenchError):
    """An error that is not of the workbench: a full disk, a broken library."""


def status_of(error: WorkbenchError | None) -> Status:
    """Return how an attempt ended that raised this."""
    by_code: dict[int, Status] = {3: "failed", 4: "stale"}
    return "passed" if error is None else by_code.get(error.exit_code, "error")


def is_transient(error: WorkbenchError | None) -> bool:
    """Say whether another attempt may go better: dead kernels, silent parts, stale data.

    Not where a check failed, something was asked that cannot be, or a cell raised of itself.

    Examples
    --------
    >>> from workbench.errors import StackError, StaleData, ValidationFailed
    >>> is_transient(StackError("no broker")), is_transient(StaleData("it ends at noon"))
    (True, True)
    >>> is_transient(ValidationFailed("wrong"))
    False
    """
    if error is None:
        return False
    if isinstance(error, Unexpected):
        return isinstance(error.__cause__, OSError)
    if isinstance(error, NotebookError):
        return isinstance(error, KernelError) or bool(_PART_IN_A_CELL.search(error.message))
    return isinstance(error, StaleData) or error.exit_code == 1
