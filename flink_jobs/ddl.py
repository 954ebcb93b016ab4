"""Flink DDL, derived from the contracts: sources, sinks and the view that reads records.

One SQL text per job serves stream and batch: only what stands behind the names changes. In a
stream, a source is a Kafka topic and a sink another; in a batch run, a source is a staged file
and a topic's sink is a folder of JSON lines. Iceberg tables are the same in both.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from workbench.contracts import Field, Job, Record, Topic, Type, topic_named
from workbench.contracts.jobs import OUT_OF_ORDERNESS_S
from workbench.contracts.records import DEAD_LETTER, ORIGINAL_VALUE_CHARACTERS
from workbench.contracts.topics import (
    DESERIALIZATION,
    PROCESSING_ERRORS,
    ROUTES,
    UNROUTABLE,
    staged_topic,
)
from workbench.contracts.types import flink_type

#: An execution up to this much later than the watermark still reaches its windows.
ALLOWED_LATENESS_S = 30
#: The largest request of a sink: a message of the largest size and its framing.
MAX_REQUEST_BYTES = 9 * 1024 * 1024

#: What a source fetches of a partition at once where partitions have to keep step: some 2,000
#: records.
FETCH_BYTES = 512 * 1024
#: And where they need not. A source that waits for its next fetch does nothing else.
LARGE_FETCH_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class Waits:
    """How long each step of a record's way waits for more to send at once, in ms."""

    #: A fetch of the source. What is there is sent at once; but while records of one partition
    #: wait to be handed on, a fetch of the others is all there is, and waits this long.
    fetch: int
    #: A network buffer between two tasks that is not full.
    buffer: int
    #: A batch of the sink.
    linger: int
    #: The same of a transaction. Nobody sees a message before its checkpoint, which waits for no
    #: batch to fill: fewer and larger ones cost less.
    linger_exactly_once: int


WAITS = {
    "balanced": Waits(fetch=50, buffer=20, linger=5, linger_exactly_once=100),
    "low": Waits(fetch=5, buffer=1, linger=1, linger_exactly_once=5),
}

FUNCTIONS = {
    "read_record": "workbench.functions.ReadRecord",
    "event_time": "workbench.functions.EventTime",
    "open_close": "workbench.functions.OpenClose",
    "divide_half_up": "workbench.functions.DivideHalfUp",
    "divide_to_hundredths": "workbench.functions.DivideHalfUp$ToHundredths",
    "depth": "workbench.functions.Depth",
    "price_move": "workbench.functions.PriceMove",
    "wall_clock": "workbench.functions.WallClock",
    "symbol_reference": "workbench.functions.SymbolReference",
}


@dataclass(frozen=True)
class Deployment:
    """What a job is run with; plain values, so that it travels as JSON."""

    #: Consumer groups, transactional ids and job names start with it.
    name: str
    topic_prefix: str
    #: Kafka client properties, ``bootstrap.servers`` among them.
    kafka: dict[str, str]
    #: Name and options of the Iceberg catalog.
    catalog: str
    catalog_options: dict[str, str]
    #: URI of the reference data's CSV.
    symbols_uri: str
    #: What is an alert, as the function ``price_move`` is told.
    alert_rules: str = "|2|300000|60000"
    delivery: str = "exactly-once"
    parallelism: int = 1
    checkpoint_interval_ms: int = 30_000
    #: The broker aborts a transaction of an exactly-once sink that is open for longer.
    transaction_timeout_ms: int = 15 * 60 * 1000
    #: ``balanced`` or ``low``: which of `WAITS`.
    latency: str = "balanced"
    idle_timeout_ms: int = 5_000
    #: ``hashmap`` or ``rocksdb``.
    state_backend: str = "hashmap"
    #: State of a key that nothing came for is dropped after this; 0 for never.
    state_ttl_ms: int = 0
    #: A trade id that came within this time before is a duplicate; 0 lets duplicates pass.
    deduplicate_ms: int = 0
    #: Read nothing and never be idle: for a job that only closes its windows.
    closing: bool = False

    @property
    def waits(self) -> Waits:
        return WAITS[self.latency]

    @property
    def source_idle_ms(self) -> int:
        """When a source without records is idle; 0 for never.

        Flink drops the final watermark of a source that is idle.
        """
        return 0 if self.closing else self.idle_timeout_ms


@dataclass(frozen=True)
class Stream:
    """Kafka stands behind the names."""

    deployment: Deployment


