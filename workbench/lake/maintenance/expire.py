"""Expiry: old snapshots go, and with them the files that only they reached."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update import AssertRefSnapshotId, RemoveSnapshotsUpdate
from sqlalchemy.exc import OperationalError

from workbench.config import Settings
from workbench.contracts import Table
from workbench.errors import LakeError
from workbench.lake.damage import reading_manifests
from workbench.lake.maintenance import leases
from workbench.lake.maintenance.commit import Note
from workbench.lake.maintenance.leases import Held, Readers
from workbench.lake.maintenance.markers import Marker, ancestry, is_note, newest_markers
from workbench.lake.maintenance.reach import reached, remove_files
from workbench.lake.maintenance.scope import Progress, for_each

OLDER_THAN = timedelta(hours=24)
#: What a job has committed last is remembered this long after it was: no savepoint older than
#: this can be restored anyway, since Kafka has forgotten the records that follow it.
JOB_MEMORY = timedelta(days=30)
#: Snapshots removed by one commit: more would hold up the jobs' commits.
PER_COMMIT = 500
ATTEMPTS = 10
_CONFLICTS = (CommitFailedException, ValidationException, OperationalError)


@dataclass(frozen=True)
class Expiry:
    """What an expiry did to one table, or would do."""

    table: str
    #: ``expired``, ``would expire``, ``nothing old``, ``missing`` or ``failed``.
    outcome: str
    snapshots_before: int = 0
    expired: int = 0
    #: Of these, older than the bound and kept: named by a tag or a branch, or read by a session.
    kept_for_readers: int = 0
    #: Jobs whose newest checkpoint was written into a new snapshot, because its own went.
    jobs_carried: int = 0
    #: Files deleted: data, manifests and lists of manifests.
    deleted_files: int = 0
    #: What is left to `tables orphans`.
    note: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class _Plan:
    remove: list[int] = field(default_factory=list)
    carry: list[Marker] = field(default_factory=list)
    kept_for_readers: int = 0


def expire(
    settings: Settings,
    tables: Sequence[str] = (),
    *,
    older_than: timedelta = OLDER_THAN,
    dry_run: bool = False,
    progress: Progress = lambda _: None,
) -> list[Expiry]:
    """Remove old snapshots of tables and delete the files that only they reached.

    Kept are: the head and its parents up to the one that was the head at the bound, what a tag
    or a branch names, and what open sessions read. For every Flink job and operator that has
    committed within `JOB_MEMORY` the newest committed checkpoint stays where Iceberg's sink
    looks for it: where its snapshot goes, an empty one is put on top that says the same.

    Parameters
    ----------
    settings
        The settings in force.
    tables
        Names of tables; all when empty.
    older_than
        Age from which a snapshot may go.
    dry_run
        Say what would be done and change nothing.
    progress
        Receives a line for each table.

    Returns
    -------
    list of Expiry
        One for each table; one that fails does not keep the others from it.

    Raises
    ------
    UsageError
        For an unknown table.
    LakeError
        When there is no lake, or another maintainer works on it.
    """
    oldest = datetime.now(UTC) - older_than

    def one(contract: Table, target: IcebergTable | None) -> Expiry:
        if target is None:
            return Expiry(contract.name, "missing")
        return _expire(settings, contract, target, oldest, dry_run, progress)

    def failed(contract: Table, error: LakeError) -> Expiry:
        return Expiry(contract.name, "failed", error=str(error))

    return for_each(settings, tables, None if dry_run else "expire", one, failed)


def _expire(
    settings: Settings,
    contract: Table,
    target: IcebergTable,
    oldest: datetime,
    dry_run: bool,
    progress: Progress,
) -> Expiry:
    read = _read_by_sessions(settings, contract)
    plan = _plan(target.metadata, oldest, read)
    done = Expiry(
        contract.name,
        "would expire" if dry_run else "expired",
        snapshots_before=len(target.metadata.snapshots),
        expired=len(plan.remove),
        kept_for_readers=plan.kept_for_readers,
        jobs_carried=len(plan.carry),
    )
    if not plan.remove:
        return replace(done, outcome="nothing old")
    if dry_run:
        return done
    progress(f"{contract.name}: {len(plan.remove)} of {done.snapshots_before} snapshots expire")
    wanted, gone = set(plan.remove), dict[int, str]()
    carried = failures = 0
    while plan.remove:
        first = plan.remove[:PER_COMMIT]
        lists = {s.snapshot_id: s.manifest_list for s in target.metadata.snapshots}
        try:
            _commit(target, first, plan.carry)
            carried += len(plan.carry)
        except _CONFLICTS as error:
            failures += 1
            if failures == ATTEMPTS:
                raise LakeError(
                    f"table {contract.name}: other writers were in the way {ATTEMPTS} times "
                    f"({str(error).splitlines()[0]})",
                    hint="what has expired so far stays so; run it again",
                ) from error
            time.sleep(random.uniform(0.1, 0.5))
        left = {s.snapshot_id for s in target.refresh().metadata.snapshots}
        gone |= {one: lists[one] for one in first if one not in left}
        # Decided anew: a job may have committed, a session may have opened.
        read = _read_by_sessions(settings, contract)
        plan = _plan(target.metadata, oldest, read, wanted)
    done = replace(done, expired=len(gone), jobs_carried=carried)
    # Looked up after the commits: a session that opened meanwhile may read what has just expired.
    readers = _read_by_sessions(settings, contract)
    if readers.opening:
        return replace(done, note="files left: a session is opening")
    deleted, note = _delete_files(contract, target, gone, readers.held)
    return replace(done, deleted_files=deleted, note=note)


def _read_by_sessions(settings: Settings, contract: Table) -> Readers:
    found = leases.readers(settings)
    return replace(found, held=frozenset(o for o in found.held if o.table == contract.name))


def _plan(
    metadata: TableMetadata, oldest: datetime, read: Readers, among: set[int] | None = None
) -> _Plan:
    """What may go and what has to be said again, decided on one state of the table."""
    limit = oldest.timestamp() * 1000
    chain = list(ancestry(metadata))
    young = [number for number, snapshot in enumerate(chain) if snapshot.timestamp_ms >= limit]
    # Without a gap: the sink walks from parent to parent. And one more: it was the head at the
    # bound, superseded by the oldest young one only.
    stays = chain[: max(young, default=-1) + 2]
    named = {ref.snapshot_id for ref in metadata.refs.values()}
    named |= {one.snapshot_id for one in read.held}
    kept = {snapshot.snapshot_id for snapshot in stays}
    kept |= {s.snapshot_id for s in metadata.snapshots if s.timestamp_ms >= limit}
    for_readers = named - kept
    kept |= named
    ordered = sorted(metadata.snapshots, key=lambda s: (s.sequence_number or 0, s.timestamp_ms))
    old = [s for s in ordered if s.snapshot_id not in kept]
    if all(is_note(snapshot) for snapshot in old):
        # They hold no file of their own; removing them would only put the same on top again.
        old = []
    remove = [s.snapshot_id for s in old if among is None or s.snapshot_id in among]
    known = {snapshot.snapshot_id for snapshot in metadata.snapshots}
    return _Plan(
        remove,
        _lost(chain, {*remove}) if remove else [],
        len(for_readers & known),
    )


def _lost(chain: list[Snapshot], removed: set[int]) -> list[Marker]:
    """The markers that could not be found any more, oldest first."""
    reachable = []
    for snapshot in chain:
        if snapshot.snapshot_id in removed:
            break
        reachable.append(snapshot)
    left = newest_markers(reachable)
    jobs = {job for job, _ in left}
    memory = (time.time() - JOB_MEMORY.total_seconds()) * 1000
    return sorted(
        (
            marker
            for marker in newest_markers(chain).values()
            if marker.key not in left
            and marker.timestamp_ms >= memory
            # Without an operator it would hide a newer one of the same job.
            and not (marker.operator_id is None and marker.job_id in jobs)
        ),
        key=lambda marker: marker.timestamp_ms,
    )


def _commit(target: IcebergTable, removed: list[int], carry: list[Marker]) -> None:
    """Put what has to be said again on top and remove snapshots, in one commit."""
    head = target.metadata.current_snapshot_id
    with target.transaction() as transaction:
        unmoved = AssertRefSnapshotId(ref=MAIN_BRANCH, snapshot_id=head)  # type: ignore[call-arg]
        transaction._stage((), (unmoved,))
        for marker in carry:
            with Note(transaction, marker.properties):
                pass
        transaction._stage((RemoveSnapshotsUpdate(snapshot_ids=removed),))  # type: ignore[call-arg]


def _delete_files(
    contract: Table, target: IcebergTable, gone: Mapping[int, str], readers: Set[Held]
) -> tuple[int, str | None]:
    """Delete what the gone snapshots reached and no other one does."""
    io = target.io
    try:
        with reading_manifests(contract.name):
            old = reached(io, gone.values())
            lists = {snapshot.manifest_list for snapshot in target.metadata.snapshots}
            kept = reached(io, lists | {one.manifest_list for one in readers})
            data = old.data_files(io, besides=kept.manifests)
            data -= kept.data_files(io) if data else set()
    except LakeError as error:
        return 0, f"files left: {error}"
    unreached = [
        *sorted(data),
        *sorted(old.manifests.keys() - kept.manifests.keys()),
        *sorted(old.manifest_lists - kept.manifest_lists),
    ]
    return remove_files(io, unreached)
