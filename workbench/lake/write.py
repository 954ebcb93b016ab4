"""Writing rows into a table of the lake: append, or replace whole days.

Flink's jobs write through Iceberg's own sink; this is the way of the batch side (backfill,
repair, tests). Rows are cast to the contract, sorted, cut at UTC days and committed as ONE
snapshot, also where old files go away, so that no reader ever sees half of it.
"""

from __future__ import annotations

import itertools
import random
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.exceptions import CommitFailedException, ValidationException
from pyiceberg.expressions import BooleanExpression
from pyiceberg.expressions.parser import parse as parse_filter
from pyiceberg.io.pyarrow import bin_pack_arrow_table, write_file
from pyiceberg.manifest import DataFile
from pyiceberg.partitioning import PartitionFieldValue, PartitionKey
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table import TableProperties, WriteTask
from sqlalchemy.exc import OperationalError

from workbench.config import Settings
from workbench.contracts import Table, table_named
from workbench.errors import LakeError, UsageError
from workbench.lake.catalog import load_catalog
from workbench.lake.damage import load_table
from workbench.lake.schema import arrow_schema

if TYPE_CHECKING:
    from pyiceberg.table import Transaction

#: Marks the snapshot of one write, so that a retry after an unclear answer can tell that the
#: first attempt has landed.
WRITE_ID = "workbench.write-id"
ATTEMPTS = 8
FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 5.0
_EPOCH = date(1970, 1, 1)
# What a concurrent commit makes fail, and what trying again on the newer state can mend.
_CONFLICTS = (CommitFailedException, ValidationException, OperationalError)


def append(settings: Settings, table: str, rows: pa.Table) -> str | None:
    """Append rows to a table.

    Parameters
    ----------
    settings
        The settings in force.
    table
        Name of the table, for example ``market.trades``.
    rows
        Its columns by name, in any order; optional columns may be absent. Types are cast to
        the contract's where nothing is lost by it.

    Returns
    -------
    str or None
        The id of the new snapshot; None when there are no rows.

    Raises
    ------
    UsageError
        For an unknown table or column, a missing one, or a value that the contract refuses.
    LakeError
        When the table is not there, or other writers were in the way each time.
    """
    contract = table_named(table)
    ready = prepare(contract, rows)
    if not ready.num_rows:
        return None

    def change(transaction: Transaction, files: list[DataFile]) -> None:
        update = transaction.update_snapshot(snapshot_properties={WRITE_ID: write_id})
        with update.fast_append() as producer:
            for file in files:
                producer.append_data_file(file)

    write_id = str(uuid.uuid4())
    return _write(settings, contract, ready, write_id, change)


def replace_days(settings: Settings, table: str, rows: pa.Table) -> str | None:
    """Replace the UTC days that occur in `rows`; doing it twice gives the same table.

    Other days are not touched. A file that another writer commits into one of these days at the
    same moment makes the attempt start again on the newer state.

    Parameters, returned value and errors are those of `append`.
    """
    contract = table_named(table)
    ready = prepare(contract, rows)
    if not ready.num_rows:
        return None
    days = [day for day, _ in _by_day(contract, ready)]
    within = _days_filter(contract.partition_by, days)
    wanted = {(day - _EPOCH).days for day in days}

    def change(transaction: Transaction, files: list[DataFile]) -> None:
        current = transaction._table
        update = transaction.update_snapshot(snapshot_properties={WRITE_ID: write_id})
        with update.overwrite() as producer:
            # What counts as a conflict: only files in these days.
            producer.delete_by_predicate(within)
            if current.current_snapshot() is not None:
                for task in current.scan(row_filter=within).plan_files():
                    if task.delete_files:
                        raise LakeError(
                            f"table {contract.name} has delete files", hint="compact it first"
                        )
                    if task.file.partition[0] in wanted:
                        producer.delete_data_file(task.file)
            for file in files:
                producer.append_data_file(file)

    write_id = str(uuid.uuid4())
    return _write(settings, contract, ready, write_id, change)


def prepare(contract: Table, rows: pa.Table) -> pa.Table:
    """Return the rows with the contract's columns, types and sort order.

    Raises
    ------
    UsageError
        Names the column and what is wrong with it.
    """
    schema = arrow_schema(contract)
    unknown = [name for name in rows.column_names if name not in schema.names]
    if unknown:
        raise UsageError(
            f"table {contract.name} has no column {unknown[0]!r}",
            hint="columns: " + ", ".join(schema.names),
        )
    columns = [_column(contract.name, field, rows) for field in schema]
    ready = pa.Table.from_arrays(columns, schema=schema)
    return ready.sort_by([(name, "ascending") for name in contract.sort_by])


