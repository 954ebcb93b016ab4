"""Suites with live traffic: latency of the router, and its recovery from a killed TaskManager."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from confluent_kafka import TopicPartition

from bench.flinkjob import FlinkJob
from bench.lab import SOURCE, Lab
from bench.records import Shape
from bench.traffic import Traffic, latencies
from workbench.broker.clients import make_consumer, topic_name
from workbench.contracts.topics import ROUTES
from workbench.jobs.deployment import job_names


@dataclass(frozen=True)
class Case:
    """How a router runs whose latency is measured."""

    delivery: str
    checkpoint_interval_ms: int
    latency: str
    #: Events a second.
    rate: int
    #: Of the 99th percentile, in ms.
    goal: int | None = None


#: Both deliveries as the guide sets them for low latency, and one of them without. The last ones
#: find the TaskManager warm, as they would where it runs for longer than a minute.
CASES = (
    Case("at-least-once", 10_000, "balanced", 5_000),
    Case("exactly-once", 200, "low", 5_000, 250),
    Case("exactly-once", 100, "low", 5_000, 250),
    Case("at-least-once", 10_000, "low", 20_000, 150),
    Case("at-least-once", 10_000, "low", 5_000, 50),
)
_SETTINGS = ("delivery", "checkpoint_interval_ms", "latency")
WARM_UP_S = 20
_RATE = 2_000


class _Live:
    """A router that runs, with traffic through it, until the end of the block."""

    def __init__(self, lab: Lab, rate: int, *others: str, **flink: object) -> None:
        # A topic of its own for each case: nothing lies in it yet.
        self.shape = Shape(events=0, symbols=0, seed=int(lab.stamp(), 16))
        lab.preload(self.shape)
        jobs = ["router", *others]
        self.job = FlinkJob(lab, self.shape, f"live-{lab.stamp()}", jobs, **flink)
        self.job.prepare()
        self.job.start()
        folder = lab.folder / "live"
        folder.mkdir(exist_ok=True)
        topics = [topic_name(self.job.settings, topic) for topic in dict.fromkeys(ROUTES.values())]
        servers = lab.bootstrap_servers
        reader = {"servers": servers, "topics": topics, "group": f"live-{lab.stamp()}"}
        self._receiver = Traffic("receive", reader, folder / "received.json")
        source = topic_name(self.job.settings, SOURCE)
        self._sender = Traffic(
            "send", {"servers": servers, "topic": source, "rate": rate}, folder / "sent.json"
        )

    def __enter__(self) -> _Live:
        return self

    def __exit__(self, *_: object) -> None:
        self._sender.kill()
        self._receiver.kill()
        self.job.end()

    def _committed(self) -> int:
        """How many records the job has committed that it read; also after a restart."""
        group = job_names(self.job.settings)["router"]
        source = topic_name(self.job.settings, SOURCE)
        parts = [TopicPartition(source, part) for part in range(self.shape.partitions)]
        consumer = make_consumer(self.job.settings, group)
        try:
            return sum(max(0, part.offset) for part in consumer.committed(parts, timeout=10))
        finally:
            consumer.close()

    def stop(self) -> tuple[dict[str, Any], list[list[int]]]:
        """End the sender, wait for the job, end the receiver; return what was sent and came."""
        sent = self._sender.stop()
        until = time.monotonic() + 180
        while self._committed() < sent["sent"]:
            if time.monotonic() > until:
                raise TimeoutError("the job does not catch up")
            self.job.commit()
            time.sleep(0.25)
        time.sleep(2)  # for the receiver to take what the last commit has shown
        arrivals: list[list[int]] = self._receiver.stop()["arrivals"]
        return sent, arrivals


def latency(lab: Lab, seconds: int, cases: Sequence[Case] = CASES) -> dict[str, Any]:
    """Measure the way of a record through the router, Kafka to Kafka."""
    rows = []
    for case in cases:
        lab.progress(
            f"router: {case.delivery}, checkpoints every {case.checkpoint_interval_ms} ms, "
            f"latency {case.latency}, {case.rate:,}/s"
        )
        flink = {key: getattr(case, key) for key in _SETTINGS}
        with _Live(lab, case.rate, **flink) as live:
            time.sleep(WARM_UP_S)
            start = time.time_ns()
            time.sleep(seconds)
            end = time.time_ns()
            load = os.getloadavg()[0]
            sent, arrivals = live.stop()
        row = {
            **asdict(case),
            "sent": sent["sent"],
            "sender_late_ms": 1000 * sent["latest_s"],
            "load": load,
            **latencies(arrivals, start, end),
            "received": len({number for _, _, number in arrivals}),
        }
        lab.progress(f"  p50 {row['p50']:.0f} ms, p99 {row['p99']:.0f} ms, max {row['max']:.0f} ms")
        rows.append(row)
    return {"rows": rows, "seconds": seconds}


def recovery(lab: Lab, repeats: int) -> dict[str, Any]:
    """Kill the router's TaskManager under load, again and again, and take the times."""
    rows = [_killed(lab, "the only one") for _ in range(repeats)]
    lab.add_taskmanager()
    # Another job keeps the second one warm, as where there are more jobs than one.
    rows += [_killed(lab, "one of two", "landing") for _ in range(repeats)]
    return {"rows": rows, "rate": _RATE}


def _killed(lab: Lab, which: str, *others: str) -> dict[str, Any]:
    """Kill the TaskManager that the router runs in, and start it again at once."""
    with _Live(lab, _RATE, *others, checkpoint_interval_ms=1_000) as live:
        time.sleep(WARM_UP_S)
        load = os.getloadavg()[0]
        victim = live.job.taskmanager("router")
        killed = time.time_ns()
        lab.restart_taskmanager(victim)
        registered = time.time_ns()
        live.job.wait_until_running()
        running = time.time_ns()
        time.sleep(15)
        sent, arrivals = live.stop()
    row = {
        "what": which,
        "load": load,
        "registered_s": (registered - killed) / 1e9,
        "running_s": (running - killed) / 1e9,
        **recovered(arrivals, killed, sent["sent"]),
    }
    lab.progress(f"  {which}: first new output after {row['output_s']:.1f} s")
    return row


def recovered(arrivals: list[list[int]], killed_ns: int, sent: int) -> dict[str, Any]:
    """Return when output came again after a kill, and what is missing or came twice.

    The first new output is the first to come after the longest silence that follows the kill:
    what was committed before the kill may still be on its way.

    Examples
    --------
    >>> before, after = [1_000, 1_500, 0], [2_000, 9_000_000_000, 1]
    >>> recovered([before, after], 1_200, 2)
    {'output_s': 8.9..., 'fresh_s': 8.9..., 'lost': 0, 'doubled': 0}
    """
    came = sorted({at for _, at, _ in arrivals if at > killed_ns})
    gaps = [
        (later - earlier, later) for earlier, later in zip([killed_ns, *came], came, strict=False)
    ]
    fresh = [at for stamp, at, _ in arrivals if stamp > killed_ns]
    counts = Counter(number for _, _, number in arrivals)
    return {
        "output_s": (max(gaps)[1] - killed_ns) / 1e9,
        "fresh_s": (min(fresh) - killed_ns) / 1e9,
        "lost": sent - len(counts),
        "doubled": sum(counts.values()) - len(counts),
    }
