"""The quality of the data once more: Polars over the pinned files, counting another way."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import polars as pl

from workbench.contracts.records import EXECUTIONS
from workbench.lake.session import Session
from workbench.reports.frames import frame

_MINUTE = "1m"
#: Where a record came from: its topic or file, its partition, its offset or line.
_SOURCE = ("source_topic", "source_partition")
#: Where the records of a raw topic are, and the jobs that refuse some.
_LANDED = {
    "raw.trades": ("market.trades", ["landing", "router"]),
    "raw.orderbook": ("market.orderbook_metrics", ["orderbook"]),
}


def measures(session: Session, as_of: datetime) -> dict[str, tuple[int, int]]:
    """Return what `workbench.market.data_quality` finds, and of how many, by measure."""
    until = pl.col("event_time") <= as_of
    trades = frame(session, "market.trades").filter(until)
    executions = trades.filter(pl.col("status").is_in(EXECUTIONS))
    copies = trades.group_by("trade_id").len()
    repeated = _number(copies.select(pl.col("len").sub(1).sum()))
    events = _count(trades)
    dead = _count(frame(session, "ops.dead_letters"))
    enriched = frame(session, "market.enriched_trades").filter(until)
    unknown = _count(enriched.filter(pl.col("company_name") == "UNKNOWN"))
    late = frame(session, "ops.late_rows").filter(until)
    silent, spanned = _silence(executions)
    return {
        "duplicate events": (repeated, events),
        "late executions": (_count(late), _count(executions)),
        "dead letters": (dead, dead + events),
        "minutes without trades": (silent, spanned),
        "executions without reference data": (unknown, _count(enriched)),
    }


def sent(session: Session, topic: str) -> int:
    """Return how many messages a raw topic had, by the offsets of what became of them.

    Of each partition from its first offset to its last, in the rows that the job which owns the
    topic has landed and in those that were refused.
    """
    table, jobs = _LANDED[topic]
    names = [topic, session.settings.kafka.topic_prefix + topic]
    refused = frame(session, "ops.dead_letters").filter(pl.col("job").is_in(jobs))
    columns = [*_SOURCE, "source_offset"]
    spans = (
        pl.concat([frame(session, table).select(columns), refused.select(columns)])
        .filter(pl.col("source_topic").is_in(names))
        .group_by(_SOURCE)
        .agg((pl.col("source_offset").max() - pl.col("source_offset").min() + 1).alias("records"))
    )
    return _number(spans.select(pl.col("records").sum()))


def refused(session: Session, job: str, source: str) -> int:
    """Return the refused records that `workbench.market.reconciliation` counts for a job."""
    rows = frame(session, "ops.dead_letters")
    in_file = pl.col("source_topic").str.starts_with("file:")
    if job == "landing":
        names = [source, session.settings.kafka.topic_prefix + source]
        read = in_file if source == "files" else pl.col("source_topic").is_in(names)
        rows = rows.filter(pl.col("job").is_in(_LANDED["raw.trades"][1]), read)
    else:
        rows = rows.filter(pl.col("job") == job)
        # A batch run reads the files of landing, which has refused the same records already.
        rows = rows.filter(~in_file) if job == "enrichment" else rows
    return 0 if job == "aggregates" else _count(rows)


def gaps_of_day(session: Session, as_of: datetime, minutes: int) -> int:
    """Return how many gaps of at least so many minutes the symbols have on the day up to a moment.

    Minute by minute, and not from the distance between those with executions.
    """
    midnight = as_of.replace(hour=0, minute=0, second=0, microsecond=0)
    traded = (
        frame(session, "market.trades")
        .filter(
            pl.col("event_time").is_between(midnight, as_of, closed="both"),
            pl.col("status").is_in(EXECUTIONS),
        )
        .select("symbol", pl.col("event_time").dt.epoch("s").floordiv(60).alias("minute"))
        .unique()
        .collect()
    )
    found = 0
    for _, part in traded.group_by("symbol"):
        busy = set(part["minute"].to_list())
        run = 0
        for minute in range(min(busy), max(busy) + 1):
            if minute in busy:
                found += run >= minutes
                run = 0
            else:
                run += 1
    return found


def refused_by_reason(session: Session) -> dict[str, int]:
    """Return the records refused, by reason."""
    rows = frame(session, "ops.dead_letters").group_by("error_type").len().collect()
    return {str(reason): int(count) for reason, count in rows.iter_rows()}


def _silence(executions: pl.LazyFrame) -> tuple[int, int]:
    """Minutes without executions between the first and last of a symbol's day, and all of them."""
    minutes = executions.select(
        "symbol", pl.col("event_time").dt.truncate(_MINUTE).alias("minute")
    ).unique()
    # The gap to the minute before, less that minute itself.
    gaps = (
        minutes.sort("symbol", "minute")
        .with_columns(day=pl.col("minute").dt.date())
        .with_columns(gap=pl.col("minute").diff().over("symbol", "day").dt.total_minutes())
        .select(pl.col("gap").sub(1).sum().alias("silent"), pl.len().alias("traded"))
        .collect()
    )
    silent, traded = gaps.row(0)
    return int(silent or 0), int(silent or 0) + int(traded)


def _count(rows: pl.LazyFrame) -> int:
    return _number(rows.select(pl.len()))


def _number(rows: pl.LazyFrame) -> int:
    value: Any = rows.collect().item()
    return int(value or 0)
