"""How far topics reach and what is in them.

An offset is no count: every transaction leaves markers that take an offset each. Counts come
from reading to the end; waiting for a job to catch up goes by offsets.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicPartition

# Its types do not say what the module exports.
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from workbench.broker.clients import (
    ANSWER_SECONDS,
    NotReady,
    cluster_metadata,
    kafka_errors,
    make_admin,
    make_consumer,
    topic_name,
)
from workbench.config import Settings
from workbench.errors import StackError, WorkbenchError

#: Messages taken from the client at a time.
_AT_ONCE = 10_000
#: A leader that has just changed, or a topic that was just made, has settled after this time.
_SETTLE_SECONDS = 15.0
#: A read that moves nowhere for this long has lost its broker.
_STUCK_SECONDS = 30.0


@dataclass(frozen=True)
class Received:
    """One message as it was read; a null value is a tombstone."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    #: When the broker or the producer stamped it, ms since 1970, UTC.
    timestamp_ms: int


def end_offsets(settings: Settings, topics: Iterable[str]) -> dict[tuple[str, int], int]:
    """Return the offset after the last message of every partition, by topic and partition.

    Parameters
    ----------
    topics
        Names of the contracts, without the prefix; the keys of the answer are the same names.

    Raises
    ------
    WorkbenchError
        Where a topic is missing or the broker does not answer.
    """
    admin = make_admin(settings)
    deadline = time.monotonic() + _SETTLE_SECONDS
    while True:
        try:
            with kafka_errors(settings):
                return _end_offsets(settings, admin, topics)
        except NotReady:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def _end_offsets(
    settings: Settings, admin: AdminClient, topics: Iterable[str]
) -> dict[tuple[str, int], int]:
    known = cluster_metadata(settings, admin).topics
    wanted = {}
    for name in topics:
        full = topic_name(settings, name)
        if full not in known:
            raise WorkbenchError(f"no topic {full!r}", hint="`workbench topics apply` creates it")
        for partition in known[full].partitions:
            wanted[TopicPartition(full, partition)] = (name, partition)
    if not wanted:
        return {}
    latest: Any = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    asked = admin.list_offsets(dict.fromkeys(wanted, latest), request_timeout=ANSWER_SECONDS)
    found = {(p.topic, p.partition): future.result().offset for p, future in asked.items()}
    return {key: found[part.topic, part.partition] for part, key in wanted.items()}


def is_at_end(settings: Settings, group: str, topics: Iterable[str]) -> bool:
    """Say whether a consumer group has committed the end of every partition that has messages.

    Parameters
    ----------
    group
        The consumer group.
    topics
        Names of the contracts, without the prefix.
    """
    ends = end_offsets(settings, topics)
    wanted = [
        TopicPartition(topic_name(settings, topic), part) for (topic, part), end in ends.items()
        if end
    ]  # fmt: skip
    consumer = make_consumer(settings, group)
    try:
        with kafka_errors(settings):
            found = consumer.committed(wanted, timeout=ANSWER_SECONDS) if wanted else []
    finally:
        consumer.close()
    committed = {(at.topic, at.partition): at.offset for at in found}
    return all(
        committed.get((topic_name(settings, topic), part), -1) >= end
        for (topic, part), end in ends.items()
        if end
    )


def count_messages(settings: Settings, topic: str, read_committed: bool = True) -> int:
    """Return how many messages a topic holds now, read to its end.

    Parameters
    ----------
    topic
        Name of the contract, without the prefix.
    read_committed
        Leave out what belongs to open and aborted transactions.
    """
    return sum(len(batch) for batch in _read(settings, topic, read_committed))


def read_all(settings: Settings, topic: str, read_committed: bool = True) -> list[Received]:
    """Return all messages a topic holds now, by partition and offset.

    Parameters are those of `count_messages`. All of it is held in memory.
    """
    messages = [
        Received(m.partition(), m.offset(), m.key(), m.value(), m.timestamp()[1])
        for batch in _read(settings, topic, read_committed)
        for m in batch
    ]
    return sorted(messages, key=lambda message: (message.partition, message.offset))


def _read(settings: Settings, topic: str, read_committed: bool) -> Iterator[list[Any]]:
    """Yield what lies before the end offsets of this moment, a batch at a time."""
    full = topic_name(settings, topic)
    ends = {part: end for (_, part), end in end_offsets(settings, [topic]).items() if end}
    if not ends:
        return
    isolation = "read_committed" if read_committed else "read_uncommitted"
    consumer = make_consumer(settings, isolation_level=isolation)
    try:
        with kafka_errors(settings):
            consumer.assign([TopicPartition(full, part, 0) for part in ends])
            moved = time.monotonic()
            while ends:
                taken: list[Any] = consumer.consume(_AT_ONCE, timeout=0.2)
                if taken:
                    moved = time.monotonic()
                elif time.monotonic() - moved > _STUCK_SECONDS:
                    raise StackError(
                        f"{full} cannot be read to its end", hint="`workbench stack status`"
                    )
                batch = []
                for message in taken:
                    part, offset, error = message.partition(), message.offset(), message.error()
                    if error is None:
                        if part in ends and offset < ends[part]:
                            batch.append(message)
                        if part in ends and offset >= ends[part] - 1:
                            del ends[part]
                    elif error.code() == KafkaError._PARTITION_EOF:
                        # Markers and aborted messages at the end never show as messages.
                        ends.pop(part, None)
                    else:
                        raise KafkaException(error)
                if batch:
                    yield batch
    finally:
        consumer.close()
