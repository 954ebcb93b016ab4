"""Routing by status, by hand: one Kafka transaction per batch, offsets inside it."""

from __future__ import annotations

import json
import sys

import orjson
from confluent_kafka import Consumer, Producer

BATCH = 50_000


def main() -> None:
    config = json.loads(sys.argv[1])
    routes = config["routes"]
    consumer = Consumer(
        {
            "bootstrap.servers": config["servers"],
            "group.id": config["group"],
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "fetch.queue.backoff.ms": 5,
            "queued.min.messages": 1_000_000,
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": config["servers"],
            "transactional.id": config["group"],
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            "linger.ms": 5,
            "batch.num.messages": 100_000,
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    producer.init_transactions()
    consumer.subscribe([config["source"]])
    while True:
        messages = consumer.consume(BATCH, timeout=0.2)
        if not messages:
            continue
        producer.begin_transaction()
        for message in messages:
            value = message.value()
            event = orjson.loads(value)
            producer.produce(routes[event["status"]], value, event["order_id"])
        producer.send_offsets_to_transaction(
            consumer.position(consumer.assignment()), consumer.consumer_group_metadata()
        )
        producer.commit_transaction()


if __name__ == "__main__":
    main()
