"""Close the windows of a job that was stopped, without reading anything more."""

from __future__ import annotations

import time

from workbench.broker.offsets import is_at_end
from workbench.config import Settings
from workbench.contracts import job_named
from workbench.errors import StackError
from workbench.jobs.bookmark import restore_point
from workbench.jobs.cluster import Cluster
from workbench.jobs.deployment import job_names
from workbench.jobs.runs import run_behind
from workbench.jobs.starting import (
    START_TIMEOUT_S,
    Start,
    dropped_before,
    start_jobs,
    unknown_plan,
)
from workbench.stack.files import Layout

#: A source that has something to commit does so within a second.
NOTHING_READ_TIMEOUT_S = 8


def has_offsets(cluster: Cluster, job_id: str) -> bool:
    """Say whether a job may know offsets that its consumer group does not.

    What it has read counts from its last restart: what it was restored from counts as well.
    """
    restored = (cluster.checkpoints(job_id).get("latest") or {}).get("restored")
    return restored is not None or cluster.records_read(job_id) > 0


def closing(settings: Settings, name: str) -> Start:
    """Return the run that closes the windows of a job that does not run: as it ran.

    Raises
    ------
    UsageError
        Where nothing is known of the run that has left the state.
    """
    place = restore_point(settings, name)
    assert place is not None, f"{name} has left nothing"
    run = run_behind(settings, name, place)
    if run is None:
        raise unknown_plan(name, place, way_out="only the release that ran it can drain it")
    dropped = dropped_before(settings, name, place)
    return Start(name, place, like=run, drop_state=dropped, closing=True)


def close_windows(settings: Settings, cluster: Cluster, start: Start, *, has_offsets: bool) -> str:
    """Drain a windowed job that ended at a savepoint or checkpoint; return the last savepoint.

    A drain of the running job would not do, for two reasons. Flink drops the final watermark of a
    source whose partitions are all idle, and leaves every open window unsaid. And a drained
    savepoint has no source to go on from, while the offsets that are committed at the very end
    may not get through. So the job goes on once more from its savepoint, as it ran but never idle
    and reading nothing: a checkpoint commits exactly the offsets of the savepoint, and then it is
    drained.
    """
    folder = Layout(settings.stack_folder).savepoints.resolve().as_uri()
    job_id = start_jobs(settings, cluster.url, [start], lambda _: None)[start.name]
    _commit_offsets(settings, cluster, start.name, job_id, has_offsets)
    return cluster.stop_with_savepoint(job_id, folder, drain=True)


def _commit_offsets(
    settings: Settings, cluster: Cluster, name: str, job_id: str, has_offsets: bool
) -> None:
    """Make checkpoints until one has committed the offsets of the sources.

    Windowed jobs have one reader, whose first commit is of all its partitions. A job that started
    from the offsets of its group and has read nothing since has none to commit, and one that was
    restored may have none either: those of the group still hold then.
    """
    patience = START_TIMEOUT_S if has_offsets else NOTHING_READ_TIMEOUT_S
    began = time.monotonic()
    while time.monotonic() - began < patience:
        cluster.checkpoint(job_id)
        for _ in range(20):
            if cluster.source_metric(job_id, ".commitsSucceeded") > 0:
                return
            time.sleep(0.1)
        waited = time.monotonic() - began > NOTHING_READ_TIMEOUT_S
        if waited and is_at_end(settings, job_names(settings)[name], job_named(name).sources):
            return
    if has_offsets:
        raise StackError(
            f"job {name} could not commit its offsets in {patience} s",
            hint="it goes on from its savepoint with the next submit; see `workbench stack logs`",
        )
