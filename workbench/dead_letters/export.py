"""Dead letters as a file that a script can mend: one JSON object per line."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workbench.config import Settings
from workbench.contracts.strict_json import parse_json
from workbench.dead_letters.edit import compact
from workbench.dead_letters.ids import LetterId, parse_id
from workbench.dead_letters.letters import Letter
from workbench.dead_letters.original import originals
from workbench.errors import UsageError


def export(settings: Settings, letters: Iterable[Letter], file: Path) -> tuple[int, int]:
    """Write letters with their exact values, for `read_values`.

    Each line has ``id``, ``error_type``, ``error_message`` and ``value``, the record as text;
    ``value_base64`` in its place where the record is not UTF-8, ``problem`` where it cannot be
    had any more.

    Returns
    -------
    tuple of int
        Lines written, and how many of them have no value.

    Raises
    ------
    UsageError
        Where the file cannot be written.
    StackError
        Where the broker does not answer.
    """
    letters = list(letters)
    records = originals(settings, letters)
    missing = 0
    try:
        with file.open("w", encoding="utf-8") as out:
            for letter in letters:
                original = records[letter.id.coordinates]
                missing += original.value is None
                line = {
                    "id": str(letter.id),
                    "error_type": letter.error_type,
                    "error_message": letter.error_message,
                    **_value(original.value, original.note),
                }
                out.write(json.dumps(line) + "\n")
    except OSError as error:
        raise UsageError(f"{file} cannot be written: {error.strerror}") from error
    return len(letters), missing


def _value(value: bytes | None, note: str) -> dict[str, str]:
    if value is None:
        return {"problem": note}
    try:
        return {"value": value.decode("utf-8")}
    except UnicodeDecodeError:
        return {"value_base64": base64.b64encode(value).decode("ascii")}


def read_values(file: Path) -> dict[LetterId, bytes]:
    """Read mended values: lines with ``id`` and ``value`` (or ``value_base64``).

    A ``value`` that is an object in place of a text is sent as that JSON, its numbers as they are
    written. Lines without a value are left out, other members are ignored.

    Raises
    ------
    UsageError
        Where the file cannot be read or a line is not of this form; names the line.
    """
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} cannot be read: {error}") from error
    values: dict[LetterId, bytes] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            parsed = parse_json(line)
            found = _mended(parsed)
        except (ValueError, UsageError) as error:
            raise UsageError(
                f"{file}:{number}: {error}", hint="write it as `dlq list --export` does"
            ) from None
        if found is None:
            continue
        if found[0] in values:
            raise UsageError(f"{file}:{number}: {found[0]} was there before")
        values[found[0]] = found[1]
    return values


def _mended(parsed: Any) -> tuple[LetterId, bytes] | None:
    if not isinstance(parsed, dict) or not isinstance(parsed.get("id"), str):
        raise ValueError("not an object with an id")
    which = parse_id(str(parsed["id"]))
    if parsed.get("value_base64") is not None and parsed.get("value") is None:
        try:
            return which, base64.b64decode(str(parsed["value_base64"]), validate=True)
        except binascii.Error as error:
            raise ValueError(f"value_base64: {error}") from None
    value = parsed.get("value")
    if value is None:
        return None
    if isinstance(value, dict | list):
        return which, compact(value).encode()
    if type(value) is not str:
        raise ValueError("value is neither a text nor an object")
    return which, value.encode()
