"""Every Iceberg table: columns, partitioning, sort order, properties and the job that owns it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from workbench.contracts.records import (
    BASE,
    DEAD_LETTER,
    ENRICHMENT_FIELDS,
    ORDER_BOOK_METRICS,
    PRICE_ALERT,
    QUOTE,
    TRADE_AGGREGATE,
    TRADE_EVENT,
)
from workbench.contracts.types import Field, Type
from workbench.errors import UsageError, did_you_mean, quoted

#: Format v2, append-only: equality deletes are read wrongly or not at all by half the readers.
PROPERTIES: dict[str, str] = {
    "format-version": "2",
    "write.format.default": "parquet",
    "write.parquet.compression-codec": "zstd",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "50",
    "write.distribution-mode": "none",
    "commit.retry.num-retries": "10",
    # A job with nothing to land commits an empty snapshot after so many checkpoints. Iceberg's 10
    # would be one every 2 s where checkpoints are short.
    "flink.max-continuous-empty-commits": "1000",
}


@dataclass(frozen=True)
class Table:
    """One Iceberg table of the lake.

    Parameters
    ----------
    name
        ``namespace.table``.
    columns
        Its columns, in order.
    partition_by
        The timestamp column whose UTC day partitions the table.
    sort_by
        Columns of the sort order; written by compaction and batch, a hint for streams.
    job
        The job that writes it.
    doc
        What a row is.
    """

    name: str
    columns: tuple[Field, ...]
    partition_by: str
    sort_by: tuple[str, ...]
    job: str
    doc: str

    @property
    def namespace(self) -> str:
        """The part of the name before the dot."""
        return self.name.split(".")[0]

    @property
    def properties(self) -> dict[str, str]:
        """Iceberg's table properties."""
        return {**PROPERTIES, "comment": self.doc, "workbench.job": self.job}


# Where a row came from: enough to find the record again, and to count without doubt.
SOURCE = (
    Field("source_topic", Type.STRING, "Topic (or file) it was read from"),
    Field("source_partition", Type.INT, "Kafka partition; 0 for a file"),
    Field("source_offset", Type.LONG, "Kafka offset; line from 0 for a file"),
    Field("source_time", Type.TIMESTAMP, "Kafka timestamp; time of reading for a file"),
)
EVENT_TIME = Field("event_time", Type.TIMESTAMP, "When the event happened, UTC")


def _in_tables(field: Field) -> Field:
    """A record's field as a column: times are timestamps, not milliseconds."""
    renamed = {
        "timestamp_ms": "event_time",
        "enriched_at_ms": "enriched_at",
        "window_start_ms": "window_start",
        "detected_at_ms": "detected_at",
        "previous_ms": "previous_time",
    }.get(field.name)
    if renamed:
        return replace(field, name=renamed, type=Type.TIMESTAMP, unit=None)
    if field.name in ("window_start", "window_end", "open_time", "close_time", "computed_at"):
        return replace(field, type=Type.TIMESTAMP, unit=None)
    return field


TRADE_COLUMNS = tuple(_in_tables(field) for field in TRADE_EVENT.fields)

