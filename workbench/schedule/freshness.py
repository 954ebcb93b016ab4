"""Whether the lake has what had arrived when a report was due."""

from __future__ import annotations

from datetime import datetime

from workbench.config import Settings
from workbench.contracts import JOBS, TABLES
from workbench.lake.times import show_moment
from workbench.metrics import Collector


def why_stale(settings: Settings, due: datetime, name: str = "market.trades") -> str | None:
    """Return in words what a table is missing of before the due time; None when nothing is.

    Nothing is missing when the job that writes the table has read its topics to their end, or has
    landed what arrived at the due time or later. Where no broker or job says, a commit to the table
    at or after the due time counts.
    """
    state = Collector(settings).collect(detail=False)
    table = next((each for each in state.tables if each.name == name), None)
    if table is None or not table.exists:
        return f"{name} does not exist"
    topics = _topics_of(name)
    behind = state.behind_s(table)
    newest = max((state.newest[each] for each in topics if each in state.newest), default=None)
    if behind is not None:
        if behind <= 0 or (newest and newest.timestamp() - behind >= due.timestamp()):
            return None
        return f"{name} is {behind:.0f} s behind {', '.join(topics)}"
    if table.committed_at and table.committed_at >= due:
        return None
    newest_commit = show_moment(table.committed_at) if table.committed_at else "never"
    return f"no broker or job to ask, and the last commit to {name} was {newest_commit}"


def _topics_of(name: str) -> tuple[str, ...]:
    """What the job reads that writes a table."""
    writer = next((table.job for table in TABLES if table.name == name), None)
    return next((job.sources for job in JOBS if job.name == writer), ())
