"""The rules of a reader, once and readable: what a record must be, and why one is refused.

Flink reads with a Java reader and DuckDB with SQL; both give what `read_record` gives. The first
reason that holds wins, in this order:

===================  ========================  =====================================================
error_type           topic                     when
===================  ========================  =====================================================
tombstone            dlq.deserialization       the value is null
too-large            dlq.deserialization       more than `MAX_VALUE_BYTES`
invalid-utf8         dlq.deserialization       the bytes are not UTF-8
invalid-json         dlq.deserialization       not exactly one JSON value (RFC 8259), nested deeper
                                               than 200 levels, or half of a surrogate pair
not-an-object        dlq.deserialization       JSON, but no object
repeated-field       dlq.deserialization       a field of the contract occurs twice at the top level
missing-field        dlq.deserialization       required, and absent, null or a blank string (an
                                               optional field is then null)
wrong-type           dlq.deserialization       not what the contract says
not-finite           dlq.processing-errors     NaN, infinity, or beyond the range of a double
not-positive         dlq.processing-errors     a positive field that is rounded to zero or below
out-of-range         dlq.processing-errors     a number too large for its type or written with more
                                               than 100 characters; a text of more than
                                               `MAX_STRING_CHARACTERS`; a notional of
                                               `MAX_NOTIONAL` or more; a time at or before 1970
unsorted-levels      dlq.processing-errors     a level of a book is not worse than the last
crossed-book         dlq.processing-errors     a best bid above the best ask
future-time          dlq.processing-errors     more than `MAX_FUTURE_MS` after its arrival
duplicate            dlq.processing-errors     a trade_id came before, where duplicates are refused
                                               (a setting of the jobs; no reader knows it)
missing-status       dlq.trades.unroutable     a valid trade event without a status
unknown-status       dlq.trades.unroutable     a valid trade event with a status that has no topic
===================  ========================  =====================================================

Fields are taken in the order of the contract: first all missing and mistyped ones, then the rules
of texts, decimals and levels, then the book or the notional as a whole, then the event time.
Blanks are the white space of ASCII; letters are matched without regard to case in ASCII only, so
that no engine's idea of Unicode changes a verdict.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache, reduce
from itertools import pairwise
from typing import Any

from workbench.contracts.records import (
    MAX_FUTURE_MS,
    MAX_NOTIONAL,
    MAX_STRING_CHARACTERS,
    MAX_VALUE_BYTES,
    ORIGINAL_VALUE_CHARACTERS,
    STATUSES,
    Record,
)
from workbench.contracts.strict_json import Number, RepeatedNames, parse_json
from workbench.contracts.topics import DESERIALIZATION, PROCESSING_ERRORS, UNROUTABLE
from workbench.contracts.types import Field, Type

BLANKS = " \t\n\v\f\r"
MAX_NUMBER_CHARACTERS = 100
#: An error message shows this much of a value.
SHOWN_CHARACTERS = 80
STATUS_EXPECTED = "expected " + ", ".join(STATUSES)

_UPPER = str.maketrans("abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
_LONG = (-(2**63), 2**63 - 1)
_INT = (-(2**31), 2**31 - 1)
#: (precision, scale) of each decimal type.
_DIGITS = {
    Type.DECIMAL: (18, 8),
    Type.VOLUME: (38, 8),
    Type.NOTIONAL: (38, 16),
    Type.RESULT: (18, 4),
    Type.PERCENT: (18, 2),
}
_UNIT = {scale: Decimal((0, (1,), -scale)) for _, scale in _DIGITS.values()}
_HALF_UP = Context(prec=60, rounding=ROUND_HALF_UP)


@dataclass(frozen=True)
class Valid:
    """A record that keeps every rule.

    Parameters
    ----------
    values
        One entry per field of the contract, normalised: str, `Decimal` with the scale of the
        type, int, bool, a list of ``{"price", "quantity"}``; None for an optional field that
        is absent.
    """

    values: dict[str, Any]


@dataclass(frozen=True)
class Refused:
    """A record that breaks a rule: the reason, in words, and the topic it goes to."""

    error_type: str
    error_message: str
    topic: str


class _Refusal(Exception):
    """Carries the verdict out of the nested reading."""

    def __init__(self, error_type: str, message: str, topic: str = DESERIALIZATION) -> None:
        super().__init__(message)
        self.verdict = Refused(error_type, message, topic)


def read_record(record: Record, value: bytes | None, source_time_ms: int) -> Valid | Refused:
    """Read one message of a topic by the rules of its contract.

    Parameters
    ----------
    record
        What the message should be.
    value
        Its bytes; None for a tombstone.
    source_time_ms
        When it arrived: the time Kafka gave it, in ms since 1970, UTC.

    Examples
    --------
    >>> from workbench.contracts.records import TRADE_EVENT
    >>> read_record(TRADE_EVENT, b'{"trade_id": 7}', 0).error_message
    'trade_id: 7 is not a string'
    """
    try:
        members = _members(record, _parsed(value))
        typed = {field.name: _typed(field, members.get(field.name)) for field in record.fields}
        for field in record.fields:
            if field.type in _DIGITS and typed[field.name] is not None:
                typed[field.name] = _ruled(field, field.name, typed[field.name])
            elif field.type is Type.LEVELS and typed[field.name] is not None:
                typed[field.name] = _ruled_levels(field, typed[field.name])
            elif field.type is Type.STRING and typed[field.name] is not None:
                _check_length(field, typed[field.name])
        _check_crossed(record, typed)
        _check_notional(record, typed)
        for field in record.fields:
            if field.event_time and typed[field.name] is not None:
                _check_event_time(field, typed[field.name], source_time_ms)
    except _Refusal as refusal:
        return refusal.verdict
    return Valid(typed)


def status_problem(status: str | None) -> Refused | None:
    """Return why a valid trade event has no topic, or None when it has one.

    >>> status_problem("PARTIALLY_FILLED")
    >>> status_problem("DONE").error_type
    'unknown-status'
    """
    if status in STATUSES:
        return None
    if status is None:
        return Refused("missing-status", f"status: missing, {STATUS_EXPECTED}", UNROUTABLE)
    shown = _shown(status)
    return Refused("unknown-status", f"status: {shown} unknown, {STATUS_EXPECTED}", UNROUTABLE)


def original_value(value: bytes | None) -> str | None:
    """Return what a dead letter keeps of a value: its first characters, U+FFFD for bad bytes.

    >>> original_value(bytes([123, 255]))
    '{\\ufffd'
    """
    if value is None:
        return None
    # A character has at most four bytes: no need to decode all of a 5 MB record.
    head = value[: 4 * ORIGINAL_VALUE_CHARACTERS + 4]
    return head.decode("utf-8", "replace")[:ORIGINAL_VALUE_CHARACTERS]


def _parsed(value: bytes | None) -> Any:
    if value is None:
        raise _Refusal("tombstone", "the value is null")
    if len(value) > MAX_VALUE_BYTES:
        raise _Refusal("too-large", f"{len(value)} bytes, at most {MAX_VALUE_BYTES}")
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _Refusal("invalid-utf8", f"byte {error.start} is not UTF-8") from None
    try:
        return parse_json(text)
    except ValueError as error:
        raise _Refusal("invalid-json", str(error)) from None


def _members(record: Record, parsed: Any) -> dict[str, Any]:
    if not isinstance(parsed, dict):
        raise _Refusal("not-an-object", f"{_shown(parsed)} is not an object")
    if isinstance(parsed, RepeatedNames):
        for field in record.fields:
            if parsed.names.count(field.name) > 1:
                raise _Refusal("repeated-field", f"{field.name}: occurs more than once")
    return parsed


# ---------------------------------------------------------------- types


def _typed(field: Field, value: Any) -> Any:
    """A field's value by its type; of a decimal still the text, for the rules to judge."""
    if value is None or _is_blank(value):
        if field.required:
            raise _Refusal("missing-field", f"{field.name}: missing, expected {_expected(field)}")
        return None
    typed = _of_type(field, value)
    if typed is None:
        raise _Refusal("wrong-type", f"{field.name}: {_shown(value)} is not {_expected(field)}")
    return typed


