"""Which snapshot of every table a session reads, decided once when it opens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from workbench.config import Settings
from workbench.contracts import TABLES, Table, table_named
from workbench.errors import LakeError, quoted
from workbench.lake.damage import reading_manifests
from workbench.lake.planning import DataFile, data_files, delete_kinds
from workbench.lake.reading import PLANS, Sources
from workbench.lake.times import from_micros, show_moment

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.snapshots import Snapshot, SnapshotLogEntry


@dataclass(frozen=True)
class Pin:
    """One table at one snapshot.

    Parameters
    ----------
    table
        The contract.
    source
        The table in the catalog; None where the lake does not have it yet.
    snapshot
        The snapshot; None means the table was empty.
    broken
        Why the table cannot be read, where it cannot: only who asks for it meets the error.
    """

    table: Table
    source: IcebergTable | None = None
    snapshot: Snapshot | None = None
    broken: LakeError | None = None

    @property
    def snapshot_id(self) -> str | None:
        """The id as text: JavaScript and JSON readers round integers of 64 bits."""
        return str(self.snapshot.snapshot_id) if self.snapshot else None

    @property
    def committed_at(self) -> datetime | None:
        """When the snapshot was committed."""
        if self.snapshot is None:
            return None
        return datetime.fromtimestamp(self.snapshot.timestamp_ms / 1000, UTC)

    @property
    def first_commit(self) -> datetime | None:
        """When the table was first written to, as far as its log is kept."""
        log = self.source.history() if self.source is not None else []
        return datetime.fromtimestamp(log[0].timestamp_ms / 1000, UTC) if log else None

    def ancestry(self) -> Iterator[Snapshot]:
        """Yield the snapshot and its parents, as far as they are kept."""
        current = self.snapshot
        while current is not None and self.source is not None:
            yield current
            parent = current.parent_snapshot_id
            current = self.source.snapshot_by_id(parent) if parent is not None else None

    def history(self) -> list[tuple[str, datetime, str]]:
        """Return id, time of the commit (UTC) and operation of these snapshots."""
        return [
            (
                str(snapshot.snapshot_id),
                datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC),
                snapshot.summary.operation.value if snapshot.summary else "",
            )
            for snapshot in self.ancestry()
        ]

    @cached_property
    def files(self) -> list[DataFile]:
        """The data files of the snapshot; planned on first use."""
        if self.broken:
            raise self.broken
        source, snapshot = self.source, self.snapshot
        if source is None or snapshot is None:
            return []
        fields = {field.name: field.field_id for field in source.schema().fields}

        def plan() -> list[DataFile]:
            with reading_manifests(self.table.name):
                manifests = snapshot.manifests(source.io)
                if not self.delete_count and delete_kinds(manifests, source.io):
                    raise LakeError(
                        f"table {self.table.name} has delete files its snapshot does not count",
                        hint="compact the table with the engine that wrote them",
                    )
                return data_files(manifests, source.io, fields.get(self.table.partition_by, 0))

        return PLANS.files(str(source.metadata.table_uuid), snapshot.snapshot_id, plan)

    def delete_kinds(self) -> set[str]:
        """Return the kinds of delete files of the snapshot; see `planning.delete_kinds`."""
        if self.source is None or self.snapshot is None or not self.delete_count:
            return set()
        with reading_manifests(self.table.name):
            return delete_kinds(self.snapshot.manifests(self.source.io), self.source.io)

    @property
    def rows(self) -> int:
        """Rows of the snapshot, by its summary."""
        return self._summary("total-records")

    @property
    def file_count(self) -> int:
        """Data files of the snapshot, by its summary."""
        return self._summary("total-data-files")

    @property
    def delete_count(self) -> int:
        """Delete files of the snapshot, by its summary."""
        return self._summary("total-delete-files")

    def _summary(self, name: str) -> int:
        if self.snapshot is None or self.snapshot.summary is None:
            return 0
        return int(self.snapshot.summary.get(name) or 0)

    def newest_event(self) -> datetime | None:
        """Return the newest value of the time column, from the files' statistics alone.

        None where there are no rows, or where a file's statistics do not say.
        """
        known = _all_known([file.newest for file in self._counted_files()])
        return from_micros(max(known)) if known else None

    def oldest_event(self) -> datetime | None:
        """Return the oldest value of the time column; see `newest_event`."""
        known = _all_known([file.oldest for file in self._counted_files()])
        return from_micros(min(known)) if known else None

    def _counted_files(self) -> list[DataFile]:
        """The files, where their statistics are those of the rows; deleted ones count in them."""
        return [] if self.source is None or self.delete_count else self.files


def _all_known(bounds: list[int | None]) -> list[int]:
    """The bounds of all files; none where one is not known."""
    known = [bound for bound in bounds if bound is not None]
    return known if len(known) == len(bounds) else []


def resolve(
    settings: Settings,
    as_of: datetime | None = None,
    snapshots: Mapping[str, str | None] | None = None,
) -> dict[str, Pin]:
    """Pin every table of the contracts, all at the same moment.

    Parameters
    ----------
    settings
        The settings in force.
    as_of
        Take the newest snapshot committed at or before this; None takes the newest.
    snapshots
        Snapshot ids by table that win over `as_of`; None as an id pins the table as empty.

    Raises
    ------
    UsageError
        For a table the contracts do not know.
    LakeError
        When there is no lake, or it has no such snapshot (any more).
    """
    wanted = {table_named(name).name: value for name, value in (snapshots or {}).items()}
    lake = Sources(settings)
    # The heads first and close together; files are planned later, table by table.
    sources, broken = {}, {}
    for table in TABLES:
        try:
            sources[table.name] = lake.table(table.name)
        except LakeError as error:
            broken[table.name] = error
    pins = {}
    for table in TABLES:
        if table.name in broken:
            pins[table.name] = Pin(table, broken=broken[table.name])
            continue
        source = sources[table.name]
        if table.name in wanted:
            snapshot = _snapshot_named(table.name, source, wanted[table.name])
        elif source is None:
            snapshot = None
        elif as_of is None:
            snapshot = source.current_snapshot()
        else:
            snapshot = _snapshot_before(table.name, source, as_of)
        pin = Pin(table, source, snapshot)
        pins[table.name] = replace(pin, source=lake.whole(table.name)) if pin.delete_count else pin
    return pins


def _snapshot_named(name: str, source: IcebergTable | None, wanted: str | None) -> Snapshot | None:
    if wanted is None:
        return None
    snapshot = None
    if source is not None and str(wanted).isdecimal():
        snapshot = source.snapshot_by_id(int(wanted))
    if snapshot is None:
        raise LakeError(
            f"table {name} has no snapshot {quoted(wanted)}",
            hint=f"`workbench tables describe {name}` lists them; old ones expire",
        )
    return snapshot


def _cut_off(source: IcebergTable, following: Sequence[SnapshotLogEntry]) -> bool:
    """Whether snapshots between a head and the following one have expired.

    A snapshot that a session or a tag has kept is then the newest before the moment that is left,
    not the newest there was. Expiry takes the parent from the first snapshot after the gap.
    """
    after = source.snapshot_by_id(following[0].snapshot_id) if following else None
    return after is not None and after.parent_snapshot_id is None


def _snapshot_before(name: str, source: IcebergTable, as_of: datetime) -> Snapshot | None:
    """The head of the table at a moment, by its log; None where it was still empty."""
    limit = as_of.timestamp() * 1000
    log = source.history()
    heads = [entry for entry in log if entry.timestamp_ms <= limit]
    if heads:
        snapshot = source.snapshot_by_id(heads[-1].snapshot_id)
        if snapshot is not None and not _cut_off(source, log[len(heads) : len(heads) + 1]):
            return snapshot
    else:
        first = source.snapshot_by_id(log[0].snapshot_id) if log else None
        # The first commit of a table has number 1. Parents do not tell: expiry cuts them off.
        if first is None or (first.sequence_number or 1) == 1:
            return None
    raise LakeError(
        f"table {name} has no snapshot of {show_moment(as_of)} any more",
        hint="it has expired; `workbench tables describe` lists those that are kept",
    )
