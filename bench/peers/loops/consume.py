"""Consuming alone: every message is fetched and counted, nothing is looked at."""

from __future__ import annotations

import json
import sys

from confluent_kafka import Consumer, Producer


def main() -> None:
    config = json.loads(sys.argv[1])
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
    consumer.subscribe([config["source"]])
    count = 0
    while count < config["total"]:
        count += len(consumer.consume(50_000, timeout=0.1))
    producer = Producer({"bootstrap.servers": config["servers"]})
    producer.produce(config["outputs"][0], json.dumps({"count": count}))
    producer.flush()
    while True:
        consumer.consume(1, timeout=1.0)


if __name__ == "__main__":
    main()
