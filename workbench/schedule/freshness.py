"""Whether the lake has what had arrived when a report was due."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from workbench.config import Settings
from workbench.contracts import JOBS, TABLES
from workbench.lake.times import show_moment
from workbench.metrics import Collector, State
from workbench.metrics.lake import TableView


def why_stale(
    settings: Settings, due: datetime, name: str = "market.trades", others: Iterable[str] = ()
) -> str | None:
    """Return in words what tables are missing of before the due time; None when nothing is.

    Nothing is missing when the job that writes a table has read its topics to their end, or has
    landed what arrived at the due time or later. Where no broker or job says, a commit to the table
    at or after the due time counts.

    Parameters
    ----------
    settings
        The settings in force.
    due
        The due time.
    name
        The table that has to be fresh.
    others
        Further tables. Those of which nobody can say how far they are behind Kafka are left out:
        tables of a job that does not run here, and those that get rows when something happens.
    """
    state = Collector(settings).collect(detail=False)
    found = {table.name: table for table in state.tables if table.exists}
    if name not in found:
        return f"{name} does not exist"
    if state.behind_s(found[name]) is not None:
        why = _why_behind(state, found[name], due)
    else:
        why = _why_not_committed(found[name], due)
    rest = (found[other] for other in others if other in found and other != name)
    return why or next(filter(None, (_why_behind(state, each, due) for each in rest)), None)


def _why_behind(state: State, table: TableView, due: datetime) -> str | None:
    """Why what arrived before the due time is not in a table; None also where nobody knows."""
    behind, topics = state.behind_s(table), _topics_of(table.name)
    newest = max((state.newest[each] for each in topics if each in state.newest), default=None)
    if behind is None or behind <= 0:
        return None
    if newest and newest.timestamp() - behind >= due.timestamp():
        return None
    return f"{table.name} is {behind:.0f} s behind {', '.join(topics)}"


def _why_not_committed(table: TableView, due: datetime) -> str | None:
    if table.committed_at and table.committed_at >= due:
        return None
    newest = show_moment(table.committed_at) if table.committed_at else "never"
    return f"no broker or job to ask, and the last commit to {table.name} was {newest}"


def _topics_of(name: str) -> tuple[str, ...]:
    """What the job reads that writes a table."""
    writer = next((table.job for table in TABLES if table.name == name), None)
    return next((job.sources for job in JOBS if job.name == writer), ())
