"""An engine on a task: started, timed, its answer checked, ended. One way for all of them."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import psutil

from bench.lab import Lab
from bench.meter import Meter
from bench.outputs import Message, Outputs
from bench.stats import at


@dataclass(frozen=True)
class Result:
    """One measured run.

    Parameters
    ----------
    engine, task
        Who, on what.
    run
        ``first`` in a fresh process, ``warm`` where an earlier run has warmed it.
    events
        Records eaten.
    startup_s, startup_cpu_s
        From the start until the first record was read; with the CPU of what submits it.
    seconds
        From the first record to the last result; None where the answer is wrong.
    cpu_s
        CPU of the engine from the first record until the last result is committed; None likewise.
    late_cpu_s
        The same from the middle result on: half of the events.
    broker_cpu_s
        CPU of the broker in that time.
    commit_s
        From the last result until it was committed.
    wrong
        How the answer differs; None where it is right.
    durability
        What a kill leaves.
    """

    engine: str
    task: str
    run: str
    events: int
    startup_s: float
    startup_cpu_s: float
    seconds: float | None
    cpu_s: float | None
    late_cpu_s: float | None
    broker_cpu_s: float
    commit_s: float
    wrong: str | None
    durability: str

    @property
    def rate(self) -> float | None:
        """Events per second."""
        return None if self.seconds is None else self.events / self.seconds

    @property
    def cpu_per_million(self) -> float | None:
        """CPU seconds per million events."""
        return None if self.cpu_s is None else self.cpu_s * 1e6 / self.events

    @property
    def late_cpu_per_million(self) -> float | None:
        """CPU seconds per million events of the second half."""
        return None if self.late_cpu_s is None else self.late_cpu_s * 2e6 / self.events

    def as_dict(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "rate": self.rate,
            "cpu_per_million": self.cpu_per_million,
            "late_cpu_per_million": self.late_cpu_per_million,
        }


class Engine(Protocol):
    """What a run needs of an engine."""

    name: str
    task: str
    durability: str
    #: Whether its results are visible only when they are committed.
    transactional: bool

    def outputs(self) -> list[str]:
        """Make what the run needs; return the full names of the topics it writes."""

    def start(self) -> None:
        """Start it, and return when it runs."""

    def processes(self) -> list[psutil.Process]:
        """The processes whose CPU counts."""

    def commit(self) -> None:
        """Have it commit now, where that can be asked for."""

    def check_alive(self) -> None:
        """Raise where it has ended by itself."""

    def end(self) -> None:
        """End it."""

    def wrong(self, messages: list[Message]) -> str | None:
        """Say how the answer differs from the definition; None where it is right."""


def measure(
    lab: Lab,
    engine: Engine,
    *,
    events: int,
    expected: int,
    run: str,
    is_result: Callable[[Message], bool] = lambda _: True,
) -> Result:
    """Run an engine over a filled topic once.

    Parameters
    ----------
    lab
        Where it runs.
    engine
        The engine.
    events
        Records of the topic.
    expected
        Messages it writes, at least.
    run
        ``first`` or ``warm``.
    is_result
        Which messages count for the time of the last result.
    """
    outputs = Outputs(lab.bootstrap_servers, engine.outputs())
    broker = lab.pid_of("kafka")
    before = _client_cpu()
    with Meter(engine.processes, broker) as meter:
        started = time.time()
        try:
            engine.start()
            visible = outputs.wait(expected, commit=engine.commit, alive=engine.check_alive)
        finally:
            client = _client_cpu() - before
            engine.end()
    messages = outputs.read()
    times = sorted(m[3] / 1000 for m in messages if is_result(m))
    wrong = engine.wrong(messages)
    first = meter.first_record()
    last, half = times[-1], times[len(times) // 2]
    visible = max(visible, last) if engine.transactional else last
    right = wrong is None
    return Result(
        engine=engine.name,
        task=engine.task,
        run=run,
        events=events,
        startup_s=first - started,
        startup_cpu_s=at(meter.cpu["engine"], first) - meter.cpu["engine"][0][1] + client,
        seconds=last - first if right else None,
        cpu_s=meter.seconds("engine", first, visible) if right else None,
        late_cpu_s=meter.seconds("engine", half, visible) if right else None,
        broker_cpu_s=meter.seconds("broker", first, visible),
        commit_s=visible - last,
        wrong=wrong,
        durability=engine.durability,
    )


def _client_cpu() -> float:
    """CPU of children that have ended: the process that submits jobs is one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