def _of_type(field: Field, value: Any) -> Any:
    """The typed value, or None where the value is not of the type."""
    kind = field.type
    if kind is Type.STRING:
        if isinstance(value, Number) or not isinstance(value, str):
            return None
        if not field.symbols and not field.normalised:
            return value
        upper = value.strip(BLANKS).translate(_UPPER)
        return _by_upper_case(field.symbols).get(upper) if field.symbols else upper
    if kind in _DIGITS:
        return _decimal_text(value)
    if kind in (Type.LONG, Type.INT):
        return _whole(value, _LONG if kind is Type.LONG else _INT)
    if kind is Type.BOOLEAN:
        return value if isinstance(value, bool) else None
    return _levels(value)


@cache
def _by_upper_case(symbols: tuple[str, ...]) -> dict[str, str]:
    # Windows are written 1m, 5m, 15m: symbols need not be upper case themselves.
    return {symbol.translate(_UPPER): symbol for symbol in symbols}


def _decimal_text(value: Any) -> str | None:
    if isinstance(value, Number):
        return value
    if not isinstance(value, str):
        return None
    text = value.strip(BLANKS)
    return text if _DECIMAL.fullmatch(text) or _NOT_FINITE.fullmatch(text) else None


def _whole(value: Any, bounds: tuple[int, int]) -> int | None:
    if not isinstance(value, str):
        return None
    text = value if isinstance(value, Number) else value.strip(BLANKS)
    # Python refuses to convert very long digits; no number of 64 bits needs them.
    significant = text.lstrip("+-").lstrip("0")
    if not _WHOLE.fullmatch(text) or len(significant) > 19:
        return None
    number = int(significant or "0") * (-1 if text.startswith("-") else 1)
    return number if bounds[0] <= number <= bounds[1] else None


