"""Both tasks with bytewax: recovery snapshots on disk, at least once into Kafka."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path

import bytewax.operators as op
import orjson
from bytewax._bytewax import cli_main
from bytewax.connectors.kafka import KafkaSink, KafkaSinkMessage, KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic
from bytewax.recovery import RecoveryConfig, init_db_dir

EXECUTIONS = {"FILLED", "PARTIALLY_FILLED"}
GRACE_MS = 5_000


class Minutes(StatefulBatchLogic):
    """The open minutes of one symbol: t, first, high, low, t, last, volume, value, count."""

    def __init__(self, state: tuple | None) -> None:
        self.newest, self.minutes = (0, {}) if state is None else (state[0], dict(state[1]))

    def on_batch(self, values: list) -> tuple[list, bool]:
        minutes, newest = self.minutes, self.newest
        for t, price, quantity in values:
            start = t - t % 60_000
            m = minutes.get(start)
            if m is None:
                minutes[start] = (t, price, price, price, t, price, quantity, price * quantity, 1)
            else:
                minutes[start] = (
                    t if t < m[0] else m[0],
                    price if t < m[0] else m[1],
                    price if price > m[2] else m[2],
                    price if price < m[3] else m[3],
                    t if t >= m[4] else m[4],
                    price if t >= m[4] else m[5],
                    m[6] + quantity,
                    m[7] + price * quantity,
                    m[8] + 1,
                )
            newest = max(newest, t)
        self.newest = newest
        closed = [s for s in minutes if s + 60_000 + GRACE_MS <= newest]
        return [(start, minutes.pop(start)) for start in closed], False

    def snapshot(self) -> tuple:
        # Tuples are never changed: a copy of the outer dictionary is enough.
        return self.newest, dict(self.minutes)


def executions(messages: list) -> list:
    found = []
    for message in messages:
        event = orjson.loads(message.value)
        if event["status"] in EXECUTIONS:
            values = (event["timestamp_ms"], event["price"], event["quantity"])
            found.append((event["symbol"], values))
    return found


def result(item: tuple) -> KafkaSinkMessage:
    symbol, (start, m) = item
    row = {
        "symbol": symbol,
        "start": start,
        "open": m[1],
        "high": m[2],
        "low": m[3],
        "close": m[5],
        "volume": m[6],
        "value": m[7],
        "count": m[8],
        "vwap": round(m[7] / m[6], 4),
    }
    return KafkaSinkMessage(symbol.encode(), orjson.dumps(row))


def routed(routes: dict[str, str], messages: list) -> list:
    found = []
    for message in messages:
        event = orjson.loads(message.value)
        key = event["order_id"].encode()
        found.append(KafkaSinkMessage(key, message.value, topic=routes[event["status"]]))
    return found


def main() -> None:
    config = json.loads(sys.argv[1])
    flow = Dataflow("bench")
    source = KafkaSource(
        [config["servers"]],
        [config["source"]],
        tail=True,
        add_config={"fetch.queue.backoff.ms": "5", "queued.min.messages": "1000000"},
        batch_size=10_000,
    )
    sink_config = {
        "partitioner": "murmur2_random",
        "compression.type": "lz4",
        "linger.ms": "5",
        "queue.buffering.max.messages": "1000000",
    }
    messages = op.input("source", flow, source)
    if config["task"] == "route":
        routes = config["routes"]
        out = op.flat_map_batch("route", messages, lambda batch: routed(routes, batch))
        sink = KafkaSink([config["servers"]], None, add_config=sink_config)
    else:
        keyed = op.flat_map_batch("read", messages, executions)
        closed = op.stateful_batch("minutes", keyed, Minutes)
        out = op.map("result", closed, result)
        sink = KafkaSink([config["servers"]], config["outputs"][0], add_config=sink_config)
    op.output("sink", out, sink)
    folder = Path(config["state"])
    if not list(folder.glob("part-*")):
        init_db_dir(folder, 1)
    cli_main(
        flow,
        workers_per_process=1,
        epoch_interval=timedelta(seconds=5),
        recovery_config=RecoveryConfig(str(folder)),
    )


if __name__ == "__main__":
    main()
