"""What Flink says of the jobs: state, checkpoints, rates and how far they have read."""

from __future__ import annotations

import math
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from workbench.broker.clients import topic_name
from workbench.config import Settings
from workbench.contracts import JOBS, Job
from workbench.jobs.cluster import Cluster, JobState
from workbench.jobs.deployment import job_names
from workbench.metrics.definitions import (
    JOB_METRICS,
    TASK_MAXIMA,
    TASK_SUMS,
    TASKMANAGER_METRICS,
)
from workbench.stack import endpoints

#: A request of the REST interface that takes longer has failed.
ANSWER_SECONDS = 3.0
#: Flink fetches metrics when somebody asks, and answers with those it had: it has the new ones
#: this much later.
FETCH_SECONDS = 0.3
_ASKED_AT_ONCE = 8
#: A task is called after all operators in it; its name is cut here, as Flink cuts an operator's.
TASK_CHARACTERS = 80
_OFFSET = re.compile(r"KafkaSourceReader\.topic\.(.+)\.partition\.(\d+)\.currentOffset$")


@dataclass(frozen=True)
class Task:
    """One vertex of a job; metrics by Flink's name."""

    name: str
    metrics: dict[str, float]


@dataclass(frozen=True)
class JobView:
    """One job as Flink has it.

    Parameters
    ----------
    name
        Its name in the contracts.
    state
        Flink's state; ``STARTING`` until all tasks run, ``-`` where it was never submitted.
    uptime_s
        Seconds since it last (re)started.
    metrics
        Job metrics by Flink's name.
    checkpoint_at
        When the last checkpoint was complete, UTC.
    restarts
        Since it was submitted.
    problem
        Its last failure as one line.
    records_per_s
        What its sources read.
    pending
        Records its sources know to be unread; None where Flink does not say.
    positions
        Next offset by topic and partition; what was not read since the start is left out.
    tasks
        Its tasks, where they were asked for.
    """

    name: str
    state: str = "-"
    uptime_s: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    checkpoint_at: datetime | None = None
    restarts: int | None = None
    problem: str | None = None
    records_per_s: float | None = None
    pending: int | None = None
    positions: dict[tuple[str, int], int] = field(default_factory=dict)
    tasks: tuple[Task, ...] = ()

    @property
    def up(self) -> bool:
        """Whether all its tasks run."""
        return self.state == "RUNNING"


@dataclass(frozen=True)
class FlinkView:
    """The jobs of the registry, and the TaskManagers' metrics by id."""

    jobs: tuple[JobView, ...]
    taskmanagers: dict[str, dict[str, float]]


def ask_flink(settings: Settings, *, tasks: bool = True) -> FlinkView:
    """Return what the cluster says now.

    Parameters
    ----------
    settings
        The settings in force.
    tasks
        Whether to ask for every task's metrics, and the TaskManagers'.

    Raises
    ------
    StackError
        Where it does not answer.
    """
    cluster = Cluster(endpoints(settings, kafka=False).rest_url, timeout_s=ANSWER_SECONDS)
    known = cluster.jobs()
    names = job_names(settings)
    found = {job.name: cluster.newest(known, names[job.name]) for job in JOBS}
    for state in found.values():
        if state is not None and state.runs:
            cluster.metrics(f"/jobs/{state.id}", ["uptime"])
    time.sleep(FETCH_SECONDS)
    with ThreadPoolExecutor(_ASKED_AT_ONCE) as pool:
        jobs = pool.map(lambda job: _job(settings, cluster, job, found[job.name], tasks), JOBS)
        managers = pool.map(
            lambda name: (name, _numbers(cluster, f"/taskmanagers/{name}", TASKMANAGER_METRICS)),
            cluster.taskmanagers() if tasks else [],
        )
        return FlinkView(tuple(jobs), dict(managers))


