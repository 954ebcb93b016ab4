"""Start again what was cut off: which jobs should run and do not, and how they ran."""

from __future__ import annotations

from workbench.config import Settings
from workbench.contracts import JOBS, job_named
from workbench.jobs.bookmark import (
    noted_s_ago,
    one_at_a_time,
    read_bookmark,
    restore_point,
)
from workbench.jobs.cluster import Cluster
from workbench.jobs.deployment import job_names
from workbench.jobs.runs import run_behind, run_of
from workbench.jobs.settling import settle
from workbench.jobs.starting import (
    Progress,
    Start,
    check,
    dropped_before,
    start_jobs,
    unknown_plan,
)
from workbench.stack import endpoints

#: A run that was noted this lately and is not there may still be on its way: the process that a
#: killed client has left behind hands it over, or finds that its client is gone.
ON_ITS_WAY_S = 20


def to_resume(settings: Settings, cluster: Cluster) -> list[str]:
    """Return the jobs that should run and do not: nobody ended them, and they are gone or failed.

    A job that the cluster knows as cancelled or finished was ended by somebody through Flink
    itself, and is left alone; unless it was stopped to be upgraded, and nobody came that far. One
    that was noted a moment ago may be on its way.
    """
    names, known = job_names(settings), cluster.jobs()
    lost = []
    for job in JOBS:
        bookmark = read_bookmark(settings, job.name)
        if bookmark is None or not bookmark.should_run:
            continue
        runs = any(state.runs for state in known if state.name == names[job.name])
        last = next((state.state for state in known if state.id == bookmark.job_id), None)
        if last is None:
            is_lost = noted_s_ago(settings, job.name) >= ON_ITS_WAY_S
        else:
            is_lost = last == "FAILED" or (bookmark.upgrading and last == "FINISHED")
        if is_lost and not runs:
            lost.append(job.name)
    return lost


def resume(
    settings: Settings, names: list[str], progress: Progress = lambda _: None
) -> dict[str, str]:
    """Start those of `names` again that should run and do not, from their newest checkpoints.

    Each runs as it ran: by its plan and with its settings, whatever the project says by now.

    Returns
    -------
    dict
        Flink's job id of each job that was started.

    Raises
    ------
    BusyError
        While another process starts or stops jobs.
    UsageError, StackError
        As `submit` raises it.
    """
    cluster = Cluster(endpoints(settings).rest_url)
    with one_at_a_time(settings):
        settle(settings, cluster)
        # Asked once more: somebody may have stopped one of them a moment ago.
        jobs = [job_named(name) for name in to_resume(settings, cluster) if name in names]
        for job in jobs:
            progress(f"{job.name}: goes on from {restore_point(settings, job.name) or 'its group'}")
        if not jobs:
            return {}
        starts = [_start_as_it_ran(settings, job.name) for job in jobs]
        check(settings, cluster, starts)
        return start_jobs(settings, cluster.url, starts, progress)


def _start_as_it_ran(settings: Settings, name: str) -> Start:
    known = read_bookmark(settings, name)
    assert known is not None, f"{name} never ran"
    place = restore_point(settings, name)
    run = run_of(settings, name, known.job_id)
    if run is None and place is not None:
        run = run_behind(settings, name, place)
        if run is None:
            way_out = f"`workbench jobs submit {name} --unchecked` tries it"
            raise unknown_plan(name, place, way_out)
    return Start(name, place, like=run, drop_state=dropped_before(settings, name, place))
