"""Known bad records among the good ones, and what must become of each."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from workbench.contracts.records import TRADE_EVENT
from workbench.contracts.topics import DESERIALIZATION, PROCESSING_ERRORS, UNROUTABLE
from workbench.errors import UsageError
from workbench.ingest.generate.columns import joined, numbered
from workbench.ingest.generate.seeds import stream
from workbench.ingest.json_text import json_rows

Ints = NDArray[np.int64]

_MINUTE_MS = 60_000
_TEN_YEARS_MS = 3_652 * 86_400_000
#: A late record arrives this much after its event: far beyond the 30 s that windows wait.
LATE_BY_MS = (10 * _MINUTE_MS, 30 * _MINUTE_MS)
#: A repeat arrives within this time of the first: it is a duplicate, but not late.
_REPEATED_WITHIN_MS = 2_000


def _price(text: bytes) -> Callable[[bytes], bytes]:
    return lambda value: re.sub(rb'"price":[0-9.]+', b'"price":' + text, value)


#: kind -> (error type, dead-letter topic, how a good record becomes one)
MALFORMED: dict[str, tuple[str, str, Callable[[bytes], bytes]]] = {
    "truncated": ("invalid-json", DESERIALIZATION, lambda value: value[: len(value) * 2 // 3]),
    "not an object": ("not-an-object", DESERIALIZATION, lambda value: b"[" + value + b"]"),
    "without a price": (
        "missing-field",
        DESERIALIZATION,
        lambda value: re.sub(rb'"price":[0-9.]+,', b"", value),
    ),
    "quantity in words": (
        "wrong-type",
        DESERIALIZATION,
        lambda value: re.sub(rb'"quantity":[0-9.]+', b'"quantity":"many"', value),
    ),
    "negative price": ("not-positive", PROCESSING_ERRORS, _price(b"-3")),
    "price of zero": ("not-positive", PROCESSING_ERRORS, _price(b"0")),
    "price not a number": ("not-finite", PROCESSING_ERRORS, _price(b'"NaN"')),
}
#: Statuses of unroutable records and the error type of each; None is no status at all.
UNROUTABLE_STATUSES: dict[str | None, str] = {
    "PENDING_REVIEW": "unknown-status",
    None: "missing-status",
}


@dataclass(frozen=True)
class Defects:
    """How many records of each kind are put among a day's good ones.

    Parameters
    ----------
    malformed
        Records that cannot be read or break a rule; the kinds of `MALFORMED` in turn.
    duplicates
        Exact repeats of a good record.
    late
        Executions that arrive 10 to 30 minutes after their event.
    future
        Records stamped ten years ahead.
    unroutable
        Records with an unknown status, or none, in turn.
    """

    malformed: int = 0
    duplicates: int = 0
    late: int = 0
    future: int = 0
    unroutable: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            if getattr(self, field.name) < 0:
                raise UsageError(
                    f"{field.name} is {getattr(self, field.name)}", hint="a number from 0 up"
                )


@dataclass(frozen=True)
class Extra:
    """Rows of the trade contract that are put in, and when they arrive."""

    kind: str
    rows: pa.Table
    arrival_ms: Ints
    #: What is wrong with each, by the error type of its dead letter; empty where nothing is.
    reasons: list[str]


@dataclass(frozen=True)
class Line:
    """A record that no typed column can hold."""

    kind: str
    trade_id: str
    arrival_ms: int
    value: bytes


def _renamed(rows: pa.Table, letter: str, day: date) -> pa.Table:
    """The same rows as events of their own."""
    number = np.arange(rows.num_rows)
    head = f"{day:%Y%m%d}-"
    tail = numbered(joined("-", letter), number, 6)
    for column, first in (("trade_id", "T"), ("order_id", "O")):
        index = rows.schema.get_field_index(column)
        symbols = rows["symbol"].combine_chunks()
        rows = rows.set_column(index, column, joined(first + head, symbols, tail))
    return rows


def _set(rows: pa.Table, column: str, values: pa.Array) -> pa.Table:
    return rows.set_column(rows.schema.get_field_index(column), rows.schema.field(column), values)


def typed_defects(seed: int, day: date, good: pa.Table, defects: Defects) -> list[Extra]:
    """Return the defects that typed columns can hold."""
    times = good["timestamp_ms"].to_numpy()
    made = []
    if defects.duplicates:
        random = stream(seed, "duplicates", day=day.toordinal())
        if defects.duplicates > len(times):
            raise UsageError(
                f"{defects.duplicates} duplicates of {len(times)} events", hint="ask for fewer"
            )
        picked = random.choice(len(times), defects.duplicates, replace=False)
        arrival = times[picked] + random.integers(0, _REPEATED_WITHIN_MS, len(picked))
        made.append(Extra("duplicates", good.take(picked), arrival, []))
    if defects.late:
        random = stream(seed, "late", day=day.toordinal())
        early_enough = int(np.searchsorted(times, times[-1] - LATE_BY_MS[1]))
        if not early_enough:
            raise UsageError("a day too short for late records", hint="ask for more events")
        picked = random.integers(0, early_enough, defects.late)
        arrival = times[picked] + random.integers(*LATE_BY_MS, len(picked))
        rows = _renamed(good.take(picked), "L", day)
        rows = _set(rows, "status", pa.repeat("FILLED", len(picked)))
        rows = _set(rows, "event_type", pa.repeat("TRADE", len(picked)))
        made.append(Extra("late", rows, arrival, []))
    if defects.future:
        random = stream(seed, "future", day=day.toordinal())
        picked = random.integers(0, len(times), defects.future)
        rows = _renamed(good.take(picked), "F", day)
        ahead = pc.add(rows["timestamp_ms"], _TEN_YEARS_MS).combine_chunks()
        rows = _set(rows, "timestamp_ms", ahead)
        made.append(Extra("future", rows, times[picked], ["future-time"] * len(picked)))
    if defects.unroutable:
        random = stream(seed, "unroutable", day=day.toordinal())
        picked = random.integers(0, len(times), defects.unroutable)
        statuses = [list(UNROUTABLE_STATUSES)[n % 2] for n in range(len(picked))]
        rows = _renamed(good.take(picked), "U", day)
        rows = _set(rows, "status", pa.array(statuses, pa.string()))
        reasons = [UNROUTABLE_STATUSES[status] for status in statuses]
        made.append(Extra("unroutable", rows, times[picked], reasons))
    return made


def malformed_lines(seed: int, day: date, good: pa.Table, count: int) -> list[Line]:
    """Return the malformed records, the kinds of `MALFORMED` in turn."""
    if not count:
        return []
    random = stream(seed, "malformed", day=day.toordinal())
    picked = random.integers(0, good.num_rows, count)
    rows = _renamed(good.take(picked), "M", day).combine_chunks()
    values = json_rows({n: rows[n].combine_chunks() for n in rows.column_names}, TRADE_EVENT)
    kinds = list(MALFORMED)
    return [
        Line(kind := kinds[number % len(kinds)], trade_id, arrival, MALFORMED[kind][2](value))
        for number, (trade_id, arrival, value) in enumerate(
            zip(
                rows["trade_id"].to_pylist(),
                rows["timestamp_ms"].to_pylist(),
                values.to_pylist(),
                strict=True,
            )
        )
    ]


def topic_of(error_type: str) -> str:
    """Return the dead-letter topic of an error type that this module can cause."""
    if error_type in UNROUTABLE_STATUSES.values():
        return UNROUTABLE
    if error_type == "future-time":
        return PROCESSING_ERRORS
    return next(topic for found, topic, _ in MALFORMED.values() if found == error_type)