def _levels(value: Any) -> list[dict[str, str]] | None:
    if not isinstance(value, list):
        return None
    levels = []
    for level in value:
        if not isinstance(level, dict):
            return None
        pair = {name: _decimal_text(level.get(name)) for name in ("price", "quantity")}
        if None in pair.values():
            return None
        levels.append(pair)
    return levels  # type: ignore[return-value]


# ---------------------------------------------------------------- rules


def _ruled(field: Field, name: str, text: str) -> Decimal:
    """The decimal of a text, rounded half-up to the scale of its type, within its range."""
    precision, scale = _DIGITS.get(field.type, _DIGITS[Type.DECIMAL])
    size = float(text)
    shown = text[:SHOWN_CHARACTERS]
    if not math.isfinite(size):
        raise _Refusal("not-finite", f"{name}: {shown} is not finite", PROCESSING_ERRORS)
    # Far out of the range the double decides: exact arithmetic on 1e-300000 would not end.
    limit = precision - scale
    if abs(size) >= 10.0 ** (limit + 1):
        exact = Decimal(10**limit) * (1 if size > 0 else -1)
    elif abs(size) < 10.0 ** -(scale + 1):
        exact = Decimal((0, (0,), -scale))
    else:
        exact = Decimal(text).quantize(_UNIT[scale], context=_HALF_UP)
    if field.positive and exact <= 0:
        raise _Refusal("not-positive", f"{name}: {shown} is not above zero", PROCESSING_ERRORS)
    if abs(exact) >= 10**limit:
        expected = f"is not below 10^{limit}"
        raise _Refusal("out-of-range", f"{name}: {shown} {expected}", PROCESSING_ERRORS)
    if len(text) > MAX_NUMBER_CHARACTERS:
        expected = f"is longer than {MAX_NUMBER_CHARACTERS} characters"
        raise _Refusal("out-of-range", f"{name}: {shown} {expected}", PROCESSING_ERRORS)
    return exact


