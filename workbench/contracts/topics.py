"""Every topic: what it carries, its key, partitions and retention."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.contracts.records import (
    DEAD_LETTER,
    ENRICHED_TRADE,
    MARKET_DATA_TICK,
    ORDER_BOOK,
    ORDER_BOOK_METRICS,
    PRICE_ALERT,
    TRADE_AGGREGATE,
    TRADE_EVENT,
    Record,
)
from workbench.errors import UsageError, did_you_mean, quoted

DAY_MS = 86_400_000
#: The largest message a topic takes; a record of 5 MB passes with room for its dead letter.
MAX_MESSAGE_BYTES = 8 * 1024 * 1024
#: Partitions a topic gets in the ``dev`` profile, at most.
DEV_PARTITIONS = 2


@dataclass(frozen=True)
class Topic:
    """One topic of the platform.

    Parameters
    ----------
    name
        Its name, without the prefix of the settings.
    partitions
        Partitions in the ``full`` profile.
    retention_days
        How long messages are kept.
    key
        Field whose value is the message key; None for no key.
    record
        What a message's value is; None for the original bytes as they came.
    doc
        What it is for.
    job
        The job that writes it; None for topics written from outside.
    """

    name: str
    partitions: int
    retention_days: int
    key: str | None
    record: Record | None
    doc: str
    job: str | None = None

    def partitions_in(self, profile: str) -> int:
        """Return the partitions in the profile ``dev`` or ``full``."""
        return min(self.partitions, DEV_PARTITIONS) if profile == "dev" else self.partitions

    @property
    def config(self) -> dict[str, str]:
        """Kafka's settings of the topic.

        A topic that is written from outside is stamped by the broker: how far a producer's clock is
        believed (the watermark, the horizon of duplicates) must not be said by that clock.
        """
        outside = self.job is None
        return {
            "cleanup.policy": "delete",
            "message.timestamp.type": "LogAppendTime" if outside else "CreateTime",
            "retention.ms": str(self.retention_days * DAY_MS),
            "max.message.bytes": str(MAX_MESSAGE_BYTES),
        }


TOPICS: tuple[Topic, ...] = (
    Topic("raw.trades", 8, 7, "symbol", TRADE_EVENT, "All trade events as they come"),
    Topic("raw.marketdata", 8, 3, "symbol", MARKET_DATA_TICK, "Real-time quotes"),
    Topic("raw.orderbook", 8, 1, "symbol", ORDER_BOOK, "Order-book snapshots"),
    Topic("processed.trades.new", 4, 7, "order_id", TRADE_EVENT, "New orders", "router"),
    Topic(
        "processed.trades.filled",
        4,
        14,
        "order_id",
        TRADE_EVENT,
        "Full and partial fills",
        "router",
    ),
    Topic("processed.trades.cancelled", 4, 7, "order_id", TRADE_EVENT, "Cancellations", "router"),
    Topic("processed.trades.rejected", 2, 7, "order_id", TRADE_EVENT, "Rejections", "router"),
    Topic(
        "analytics.trade-aggregates",
        4,
        30,
        "symbol",
        TRADE_AGGREGATE,
        "Window results",
        "aggregates",
    ),
    Topic(
        "analytics.orderbook",
        4,
        3,
        "symbol",
        ORDER_BOOK_METRICS,
        "Order-book metrics",
        "orderbook",
    ),
    Topic(
        "enriched.trades",
        4,
        30,
        "order_id",
        ENRICHED_TRADE,
        "Fills with reference data",
        "enrichment",
    ),
    Topic("alerts.price-movement", 2, 7, "symbol", PRICE_ALERT, "Price alerts", "alerts"),
    Topic(
        "dlq.trades.unroutable",
        2,
        30,
        "trade_id",
        None,
        "Valid trades of no known status",
        "router",
    ),
    Topic(
        "dlq.deserialization",
        2,
        30,
        None,
        DEAD_LETTER,
        "What could not be read",
        "landing, enrichment, alerts, orderbook",
    ),
    Topic(
        "dlq.processing-errors",
        2,
        30,
        None,
        DEAD_LETTER,
        "What breaks a rule",
        "landing, enrichment, alerts, orderbook",
    ),
)

#: Where the router sends each status.
ROUTES: dict[str, str] = {
    "NEW": "processed.trades.new",
    "FILLED": "processed.trades.filled",
    "PARTIALLY_FILLED": "processed.trades.filled",
    "CANCELLED": "processed.trades.cancelled",
    "REJECTED": "processed.trades.rejected",
}
UNROUTABLE = "dlq.trades.unroutable"
DESERIALIZATION = "dlq.deserialization"
PROCESSING_ERRORS = "dlq.processing-errors"


def staged_topic(topic: str) -> str:
    """Return the topic whose records a job over files reads instead of `topic`.

    What the router would send on is in the raw trades.

    >>> staged_topic("processed.trades.filled"), staged_topic("raw.orderbook")
    ('raw.trades', 'raw.orderbook')
    """
    return "raw.trades" if topic.startswith("processed.trades.") else topic


def topic_named(name: str) -> Topic:
    """Return the topic of this name.

    Raises
    ------
    UsageError
        When there is none; names the nearest.
    """
    for topic in TOPICS:
        if topic.name == name:
            return topic
    raise UsageError(f"no topic {quoted(name)}", hint=did_you_mean(name, [t.name for t in TOPICS]))
