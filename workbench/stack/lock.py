"""One `up` or `down` at a time per folder, and none that a signal can leave half done."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

from workbench.errors import StackError
from workbench.stack.files import Layout, disk_errors
from workbench.stack.jars import Progress

#: Seconds another command in the same folder is waited for: longer than a start may take.
LOCK_TIMEOUT = 180.0
WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _same_file(descriptor: int, layout: Layout) -> bool:
    """Say whether the open file is still the one in the folder: a purge removes it."""
    try:
        return os.path.samestat(os.fstat(descriptor), layout.lock.stat())
    except FileNotFoundError:
        return False


@contextmanager
def locked(layout: Layout, progress: Progress) -> Iterator[int]:
    """Hold the folder's lock for the block; yields the file descriptor that holds it.

    Raises
    ------
    StackError
        Where another command keeps it for longer than a start may take.
    """
    deadline = time.monotonic() + LOCK_TIMEOUT
    told = False
    while True:
        layout.make()
        with disk_errors(layout.lock):
            descriptor = os.open(layout.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The lock of a removed file keeps nobody else out.
            if _same_file(descriptor, layout):
                break
        except BlockingIOError:
            if not told:
                progress("another `workbench stack` command works in this folder; waiting for it")
                told = True
        os.close(descriptor)
        if time.monotonic() > deadline:
            raise StackError(
                f"another `workbench stack` command has held {layout.lock} for too long",
                hint=f"waited {LOCK_TIMEOUT:.0f} s; see what it does, or end it, and try again",
            )
        time.sleep(0.2)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class Stopped(KeyboardInterrupt):
    """A signal asked us to stop; unwinds like Ctrl-C does."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


class Signals:
    """SIGINT, SIGTERM and SIGHUP unwind the block, once, and never in the middle of a `hold`."""

    def __init__(self) -> None:
        self._holding = False
        self._pending: int | None = None

    def _stop(self, number: int, frame: FrameType | None) -> None:
        del frame
        # Once is enough: a second one must not interrupt the cleaning.
        for name in WATCHED:
            signal.signal(name, signal.SIG_IGN)
        self._pending = number
        if not self._holding:
            raise Stopped(number)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Let a signal wait until the block is through: a child is started and on record."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
        if self._pending is not None:
            raise Stopped(self._pending)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch during the block; a thread that is not the main one cannot, and need not."""
        if current_thread() is not main_thread():
            yield
            return
        # What is ignored stays so: under nohup a closed terminal must not end us.
        heard = [name for name in WATCHED if signal.getsignal(name) != signal.SIG_IGN]
        before = {name: signal.signal(name, self._stop) for name in heard}
        try:
            yield
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)
