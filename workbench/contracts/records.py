"""The records of the topics: JSON objects, with an Avro schema derived from the same fields.

What a reader accepts is decided here once, for Flink and DuckDB alike:

* a required field that is absent, null or a blank string is missing;
* a decimal is a JSON number or a string that holds one (exchanges quote decimals to keep them
  exact); it is rounded half-up to 8 decimals;
* a long is a JSON number without fraction or exponent, or a string that holds one;
* a string field takes strings only, an enumeration is matched without regard to case and blanks;
* a side of an order book is a list of levels, each an object with price and quantity above zero,
  from the best price outwards, each price once; a best bid above the best ask is a crossed book;
  an empty side is a side without orders;
* quantity times price of a trade event is below `MAX_NOTIONAL`;
* a name that is repeated makes the record invalid; names that are not listed are ignored here
  and kept where the value is passed on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from workbench.contracts.types import Field, Type
from workbench.errors import UsageError, did_you_mean

NAMESPACE = "workbench.market"
QUOTE = "quote currency"
BASE = "shares or coins"
MILLIS = "ms since 1970, UTC"

#: A record stamped further than this after its arrival in Kafka is of a wrong clock: a dead letter.
MAX_FUTURE_MS = 5 * 60 * 1000
#: Statuses an order event can have, and the topic each goes to (see `topics`).
STATUSES = ("NEW", "FILLED", "PARTIALLY_FILLED", "CANCELLED", "REJECTED")
#: Statuses of executions: the only events that are volume.
EXECUTIONS = ("FILLED", "PARTIALLY_FILLED")
SIDES = ("BUY", "SELL")
#: The reason of a trade event whose id came before, where `flink.deduplicate_s` refuses it.
DUPLICATE = "duplicate"
#: Reasons of records that parse but break a rule; every other reason is one of reading.
RULE_ERRORS = (
    "not-finite",
    "not-positive",
    "out-of-range",
    "unsorted-levels",
    "crossed-book",
    "future-time",
    DUPLICATE,
)
#: A larger value is a dead letter: what jobs write besides a value must fit a topic's limit too.
MAX_VALUE_BYTES = 8_000_000
#: A longer text is a dead letter: it would not fit the buffers that windows are keyed in.
MAX_STRING_CHARACTERS = 1_000
#: A notional (quantity times price) has to be below this: a sum of 38 digits, 16 of them decimals,
#: then has room for a hundred million of the largest. A sum that overflows would stop a job.
MAX_NOTIONAL = 10**14
#: Dead letters keep this many characters of the original value.
ORIGINAL_VALUE_CHARACTERS = 10_000


@dataclass(frozen=True)
class Record:
    """The value of a topic's messages."""

    name: str
    doc: str
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field:
        """Return the field of this name."""
        for field in self.fields:
            if field.name == name:
                return field
        raise UsageError(
            f"record {self.name} has no field {name!r}",
            hint=did_you_mean(name, [f.name for f in self.fields]),
        )

    @property
    def event_time(self) -> Field:
        """The field with the time of the event."""
        return next(field for field in self.fields if field.event_time)


SYMBOL = Field("symbol", Type.STRING, "Traded instrument, as the exchange writes it")
TIMESTAMP_MS = Field("timestamp_ms", Type.LONG, "When the event happened", MILLIS, event_time=True)

