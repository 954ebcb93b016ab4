"""The quality of the data once more: Polars over the pinned files, counting another way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from workbench.contracts.records import EXECUTIONS
from workbench.lake.session import Session
from workbench.reports.flink_results import NOTHING_SETTLED
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
    topic has landed and in those that were refused; without the offsets of transactions that
    replayed dead letters, one of each run and partition.
    """
    table, jobs = _LANDED[topic]
    landed, dead = _offsets(session, table, topic), _offsets(session, "ops.dead_letters", topic)
    spans = (
        pl.concat([landed, dead.filter(pl.col("job").is_in(jobs))])
        .group_by(_SOURCE)
        .agg(
            pl.col("source_offset").min().alias("first"),
            pl.col("source_offset").max().alias("last"),
        )
        .collect()
    )
    ends = _ends_of_replays(session, topic)
    return sum(
        last - first + 1 - sum(first <= end <= last for end in ends[partition])
        for _, partition, first, last in spans.rows()
    )


def _offsets(session: Session, table: str, topic: str) -> pl.LazyFrame:
    """The places of a topic that a table has rows of, and the job that wrote each."""
    rows = frame(session, table)
    job = pl.col("job") if table == "ops.dead_letters" else pl.lit("landing").alias("job")
    names = [topic, session.settings.kafka.topic_prefix + topic]
    return rows.filter(pl.col("source_topic").is_in(names)).select(*_SOURCE, "source_offset", job)


def _ends_of_replays(session: Session, topic: str) -> dict[Any, list[int]]:
    """The offsets that the ends of replays took, by partition."""
    names = [topic, session.settings.kafka.topic_prefix + topic]
    sent_again = frame(session, "ops.dead_letter_replays").filter(
        pl.col("state") == "sent", pl.col("to_topic").is_in(names)
    )
    last: dict[tuple[str, int], int] = {}
    for run, partition, offset in (
        sent_again.select("run_id", "to_partition", "to_offset").collect().rows()
    ):
        last[run, partition] = max(last.get((run, partition), offset), offset)
    ends = defaultdict(list)
    for (_, partition), offset in last.items():
        ends[partition].append(offset + 1)
    return ends


def unsettled(session: Session, job: str, source: str, moment: datetime | None) -> int:
    """Return the records that `workbench.market.reconciliation` leaves open for a job.

    Parameters
    ----------
    session
        The session whose snapshots are read.
    job, source
        The job, and what it reads.
    moment
        Up to when it is settled.
    """
    if job in ("aggregates", "enrichment"):
        rows = frame(session, "market.trades").filter(pl.col("status").is_in(EXECUTIONS))
        return _count(rows if moment is None else rows.filter(pl.col("event_time") >= moment))
    if (job, source) != ("landing", "raw.trades"):
        return 0
    # What the router has refused is in the lake, and what lies before it is not landed yet.
    landed = _offsets(session, "market.trades", source)
    dead = _offsets(session, "ops.dead_letters", source)
    own = pl.concat([landed, dead.filter(pl.col("job") == "landing")])
    reached = {
        (topic, partition): offset
        for topic, partition, offset in own.group_by(_SOURCE)
        .agg(pl.col("source_offset").max())
        .collect()
        .rows()
    }
    others = defaultdict(list)
    for topic, partition, offset, _ in dead.filter(pl.col("job") == "router").collect().rows():
        others[topic, partition].append(offset)
    ends = _ends_of_replays(session, source)
    found = 0
    for place, offsets in others.items():
        ahead = range(reached.get(place, min(offsets) - 1) + 1, max(offsets) + 1)
        known = sum(each in ahead for each in [*offsets, *ends[place[1]]])
        found += len(ahead) - known
    return found


def accounted(row: Mapping[str, Any]) -> int | str:
    """Return what a row of `workbench.market.reconciliation` adds up to, for a check.

    In words where there are executions and none of them is settled: nothing was compared.
    """
    executions = row["records"] - row["filtered"]
    if row["job"] in ("aggregates", "enrichment") and row["open"] == executions > 0:
        return NOTHING_SETTLED
    return int(sum(row[part] for part in ("good", "late", "dead", "filtered", "open")))


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
