"""Flink SQL that is no job of the workbench: what the same Flink does with less to do.

`PassThrough` reads and writes the same bytes without a look at them; `PlainMinutes` is the SQL
that anybody would write first: built-in JSON, one window, no dead letters, no late rows.
`OwnMinutes` is the first window of `aggregates` and nothing of the rest: what other engines are
asked for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import psutil

from bench.answers import (
    Expected,
    check_minutes,
    check_passed,
    last_of_each,
    minutes_lost_and_doubled,
)
from bench.lab import SOURCE, Lab
from bench.outputs import Message, make_topics
from bench.records import CLOSE_MS, Shape
from workbench.jobs import Cluster
from workbench.jobs.deployment import deployment
from workbench.stack import client_environment

PROGRAM = Path(__file__).parent / "peers" / "flink" / "sql.py"


class SqlJob:
    """A statement set as an engine; see `bench.engine.Engine`."""

    transactional = True
    name = "Flink SQL"
    task = ""
    durability = "exactly-once, checkpoints on disk"

    def __init__(self, lab: Lab, shape: Shape, *, checkpoint_ms: int = 5_000) -> None:
        self.lab, self.shape = lab, shape
        self.run = f"{type(self).__name__.lower()}-{lab.stamp()}"
        self.output = f"{self.run}.out"
        self.expected_answers = Expected(lab.folder / "expected", shape)
        self._checkpoint_ms = checkpoint_ms
        self._job_id = ""

    def statements(self) -> tuple[list[str], list[str]]:
        """Return definitions and inserts."""
        raise NotImplementedError

    def expected(self) -> int:
        raise NotImplementedError

    def is_result(self, message: Message) -> bool:
        return True

    def wrong(self, messages: list[Message]) -> str | None:
        raise NotImplementedError

    def own(self) -> dict[str, Any]:
        """Return the job of the workbench whose source and views it uses, and its deployment."""
        return {}

    def source_options(self) -> str:
        """Return the options of the source, those of the workbench's jobs without windows."""
        return f"""
            'connector' = 'kafka',
            'properties.bootstrap.servers' = '{self.lab.bootstrap_servers}',
            'topic' = '{self.shape.name}.{SOURCE}',
            'properties.group.id' = '{self.run}',
            'properties.isolation.level' = 'read_committed',
            'scan.startup.mode' = 'earliest-offset',
            'properties.fetch.max.wait.ms' = '50',
            'properties.max.partition.fetch.bytes' = '4194304'"""

    def sink_options(self) -> str:
        """Return the options of the sink, those of the workbench's own."""
        return f"""
            'connector' = 'kafka',
            'properties.bootstrap.servers' = '{self.lab.bootstrap_servers}',
            'topic' = '{self.output}',
            'sink.delivery-guarantee' = 'exactly-once',
            'sink.transactional-id-prefix' = '{self.run}',
            'properties.transaction.timeout.ms' = '600000',
            'properties.max.request.size' = '9437184',
            'properties.compression.type' = 'lz4',
            'properties.linger.ms' = '100',
            'properties.batch.size' = '131072'"""

    def topics(self) -> list[str]:
        """Return the full names of its output topics."""
        return [self.output]

    def outputs(self) -> list[str]:
        make_topics(self.lab.bootstrap_servers, self.topics())
        return self.topics()

    def start(self) -> None:
        address = urlparse(self.lab.rest_url)
        definitions, inserts = self.statements()
        request = {
            "configuration": {
                "pipeline.name": self.run,
                "parallelism.default": "1",
                "pipeline.object-reuse": "true",
                "table.local-time-zone": "UTC",
                "execution.target": "remote",
                "execution.attached": "false",
                "rest.address": str(address.hostname),
                "rest.port": str(address.port),
                "execution.checkpointing.interval": f"{self._checkpoint_ms} ms",
                "execution.checkpointing.mode": "EXACTLY_ONCE",
                "execution.buffer-timeout.interval": "20 ms",
                "table.exec.source.idle-timeout": "5000 ms",
            },
            "own": self.own(),
            "definitions": definitions,
            "inserts": inserts,
        }
        done = subprocess.run(
            [sys.executable, PROGRAM],
            input=json.dumps(request),
            env={**os.environ, **client_environment(self.lab.stack.settings)},
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{self.name} was refused: {done.stderr[-2000:]}")
        self._job_id = done.stdout.strip()
        cluster = Cluster(self.lab.rest_url)
        while (state := cluster.state(self._job_id)) != "RUNNING":
            if state in ("FAILED", "FAILING", "CANCELED"):
                raise RuntimeError(f"{self.name} is {state}: {cluster.problem(self._job_id)}")
            time.sleep(0.1)

    def processes(self) -> list[psutil.Process]:
        return [psutil.Process(self.lab.pid_of(part)) for part in ("taskmanager", "jobmanager")]

    def commit(self) -> None:
        Cluster(self.lab.rest_url).checkpoint(self._job_id)

    def check_alive(self) -> None:
        problem = Cluster(self.lab.rest_url).problem(self._job_id)
        if problem:
            raise RuntimeError(f"{self.name}: {problem}")

    def end(self) -> None:
        if not self._job_id:
            return
        cluster = Cluster(self.lab.rest_url)
        cluster.cancel(self._job_id)
        while any(job.runs for job in cluster.jobs() if job.id == self._job_id):
            time.sleep(0.1)


class PassThrough(SqlJob):
    """Key and value go on as they came."""

    name = "Flink pass-through"
    task = "router"

    def statements(self) -> tuple[list[str], list[str]]:
        columns = "(`key` BYTES, `value` BYTES)"
        formats = (
            ", 'key.format' = 'raw', 'key.fields' = 'key', 'value.format' = 'raw', "
            "'value.fields-include' = 'EXCEPT_KEY'"
        )
        return [
            f"CREATE TEMPORARY TABLE source {columns} WITH ({self.source_options()}{formats})",
            f"CREATE TEMPORARY TABLE sink {columns} WITH ({self.sink_options()}{formats})",
        ], ["INSERT INTO sink SELECT * FROM source"]

    def expected(self) -> int:
        return self.shape.total

    def wrong(self, messages: list[Message]) -> str | None:
        return check_passed(messages, self.expected_answers.passed())


class Minutes(SqlJob):
    """Open, high, low, close, volume and value of executions by symbol and minute, into Kafka."""

    task = "minutes"
    #: Whether open and close are the first and the last to arrive.
    by_arrival = False

    def sink(self) -> str:
        """Return the DDL of the topic that the minutes go to."""
        return f"""CREATE TEMPORARY TABLE sink (
            symbol STRING, `start` BIGINT, `open` DECIMAL(18, 8), high DECIMAL(18, 8),
            low DECIMAL(18, 8), `close` DECIMAL(18, 8), volume DECIMAL(38, 8),
            `value` DECIMAL(38, 16), `count` BIGINT, vwap DECIMAL(18, 4)
        ) WITH ({self.sink_options()}, 'format' = 'json')"""

    def expected(self) -> int:
        return len(self.expected_answers.minutes())

    def is_result(self, message: Message) -> bool:
        return bool(json.loads(message[2] or b"{}")["start"] < CLOSE_MS)

    def wrong(self, messages: list[Message]) -> str | None:
        found, expected = last_of_each(messages), self.expected_answers.minutes()
        return check_minutes(found, expected, by_arrival=self.by_arrival)

    def crash(self) -> None:
        """End the TaskManager as a crash does, and start another."""
        self.lab.restart_taskmanager()

    def lost_and_doubled(self, messages: list[Message]) -> tuple[int, int]:
        """Return how many results are missing or wrong, and how many messages are too many."""
        return minutes_lost_and_doubled(messages, self.expected_answers.minutes())


class PlainMinutes(Minutes):
    """1-minute OHLCV with the built-in JSON format; open and close follow arrival."""

    name = "Flink SQL, built-in JSON, open and close by arrival"
    by_arrival = True

    def statements(self) -> tuple[list[str], list[str]]:
        source = f"""CREATE TEMPORARY TABLE source (
            symbol STRING, status STRING, price DECIMAL(18, 8), quantity DECIMAL(18, 8),
            timestamp_ms BIGINT,
            event_time AS TO_TIMESTAMP_LTZ(timestamp_ms, 3),
            WATERMARK FOR event_time AS event_time - INTERVAL '5' SECOND
        ) WITH ({self.source_options()}, 'format' = 'json', 'json.ignore-parse-errors' = 'true')"""
        insert = """INSERT INTO sink
            SELECT symbol,
              CAST(TIMESTAMPDIFF(MINUTE, TIMESTAMP '1970-01-01 00:00:00', window_start) AS BIGINT)
                * 60000,
              FIRST_VALUE(price), MAX(price), MIN(price), LAST_VALUE(price),
              SUM(quantity), SUM(price * quantity), COUNT(*),
              CAST(SUM(price * quantity) / SUM(quantity) AS DECIMAL(18, 4))
            FROM TABLE(TUMBLE(TABLE source, DESCRIPTOR(event_time), INTERVAL '1' MINUTE))
            WHERE status IN ('FILLED', 'PARTIALLY_FILLED')
            GROUP BY symbol, window_start, window_end"""
        return [source, self.sink()], [insert]


class OwnMinutes(Minutes):
    """The minutes of `aggregates`, with its reader, its exact sums, its open and close.

    Nothing of the rest: no other window, no late rows, no table.
    """

    name = "workbench"

    def statements(self) -> tuple[list[str], list[str]]:
        insert = """INSERT INTO sink
            SELECT symbol,
              CAST(TIMESTAMPDIFF(MINUTE, TIMESTAMP '1970-01-01 00:00:00', minute_start) AS BIGINT)
                * 60000,
              oc.open_price, high_price, low_price, oc.close_price,
              total_volume, total_value, trade_count,
              divide_half_up(total_value, total_volume)
            FROM minutes"""
        return [self.sink()], [insert]

    def own(self) -> dict[str, Any]:
        settings = self.lab.settings(self.shape, self.run)
        return {"job": "aggregates", "deployment": deployment(settings, "aggregates")}
