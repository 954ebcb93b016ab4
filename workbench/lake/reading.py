"""The tables of the embedded lake for reading alone, without what only writing needs.

A catalog of PyIceberg brings SQLAlchemy, and its reader of files brings pandas: a second of imports
for a session that reads one row of SQLite and one JSON file per table.
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile

from workbench.config import Settings
from workbench.contracts import TABLES
from workbench.errors import LakeError
from workbench.lake.catalog import BUSY_TIMEOUT_MS, catalog_file, is_embedded, load_catalog
from workbench.lake.damage import load_table
from workbench.lake.locations import local_path

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table as IcebergTable

    from workbench.lake.planning import DataFile

_LOCAL = "file://"
#: Planned files that are kept in memory, over all snapshots: a plan of 5,000 takes an eighth of a
#: second, and refresh, the explorer and `--as-of` come back to the same snapshots.
KEPT_FILES = 50_000


class LocalFile(InputFile):
    """A file of this machine."""

    @property
    def _path(self) -> Path:
        return Path(local_path(self.location))

    def __len__(self) -> int:
        """Its size in bytes."""
        return self._path.stat().st_size

    def exists(self) -> bool:
        """Whether it is there."""
        return self._path.exists()

    def open(self, seekable: bool = True) -> InputStream:
        """Open it for reading."""
        return self._path.open("rb")


class LocalFileIO(FileIO):
    """Reads files of this machine; refuses to write."""

    def new_input(self, location: str) -> LocalFile:
        """Return a file for reading."""
        return LocalFile(location)

    def new_output(self, location: str) -> OutputFile:
        """Refuse: a session writes nothing."""
        raise LakeError(f"this table was opened for reading, not to write {location}")

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Refuse: a session deletes nothing."""
        raise LakeError(f"this table was opened for reading, not to delete {location}")


class Sources:
    """The tables of a lake as they are now; each may be asked for alone.

    Parameters
    ----------
    settings
        The settings in force.

    Raises
    ------
    LakeError
        When there is no lake, or its catalog does not answer.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._catalog: Catalog | None = None
        self._heads = _heads(settings) if is_embedded(settings) else None
        if self._heads is None:
            self._open_catalog()

    def _open_catalog(self) -> Catalog:
        if self._catalog is None:
            self._catalog = load_catalog(self._settings, create=False)
        return self._catalog

    def table(self, name: str) -> IcebergTable | None:
        """Return a table; None where the catalog does not know it.

        Raises
        ------
        LakeError
            When its metadata is gone or torn.
        """
        if self._heads is not None:
            location = self._heads.get(name)
            if location is None:
                return None
            if (light := _read(location)) is not None:
                return light
        return load_table(self._open_catalog(), name)

    def whole(self, name: str) -> IcebergTable | None:
        """Return a table with all that PyIceberg can do, for rows that were deleted."""
        return load_table(self._open_catalog(), name)


def _heads(settings: Settings) -> dict[str, str] | None:
    """Where the metadata of each table lies; None where the catalog has to say what is wrong."""
    file = catalog_file(settings)
    if not file.is_file():
        return None
    names = {table.name for table in TABLES}
    try:
        with closing(sqlite3.connect(file, timeout=BUSY_TIMEOUT_MS / 1000)) as connection:
            found = connection.execute(
                "SELECT table_namespace || '.' || table_name, metadata_location "
                "FROM iceberg_tables WHERE catalog_name = ?",
                [settings.lake.catalog],
            ).fetchall()
    except sqlite3.Error:
        return None
    return {name: location for name, location in found if name in names and location}


def _read(location: str) -> IcebergTable | None:
    """A table by its metadata file; None where the catalog has to say what is wrong."""
    if not location.startswith(_LOCAL):
        return None
    from pyiceberg.table import StaticTable

    try:
        return StaticTable.from_metadata(
            location, {"py-io-impl": f"{LocalFileIO.__module__}.{LocalFileIO.__qualname__}"}
        )
    except Exception:
        return None


class PlanCache:
    """The files of snapshots that were planned: a snapshot never changes."""

    def __init__(self, most_files: int = KEPT_FILES) -> None:
        self._most = most_files
        self._kept: OrderedDict[tuple[str, int], list[DataFile]] = OrderedDict()
        self._lock = Lock()

    def files(
        self, table: str, snapshot: int, plan: Callable[[], list[DataFile]]
    ) -> list[DataFile]:
        """Return the files of a snapshot of a table (by its UUID), planned when not known."""
        key = (table, snapshot)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        found = plan()
        with self._lock:
            self._kept[key] = found
            while len(self._kept) > 1 and sum(map(len, self._kept.values())) > self._most:
                self._kept.popitem(last=False)
        return found


PLANS = PlanCache()
