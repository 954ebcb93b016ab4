"""Tags of Iceberg that keep the snapshots of a run for ever: ``report-NAME-RUN``."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.table.refs import SnapshotRefType
from sqlalchemy.exc import OperationalError

from workbench.config import Settings
from workbench.contracts import TABLES
from workbench.errors import LakeError
from workbench.lake.catalog import load_catalog
from workbench.lake.damage import load_table

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable

#: Other writers are in the way for a moment: a commit of Flink, of another run, of maintenance.
ATTEMPTS = 20
_CONFLICTS = (CommitFailedException, ValidationException, OperationalError)
#: A tag somebody else made, ``report-2024-08-08``, does not look like this.
_OURS = re.compile(r"report-(?P<name>.+)-(?P<run>\d{8}T\d{6}Z-[0-9a-f]{6})")


@dataclass(frozen=True)
class RunTag:
    """One tag that a run made."""

    table: str
    tag: str
    snapshot: str
    #: Id of the run it was made for.
    run: str


def tag_of(name: str, run: str) -> str:
    """Return the name of a run's tag.

    >>> tag_of("market_day", "20240808T120000Z-0a1b2c")
    'report-market_day-20240808T120000Z-0a1b2c'
    """
    return f"report-{name}-{run}"


def began_of(run: str) -> datetime | None:
    """Return when a run began, by its id; None where that is no moment.

    >>> began_of("20240808T120000Z-0a1b2c").isoformat(), began_of("20241399T000000Z-abcdef")
    ('2024-08-08T12:00:00+00:00', None)
    """
    try:
        return datetime.strptime(run.partition("-")[0], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def pin_for_ever(settings: Settings, tag: str, snapshots: Mapping[str, str | None]) -> list[str]:
    """Tag snapshots, so that expiry leaves them and their files alone.

    Parameters
    ----------
    settings
        The settings in force.
    tag
        Name of the tag; one that is there already and names the same snapshot is left as it is.
    snapshots
        Snapshot ids by table; None, an empty table, needs no tag.

    Returns
    -------
    list of str
        The tables that carry the tag now.

    Raises
    ------
    LakeError
        When a snapshot is gone, or other writers are in the way for too long.
    """
    tagged = []
    for table, snapshot in snapshots.items():
        if snapshot is None:
            continue
        number = int(snapshot)

        def create(current: IcebergTable, number: int = number, table: str = table) -> None:
            known = current.metadata.refs.get(tag)
            if known is not None and known.snapshot_id == number:
                return
            if current.metadata.snapshot_by_id(number) is None:
                raise LakeError(
                    f"table {table} has no snapshot {number} any more: it cannot be kept",
                    hint="run the report again, on the newest snapshots",
                )
            current.manage_snapshots().create_tag(number, tag).commit()

        _commit(settings, table, create)
        tagged.append(table)
    return tagged


def drop_tags(settings: Settings, tags: Iterable[RunTag]) -> list[RunTag]:
    """Remove tags of runs; return those that were there."""
    dropped = []
    for one in tags:

        def remove(current: IcebergTable, one: RunTag = one) -> None:
            known = current.metadata.refs.get(one.tag)
            # Whoever has moved the tag to another snapshot wants that one.
            if known is None or str(known.snapshot_id) != one.snapshot:
                return
            current.manage_snapshots().remove_tag(one.tag).commit()
            dropped.append(one)

        _commit(settings, one.table, remove)
    return dropped


def tags_of_runs(settings: Settings) -> list[RunTag]:
    """Return every tag that looks like one of a run, whether the run is kept or not."""
    catalog = load_catalog(settings, create=False)
    found = []
    for contract in TABLES:
        current = load_table(catalog, contract.name)
        for name, ref in (current.metadata.refs if current else {}).items():
            match = _OURS.fullmatch(name)
            # With a month 13 it was a person who made it.
            if match and began_of(match["run"]) and ref.snapshot_ref_type == SnapshotRefType.TAG:
                found.append(RunTag(contract.name, name, str(ref.snapshot_id), match["run"]))
    return found


def _commit(settings: Settings, table: str, change: Callable[[IcebergTable], None]) -> None:
    """Do it on the newest state of the table, again where somebody committed meanwhile."""
    catalog = load_catalog(settings, create=False)
    for attempt in range(1, ATTEMPTS + 1):
        current = load_table(catalog, table)
        if current is None:
            return
        try:
            change(current)
        except _CONFLICTS as error:
            if attempt == ATTEMPTS:
                raise LakeError(
                    f"table {table}: other writers were in the way {ATTEMPTS} times "
                    f"({(str(error).splitlines() or [type(error).__name__])[0]})",
                    hint="run it again",
                ) from error
            time.sleep(random.uniform(0.02, 0.1) * attempt)
        else:
            return