def _column(table: str, field: pa.Field, rows: pa.Table) -> pa.ChunkedArray:
    if field.name not in rows.column_names:
        if not field.nullable:
            raise UsageError(f"rows for {table} lack the required column {field.name!r}")
        return pa.chunked_array([pa.nulls(rows.num_rows, field.type)])
    column = rows.column(field.name)
    if not field.nullable and column.null_count:
        raise UsageError(
            f"column {field.name!r} of {table} is required and has {column.null_count} null(s)"
        )
    try:
        if pa.types.is_decimal(field.type):
            if pa.types.is_floating(column.type):
                raise pa.ArrowInvalid(
                    "binary fractions are not exact: round them to decimals first"
                )
            # In two steps: Arrow refuses what might not fit, the second step looks at the values.
            column = column.cast(pa.decimal128(38, field.type.scale))
        return column.cast(field.type)
    except pa.ArrowException as error:
        raise UsageError(
            f"column {field.name!r} of {table} is {field.type}, the rows have {column.type}",
            hint=str(error).splitlines()[0],
        ) from error


def _by_day(contract: Table, rows: pa.Table) -> Iterator[tuple[date, pa.Table]]:
    """Cut the rows at the UTC days of the table's time; each part keeps its order."""
    days = pc.cast(pc.floor_temporal(rows.column(contract.partition_by), unit="day"), pa.date32())
    for day in sorted(pc.unique(days).to_pylist()):
        yield day, rows.filter(pc.equal(days, pa.scalar(day, pa.date32())))


def _days_filter(column: str, days: list[date]) -> BooleanExpression:
    """The days as an expression over their time column, neighbours as one range."""
    ranges: list[list[date]] = []
    for day in sorted(days):
        if ranges and ranges[-1][1] == day:
            ranges[-1][1] = day + timedelta(days=1)
        else:
            ranges.append([day, day + timedelta(days=1)])

    return parse_filter(
        " OR ".join(
            f"({column} >= '{start}T00:00:00+00:00' AND {column} < '{end}T00:00:00+00:00')"
            for start, end in ranges
        )
    )


def _data_files(target: IcebergTable, contract: Table, rows: pa.Table) -> list[DataFile]:
    """Write the rows as Parquet files, each of one day."""
    spec, schema = target.spec(), target.schema()
    size = int(
        target.properties.get(
            TableProperties.WRITE_TARGET_FILE_SIZE_BYTES,
            TableProperties.WRITE_TARGET_FILE_SIZE_BYTES_DEFAULT,
        )
    )
    write_uuid, numbers = uuid.uuid4(), itertools.count()
    # Columns in the table's order with its ids: a table that grew has them last.
    file_schema = schema.select(*rows.column_names)

    def tasks() -> Iterable[WriteTask]:
        for day, part in _by_day(contract, rows):
            value = PartitionFieldValue(spec.fields[0], (day - _EPOCH).days)
            key = PartitionKey([value], spec, schema)
            for batches in bin_pack_arrow_table(part.combine_chunks(), size):
                yield WriteTask(
                    write_uuid=write_uuid,
                    task_id=next(numbers),
                    schema=file_schema,
                    record_batches=batches,
                    partition_key=key,
                )

    return list(write_file(target.io, target.metadata, iter(tasks())))


def _write(
    settings: Settings,
    contract: Table,
    rows: pa.Table,
    write_id: str,
    change: Callable[[Transaction, list[DataFile]], None],
) -> str:
    """Write the files once, then commit until it holds or `ATTEMPTS` are used up."""
    catalog = load_catalog(settings)
    target = load_table(catalog, contract.name)
    if target is None:
        raise LakeError(
            f"no table {contract.name} in the lake", hint="run `workbench tables apply`"
        )
    files = _data_files(target, contract, rows)
    for attempt in range(ATTEMPTS):
        try:
            target = catalog.load_table(contract.name)
            landed = _snapshot_of(target, write_id)
            if landed is None:
                with target.transaction() as transaction:
                    change(transaction, files)
                landed = _snapshot_of(target, write_id)
            if landed is not None:
                return landed
        except _CONFLICTS as error:
            last: Exception = error
        wait = min(FIRST_WAIT_S * 2**attempt, LONGEST_WAIT_S)
        time.sleep(wait * random.uniform(0.5, 1.5))
    for file in files:
        target.io.delete(file.file_path)
    raise LakeError(
        f"table {contract.name}: other writers were in the way {ATTEMPTS} times "
        f"({str(last).splitlines()[0]})",
        hint="try again when the jobs that write it are stopped",
    ) from last


def _snapshot_of(target: IcebergTable, write_id: str) -> str | None:
    for snapshot in reversed(target.snapshots()):
        if snapshot.summary and snapshot.summary.additional_properties.get(WRITE_ID) == write_id:
            return str(snapshot.snapshot_id)
    return None
