"""What a dead letter is called: where its record lies, and the job that refused it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from workbench.errors import UsageError

#: Topic, partition and offset of a record.
Coordinates = tuple[str, int, int]

# The end decides: a file's name may hold slashes and @ itself.
_ID = re.compile(r"(.+)/(\d{1,10})/(\d{1,19})(?:@([^/@]+))?", re.DOTALL | re.ASCII)


@dataclass(frozen=True)
class LetterId:
    """Identity of a dead letter, short enough to be typed.

    Parameters
    ----------
    topic, partition, offset
        Where the refused record lies; ``file:NAME``, 0 and the line for one of a batch run.
    job
        The job that refused it; None for whichever did.

    Examples
    --------
    >>> print(LetterId("raw.trades", 0, 123, "landing"))
    raw.trades/0/123@landing
    """

    topic: str
    partition: int
    offset: int
    job: str | None = None

    @property
    def coordinates(self) -> Coordinates:
        """Where the record lies."""
        return self.topic, self.partition, self.offset

    @property
    def record(self) -> str:
        """The coordinates as text, without the job."""
        return f"{self.topic}/{self.partition}/{self.offset}"

    def __str__(self) -> str:
        return f"{self.record}@{self.job}" if self.job else self.record


def parse_id(text: str) -> LetterId:
    """Return the identity that a text names.

    Raises
    ------
    UsageError
        Where it is none.

    Examples
    --------
    >>> parse_id("raw.trades/0/123").offset
    123
    """
    found = _ID.fullmatch(text)
    if found is None:
        raise UsageError(
            f"not the id of a dead letter: {text!r}",
            hint="write TOPIC/PARTITION/OFFSET[@JOB], as `workbench dlq list` does",
        )
    topic, partition, offset, job = found.groups()
    return LetterId(topic, int(partition), int(offset), job)
