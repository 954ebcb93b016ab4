"""End jobs so that nothing is read twice or left out: with a savepoint, or at a checkpoint.

The next submit goes on from there. A stop with ``drain`` also closes every open window: the state
of a windowed job is done with then, see `workbench.jobs.draining`.
"""

from __future__ import annotations

from dataclasses import replace

from workbench.config import Settings
from workbench.contracts import Job, job_named
from workbench.errors import StackError, UsageError, WorkbenchError
from workbench.jobs.bookmark import (
    Bookmark,
    one_at_a_time,
    read_bookmark,
    restore_point,
    write_bookmark,
)
from workbench.jobs.cluster import Cluster
from workbench.jobs.deployment import job_names
from workbench.jobs.draining import close_windows, closing, has_offsets
from workbench.jobs.runs import keep_with_savepoint, run_of
from workbench.jobs.settling import settle
from workbench.jobs.starting import Progress, check, unknown_plan
from workbench.stack import endpoints
from workbench.stack.files import Layout


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
        Close every open window of windowed jobs, also of one that was stopped or cut off; other
        jobs hold nothing back.
    progress
        Told what is going on.

    Raises
    ------
    UsageError
        For an unknown name, a job that does not run, or one to be drained whose plan is not known;
        nothing was stopped then.
    StackError
        When the cluster does not answer or a savepoint fails.
    """
    jobs = [job_named(name) for name in dict.fromkeys(names)]
    cluster = Cluster(endpoints(settings, kafka=False).rest_url)
    flink_names = job_names(settings)
    with one_at_a_time(settings):
        settle(settings, cluster)
        running: dict[str, str | None] = {}
        for job in jobs:
            state = cluster.job(flink_names[job.name])
            if drain and _can_be_drained(settings, job) and not (state and state.runs):
                check(settings, cluster, [closing(settings, job.name)])
                running[job.name] = None
            else:
                running[job.name] = running_id(cluster, flink_names[job.name], job.name)
        if drain:
            _check_plans_are_known(settings, running)
        savepoints = {}
        failed: list[WorkbenchError] = []
        for name, job_id in running.items():
            try:
                if job_id is not None:
                    offsets = drain and has_offsets(cluster, job_id)
                    savepoints[name] = stop_one(settings, cluster, name, job_id)
                else:
                    offsets = True
                if drain and job_named(name).windowed:
                    savepoints[name] = _drain(settings, cluster, name, offsets)
                progress(f"{name}: {'drained' if drain else 'stopped'}")
            except WorkbenchError as error:
                # The others can stop all the same.
                failed.append(error)
        if failed:
            raise failed[0]
        return savepoints


def _check_plans_are_known(settings: Settings, running: dict[str, str | None]) -> None:
    """Refuse a drain that would stop a job and then not know by which plan to close its windows."""
    for name, job_id in running.items():
        if job_id is None or not job_named(name).windowed:
            continue
        if run_of(settings, name, job_id) is None:
            raise unknown_plan(
                name, f"run {job_id}",
                way_out="only the release that ran it can drain it; without --drain it stops, and "
                "keeps its windows for the next submit",
            )  # fmt: skip


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


def stop_one(
    settings: Settings, cluster: Cluster, name: str, job_id: str, *, upgrading: bool = False
) -> str:
    """Stop a job with a savepoint and note where; return the savepoint."""
    folder = Layout(settings.stack_folder).savepoints.resolve().as_uri()
    try:
        savepoint = cluster.stop_with_savepoint(job_id, folder, drain=False)
    except StackError as error:
        problem = cluster.problem(job_id) or error.message
        raise StackError(
            f"job {name} made no savepoint and goes on: {problem}",
            hint=f"`workbench jobs stop {name} --cancel` ends it at its newest checkpoint",
        ) from error
    keep_with_savepoint(settings, name, job_id, savepoint)
    write_bookmark(settings, name, Bookmark(job_id, savepoint=savepoint, upgrading=upgrading))
    return savepoint


def _can_be_drained(settings: Settings, job: Job) -> bool:
    """Say whether a job that does not run has windows that are open."""
    known = read_bookmark(settings, job.name)
    done = known is None or known.drained
    return job.windowed and not done and restore_point(settings, job.name) is not None


def _drain(settings: Settings, cluster: Cluster, name: str, offsets: bool) -> str:
    """Close the windows of a job that does not run; return the last savepoint."""
    known, start = read_bookmark(settings, name), closing(settings, name)
    assert known is not None, f"{name} never ran"
    # Whatever keeps it from closing its windows: the job goes on from where it ended.
    ended = replace(known, savepoint=start.restore_from, upgrading=False)
    try:
        closed = close_windows(settings, cluster, start, has_offsets=offsets)
    except BaseException:
        cancel_run(cluster, job_names(settings)[name])
        write_bookmark(settings, name, ended)
        raise
    write_bookmark(settings, name, replace(ended, savepoint=closed, drained=True))
    return closed


def cancel_run(cluster: Cluster, flink_name: str) -> str | None:
    """End what runs under a name, without a note of it; return its id, None where nothing does."""
    state = cluster.job(flink_name)
    if state is None or not state.runs:
        return None
    cluster.cancel(state.id)
    return state.id


def cancel(settings: Settings, names: list[str]) -> dict[str, str]:
    """End jobs without a savepoint; the next submit goes on from their newest checkpoints.

    Returns
    -------
    dict
        What became of each: ``cancelled``, ``not brought back`` for one that did not run but would
        have been started again, or ``not running`` where there was nothing to do.

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
    done = {}
    with one_at_a_time(settings):
        for job in jobs:
            known = read_bookmark(settings, job.name)
            wanted = known is not None and known.should_run
            if known is not None and wanted:
                # First: a supervisor must not take it for one that was cut off.
                write_bookmark(settings, job.name, replace(known, cancelled=True))
            if cancel_run(cluster, flink_names[job.name]) is not None:
                done[job.name] = "cancelled"
            else:
                done[job.name] = "not brought back" if wanted else "not running"
    return done
