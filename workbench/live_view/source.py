"""The Kafka side of a live view: topics read from near their end, without a group."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Protocol

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from workbench.broker.clients import kafka_errors, make_consumer, topic_name
from workbench.broker.offsets import Received, end_offsets
from workbench.config import Settings

#: How long the broker may take to say how far a partition reaches.
ASK_SECONDS = 2.0
_AT_ONCE = 2_000

#: Where a topic and partition was read to.
Positions = dict[tuple[str, int], int]


class Source(Protocol):
    """Where the messages of a live view come from."""

    def poll(self, seconds: float) -> list[tuple[str, Received]]:
        """Return what came, with the contract's name of its topic; waits for the first so long."""

    def lag(self) -> tuple[int, int]:
        """Ask how far the topics reach: offsets not read yet, and those just jumped over."""

    def close(self) -> None:
        """Give the connection back."""


class KafkaSource:
    """Reads committed messages of some topics, beginning a little before their ends.

    Nothing is committed and no group exists on the broker: other readers see nothing of it.

    Parameters
    ----------
    settings
        The settings in force.
    topics
        Names of the contracts.
    back
        Offsets per topic to look back from the ends.
    positions
        Where an earlier connection had arrived: there it goes on. Kept up to date.

    Raises
    ------
    WorkbenchError
        Where the broker does not answer or a topic is missing.
    """

    def __init__(
        self, settings: Settings, topics: tuple[str, ...], back: int, positions: Positions
    ) -> None:
        self._settings, self._positions = settings, positions
        self._names = {topic_name(settings, topic): topic for topic in topics}
        ends = end_offsets(settings, topics)
        self._most = {topic: max(1, back // _count(ends, topic)) for topic in topics}
        self._consumer = make_consumer(settings)
        begin, self._jumped = beginnings(ends, self._most, positions)
        positions.update(begin)
        with kafka_errors(settings):
            self._consumer.assign(
                [TopicPartition(topic_name(settings, t), p, at) for (t, p), at in positions.items()]
            )

    def poll(self, seconds: float) -> list[tuple[str, Received]]:
        """Return what came."""
        came = []
        with kafka_errors(self._settings):
            taken: list[Any] = self._consumer.consume(_AT_ONCE, timeout=seconds)
            for message in taken:
                error = message.error()
                # The end counts the markers of transactions, which never show as messages.
                if error is not None and error.code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(error)
                key = self._names[message.topic()], message.partition()
                ended = error is not None
                self._positions[key] = message.offset() + (0 if ended else 1)
                if not ended:
                    at = message.timestamp()[1]
                    received = Received(
                        key[1], message.offset(), message.key(), message.value(), at
                    )
                    came.append((key[0], received))
        return came

    def lag(self) -> tuple[int, int]:
        """Ask for the ends; jump ahead where more waits than a window holds.

        What an earlier connection had not read and this one left out is told the first time.
        """
        behind, skipped = 0, self._jumped
        with kafka_errors(self._settings):
            for (topic, partition), at in list(self._positions.items()):
                part = TopicPartition(topic_name(self._settings, topic), partition)
                _, end = self._consumer.get_watermark_offsets(part, timeout=ASK_SECONDS)
                waiting = max(0, end - at)
                if waiting > 2 * self._most[topic]:
                    part.offset = end - self._most[topic]
                    self._consumer.seek(part)
                    skipped += part.offset - at
                    self._positions[topic, partition] = part.offset
                    waiting = self._most[topic]
                behind += waiting
        self._jumped = 0
        return behind, skipped

    def close(self) -> None:
        """Give the connection back."""
        self._consumer.close()


def beginnings(
    ends: Mapping[tuple[str, int], int],
    most: Mapping[str, int],
    positions: Mapping[tuple[str, int], int],
) -> tuple[Positions, int]:
    """Return where to begin to read, and the offsets since the last time that are left out.

    Parameters
    ----------
    ends
        How far each partition reaches.
    most
        Offsets of a partition to look back at most, by topic.
    positions
        Where an earlier connection had arrived; nothing for partitions that were not read yet.

    Examples
    --------
    >>> beginnings({("raw.trades", 0): 1_000}, {"raw.trades": 200}, {("raw.trades", 0): 500})
    ({('raw.trades', 0): 800}, 300)
    """
    begin: Positions = {}
    jumped = 0
    for key, end in ends.items():
        first, at = max(0, end - most[key[0]]), positions.get(key)
        # After a purge a topic begins anew, below where it had been read to.
        begin[key] = first if at is None or at > end else max(first, at)
        if at is not None and at <= end:
            jumped += begin[key] - at
    return begin, jumped


def _count(ends: dict[tuple[str, int], int], topic: str) -> int:
    return sum(name == topic for name, _ in ends) or 1


def now() -> float:
    """Return the clock of a live view: it only goes on."""
    return time.monotonic()
