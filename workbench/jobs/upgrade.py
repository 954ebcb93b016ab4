"""Upgrade running jobs to their present SQL and settings, without losing or doubling a row."""

from __future__ import annotations

from workbench.config import Settings
from workbench.contracts import job_named
from workbench.errors import StackError, WorkbenchError
from workbench.jobs.bookmark import one_at_a_time
from workbench.jobs.cluster import Cluster
from workbench.jobs.control import (
    Progress,
    Start,
    cancel,
    check_places,
    running_id,
    start_jobs,
    stop_one,
)
from workbench.jobs.deployment import deployment, job_names, job_settings
from workbench.jobs.plans import plan_of, run_plan
from workbench.jobs.process import ask
from workbench.stack import endpoints


def upgrade(
    settings: Settings,
    names: list[str],
    *,
    drop_state: bool = False,
    progress: Progress = lambda _: None,
) -> dict[str, str]:
    """Stop jobs with a savepoint and start them from it as they are written and set now.

    Each job is compiled and held against the plan that runs before anything is stopped. One that
    does not start all the same goes on as it was.

    Parameters
    ----------
    settings
        The settings in force: parallelism, delivery and all others are those of the new run.
    names
        Jobs of the registry that run.
    drop_state
        Let operators that cannot go on from their state start empty, instead of refusing.
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
        When a savepoint fails (the job goes on), or a job did not start (it goes on as before).
    """
    jobs = [job_named(name) for name in dict.fromkeys(names)]
    cluster = Cluster(endpoints(settings).rest_url)
    flink_names = job_names(settings)
    with one_at_a_time(settings):
        check_places(settings, jobs)
        running = {job.name: running_id(cluster, flink_names[job.name], job.name) for job in jobs}
        _check_slots(settings, cluster, running)
        plans = _compile(settings, running, drop_state)
        ids: dict[str, str] = {}
        for name, job_id in running.items():
            progress(f"{name}: stopping with a savepoint")
            savepoint = stop_one(settings, cluster, name, job_id)
            start = Start(name, savepoint, drop_state, plan=plans[name])
            try:
                ids |= start_jobs(settings, cluster.url, [start], progress)
            except WorkbenchError as error:
                _go_on(settings, cluster, name, savepoint, error, progress)
        return ids


def _check_slots(settings: Settings, cluster: Cluster, running: dict[str, str]) -> None:
    """Refuse jobs that would not fit in the slots they give back and those that are free."""
    needed = sum(job_settings(settings, name).parallelism or 1 for name in running)
    has = sum(cluster.parallelism(job_id) for job_id in running.values())
    free, total = cluster.slots()
    if needed > free + has:
        raise StackError(
            f"{', '.join(running)}: {needed} slots are needed; {free} of {total} are free, and "
            f"{has} their own",
            hint="stop a job with `workbench jobs stop`, or raise stack.slots",
        )


def _compile(settings: Settings, running: dict[str, str], drop_state: bool) -> dict[str, str]:
    """The plan of each job, held against the one that runs."""
    requests = []
    for name, job_id in running.items():
        previous = run_plan(settings, job_id)
        going = {"previous": previous, "drop_state": drop_state}
        requests.append({"name": name, "deployment": deployment(settings, name), "going": going})
    answers = ask(settings, {"command": "compile", "jobs": requests})
    return {answer["job"]: answer["plan"] for answer in answers}


def _go_on(
    settings: Settings,
    cluster: Cluster,
    name: str,
    savepoint: str,
    error: WorkbenchError,
    progress: Progress,
) -> None:
    """Start a job again as it was before its upgrade, and say why."""
    progress(f"{name}: did not start; it goes on as before")
    cancel(settings, [name])
    before = Start(name, savepoint, plan=plan_of(settings, savepoint))
    start_jobs(settings, cluster.url, [before], progress)
    raise StackError(
        f"job {name} was not upgraded and goes on as before: {error.message}", hint=error.hint
    ) from error
