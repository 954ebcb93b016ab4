"""Files that no metadata reaches and that are no orphans: a job may still commit them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

#: A writer names its files in a commit at the latest so long after it wrote them: a checkpoint
#: may take minutes, a job that keeps failing may be restored after hours.
SAFE_AGE = timedelta(days=1)


@dataclass(frozen=True)
class Claim:
    """A state that a job may go on from, and so commit the files that it names.

    Parameters
    ----------
    table
        A table that the job writes.
    job
        Its name.
    made_at
        When the state was made, UTC; None where nobody knows.
    """

    table: str
    job: str
    made_at: datetime | None

    @property
    def since(self) -> datetime:
        """From when on files may be named in it: it is made some time after they are written."""
        if self.made_at is None:
            return datetime.min.replace(tzinfo=UTC)
        return self.made_at - SAFE_AGE
