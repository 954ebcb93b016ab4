"""What the catalog says of the tables: rows, files, commits, how new they are, and counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from workbench.config import Settings
from workbench.contracts import TABLES, Table
from workbench.errors import LakeError
from workbench.lake.pins import Pin, resolve
from workbench.lake.tables import newest_event
from workbench.lake.times import from_micros

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable
    from pyiceberg.table.snapshots import Snapshot

DEAD_LETTERS, REPLAYS = "ops.dead_letters", "ops.dead_letter_replays"
LATE_ROWS, ALERTS = "ops.late_rows", "market.price_alerts"
ARRIVAL = "source_time"


@dataclass(frozen=True)
class TableView:
    """One table of the contracts as the catalog has it now.

    Parameters
    ----------
    name
        Its name.
    exists
        Whether the lake has it.
    rows, files
        Of the newest snapshot, by its summary.
    snapshot
        The snapshot's id, as text.
    committed_at
        When it was committed, UTC.
    newest_event
        Newest value of the table's time column, UTC.
    newest_arrival
        When the newest record of the last commit had arrived in Kafka, UTC; None for tables that do
        not say.
    problem
        Why it cannot be read, as one line; None where it can.
    """

    name: str
    exists: bool = False
    rows: int = 0
    files: int = 0
    snapshot: str | None = None
    committed_at: datetime | None = None
    newest_event: datetime | None = None
    newest_arrival: datetime | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Counts:
    """Rows that are counters by their nature: they are appended and never change.

    A count of a table that the lake does not have is None.
    """

    #: By job, dead-letter topic and reason.
    dead_letters: dict[tuple[str, str, str], int] | None = None
    #: By job.
    late: dict[str, int] | None = None
    #: By severity.
    alerts: dict[str, int] | None = None
    #: Dead letters by state: pending, unclear, replayed.
    states: dict[str, int] | None = None


@dataclass
class LakeCache:
    """What was read of a snapshot: a snapshot never changes."""

    times: dict[tuple[str, str], tuple[datetime | None, datetime | None]] = field(
        default_factory=dict
    )
    counts: tuple[tuple[str | None, ...], Counts] | None = None


@dataclass(frozen=True)
class LakeView:
    """The tables, and counts where they were asked for."""

    tables: tuple[TableView, ...]
    counts: Counts


def ask_lake(settings: Settings, cache: LakeCache, *, counts: bool = True) -> LakeView:
    """Return what the catalog says now.

    Raises
    ------
    LakeError
        Where there is no lake or it does not answer.
    """
    pins = resolve(settings)
    tables = tuple(_table(pins[table.name], cache) for table in TABLES)
    return LakeView(tables, _counts(settings, pins, cache) if counts else Counts())


def _table(pin: Pin, cache: LakeCache) -> TableView:
    name = pin.table.name
    if pin.broken:
        return TableView(name, problem=str(pin.broken))
    if pin.source is None:
        return TableView(name)
    if pin.snapshot is None or pin.snapshot_id is None:
        return TableView(name, exists=True)
    key = (name, pin.snapshot_id)
    if key not in cache.times:
        cache.times = {known: value for known, value in cache.times.items() if known[0] != name}
        try:
            cache.times[key] = (
                newest_event(pin.table, pin.source, pin.snapshot),
                newest_arrival(pin.table, pin.source, pin.snapshot),
            )
        except LakeError as error:
            return TableView(name, problem=str(error))
    return TableView(
        name, True, pin.rows, pin.file_count, pin.snapshot_id, pin.committed_at, *cache.times[key]
    )


def newest_arrival(table: Table, source: IcebergTable, snapshot: Snapshot) -> datetime | None:
    """Return when the newest record of the last commit with rows arrived in Kafka.

    From the statistics of the newest manifest alone. None where the table does not say.
    """
    from pyiceberg.conversions import from_bytes
    from pyiceberg.types import TimestamptzType

    from workbench.lake.damage import reading_manifests

    if ARRIVAL not in {column.name for column in table.columns}:
        return None
    column = source.schema().find_field(ARRIVAL).field_id
    with reading_manifests(table.name):
        manifests = snapshot.manifests(source.io)
        last = max((each.sequence_number for each in manifests), default=None)
        found = [
            int(str(from_bytes(TimestamptzType(), bound)))
            for manifest in manifests
            if manifest.sequence_number == last
            for entry in manifest.fetch_manifest_entry(source.io, discard_deleted=True)
            if (bound := (entry.data_file.upper_bounds or {}).get(column))
        ]
    return from_micros(max(found)) if found else None


def _counts(settings: Settings, pins: dict[str, Pin], cache: LakeCache) -> Counts:
    counted = [name for name in (DEAD_LETTERS, REPLAYS, LATE_ROWS, ALERTS) if name in pins]
    key = tuple(pins[name].snapshot_id for name in counted)
    if cache.counts is None or cache.counts[0] != key:
        found, whole = _count(settings, {name: pins[name] for name in counted})
        if not whole:
            # Of a table that is torn there is nothing to remember: somebody may put it right.
            return found
        cache.counts = (key, found)
    return cache.counts[1]


def _count(settings: Settings, pins: dict[str, Pin]) -> tuple[Counts, bool]:
    """Count in each table on its own, and say whether all could be read.

    What is torn in one says nothing about the others.
    """
    from workbench.dead_letters import count_by_reason
    from workbench.lake.session import open_session

    there = {name for name, pin in pins.items() if pin.source is not None}
    snapshots = {name: pins[name].snapshot_id for name in there}
    torn: list[LakeError] = []
    with open_session(settings, snapshots=snapshots, read_only=True) as session:

        def grouped(table: str, *columns: str) -> dict[tuple[str, ...], int] | None:
            if table not in there:
                return None
            names = ", ".join(columns)
            query = f"SELECT {names}, count(*) FROM {table} GROUP BY ALL ORDER BY ALL"
            try:
                return {tuple(map(str, row[:-1])): row[-1] for row in session.sql(query).rows()}
            except LakeError as error:
                torn.append(error)
                return None

        dead = grouped(DEAD_LETTERS, "job", "topic", "error_type")
        late = grouped(LATE_ROWS, "job")
        alerts = grouped(ALERTS, "severity")
        states = None
        if dead is not None:
            try:
                rows = count_by_reason(session)
                states = {
                    state: sum(row[number] for row in rows)  # type: ignore[misc]
                    for number, state in enumerate(("pending", "unclear", "replayed"), start=1)
                }
            except LakeError as error:
                torn.append(error)
    counts = Counts(
        None if dead is None else {(job, topic, why): n for (job, topic, why), n in dead.items()},
        None if late is None else {job: n for (job,), n in late.items()},
        None if alerts is None else {severity: n for (severity,), n in alerts.items()},
        states,
    )
    return counts, not torn
