"""1-minute OHLCV by hand: batches of messages into DuckDB, changed windows out.

With `durable`, state and offsets lie in one DuckDB file and are committed together, after the
changed windows were sent: a restart goes on from there, and sends some windows once more. Without,
state is in memory and offsets are committed to the group: a kill loses what was counted.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition

BATCH = 100_000
SCHEMA = """
CREATE TABLE IF NOT EXISTS windows (
  symbol VARCHAR, start BIGINT, first STRUCT(t BIGINT, o BIGINT, p DOUBLE), high DOUBLE,
  low DOUBLE, last STRUCT(t BIGINT, o BIGINT, p DOUBLE), volume DOUBLE, "value" DOUBLE,
  "count" BIGINT, PRIMARY KEY (symbol, start));
CREATE TABLE IF NOT EXISTS offsets (part INTEGER PRIMARY KEY, next BIGINT);
"""
CHANGED = """
CREATE OR REPLACE TEMP TABLE changed AS
WITH fields AS (
  SELECT o, from_json(decode(v), '{"symbol": "VARCHAR", "status": "VARCHAR", "price": "DOUBLE",
    "quantity": "DOUBLE", "timestamp_ms": "BIGINT"}') AS e FROM batch
), events AS (
  SELECT o, e.symbol AS symbol, e.price AS price, e.quantity AS quantity, e.timestamp_ms AS t
  FROM fields WHERE e.status IN ('FILLED', 'PARTIALLY_FILLED')
), parts AS (
  SELECT symbol, t // 60000 * 60000 AS start, min({t: t, o: o, p: price}) AS first,
    max(price) AS high, min(price) AS low, max({t: t, o: o, p: price}) AS last,
    sum(quantity) AS volume, sum(price * quantity) AS "value", count(*) AS "count"
  FROM events GROUP BY ALL
)
SELECT n.symbol, n.start, least(n.first, coalesce(w.first, n.first)) AS first,
  greatest(n.high, w.high) AS high, least(n.low, w.low) AS low,
  greatest(n.last, coalesce(w.last, n.last)) AS last,
  n.volume + coalesce(w.volume, 0) AS volume, n."value" + coalesce(w."value", 0) AS "value",
  n."count" + coalesce(w."count", 0) AS "count"
FROM parts n LEFT JOIN windows w USING (symbol, start)
"""
MERGE = "INSERT OR REPLACE INTO windows SELECT * FROM changed"
SEND = """
SELECT symbol, start, to_json({symbol: symbol, start: start, open: first.p, high: high, low: low,
  close: last.p, volume: volume, "value": "value", "count": "count",
  vwap: round("value" / volume, 4)})::VARCHAR
FROM changed
"""


def main() -> None:
    config = json.loads(sys.argv[1])
    durable = config["durable"]
    file = Path(config["state"]) / "state.duckdb"
    con = duckdb.connect(str(file) if durable else ":memory:", config={"threads": 1})
    con.execute(SCHEMA)
    consumer = Consumer(
        {
            "bootstrap.servers": config["servers"],
            "group.id": config["group"],
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "fetch.queue.backoff.ms": 5,
            "queued.min.messages": 1_000_000,
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": config["servers"],
            "enable.idempotence": True,
            "compression.type": "lz4",
            "linger.ms": 5,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    if durable:
        known = dict(con.execute("SELECT part, next FROM offsets").fetchall())
        parts = consumer.list_topics(config["source"], timeout=10).topics[config["source"]]
        consumer.assign(
            [
                TopicPartition(config["source"], part, known.get(part, OFFSET_BEGINNING))
                for part in parts.partitions
            ]
        )
    else:
        consumer.subscribe([config["source"]])
    while True:
        messages = consumer.consume(BATCH, timeout=0.2)
        if not messages:
            continue
        batch = pa.table(
            {
                "o": pa.array([m.offset() for m in messages], pa.int64()),
                "v": pa.array([m.value() for m in messages], pa.binary()),
            }
        )
        con.register("batch", batch)
        con.execute("BEGIN")
        con.execute(CHANGED)
        con.execute(MERGE)
        for symbol, start, value in con.execute(SEND).fetchall():
            producer.produce(config["outputs"][0], value, f"{symbol}/{start}")
        left = producer.flush(60)
        assert left == 0, f"{left} windows were not sent"
        if durable:
            places = [(p.partition, p.offset) for p in consumer.position(consumer.assignment())]
            con.executemany("INSERT OR REPLACE INTO offsets VALUES (?, ?)", places)
        con.execute("COMMIT")
        if not durable:
            consumer.commit(asynchronous=False)


if __name__ == "__main__":
    main()
