"""The commits of maintenance: snapshots that change no row (``replace``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from pyiceberg.exceptions import ValidationException
from pyiceberg.manifest import (
    DataFile,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
)
from pyiceberg.table.snapshots import Operation, Summary
from pyiceberg.table.update.snapshot import _FastAppendFiles, _OverwriteFiles
from pyiceberg.typedef import EMPTY_DICT

if TYPE_CHECKING:
    from pyiceberg.table import Transaction

#: A manifest of this size or more is left as it is while none of its files goes away: half of
#: Iceberg's own target.
LARGE_MANIFEST_BYTES = 4 * 2**20
#: Files named by one merged manifest: about as many as fit into Iceberg's target of 8 MiB.
FILES_PER_MANIFEST = 10_000


def _as_replace(summary: Summary) -> Summary:
    # PyIceberg computes the totals for other operations only. Readers of changes skip a
    # `replace`, where an `overwrite` would be new rows to them.
    return Summary(Operation.REPLACE, **summary.additional_properties)


class ReplaceFiles(_OverwriteFiles):
    """Swap data files for others with the same rows, and merge small manifests on the way.

    Unlike PyIceberg's overwrite it does not mind what others append meanwhile: those files are
    kept. It refuses when one of the files to replace is gone.
    """

    def __init__(self, transaction: Transaction) -> None:
        super().__init__(Operation.OVERWRITE, transaction, transaction._table.io)
        # Manifests never change, so an attempt after a conflict reads only the new ones.
        self._read: dict[str, list[ManifestEntry]] = {}

    def _summary(self, snapshot_properties: dict[str, str] = EMPTY_DICT) -> Summary:
        return _as_replace(super()._summary(snapshot_properties))

    def _validate_concurrency(self) -> None:
        """Nothing here: `_deleted_entries` sees what is gone, and rows appended are welcome."""

    def _live(self, manifest: ManifestFile) -> list[ManifestEntry]:
        known = self._read.get(manifest.manifest_path)
        if known is None:
            known = self.fetch_manifest_entry(manifest)
            self._read[manifest.manifest_path] = known
        return known

    def _parent_manifests(self) -> Iterator[ManifestFile]:
        head = self._transaction.table_metadata.snapshot_by_id(self._parent_snapshot_id or 0)
        for manifest in head.manifests(self._io) if head else ():
            if manifest.content == ManifestContent.DELETES:
                # A rewritten file is newer than the deletes: its deleted rows would come back.
                raise ValidationException("delete files have been added")
            if manifest.has_added_files() or manifest.has_existing_files():
                yield manifest

    def _deleted_entries(self) -> list[ManifestEntry]:
        deleted = [
            _with_status(entry, ManifestEntryStatus.DELETED, self._snapshot_id)
            for manifest in self._parent_manifests()
            for entry in (self._live(manifest) if self._deleted_data_files else ())
            if entry.data_file in self._deleted_data_files
        ]
        self._validate_required_deletes(deleted)
        return deleted

    def _existing_manifests(self) -> list[ManifestFile]:
        kept: list[ManifestFile] = []
        loose: dict[int, list[ManifestEntry]] = {}
        for manifest in self._parent_manifests():
            large = manifest.manifest_length >= LARGE_MANIFEST_BYTES
            if large and not self._deleted_data_files:
                kept.append(manifest)
                continue
            live = self._live(manifest)
            stay = [entry for entry in live if entry.data_file not in self._deleted_data_files]
            if large and len(stay) == len(live):
                kept.append(manifest)
            else:
                loose.setdefault(manifest.partition_spec_id, []).extend(stay)
        for spec_id, entries in loose.items():
            starts = range(0, len(entries), FILES_PER_MANIFEST)
            kept += [self._merged(spec_id, entries[i : i + FILES_PER_MANIFEST]) for i in starts]
        return kept

    def _merged(self, spec_id: int, entries: Iterable[ManifestEntry]) -> ManifestFile:
        with self.new_manifest_writer(self.spec(spec_id)) as writer:
            for entry in entries:
                writer.add_entry(
                    _with_status(entry, ManifestEntryStatus.EXISTING, entry.snapshot_id)
                )
        return writer.to_manifest_file()


def _with_status(
    entry: ManifestEntry, status: ManifestEntryStatus, snapshot_id: int | None
) -> ManifestEntry:
    return ManifestEntry.from_args(
        status=status,
        snapshot_id=snapshot_id,
        sequence_number=entry.sequence_number,
        file_sequence_number=entry.file_sequence_number,
        data_file=entry.data_file,
    )


class Note(_FastAppendFiles):
    """A snapshot with the same files as its parent, for what its summary says."""

    def __init__(self, transaction: Transaction, properties: dict[str, str]) -> None:
        super().__init__(
            Operation.APPEND, transaction, transaction._table.io, snapshot_properties=properties
        )

    def _summary(self, snapshot_properties: dict[str, str] = EMPTY_DICT) -> Summary:
        return _as_replace(super()._summary(snapshot_properties))

    def _refresh_for_retry(self) -> None:
        # What it says was true of the old head only.
        raise ValidationException("the table has moved on")


def swap(
    transaction: Transaction, removed: Iterable[DataFile], added: Iterable[DataFile]
) -> ReplaceFiles:
    """Stage the swap of data files in a transaction; returns the producer of its snapshot."""
    producer = ReplaceFiles(transaction)
    with producer:
        for file in removed:
            producer.delete_data_file(file)
        for file in added:
            producer.append_data_file(file)
    return producer