def _job(
    settings: Settings, cluster: Cluster, job: Job, state: JobState | None, tasks: bool
) -> JobView:
    if state is None:
        return JobView(job.name)
    problem = cluster.problem(state.id)
    if not state.runs:
        return JobView(job.name, state.state, problem=problem)
    path = f"/jobs/{state.id}"
    wanted = [*JOB_METRICS, "uptime", "numRestarts", "lastCheckpointCompletedTimestamp"]
    numbers = _numbers(cluster, path, wanted)
    completed = numbers.get("lastCheckpointCompletedTimestamp", -1)
    sources, others = _vertices(cluster, state.id)
    read = [_source(settings, cluster, f"{path}/vertices/{each}", job) for each in sources.values()]
    rates = {name: source["rate"] for name, source in zip(sources, read, strict=True)}
    pending = [source["pending"] for source in read]
    # Flink has -1 where there was no checkpoint yet.
    metrics = {name: numbers[name] for name in JOB_METRICS if numbers.get(name, -1) >= 0}
    return JobView(
        job.name,
        cluster.state(state.id),
        numbers.get("uptime", 0.0) / 1000 if "uptime" in numbers else None,
        metrics,
        datetime.fromtimestamp(completed / 1000, UTC) if completed > 0 else None,
        int(numbers["numRestarts"]) if "numRestarts" in numbers else None,
        problem,
        sum(rates.values()),
        None if None in pending else sum(pending),
        {where: offset for source in read for where, offset in source["positions"].items()},
        _tasks(cluster, path, {**sources, **others}, rates) if tasks else (),
    )


def _vertices(cluster: Cluster, job_id: str) -> tuple[dict[str, str], dict[str, str]]:
    """The ids of the source tasks and of the others, by their names, which are made unique."""
    sources: dict[str, str] = {}
    others: dict[str, str] = {}
    for full, vertex in cluster.vertices(job_id):
        name = full[:TASK_CHARACTERS]
        group = sources if name.startswith("Source: ") else others
        unique = f"{name} ({vertex[:8]})" if name in sources or name in others else name
        group[unique] = vertex
    return sources, others


def _source(settings: Settings, cluster: Cluster, path: str, job: Job) -> dict[str, Any]:
    """Rate, unread records and positions of a source task, from its source operator."""
    endings = ("].numRecordsInPerSecond", "].pendingRecords")
    names = [
        name
        for name in cluster.metric_names(path)
        if _OFFSET.search(name) or ("Source__" in name and name.endswith(endings))
    ]
    topics = {_flattened(topic_name(settings, topic)): topic for topic in job.sources}
    rate, pending, positions = 0.0, [], {}
    for name, value in cluster.metrics(path, names).items():
        at = _OFFSET.search(name)
        if at and at[1] in topics and value >= 0:
            positions[topics[at[1]], int(at[2])] = int(value) + 1
        elif name.endswith("PerSecond"):
            rate += 0.0 if math.isnan(value) else value
        elif name.endswith("].pendingRecords"):
            pending.append(int(value))
    return {
        "rate": rate,
        "pending": sum(pending) if pending else None,
        "positions": positions,
    }


def _flattened(name: str) -> str:
    """A topic's name as Flink writes it into a metric's."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)


def _tasks(
    cluster: Cluster, path: str, vertices: dict[str, str], rates: dict[str, float]
) -> tuple[Task, ...]:
    found = []
    for name, vertex in vertices.items():
        sums, maxima = cluster.subtask_metrics(
            f"{path}/vertices/{vertex}", [*TASK_SUMS, *TASK_MAXIMA]
        )
        metrics = {key: sums[key] for key in TASK_SUMS if key in sums}
        metrics |= {key: maxima[key] for key in TASK_MAXIMA if key in maxima}
        if name in rates:
            # Flink counts what comes over the network: of a source that is nothing.
            metrics["numRecordsInPerSecond"] = rates[name]
        found.append(Task(name, metrics))
    return tuple(found)


def _numbers(cluster: Cluster, path: str, names: Any) -> dict[str, float]:
    return cluster.metrics(path, list(names))
