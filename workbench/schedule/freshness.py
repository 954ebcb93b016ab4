"""Whether the lake has what had arrived when a report was due."""

from __future__ import annotations

from datetime import datetime

from workbench.config import Settings
from workbench.lake.times import show_moment
from workbench.metrics import Collector

TABLE, TOPIC = "market.trades", "raw.trades"


def why_stale(settings: Settings, due: datetime) -> str | None:
    """Return in words what is missing of before the due time; None when nothing is.

    Nothing is missing when the landing job has read the topic to its end, or has landed what
    arrived at the due time or later. Where no broker or job says, a commit to ``market.trades`` at
    or after the due time counts.
    """
    state = Collector(settings).collect(detail=False)
    table = next((each for each in state.tables if each.name == TABLE), None)
    if table is None or not table.exists:
        return f"{TABLE} does not exist"
    behind, newest = state.behind_s(table), state.newest.get(TOPIC)
    if behind is not None:
        if behind <= 0 or (newest and newest.timestamp() - behind >= due.timestamp()):
            return None
        return f"{TABLE} is {behind:.0f} s behind {TOPIC}"
    if table.committed_at and table.committed_at >= due:
        return None
    newest_commit = show_moment(table.committed_at) if table.committed_at else "never"
    return f"no broker or job to ask, and the last commit to {TABLE} was {newest_commit}"
