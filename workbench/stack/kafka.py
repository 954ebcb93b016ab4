"""The embedded broker: one Kafka node that is broker and controller (KRaft), on loopback."""

from __future__ import annotations

import os
import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.config import MOST_TRANSACTION_S, JobSettings, Settings
from workbench.contracts import JOBS
from workbench.errors import StackError
from workbench.stack.files import MAKE_ROOM, Layout, disk_errors, is_full, write_atomic
from workbench.stack.flink_home import LOG4J, UTC
from workbench.stack.java import Java
from workbench.stack.ports import HOST
from workbench.stack.processes import markers

PART = "kafka"
#: The biggest record a topic takes. Contracts promise 5 MB values a fate: room for their headers.
MESSAGE_MAX_BYTES = 16 * 1024 * 1024

_HOUR_MS, _WEEK_MS = 3_600_000, 7 * 24 * 3_600_000
#: Topic sinks of a job, at most.
_SINKS = 2
#: Transactional ids for each MiB of heap: a quarter of it, at some 0.6 KiB each.
_IDS_PER_MB = 400


def ids_kept_ms(settings: Settings) -> int:
    """Return how long the embedded broker remembers a transactional id that nobody uses, in ms.

    A job that was stopped or cut off cannot go on from its state when the broker has forgotten the
    ids of its last checkpoint: they are kept for a week, or as long as the heap has room for.

    Examples
    --------
    >>> from workbench.config import Settings
    >>> every = [{"checkpoint_interval_ms": interval} for interval in (30_000, 5_000, 100)]
    >>> [round(ids_kept_ms(Settings(flink=flink)) / 3_600_000) for flink in every]
    [142, 24, 1]
    """
    ids_per_ms = 0.0
    for job in JOBS:
        own = settings.flink.jobs.get(job.name, JobSettings())
        if (own.delivery or settings.flink.delivery) == "exactly-once":
            slots = own.parallelism or settings.flink.parallelism
            interval = own.checkpoint_interval_ms or settings.flink.checkpoint_interval_ms
            ids_per_ms += _SINKS * slots / interval
    room = _IDS_PER_MB * settings.stack.kafka_heap_mb
    return max(_HOUR_MS, min(_WEEK_MS, int(room / max(ids_per_ms, 1e-9))))


def _properties(settings: Settings, layout: Layout, ports: dict[str, int]) -> dict[str, object]:
    own = f"PLAINTEXT://{HOST}:{ports['kafka']}"
    listeners = [own, f"CONTROLLER://{HOST}:{ports['kafka_controller']}"]
    advertised, among_brokers = own, "PLAINTEXT"
    if settings.stack.kafka_advertised_port:
        # What stands between is for clients: the broker reaches itself without it.
        internal = f"INTERNAL://{HOST}:{ports['kafka_internal']}"
        listeners.append(internal)
        for_clients = f"PLAINTEXT://{HOST}:{settings.stack.kafka_advertised_port}"
        advertised, among_brokers = f"{for_clients},{internal}", "INTERNAL"
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        # A static quorum: the port is not written into the data and may change.
        "controller.quorum.voters": f"1@{HOST}:{ports['kafka_controller']}",
        "listeners": ",".join(listeners),
        "advertised.listeners": advertised,
        "listener.security.protocol.map": (
            "PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT"
        ),
        "inter.broker.listener.name": among_brokers,
        "controller.listener.names": "CONTROLLER",
        "log.dirs": layout.kafka / "data",
        # A topic is made by `workbench topics apply`, never by a typing error.
        "auto.create.topics.enable": "false",
        "default.replication.factor": 1,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # Few internal partitions: each costs files and start-up time, one user needs no more.
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.num.partitions": 1,
        # What the settings allow; a job says how long its own may stay open.
        "transaction.max.timeout.ms": MOST_TRANSACTION_S * 1000,
        # A sink has a transactional id, and a producer id, for each checkpoint. The defaults (a
        # week, a day) fill the heap where checkpoints are short. A job that comes back needs its
        # last transactional ids; a producer id is needed while its transaction is open, only.
        "transactional.id.expiration.ms": ids_kept_ms(settings),
        "producer.id.expiration.ms": _HOUR_MS,
        # The first consumer of a group need not wait for others.
        "group.initial.rebalance.delay.ms": 0,
        "message.max.bytes": MESSAGE_MAX_BYTES,
        "replica.fetch.max.bytes": MESSAGE_MAX_BYTES,
        "replica.fetch.response.max.bytes": 4 * MESSAGE_MAX_BYTES,
        "log.segment.bytes": 128 * 1024 * 1024,
        # The cleaner takes its buffer from the heap: 128 MiB by default.
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        "num.network.threads": 2,
        "num.io.threads": 4,
    }


