"""Start jobs on the cluster where they left off, each known before the cluster has heard of it.

A submit goes on from the savepoint of the last stop; a run that was cut off from its newest
checkpoint. Which run is about to start, from where, by which plan and with which settings is
written down first: a client that dies on the way leaves nothing that the next one does not know.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from workbench.broker.clients import topic_name
from workbench.broker.topics import diff
from workbench.config import Settings
from workbench.contracts import Job, job_named
from workbench.errors import StackError, UsageError, WorkbenchError
from workbench.jobs.bookmark import (
    Bookmark,
    one_at_a_time,
    put_back,
    read_bookmark,
    restore_point,
    restore_points,
    restore_uri,
    write_bookmark,
)
from workbench.jobs.cluster import Cluster
from workbench.jobs.deployment import deployment, job_names
from workbench.jobs.process import ask
from workbench.jobs.retention import gaps
from workbench.jobs.runs import Run, as_it_ran, keep_run, run_behind
from workbench.jobs.settling import settle
from workbench.lake.catalog import load_catalog
from workbench.lake.damage import load_table
from workbench.stack import endpoints

Progress = Callable[[str], None]
START_TIMEOUT_S = 180


@dataclass(frozen=True)
class Start:
    """A job to start, and what it goes on from.

    Parameters
    ----------
    name
        A job of the registry.
    restore_from
        URI of a savepoint or checkpoint; None starts behind the offsets of its consumer group.
    like
        Start it by this run's plan and settings; by the project's SQL and settings when None.
    drop_state
        Let operators that cannot go on from the state start empty.
    unchecked
        Start it also where nothing is known of the run that left the state.
    closing
        Read nothing and only close the windows.
    """

    name: str
    restore_from: str | None = None
    like: Run | None = None
    drop_state: bool = False
    unchecked: bool = False
    closing: bool = False

    def deployment(self, settings: Settings) -> dict[str, Any]:
        """Return the values it is run with."""
        now = deployment(settings, self.name)
        if self.like is not None:
            embedded = settings.kafka.bootstrap_servers is None
            now = as_it_ran(self.like, now, embedded_broker=embedded)
        return {**now, "closing": self.closing}

    def going(self, settings: Settings) -> dict[str, Any]:
        """Return what it goes on from, as ``flink_jobs.run.Going`` takes it.

        Raises
        ------
        UsageError
            Where nothing is known of the run that left the state.
        """
        previous = None
        if self.restore_from is not None and self.like is None:
            previous = run_behind(settings, self.name, self.restore_from)
            if previous is None and not self.unchecked:
                raise unknown_plan(self.name, self.restore_from)
        return {
            "restore_from": self.restore_from,
            "previous": previous.plan if previous else None,
            "drop_state": self.drop_state,
            "plan": self.like.plan if self.like else None,
        }


def unknown_plan(
    name: str,
    state: str,
    way_out: str = "--unchecked leaves it to Flink, which refuses at the start what it cannot "
    "restore",
) -> UsageError:
    """Return the refusal of a state of which nothing is known but where it is."""
    return UsageError(
        f"job {name}: the plan of the run that left {state} is not kept here, so nothing can be "
        "compared with it",
        hint=way_out,
    )


def submit(
    settings: Settings,
    names: list[str],
    *,
    fresh: bool = False,
    drop_state: bool = False,
    unchecked: bool = False,
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
    unchecked
        Start a job also where the plan is not known that its state was made by.
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
        settle(settings, cluster)
        starts = []
        for job in jobs:
            place = None if fresh else restore_point(settings, job.name)
            dropped = drop_state or dropped_before(settings, job.name, place)
            starts.append(Start(job.name, place, drop_state=dropped, unchecked=unchecked))
        check(settings, cluster, starts)
        return start_jobs(settings, cluster.url, starts, progress)


def dropped_before(settings: Settings, name: str, place: str | None) -> bool:
    """Say whether the last run left state of this place behind, and has made none of its own."""
    known = read_bookmark(settings, name)
    return (
        known is not None
        and known.drop_state
        and place is not None
        and place == known.restored_from
    )


def restore(
    settings: Settings,
    name: str,
    restore_from: str | None = None,
    *,
    drop_state: bool = False,
    unchecked: bool = False,
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
        Path or URI of the savepoint or of a checkpoint; the newest of `restore_points` when None.
    drop_state
        Let operators that cannot go on from the state start empty.
    unchecked
        Start it also where the plan is not known that the state was made by.
    progress
        Told what is going on.

    Raises
    ------
    UsageError
        For an unknown name, a job that runs, a place that holds no savepoint, a job that cannot
        go on from it, or none given for a job that was drained or left nothing.
    StackError
        As `submit`.
    """
    job_named(name)
    place = None if restore_from is None else restore_uri(restore_from)
    cluster = Cluster(endpoints(settings).rest_url)
    with one_at_a_time(settings):
        settle(settings, cluster)
        place = place or _newest(settings, name)
        starts = [Start(name, place, drop_state=drop_state, unchecked=unchecked)]
        check(settings, cluster, starts)
        return start_jobs(settings, cluster.url, starts, progress)[name]


