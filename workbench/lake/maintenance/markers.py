"""What Flink's sink looks up in a table: the newest checkpoint that a job has committed.

After a restore `IcebergCommitter` asks `SinkUtil.getMaxCommittedCheckpointId` (Iceberg 1.11)
which of its pending files are in the table already. That walks from the head to the parents
until a snapshot has the job's id, the operator's (or none) and a checkpoint. Where the walk ends
early, at a parent that has expired, the answer is "none", and the files are committed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot

JOB_ID = "flink.job-id"
OPERATOR_ID = "flink.operator-id"
CHECKPOINT = "flink.max-committed-checkpoint-id"
#: When the commit happened that a marker speaks of, in milliseconds.
CARRIED_FROM = "workbench.carried-from"


@dataclass(frozen=True)
class Marker:
    """The newest checkpoint that one operator of one job has committed."""

    job_id: str
    operator_id: str | None
    checkpoint: str
    #: When it was committed.
    timestamp_ms: int

    @property
    def key(self) -> tuple[str, str | None]:
        """What the sink looks it up by."""
        return self.job_id, self.operator_id

    @property
    def properties(self) -> dict[str, str]:
        """The marker as the properties of a snapshot."""
        said = {JOB_ID: self.job_id, CHECKPOINT: self.checkpoint}
        if self.operator_id is not None:
            said[OPERATOR_ID] = self.operator_id
        return {**said, CARRIED_FROM: str(self.timestamp_ms)}


def ancestry(metadata: TableMetadata) -> Iterator[Snapshot]:
    """Yield the head and its parents, as far as they are known."""
    by_id = {snapshot.snapshot_id: snapshot for snapshot in metadata.snapshots}
    snapshot = by_id.get(metadata.current_snapshot_id or 0)
    while snapshot is not None:
        yield snapshot
        snapshot = by_id.get(snapshot.parent_snapshot_id or 0)


def is_note(snapshot: Snapshot) -> bool:
    """Whether a snapshot only says again what another one said."""
    return snapshot.summary is not None and CARRIED_FROM in snapshot.summary.additional_properties


def newest_markers(snapshots: Iterable[Snapshot]) -> dict[tuple[str, str | None], Marker]:
    """Return the first marker of each job and operator: the newest, given the newest first."""
    found: dict[tuple[str, str | None], Marker] = {}
    for snapshot in snapshots:
        said = snapshot.summary.additional_properties if snapshot.summary else {}
        if JOB_ID in said and CHECKPOINT in said:
            marker = Marker(
                said[JOB_ID],
                said.get(OPERATOR_ID),
                said[CHECKPOINT],
                int(said.get(CARRIED_FROM, snapshot.timestamp_ms)),
            )
            found.setdefault(marker.key, marker)
    return found
