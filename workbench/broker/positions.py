"""Where the partitions of topics begin and end, and how far a consumer group has come."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from confluent_kafka import IsolationLevel, KafkaError, KafkaException, TopicPartition

# Its types do not say what the module exports.
from confluent_kafka.admin import AdminClient

from workbench.broker.clients import cluster_metadata, make_consumer, topic_name
from workbench.config import Settings

ANSWER_SECONDS = 3.0
#: A broker that has just started looks for the one that keeps a group's offsets.
_SETTLING = (
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)

#: A topic of the contracts and a partition.
Partition = tuple[str, int]


def partitions(
    settings: Settings, admin: AdminClient, topics: Iterable[str]
) -> dict[tuple[str, int], Partition]:
    """Return the partitions of topics, by full name and number; absent topics are left out."""
    known = cluster_metadata(settings, admin).topics
    found: dict[tuple[str, int], Partition] = {}
    for topic in dict.fromkeys(topics):
        full = topic_name(settings, topic)
        if full in known:
            found.update({(full, part): (topic, part) for part in known[full].partitions})
    return found


def offsets_of(
    admin: AdminClient, parts: dict[tuple[str, int], Partition], spec: Any
) -> dict[Partition, Any]:
    """Return what the broker says of each partition: first, last or newest, as `spec` asks."""
    if not parts:
        return {}
    asked = admin.list_offsets(
        {TopicPartition(*full): spec for full in parts},
        # What an open transaction has written cannot be read yet.
        isolation_level=IsolationLevel.READ_COMMITTED,
        request_timeout=ANSWER_SECONDS,
    )
    return {parts[at.topic, at.partition]: future.result() for at, future in asked.items()}


def committed_by(
    settings: Settings, group: str, parts: dict[tuple[str, int], Partition]
) -> dict[Partition, int]:
    """Return the offsets that a consumer group has committed; partitions without are left out."""
    if not parts:
        return {}
    consumer = make_consumer(settings, group)
    until = time.monotonic() + ANSWER_SECONDS
    try:
        while True:
            try:
                wanted = [TopicPartition(*full) for full in parts]
                found = consumer.committed(wanted, timeout=ANSWER_SECONDS)
                break
            except KafkaException as error:
                if error.args[0].code() not in _SETTLING or time.monotonic() > until:
                    raise
                time.sleep(0.1)
    finally:
        consumer.close()
    return {
        parts[str(at.topic), at.partition]: at.offset
        for at in found
        if at.error is None and at.offset >= 0
    }
