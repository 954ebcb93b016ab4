"""The rows of ops.dead_letter_replays: what was meant to be sent, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pyarrow as pa

from workbench.config import Settings
from workbench.contracts import table_named
from workbench.dead_letters.ids import LetterId
from workbench.lake.schema import arrow_schema
from workbench.lake.session import open_session
from workbench.lake.write import append

TABLE = "ops.dead_letter_replays"

_OPEN = """
SELECT * FROM ops.dead_letter_replays
WHERE run_id NOT IN (SELECT run_id FROM ops.dead_letter_replays WHERE state <> 'intended')
ORDER BY run_id, source_topic, source_partition, source_offset, job
"""


@dataclass(frozen=True)
class Mark:
    """One letter in one run.

    Parameters
    ----------
    run_id
        The run.
    letter, failed_at
        The letter, and the refusal it was about.
    edited
        Whether other bytes were sent than had been refused.
    to_topic, to_partition, to_offset
        Where it was sent; where exactly is known once it was.
    """

    run_id: str
    letter: LetterId
    failed_at: datetime
    edited: bool
    to_topic: str
    to_partition: int | None = None
    to_offset: int | None = None

    def at(self, partition: int, offset: int) -> Mark:
        """Return the mark of a record that is known to be there."""
        return replace(self, to_partition=partition, to_offset=offset)


def write_marks(settings: Settings, marks: Sequence[Mark], state: str) -> None:
    """Append one row per mark, all in one snapshot.

    Raises
    ------
    LakeError
        Where the table is missing or others were in the way.
    """
    now = datetime.now(UTC)
    rows = [
        {
            "run_id": mark.run_id,
            "state": state,
            "source_topic": mark.letter.topic,
            "source_partition": mark.letter.partition,
            "source_offset": mark.letter.offset,
            "job": mark.letter.job,
            "failed_at": mark.failed_at,
            "edited": mark.edited,
            "to_topic": mark.to_topic,
            "to_partition": mark.to_partition,
            "to_offset": mark.to_offset,
            "replayed_at": now,
        }
        for mark in marks
    ]
    append(settings, TABLE, pa.Table.from_pylist(rows, schema=arrow_schema(table_named(TABLE))))


def open_marks(settings: Settings) -> list[tuple[Mark, datetime]]:
    """Return the marks of runs without an outcome, and when each was written."""
    with open_session(settings, read_only=True) as session:
        rows = session.sql(_OPEN).arrow().to_pylist()
    return [
        (
            Mark(
                row["run_id"],
                LetterId(
                    row["source_topic"], row["source_partition"], row["source_offset"], row["job"]
                ),
                row["failed_at"],
                row["edited"],
                row["to_topic"],
            ),
            row["replayed_at"],
        )
        for row in rows
    ]
