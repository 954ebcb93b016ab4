"""What jobs may still commit when they go on: files that were written before they were cut off.

The state of a job names the files that it has written and not committed yet. No metadata reaches
them until the job is started again, however long that takes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlparse

from workbench.config import Settings
from workbench.contracts import JOBS
from workbench.jobs.bookmark import restore_point
from workbench.lake.maintenance.claims import Claim


def claims(settings: Settings) -> list[Claim]:
    """Return what the job of each table would go on from, drained ones left out.

    Of a job that runs it is its newest checkpoint. A state that is gone is no claim, and one that
    is not on this machine is as old as can be: nobody can see when it was made.

    Examples
    --------
    >>> claims(settings)                                                # doctest: +SKIP
    [Claim(table='market.trades', job='landing', made_at=datetime.datetime(...))]
    """
    found = []
    for job in JOBS:
        place = restore_point(settings, job.name)
        if place is None:
            continue
        made_at = None
        if place.startswith("file:"):
            try:
                made_at = _made_at(place)
            except FileNotFoundError:
                continue
        found += [Claim(table, job.name, made_at) for table in job.tables]
    return found


def _made_at(place: str) -> datetime:
    metadata = Path(unquote(urlparse(place).path)) / "_metadata"
    return datetime.fromtimestamp(metadata.stat().st_mtime, UTC)
