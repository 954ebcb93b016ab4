"""Compaction: the small files of each UTC day become few large ones, in one commit."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan, write_file
from pyiceberg.manifest import DataFile
from pyiceberg.partitioning import PartitionFieldValue, PartitionKey
from pyiceberg.table import FileScanTask, WriteTask
from pyiceberg.table import Table as IcebergTable
from sqlalchemy.exc import OperationalError

from workbench.config import Settings
from workbench.contracts import Table
from workbench.errors import LakeError
from workbench.lake.damage import damaged_file, reading_manifests
from workbench.lake.maintenance.commit import LARGE_MANIFEST_BYTES, swap
from workbench.lake.maintenance.scope import Progress, for_each

if TYPE_CHECKING:
    from pyiceberg.typedef import Record

#: Bounds of one rewritten file, and of what is read at once: so many rows of a table of trades
#: take about 1 GB of memory while they are sorted.
ROWS_PER_FILE = 1_000_000
BYTES_PER_FILE = 128 * 2**20
#: The same before compression, which long texts that repeat themselves hide: so much, and as much
#: again while it is sorted, is in memory at once.
UNPACKED_BYTES_PER_FILE = 512 * 2**20
#: Up to this size, the small files of a day are taken as they come: no footer is read.
UNMEASURED_BYTES = 8 * 2**20
#: Footers read at the same time, for stores that take their time to answer.
_AT_ONCE = 8
#: With more small manifests than this they are merged even where no data file is small.
MANY_MANIFESTS = 20


@dataclass(frozen=True)
class Compaction:
    """What a compaction did to one table, or would do."""

    table: str
    #: ``compacted``, ``would compact``, ``compact`` (there was nothing to do), ``missing`` or
    #: ``failed``.
    outcome: str
    #: UTC days whose files were rewritten.
    days: int = 0
    rewritten_files: int = 0
    rewritten_rows: int = 0
    #: Of the whole table; a dry run does not know the bytes after.
    files_before: int = 0
    files_after: int = 0
    bytes_before: int = 0
    bytes_after: int | None = None
    manifests_before: int = 0
    #: The snapshot it made, as text.
    snapshot: str | None = None
    error: str | None = None


@dataclass
class _Plan:
    """Groups of small files, each of one day, and what the table has in all."""

    groups: list[list[FileScanTask]] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    manifests: int = 0
    small_manifests: int = 0

    @property
    def is_empty(self) -> bool:
        return not self.groups and self.small_manifests <= MANY_MANIFESTS

    @property
    def tasks(self) -> list[FileScanTask]:
        return list(itertools.chain(*self.groups))


def compact(
    settings: Settings,
    tables: Sequence[str] = (),
    *,
    dry_run: bool = False,
    progress: Progress = lambda _: None,
    rows_per_file: int = ROWS_PER_FILE,
) -> list[Compaction]:
    """Rewrite the small files of tables; a second run right after finds nothing to do.

    A file is small with less than half of `ROWS_PER_FILE` rows and half of `BYTES_PER_FILE` (and
    of `UNPACKED_BYTES_PER_FILE`, before compression).
    The small files of a day are read in groups within these bounds, sorted as the contract says
    and written as one file each; afterwards a day has at most one small file (by rows). All of a
    table is ONE snapshot of the operation ``replace``, made again on the newer state when
    somebody appends meanwhile. Rows never change: their number is checked before the commit.

    Parameters
    ----------
    settings
        The settings in force.
    tables
        Names of tables; all when empty.
    dry_run
        Say what would be done and change nothing.
    progress
        Receives a line for each group of files.
    rows_per_file
        Rows of a rewritten file at most.

    Returns
    -------
    list of Compaction
        One for each table; one that fails does not keep the others from being compacted.

    Raises
    ------
    UsageError
        For an unknown table.
    LakeError
        When there is no lake, or another maintainer works on it.
    """

    def one(contract: Table, target: IcebergTable | None) -> Compaction:
        if target is None:
            return Compaction(contract.name, "missing")
        return _compact(contract, target, rows_per_file, dry_run, progress)

    def failed(contract: Table, error: LakeError) -> Compaction:
        return Compaction(contract.name, "failed", error=str(error))

    return for_each(settings, tables, None if dry_run else "compact", one, failed)


def _compact(
    contract: Table, target: IcebergTable, rows_per_file: int, dry_run: bool, progress: Progress
) -> Compaction:
    with reading_manifests(contract.name):
        plan = _plan(contract, target, rows_per_file)
    tasks = plan.tasks
    before: dict[str, Any] = {
        "days": len({_key(task.file) for task in tasks}),
        "rewritten_files": len(tasks),
        "rewritten_rows": sum(task.file.record_count for task in tasks),
        "files_before": plan.files,
        "files_after": plan.files - len(tasks) + len(plan.groups),
        "bytes_before": plan.bytes,
        "manifests_before": plan.manifests,
    }
    if plan.is_empty:
        return Compaction(contract.name, "compact", **before, bytes_after=plan.bytes)
    if dry_run:
        return Compaction(contract.name, "would compact", **before)
    written: list[DataFile] = []
    try:
        for number, group in enumerate(plan.groups, start=1):
            progress(f"{contract.name}: {len(group)} files, group {number} of {len(plan.groups)}")
            written.append(_rewrite(contract, target, group))
    except BaseException:
        _remove(target, written)
        raise
    try:
        snapshot = _commit(contract, target, [task.file for task in tasks], written)
    except LakeError:
        # Only what has certainly not been committed: the table may need the files otherwise.
        _remove(target, written)
        raise
    replaced = sum(task.file.file_size_in_bytes for task in tasks)
    after = plan.bytes - replaced + sum(file.file_size_in_bytes for file in written)
    return Compaction(contract.name, "compacted", **before, bytes_after=after, snapshot=snapshot)


def _remove(target: IcebergTable, written: list[DataFile]) -> None:
    for file in written:
        target.io.delete(file.file_path)


def _plan(contract: Table, target: IcebergTable, rows_per_file: int) -> _Plan:
    """Group the small files of each day; a group of one would gain nothing."""
    head = target.current_snapshot()
    plan = _Plan()
    if head is None:
        return plan
    manifests = head.manifests(target.io)
    plan.manifests = len(manifests)
    plan.small_manifests = sum(m.manifest_length < LARGE_MANIFEST_BYTES for m in manifests)
    days: dict[Any, list[FileScanTask]] = {}
    for task in target.scan(snapshot_id=head.snapshot_id).plan_files():
        if task.delete_files:
            raise LakeError(
                f"table {contract.name} has delete files",
                hint="compact it with the engine that wrote them",
            )
        plan.files += 1
        plan.bytes += task.file.file_size_in_bytes
        # Files of an older partitioning stay as they are.
        if task.file.spec_id == target.metadata.default_spec_id and _is_small(task, rows_per_file):
            days.setdefault(_key(task.file), []).append(task)
    for key in sorted(days):
        tasks = sorted(days[key], key=lambda task: task.file.file_path)
        sized = [
            (task, unpacked)
            for task, unpacked in zip(tasks, _unpacked(target, tasks), strict=True)
            if unpacked * 2 < UNPACKED_BYTES_PER_FILE
        ]
        plan.groups += [group for group in _packed(sized, rows_per_file) if len(group) > 1]
    return plan


def _unpacked(target: IcebergTable, tasks: list[FileScanTask]) -> list[int]:
    """Bytes of each file before compression, as its footer says: no metadata of Iceberg does."""
    if sum(task.file.file_size_in_bytes for task in tasks) <= UNMEASURED_BYTES:
        return [task.file.file_size_in_bytes for task in tasks]

    def one(task: FileScanTask) -> int:
        try:
            with target.io.new_input(task.file.file_path).open() as stream:
                footer = pq.read_metadata(stream)
        except (OSError, pa.ArrowException):
            # Which file is torn is said when it is read.
            return task.file.file_size_in_bytes
        return sum(footer.row_group(n).total_byte_size for n in range(footer.num_row_groups))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(one, tasks))


def _key(file: DataFile) -> tuple[Any, ...]:
    partition: Record = file.partition
    return tuple(partition[position] for position in range(len(partition)))


def _is_small(task: FileScanTask, rows_per_file: int) -> bool:
    file = task.file
    return file.record_count * 2 < rows_per_file and file.file_size_in_bytes * 2 < BYTES_PER_FILE


def _packed(tasks: list[tuple[FileScanTask, int]], rows_per_file: int) -> list[list[FileScanTask]]:
    """First fit within all bounds: of two bins, one at most is less than half full."""
    limits = (rows_per_file, BYTES_PER_FILE, UNPACKED_BYTES_PER_FILE)
    bins: list[tuple[tuple[int, ...], list[FileScanTask]]] = []
    for task, unpacked in tasks:
        size = (task.file.record_count, task.file.file_size_in_bytes, unpacked)
        for number, (had, group) in enumerate(bins):
            both = tuple(a + b for a, b in zip(had, size, strict=True))
            if all(a <= limit for a, limit in zip(both, limits, strict=True)):
                group.append(task)
                bins[number] = (both, group)
                break
        else:
            bins.append((size, [task]))
    return [group for _, group in bins]


def _rewrite(contract: Table, target: IcebergTable, group: list[FileScanTask]) -> DataFile:
    """Write the rows of a group as one sorted file."""
    schema, spec = target.schema(), target.spec()
    wanted = sum(task.file.record_count for task in group)
    try:
        rows = ArrowScan(target.metadata, target.io, schema, AlwaysTrue()).to_table(group)
    except (OSError, pa.ArrowException, ValueError) as error:
        raise _unreadable(contract, target, group) from error
    # As the sort order of the table says, nulls first.
    order = [(n, "ascending", "at_start") for n in contract.sort_by if n in rows.column_names]
    rows = rows.take(pc.sort_indices(rows, sort_keys=order))
    key = PartitionKey(
        [
            PartitionFieldValue(field, value)
            for field, value in zip(spec.fields, _key(group[0].file), strict=True)
        ],
        spec,
        schema,
    )
    batches = rows.combine_chunks().to_batches()
    task = WriteTask(uuid.uuid4(), 0, schema, batches, partition_key=key)
    (written,) = write_file(target.io, target.metadata, iter([task]))
    if written.record_count != wanted:
        target.io.delete(written.file_path)
        raise LakeError(
            f"table {contract.name}: {len(group)} files have {written.record_count} rows, "
            f"the metadata says {wanted}",
            hint="nothing was changed; `workbench tables describe` shows who wrote them",
        )
    return written


def _unreadable(contract: Table, target: IcebergTable, group: list[FileScanTask]) -> LakeError:
    """The first of the files that cannot be read alone."""
    schema = target.schema()
    for task in group:
        try:
            ArrowScan(target.metadata, target.io, schema, AlwaysTrue()).to_table([task])
        except (OSError, pa.ArrowException, ValueError):
            return damaged_file(task.file.file_path, contract.name)
    return LakeError(f"table {contract.name} could not be read once", hint="try again")


def _commit(
    contract: Table, target: IcebergTable, removed: list[DataFile], added: list[DataFile]
) -> str:
    snapshot_id: int | None = None
    try:
        with target.transaction() as transaction:
            snapshot_id = swap(transaction, removed, added).snapshot_id
    except (CommitFailedException, ValidationException, OperationalError) as error:
        # A busy catalog does not say whether the commit has landed.
        if snapshot_id and target.refresh().snapshot_by_id(snapshot_id):
            return str(snapshot_id)
        said = str(error).splitlines()[0]
        raise LakeError(
            f"table {contract.name} could not be compacted, nothing was changed: {said}",
            hint="another writer was in the way; run it again",
        ) from error
    return str(snapshot_id)
