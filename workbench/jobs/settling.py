"""What became of jobs while nobody looked, noted before the cluster forgets it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from workbench.config import Settings
from workbench.contracts import JOBS
from workbench.jobs.bookmark import Bookmark, read_bookmark, write_bookmark
from workbench.jobs.cluster import Cluster, JobState
from workbench.jobs.deployment import job_names


def unsettled(settings: Settings, cluster: Cluster) -> dict[str, Bookmark]:
    """Return the bookmarks that the cluster knows better, as they should be, by job."""
    return dict(_unsettled(settings, cluster.jobs()))


def settle(settings: Settings, cluster: Cluster) -> None:
    """Note what the cluster knows better; for those who hold the lock `one_at_a_time`."""
    for name, bookmark in unsettled(settings, cluster).items():
        write_bookmark(settings, name, bookmark)


def _unsettled(settings: Settings, known: list[JobState]) -> Iterator[tuple[str, Bookmark]]:
    names = job_names(settings)
    for job in JOBS:
        bookmark = read_bookmark(settings, job.name)
        if bookmark is None:
            continue
        state = next((state for state in known if state.id == bookmark.job_id), None)
        runs = any(state.runs for state in known if state.name == names[job.name])
        settled = _settled(bookmark, state.state if state else None, runs=runs)
        if settled != bookmark:
            yield job.name, settled


def _settled(bookmark: Bookmark, state: str | None, *, runs: bool) -> Bookmark:
    """A bookmark as it should be, by the state of its run and whether the job runs at all."""
    if bookmark.closing and not runs:
        # The one who asked for the drain was gone before it ended, well or not: the job is to end.
        drained = state == "FINISHED"
        return replace(bookmark, closing=False, drained=drained, cancelled=not drained)
    if bookmark.upgrading and state == "RUNNING":
        # The one who upgraded was gone before it was stopped.
        return replace(bookmark, upgrading=False)
    ended = state == "CANCELED" or (state == "FINISHED" and not bookmark.upgrading)
    if bookmark.should_run and ended:
        # By somebody through Flink itself. The cluster will forget it, which would look as if the
        # job was cut off.
        return replace(bookmark, cancelled=True)
    return bookmark