def _escape(value: object) -> str:
    return str(value).replace("\\", "\\\\")


def _write_conf(settings: Settings, layout: Layout, ports: dict[str, int]) -> Path:
    target = layout.kafka / "server.properties"
    lines = [f"{k}={_escape(v)}\n" for k, v in _properties(settings, layout, ports).items()]
    write_atomic(target, "".join(lines))
    write_atomic(layout.kafka / "log4j2.properties", LOG4J.format(level="INFO"))
    return target


def environment(jars: list[Path]) -> dict[str, str]:
    """Return the variables of the broker; the class path is not an argument, to keep `ps` short."""
    return {**os.environ, "CLASSPATH": os.pathsep.join(map(str, jars))}


def cluster_id(source: Callable[[], uuid.UUID]) -> str:
    """Return an id as Kafka writes them, from the first UUID that no tool takes for an option.

    >>> ids = iter([uuid.UUID(int=0xF8 << 120), uuid.UUID(int=1)])
    >>> cluster_id(lambda: next(ids))
    'AAAAAAAAAAAAAAAAAAAAAQ'
    """
    while True:
        text = urlsafe_b64encode(source().bytes).rstrip(b"=").decode()
        if not text.startswith("-"):
            return text


def prepare(
    settings: Settings,
    layout: Layout,
    ports: dict[str, int],
    java: Java,
    jars: list[Path],
) -> list[str]:
    """Write the configuration, format the storage at the first time; return the broker's command.

    Raises
    ------
    StackError
        Where the storage cannot be formatted; with the tool's own last line.
    """
    conf = _write_conf(settings, layout, ports)
    if not (layout.kafka / "data" / "meta.properties").is_file():
        cluster = cluster_id(uuid.uuid4)
        with disk_errors(layout.kafka):
            done = subprocess.run(
                [
                    java.executable,
                    *("-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
                    *markers(layout, "kafka-format"),
                    *(f"-Dlog4j2.configurationFile={(layout.kafka / 'log4j2.properties')}",),
                    f"-Dlog.file={layout.logs / 'kafka-format.log'}",
                    "kafka.tools.StorageTool",
                    *("format", "--ignore-formatted", "-t", cluster, "-c", str(conf)),
                ],
                check=False,
                env=environment(jars),
                capture_output=True,
                text=True,
                timeout=120,
            )
        if done.returncode != 0:
            said = (done.stderr + done.stdout).strip().splitlines() or ["no output"]
            if is_full(layout.folder, said):
                raise StackError(
                    f"the broker has no storage: the disk of {layout.folder} is full",
                    hint=MAKE_ROOM,
                )
            raise StackError(
                f"the broker's storage could not be formatted: {said[-1].strip()}",
                hint="`workbench stack down --purge` removes what is left of it",
            )
    heap = settings.stack.kafka_heap_mb
    return [
        java.executable,
        *(
            f"-Xms{min(heap, 256)}m",
            f"-Xmx{heap}m",
            "-XX:+UseSerialGC",
            "-XX:+ExitOnOutOfMemoryError",
        ),
        "-XX:MaxMetaspaceSize=192m",
        UTC,
        f"-Djava.io.tmpdir={layout.kafka}",
        f"-Dlog4j2.configurationFile={layout.kafka / 'log4j2.properties'}",
        f"-Dlog.file={layout.logs / 'kafka.log'}",
        *markers(layout, PART),
        "kafka.Kafka",
        str(conf),
    ]


def answers(
    bootstrap_servers: str, timeout: float = 2.0, properties: dict[str, str] | None = None
) -> bool:
    """Say whether a broker answers a metadata request, asked with these client properties."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    client = AdminClient(
        {
            **(properties or {}),
            "bootstrap.servers": bootstrap_servers,
            "socket.timeout.ms": int(timeout * 1000),
            "reconnect.backoff.max.ms": 200,
            # Refused connections while it starts are no news.
            "log_level": 0,
            "logger": _silent(),
        }
    )
    try:
        return bool(client.list_topics(timeout=timeout).brokers)
    except KafkaException:
        return False


def _silent() -> Any:
    import logging

    logger = logging.getLogger("workbench.stack.kafka.client")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger
