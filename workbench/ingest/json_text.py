"""Typed Arrow columns as JSON objects, one per row, exact and without a Python loop over rows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.contracts import Record, Type

_MUST_ESCAPE = rb'[\x00-\x1f"\\]'
#: A JSON number as the grammar has it; what else looks like a number stays a string.
NUMBER = rb"^-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?$"
#: Arrays and literals whose texts stand one after the other in each row.
Pieces = list[pa.Array | pa.Scalar]
_ESCAPES = re.compile(_MUST_ESCAPE)
_NUMERIC = (
    Type.DECIMAL,
    Type.LONG,
    Type.INT,
    Type.VOLUME,
    Type.NOTIONAL,
    Type.RESULT,
    Type.PERCENT,
)


def json_rows(columns: dict[str, pa.Array], record: Record | None = None) -> pa.Array:
    """Return one JSON object per row as binary, fields in the order of the columns.

    A null is an absent field. Decimals keep every digit and lose trailing zeros; a NaN or an
    infinity, for which JSON has no number, becomes a string. Times of a ``long`` field of the
    record are epoch milliseconds, all other times ISO 8601. Levels of a book may be structs of
    price and quantity or pairs.

    Parameters
    ----------
    columns
        Arrow arrays of one length by field name. Text may be string or binary; binary goes
        through byte for byte (with JSON's escapes), whether it is UTF-8 or not.
    record
        Says which columns are times and which are levels.

    Examples
    --------
    >>> json_rows({"a": pa.array(["x", None]), "n": pa.array([1, 2])}).to_pylist()
    [b'{"a":"x","n":1}', b'{"n":2}']
    """
    types = {field.name: field.type for field in record.fields} if record else {}
    texts = {name: _column(column, types.get(name)) for name, column in columns.items()}
    return _objects(texts)


def text_rows(columns: dict[str, pa.Array], record: Record | None = None) -> pa.Array:
    """Return one JSON object per row of text cells, as CSV has them.

    A cell of a field that the record calls a decimal or a long is written as it stands where
    it is a JSON number; a cell of levels where it is JSON; everything else is a string.

    Examples
    --------
    >>> from workbench.contracts.records import TRADE_EVENT
    >>> text_rows({"price": pa.array(["1.50", "x"])}, TRADE_EVENT).to_pylist()
    [b'{"price":1.50}', b'{"price":"x"}']
    """
    types = {field.name: field.type for field in record.fields} if record else {}
    return _objects({n: _text_cell(column, types.get(n)) for n, column in columns.items()})


def _objects(texts: dict[str, Pieces]) -> pa.Array:
    """Join the JSON text of each column to objects; nulls are left out."""
    parts: Pieces = []
    optional: Pieces = []
    for name, pieces in texts.items():
        label = json.dumps(name, ensure_ascii=False).encode() + b":"
        if any(piece.null_count for piece in pieces if isinstance(piece, pa.Array)):
            member = pc.fill_null(_join([_text(b"," + label), *pieces]), b"")
            (parts or optional).append(member)
        else:
            # One join of all pieces: every copy of the text saved is time saved.
            parts += [_text((b"," if parts else b"") + label), *pieces]
    if not optional:
        return _join([_text(b"{"), *parts, _text(b"}")])
    # Optional members before the first sure one, and their comma; or nothing but optional ones.
    head = pc.binary_replace_slice(_join([*optional, _text(b"")]), 0, 1, b"")
    if not parts:
        return _join([_text(b"{"), head, _text(b"}")])
    comma = pc.if_else(pc.equal(head, b""), _text(b""), _text(b","))
    return _join([_text(b"{"), head, comma, *parts, _text(b"}")])


def _text(literal: bytes) -> pa.Scalar:
    return pa.scalar(literal, pa.binary())


def _join(pieces: Pieces) -> pa.Array:
    return pc.binary_join_element_wise(*pieces, _text(b""))


def _text_cell(column: pa.Array, kind: Type | None) -> Pieces:
    column = column.cast(pa.binary())
    if kind in _NUMERIC:
        is_number = pc.match_substring_regex(column, NUMBER)
        if pc.all(pc.fill_null(is_number, True)).as_py():
            return [column]
        return [pc.if_else(is_number, column, _join(_quoted(column)))]
    if kind is Type.LEVELS:
        return [_per_value(column, _levels_cell)]
    return _quoted(column)


def _levels_cell(cell: bytes) -> bytes:
    try:
        json.loads(cell)
    except ValueError:
        return _quote(cell)
    return cell


def _column(column: pa.Array, kind: Type | None) -> Pieces:
    """The JSON text of one typed column, in pieces to be joined; null stays null."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if kind is Type.LEVELS and pa.types.is_list(column.type):
        column = _as_levels(column)
    if kind is Type.LONG and pa.types.is_timestamp(column.type):
        column = (
            pc.floor_temporal(column, unit="millisecond").cast(pa.timestamp("ms")).cast("int64")
        )
    arrow = column.type
    if pa.types.is_integer(arrow) or pa.types.is_boolean(arrow):
        return [column.cast(pa.string()).cast(pa.binary())]
    if pa.types.is_decimal(arrow):
        return [_decimals(column)]
    if pa.types.is_floating(arrow):
        text = column.cast(pa.string()).cast(pa.binary())
        return [pc.if_else(pc.is_finite(column), text, _join(_quoted(text)))]
    if pa.types.is_struct(arrow):
        return [_structs(column)]
    if pa.types.is_list(arrow) or pa.types.is_large_list(arrow):
        return [_lists(column)]
    if pa.types.is_null(arrow):
        return [pa.nulls(len(column), pa.binary())]
    if pa.types.is_timestamp(arrow):
        column = pc.replace_substring(column.cast(pa.string()), " ", "T", max_replacements=1)
    elif not (pa.types.is_binary(arrow) or pa.types.is_large_binary(arrow)):
        column = column.cast(pa.string())
    return _quoted(column.cast(pa.binary()))


def _decimals(column: pa.Array) -> pa.Array:
    text = column.cast(pa.string())
    # Arrow writes values below 1e-6 with an exponent: their digits are rewritten plainly.
    if pc.any(pc.match_substring(text, "E")).as_py():
        text = _per_value(text.cast(pa.binary()), _plain_decimal).cast(pa.string())
    if column.type.scale > 0:
        text = pc.ascii_rtrim(pc.ascii_rtrim(text, "0"), ".")
    return text.cast(pa.binary())


def _plain_decimal(text: bytes) -> bytes:
    plain = format(Decimal(text.decode()), "f")
    # Callers cut zeros from the end: a whole number needs its point until then.
    return (plain if "." in plain else plain + ".").encode()


def _structs(column: pa.Array) -> pa.Array:
    names = [column.type.field(i).name for i in range(column.type.num_fields)]
    fields = column.flatten()  # carries the struct's own nulls down to its fields
    if not names or not len(column):
        return pc.if_else(column.is_valid(), _text(b"{}"), pa.scalar(None, pa.binary()))
    objects = _objects({n: _column(f, None) for n, f in zip(names, fields, strict=True)})
    return pc.if_else(column.is_valid(), objects, pa.scalar(None, pa.binary()))


def _lists(column: pa.Array) -> pa.Array:
    items = pc.fill_null(_join(_column(column.flatten(), None)), b"null")
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    offsets = pa.array([0, *lengths.cumsum()], pa.int32())
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, items), b",")
    text = _join([_text(b"["), joined, _text(b"]")])
    return pc.if_else(column.is_valid(), text, pa.scalar(None, pa.binary()))