TABLES: tuple[Table, ...] = (
    Table(
        "market.trades",
        (*(replace(c, required=True) if c.name == "status" else c for c in TRADE_COLUMNS), *SOURCE),
        "event_time",
        ("symbol", "event_time"),
        "landing",
        "Every valid trade event of a known status, once per message.",
    ),
    Table(
        "market.trade_aggregates",
        tuple(_in_tables(field) for field in TRADE_AGGREGATE.fields),
        "window_start",
        ("symbol", "window_size", "window_start"),
        "aggregates",
        "Partial results of executions per symbol and window; "
        "market.trade_aggregates_current merges them.",
    ),
    Table(
        "market.enriched_trades",
        (
            *(replace(c, required=True) if c.name == "status" else c for c in TRADE_COLUMNS),
            *ENRICHMENT_FIELDS,
            Field("enriched_at", Type.TIMESTAMP, "When it was enriched, by the wall clock"),
            *SOURCE,
        ),
        "event_time",
        ("symbol", "event_time"),
        "enrichment",
        "Every execution with the reference data in force when it was enriched.",
    ),
    Table(
        "ops.dead_letters",
        (
            Field("topic", Type.STRING, "Dead-letter topic the record went to"),
            *(
                replace(f, name="failed_at", type=Type.TIMESTAMP, unit=None)
                if f.name == "timestamp_ms"
                else f
                for f in DEAD_LETTER.fields
            ),
        ),
        "failed_at",
        ("job", "source_topic", "source_partition", "source_offset"),
        "landing, router, enrichment, alerts, orderbook",
        "Every record a job refused, with the reason.",
    ),
    Table(
        "ops.dead_letter_replays",
        (
            Field("run_id", Type.STRING, "Identity of the replay: one transaction in Kafka"),
            Field(
                "state",
                Type.STRING,
                "intended is written before the transaction, sent or failed after it",
                symbols=("intended", "sent", "failed"),
            ),
            Field("source_topic", Type.STRING, "Topic (or file) of the refused record"),
            Field("source_partition", Type.INT, "Its partition"),
            Field("source_offset", Type.LONG, "Its offset (or line, from 0)"),
            Field("job", Type.STRING, "Job that had refused it"),
            Field("failed_at", Type.TIMESTAMP, "When it was refused, as in ops.dead_letters"),
            Field("edited", Type.BOOLEAN, "Whether other bytes were sent than had been refused"),
            Field("to_topic", Type.STRING, "Topic it was sent to"),
            Field("to_partition", Type.INT, "Where it went; null before sent", required=False),
            Field("to_offset", Type.LONG, "Where it went; null before sent", required=False),
            Field("replayed_at", Type.TIMESTAMP, "When this row was written, by the wall clock"),
        ),
        "replayed_at",
        ("source_topic", "source_partition", "source_offset", "job"),
        "workbench dlq replay",
        "What was sent again of ops.dead_letters: an intent before, the outcome after.",
    ),
    Table(
        "ops.late_rows",
        (
            Field("job", Type.STRING, "Job that could not use it any more"),
            Field("symbol", Type.STRING, "Traded instrument"),
            EVENT_TIME,
            Field("watermark", Type.TIMESTAMP, "Watermark when it was read"),
            Field("lateness_ms", Type.LONG, "Watermark less event time", "ms"),
            Field("trade_id", Type.STRING, "Identity of the event"),
            Field("side", Type.STRING, "Side of the aggressor"),
            Field("quantity", Type.DECIMAL, "Quantity", BASE),
            Field("price", Type.DECIMAL, "Price", QUOTE),
            *SOURCE,
        ),
        "event_time",
        ("job", "symbol", "event_time"),
        "aggregates",
        "Executions whose minute was closed and that came more than 30 s later than the watermark: "
        "in no window.",
    ),
    Table(
        "market.price_alerts",
        (*(_in_tables(field) for field in PRICE_ALERT.fields), *SOURCE),
        "detected_at",
        ("symbol", "detected_at"),
        "alerts",
        "Every price alert; the source columns are those of the price that raised it.",
    ),
    Table(
        "market.orderbook_metrics",
        (
            *(
                _in_tables(field)
                for field in ORDER_BOOK_METRICS.fields
                if not field.name.startswith("source_")
            ),
            *SOURCE,
        ),
        "event_time",
        ("symbol", "event_time"),
        "orderbook",
        "Liquidity of every valid order-book snapshot.",
    ),
)


def table_named(name: str) -> Table:
    """Return the table of this name.

    Raises
    ------
    UsageError
        When there is none; names the nearest.
    """
    for table in TABLES:
        if table.name == name:
            return table
    raise UsageError(f"no table {quoted(name)}", hint=did_you_mean(name, [t.name for t in TABLES]))
