"""Whether two engines gave the same rows: as multisets, to the last digit."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

#: When something was computed: no two runs agree on it, and none has to.
WALL_CLOCK = frozenset({"computed_at", "enriched_at", "enriched_at_ms", "failed_at", "source_time"})
#: Where a record came from: a file's line is not its Kafka offset.
COORDINATES = frozenset(
    {"source_topic", "source_partition", "source_offset", "open_offset", "close_offset"}
)


@dataclass(frozen=True)
class Difference:
    """Rows that only one side has, and how many there are of each kind.

    Parameters
    ----------
    rows
        Rows compared on the left and on the right.
    only_left, only_right
        How many rows have no counterpart.
    examples
        Up to three of each as ``(side, row)``.
    """

    rows: tuple[int, int]
    only_left: int
    only_right: int
    examples: tuple[tuple[str, dict[str, Any]], ...]

    def __bool__(self) -> bool:
        return bool(self.only_left or self.only_right)


def compare(left: pa.Table, right: pa.Table, *, ignore: Collection[str] = WALL_CLOCK) -> Difference:
    """Compare two tables as multisets of rows over the columns that both have.

    Parameters
    ----------
    left, right
        The tables; the order of rows and columns does not matter.
    ignore
        Columns that are not compared.

    Examples
    --------
    >>> bool(compare(pa.table({"a": [1, 2, 2]}), pa.table({"a": [2, 1, 2]})))
    False
    >>> compare(pa.table({"a": [1, 2, 2]}), pa.table({"a": [1, 2]})).only_left
    1
    """
    shared = set(left.column_names) & set(right.column_names)
    names = [name for name in left.column_names if name in shared and name not in ignore]
    columns = ", ".join('"' + name.replace('"', '""') + '"' for name in names)
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("left_rows", left)
        connection.register("right_rows", right)

        def only(one: str, other: str) -> pa.Table:
            return connection.execute(
                f"SELECT {columns} FROM {one} EXCEPT ALL SELECT {columns} FROM {other}"
            ).to_arrow_table()

        only_left, only_right = only("left_rows", "right_rows"), only("right_rows", "left_rows")
    examples = [
        (side, row)
        for side, rows in (("left", only_left), ("right", only_right))
        for row in rows.slice(0, 3).to_pylist()
    ]
    return Difference(
        (left.num_rows, right.num_rows), only_left.num_rows, only_right.num_rows, tuple(examples)
    )
