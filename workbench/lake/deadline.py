"""How long a query may take: DuckDB is interrupted when the time is over."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from workbench.errors import QueryTimeout, UsageError, quoted

#: An interrupt that comes between two steps of a statement is forgotten: it is sent again.
_AGAIN_S = 0.05


class Interruptible(Protocol):
    """A connection whose query can be ended from another thread."""

    def interrupt(self) -> None:
        """End it."""


def seconds(timeout_s: object) -> float | None:
    """Return a time limit; None is none.

    Raises
    ------
    UsageError
        For what is no number of seconds above 0.

    Examples
    --------
    >>> seconds(5), seconds(None)
    (5.0, None)
    """
    if timeout_s is None:
        return None
    number = isinstance(timeout_s, int | float) and not isinstance(timeout_s, bool)
    if not number or not 0 < timeout_s < float("inf"):  # type: ignore[operator]
        raise UsageError(
            f"timeout_s must be seconds above 0, got {quoted(timeout_s)}", hint="for example 30"
        )
    return float(timeout_s)  # type: ignore[arg-type]


@contextmanager
def deadline(connection: Interruptible, timeout_s: float | None) -> Iterator[None]:
    """End what a connection does in the block when the time is over.

    Raises
    ------
    QueryTimeout
        Instead of what DuckDB raises when it is interrupted.
    """
    if timeout_s is None:
        yield
        return
    over, ended = threading.Event(), threading.Event()

    def watch() -> None:
        if ended.wait(min(timeout_s, threading.TIMEOUT_MAX)):
            return
        over.set()
        while not ended.is_set():
            connection.interrupt()
            ended.wait(_AGAIN_S)

    watcher = threading.Thread(target=watch, name="workbench-deadline", daemon=True)
    watcher.start()
    try:
        yield
    except Exception as error:
        if not over.is_set():
            raise
        raise QueryTimeout(
            f"the query took longer than {timeout_s:g} s and was ended",
            hint="give it more time, or ask for less",
        ) from error
    finally:
        ended.set()
        watcher.join()