@dataclass(frozen=True)
class Batch:
    """Files stand behind the names: `staged` records in, JSON lines under `output` out."""

    deployment: Deployment
    staged: Path
    output: Path


Mode = Stream | Batch


def quoted(text: str) -> str:
    """Return a SQL string literal.

    >>> quoted("it's")
    "'it''s'"
    """
    return "'" + text.replace("'", "''") + "'"


def _with(options: dict[str, str]) -> str:
    lines = ",\n  ".join(f"{quoted(k)} = {quoted(v)}" for k, v in options.items())
    return f"WITH (\n  {lines}\n)"


def _columns(fields: tuple[Field, ...]) -> list[str]:
    return [f"`{field.name}` {flink_type(field.type)}" for field in fields]


def record_spec(record: Record) -> str:
    """Return what ``read_record`` is told about a record: ``name|type|flags|symbols;...``.

    The flags are described in ``functions/ReadRecord.java``.

    Examples
    --------
    >>> from workbench.contracts.records import TRADE_EVENT
    >>> record_spec(TRADE_EVENT).split(";")[3]
    'side|STRING|rn|BUY,SELL'
    """
    kinds = {
        Type.STRING: "STRING",
        Type.DECIMAL: "DECIMAL",
        Type.LONG: "LONG",
        Type.LEVELS: "LEVELS",
    }
    parts = []
    for field in record.fields:
        flags = (
            ("r" if field.required else "")
            + ("p" if field.positive else "")
            + ("t" if field.event_time else "")
            + ("n" if field.normalised else "")
            + field.best[:1]
            + ("f" if field.factor else "")
        )
        parts.append(f"{field.name}|{kinds[field.type]}|{flags}|{','.join(field.symbols)}")
    return ";".join(parts)


def _kafka(mode: Stream) -> dict[str, str]:
    properties = {f"properties.{key}": value for key, value in mode.deployment.kafka.items()}
    return {"connector": "kafka", **properties}


def relation(topic: str) -> str:
    """Return the name that the records of a topic have in the jobs' SQL.

    >>> relation("raw.marketdata")
    'marketdata'
    """
    return topic.rsplit(".", 1)[-1]


def _read(topic: str) -> Record:
    record = topic_named(topic).record
    assert record is not None, f"{topic} has no record"
    return record


def source(mode: Mode, job: Job, topic: str) -> str:
    """Return the DDL of a source: values as bytes, coordinates, the order of arrival.

    A job with windows also gets event time and watermark, which cost a look into every value.
    """
    if isinstance(mode, Stream):
        coordinates = [
            f"source_topic AS CAST({quoted(topic)} AS STRING)",
            "source_partition INT METADATA FROM 'partition' VIRTUAL",
            "source_offset BIGINT METADATA FROM 'offset' VIRTUAL",
            "source_time TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL",
            # A time attribute by which rows are taken as they come.
            "arrival AS PROCTIME()",
        ]
        options = {
            **_kafka(mode),
            "topic": mode.deployment.topic_prefix + topic,
            "properties.group.id": job_name(mode.deployment, job),
            "properties.isolation.level": "read_committed",
            # Where a job without state goes on: after what its group committed, else at the start.
            "scan.startup.mode": "group-offsets",
            "properties.auto.offset.reset": "earliest",
            "scan.topic-partition-discovery.interval": "30 s",
            "properties.fetch.max.wait.ms": str(mode.deployment.waits.fetch),
            # Little at a time of each partition: the client hands on all it fetched of one before
            # it turns to the next, and the clock, or the other topic, would run ahead of those that
            # wait. A larger record is fetched all the same.
            "properties.max.partition.fetch.bytes": str(
                FETCH_BYTES if job.windowed or len(job.sources) > 1 else LARGE_FETCH_BYTES
            ),
            "format": "raw",
        }
        if job.windowed:
            # One clock for all: where several readers have one each, a window may be closed by the
            # others' while a row still looks timely by the clock of its own reader.
            options["scan.parallelism"] = "1"
        if mode.deployment.closing:
            options["properties.interceptor.classes"] = "workbench.functions.NothingMore"
    else:
        coordinates = [
            "source_topic STRING",
            "source_partition INT",
            "source_offset BIGINT",
            "source_time TIMESTAMP_LTZ(3)",
            "arrival BIGINT",
        ]
        options = {
            "connector": "filesystem",
            "path": (mode.staged / staged_topic(topic)).as_uri(),
            "format": "json",
            "json.timestamp-format.standard": "ISO-8601",
        }
    columns = ["`value` BYTES", *coordinates]
    if job.windowed:
        field = quoted(_read(topic).event_time.name)
        columns += [
            f"event_time AS event_time(`value`, source_time, {field})",
            # A clock that is ahead has its own window, but does not close those of others: a record
            # moves the watermark no further than to its arrival.
            "WATERMARK FOR event_time AS LEAST(event_time, source_time)"
            f" - INTERVAL '{OUT_OF_ORDERNESS_S}' SECOND",
        ]
    body = ",\n  ".join(columns)
    return f"CREATE TEMPORARY TABLE source_{relation(topic)} (\n  {body}\n) {_with(options)}"


