"""Both tasks with quixstreams: exactly-once processing, state in RocksDB with changelog topics."""

from __future__ import annotations

import json
import sys

import orjson
from quixstreams import Application
from quixstreams.dataframe.windows import Aggregator, Count, Earliest, Latest, Max, Min, Sum


class Notional(Aggregator):
    """Sum of price times quantity."""

    def initialize(self) -> float:
        return 0.0

    def agg(self, old: float, new: dict, timestamp: int) -> float:
        return old + new["price"] * new["quantity"]

    def result(self, value: float) -> float:
        return value

    def merge(self, a: float, b: float) -> float:
        return a + b


def result(value: dict, key: bytes, timestamp: int, headers: object) -> dict:
    vwap = value["value"] / value["volume"]
    return {"symbol": key.decode(), "vwap": vwap, **value}


def main() -> None:
    config = json.loads(sys.argv[1])
    app = Application(
        broker_address=config["servers"],
        consumer_group=config["group"],
        auto_offset_reset="earliest",
        processing_guarantee="exactly-once",
        commit_interval=5.0,
        state_dir=config["state"],
        consumer_extra_config={"fetch.queue.backoff.ms": 5, "queued.min.messages": 1_000_000},
        producer_extra_config={
            "partitioner": "murmur2_random",
            "compression.type": "lz4",
            "linger.ms": 5,
            "batch.num.messages": 100_000,
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 1_000_000,
        },
        consumer_poll_timeout=0.1,
        loglevel="WARNING",
    )
    if config["task"] == "route":
        source = app.topic(config["source"], value_deserializer="bytes")
        topics = {
            name: app.topic(name, value_serializer="bytes", key_serializer="str")
            for name in config["outputs"]
        }
        routes = {status: topics[name] for status, name in config["routes"].items()}
        frame = app.dataframe(source).apply(lambda value: (value, orjson.loads(value)))
        # A serializer sees the value only: the event goes along until the topic is chosen.
        frame = frame.apply(lambda pair: Routed(pair[0], pair[1]))
        frame.to_topic(
            lambda value, key, timestamp, headers: routes[value.event["status"]],
            key=lambda value: value.event["order_id"],
        )
    else:
        source = app.topic(
            config["source"],
            value_deserializer="json",
            timestamp_extractor=lambda value, headers, timestamp, kind: value["timestamp_ms"],
        )
        output = app.topic(config["outputs"][0], value_serializer="json")
        frame = app.dataframe(source)
        frame = frame[frame["status"].isin(["FILLED", "PARTIALLY_FILLED"])]
        frame = (
            frame.tumbling_window(duration_ms=60_000, grace_ms=5_000)
            .agg(
                open=Earliest("price"),
                close=Latest("price"),
                high=Max("price"),
                low=Min("price"),
                volume=Sum("quantity"),
                value=Notional(),
                count=Count(),
            )
            .final()
        )
        frame = frame.apply(result, metadata=True)
        frame.to_topic(output)
    app.run()


class Routed(bytes):
    """The original bytes, with what was read of them."""

    event: dict

    def __new__(cls, value: bytes, event: dict) -> Routed:
        self = super().__new__(cls, value)
        self.event = event
        return self


if __name__ == "__main__":
    main()
