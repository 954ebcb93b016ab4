"""Records of an Avro file, as manifests are, by way of PyIceberg's compiled decoder.

PyIceberg's own reader builds an object of each record and looks at each of its fields in turn,
which for thousands of files takes two and a half times as long.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, TypeAlias

from pyiceberg.avro.codecs import KNOWN_CODECS
from pyiceberg.avro.decoder import BinaryDecoder, new_decoder

Read: TypeAlias = Callable[[BinaryDecoder], Any]
_MAGIC = b"Obj\x01"
_SYNC_SIZE = 16
#: The compiled decoder, or its counterpart in Python where that is missing.
_DECODER = type(new_decoder(b""))
_PRIMITIVES: dict[str, Read] = {
    "boolean": _DECODER.read_boolean,
    "int": _DECODER.read_int,
    "long": _DECODER.read_int,
    "float": _DECODER.read_float,
    "double": _DECODER.read_double,
    "bytes": _DECODER.read_bytes,
    "string": _DECODER.read_utf8,
}


def records(content: bytes) -> Iterator[dict[str, Any]]:
    """Yield the records of a file.

    Maps, which Iceberg writes as arrays of keys and values, are mappings where the values are
    bytes. Those of whole numbers, which nobody asks for, stay the numbers they are.

    Raises
    ------
    ValueError
        Where it is no Avro file, or has a type that manifests have not.
    EOFError
        Where it ends too early.
    """
    decoder = new_decoder(content)
    if decoder.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("it is no Avro file")
    header = {
        decoder.read_utf8(): decoder.read_bytes()
        for count in _counts(decoder)
        for _ in range(count)
    }
    sync = decoder.read(_SYNC_SIZE)
    read = _reader_of(header["avro.schema"])
    codec = KNOWN_CODECS[header.get("avro.codec", b"null").decode()]  # type: ignore[index]
    while decoder.tell() < len(content):
        count, block = decoder.read_int(), decoder.read_bytes()
        if decoder.read(_SYNC_SIZE) != sync:
            raise ValueError("a block of it is torn")
        packed = new_decoder(codec.decompress(block) if codec else block)
        for _ in range(count):
            yield read(packed)


@lru_cache(maxsize=64)
def _reader_of(schema: bytes) -> Read:
    """The reader of a schema; the manifests of a table have few."""
    return _reader(json.loads(schema))


def _reader(schema: Any) -> Read:
    if isinstance(schema, list):
        return _optional(schema)
    kind = schema["type"] if isinstance(schema, dict) else schema
    if isinstance(kind, list | dict):
        return _reader(kind)
    if kind in _PRIMITIVES:
        return _PRIMITIVES[kind]
    if kind == "fixed":
        size = int(schema["size"])
        return lambda decoder: decoder.read(size)
    if kind == "record":
        fields = [(field["name"], _reader(field["type"])) for field in schema["fields"]]
        return lambda decoder: {name: read(decoder) for name, read in fields}
    if kind == "array":
        return _array(schema["items"])
    raise ValueError(f"it has the type {kind!r}, which manifests have not")


def _optional(schemas: list[Any]) -> Read:
    null = schemas.index("null")
    [other] = [schema for schema in schemas if schema != "null"]
    read = _reader(other)
    return lambda decoder: None if decoder.read_int() == null else read(decoder)


def _array(items: Any) -> Read:
    fields = items["fields"] if isinstance(items, dict) and items["type"] == "record" else []
    kinds = [field["type"] for field in fields]
    if kinds == ["int", "bytes"]:
        return _bytes_by_number
    if kinds in (["int", "int"], ["int", "long"]):
        return lambda decoder: [decoder.read_ints(2 * count) for count in _counts(decoder)]
    read = _reader(items)
    return lambda decoder: [read(decoder) for count in _counts(decoder) for _ in range(count)]


def _bytes_by_number(decoder: BinaryDecoder) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for count in _counts(decoder):
        decoder.read_int_bytes_dict(count, found)
    return found


def _counts(decoder: BinaryDecoder) -> Iterator[int]:
    """How many items the next piece of an array or map has, piece by piece."""
    while count := decoder.read_int():
        if count < 0:
            # Its size in bytes follows.
            decoder.skip_int()
        yield abs(count)
