"""What an engine wrote to its topics since a moment: how much, when, and what."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec  # type: ignore[attr-defined]

from bench.lab import STAMPED_BY_BROKER

_AT_ONCE = 10_000

#: librdkafka tells of connections that end with the stack; what matters comes as an exception.
SILENT = {"log_level": 2}
#: topic, key, value, time of the producer in ms
Message = tuple[str, bytes | None, bytes | None, int]


class Outputs:
    """Output topics of a run, from the moment this is made.

    Parameters
    ----------
    servers
        The broker.
    topics
        Their full names.
    """

    def __init__(self, servers: str, topics: Sequence[str]) -> None:
        self.servers, self.topics = servers, tuple(topics)
        self._admin = AdminClient({"bootstrap.servers": servers, **SILENT})
        known = self._admin.list_topics(timeout=10).topics
        self._parts = [(t, p) for t in self.topics for p in known[t].partitions]
        until = time.monotonic() + 15
        while True:
            try:
                self._start = self._ends(committed=False)
                break
            except KafkaException:  # a topic that was just made has no leader at first
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)

    def _ends(self, *, committed: bool) -> dict[tuple[str, int], int]:
        isolation = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        latest: Any = OffsetSpec.latest()  # type: ignore[no-untyped-call]
        asked = self._admin.list_offsets(
            {TopicPartition(*part): latest for part in self._parts}, isolation_level=isolation
        )
        return {(p.topic, p.partition): future.result().offset for p, future in asked.items()}

    def written(self, *, committed: bool) -> int:
        """How far the ends have moved; the markers of transactions count too."""
        ends = self._ends(committed=committed)
        return sum(ends[part] - self._start[part] for part in ends)

    def wait(
        self,
        expected: int,
        *,
        commit: Callable[[], None] = lambda: None,
        alive: Callable[[], None] = lambda: None,
        timeout: float = 120,
        quiet: float = 1.0,
    ) -> float:
        """Wait until so many messages are committed and no more come; return when the last were.

        Parameters
        ----------
        expected
            At least so many.
        commit
            Called once, when so many are written.
        alive
            Called now and then; raises where the engine has ended.
        timeout
            Seconds without any progress after which this is given up.
        quiet
            Who writes nothing for this long has written what there is to write.
        """
        moved, visible_moved, asked = time.time(), time.time(), False
        written = visible = -1
        while True:
            now = time.time()
            if (count := self.written(committed=False)) != written:
                moved, written = now, count
            if (count := self.written(committed=True)) != visible:
                visible_moved, visible = now, count
            if written >= expected and now - moved > quiet and not asked:
                commit()
                asked = True
            still = min(now - moved, now - visible_moved)
            if visible >= expected and asked and still > 2 * quiet:
                return visible_moved
            if still > timeout:
                raise TimeoutError(f"{visible:,} of {expected:,} messages after {timeout:.0f} s")
            alive()
            time.sleep(0.1)

    def read(self) -> list[Message]:
        """Return all committed messages since the start; those of a partition in order."""
        ends = {
            part: end for part, end in self._ends(committed=True).items() if end > self._start[part]
        }
        consumer = Consumer(
            {
                "bootstrap.servers": self.servers,
                "group.id": "bench-reader",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
                "fetch.queue.backoff.ms": 5,
                **SILENT,
            }
        )
        found: list[Message] = []
        try:
            consumer.assign([TopicPartition(*part, self._start[part]) for part in ends])
            while ends:
                for message in consumer.consume(_AT_ONCE, timeout=1.0):
                    part = (str(message.topic()), int(message.partition() or 0))
                    error = message.error()
                    if error is not None:
                        if error.code() != KafkaError._PARTITION_EOF:
                            raise KafkaException(error)
                        ends.pop(part, None)
                    elif part in ends and int(message.offset() or 0) < ends[part]:
                        found.append(
                            (part[0], message.key(), message.value(), message.timestamp()[1])
                        )
        finally:
            consumer.close()
        return found


def make_topics(servers: str, names: Sequence[str], partitions: int = 2) -> None:
    """Make topics for a run."""
    admin = AdminClient({"bootstrap.servers": servers, **SILENT})
    new = [
        NewTopic(name, partitions, config={"retention.ms": "-1", **STAMPED_BY_BROKER})
        for name in names
    ]
    for future in admin.create_topics(new, operation_timeout=30).values():
        future.result()
    until = time.monotonic() + 30
    while not set(names) <= set(admin.list_topics(timeout=10).topics):
        if time.monotonic() > until:
            raise TimeoutError(f"topics are not there: {', '.join(names)}")
        time.sleep(0.05)


def delete_topics(servers: str, names: Sequence[str]) -> None:
    """Remove the topics of a run."""
    admin = AdminClient({"bootstrap.servers": servers, **SILENT})
    for future in admin.delete_topics(list(names)).values():
        future.result()
