"""The thread of a live view: it reads, keeps the windows, and survives its broker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta

from workbench.errors import WorkbenchError
from workbench.live_view.kinds import Kind
from workbench.live_view.source import Source, now
from workbench.live_view.state import LiveState, Phase
from workbench.live_view.window import Row, Window

#: The broker is asked this often how far its topics reach, which tells that it is there, too.
ASK_EVERY_SECONDS = 1.0
#: After a loss it tries again this often.
AGAIN_SECONDS = 1.0
_POLL_SECONDS = 0.1


class Feed:
    """Reads the topics of a view into its windows, on a thread of its own or to their ends.

    Parameters
    ----------
    kind
        What is followed.
    connect
        Opens the source; called again after every loss.
    rows, length
        Bounds of each window.
    on_tick
        Called on the thread after every step, also when it has failed; an error of it ends the
        thread.
    """

    def __init__(
        self,
        kind: Kind,
        connect: Callable[[], Source],
        rows: int,
        length: timedelta,
        on_tick: Callable[[], None] = lambda: None,
    ) -> None:
        self._kind, self._connect, self._on_tick = kind, connect, on_tick
        self._windows = {topic: Window(rows, length) for topic in kind.topics}
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._state = LiveState(since=now())
        self._thread: threading.Thread | None = None

    # ------------------------------------------------------------ what others ask

    @property
    def state(self) -> LiveState:
        """How it stands with the broker."""
        with self._lock:
            return self._state

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def seen(self) -> tuple[list[str], int, datetime | None]:
        """Return the symbols in the windows, how many rows, and the newest event time."""
        with self._lock:
            windows = list(self._windows.values())
            symbols = list(dict.fromkeys(name for each in windows for name in each.symbols()))
            moments = [each.newest for each in windows if each.newest]
            return symbols, sum(map(len, windows)), max(moments, default=None)

    def copy(self) -> dict[str, Window]:
        """Return the windows as they are now; the thread goes on filling its own."""
        with self._lock:
            return {topic: window.copy() for topic, window in self._windows.items()}

    # ------------------------------------------------------------ what it does

    def start(self) -> None:
        """Begin to read on a thread."""
        self._thread = threading.Thread(target=self._run, name="workbench-live", daemon=True)
        self._thread.start()

    def stop(self, wait: float = 2.0) -> None:
        """End the thread; safe to call twice, and from the thread itself."""
        self._ended.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(wait)
        self._step(lambda state: state.stopped(now()))

    def read_to_end(self, seconds: float) -> None:
        """Read until nothing waits any more, or for so long; then it is over.

        Raises
        ------
        WorkbenchError
            Where the broker does not answer.
        """
        source, deadline = self._connect(), now() + seconds
        try:
            while now() < deadline:
                came = self._take(source)
                if not came and self._ask(source) == 0:
                    break
        finally:
            source.close()
        self._step(lambda state: state.stopped(now()))

    def _run(self) -> None:
        try:
            while not self._ended.is_set():
                self._follow_until_lost()
        except Exception as error:
            # Nobody sees what a thread raises: the view says it instead of looking alive.
            self._fail(error)

    def _follow_until_lost(self) -> None:
        try:
            self._follow()
        except WorkbenchError as error:
            why = error.message
            self._step(lambda state: state.lost(now(), why))
            self._on_tick()
            self._ended.wait(AGAIN_SECONDS)

    def _fail(self, error: Exception) -> None:
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        self._ended.set()
        self._step(lambda state: state.stopped(now(), why))
        with suppress(Exception):
            self._on_tick()

    def _follow(self) -> None:
        source = self._connect()
        try:
            asked = float("-inf")
            while not self._ended.is_set():
                self._take(source)
                if now() - asked >= ASK_EVERY_SECONDS:
                    self._ask(source)
                    asked = now()
                self._on_tick()
        finally:
            source.close()

    def _take(self, source: Source) -> int:
        came = source.poll(_POLL_SECONDS)
        if not came:
            return 0
        read: list[tuple[str, Row]] = []
        for topic, message in came:
            row = self._kind.row_of(topic, message.value, message.timestamp_ms)
            if row is not None:
                read.append((topic, row))
        with self._lock:
            for topic, row in read:
                self._windows[topic].add(row)
            self._state = self._state.received(now(), len(came), len(came) - len(read))
        return len(came)

    def _ask(self, source: Source) -> int:
        behind, skipped = source.lag()
        self._step(lambda state: state.caught_up_to(now(), behind, skipped))
        return behind

    def _step(self, step: Callable[[LiveState], LiveState]) -> None:
        with self._lock:
            if self._state.phase is not Phase.STOPPED:
                self._state = step(self._state)
