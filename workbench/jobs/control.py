"""Start and stop the jobs of a deployment, so that nothing is read twice or left out.

A stop takes a savepoint, and the next submit goes on from it; a run that was cut off goes on from
its newest checkpoint. A stop with ``drain`` also closes every open window: the state of a windowed
job is done with then, and its next submit goes on from the offsets that its consumer group
committed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from workbench.broker.clients import topic_name
from workbench.broker.topics import diff
from workbench.config import Settings
from workbench.contracts import JOBS, Job, job_named
from workbench.errors import StackError, UsageError
from workbench.jobs.bookmark import (
    Bookmark,
    one_at_a_time,
    read_bookmark,
    restore_point,
    restore_uri,
    write_bookmark,
)
from workbench.jobs.cluster import Cluster
from workbench.jobs.deployment import deployment, job_names, job_settings
from workbench.jobs.plans import keep_with_savepoint, plan_of, run_plan, write_plan
from workbench.jobs.process import ask
from workbench.lake.catalog import load_catalog
from workbench.stack import endpoints

Progress = Callable[[str], None]
START_TIMEOUT_S = 180
#: A source that has something to commit does so within a second.
NOTHING_READ_TIMEOUT_S = 8


def _check(settings: Settings, cluster: Cluster, jobs: list[Job]) -> None:
    """Refuse before anything starts what would only fail inside a running job."""
    free, total = cluster.slots()
    needed = sum(job_settings(settings, job.name).parallelism or 1 for job in jobs)
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
    check_places(settings, jobs)


def check_places(settings: Settings, jobs: list[Job]) -> None:
    """Refuse jobs whose topics or tables are not there."""
    missing = {drift.topic for drift in diff(settings) if drift.what == "missing"}
    used = {topic_name(settings, name) for job in jobs for name in (*job.sources, *job.topics)}
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
    drop_state: bool = False,
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
    drop_state
        Let operators that cannot go on from the state start empty.
    progress
        Told what is going on.

    Returns
    -------
    dict
        Flink's job id of each job.

    Raises
    ------
    UsageError
        For an unknown name, a job that runs already, or one that cannot go on from its state.
    StackError
        When cluster, broker, a topic, a table or a slot is missing, or a job fails to start.
    """
    jobs = [job_named(name) for name in dict.fromkeys(names)]
    cluster = Cluster(endpoints(settings).rest_url)
    with one_at_a_time(settings):
        _check(settings, cluster, jobs)
        for job in jobs:
            _settle(settings, cluster, job.name)
        starts = [
            Start(job.name, None if fresh else restore_point(settings, job.name), drop_state)
            for job in jobs
        ]
        return start_jobs(settings, cluster.url, starts, progress)


def to_resume(settings: Settings, cluster: Cluster) -> list[str]:
    """Return the jobs that should run and do not: nobody ended them, and they are gone or failed.

    A job that the cluster knows as cancelled or finished was ended by somebody through Flink
    itself, and is left alone.
    """
    names, known = job_names(settings), cluster.jobs()
    lost = []
    for job in JOBS:
        bookmark = read_bookmark(settings, job.name)
        if bookmark is None or not bookmark.should_run:
            continue
        runs = any(state.runs for state in known if state.name == names[job.name])
        last = next((state.state for state in known if state.id == bookmark.job_id), "FAILED")
        if not runs and last == "FAILED":
            lost.append(job.name)
    return lost


def resume(
    settings: Settings, names: list[str], progress: Progress = lambda _: None
) -> dict[str, str]:
    """Start those of `names` again that should run and do not, from their newest checkpoints.

    Returns
    -------
    dict
        Flink's job id of each job that was started.

    Raises
    ------
    UsageError
        While another process starts or stops jobs.
    StackError
        As `submit` raises it.
    """
    cluster = Cluster(endpoints(settings).rest_url)
    with one_at_a_time(settings):
        # Asked once more: somebody may have stopped one of them a moment ago.
        jobs = [job_named(name) for name in to_resume(settings, cluster) if name in names]
        for job in jobs:
            progress(f"{job.name}: goes on from {restore_point(settings, job.name) or 'its group'}")
        if not jobs:
            return {}
        _check(settings, cluster, jobs)
        starts = [_as_it_ran(settings, job.name) for job in jobs]
        return start_jobs(settings, cluster.url, starts, progress)


