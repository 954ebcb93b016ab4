"""What the jobs of a deployment are doing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from workbench.config import Settings
from workbench.contracts import JOBS
from workbench.errors import StackError
from workbench.jobs.bookmark import read_bookmark
from workbench.jobs.cluster import Cluster
from workbench.jobs.deployment import job_names
from workbench.jobs.starting import Progress
from workbench.jobs.stopping import cancel, stop
from workbench.stack import endpoints


def running(settings: Settings) -> list[str]:
    """Return the names of the jobs that run."""
    cluster = Cluster(endpoints(settings, kafka=False).rest_url)
    names = job_names(settings)
    states = {name: cluster.job(names[name]) for name in names}
    return [name for name, state in states.items() if state is not None and state.runs]


def wanted_to_run(settings: Settings) -> list[str]:
    """Return the names of the jobs that run, and of those that a supervisor would start again."""
    runs = running(settings)
    known = {name: read_bookmark(settings, name) for name in job_names(settings)}
    return [n for n, mark in known.items() if n in runs or (mark is not None and mark.should_run)]


def stop_running(settings: Settings, progress: Progress = lambda _: None) -> list[str]:
    """Stop every job of this deployment that runs, so that each can go on later; return which.

    A job that can make no savepoint is cancelled: it goes on from its newest checkpoint, as does
    one that was cut off. Where the cluster does not answer there is nothing to stop.
    """
    try:
        names = running(settings)
    except StackError:
        return []
    for name in names:
        try:
            stop(settings, [name], progress=progress)
        except StackError as error:
            progress(f"{error.message}; it is cancelled")
            cancel(settings, [name])
    return names


def job_status(settings: Settings) -> list[tuple[Any, ...]]:
    """Return a row per job of the registry.

    Returns
    -------
    list of tuple
        name, state (``-`` where it was never submitted), since (UTC), records read since the last
        (re)start, completed checkpoints, time of the last one (UTC), last failure.
    """
    cluster = Cluster(endpoints(settings, kafka=False).rest_url)
    names = job_names(settings)
    return [_row(cluster, job.name, names[job.name]) for job in JOBS]


def _row(cluster: Cluster, name: str, flink_name: str) -> tuple[Any, ...]:
    job = cluster.job(flink_name)
    if job is None:
        return (name, "-", None, None, None, None, None)
    checkpoints = cluster.checkpoints(job.id) if job.runs else {}
    latest = (checkpoints.get("latest") or {}).get("completed") or {}
    acknowledged = latest.get("latest_ack_timestamp")
    return (
        name,
        cluster.state(job.id) if job.runs else job.state,
        job.since,
        cluster.records_read(job.id) if job.runs else None,
        (checkpoints.get("counts") or {}).get("completed"),
        datetime.fromtimestamp(acknowledged / 1000, UTC) if acknowledged else None,
        cluster.problem(job.id),
    )
