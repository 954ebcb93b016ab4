"""What a job left unread and Kafka no longer holds: it goes on behind it, and says so."""

from __future__ import annotations

from dataclasses import dataclass

from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

from workbench.broker.clients import kafka_errors, make_admin
from workbench.broker.positions import committed_by, offsets_of, partitions
from workbench.config import Settings
from workbench.contracts import Job
from workbench.jobs.deployment import job_names


@dataclass(frozen=True)
class Gap:
    """Records of a partition between where a job left off and the oldest that is left.

    Parameters
    ----------
    job, topic, partition
        Whose, and where; the topic of the contracts.
    left_off
        The first offset that the job has not read.
    oldest
        The first offset that the broker still has.
    """

    job: str
    topic: str
    partition: int
    left_off: int
    oldest: int

    def __str__(self) -> str:
        return (
            f"{self.job}: {self.topic}/{self.partition} has lost offsets {self.left_off:,} to "
            f"{self.oldest - 1:,} to the topic's retention before they were read; "
            "the job goes on behind them"
        )


def gaps(settings: Settings, jobs: list[Job]) -> list[Gap]:
    """Return what jobs will miss when they go on from where they left off.

    Where a job left off is what its consumer group has committed: Flink does so with each
    checkpoint and savepoint. A job that goes back to an older one misses at least this.

    Parameters
    ----------
    settings
        The settings in force.
    jobs
        Jobs of the registry.

    Raises
    ------
    WorkbenchError
        Where the broker does not answer.
    """
    admin = make_admin(settings)
    parts = partitions(settings, admin, [topic for job in jobs for topic in job.sources])
    with kafka_errors(settings):
        found = offsets_of(admin, parts, OffsetSpec.earliest())  # type: ignore[no-untyped-call]
        oldest = {where: result.offset for where, result in found.items()}
        missing = []
        for job in jobs:
            own = {full: where for full, where in parts.items() if where[0] in job.sources}
            left_off = committed_by(settings, job_names(settings)[job.name], own)
            missing += [
                Gap(job.name, *where, offset, oldest[where])
                for where, offset in sorted(left_off.items())
                if offset < oldest[where]
            ]
    return missing
