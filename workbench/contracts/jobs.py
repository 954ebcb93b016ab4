"""Every Flink job: what it reads and what it writes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workbench.errors import UsageError, did_you_mean

#: Events may come this much out of order before the watermark passes them.
OUT_OF_ORDERNESS_S = 5


@dataclass(frozen=True)
class Job:
    """One Flink job: its SQL lies in ``flink_jobs/NAME/``.

    Parameters
    ----------
    name
        Its name on the command line and in Flink.
    sources
        Topics it reads; a batch run reads files with the same records instead.
    topics
        Topics it writes.
    tables
        Tables it writes.
    doc
        What it does.
    owns
        The topic, if any, whose refused records it reports as dead letters.
    windowed
        Whether it holds rows back in event-time windows that a drain has to close.
    keeps
        What it remembers of a symbol from one record to the next; None for nothing. Such a job
        looks for no duplicates: its state is of another kind, and a repeated price or book changes
        next to nothing.
    routes
        Whether it sends records on, byte for byte, each to the topic of its status.
    exactly_once
        Whether its topic has to be written exactly once: no key would tell a reader that a message
        came before.
    """

    name: str
    sources: tuple[str, ...]
    topics: tuple[str, ...]
    tables: tuple[str, ...]
    doc: str
    owns: str | None = None
    windowed: bool = False
    keeps: Literal["price", "book"] | None = None
    routes: bool = False
    exactly_once: bool = False


JOBS: tuple[Job, ...] = (
    Job(
        "landing",
        ("raw.trades",),
        ("dlq.deserialization", "dlq.processing-errors"),
        ("market.trades", "ops.dead_letters"),
        "Lands every valid trade event; owns the dead letters of raw.trades.",
        owns="raw.trades",
    ),
    Job(
        "router",
        ("raw.trades",),
        (
            "processed.trades.new",
            "processed.trades.filled",
            "processed.trades.cancelled",
            "processed.trades.rejected",
            "dlq.trades.unroutable",
        ),
        ("ops.dead_letters",),
        "Sends each valid trade event, byte for byte, to the topic of its status.",
        routes=True,
    ),
    Job(
        "aggregates",
        ("raw.trades",),
        ("analytics.trade-aggregates",),
        ("market.trade_aggregates", "ops.late_rows"),
        "Executions per symbol in tumbling windows of 1, 5 and 15 minutes.",
        windowed=True,
        # What is late when it is read again, and so which messages a window has, may differ.
        exactly_once=True,
    ),
    Job(
        "enrichment",
        ("processed.trades.filled",),
        ("enriched.trades", "dlq.deserialization", "dlq.processing-errors"),
        ("market.enriched_trades", "ops.dead_letters"),
        "Joins executions with reference data.",
        owns="processed.trades.filled",
    ),
    Job(
        "alerts",
        ("raw.trades", "raw.marketdata"),
        ("alerts.price-movement", "dlq.deserialization", "dlq.processing-errors"),
        ("market.price_alerts", "ops.dead_letters"),
        "Alerts on prices of executions and quotes that moved away from a baseline; owns the dead "
        "letters of raw.marketdata.",
        owns="raw.marketdata",
        keeps="price",
    ),
    Job(
        "orderbook",
        ("raw.orderbook",),
        ("analytics.orderbook", "dlq.deserialization", "dlq.processing-errors"),
        ("market.orderbook_metrics", "ops.dead_letters"),
        "Spread, depth, imbalance and order flow of every order-book snapshot.",
        owns="raw.orderbook",
        keeps="book",
    ),
)


def job_named(name: str) -> Job:
    """Return the job of this name.

    Raises
    ------
    UsageError
        When there is none; names the nearest.
    """
    for job in JOBS:
        if job.name == name:
            return job
    raise UsageError(f"no job {name!r}", hint=did_you_mean(name, [j.name for j in JOBS]))
