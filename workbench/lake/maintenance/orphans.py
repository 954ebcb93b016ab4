"""Orphans: files in a table's location that no metadata reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING

from pyarrow.fs import FileSelector, FileType
from pyiceberg.io.pyarrow import PyArrowFileIO

from workbench.config import Settings
from workbench.contracts import Table
from workbench.errors import LakeError, UsageError
from workbench.lake.damage import reading_manifests
from workbench.lake.maintenance import leases
from workbench.lake.maintenance.claims import SAFE_AGE, Claim
from workbench.lake.maintenance.reach import reached
from workbench.lake.maintenance.scope import Progress, for_each

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable

OLDER_THAN = timedelta(days=3)


@dataclass(frozen=True)
class Orphan:
    """One file that no metadata reaches."""

    table: str
    file: str
    bytes: int
    modified: datetime
    deleted: bool = False
    error: str | None = None


def orphans(
    settings: Settings,
    tables: Sequence[str] = (),
    *,
    older_than: timedelta = OLDER_THAN,
    claims: Sequence[Claim] = (),
    delete: bool = False,
    force: bool = False,
    progress: Progress = lambda _: None,
) -> list[Orphan]:
    """Find files that no metadata of a table reaches, and delete them when asked to.

    Parameters
    ----------
    settings
        The settings in force.
    tables
        Names of tables; all when empty.
    older_than
        Files changed more recently are left out: a writer may be about to commit them.
    claims
        States that jobs may go on from, from `workbench.jobs.uncommitted.claims`: files of their
        tables that may be named there are left out, however old they are.
    delete
        Delete what is found.
    force
        Allow an `older_than` below `SAFE_AGE`, and no heed of the claims.
    progress
        Receives a line for each table.

    Returns
    -------
    list of Orphan
        By table and name. A table that cannot be read gives one row with its error, no file.

    Raises
    ------
    UsageError
        For an unknown table, or an age below the safe one without `force`.
    LakeError
        When there is no lake, or another maintainer works on it.
    """
    if older_than < SAFE_AGE and not force:
        raise UsageError(
            f"files younger than {SAFE_AGE / timedelta(hours=1):.0f} h may belong to a writer that "
            "has not committed them yet",
            hint="give --older-than 1d or more, or --force when no job runs or will be restored",
        )
    before = datetime.now(UTC) - older_than

    def one(contract: Table, target: IcebergTable | None) -> list[Orphan]:
        if target is None:
            return []
        progress(f"{contract.name}: looking")
        since = [claim.since for claim in claims if claim.table == contract.name and not force]
        found = _orphans_of(settings, contract, target, min([before, *since]))
        return [_delete(target, orphan) for orphan in found] if delete else found

    def failed(contract: Table, error: LakeError) -> list[Orphan]:
        return [Orphan(contract.name, "", 0, before, error=str(error))]

    found = for_each(settings, tables, "orphans" if delete else None, one, failed)
    return [*chain.from_iterable(found)]


def _orphans_of(
    settings: Settings, contract: Table, target: IcebergTable, before: datetime
) -> list[Orphan]:
    # First what is there, then what is reached: what is committed in between is reached.
    there = _files(target, contract, before)
    if not there:
        return []
    known = _reached(settings, contract, target.refresh())
    return [orphan for orphan in there if _owner(orphan.file) not in known]


def _files(target: IcebergTable, contract: Table, before: datetime) -> list[Orphan]:
    """The files under the table's location that are old enough."""
    io = target.io
    if not isinstance(io, PyArrowFileIO):
        raise LakeError(
            f"table {contract.name}: files of {target.location()} cannot be listed",
            hint="use the tool of its store",
        )
    scheme, netloc, path = io.parse_location(target.location(), io.properties)
    files = io.fs_by_scheme(scheme, netloc).get_file_info(
        FileSelector(path, recursive=True, allow_not_found=True)
    )
    return sorted(
        (
            Orphan(contract.name, info.path, info.size, info.mtime)
            for info in files
            if info.type == FileType.File and info.mtime < before
        ),
        key=lambda orphan: orphan.file,
    )


def _owner(path: str) -> str:
    """The file a path belongs to: Hadoop keeps ``.NAME.crc`` beside ``NAME``."""
    folder, _, name = path.rpartition("/")
    if name.startswith(".") and name.endswith(".crc"):
        return f"{folder}/{name[1:-4]}"
    return path


def _reached(settings: Settings, contract: Table, current: IcebergTable) -> set[str]:
    """Paths of everything that metadata or an open session needs."""
    readers = leases.readers(settings)
    if readers.opening:
        raise LakeError(
            "a session has been opening for long: it may read anything",
            hint="try again when it is open",
        )
    lists = {snapshot.manifest_list for snapshot in current.metadata.snapshots}
    lists |= {one.manifest_list for one in readers.held if one.table == contract.name}
    with reading_manifests(contract.name):
        found = reached(current.io, lists)
        data = found.data_files(current.io)
    locations = {
        current.metadata_location,
        *(entry.metadata_file for entry in current.metadata.metadata_log),
        *(file.statistics_path for file in current.metadata.statistics),
        *found.manifest_lists,
        *found.manifests,
        *data,
    }
    return {PyArrowFileIO.parse_location(location)[2] for location in locations}


def _delete(target: IcebergTable, orphan: Orphan) -> Orphan:
    scheme, netloc, _ = PyArrowFileIO.parse_location(target.location())
    assert isinstance(target.io, PyArrowFileIO)
    try:
        target.io.fs_by_scheme(scheme, netloc).delete_file(orphan.file)
    except FileNotFoundError:
        pass
    except OSError as error:
        return replace(orphan, error=f"{orphan.file}: {error.strerror or error}")
    return replace(orphan, deleted=True)
