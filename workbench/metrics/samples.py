"""What was found, as samples of the metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.contracts import JOBS, Job, table_named
from workbench.contracts.reasons import REASONS
from workbench.contracts.records import DUPLICATE, SEVERITIES
from workbench.contracts.topics import DESERIALIZATION, PROCESSING_ERRORS
from workbench.metrics.definitions import (
    JOB_PREFIX,
    TASK_PREFIX,
    TASKMANAGER_PREFIX,
    metric_named,
)

if TYPE_CHECKING:
    from workbench.metrics.collect import State


@dataclass(frozen=True)
class Sample:
    """One value of a metric."""

    name: str
    labels: dict[str, str]
    value: float

    def __post_init__(self) -> None:
        assert tuple(self.labels) == metric_named(self.name).labels, self


def samples(state: State) -> list[Sample]:
    """Return everything that was found as samples; what is not known has none."""
    return [*_parts(state), *_jobs(state), *_lags(state), *_tables(state), *_counts(state)]


def _parts(state: State) -> Iterator[Sample]:
    for part, seconds in state.seconds.items():
        yield Sample("workbench_up", {"part": part}, float(part not in state.problems))
        yield Sample("workbench_collect_seconds", {"part": part}, round(seconds, 6))


def _jobs(state: State) -> Iterator[Sample]:
    for job in state.jobs:
        labels = {"job": job.name}
        yield Sample("workbench_job_up", labels, float(job.up))
        for name, value in (
            ("workbench_job_restarts", job.restarts),
            ("workbench_job_uptime_seconds", job.uptime_s),
            (
                "workbench_job_last_checkpoint_timestamp_seconds",
                job.checkpoint_at.timestamp() if job.checkpoint_at else None,
            ),
        ):
            if value is not None:
                yield Sample(name, labels, float(value))
        for name, number in job.metrics.items():
            yield Sample(f"{JOB_PREFIX}{name}", labels, number)
        for task in job.tasks:
            for name, number in task.metrics.items():
                yield Sample(f"{TASK_PREFIX}{name}", {**labels, "task": task.name}, number)
    if "flink" not in state.problems:
        running = float(sum(job.up for job in state.jobs))
        yield Sample("flink_jobmanager_numRunningJobs", {}, running)
    for manager, numbers in state.taskmanagers.items():
        for name, number in numbers.items():
            full = f"{TASKMANAGER_PREFIX}{name.replace('.', '_')}"
            yield Sample(full, {"tm_id": manager}, number)


def _lags(state: State) -> Iterator[Sample]:
    for lag in state.lags or ():
        labels = {"job": lag.job, "topic": lag.topic, "partition": str(lag.partition)}
        yield Sample("workbench_kafka_lag_records", labels, float(lag.records))


def _tables(state: State) -> Iterator[Sample]:
    for table in state.tables:
        labels = {"table": table.name}
        if table.exists or table.problem:
            yield Sample("workbench_table_up", labels, float(table.problem is None))
        if not table.exists:
            continue
        yield Sample("workbench_table_rows", labels, float(table.rows))
        yield Sample("workbench_table_files", labels, float(table.files))
        if table.committed_at is not None:
            name = "workbench_table_last_commit_timestamp_seconds"
            yield Sample(name, labels, table.committed_at.timestamp())
        if table.newest_event is not None:
            age = (state.at - table.newest_event).total_seconds()
            yield Sample("workbench_freshness_seconds", {**labels, "against": "clock"}, age)
        behind = state.behind_s(table)
        if behind is not None:
            yield Sample("workbench_freshness_seconds", {**labels, "against": "kafka"}, behind)


def _may_refuse(job: Job) -> Iterator[tuple[str, str, str]]:
    """Every kind of dead letter that a job can write: the job, the topic and the reason."""
    for topic in job.topics:
        for reason in REASONS.get(topic, ()):
            yield job.name, topic, reason


def _counts(state: State) -> Iterator[Sample]:
    # A series has to be there at 0 before its growth can be seen: `increase` knows no first value.
    counts = state.counts
    if counts.dead_letters is not None:
        dead_letters = {letter: 0 for job in JOBS for letter in _may_refuse(job)}
        dead_letters |= counts.dead_letters
        for (who, to, why), number in dead_letters.items():
            labels = {"job": who, "topic": to, "reason": why}
            yield Sample("dlq_events_total", labels, float(number))
        for name, topic in (
            ("deserialization_errors_total", DESERIALIZATION),
            ("processing_errors_total", PROCESSING_ERRORS),
        ):
            errors: Counter[str] = Counter()
            for (who, to, why), number in dead_letters.items():
                # A duplicate is refused because somebody wants it so: nothing is wrong with it.
                if to == topic and why != DUPLICATE:
                    errors[who] += number
            for who, number in errors.items():
                yield Sample(name, {"job": who}, float(number))
    if counts.late is not None:
        writers = table_named("ops.late_rows").job.split(", ")
        for who in sorted({*writers, *counts.late}):
            yield Sample("late_events_total", {"job": who}, float(counts.late.get(who, 0)))
    if counts.alerts is not None:
        for severity, number in (dict.fromkeys(SEVERITIES, 0) | counts.alerts).items():
            yield Sample("price_alerts_fired_total", {"severity": severity}, float(number))
    for name, number in (counts.states or {}).items():
        yield Sample("workbench_dead_letters", {"state": name}, float(number))
