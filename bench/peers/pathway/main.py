"""Both tasks with pathway: its input is persisted on disk and replayed, changes go into Kafka."""

from __future__ import annotations

import json
import sys

import pathway as pw


class Event(pw.Schema):
    symbol: str
    status: str
    price: float
    quantity: float
    timestamp_ms: int


def main() -> None:
    config = json.loads(sys.argv[1])
    reading = {
        "bootstrap.servers": config["servers"],
        "group.id": config["group"],
        "auto.offset.reset": "earliest",
        "fetch.queue.backoff.ms": "5",
        "queued.min.messages": "1000000",
    }
    writing = {
        "bootstrap.servers": config["servers"],
        "compression.type": "lz4",
        "linger.ms": "5",
        "queue.buffering.max.messages": "1000000",
    }
    if config["task"] == "route":
        raw = pw.io.kafka.read(
            reading, config["source"], format="plaintext", autocommit_duration_ms=500, name="source"
        )
        routes = config["routes"]

        def address(text: str) -> tuple[str, str]:
            event = json.loads(text)
            return routes[event["status"]], event["order_id"]

        parsed = raw.select(
            value=pw.this.data,
            address=pw.apply_with_type(address, tuple[str, str], pw.this.data),
        )
        out = parsed.select(value=pw.this.value, topic=pw.this.address[0], key=pw.this.address[1])
        pw.io.kafka.write(
            out, writing, out.topic, format="plaintext", key=out.key, value=out.value, name="sink"
        )
    else:
        events = pw.io.kafka.read(
            reading,
            config["source"],
            format="json",
            schema=Event,
            autocommit_duration_ms=500,
            name="source",
        )
        executions = events.filter(
            (pw.this.status == "FILLED") | (pw.this.status == "PARTIALLY_FILLED")
        ).select(
            pw.this.symbol,
            pw.this.price,
            pw.this.quantity,
            start=pw.this.timestamp_ms // 60_000 * 60_000,
            value=pw.this.price * pw.this.quantity,
            at=pw.make_tuple(pw.this.timestamp_ms, pw.this.price),
        )
        minutes = executions.groupby(pw.this.symbol, pw.this.start).reduce(
            pw.this.symbol,
            pw.this.start,
            first=pw.reducers.min(pw.this.at),
            last=pw.reducers.max(pw.this.at),
            high=pw.reducers.max(pw.this.price),
            low=pw.reducers.min(pw.this.price),
            volume=pw.reducers.sum(pw.this.quantity),
            value=pw.reducers.sum(pw.this.value),
            count=pw.reducers.count(),
        )
        out = minutes.select(
            pw.this.symbol,
            pw.this.start,
            pw.this.high,
            pw.this.low,
            pw.this.volume,
            pw.this.value,
            pw.this.count,
            open=pw.this.first[1],
            close=pw.this.last[1],
            vwap=pw.this.value / pw.this.volume,
        )
        pw.io.kafka.write(out, writing, config["outputs"][0], format="json", name="sink")
    pw.run(
        monitoring_level=pw.MonitoringLevel.NONE,
        persistence_config=pw.persistence.Config(
            pw.persistence.Backend.filesystem(config["state"]),
            snapshot_interval_ms=5_000,
            # The snapshots of operators, which cost less, need a licence key.
            persistence_mode=pw.PersistenceMode.PERSISTING,
        ),
    )


if __name__ == "__main__":
    main()
