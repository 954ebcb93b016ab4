"""Ctrl-C that waits where it would lose count: between a message handed over and counted."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Interrupts:
    """Holds Ctrl-C back for a moment.

    Examples
    --------
    >>> interrupts, done = Interrupts(), []
    >>> try:
    ...     with interrupts.caught():
    ...         with interrupts.held():
    ...             signal.raise_signal(signal.SIGINT)
    ...             done.append("to its end")
    ...         done.append("never")
    ... except KeyboardInterrupt:
    ...     done.append("stopped")
    >>> done
    ['to its end', 'stopped']
    """

    def __init__(self) -> None:
        self._is_holding = False
        self._came = False

    @contextmanager
    def caught(self) -> Iterator[None]:
        """Take care of Ctrl-C; only the main thread can, elsewhere nothing changes."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGINT, self._on_signal)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let what is inside come to its end before a Ctrl-C counts; a second counts at once."""
        self._is_holding = True
        try:
            yield
        finally:
            self._is_holding = False
        if self._came:
            raise KeyboardInterrupt

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self._is_holding or self._came:
            raise KeyboardInterrupt
        self._came = True
