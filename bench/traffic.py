"""Live traffic from processes of its own: one sends at a rate, one receives and takes the time.

``python -m bench.traffic send|receive CONFIG``. Every record carries the moment it was due in
the field `sent_ns`, which the jobs pass on like any field they do not know. Both processes are on
one machine and read one clock.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from array import array
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, Producer

from bench.outputs import SILENT
from bench.records import ticker
from bench.stats import percentile

#: A slice of a second: so much is sent at once.
_SLICE_S = 0.005


class Traffic:
    """A process that sends or receives until it is told to stop.

    Parameters
    ----------
    role
        ``send`` or ``receive``.
    config
        See `send` and `receive`.
    out
        File that gets what it has seen.
    """

    def __init__(self, role: str, config: dict[str, Any], out: Path) -> None:
        self._out = out
        out.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.traffic", role, json.dumps({**config, "out": str(out)})],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )

    def kill(self) -> None:
        """End it, whatever it has seen."""
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> dict[str, Any]:
        """End it; return what it has seen."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)
        seen: dict[str, Any] = json.loads(self._out.read_text())
        return seen


class _Stop:
    """Whether the process was told to stop, or has lost the one who would tell it."""

    def __init__(self) -> None:
        self._told = False
        self._parent = os.getppid()
        signal.signal(signal.SIGTERM, self._tell)

    def _tell(self, *_: object) -> None:
        self._told = True

    @property
    def asked(self) -> bool:
        return self._told or os.getppid() != self._parent


def send(config: dict[str, Any]) -> dict[str, Any]:
    """Send `rate` records a second to `topic`; return how many were sent."""
    stop = _Stop()
    producer = Producer(
        {
            "bootstrap.servers": config["servers"],
            **SILENT,
            "enable.idempotence": True,
            "linger.ms": 1,
            "partitioner": "murmur2_random",
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    names = [ticker(number) for number in range(100)]
    statuses = ("NEW", "FILLED", "CANCELLED", "PARTIALLY_FILLED")
    sent, began, began_ns = 0, time.perf_counter(), time.time_ns()
    late = 0.0
    while not stop.asked:
        due = int((time.perf_counter() - began) * config["rate"])
        while sent < due:
            now = time.time_ns()
            late = max(late, time.perf_counter() - began - sent / config["rate"])
            # When it was due: what a sender that is held up keeps waiting is a latency, too.
            due_ns = began_ns + int(sent / config["rate"] * 1e9)
            symbol = names[sent % 100]
            value = (
                f'{{"trade_id":"L{sent:09d}","order_id":"O{sent // 3:09d}","symbol":"{symbol}",'
                f'"side":"BUY","quantity":1.5,"price":187.25,"status":"{statuses[sent & 3]}",'
                f'"exchange":"NASDAQ","trader_id":"TR-001","account_id":"ACC-001",'
                f'"timestamp_ms":{now // 1_000_000},"event_type":"TRADE","sent_ns":{due_ns}}}'
            )
            producer.produce(config["topic"], value, symbol)
            sent += 1
        producer.poll(0)
        time.sleep(_SLICE_S)
    left = producer.flush(30)
    return {"sent": sent - left, "latest_s": late}


def receive(config: dict[str, Any]) -> dict[str, Any]:
    """Read committed messages of `topics`; return number, moments and latencies of all.

    ``arrivals`` has, for each message, when it was sent and when it came, in ns, and its number.
    """
    stop = _Stop()
    consumer = Consumer(
        {
            "bootstrap.servers": config["servers"],
            **SILENT,
            "group.id": config["group"],
            "auto.offset.reset": "latest" if config.get("latest") else "earliest",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 5,
        }
    )
    consumer.subscribe(config["topics"])
    # Flat: a list of as many tuples would have the garbage collector stop the clock.
    seen = array("q")
    while not stop.asked:
        messages = consumer.consume(2_000, timeout=0.002)
        now = time.time_ns()
        for message in messages:
            if message.error() is None:
                value = message.value() or b""
                stamp = int(value[value.rindex(b":") + 1 : -1])
                seen.extend((stamp, now, int(value[14:23])))
    consumer.close()
    return {"arrivals": [*zip(*[iter(seen)] * 3, strict=True)]}


def latencies(arrivals: list[list[int]], start_ns: int, end_ns: int) -> dict[str, float]:
    """Return the percentiles, in ms, of what was sent between two moments.

    Examples
    --------
    >>> latencies([[10_000_000, 15_000_000, 1], [20_000_000, 21_000_000, 2]], 0, 99_000_000)
    {'p50': 1.0, 'p99': 5.0, 'max': 5.0, 'received': 2}
    """
    found = [(came - sent) / 1e6 for sent, came, _ in arrivals if start_ns <= sent < end_ns]
    return {
        "p50": percentile(found, 0.5),
        "p99": percentile(found, 0.99),
        "max": max(found),
        "received": len(found),
    }


if __name__ == "__main__":
    given = json.loads(sys.argv[2])
    seen = {"send": send, "receive": receive}[sys.argv[1]](given)
    Path(given["out"]).write_text(json.dumps(seen))
