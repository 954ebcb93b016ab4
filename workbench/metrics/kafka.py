"""What Kafka says of the jobs' topics: where they end, what groups have committed, what is unread.

An offset is no count: each transaction leaves a marker that takes an offset. So the difference of
two offsets is the most that can be unread, and a job that has read everything seems to be one
behind. Where Flink knows that nothing is unread, nothing is; where it does not, a short rest is
read and counted.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from confluent_kafka import KafkaError, TopicPartition

# Its types do not say what the module exports.
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

from workbench.broker.clients import kafka_errors, make_admin, make_consumer, topic_name
from workbench.broker.positions import Partition, committed_by, offsets_of, partitions
from workbench.config import Settings
from workbench.contracts import JOBS
from workbench.jobs.deployment import job_names
from workbench.metrics.flink import JobView

#: A rest of so many offsets is read to see how many records are in it; a longer one counts whole.
COUNTED_OFFSETS = 200
_COUNT_SECONDS = 1.5


@dataclass(frozen=True)
class KafkaView:
    """The topics that jobs read.

    Parameters
    ----------
    starts, ends
        First offset kept, and the offset after the last record that can be read, by topic of the
        contracts and partition.
    newest
        When the newest record of a topic arrived, UTC; no entry where there is none.
    committed
        Offsets committed by a job's consumer group.
    """

    starts: dict[Partition, int]
    ends: dict[Partition, int]
    newest: dict[str, datetime]
    committed: dict[str, dict[Partition, int]]


@dataclass(frozen=True)
class Lag:
    """How much of one partition a job has not read."""

    job: str
    topic: str
    partition: int
    records: int


def ask_kafka(settings: Settings) -> KafkaView:
    """Return what the broker says now; topics that do not exist are left out.

    Raises
    ------
    WorkbenchError
        Where it does not answer.
    """
    admin = make_admin(settings)
    parts = partitions(settings, admin, [topic for job in JOBS for topic in job.sources])
    with kafka_errors(settings):
        ends = offsets_of(admin, parts, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        starts = offsets_of(admin, parts, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        latest = offsets_of(admin, parts, OffsetSpec.max_timestamp())  # type: ignore[no-untyped-call]
        committed = {
            job.name: committed_by(
                settings, job_names(settings)[job.name],
                {full: ours for full, ours in parts.items() if ours[0] in job.sources},
            )
            for job in JOBS
        }  # fmt: skip
    newest: dict[str, datetime] = {}
    for (topic, _), result in latest.items():
        if result.timestamp > 0:
            moment = datetime.fromtimestamp(result.timestamp / 1000, UTC)
            newest[topic] = max(newest.get(topic, moment), moment)
    return KafkaView(
        {where: result.offset for where, result in starts.items()},
        {where: result.offset for where, result in ends.items()},
        newest,
        committed,
    )


def lags(settings: Settings, kafka: KafkaView, jobs: Iterable[JobView]) -> list[Lag]:
    """Return what each job has not read, by partition.

    A running job's position is what it has read, else what its group committed, else the start
    of the topic.
    """
    by_name = {job.name: job for job in jobs}
    upper: dict[tuple[str, Partition], tuple[int, int]] = {}
    for job in JOBS:
        view = by_name.get(job.name, JobView(job.name))
        for where, end in kafka.ends.items():
            if where[0] in job.sources:
                start = kafka.starts.get(where, 0)
                default = kafka.committed.get(job.name, {}).get(where, start)
                position = max(view.positions.get(where, default), start)
                nothing = view.up and view.pending == 0
                upper[job.name, where] = (position, 0 if nothing else max(0, end - position))
    short = {
        (where, position)
        for (_, where), (position, most) in upper.items()
        if 0 < most <= COUNTED_OFFSETS
    }
    counted = _count(settings, kafka, short) if short else {}
    return [
        Lag(job, *where, counted.get((where, position), most))
        for (job, where), (position, most) in upper.items()
    ]


def _count(
    settings: Settings, kafka: KafkaView, rests: set[tuple[Partition, int]]
) -> dict[tuple[Partition, int], int]:
    """Count the records from a position to the end; what does not answer in time is left out."""
    # One reader per partition, from the lowest position on: records above it count for all.
    lowest: dict[Partition, int] = {}
    for where, position in rests:
        lowest[where] = min(position, lowest.get(where, position))
    offsets: dict[Partition, list[int]] = {where: [] for where in lowest}
    names = {topic_name(settings, topic): topic for topic, _ in lowest}
    left = set(lowest)
    consumer = make_consumer(settings)
    try:
        consumer.assign(
            [
                TopicPartition(topic_name(settings, topic), part, offset)
                for (topic, part), offset in lowest.items()
            ]
        )
        until = time.monotonic() + _COUNT_SECONDS
        while left and time.monotonic() < until:
            for message in consumer.consume(1_000, timeout=0.1):
                where = (names[str(message.topic())], int(message.partition() or 0))
                error = message.error()
                if error is None and int(message.offset() or 0) < kafka.ends[where]:
                    offsets[where].append(int(message.offset() or 0))
                elif error is None or error.code() == KafkaError._PARTITION_EOF:
                    left.discard(where)
    finally:
        consumer.close()
    return {
        (where, position): sum(offset >= position for offset in offsets[where])
        for where, position in rests
        if where not in left
    }