def _newest(settings: Settings, name: str) -> str:
    known = read_bookmark(settings, name)
    if known is not None and known.drained:
        # What is there was made before the drain: from it, the windows would be written again.
        raise UsageError(
            f"job {name} was drained: its state is done with",
            hint=f"`workbench jobs submit {name}` goes on behind what it read; "
            "--from goes back to a savepoint of before",
        )
    points = restore_points(settings, name)
    if not points:
        raise UsageError(
            f"job {name} left no savepoint and no checkpoint",
            hint=f"start it with `workbench jobs submit {name}`, or name a place with --from",
        )
    return points[0][0]


def check(settings: Settings, cluster: Cluster, starts: list[Start]) -> None:
    """Refuse before anything starts what would only fail inside a running job."""
    jobs = [job_named(start.name) for start in starts]
    free, total = cluster.slots()
    needed = sum(start.deployment(settings)["parallelism"] for start in starts)
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
    absent = [t for job in jobs for t in job.tables if load_table(catalog, t) is None]
    if absent:
        raise StackError(
            "no table " + ", ".join(sorted(set(absent))),
            hint="make them with `workbench tables apply`",
        )


def start_jobs(
    settings: Settings, rest_url: str, starts: list[Start], progress: Progress
) -> dict[str, str]:
    """Submit jobs and wait until all their tasks run; return Flink's job ids."""
    cluster = Cluster(rest_url)
    ids = {start.name: uuid.uuid4().hex for start in starts}
    values = {start.name: start.deployment(settings) for start in starts}
    requests = [
        {
            "name": start.name,
            "deployment": values[start.name],
            "going": {**start.going(settings), "job_id": ids[start.name]},
        }
        for start in starts
    ]
    by_name = {start.name: start for start in starts}
    begun: dict[str, Bookmark | None] = {}

    def about_to_start(name: str, plan: str) -> None:
        start = by_name[name]
        begun[name] = read_bookmark(settings, name)
        bookmark = Bookmark(
            ids[name],
            restored_from=start.restore_from,
            closing=start.closing,
            drop_state=start.drop_state,
        )
        keep_run(settings, name, ids[name], Run(plan, values[name]))
        write_bookmark(settings, name, bookmark)

    # Nobody can bring back what is gone: a job that waited for it would only miss more.
    for gap in gaps(settings, [job_named(start.name) for start in starts if not start.closing]):
        progress(str(gap))
    request = {"command": "submit", "rest_url": rest_url, "jobs": requests}
    try:
        for answer in ask(settings, request, about_to_start=about_to_start):
            del begun[answer["job"]]
            progress(f"{answer['job']}: submitted as {answer['id']}")
    except BaseException:
        for name, before in begun.items():
            _take_back(settings, cluster, name, ids[name], before)
        raise
    for name, job_id in ids.items():
        _wait_until_running(cluster, name, job_id)
        progress(f"{name}: running")
    return ids


def _take_back(
    settings: Settings, cluster: Cluster, name: str, job_id: str, before: Bookmark | None
) -> None:
    """Forget a run that the cluster refused; where it cannot be asked, the run may be there."""
    try:
        refused = all(job.id != job_id for job in cluster.jobs())
    except WorkbenchError:
        return
    if refused:
        put_back(settings, name, before)


def _wait_until_running(cluster: Cluster, name: str, job_id: str) -> None:
    until = time.monotonic() + START_TIMEOUT_S
    state = "SUBMITTED"
    while time.monotonic() < until:
        state = cluster.state(job_id)
        if state == "RUNNING":
            return
        # A job that reads from Kafka has no end: also one that is finished did not start.
        if state in ("FINISHED", "FAILED", "CANCELED", "FAILING"):
            break
        time.sleep(0.2)
    problem = cluster.problem(job_id) or f"it is {state}"
    hint = "see `workbench stack logs`"
    if "InvalidPidMapping" in problem:
        hint = (
            "the broker has forgotten the transactions of that state; `--fresh` starts without it: "
            "docs/operations/jobs.md, how long a job may be stopped"
        )
    raise StackError(f"job {name} did not start: {problem}", hint=hint)