def _as_levels(column: pa.Array) -> pa.Array:
    """Pairs ``[price, quantity]`` as structs; structs stay as they are."""
    pairs = column.flatten()
    if not pa.types.is_list(pairs.type):
        return column
    if len(pairs) and not pc.all(pc.equal(pc.list_value_length(pairs), 2)).as_py():
        return column
    levels = pa.StructArray.from_arrays(
        [pc.list_element(pairs, 0), pc.list_element(pairs, 1)], names=["price", "quantity"]
    )
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    offsets = pa.array([0, *lengths.cumsum()], pa.int32())
    return pa.ListArray.from_arrays(offsets, levels, mask=column.is_null())


def _quoted(column: pa.Array) -> Pieces:
    if _needs_escapes(column):
        return [_per_value(column, _quote)]
    return [_text(b'"'), column, _text(b'"')]


def _needs_escapes(column: pa.Array) -> bool:
    """Whether any value holds a quote, a backslash or a control character."""
    if pa.types.is_large_binary(column.type) or not len(column):
        return bool(pc.any(pc.match_substring_regex(column, _MUST_ESCAPE)).as_py())
    _, offsets, data = column.buffers()
    if data is None:
        return False
    ends = np.frombuffer(offsets, np.int32)[column.offset :][[0, len(column)]]
    text = np.frombuffer(data, np.uint8)[ends[0] : ends[1]]
    return bool(((text < 0x20) | (text == 0x22) | (text == 0x5C)).any())


def _quote(text: bytes) -> bytes:
    """One JSON string; bytes that are not UTF-8 go through as they are."""
    return b'"' + _ESCAPES.sub(lambda m: json.dumps(m[0].decode())[1:-1].encode(), text) + b'"'


def _per_value(column: pa.Array, function: Callable[[bytes], bytes]) -> pa.Array:
    """Apply a Python function to each distinct value once."""
    encoded = column.dictionary_encode()
    values = [function(value) for value in encoded.dictionary.to_pylist()]
    return pa.array(values, pa.binary()).take(encoded.indices)
