"""Every metric: its name, type, labels, unit, where it comes from, and when to worry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: Task metrics of Flink that are sums over a task's subtasks, and those that are their maximum.
TASK_SUMS = {
    "numRecordsInPerSecond": ("records/s", "Records a task takes in", "< 100 for 5 min"),
    "numRecordsOutPerSecond": ("records/s", "Records a task gives out", "< 100 for 5 min"),
    "numBytesInPerSecond": ("bytes/s", "Bytes a task takes in", ""),
    "numBytesOutPerSecond": ("bytes/s", "Bytes a task gives out", ""),
}
TASK_MAXIMA = {
    "backPressuredTimeMsPerSecond": ("ms/s", "Time held back by who comes after", "> 500"),
    "busyTimeMsPerSecond": ("ms/s", "Time at work", ""),
    "idleTimeMsPerSecond": ("ms/s", "Time without anything to do", ""),
}
#: Job metrics of Flink's JobManager.
JOB_METRICS = {
    "lastCheckpointDuration": ("ms", "Duration of the last checkpoint", "> 30,000"),
    "lastCheckpointSize": ("bytes", "Size of the last checkpoint", "> 1 GB"),
    "numberOfCompletedCheckpoints": (
        "checkpoints", "Completed since the job was submitted", "no increase for 5 min",
    ),
    "numberOfFailedCheckpoints": (
        "checkpoints", "Failed since the job was submitted", "> 0 in 10 min",
    ),
}  # fmt: skip
#: Metrics of a TaskManager: Flink's name with dots, here with underscores.
TASKMANAGER_METRICS = {
    "Status.JVM.Memory.Heap.Used": ("bytes", "Java heap in use", "> 85 % of Max for 5 min"),
    "Status.JVM.Memory.Heap.Max": ("bytes", "Java heap at most", ""),
    "Status.Shuffle.Netty.UsedMemorySegments": ("segments", "Network buffers in use", "> 90 %"),
    "Status.Shuffle.Netty.TotalMemorySegments": ("segments", "Network buffers in all", ""),
}

JOB_PREFIX = "flink_jobmanager_job_"
TASK_PREFIX = "flink_taskmanager_job_task_"
TASKMANAGER_PREFIX = "flink_taskmanager_"


@dataclass(frozen=True)
class Metric:
    """One metric.

    Parameters
    ----------
    name
        Its name in Prometheus.
    type
        ``counter`` for what only grows, else ``gauge``.
    help
        What it means.
    labels
        Names of its labels.
    unit
        Unit of its value.
    source
        Where the value comes from.
    threshold
        When to worry; empty where there is no rule for it.
    """

    name: str
    type: Literal["counter", "gauge"]
    help: str
    labels: tuple[str, ...]
    unit: str
    source: str
    threshold: str = ""


_REST = "Flink REST"
_LAKE = "rows in the lake"
_COMMIT = "snapshot of the table"

METRICS: tuple[Metric, ...] = (
    *(
        Metric(f"{TASK_PREFIX}{name}", "gauge", f"{text}; sum of its subtasks", ("job", "task"),
               unit, _REST, threshold)
        for name, (unit, text, threshold) in TASK_SUMS.items()
    ),
    *(
        Metric(f"{TASK_PREFIX}{name}", "gauge", f"{text}; largest of its subtasks",
               ("job", "task"), unit, _REST, threshold)
        for name, (unit, text, threshold) in TASK_MAXIMA.items()
    ),
    *(
        Metric(f"{JOB_PREFIX}{name}", "gauge", text, ("job",), unit, _REST, threshold)
        for name, (unit, text, threshold) in JOB_METRICS.items()
    ),
    *(
        Metric(f"{TASKMANAGER_PREFIX}{name.replace('.', '_')}", "gauge", text, ("tm_id",), unit,
               _REST, threshold)
        for name, (unit, text, threshold) in TASKMANAGER_METRICS.items()
    ),
    Metric("flink_jobmanager_numRunningJobs", "gauge", "Jobs of this deployment that run", (),
           "jobs", _REST, "0 for 2 min"),
    Metric("deserialization_errors_total", "counter", "Records that could not be read",
           ("job",), "records", f"{_LAKE}: `ops.dead_letters`", "> 10 in 1 min"),
    Metric("processing_errors_total", "counter", "Records that break a rule, without duplicates",
           ("job",), "records", f"{_LAKE}: `ops.dead_letters`", "> 5 in 1 min"),
    Metric("dlq_events_total", "counter", "Records refused, by reason",
           ("job", "topic", "reason"), "records", f"{_LAKE}: `ops.dead_letters`",
           "> 0 in 5 min, of another reason than `duplicate`"),
    Metric("late_events_total", "counter", "Executions that came too late for any window",
           ("job",), "records", f"{_LAKE}: `ops.late_rows`", "> 1 % of all"),
    Metric("price_alerts_fired_total", "counter", "Price alerts", ("severity",), "alerts",
           f"{_LAKE}: `market.price_alerts`"),
    Metric("workbench_up", "gauge", "Whether a part answered: kafka, flink, lake", ("part",),
           "0 or 1", "the collector", "0"),
    Metric("workbench_collect_seconds", "gauge", "How long it took to ask a part", ("part",),
           "s", "the collector"),
    Metric("workbench_job_up", "gauge", "Whether all tasks of a job run", ("job",), "0 or 1",
           _REST, "0 for 2 min"),
    Metric("workbench_job_restarts", "gauge", "Restarts since the job was submitted", ("job",),
           "restarts", _REST),
    Metric("workbench_job_uptime_seconds", "gauge", "Time since the job last (re)started",
           ("job",), "s", _REST),
    Metric("workbench_job_last_checkpoint_timestamp_seconds", "gauge",
           "When the last checkpoint was complete", ("job",), "s since 1970, UTC", _REST),
    Metric("workbench_kafka_lag_records", "gauge", "Records a job has not read yet",
           ("job", "topic", "partition"), "records", "Kafka and Flink REST"),
    Metric("workbench_table_up", "gauge", "Whether a table can be read", ("table",), "0 or 1",
           "the catalog", "0"),
    Metric("workbench_table_rows", "gauge", "Rows of a table", ("table",), "rows", _COMMIT),
    Metric("workbench_table_files", "gauge", "Data files of a table", ("table",), "files",
           _COMMIT),
    Metric("workbench_table_last_commit_timestamp_seconds", "gauge",
           "When a table was last committed to", ("table",), "s since 1970, UTC", _COMMIT),
    Metric("workbench_freshness_seconds", "gauge",
           "How far a table is behind: its newest event behind the clock, what it has of its "
           "topics behind the newest record in them (kafka)", ("table", "against"), "s",
           "file statistics, Kafka"),
    Metric("workbench_dead_letters", "gauge", "Dead letters by what became of them", ("state",),
           "records", f"{_LAKE}: `ops.dead_letters`, `ops.dead_letter_replays`"),
)  # fmt: skip


def metric_named(name: str) -> Metric:
    """Return the metric of this name."""
    return next(metric for metric in METRICS if metric.name == name)
