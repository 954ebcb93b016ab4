"""The habit: compaction and expiry of all tables, once or again and again."""

from __future__ import annotations

from datetime import timedelta

from workbench.config import Settings
from workbench.lake.maintenance.compact import Compaction, compact
from workbench.lake.maintenance.expire import OLDER_THAN, Expiry, expire
from workbench.lake.maintenance.scope import Progress


def maintain(
    settings: Settings,
    *,
    older_than: timedelta = OLDER_THAN,
    progress: Progress = lambda _: None,
) -> tuple[list[Compaction], list[Expiry]]:
    """Compact all tables, then expire their snapshots that are older than a bound.

    Parameters, results and errors are those of `compact` and `expire`.
    """
    return (
        compact(settings, progress=progress),
        expire(settings, older_than=older_than, progress=progress),
    )
