"""Arrow columns of the contracts from whole numbers, without a Python loop over rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.contracts import Field, Record, Type

DECIMAL = pa.decimal128(18, 8)
_LEVEL = pa.struct([("price", DECIMAL), ("quantity", DECIMAL)])
_ARROW = {
    Type.STRING: pa.string(),
    Type.LONG: pa.int64(),
    Type.DECIMAL: DECIMAL,
    Type.LEVELS: pa.list_(_LEVEL),
}
_NO_SEPARATOR = pa.scalar("")


def schema(record: Record) -> pa.Schema:
    """Return the Arrow schema of a record: its fields with the types of the contracts."""

    def column(field: Field) -> pa.Field:
        return pa.field(field.name, _ARROW[field.type])

    return pa.schema([column(field) for field in record.fields])


def decimals(units: NDArray[np.int64]) -> pa.Array:
    """Return decimals of 8 places from counts of 1e-8.

    Examples
    --------
    >>> decimals(np.array([18_725_000_000]))[0].as_py()
    Decimal('187.25000000')
    """
    words = np.empty((len(units), 2), np.int64)
    words[:, 0] = units
    words[:, 1] = units >> 63  # the sign goes on into the upper half
    return pa.Array.from_buffers(DECIMAL, len(units), [None, pa.py_buffer(words)])


def names(values: Sequence[str], index: NDArray[np.int64]) -> pa.Array:
    """Return the strings at these positions of a short list."""
    return pa.array(values, pa.string()).take(pa.array(index))


def numbered(prefix: str | pa.Array, number: NDArray[np.int64], width: int) -> pa.Array:
    """Return a prefix and a number padded with zeros, such as ``ACC-007``."""
    text = pc.utf8_lpad(pa.array(number).cast(pa.string()), width, "0")
    return pc.binary_join_element_wise(prefix, text, _NO_SEPARATOR)


def joined(*parts: str | pa.Array) -> pa.Array:
    """Return the parts one after the other, row by row."""
    return pc.binary_join_element_wise(*parts, _NO_SEPARATOR)


def levels(prices: NDArray[np.int64], quantities: NDArray[np.int64]) -> pa.Array:
    """Return one list of levels per row from arrays of rows by levels, in 1e-8."""
    rows, depth = prices.shape
    items = pa.StructArray.from_arrays(
        [decimals(prices.reshape(-1)), decimals(quantities.reshape(-1))], fields=list(_LEVEL)
    )
    return pa.ListArray.from_arrays(pa.array(np.arange(rows + 1) * depth, pa.int32()), items)