def records(mode: Mode, job: Job, topic: str) -> list[str]:
    """Return the DDL of the views of a topic's records: each with its fields, or why not.

    The last one is called like the topic's `relation`. With a horizon for duplicates, a trade
    event whose id came before is refused like any other that cannot be used.
    """
    record = _read(topic)
    name = relation(topic)
    names = ", ".join(f"`{field.name}`" for field in record.fields)
    time = "event_time" if job.windowed else f"TO_TIMESTAMP_LTZ({record.event_time.name}, 3)"
    read_here = staged_topic(topic) if isinstance(mode, Batch) else topic
    horizon = mode.deployment.deduplicate_ms if read_here == "raw.trades" else 0
    reading = (
        f"CREATE TEMPORARY VIEW {f'{name}_read' if horizon else name} AS\n"
        "SELECT `value`, source_topic, source_partition, source_offset, source_time, arrival,\n"
        f"  {time} AS event_time,\n"
        f"  {names}, error_type, error_message, original_value\n"
        f"FROM source_{name} CROSS JOIN LATERAL TABLE(\n"
        f"  read_record(`value`, source_time, {quoted(record_spec(record))})\n"
        f") AS r ({names}, error_type, error_message, original_value)"
    )
    if not horizon:
        return [reading]
    following = (
        f"CREATE TEMPORARY VIEW {name}_with_last AS\n"
        "SELECT *, LAG(source_time) OVER (PARTITION BY trade_id ORDER BY arrival) AS last_time\n"
        f"FROM {name}_read"
    )
    # By Kafka's time, not by that of a job: within a partition, all jobs come to the same verdict.
    # What was refused has no trade id to go by.
    repeated = (
        f"error_type IS NULL AND source_time <= last_time + INTERVAL '{horizon // 1000}' SECOND(6)"
    )
    marking = (
        f"CREATE TEMPORARY VIEW {name} AS\n"
        "SELECT `value`, source_topic, source_partition, source_offset, source_time, arrival,\n"
        f"  event_time, {names},\n"
        f"  CASE WHEN {repeated} THEN 'duplicate' ELSE error_type END AS error_type,\n"
        f"  CASE WHEN {repeated}\n"
        "    THEN CONCAT('trade_id: \"', SUBSTRING(trade_id FROM 1 FOR 80),\n"
        f"      '\" came before, not longer than {horizon} ms ago')\n"
        "    ELSE error_message END AS error_message,\n"
        f"  CASE WHEN {repeated}\n"
        "    THEN SUBSTRING(DECODE(`value`, 'UTF-8') FROM 1 FOR "
        f"{ORIGINAL_VALUE_CHARACTERS})\n"
        "    ELSE original_value END AS original_value\n"
        f"FROM {name}_with_last"
    )
    return [reading, following, marking]


def _sink_options(mode: Mode, job: Job, name: str, topics: tuple[Topic, ...]) -> dict[str, str]:
    if isinstance(mode, Batch):
        return {
            "connector": "filesystem",
            "path": (mode.output / name).as_uri(),
            "format": "json",
            "json.encode.decimal-as-plain-number": "true",
        }
    deployment = mode.deployment
    options = {
        **_kafka(mode),
        "topic": ";".join(deployment.topic_prefix + topic.name for topic in topics),
        "sink.delivery-guarantee": deployment.delivery,
        "properties.transaction.timeout.ms": str(deployment.transaction_timeout_ms),
        "properties.max.request.size": str(MAX_REQUEST_BYTES),
        "properties.compression.type": "lz4",
        "properties.linger.ms": str(deployment.waits.linger),
        "properties.batch.size": "131072",
    }
    if deployment.delivery == "exactly-once":
        options["properties.linger.ms"] = str(deployment.waits.linger_exactly_once)
        options["sink.transactional-id-prefix"] = f"{job_name(deployment, job)}-{name}"
        # Each checkpoint has an id of its own, which stays in the broker's memory for a while. Not
        # from a pool: after a crash, a transaction begun under a committed id may stay open and
        # hold up readers until it times out (FLINK-40626, in connectors up to 5.0.0).
        options["sink.transaction-naming-strategy"] = "incrementing"
    return options


