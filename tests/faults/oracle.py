"""What the jobs must have made of the records that Kafka holds, by the DuckDB definitions.

Every output is compared as a multiset. Only columns of the wall clock are left out, and the words
of a JSON parser. The aggregates job may split a window into partial rows, so these are merged as
the view `market.trade_aggregates_current` merges them; executions that came too late for their
windows are in `ops.late_rows` once, and in no window.

What is too late depends on the watermark when it was read, so no run has to give the same late rows
as another. But each must be late by the definition: by a watermark that what lies before it in its
own partition has brought about. That holds where no partition is ever taken for idle, as in these
runs (`harness.IDLE_MS`): the watermark is then that of the partition that is furthest behind.

Topics of at-least-once jobs are compared after both sides are reduced to the first message of an
identity that docs/operations/jobs.md names: nothing may be missing, and what came again is counted.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from importlib.resources import files
from typing import Any

import pyarrow as pa

from flink_jobs.ddl import ALLOWED_LATENESS_S, OUT_OF_ORDERNESS_S
from tests.integration.support import as_raw, rows
from workbench.broker.offsets import Received, read_all
from workbench.config import Settings
from workbench.contracts import job_named
from workbench.contracts.records import EXECUTIONS, MAX_FUTURE_MS
from workbench.contracts.tables import TABLES
from workbench.contracts.topics import DESERIALIZATION, PROCESSING_ERRORS, ROUTES, UNROUTABLE
from workbench.definitions import connect, load_raw, run_definition
from workbench.definitions.compare import WALL_CLOCK, Difference, compare
from workbench.ingest.pace import event_times

AGGREGATES = "market.trade_aggregates"
AGGREGATES_TOPIC = "analytics.trade-aggregates"
LATE_ROWS = "ops.late_rows"
TABLE_NAMES = {table.name for table in TABLES}
#: What says how a result came about, not what it is.
HOW = {"late", "partials", "error_message"}
DEAD_LETTER_TOPICS = (DESERIALIZATION, PROCESSING_ERRORS)
_ORIGINAL = ("job", "source_topic", "source_partition", "source_offset")
#: The fields of a message's JSON by which a reader knows one that comes again.
IDENTITY = {
    **dict.fromkeys((*ROUTES.values(), UNROUTABLE), ("trade_id",)),
    **dict.fromkeys(DEAD_LETTER_TOPICS, _ORIGINAL),
}
_CURRENT = files("workbench.lake").joinpath("views/trade_aggregates_current.sql").read_text("utf-8")
_TIMES = ("window_start", "window_end", "open_time", "close_time", "computed_at")


@dataclass(frozen=True)
class Found:
    """How an output differs from the definition."""

    output: str
    rows: int
    lost: int
    doubled: int
    examples: tuple[Any, ...]

    @classmethod
    def of(cls, output: str, difference: Difference) -> Found:
        # The left side is what was found, the right side what the definition says.
        examples = difference.examples
        return cls(
            output, difference.rows[0], difference.only_right, difference.only_left, examples
        )


class Oracle:
    """Compares what lies in the lake and in Kafka with the definitions.

    Parameters
    ----------
    settings
        The deployment; its jobs have ended, and everything is committed.
    jobs
        The jobs that ran.
    """

    def __init__(self, settings: Settings, jobs: tuple[str, ...]) -> None:
        self._settings, self._jobs = settings, jobs
        self._messages: dict[str, list[Received]] = {}
        self._repeats = settings.flink.delivery == "at-least-once"
        #: Of at-least-once topics: messages beyond those of the definition.
        self.came_again = 0

    def messages(self, topic: str) -> list[Received]:
        """Return the committed messages of a topic."""
        if topic not in self._messages:
            self._messages[topic] = read_all(self._settings, topic)
        return self._messages[topic]

    def compare(self) -> list[Found]:
        """Return how each table and each topic of the jobs differs."""
        expected: dict[str, list[pa.Table]] = {}
        for job in self._jobs:
            for output, table in self._defined(job).items():
                expected.setdefault(output, []).append(table)
        found = [
            self._compare_one(output, pa.concat_tables(tables))
            for output, tables in expected.items()
        ]
        return found + ([self._late_rows()] if "aggregates" in self._jobs else [])

    def _defined(self, job: str) -> dict[str, pa.Table]:
        with connect() as con:
            load_raw(con, self._raw(job))
            settings = self._settings
            return run_definition(con, job, symbols=settings.symbols_file, alerts=settings.alerts)

    def _raw(self, job: str) -> pa.Table:
        """What a job had to use, by topic, partition and offset."""
        late = self.late() if job == "aggregates" else []
        places = {(row["source_partition"], row["source_offset"]) for row in late}
        return pa.concat_tables(
            as_raw(
                [m for m in self.messages(topic) if (m.partition, m.offset) not in places], topic
            )
            for topic in job_named(job).sources
        )

    def _compare_one(self, output: str, wanted: pa.Table) -> Found:
        if output in (*ROUTES.values(), UNROUTABLE):
            return self._routed(output, wanted)
        if output in TABLE_NAMES:
            found = rows(self._settings, output)
        else:
            found = as_table(self._found(output, wanted.num_rows), wanted.schema)
        if output == AGGREGATES_TOPIC:
            found, wanted = _with_times(found), _with_times(wanted)
        if output in (AGGREGATES, AGGREGATES_TOPIC):
            found, wanted = merged(found), merged(wanted)
        ignore = {*WALL_CLOCK, *HOW}
        if output in DEAD_LETTER_TOPICS:
            ignore.add("timestamp_ms")
        return Found.of(output, compare(found, wanted, ignore=ignore))

    def _routed(self, topic: str, wanted: pa.Table) -> Found:
        defined = [Received(0, 0, row["key"], row["value"], 0) for row in wanted.to_pylist()]
        messages = self._found(topic, len(defined))
        if self._repeats:
            # The input has ids that come twice.
            defined = firsts(topic, defined)
        sent, found = (Counter((m.key, m.value) for m in each) for each in (defined, messages))
        lost, doubled = sent - found, found - sent
        examples = (*list(lost)[:3], *list(doubled)[:3])
        return Found(topic, found.total(), lost.total(), doubled.total(), examples)

    def _found(self, topic: str, wanted: int) -> list[Received]:
        """The messages of a topic, of an at-least-once one the first of each identity."""
        messages = self.messages(topic)
        if not self._repeats:
            return messages
        self.came_again += len(messages) - wanted
        return firsts(topic, messages)

    def late(self) -> list[dict[str, Any]]:
        """Return the executions that came too late for their windows."""
        return list(rows(self._settings, LATE_ROWS).to_pylist())

    def _late_rows(self) -> Found:
        """What is late must be an execution of the input, with its values, once, and late."""
        with connect() as con:
            load_raw(con, self._raw("landing"))
            trades = run_definition(con, "landing")["market.trades"]
        executions = {
            (row["source_partition"], row["source_offset"]): row
            for row in trades.to_pylist()
            if row["status"] in EXECUTIONS
        }
        clock = watermarks(self.messages("raw.trades"))
        names = ("trade_id", "symbol", "side", "quantity", "price", "event_time")
        seen: set[tuple[int, int]] = set()
        wrong = []
        for row in self.late():
            place = (row["source_partition"], row["source_offset"])
            execution = executions.get(place)
            if (
                place in seen
                or execution is None
                or any(row[name] != execution[name] for name in names)
                or not is_late(row, clock[place])
            ):
                wrong.append(row)
            seen.add(place)
        return Found(LATE_ROWS, len(self.late()), 0, len(wrong), tuple(wrong[:3]))


def firsts(topic: str, messages: list[Received]) -> list[Received]:
    """Return the first message of each identity.

    >>> twice = [Received(0, n, None, b'{"trade_id": "T"}', 0) for n in (3, 4)]
    >>> [message.offset for message in firsts("processed.trades.new", twice)]
    [3]
    """
    known: dict[tuple[Any, ...], Received] = {}
    for message in messages:
        fields = json.loads(message.value or b"{}")
        known.setdefault(tuple(fields[name] for name in IDENTITY[topic]), message)
    return list(known.values())


def watermarks(messages: list[Received]) -> dict[tuple[int, int], float]:
    """Return how far the records before each one in its partition bring a watermark, in epoch ms.

    `messages` are by partition and offset. A time that is not believed moves no watermark, and none
    moves it further than to its arrival.
    """
    found: dict[tuple[int, int], float] = {}
    newest: dict[int, float] = {}
    times = event_times(pa.array([m.value for m in messages], pa.binary()))
    for message, time_ms in zip(messages, times, strict=True):
        before = newest.get(message.partition, -math.inf)
        found[message.partition, message.offset] = before - 1000 * OUT_OF_ORDERNESS_S
        # Not for a time that is not known, either: it compares with nothing.
        if time_ms <= message.timestamp_ms + MAX_FUTURE_MS:
            newest[message.partition] = max(before, min(time_ms, message.timestamp_ms))
    return found


def is_late(row: dict[str, Any], watermark_ms: float) -> bool:
    """Say whether a row of `ops.late_rows` belongs there, by the furthest that its watermark was.

    >>> from datetime import datetime, timedelta, UTC
    >>> minute = datetime(2024, 6, 3, 14, tzinfo=UTC)
    >>> late = {"event_time": minute, "watermark": minute + timedelta(seconds=61)}
    >>> late["lateness_ms"] = 61_000
    >>> is_late(late, 1000 * late["watermark"].timestamp()), is_late(late, 0)
    (True, False)
    """
    event_ms = round(1000 * row["event_time"].timestamp())
    by_ms = round(1000 * row["watermark"].timestamp())
    minute_is_closed = event_ms // 60_000 * 60_000 + 59_999 <= by_ms
    too_late = by_ms - event_ms > 1000 * ALLOWED_LATENESS_S
    told = row["lateness_ms"] == by_ms - event_ms
    return minute_is_closed and too_late and told and by_ms <= watermark_ms


def merged(aggregates: pa.Table) -> pa.Table:
    """Return one row per symbol and window, as the current view of the lake gives them."""
    with connect() as con:
        con.execute("SET TimeZone = 'UTC'")
        con.register("partial_rows", aggregates)
        con.execute("CREATE SCHEMA market")
        con.execute(f"CREATE TABLE {AGGREGATES} AS SELECT * FROM partial_rows")
        return con.execute(_CURRENT).to_arrow_table()


def _with_times(messages: pa.Table) -> pa.Table:
    """Milliseconds as the timestamps that the table has."""
    for name in _TIMES:
        index = messages.schema.get_field_index(name)
        times = messages[name].cast(pa.int64()).cast(pa.timestamp("ms", "UTC"))
        messages = messages.set_column(index, name, times)
    return messages


def as_table(messages: list[Received], schema: pa.Schema) -> pa.Table:
    """Return JSON messages with the columns and types of `schema`."""
    parsed = [json.loads(m.value or b"{}", parse_float=Decimal) for m in messages]
    columns = []
    for field in schema:
        values = [message.get(field.name) for message in parsed]
        if pa.types.is_decimal(field.type):
            values = [None if value is None else Decimal(value) for value in values]
        columns.append(pa.array(values, field.type))
    return pa.table(columns, schema=schema)
