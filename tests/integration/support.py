"""What the tests of running jobs share: settings of their own, waiting for a condition, reading."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from workbench.broker import topics
from workbench.broker.clients import make_producer, topic_name
from workbench.broker.offsets import Received
from workbench.config import Settings, load_settings
from workbench.ingest.files import symbols_of
from workbench.ingest.generate import choose, generate_day, load_instruments
from workbench.jobs.cluster import Cluster
from workbench.lake import tables
from workbench.lake.catalog import load_catalog
from workbench.stack import Stack, endpoints

#: Keys and values, in their order.
Messages = list[tuple[bytes | None, bytes | None]]


def isolated(stack: Stack, folder: Path, **flink: object) -> Settings:
    """Settings on the shared stack with topics, groups and tables that nobody else uses."""
    name = f"t{uuid.uuid4().hex[:8]}"
    return load_settings(
        folder,
        stack=stack.settings.stack.model_dump(),
        kafka={"topic_prefix": f"{name}."},
        lake={"warehouse": folder / "warehouse"},
        flink={"deployment": name, "checkpoint_interval_ms": 1000, **flink},
    )


def prepared(stack: Stack, folder: Path, **flink: object) -> Settings:
    """The same with all topics and tables in place."""
    settings = isolated(stack, folder, **flink)
    topics.apply(settings)
    tables.apply(settings)
    return settings


def cancel_jobs(settings: Settings) -> None:
    """End whatever still runs of these settings, so that its slots are free again."""
    cluster = Cluster(endpoints(settings, kafka=False).rest_url)
    for job in cluster.jobs():
        if job.runs and job.name.startswith(settings.kafka.topic_prefix):
            cluster.cancel(job.id)


def wait_until(condition: Callable[[], bool], what: str, timeout: float = 90) -> None:
    """Wait for a condition; fail with `what` when it does not come true."""
    until = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < until, f"not within {timeout} s: {what}"
        time.sleep(0.25)


def produce(
    settings: Settings, topic: str, messages: Messages, *, clock_ms: int | None = None
) -> None:
    """Send (key, value) pairs, each after the one before; stamped by a producer with this clock."""
    producer = make_producer(settings)
    for key, value in messages:
        while True:
            try:
                producer.produce(
                    topic_name(settings, topic), value=value, key=key, timestamp=clock_ms or 0
                )
                break
            except BufferError:
                producer.poll(0.1)
    assert producer.flush(60) == 0


def trade_event(number: int, **changes: Any) -> bytes:
    """A valid execution, with some of its fields changed."""
    fields = {
        "trade_id": f"T{number}",
        "order_id": f"O{number}",
        "symbol": "AAPL",
        "side": "BUY",
        "quantity": 1,
        "price": 100,
        "status": "FILLED",
        "timestamp_ms": 1_717_420_000_000 + number,
    }
    return json.dumps({**fields, **changes}).encode()


def market_day(settings: Settings, seed: int, events: int) -> Messages:
    """Keys and values of a generated market day of ten symbols, in their order."""
    symbols = choose(load_instruments(settings.symbols_file), 10)
    values = generate_day(date(2024, 6, 3), seed, symbols, events).values()
    return list(zip(symbols_of(values).to_pylist(), values.to_pylist(), strict=True))


def rows(settings: Settings, table: str) -> pa.Table:
    """All rows of a table now."""
    return load_catalog(settings).load_table(table).scan().to_arrow()


def count(settings: Settings, table: str) -> int:
    """How many rows a table has now, from its newest snapshot."""
    snapshot = load_catalog(settings).load_table(table).current_snapshot()
    return int(snapshot.summary["total-records"]) if snapshot and snapshot.summary else 0


def as_raw(messages: list[Received], topic: str) -> pa.Table:
    """Messages of a topic as the relation `raw` of the definitions."""
    times = [datetime.fromtimestamp(m.timestamp_ms / 1000, UTC) for m in messages]
    return pa.table(
        {
            "source_topic": [topic] * len(messages),
            "source_partition": pa.array([m.partition for m in messages], pa.int32()),
            "source_offset": pa.array([m.offset for m in messages], pa.int64()),
            "source_time": pa.array(times, pa.timestamp("us", "UTC")),
            "value": pa.array([m.value for m in messages], pa.binary()),
        }
    )