TRADE_EVENT = Record(
    "RawTradeEvent",
    "One event in the life of an order; a (partial) fill is an execution.",
    (
        Field("trade_id", Type.STRING, "Identity of the event"),
        Field("order_id", Type.STRING, "Identity of the order the event belongs to"),
        SYMBOL,
        Field("side", Type.STRING, "Side of the aggressor", symbols=SIDES, normalised=True),
        Field("quantity", Type.DECIMAL, "Quantity of this event", BASE, positive=True, factor=True),
        Field("price", Type.DECIMAL, "Price of this event", QUOTE, positive=True, factor=True),
        Field(
            "status",
            Type.STRING,
            "Status of the order: " + ", ".join(STATUSES),
            required=False,
            normalised=True,
        ),
        Field("exchange", Type.STRING, "Where it happened", required=False),
        Field("trader_id", Type.STRING, "Who traded", required=False),
        Field("account_id", Type.STRING, "For which account", required=False),
        TIMESTAMP_MS,
        Field("event_type", Type.STRING, "Kind of the event", required=False),
    ),
)
MARKET_DATA_TICK = Record(
    "MarketDataTick",
    "Best bid and ask of a symbol.",
    (
        SYMBOL,
        Field(
            "price", Type.DECIMAL, "Mid price, or the last price of the feed", QUOTE, positive=True
        ),
        Field("bid_price", Type.DECIMAL, "Best bid", QUOTE, required=False, positive=True),
        Field("bid_quantity", Type.DECIMAL, "Quantity at the best bid", BASE, required=False),
        Field("ask_price", Type.DECIMAL, "Best ask", QUOTE, required=False, positive=True),
        Field("ask_quantity", Type.DECIMAL, "Quantity at the best ask", BASE, required=False),
        Field("exchange", Type.STRING, "Where it was quoted", required=False),
        TIMESTAMP_MS,
    ),
)
ORDER_BOOK = Record(
    "OrderBookSnap",
    "The best levels of an order book, bids from the highest, asks from the lowest price.",
    (
        SYMBOL,
        TIMESTAMP_MS,
        Field("bids", Type.LEVELS, "Bids, best first", positive=True, best="highest"),
        Field("asks", Type.LEVELS, "Asks, best first", positive=True, best="lowest"),
    ),
)
TRADE_AGGREGATE = Record(
    "TradeAggregate",
    "Executions of a symbol in a tumbling event-time window. Rows of one window are partial "
    "results that merge: a late execution is a further row.",
    (
        SYMBOL,
        Field("window_start", Type.LONG, "Start of the window, inclusive", MILLIS),
        Field("window_end", Type.LONG, "End of the window, exclusive", MILLIS),
        Field("window_size", Type.STRING, "Length of the window", symbols=("1m", "5m", "15m")),
        Field("total_volume", Type.VOLUME, "Sum of quantities", BASE),
        Field("total_value", Type.NOTIONAL, "Sum of price times quantity", QUOTE),
        Field("vwap", Type.RESULT, "total_value / total_volume, half-up to 4 decimals", QUOTE),
        Field("trade_count", Type.LONG, "Executions", "executions"),
        Field("buy_count", Type.LONG, "Executions with side BUY", "executions"),
        Field("sell_count", Type.LONG, "Executions with side SELL", "executions"),
        Field(
            "buy_sell_ratio",
            Type.RESULT,
            "buy_count / sell_count, half-up to 4 decimals; null without sells",
            "ratio",
            required=False,
        ),
        Field("high_price", Type.DECIMAL, "Highest price", QUOTE),
        Field("low_price", Type.DECIMAL, "Lowest price", QUOTE),
        Field("open_price", Type.DECIMAL, "Price first by event time, then by arrival", QUOTE),
        Field("close_price", Type.DECIMAL, "Price last by event time, then by arrival", QUOTE),
        Field("open_time", Type.LONG, "Event time of open_price", MILLIS),
        Field("open_offset", Type.LONG, "Kafka offset (or line) of open_price", "offset"),
        Field("close_time", Type.LONG, "Event time of close_price", MILLIS),
        Field("close_offset", Type.LONG, "Kafka offset (or line) of close_price", "offset"),
        Field("late", Type.BOOLEAN, "Whether this is the partial result of a late execution"),
        Field("computed_at", Type.LONG, "When it was computed, by the wall clock", MILLIS),
    ),
)
ENRICHMENT_FIELDS = (
    Field("company_name", Type.STRING, "Company or asset; UNKNOWN without reference data"),
    Field("sector", Type.STRING, "GICS sector, or Crypto; UNKNOWN without reference data"),
    Field("industry", Type.STRING, "GICS sub-industry; UNKNOWN without reference data"),
    Field("market_cap_tier", Type.STRING, "MEGA, LARGE, MID or SMALL (illustrative); or UNKNOWN"),
    Field("listed_exchange", Type.STRING, "Where it is listed (illustrative); or UNKNOWN"),
)
ENRICHED_TRADE = Record(
    "EnrichedTrade",
    "An execution with the reference data in force when it was enriched.",
    (
        *TRADE_EVENT.fields,
        *ENRICHMENT_FIELDS,
        Field("enriched_at_ms", Type.LONG, "When it was enriched, by the wall clock", MILLIS),
    ),
)
SEVERITIES = ("LOW", "MEDIUM", "HIGH", "CRITICAL")
PRICE_ALERT = Record(
    "PriceAlert",
    "A price that moved away from its symbol's baseline by the threshold or more.",
    (
        Field(
            "alert_id",
            Type.STRING,
            "The same for the same alert after a replay: a hash of symbol, both prices and both "
            "times",
        ),
        Field("alert_type", Type.STRING, "Kind of the alert", symbols=("PRICE_MOVEMENT",)),
        SYMBOL,
        Field("direction", Type.STRING, "Where the price went", symbols=("UP", "DOWN")),
        Field("baseline_price", Type.DECIMAL, "Price it is compared with", QUOTE),
        Field("current_price", Type.DECIMAL, "Price that raised the alert", QUOTE),
        Field(
            "pct_change",
            Type.PERCENT,
            "Size of the move, without a sign, half-up to 2 decimals",
            "% of the baseline",
        ),
        Field("window_start_ms", Type.LONG, "Event time of the baseline", MILLIS),
        Field("detected_at_ms", Type.LONG, "Event time of the price that raised it", MILLIS),
        Field(
            "severity",
            Type.STRING,
            "By the unrounded move: MEDIUM from 2 %, HIGH from 5 %, CRITICAL from 10 %",
            symbols=SEVERITIES,
        ),
    ),
)
#: A snapshot of an order book whose time is further away than this is none to compare with.
PREVIOUS_BOOK_MS = 5 * 60 * 1000
#: Levels of a side that depth and imbalance are given for.
DEPTH_LEVELS = (5, 10, 20)
_EMPTY = "null where a side is empty"


