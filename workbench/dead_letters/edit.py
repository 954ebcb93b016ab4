"""Mending the text of a record: everything that is not mended stays as it was written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from workbench.contracts import Record, Type
from workbench.contracts.strict_json import Number, RepeatedNames, parse_json
from workbench.errors import UsageError


def compact(value: Any) -> str:
    """Return parsed JSON as text again, numbers as they were written.

    Raises
    ------
    ValueError
        Where an object has a name twice: which one counts cannot be known.

    Examples
    --------
    >>> compact(parse_json('{"price": 1.10, "tags": [true, null]}'))
    '{"price":1.10,"tags":[true,null]}'
    """
    if isinstance(value, RepeatedNames):
        raise ValueError("an object has a name twice")
    if isinstance(value, dict):
        members = (f"{quoted(name)}:{compact(item)}" for name, item in value.items())
        return "{" + ",".join(members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(compact, value)) + "]"
    return scalar(value)


def quoted(text: str) -> str:
    """Return a JSON string."""
    return json.dumps(text, ensure_ascii=False)


def scalar(value: Any) -> str:
    """Return a JSON value that is no object and no list."""
    return str(value) if isinstance(value, Number) else json.dumps(value, ensure_ascii=False)


def parse_assignment(text: str, record: Record | None) -> tuple[str, Any]:
    """Read ``field=value`` as it is typed in a shell.

    Parameters
    ----------
    text
        The value is JSON where it can be read as such, else a string; for a field that holds text
        by the contract it is a string in any case, unless it is ``null`` or in quotes.
    record
        The contract of the record; None where there is none.

    Raises
    ------
    UsageError
        Where there is no field or no ``=``.

    Examples
    --------
    >>> parse_assignment("price=1.10", None)
    ('price', '1.10')
    >>> from workbench.contracts.records import TRADE_EVENT
    >>> compact(dict([parse_assignment("trade_id=7", TRADE_EVENT)]))
    '{"trade_id":"7"}'
    """
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"--set needs FIELD=VALUE, got {text!r}", hint="for example price=12.50")
    kinds = {field.name: field.type for field in record.fields} if record else {}
    try:
        parsed = parse_json(value)
    except ValueError:
        return name, value
    is_text = kinds.get(name) is Type.STRING
    if is_text and (isinstance(parsed, Number | bool | dict | list) or not value.strip()):
        return name, value
    return name, parsed


def set_fields(value: bytes, changes: Mapping[str, Any]) -> bytes:
    """Return a record with some of its top-level fields set; others keep their text and order.

    Raises
    ------
    ValueError
        Where it is no JSON object, or a name that is not set occurs twice.

    Examples
    --------
    >>> set_fields(b'{"price": -1, "quantity": 2.50}', {"price": Number("1")})
    b'{"price":1,"quantity":2.50}'
    """
    try:
        parsed = parse_json(value.decode("utf-8"))
    except ValueError as error:
        raise ValueError(f"no JSON to set fields in ({error}): use --edit") from None
    if not isinstance(parsed, dict):
        raise ValueError("no JSON object to set fields in: use --edit")
    if isinstance(parsed, RepeatedNames):
        twice = {name for name in parsed.names if parsed.names.count(name) > 1} - changes.keys()
        if twice:
            raise ValueError(f"{sorted(twice)[0]} occurs twice: set it as well, or use --edit")
    return compact({**parsed, **changes}).encode()
