"""Which files a snapshot has: its manifests, read for the few things that a session needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from workbench.lake.avro import records
from workbench.lake.locations import local_path

if TYPE_CHECKING:
    from pyiceberg.io import FileIO
    from pyiceberg.manifest import ManifestContent, ManifestFile


class DataFile(NamedTuple):
    """A file with rows of a snapshot."""

    #: Where it lies, as DuckDB and Polars open it.
    path: str
    #: Bounds of the time column in microseconds since 1970; None where its statistics do not say.
    oldest: int | None
    newest: int | None


def data_files(manifests: Iterable[ManifestFile], io: FileIO, column: int) -> list[DataFile]:
    """Return the data files that have rows, in order of their paths.

    Parameters
    ----------
    manifests
        The manifests of a snapshot.
    io
        Reads them.
    column
        Field id of the time column.
    """
    from pyiceberg.manifest import ManifestContent

    return sorted(
        DataFile(
            local_path(file["file_path"]),
            _micros(file.get("lower_bounds"), column),
            _micros(file.get("upper_bounds"), column),
        )
        for file in _live(manifests, io, ManifestContent.DATA)
        if file["record_count"]
    )


def delete_kinds(manifests: Iterable[ManifestFile], io: FileIO) -> set[str]:
    """Return how rows were deleted while their data files stayed.

    ``POSITION_DELETES``, ``EQUALITY_DELETES``, both or nothing.
    """
    from pyiceberg.manifest import DataFileContent, ManifestContent

    live = _live(manifests, io, ManifestContent.DELETES)
    return {DataFileContent(file["content"]).name for file in live}


def _live(
    manifests: Iterable[ManifestFile], io: FileIO, content: ManifestContent
) -> Iterator[Mapping[str, Any]]:
    """What manifests say of their files; by its standard name, as Java and Python write it."""
    from pyiceberg.manifest import ManifestEntryStatus

    for manifest in manifests:
        if manifest.content != content:
            continue
        with io.new_input(manifest.manifest_path).open() as opened:
            found = opened.read()
        # The decoder does not look where its bytes end.
        if len(found) != manifest.manifest_length:
            size = f"{len(found):,} bytes, not {manifest.manifest_length:,}"
            raise ValueError(f"{manifest.manifest_path} has {size}")
        for entry in records(found):
            if entry["status"] != ManifestEntryStatus.DELETED:
                yield entry["data_file"]


def _micros(bounds: Mapping[int, bytes] | None, column: int) -> int | None:
    """A bound of a time, which Iceberg writes as 8 bytes, the smallest first."""
    bound = bounds.get(column) if bounds else None
    return int.from_bytes(bound, "little", signed=True) if bound else None
