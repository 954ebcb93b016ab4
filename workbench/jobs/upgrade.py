"""Upgrade running jobs to their present SQL and settings, without losing or doubling a row."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NoReturn

from workbench.config import Settings
from workbench.contracts import job_named
from workbench.errors import StackError, WorkbenchError
from workbench.jobs.bookmark import (
    Bookmark,
    one_at_a_time,
    read_bookmark,
    restore_point,
    write_bookmark,
)
from workbench.jobs.cluster import Cluster
from workbench.jobs.deployment import deployment, job_names, job_settings
from workbench.jobs.process import ask
from workbench.jobs.runs import Run, run_behind, run_of
from workbench.jobs.settling import settle
from workbench.jobs.starting import Progress, Start, check_places, start_jobs, unknown_plan
from workbench.jobs.stopping import cancel_run, running_id, stop_one
from workbench.stack import endpoints

#: A job that is cancelled has ended after some seconds.
CANCEL_TIMEOUT_S = 60


@dataclass(frozen=True)
class _Old:
    """What is to be upgraded: a run, or the savepoint that an upgrade left that was cut off."""

    job_id: str
    #: Where it was stopped already; None while it runs.
    stopped_at: str | None = None


def upgrade(
    settings: Settings,
    names: list[str],
    *,
    drop_state: bool = False,
    unchecked: bool = False,
    progress: Progress = lambda _: None,
) -> dict[str, str]:
    """Stop jobs with a savepoint and start them from it as they are written and set now.

    Each job is compiled and held against the plan that runs before anything is stopped. One that
    does not start all the same goes on as it was: by its plan and with the settings it had. One
    whose plan was not known stays stopped at its savepoint. What is cut off on the way is finished
    by the next upgrade, or taken back by a supervisor.

    Parameters
    ----------
    settings
        The settings in force: parallelism, delivery and all others are those of the new run.
    names
        Jobs of the registry that run.
    drop_state
        Let operators that cannot go on from their state start empty, instead of refusing.
    unchecked
        Upgrade a job also where the plan is not known that it runs by.
    progress
        Told what is going on.

    Returns
    -------
    dict
        Flink's job id of each job.

    Raises
    ------
    UsageError
        For an unknown name, a job that does not run, or one that cannot go on from its state;
        nothing was stopped then.
    StackError
        When a savepoint fails (the job goes on), or a job did not start: it goes on as before, or
        is stopped at its savepoint where it is not known what it was before.
    """
    jobs = [job_named(name) for name in dict.fromkeys(names)]
    cluster = Cluster(endpoints(settings).rest_url)
    with one_at_a_time(settings):
        settle(settings, cluster)
        check_places(settings, jobs)
        old = {job.name: _old(settings, cluster, job.name) for job in jobs}
        old = _in_turn(settings, cluster, old)
        plans = _compile(settings, old, drop_state=drop_state, unchecked=unchecked)
        ids: dict[str, str] = {}
        for name, run in old.items():
            if run.stopped_at is None:
                progress(f"{name}: stopping with a savepoint")
            savepoint = run.stopped_at or _stop(settings, cluster, name, run.job_id)
            like = Run(plans[name], None)
            start = Start(name, savepoint, like=like, drop_state=drop_state)
            try:
                ids |= start_jobs(settings, cluster.url, [start], progress)
            except WorkbenchError as error:
                _go_on(settings, cluster, name, run.job_id, savepoint, error, progress)
        return ids


def _old(settings: Settings, cluster: Cluster, name: str) -> _Old:
    known = read_bookmark(settings, name)
    flink_name = job_names(settings)[name]
    running = cluster.job(flink_name)
    if known is not None and known.upgrading and not (running is not None and running.runs):
        place = restore_point(settings, name)
        if place is not None:
            return _Old(known.job_id, place)
    return _Old(running_id(cluster, flink_name, name))


def _stop(settings: Settings, cluster: Cluster, name: str, job_id: str) -> str:
    """Stop a job for its upgrade, which whoever comes next knows of from before it stops."""
    known = read_bookmark(settings, name) or Bookmark(job_id)
    write_bookmark(settings, name, replace(known, job_id=job_id, upgrading=True))
    try:
        return stop_one(settings, cluster, name, job_id, upgrading=True)
    except StackError:
        # One that ends all the same, after we gave up waiting, is still to be started again.
        with suppress(StackError):
            if cluster.state(job_id) in ("RUNNING", "STARTING", "RESTARTING"):
                write_bookmark(settings, name, replace(known, job_id=job_id))
        raise


def _in_turn(settings: Settings, cluster: Cluster, old: dict[str, _Old]) -> dict[str, _Old]:
    """Return the jobs in an order in which each finds its slots; refuse them where there is none.

    They have the slots that are free and those they give back: who gives some back goes first.
    """
    needed = {name: job_settings(settings, name).parallelism or 1 for name in old}
    has = {
        name: cluster.parallelism(run.job_id) if run.stopped_at is None else 0
        for name, run in old.items()
    }
    free, total = cluster.slots()
    if sum(needed.values()) > free + sum(has.values()):
        raise StackError(
            f"{', '.join(old)}: {sum(needed.values())} slots are needed; {free} of {total} are "
            f"free, and {sum(has.values())} their own",
            hint="stop a job with `workbench jobs stop`, or raise stack.slots",
        )
    return dict(sorted(old.items(), key=lambda item: needed[item[0]] - has[item[0]]))


def _compile(
    settings: Settings, old: dict[str, _Old], *, drop_state: bool, unchecked: bool
) -> dict[str, str]:
    """The plan of each job, held against the one that runs."""
    requests = []
    for name, run in old.items():
        previous = run_of(settings, name, run.job_id)
        if previous is None and not unchecked:
            raise unknown_plan(name, f"run {run.job_id}")
        going = {"previous": previous.plan if previous else None, "drop_state": drop_state}
        requests.append({"name": name, "deployment": deployment(settings, name), "going": going})
    answers = ask(settings, {"command": "compile", "jobs": requests})
    return {answer["job"]: answer["plan"] for answer in answers}


def _go_on(
    settings: Settings,
    cluster: Cluster,
    name: str,
    job_id: str,
    savepoint: str,
    error: WorkbenchError,
    progress: Progress,
) -> None:
    """Start a job again as it was before its upgrade, and say why."""
    before = run_behind(settings, name, savepoint)
    if before is None:
        _stay_stopped(settings, cluster, name, job_id, savepoint, error, progress)
    progress(f"{name}: did not start; it goes on as before")
    # First: whoever comes next goes on as before, too.
    write_bookmark(settings, name, Bookmark(job_id, savepoint=savepoint, upgrading=True))
    _end(settings, cluster, name)
    start_jobs(settings, cluster.url, [Start(name, savepoint, like=before)], progress)
    raise StackError(
        f"job {name} was not upgraded and goes on as before: {error.message}", hint=error.hint
    ) from error


def _stay_stopped(
    settings: Settings,
    cluster: Cluster,
    name: str,
    job_id: str,
    savepoint: str,
    error: WorkbenchError,
    progress: Progress,
) -> NoReturn:
    """Leave a job where it was stopped: what it was before its upgrade, nobody knows."""
    progress(f"{name}: did not start; it stays stopped")
    # First: nobody is to bring back by itself what has just failed.
    write_bookmark(settings, name, Bookmark(job_id, savepoint=savepoint))
    _end(settings, cluster, name)
    raise StackError(
        f"job {name} was not upgraded and is stopped at {savepoint}, for the plan that it ran by "
        f"is not kept here: {error.message}",
        hint=f"mend that, then `workbench jobs submit {name} --unchecked`; or submit it from there "
        "with the release that ran it",
    ) from error


def _end(settings: Settings, cluster: Cluster, name: str) -> None:
    """End the run that did not start, if there is one."""
    failed = cancel_run(cluster, job_names(settings)[name])
    if failed is not None:
        _wait_until_ended(cluster, failed)


def _wait_until_ended(cluster: Cluster, job_id: str) -> None:
    until = time.monotonic() + CANCEL_TIMEOUT_S
    while any(job.id == job_id and job.runs for job in cluster.jobs()):
        if time.monotonic() > until:
            raise StackError(
                f"job {job_id} was cancelled {CANCEL_TIMEOUT_S} s ago and runs still",
                hint="`workbench jobs status` shows it; then submit the job",
            )
        time.sleep(0.2)