def topic_sink(mode: Mode, job: Job, topic: Topic) -> str:
    """Return the DDL of a sink named like its topic, with its record as JSON."""
    assert topic.record is not None, f"{topic.name} has no record"
    options = _sink_options(mode, job, topic.name, (topic,))
    if isinstance(mode, Stream):
        options |= {"value.format": "json", "value.json.encode.decimal-as-plain-number": "true"}
        if topic.key:
            options |= {"key.format": "raw", "key.fields": topic.key}
    body = ",\n  ".join(_columns(topic.record.fields))
    return f"CREATE TEMPORARY TABLE `{topic.name}` (\n  {body}\n) {_with(options)}"


def _topic_column(mode: Mode) -> str:
    # One producer and one transaction write to many topics through this column.
    return "`topic` STRING METADATA" if isinstance(mode, Stream) else "`topic` STRING"


def routed_sink(mode: Mode, job: Job) -> str:
    """Return the DDL of ``routed``: original bytes to the topic and under the key of each row."""
    topics = tuple(topic_named(name) for name in (*dict.fromkeys(ROUTES.values()), UNROUTABLE))
    options = _sink_options(mode, job, "routed", topics)
    if isinstance(mode, Stream):
        options |= {
            "key.format": "raw",
            "key.fields": "key",
            "value.format": "raw",
            "value.fields-include": "EXCEPT_KEY",
        }
    body = ",\n  ".join([_topic_column(mode), "`key` STRING", "`value` BYTES"])
    return f"CREATE TEMPORARY TABLE routed (\n  {body}\n) {_with(options)}"


def dead_letter_sink(mode: Mode, job: Job) -> str:
    """Return the DDL of ``dead_letters``: records to the dead-letter topic of each row."""
    topics = (topic_named(DESERIALIZATION), topic_named(PROCESSING_ERRORS))
    options = _sink_options(mode, job, "dead_letters", topics)
    if isinstance(mode, Stream):
        options |= {"value.format": "json"}
    body = ",\n  ".join([_topic_column(mode), *_columns(DEAD_LETTER.fields)])
    return f"CREATE TEMPORARY TABLE dead_letters (\n  {body}\n) {_with(options)}"


def route_case(deployment: Deployment, column: str) -> str:
    """Return the SQL that gives the topic of a status, null for an unknown one."""
    whens = " ".join(
        f"WHEN {quoted(status)} THEN {quoted(deployment.topic_prefix + topic)}"
        for status, topic in ROUTES.items()
    )
    return f"CASE {column} {whens} END"


def watermark(mode: Mode, column: str) -> str:
    """Return the SQL of the watermark when a row is read; null in batch, which has none."""
    if isinstance(mode, Stream):
        return f"CURRENT_WATERMARK({column})"
    return "CAST(NULL AS TIMESTAMP_LTZ(3))"


def window_time(mode: Mode, column: str) -> str:
    """Return the SQL of the time that windows are over: batch runs take none with a time zone."""
    return column if isinstance(mode, Stream) else f"CAST({column} AS TIMESTAMP(3))"


def job_name(deployment: Deployment, job: Job) -> str:
    """Return the name of a job in Flink, which is also its consumer group in Kafka."""
    return f"{deployment.topic_prefix}{deployment.name}-{job.name}"


def sinks(mode: Mode, job: Job) -> list[str]:
    """Return the DDL of every topic sink of a job."""
    statements = []
    if job.routes:
        statements.append(routed_sink(mode, job))
    else:
        statements += [
            topic_sink(mode, job, topic_named(name))
            for name in job.topics
            if name not in (DESERIALIZATION, PROCESSING_ERRORS)
        ]
        if DESERIALIZATION in job.topics:
            statements.append(dead_letter_sink(mode, job))
    return statements
