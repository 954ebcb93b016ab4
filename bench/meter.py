"""Clock and CPU of an engine while it eats a topic.

An engine's first record is the moment the broker begins to send what lies in the topic: the
kernel counts the bytes a process writes, and before that moment an engine has only talked to the
broker about groups and metadata. So every engine is timed the same way, whatever it tells of
itself. CPU is user and system time of the engine's processes and their children, sampled ten
times a second and read off at the moments that matter.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import psutil

from bench.stats import at

#: More than any talk about groups, transactions and metadata, less than one fetch.
FIRST_FETCH_BYTES = 192 * 1024
_PERIOD_S = 0.1

Processes = Callable[[], list[psutil.Process]]


class CpuClock:
    """CPU seconds of processes and all their children; what has ended stays counted."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._seen: dict[tuple[int, float], float] = {}

    def read(self) -> float:
        """Return the seconds so far."""
        for root in self._processes():
            try:
                everyone = [root, *root.children(recursive=True)]
            except psutil.Error:
                continue
            for process in everyone:
                try:
                    times = process.cpu_times()
                    self._seen[process.pid, process.create_time()] = times.user + times.system
                except psutil.Error:
                    continue
        return sum(self._seen.values())


class Meter:
    """Samples of the engine's CPU, of the broker's CPU and of what the broker has sent.

    Parameters
    ----------
    engine
        The engine's processes at this moment.
    broker
        Process id of the broker.
    """

    def __init__(self, engine: Processes, broker: int) -> None:
        process = psutil.Process(broker)
        self._broker = process
        self._clocks = {"engine": CpuClock(engine), "broker": CpuClock(lambda: [process])}
        self.cpu: dict[str, list[tuple[float, float]]] = {name: [] for name in self._clocks}
        self.sent: list[tuple[float, float]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Meter:
        self._sample()
        self.began = time.time()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._sample()

    def _run(self) -> None:
        while not self._stop.wait(_PERIOD_S):
            self._sample()

    def _sample(self) -> None:
        for name, clock in self._clocks.items():
            self.cpu[name].append((time.time(), clock.read()))
        self.sent.append((time.time(), float(self._broker.io_counters().write_chars)))

    def first_record(self) -> float:
        """Return when the broker began to send the topic's records, in seconds since 1970."""
        before, quiet = self.sent[0][1], self.sent[0][0]
        for moment, sent in self.sent:
            # The last sample before the burst is the nearest to its beginning.
            if sent - before > FIRST_FETCH_BYTES:
                return quiet
            quiet = moment
        raise RuntimeError("the broker sent nothing")

    def seconds(self, of: str, start: float, end: float) -> float:
        """Return the CPU seconds of ``engine`` or ``broker`` between two moments."""
        return at(self.cpu[of], end) - at(self.cpu[of], start)