def _as_it_ran(settings: Settings, name: str) -> Start:
    """The start of a run that was cut off: by its plan, whatever the project's SQL is by now."""
    known = read_bookmark(settings, name)
    plan = run_plan(settings, known.job_id) if known is not None else None
    return Start(name, restore_point(settings, name), plan=plan)


def restore(
    settings: Settings,
    name: str,
    restore_from: str,
    *,
    drop_state: bool = False,
    progress: Progress = lambda _: None,
) -> str:
    """Start a job from a savepoint or checkpoint of one's choice; return Flink's job id.

    What was written after that point is written again: into the lake and, exactly-once or not,
    into the topics. It is for a job that went wrong, or whose last state is lost.

    Parameters
    ----------
    settings
        The settings in force.
    name
        A job of the registry that does not run.
    restore_from
        Path or URI of the savepoint or of a checkpoint, see `restore_points`.
    drop_state
        Let operators that cannot go on from the state start empty.
    progress
        Told what is going on.

    Raises
    ------
    UsageError
        For an unknown name, a job that runs, a place that holds no savepoint, or a job that
        cannot go on from it.
    StackError
        As `submit`.
    """
    job = job_named(name)
    place = restore_uri(restore_from)
    where = endpoints(settings)
    with one_at_a_time(settings):
        _check(settings, Cluster(where.rest_url), [job])
        starts = [Start(name, place, drop_state)]
        return start_jobs(settings, where.rest_url, starts, progress)[name]


def _settle(settings: Settings, cluster: Cluster, name: str) -> None:
    """Note a drain that ended after the one who asked for it was gone."""
    known = read_bookmark(settings, name)
    if known is not None and known.closing:
        ended = any(job.id == known.job_id and job.state == "FINISHED" for job in cluster.jobs())
        write_bookmark(settings, name, replace(known, closing=False, drained=ended))


@dataclass(frozen=True)
class Start:
    """A job to start, and what it goes on from; see ``flink_jobs.run.Going``."""

    name: str
    restore_from: str | None = None
    drop_state: bool = False
    #: A compiled plan; from the job's SQL when None.
    plan: str | None = None
    #: Read nothing and only close the windows.
    closing: bool = False

    def request(self, settings: Settings) -> dict[str, Any]:
        """Return the start as the Flink process takes it."""
        previous = plan_of(settings, self.restore_from) if self.restore_from else None
        going = {
            "restore_from": self.restore_from,
            "previous": previous,
            "drop_state": self.drop_state,
            "plan": self.plan,
        }
        values = {**deployment(settings, self.name), "closing": self.closing}
        return {"name": self.name, "deployment": values, "going": going}


def start_jobs(
    settings: Settings, rest_url: str, starts: list[Start], progress: Progress
) -> dict[str, str]:
    """Submit jobs and wait until all their tasks run; return Flink's job ids."""
    requests = [start.request(settings) for start in starts]
    by_name = {start.name: start for start in starts}
    ids: dict[str, str] = {}
    for answer in ask(settings, {"command": "submit", "rest_url": rest_url, "jobs": requests}):
        start, job_id = by_name[answer["job"]], answer["id"]
        ids[start.name] = job_id
        write_plan(settings, job_id, answer["plan"])
        bookmark = Bookmark(job_id, restored_from=start.restore_from, closing=start.closing)
        write_bookmark(settings, start.name, bookmark)
        progress(f"{start.name}: submitted as {job_id}")
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
    with one_at_a_time(settings):
        running = {}
        for job in jobs:
            running[job.name] = running_id(cluster, flink_names[job.name], job.name)
        savepoints = {}
        failed: list[StackError] = []
        for name, job_id in running.items():
            try:
                savepoints[name] = stop_one(settings, cluster, name, job_id, drain=drain)
                progress(f"{name}: {'drained' if drain else 'stopped'}")
            except StackError as error:
                # The others can stop all the same.
                failed.append(error)
        if failed:
            raise failed[0]
        return savepoints


