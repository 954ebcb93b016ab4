"""What is said of a table whose files are torn: which file it is, and the way out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from workbench.errors import LakeError, WorkbenchError

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table as IcebergTable


def load_table(catalog: Catalog, name: str) -> IcebergTable | None:
    """Return a table of the catalog; None where the catalog does not know it.

    Raises
    ------
    LakeError
        When its metadata file is gone or torn; names the file and the one before it.
    """
    from pyiceberg.exceptions import NoSuchTableError, ValidationError

    try:
        return catalog.load_table(name)
    except NoSuchTableError:
        return None
    except FileNotFoundError as error:
        raise LakeError(
            f"the catalog knows {name}, but its metadata is gone: {_current(catalog, name)[0]}",
            hint="was the warehouse moved or its files deleted? The catalog keeps absolute paths",
        ) from error
    except (ValidationError, ValueError, OSError) as error:
        current, previous = _current(catalog, name)
        what = error.strerror if isinstance(error, OSError) and error.strerror else "it is torn"
        raise LakeError(
            f"table {name}: its metadata file {current} cannot be read ({what})",
            hint=f"put the file back, or go back one commit to {previous}: "
            "docs/operations/maintenance.md says how",
        ) from error


def _current(catalog: Catalog, name: str) -> tuple[str, str]:
    """The metadata file the catalog names, and the one before; the catalog's word for both."""
    from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
    from sqlalchemy import select

    if not isinstance(catalog, SqlCatalog):
        return f"in catalog {catalog.name!r}", "the one before"
    namespace, _, table = name.rpartition(".")
    wanted = (
        select(IcebergTables.metadata_location, IcebergTables.previous_metadata_location)
        .where(IcebergTables.catalog_name == catalog.name)
        .where(IcebergTables.table_namespace == namespace)
        .where(IcebergTables.table_name == table)
    )
    with catalog.engine.connect() as connection:
        row = connection.execute(wanted).one()
    return str(row[0]), str(row[1] or "none: it was the first")


@contextmanager
def reading_manifests(table: str) -> Iterator[None]:
    """Turn whatever a torn manifest makes Avro's reader raise into one line.

    Raises
    ------
    LakeError
        Names the table; the reader does not say which file it was.
    """
    try:
        yield
    except WorkbenchError:
        raise
    except Exception as error:
        said = (str(error).splitlines() or [""])[0]
        raise LakeError(
            f"table {table}: a manifest cannot be read ({type(error).__name__}: {said})",
            hint="put the file back; docs/operations/maintenance.md says how to go back one commit",
        ) from error


def damaged_file(path: str, table: str | None = None) -> LakeError:
    """Return the error for a data file that is torn or gone.

    >>> print(damaged_file("/w/market/trades/data/event_time_day=2024-08-08/1.parquet"))
    data file /w/market/trades/data/event_time_day=2024-08-08/1.parquet is torn or gone:
    refresh() where its snapshot has expired; else put it back, or write 2024-08-08 again with
    workbench.definitions.backfill
    """
    day = re.search(r"_day=(\d{4}-\d\d-\d\d)", path)
    return LakeError(
        f"{f'table {table}: ' if table else ''}data file {path} is torn or gone",
        hint="refresh() where its snapshot has expired; else put it back, or write "
        f"{day[1] if day else 'its day'} again with workbench.definitions.backfill",
    )
