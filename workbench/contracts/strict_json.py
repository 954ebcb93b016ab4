"""One JSON value, by the letter of RFC 8259; numbers stay as they were written.

Python's reader is lenient in three ways that matter here: it takes NaN and Infinity, keeps the last
of two members of one name, and lets half of a surrogate pair through.
"""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

#: Deeper nesting is refused: every engine's reader has a limit, so the contract names one.
MAX_DEPTH = 200

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")


class Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


class RepeatedNames(dict[str, Any]):
    """An object in which at least one name occurs twice; `names` has them all."""

    names: tuple[str, ...] = ()


def parse_json(text: str) -> Any:
    """Return the one JSON value of a text.

    Raises
    ------
    ValueError
        Where the text is anything else, with the reason in words.

    Examples
    --------
    >>> parse_json(' {"price": 1.10} ')
    {'price': '1.10'}
    """
    if _depth(text) > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH}")
    try:
        parsed = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at character {error.pos}") from None
    if "\\u" in text:
        _check_surrogates(text)
    return parsed


def _constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    repeated = RepeatedNames(members)
    repeated.names = tuple(name for name, _ in pairs)
    return repeated


# One for all records: json.loads would build it anew for each.
_DECODER = json.JSONDecoder(
    parse_float=Number,
    parse_int=Number,
    parse_constant=_constant,
    object_pairs_hook=_object,
)


def _depth(text: str) -> int:
    """How deep objects and arrays nest; only looked at closely where it could be too deep."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return 0
    depth = deepest = 0
    for character in _STRING.sub("", text):
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _check_surrogates(text: str) -> None:
    """Refuse half of a surrogate pair: the RFC lets it pass, UTF-8 cannot hold it."""
    low_at = None
    for escape in _ESCAPE.finditer(text):
        unit = int(escape[1][1:], 16) if len(escape[1]) == 5 else 0
        if (0xDC00 <= unit <= 0xDFFF) != (low_at == escape.start()):
            break
        low_at = escape.end() if 0xD800 <= unit <= 0xDBFF else None
        if low_at is not None and not text.startswith("\\u", low_at):
            break
    else:
        return
    raise ValueError("half of a surrogate pair")