def _depth(levels: int) -> tuple[Field, ...]:
    first = f"the first {levels} levels"
    return (
        Field(
            f"bid_depth_{levels}",
            Type.VOLUME,
            f"Quantity bid on {first}; null without bids",
            BASE,
            required=False,
        ),
        Field(
            f"ask_depth_{levels}",
            Type.VOLUME,
            f"Quantity asked on {first}; null without asks",
            BASE,
            required=False,
        ),
        Field(
            f"imbalance_{levels}",
            Type.RESULT,
            f"(bid_depth - ask_depth) / (bid_depth + ask_depth) on {first}, half-up to 4 "
            f"decimals; {_EMPTY}",
            "ratio from -1 to 1",
            required=False,
        ),
    )


ORDER_BOOK_METRICS = Record(
    "OrderBookMetrics",
    "Liquidity of one order-book snapshot, and what changed against the symbol's snapshot before. "
    "An empty side gives nulls, not zeros.",
    (
        SYMBOL,
        TIMESTAMP_MS,
        Field("best_bid", Type.DECIMAL, "Highest bid; null without bids", QUOTE, required=False),
        Field("best_ask", Type.DECIMAL, "Lowest ask; null without asks", QUOTE, required=False),
        Field(
            "mid_price",
            Type.RESULT,
            f"(best_bid + best_ask) / 2, half-up to 4 decimals; {_EMPTY}",
            QUOTE,
            required=False,
        ),
        Field(
            "spread",
            Type.RESULT,
            f"best_ask - best_bid, half-up to 4 decimals; {_EMPTY}",
            QUOTE,
            required=False,
        ),
        Field(
            "spread_bps",
            Type.PERCENT,
            f"Spread / mid price * 10,000, both unrounded, half-up to 2 decimals; {_EMPTY}",
            "basis points",
            required=False,
        ),
        *(field for levels in DEPTH_LEVELS for field in _depth(levels)),
        Field(
            "mid_change",
            Type.RESULT,
            "Mid price less the mid price before, both unrounded, half-up to 4 decimals; null "
            "where either book has an empty side, or there is none before within 5 minutes",
            QUOTE,
            required=False,
        ),
        Field(
            "order_flow_imbalance",
            Type.VOLUME,
            "Order-flow imbalance at the best level (Cont, Kukanov and Stoikov 2014): quantity "
            "that came to the best bid or left the best ask, less what left the bid or came to "
            "the ask; null as mid_change",
            BASE,
            required=False,
        ),
        Field(
            "previous_ms",
            Type.LONG,
            "Time of the snapshot before; null where there is none within 5 minutes",
            MILLIS,
            required=False,
        ),
        Field("source_partition", Type.INT, "Partition the snapshot was read from"),
        Field("source_offset", Type.LONG, "Its offset: with the partition, its identity"),
    ),
)
DEAD_LETTER = Record(
    "DeadLetter",
    "A record that no job could use, with the reason.",
    (
        Field(
            "original_value",
            Type.STRING,
            f"First {ORIGINAL_VALUE_CHARACTERS:,} characters; bytes that are not UTF-8 show as "
            "U+FFFD; null for a tombstone",
            required=False,
        ),
        Field("error_type", Type.STRING, "One of the reasons in docs/guide.md"),
        Field("error_message", Type.STRING, "The field, its value and what was expected"),
        Field("source_topic", Type.STRING, "Topic (or file) it was read from"),
        Field("source_partition", Type.INT, "Its partition"),
        Field("source_offset", Type.LONG, "Its offset (or line, from 0)"),
        Field("job", Type.STRING, "Job that refused it"),
        Field("timestamp_ms", Type.LONG, "When it was refused, by the wall clock", MILLIS),
    ),
)