def running_id(cluster: Cluster, flink_name: str, name: str) -> str:
    """Return Flink's id of a job that runs.

    Raises
    ------
    UsageError
        When it does not.
    """
    state = cluster.job(flink_name)
    if state is None or not state.runs:
        raise UsageError(f"job {name} is not running", hint="`workbench jobs status` shows what is")
    return state.id


def cancel(settings: Settings, names: list[str]) -> None:
    """End jobs without a savepoint; the next submit goes on from their newest checkpoints.

    Raises
    ------
    UsageError
        For an unknown name.
    StackError
        When the cluster does not answer.
    """
    jobs = [job_named(name) for name in dict.fromkeys(names)]
    cluster = Cluster(endpoints(settings, kafka=False).rest_url)
    flink_names = job_names(settings)
    for job in jobs:
        state = cluster.job(flink_names[job.name])
        if state is not None and state.runs:
            known = read_bookmark(settings, job.name)
            if known is not None:
                # First: a supervisor must not take it for one that was cut off.
                write_bookmark(settings, job.name, replace(known, cancelled=True))
            cluster.cancel(state.id)


def stop_one(
    settings: Settings, cluster: Cluster, name: str, job_id: str, *, drain: bool = False
) -> str:
    """Stop a job with a savepoint and note where; return the savepoint."""
    folder = (settings.stack_folder / "flink" / "savepoints").resolve().as_uri()
    has_read = cluster.records_read(job_id) > 0
    try:
        savepoint = cluster.stop_with_savepoint(job_id, folder, drain=False)
    except StackError as error:
        problem = cluster.problem(job_id) or error.message
        raise StackError(
            f"job {name} made no savepoint and goes on: {problem}",
            hint=f"`workbench jobs stop {name} --cancel` ends it at its newest checkpoint",
        ) from error
    keep_with_savepoint(settings, job_id, savepoint)
    stopped = Bookmark(job_id, savepoint=savepoint)
    write_bookmark(settings, name, stopped)
    if drain and job_named(name).windowed:
        try:
            savepoint = _close_windows(settings, cluster, name, savepoint, folder, has_read)
        except BaseException:
            # Whatever kept it from closing its windows: the job goes on from where it stopped.
            cancel(settings, [name])
            write_bookmark(settings, name, stopped)
            raise
        write_bookmark(settings, name, replace(stopped, savepoint=savepoint, drained=True))
    return savepoint


def _close_windows(
    settings: Settings, cluster: Cluster, name: str, savepoint: str, folder: str, has_read: bool
) -> str:
    """Drain a windowed job that was stopped at `savepoint`; return the last savepoint.

    A drain of the running job would not do, for two reasons. Flink drops the final watermark of a
    source whose partitions are all idle, and leaves every open window unsaid. And a drained
    savepoint has no source to go on from, while the offsets that are committed at the very end
    may not get through. So the job goes on once more from its savepoint, never idle and reading
    nothing: a checkpoint commits exactly the offsets of the savepoint, and then it is drained.
    """
    closing = Start(name, savepoint, plan=plan_of(settings, savepoint), closing=True)
    job_id = start_jobs(settings, cluster.url, [closing], lambda _: None)[name]
    _commit_offsets(cluster, name, job_id, has_read)
    return cluster.stop_with_savepoint(job_id, folder, drain=True)


def _commit_offsets(cluster: Cluster, name: str, job_id: str, has_read: bool) -> None:
    """Make checkpoints until one has committed the offsets of the sources.

    A job that started from the offsets of its group and has read nothing since has none to commit:
    those of the group still hold.
    """
    patience = START_TIMEOUT_S if has_read else NOTHING_READ_TIMEOUT_S
    until = time.monotonic() + patience
    while time.monotonic() < until:
        cluster.checkpoint(job_id)
        for _ in range(20):
            if cluster.source_metric(job_id, ".commitsSucceeded") > 0:
                return
            time.sleep(0.1)
    if has_read:
        raise StackError(
            f"job {name} could not commit its offsets in {patience} s",
            hint="it goes on from its savepoint with the next submit; see `workbench stack logs`",
        )
