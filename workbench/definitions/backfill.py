"""Land history fast: records through the DuckDB definitions, straight into Iceberg."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from workbench.config import Settings
from workbench.definitions.raw import (
    EVENTS,
    RECORDS,
    connect,
    expose,
    load_events,
    load_raw,
    read_trades,
)
from workbench.definitions.run import dead_letters, run_definition
from workbench.errors import UsageError
from workbench.ingest.reference import symbols_in_force
from workbench.lake.catalog import load_catalog
from workbench.lake.write import append, replace_days

#: The job that a backfill of each table stands in for.
JOB_OF = {
    "market.trades": "landing",
    "market.trade_aggregates": "aggregates",
    "market.enriched_trades": "enrichment",
}
DEAD_LETTERS = "ops.dead_letters"
#: Jobs whose dead letters are those of a raw topic; the enrichment reads what the router sent.
REFUSING = ("landing", "router")
#: Rows of one commit, at least one day: bounds the memory, keeps the commits few.
COMMIT_ROWS = 1_000_000
HISTORY = "history"


@dataclass
class Backfilled:
    """What a backfill wrote.

    Attributes
    ----------
    days
        The UTC days that were replaced.
    rows
        Rows written, by table; of ops.dead_letters only those that were not there yet.
    records
        Records read: valid ones and dead letters.
    seconds
        How long it took.
    """

    days: list[date] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)
    records: int = 0
    seconds: float = 0.0


def backfill(
    settings: Settings,
    source: pa.Table | Iterable[pa.RecordBatch | bytes | None],
    *,
    tables: Sequence[str] = tuple(JOB_OF),
    topic: str | None = None,
    source_time: datetime | None = None,
    now: datetime | None = None,
) -> Backfilled:
    """Land history without Flink; doing it twice gives the same tables.

    Every UTC day that occurs in `source` is replaced as a whole in each table: give whole days,
    and not the days that a stream is landing.

    Parameters
    ----------
    settings
        The settings in force.
    source
        Trade events that are known to be valid, as a table with the columns of market.trades or
        of RawTradeEvent (parsing is skipped); or raw messages as `load_raw` takes them, whose
        dead letters then go to ops.dead_letters, each once.
    tables
        Which tables to write.
    topic
        What ``source_topic`` is: ``raw.trades`` for messages, ``history`` for events.
    source_time, now
        When the records arrived; when the rows were computed. The wall clock when None.

    Raises
    ------
    UsageError
        For a table that has no definition.
    LakeError
        When a table is not in the lake yet.

    Examples
    --------
    >>> from workbench.config import load_settings
    >>> from workbench.ingest.files import iter_batches
    >>> backfill(load_settings(), iter_batches("day.jsonl", "trades")).rows  # doctest: +SKIP
    {'market.trades': 50000, 'market.trade_aggregates': 2210, ...}
    """
    unknown = [name for name in tables if name not in JOB_OF]
    if unknown:
        raise UsageError(f"no backfill of {unknown[0]!r}", hint="known: " + ", ".join(JOB_OF))
    started = time.monotonic()
    moment = now or datetime.now(UTC)
    result = Backfilled()
    with connect(settings.duckdb.memory_limit, settings.duckdb.threads) as con:
        if isinstance(source, pa.Table):
            load_events(con, source, topic=topic or HISTORY, source_time=source_time)
            base = EVENTS
        else:
            base = RECORDS
            load_raw(con, source, topic=topic or "raw.trades", source_time=source_time)
            read_trades(con)
            result.rows[DEAD_LETTERS] = _land_dead_letters(settings, con, moment)
        result.records = con.execute("SELECT count(*) FROM read_trades").fetchall()[0][0]
        symbols = symbols_in_force(settings)
        for days in _day_groups(con):
            expose(con, base, days[0], days[-1])
            for table in tables:
                written = _land(settings, con, table, moment, symbols)
                result.rows[table] = result.rows.get(table, 0) + written
            result.days += days
    result.seconds = time.monotonic() - started
    return result


def _land(
    settings: Settings, con: duckdb.DuckDBPyConnection, table: str, now: datetime, symbols: Path
) -> int:
    rows = run_definition(con, JOB_OF[table], now=now, symbols=symbols, reread=False)[table]
    replace_days(settings, table, rows)
    return int(rows.num_rows)


def _land_dead_letters(settings: Settings, con: duckdb.DuckDBPyConnection, now: datetime) -> int:
    """Append the dead letters that are not there yet: their table holds other sources' too."""
    refused = pa.concat_tables([dead_letters(con, job, now) for job in REFUSING])
    if not refused.num_rows:
        return 0
    key = ("source_topic", "source_partition", "source_offset", "job")
    scan = load_catalog(settings).load_table(DEAD_LETTERS).scan(selected_fields=key)
    con.register("landed", scan.to_arrow())
    con.register("refused", refused)
    fresh: pa.Table = con.execute(
        f"SELECT * FROM refused ANTI JOIN landed USING ({', '.join(key)})"
    ).to_arrow_table()
    append(settings, DEAD_LETTERS, fresh)
    return int(fresh.num_rows)


def _day_groups(con: duckdb.DuckDBPyConnection) -> list[list[date]]:
    """The days of the valid events, in order, as groups of at most `COMMIT_ROWS` rows."""
    counts = con.execute(
        "SELECT event_time::DATE, count(*) FROM read_trades WHERE error_topic IS NULL "
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    groups: list[list[date]] = []
    rows = 0
    for day, count in counts:
        if not groups or rows + count > COMMIT_ROWS:
            groups.append([])
            rows = 0
        groups[-1].append(day)
        rows += count
    return groups