def _ruled_levels(field: Field, levels: list[dict[str, str]]) -> list[dict[str, Decimal]]:
    ruled = [
        {name: _ruled(field, f"{field.name}.{name}", text) for name, text in level.items()}
        for level in levels
    ]
    for number, (one, other) in enumerate(pairwise(ruled), 2):
        outwards = other["price"] - one["price"]
        if field.best and (outwards >= 0 if field.best == "highest" else outwards <= 0):
            message = (
                f"{field.name}: level {number} has {_plain(other['price'])} after "
                f"{_plain(one['price'])}, expected the {field.best} price first"
            )
            raise _Refusal("unsorted-levels", message, PROCESSING_ERRORS)
    return ruled


def _check_crossed(record: Record, typed: dict[str, Any]) -> None:
    best = {field.best: typed[field.name] for field in record.fields if field.best}
    bids, asks = best.get("highest"), best.get("lowest")
    if bids and asks and bids[0]["price"] > asks[0]["price"]:
        message = (
            f"best bid {_plain(bids[0]['price'])} is above best ask {_plain(asks[0]['price'])}"
        )
        raise _Refusal("crossed-book", message, PROCESSING_ERRORS)


def _check_notional(record: Record, typed: dict[str, Any]) -> None:
    factors = [field.name for field in record.fields if field.factor]
    notional = reduce(_HALF_UP.multiply, (typed[name] for name in factors), Decimal(1))
    if notional >= MAX_NOTIONAL:
        message = (
            f"{' times '.join(factors)}: {_plain(notional)} is not below "
            f"10^{len(str(MAX_NOTIONAL)) - 1}"
        )
        raise _Refusal("out-of-range", message, PROCESSING_ERRORS)


def _plain(number: Decimal) -> str:
    """A number without an exponent and without zeros at its end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _check_length(field: Field, text: str) -> None:
    if len(text) > MAX_STRING_CHARACTERS:
        expected = f"is longer than {MAX_STRING_CHARACTERS} characters"
        shown = text[:SHOWN_CHARACTERS]
        raise _Refusal("out-of-range", f"{field.name}: {shown} {expected}", PROCESSING_ERRORS)


def _check_event_time(field: Field, time_ms: int, source_time_ms: int) -> None:
    if time_ms <= 0:
        raise _Refusal(
            "out-of-range", f"{field.name}: {time_ms} is not above zero", PROCESSING_ERRORS
        )
    ahead = time_ms - source_time_ms
    if ahead > MAX_FUTURE_MS:
        message = (
            f"{field.name}: {time_ms} is {ahead} ms after its arrival, at most {MAX_FUTURE_MS}"
        )
        raise _Refusal("future-time", message, PROCESSING_ERRORS)


# ---------------------------------------------------------------- words


def _is_blank(value: Any) -> bool:
    return isinstance(value, str) and not value.strip(BLANKS)


def _expected(field: Field) -> str:
    if field.symbols:
        return "one of " + ", ".join(field.symbols)
    if field.type in _DIGITS:
        return "a decimal"
    return {
        Type.LONG: "a whole number of 64 bits",
        Type.INT: "a whole number of 32 bits",
        Type.BOOLEAN: "true or false",
        Type.LEVELS: "a list of levels with price and quantity",
    }.get(field.type, "a string")


def _shown(value: Any) -> str:
    """A value in an error message: numbers as written, strings quoted, both cut."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number):
        return value[:SHOWN_CHARACTERS]
    if isinstance(value, str):
        return f'"{value[:SHOWN_CHARACTERS]}"'
    return "an object" if isinstance(value, dict) else "an array"
