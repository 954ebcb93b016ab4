"""Start and stop the jobs of a deployment, so that nothing is read twice or left out.

A stop takes a savepoint, and the next submit goes on from it; a run that was cut off goes on from
its newest checkpoint. A stop with ``drain`` also closes every open window: the state of a windowed
job is done with then, and its next submit goes on from the offsets that its consumer group
committed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from workbench.broker.clients import topic_name
from workbench.broker.offsets import end_offsets
from workbench.broker.topics import diff
from workbench.config import Settings
from workbench.contracts import Job, job_named
from workbench.errors import StackError, UsageError
from workbench.jobs.bookmark import Bookmark, restore_point, write_bookmark
from workbench.jobs.cluster import Cluster
from workbench.jobs.deployment import deployment, job_names
from workbench.jobs.process import ask
from workbench.lake.catalog import load_catalog
from workbench.stack import endpoints

Progress = Callable[[str], None]
START_TIMEOUT_S = 180


def _check(settings: Settings, cluster: Cluster, jobs: list[Job]) -> None:
    """Refuse before anything starts what would only fail inside a running job."""
    free, total = cluster.slots()
    needed = len(jobs) * settings.flink.parallelism
    if free < needed:
        raise StackError(
            f"{needed} slots are needed and {free} of {total} are free",
            hint="stop a job with `workbench jobs stop`, or raise stack.slots",
        )
    names = job_names(settings)
    for job in jobs:
        running = cluster.job(names[job.name])
        if running is not None and running.runs:
            raise UsageError(f"job {job.name} is already {running.state}", hint="stop it first")
    missing = {drift.topic for drift in diff(settings) if drift.what == "missing"}
    used = {topic_name(settings, name) for job in jobs for name in (job.source, *job.topics)}
    if missing & used:
        raise StackError(
            "no topic " + ", ".join(sorted(missing & used)),
            hint="make them with `workbench topics apply`",
        )
    catalog = load_catalog(settings)
    absent = [t for job in jobs for t in job.tables if not catalog.table_exists(t)]
    if absent:
        raise StackError(
            "no table " + ", ".join(sorted(set(absent))),
            hint="make them with `workbench tables apply`",
        )


def submit(
    settings: Settings,
    names: list[str],
    *,
    fresh: bool = False,
    progress: Progress = lambda _: None,
) -> dict[str, str]:
    """Start jobs on the cluster and wait until all their tasks run.

    Parameters
    ----------
    settings
        The settings in force.
    names
        Jobs of the registry; all of them go through one client.
    fresh
        Start without the state of the last stop.
    progress
        Told what is going on.

    Returns
    -------
    dict
        Flink's job id of each job.

    Raises
    ------
    UsageError
        For an unknown name, or a job that runs already.
    StackError
        When cluster, broker, a topic, a table or a slot is missing, or a job fails to start.
    """
    jobs = [job_named(name) for name in dict.fromkeys(names)]
    where = endpoints(settings)
    cluster = Cluster(where.rest_url)
    _check(settings, cluster, jobs)
    restore = {job.name: None if fresh else restore_point(settings, job.name) for job in jobs}
    return _start(settings, where.rest_url, restore, deployment(settings), progress)


def _start(
    settings: Settings,
    rest_url: str,
    restore: dict[str, str | None],
    values: dict[str, Any],
    progress: Progress,
) -> dict[str, str]:
    request = {"command": "submit", "deployment": values, "rest_url": rest_url, "jobs": restore}
    ids: dict[str, str] = {}
    for answer in ask(settings, request):
        name, job_id = answer["job"], answer["id"]
        ids[name] = job_id
        write_bookmark(settings, name, Bookmark(job_id, restored_from=restore[name]))
        progress(f"{name}: submitted as {job_id}")
    cluster = Cluster(rest_url)
    for name, job_id in ids.items():
        _wait_until_running(cluster, name, job_id)
        progress(f"{name}: running")
    return ids


def _wait_until_running(cluster: Cluster, name: str, job_id: str) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    state = "SUBMITTED"
    while time.monotonic() < until:
        state = cluster.state(job_id)
        if state in ("RUNNING", "FINISHED"):
            return
        if state in ("FAILED", "CANCELED", "FAILING"):
            break
        time.sleep(0.2)
    problem = cluster.problem(job_id) or f"it is {state}"
    raise StackError(f"job {name} did not start: {problem}", hint="see `workbench stack logs`")


def stop(
    settings: Settings,
    names: list[str],
    *,
    drain: bool = False,
    progress: Progress = lambda _: None,
) -> dict[str, str]:
    """Stop jobs with a savepoint; return where each savepoint is.

    Parameters
    ----------
    settings
        The settings in force.
    names
        Jobs of the registry, in the order they are stopped.
    drain
        Close every open window of windowed jobs; other jobs hold nothing back.
    progress
        Told what is going on.

    Raises
    ------
    UsageError
        For an unknown name, or a job that does not run.
    StackError
        When the cluster does not answer or a savepoint fails.
    """
    jobs = [job_named(name) for name in dict.fromkeys(names)]
    cluster = Cluster(endpoints(settings, kafka=False).rest_url)
    flink_names = job_names(settings)
    running = {}
    for job in jobs:
        state = cluster.job(flink_names[job.name])
        if state is None or not state.runs:
            raise UsageError(
                f"job {job.name} is not running", hint="`workbench jobs status` shows what is"
            )
        running[job.name] = state
    folder = (settings.stack_folder / "flink" / "savepoints").resolve().as_uri()
    savepoints = {}
    for name, state in running.items():
        savepoint = cluster.stop_with_savepoint(state.id, folder, drain=False)
        stopped = Bookmark(state.id, savepoint=savepoint)
        write_bookmark(settings, name, stopped)
        if drain and job_named(name).windowed:
            savepoint = _close_windows(settings, cluster, name, savepoint, folder)
            write_bookmark(settings, name, replace(stopped, savepoint=savepoint, drained=True))
        savepoints[name] = savepoint
        progress(f"{name}: {'drained' if drain else 'stopped'}")
    return savepoints


def _close_windows(
    settings: Settings, cluster: Cluster, name: str, savepoint: str, folder: str
) -> str:
    """Drain a windowed job that was stopped at `savepoint`; return the last savepoint.

    A drain of the running job would not do, for two reasons. Flink drops the final watermark of a
    source whose partitions are all idle, and leaves every open window unsaid. And a drained
    savepoint has no source to go on from, while the offsets that are committed at the very end
    may not get through. So the job goes on once more from its savepoint, never idle and reading
    nothing: a checkpoint commits exactly the offsets of the savepoint, and then it is drained.
    """
    values = {**deployment(settings), "closing": True}
    job_id = _start(settings, cluster.url, {name: savepoint}, values, lambda _: None)[name]
    if end_offsets_sum(settings, job_named(name).source):
        _commit_offsets(cluster, job_id)
    return cluster.stop_with_savepoint(job_id, folder, drain=True)


def _commit_offsets(cluster: Cluster, job_id: str) -> None:
    """Make checkpoints until one has committed the offsets of the sources."""
    until = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < until:
        cluster.checkpoint(job_id)
        for _ in range(20):
            if cluster.source_metric(job_id, ".commitsSucceeded") > 0:
                return
            time.sleep(0.1)
    raise StackError(
        f"job {job_id} could not commit its offsets", hint="see `workbench stack logs taskmanager`"
    )


def end_offsets_sum(settings: Settings, topic: str) -> int:
    """Return how far a topic reaches, over all partitions; zero where nothing was ever sent."""
    return sum(end_offsets(settings, [topic]).values())
