"""The contracts' tables in Iceberg's and Arrow's terms."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import NullOrder, SortDirection, SortField, SortOrder
from pyiceberg.transforms import DayTransform, IdentityTransform
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    NestedField,
    StringType,
    StructType,
    TimestamptzType,
)

from workbench.contracts import Table, Type

if TYPE_CHECKING:
    import pyarrow as pa

_PLAIN: dict[Type, IcebergType] = {
    Type.STRING: StringType(),
    Type.BYTES: BinaryType(),
    Type.BOOLEAN: BooleanType(),
    Type.INT: IntegerType(),
    Type.LONG: LongType(),
    Type.DECIMAL: DecimalType(18, 8),
    Type.VOLUME: DecimalType(38, 8),
    Type.NOTIONAL: DecimalType(38, 16),
    Type.RESULT: DecimalType(18, 4),
    Type.PERCENT: DecimalType(18, 2),
    Type.TIMESTAMP: TimestamptzType(),
    Type.DATE: DateType(),
}
#: Iceberg's partition fields are numbered from here.
PARTITION_FIELD_ID = 1000


def iceberg_type(kind: Type, first_id: int = 0) -> IcebergType:
    """Return the Iceberg type; a nested one numbers its fields from `first_id`.

    >>> print(iceberg_type(Type.DECIMAL))
    decimal(18, 8)
    """
    if kind is not Type.LEVELS:
        return _PLAIN[kind]
    price = NestedField(first_id + 1, "price", DecimalType(18, 8), required=True)
    quantity = NestedField(first_id + 2, "quantity", DecimalType(18, 8), required=True)
    level = StructType(price, quantity)
    return ListType(element_id=first_id, element_type=level, element_required=True)


def iceberg_schema(table: Table) -> Schema:
    """Return the Iceberg schema of a table; ids of columns are their positions from 1."""
    nested = len(table.columns) + 1
    fields = []
    for number, column in enumerate(table.columns, start=1):
        fields.append(
            NestedField(
                number,
                column.name,
                iceberg_type(column.type, nested),
                required=column.required,
                doc=f"{column.doc} [{column.unit}]" if column.unit else column.doc,
            )
        )
        nested += 3 if column.type is Type.LEVELS else 0
    return Schema(*fields)


def partition_spec(table: Table, schema: Schema) -> PartitionSpec:
    """Return the partitioning by the UTC day of the table's time."""
    source = schema.find_field(table.partition_by).field_id
    name = f"{table.partition_by}_day"
    return PartitionSpec(PartitionField(source, PARTITION_FIELD_ID, DayTransform(), name))


def sort_order(table: Table, schema: Schema) -> SortOrder:
    """Return the sort order, ascending."""
    return SortOrder(
        *(
            SortField(
                schema.find_field(name).field_id,
                IdentityTransform(),
                SortDirection.ASC,
                NullOrder.NULLS_FIRST,
            )
            for name in table.sort_by
        )
    )


@lru_cache
def arrow_schema(table: Table) -> pa.Schema:
    """Return the Arrow schema a table's rows are cast to before they are written."""
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    full: pa.Schema = schema_to_pyarrow(iceberg_schema(table), include_field_ids=False)
    return full
