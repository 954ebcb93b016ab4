"""The Iceberg tables of the contracts: made, brought up to date, listed and described."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pyiceberg.conversions import from_bytes
from pyiceberg.exceptions import TableAlreadyExistsError
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.types import IntegerType, TimestamptzType

from workbench.config import Settings
from workbench.contracts import TABLES, Table, table_named
from workbench.errors import LakeError
from workbench.lake.catalog import is_embedded, load_catalog, warehouse_uri
from workbench.lake.damage import load_table
from workbench.lake.schema import iceberg_schema, partition_spec, sort_order

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog

# Kept by Iceberg outside the properties.
_RESERVED = {"format-version"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Applied:
    """What `apply` did to one table, and what it could not do."""

    table: str
    #: ``created``, ``added column x``, ...; empty when all was as it should be.
    changes: tuple[str, ...] = ()
    #: Differences from the contract that only a migration can mend.
    drift: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableSummary:
    """One table as `list_tables` shows it."""

    table: str
    job: str
    exists: bool
    #: Rows and data files of the newest snapshot.
    rows: int = 0
    files: int = 0
    #: Snapshot ids are strings: JavaScript rounds integers of 64 bits.
    snapshot: str | None = None
    committed_at: datetime | None = None
    newest_event: datetime | None = None
    #: Why it cannot be read, where it cannot.
    problem: str | None = None


@dataclass(frozen=True)
class TableDescription:
    """Everything about one table."""

    table: str
    doc: str
    job: str
    exists: bool
    partition_by: str
    sort_by: tuple[str, ...]
    #: name, type, unit, required, doc of each column.
    columns: tuple[dict[str, Any], ...]
    location: str | None = None
    properties: dict[str, str] = field(default_factory=dict)
    #: The snapshots, newest first: id, committed_at, operation, rows added and in all, and for a
    #: Flink job its id and checkpoint.
    snapshots: tuple[dict[str, Any], ...] = ()
    drift: tuple[str, ...] = ()


def apply(settings: Settings) -> list[Applied]:
    """Bring every table of the lake to its contract; a second run changes nothing.

    Creates namespaces and tables, adds missing optional columns, sets properties and the sort
    order. Nothing is ever dropped, renamed or retyped: such drift is listed.

    Raises
    ------
    LakeError
        When the catalog cannot be opened.
    """
    catalog = load_catalog(settings)
    for namespace in sorted({table.namespace for table in TABLES}):
        _create_namespace(catalog, namespace)
    return [_apply_one(settings, catalog, table) for table in TABLES]


def _create_namespace(catalog: Catalog, namespace: str) -> None:
    if catalog.namespace_exists(namespace):
        return
    try:
        catalog.create_namespace(namespace)
    except Exception:
        # Another process was faster; each kind of catalog says that in its own way.
        if not catalog.namespace_exists(namespace):
            raise


def _apply_one(settings: Settings, catalog: Catalog, table: Table) -> Applied:
    current = load_table(catalog, table.name)
    if current is None:
        if _create(settings, catalog, table):
            return Applied(table.name, ("created",))
        current = catalog.load_table(table.name)
    changes = [
        *_add_columns(current, table),
        *_set_properties(current, table),
        *_set_sort_order(current, table),
    ]
    return Applied(table.name, tuple(changes), tuple(drift(table, current)))


def _create(settings: Settings, catalog: Catalog, table: Table) -> bool:
    """Create the table; False when another process was faster."""
    schema = iceberg_schema(table)
    # Said for the embedded lake so that both engines see one spelling; others choose themselves.
    location = None
    if is_embedded(settings):
        location = f"{warehouse_uri(settings)}/{table.namespace}/{table.name.split('.')[1]}"
    try:
        catalog.create_table(
            table.name,
            schema,
            location=location,
            partition_spec=partition_spec(table, schema),
            sort_order=sort_order(table, schema),
            properties=dict(table.properties),
        )
    except TableAlreadyExistsError:
        return False
    return True


def _add_columns(current: IcebergTable, table: Table) -> list[str]:
    present = set(current.schema().column_names)
    missing = [
        column
        for column in iceberg_schema(table).fields
        if column.name not in present and not column.required
    ]
    if missing:
        with current.update_schema() as update:
            for column in missing:
                update.add_column(column.name, column.field_type, doc=column.doc)
    return [f"added column {column.name}" for column in missing]


def _set_properties(current: IcebergTable, table: Table) -> list[str]:
    wanted = {k: v for k, v in table.properties.items() if k not in _RESERVED}
    different = {k: v for k, v in wanted.items() if current.properties.get(k) != v}
    if different:
        with current.transaction() as transaction:
            transaction.set_properties(**different)  # type: ignore[arg-type]
    return [f"set {name}" for name in sorted(different)]


def _set_sort_order(current: IcebergTable, table: Table) -> list[str]:
    schema = current.schema()
    if any(name not in schema.column_names for name in table.sort_by):
        return []
    wanted = sort_order(table, schema)
    if current.sort_order().fields == wanted.fields:
        return []
    with current.update_sort_order() as update:
        for sort_field, name in zip(wanted.fields, table.sort_by, strict=True):
            update.asc(name, sort_field.transform, sort_field.null_order)
    return ["set the sort order"]


def drift(table: Table, current: IcebergTable) -> list[str]:
    """Return how a table differs from its contract, one line for each difference."""
    wanted = {column.name: column for column in iceberg_schema(table).fields}
    actual = {column.name: column for column in current.schema().fields}
    lines = [f"column {name} is missing" for name in wanted if name not in actual]
    lines += [f"column {name} is not in the contract" for name in actual if name not in wanted]
    for name in wanted.keys() & actual.keys():
        want, have = wanted[name], actual[name]
        # The ids inside a nested type depend on when the column was added: only its kind counts.
        same = type(want.field_type) is type(have.field_type)
        if not same or (want.field_type.is_primitive and want.field_type != have.field_type):
            lines.append(f"column {name} is {have.field_type}, the contract has {want.field_type}")
        if want.required != have.required:
            lines.append(
                f"column {name} is {'required' if have.required else 'optional'}, "
                f"the contract has {'required' if want.required else 'optional'}"
            )
    parts = [
        f"{f.transform}({current.schema().find_column_name(f.source_id)})"
        for f in current.spec().fields
    ]
    if parts != [f"day({table.partition_by})"]:
        lines.append(
            f"partitioned by {', '.join(parts) or 'nothing'}, "
            f"the contract has day({table.partition_by})"
        )
    return sorted(lines)


def list_tables(settings: Settings) -> list[TableSummary]:
    """Return every table of the contracts as it is in the lake now.

    Raises
    ------
    LakeError
        When there is no lake.
    """
    catalog = load_catalog(settings, create=False)
    return [_summary(catalog, table) for table in TABLES]


def _summary(catalog: Catalog, table: Table) -> TableSummary:
    try:
        current = load_table(catalog, table.name)
    except LakeError as error:
        return TableSummary(table.name, table.job, exists=True, problem=str(error))
    if current is None:
        return TableSummary(table.name, table.job, exists=False)
    snapshot = current.current_snapshot()
    if snapshot is None:
        return TableSummary(table.name, table.job, exists=True)
    return TableSummary(
        table.name,
        table.job,
        exists=True,
        rows=summary_number(snapshot, "total-records"),
        files=summary_number(snapshot, "total-data-files"),
        snapshot=str(snapshot.snapshot_id),
        committed_at=committed_at(snapshot),
        newest_event=newest_event(table, current, snapshot),
    )


def describe(settings: Settings, name: str) -> TableDescription:
    """Return columns, layout, properties, snapshots and drift of one table.

    Raises
    ------
    UsageError
        When the contracts have no such table; names the nearest.
    LakeError
        When there is no lake.
    """
    table = table_named(name)
    current = load_table(load_catalog(settings, create=False), name)
    columns = tuple(
        {
            "column": column.name,
            "type": column.type.value,
            "unit": column.unit,
            "required": column.required,
            "doc": column.doc,
        }
        for column in table.columns
    )
    layout = f"day({table.partition_by})"
    if current is None:
        return TableDescription(
            name, table.doc, table.job, False, layout, table.sort_by, columns, drift=("missing",)
        )
    return TableDescription(
        name,
        table.doc,
        table.job,
        True,
        layout,
        table.sort_by,
        columns,
        current.location(),
        dict(current.properties),
        tuple(_snapshot_row(snapshot) for snapshot in reversed(current.snapshots())),
        tuple(drift(table, current)),
    )


def _snapshot_row(snapshot: Snapshot) -> dict[str, Any]:
    extra = snapshot.summary.additional_properties if snapshot.summary else {}
    return {
        "snapshot": str(snapshot.snapshot_id),
        "committed_at": committed_at(snapshot),
        "operation": snapshot.summary.operation.value if snapshot.summary else None,
        "added_rows": summary_number(snapshot, "added-records"),
        "total_rows": summary_number(snapshot, "total-records"),
        "flink_job": extra.get("flink.job-id"),
        "checkpoint": extra.get("flink.max-committed-checkpoint-id"),
    }


def summary_number(snapshot: Snapshot, name: str) -> int:
    """Return a count of the snapshot's summary; 0 where the writer left it out."""
    return int(snapshot.summary.get(name) or 0) if snapshot.summary else 0


def committed_at(snapshot: Snapshot) -> datetime:
    """Return when a snapshot was committed, UTC."""
    return datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC)


def newest_event(table: Table, current: IcebergTable, snapshot: Snapshot) -> datetime | None:
    """Return the newest value of the table's time column in a snapshot, from statistics alone.

    Only the files of the newest day are looked at. None where the statistics do not say.
    """
    source = current.schema().find_field(table.partition_by).field_id
    manifests = []
    for manifest in snapshot.manifests(current.io):
        bounds = [part.upper_bound for part in manifest.partitions or [] if part.upper_bound]
        day = int(str(from_bytes(IntegerType(), bounds[0]))) if bounds else None
        manifests.append((day, manifest))
    known = [day for day, _ in manifests if day is not None]
    newest: int | None = None
    for day, manifest in manifests:
        if known and day is not None and day < max(known):
            continue
        for entry in manifest.fetch_manifest_entry(current.io, discard_deleted=True):
            upper = (entry.data_file.upper_bounds or {}).get(source)
            if upper is not None:
                value = int(str(from_bytes(TimestamptzType(), upper)))
                newest = value if newest is None else max(newest, value)
    return None if newest is None else _EPOCH + timedelta(microseconds=newest)
