"""Which commits a pinned table comes from: the snapshot, and the Flink job that wrote it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from workbench.lake.maintenance.markers import newest_markers
from workbench.lake.pins import Pin
from workbench.lake.table_text import html_table, text_table
from workbench.lake.times import from_micros

if TYPE_CHECKING:
    from workbench.config import Settings

_COLUMNS = (
    "table", "snapshot", "committed_at", "operation", "job", "job_id", "operator", "checkpoint",
    "flink_committed_at",
)  # fmt: skip


@dataclass(frozen=True)
class FlinkCommit:
    """The newest commit of one sink of a Flink job.

    Parameters
    ----------
    job
        Name of the job (``landing``); None where only its id is known.
    job_id
        Flink's id of the run.
    operator
        Flink's id of the sink; None where it did not say.
    checkpoint
        Number of the newest checkpoint of that run whose rows are in the table.
    committed_at
        When it was committed, UTC.
    """

    job: str | None
    job_id: str
    operator: str | None
    checkpoint: int
    committed_at: datetime


@dataclass(frozen=True)
class Lineage:
    """Where the rows of one pinned table come from.

    Parameters
    ----------
    table
        Name of the table.
    snapshot
        Id of the snapshot as text; None for an empty table.
    committed_at
        When the snapshot was committed, UTC.
    operation
        What the snapshot did: ``append``, ``overwrite`` (days replaced), ``delete``, or
        ``replace`` (maintenance: the same rows in other files).
    writers
        The newest commit of every Flink sink in the history of the snapshot, the newest first.
        Several jobs write ``ops.dead_letters``; none wrote what only a backfill has filled.
    """

    table: str
    snapshot: str | None
    committed_at: datetime | None
    operation: str | None
    writers: tuple[FlinkCommit, ...] = ()

    def rows(self) -> list[dict[str, Any]]:
        """Return one row per writer, or one without a writer; ids are text.

        Columns ``table``, ``snapshot``, ``committed_at``, ``operation``, ``job``, ``job_id``,
        ``operator``, ``checkpoint``, ``flink_committed_at``.
        """
        head = (self.table, self.snapshot, self.committed_at, self.operation)
        tails: list[tuple[Any, ...]] = [
            (said.job, said.job_id, said.operator, said.checkpoint, said.committed_at)
            for said in self.writers
        ]
        return [dict(zip(_COLUMNS, (*head, *tail), strict=True)) for tail in tails or [(None,) * 5]]


class Lineages(tuple[Lineage, ...]):
    """The lineage of every table of an answer; its repr is a table."""

    __slots__ = ()

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of all tables; see `Lineage.rows`."""
        return [row for lineage in self for row in lineage.rows()]

    def _cells(self) -> list[list[Any]]:
        return [list(row.values()) for row in self.rows()]

    def __repr__(self) -> str:
        return text_table(_COLUMNS, self._cells(), {})

    def _repr_html_(self) -> str:
        return html_table(
            _COLUMNS,
            self._cells(),
            {},
            caption="Lineage",
            note="the newest commit of each Flink sink up to the snapshot",
            one_line=True,
        )


def lineage_of(pin: Pin, settings: Settings | None = None) -> Lineage:
    """Return where the rows of a pinned table come from.

    The history of the snapshot is walked backwards, over compactions and backfills, to the newest
    commit of each Flink sink. Where older snapshots have expired, the notes that expiry left say
    the same.

    Parameters
    ----------
    pin
        The pinned table.
    settings
        Where the stack's state lies: it knows the names of runs, which the table does not. A
        table that one job alone writes needs no look.

    Examples
    --------
    >>> from workbench.contracts import table_named
    >>> print(lineage_of(Pin(table_named("market.trades"))))
    Lineage(table='market.trades', snapshot=None, committed_at=None, operation=None, writers=())
    """
    name, snapshot = pin.table.name, pin.snapshot
    if snapshot is None:
        return Lineage(name, None, None, None)
    markers = newest_markers(pin.ancestry()).values()
    # One sink has another job id after each restart; what its last run wrote is the newest.
    newest: dict[str, FlinkCommit] = {}
    for marker in sorted(markers, key=lambda marker: -marker.timestamp_ms):
        newest.setdefault(
            marker.operator_id or marker.job_id,
            FlinkCommit(
                _job_of(pin, marker.job_id, settings),
                marker.job_id,
                marker.operator_id,
                int(marker.checkpoint),
                from_micros(marker.timestamp_ms * 1000),
            ),
        )
    operation = snapshot.summary.operation.value if snapshot.summary else None
    return Lineage(name, pin.snapshot_id, pin.committed_at, operation, tuple(newest.values()))


def lineage_of_all(pins: Iterable[Pin], settings: Settings | None = None) -> Lineages:
    """Return the lineage of several pinned tables, in order of their names."""
    ordered = sorted(pins, key=lambda pin: pin.table.name)
    return Lineages(lineage_of(pin, settings) for pin in ordered)


def _job_of(pin: Pin, job_id: str, settings: Settings | None) -> str | None:
    """The name of a run: the stack's notes know it, or the table has one writer only."""
    writers = pin.table.job.split(", ")
    if len(writers) == 1:
        return writers[0]
    if settings is None:
        return None
    from workbench.jobs.bookmark import job_of_run

    return job_of_run(settings, job_id)