RECORDS: tuple[Record, ...] = (
    TRADE_EVENT,
    MARKET_DATA_TICK,
    ORDER_BOOK,
    TRADE_AGGREGATE,
    ENRICHED_TRADE,
    PRICE_ALERT,
    ORDER_BOOK_METRICS,
    DEAD_LETTER,
)


def record_named(name: str) -> Record:
    """Return the record of this name.

    Raises
    ------
    UsageError
        When there is none; names the nearest.
    """
    for record in RECORDS:
        if record.name == name:
            return record
    raise UsageError(
        f"no record {name!r}", hint=did_you_mean(name, [record.name for record in RECORDS])
    )


_AVRO: dict[Type, Any] = {
    Type.STRING: "string",
    Type.BYTES: "bytes",
    Type.BOOLEAN: "boolean",
    Type.INT: "int",
    Type.LONG: "long",
    Type.DECIMAL: {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 8},
    Type.VOLUME: {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 8},
    Type.NOTIONAL: {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 16},
    Type.RESULT: {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 4},
    Type.PERCENT: {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2},
    Type.TIMESTAMP: {"type": "long", "logicalType": "timestamp-micros"},
    Type.DATE: {"type": "int", "logicalType": "date"},
}


def avro_schema(record: Record) -> dict[str, Any]:
    """Return the Avro schema of a record, as a plain dictionary.

    Examples
    --------
    >>> avro_schema(TRADE_EVENT)["fields"][0]["name"]
    'trade_id'
    """
    decimal = _AVRO[Type.DECIMAL]

    def kind(field: Field) -> Any:
        if field.type is Type.LEVELS:
            level = {
                "type": "record",
                "name": f"{field.name.capitalize()}Level",
                "fields": [
                    {"name": "price", "type": decimal},
                    {"name": "quantity", "type": decimal},
                ],
            }
            plain: Any = {"type": "array", "items": level}
        else:
            plain = _AVRO[field.type]
        return plain if field.required else ["null", plain]

    fields = []
    for field in record.fields:
        unit = f" [{field.unit}]" if field.unit else ""
        entry = {"name": field.name, "type": kind(field), "doc": field.doc + unit}
        if not field.required:
            entry["default"] = None
        fields.append(entry)
    return {
        "type": "record",
        "name": record.name,
        "namespace": NAMESPACE,
        "doc": record.doc,
        "fields": fields,
    }
