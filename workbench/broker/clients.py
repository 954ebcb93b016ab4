"""Kafka clients made from the settings, and Kafka's errors as one line a person can act on."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer

# Its types do not say what the module exports.
from confluent_kafka.admin import AdminClient, ClusterMetadata  # type: ignore[attr-defined]

from workbench.config import Settings
from workbench.contracts.topics import MAX_MESSAGE_BYTES
from workbench.errors import StackError, UsageError, WorkbenchError
from workbench.stack.endpoints import endpoints

#: How long a broker may take to answer before it counts as down.
ANSWER_SECONDS = 8.0

# librdkafka repeats connection errors on stderr by itself; what matters comes as an exception.
_LOG = logging.getLogger("workbench.kafka")
_LOG.addHandler(logging.NullHandler())
_LOG.propagate = False

_UNREACHABLE = frozenset(
    (
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError._MSG_TIMED_OUT,
    )
)
_NO_LEADER = frozenset(
    (
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
    )
)
_UNKNOWN_TOPIC = frozenset(
    (
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
    )
)
_REFUSED = frozenset(
    (
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    )
)


class NotReady(StackError):
    """A topic that exists, but has no leader at this moment: try again."""


def topic_name(settings: Settings, name: str) -> str:
    """Return the name of a contract's topic on the broker.

    Examples
    --------
    >>> topic_name(Settings(kafka={"topic_prefix": "ann."}), "raw.trades")
    'ann.raw.trades'
    """
    return settings.kafka.topic_prefix + name


def bootstrap_servers(settings: Settings) -> str:
    """Return where the broker answers: the configured one, else the embedded stack's.

    Raises
    ------
    StackError
        Where none is configured and the embedded one does not run.
    """
    return endpoints(settings, flink=False).bootstrap_servers


def client_config(settings: Settings) -> dict[str, Any]:
    """Return the librdkafka properties every client starts from; may hold a password."""
    config: dict[str, Any] = {
        "bootstrap.servers": bootstrap_servers(settings),
        "client.id": "workbench",
        **settings.kafka.properties,
    }
    if settings.kafka.password is not None:
        config["sasl.password"] = settings.kafka.password.get_secret_value()
    return config


def describe(error: KafkaError, servers: str) -> WorkbenchError:
    """Return a Kafka error as one of the workbench, with what to do next.

    Examples
    --------
    >>> describe(KafkaError(KafkaError._ALL_BROKERS_DOWN), "127.0.0.1:9092").message
    'no broker answers at 127.0.0.1:9092'
    """
    code = error.code()
    if code in _UNREACHABLE:
        return StackError(
            f"no broker answers at {servers}",
            hint="start the embedded one with `workbench stack up`, or set kafka.bootstrap_servers",
        )
    if code in _NO_LEADER:
        return NotReady(
            f"a topic has no leader at this moment ({error.name()})", hint="try again shortly"
        )
    if code in _UNKNOWN_TOPIC:
        return WorkbenchError(
            f"a topic is missing ({error.str()})", hint="create it with `workbench topics apply`"
        )
    if code in (KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED):
        return StackError(
            f"the broker at {servers} refuses the login",
            hint="check sasl.username in kafka.properties, and kafka.password",
        )
    if code in _REFUSED:
        return StackError(
            f"the broker refuses it ({error.str()})", hint="ask for the right on it (an ACL)"
        )
    if code == KafkaError.MSG_SIZE_TOO_LARGE:
        return WorkbenchError(
            "a message is too large", hint=f"topics take up to {MAX_MESSAGE_BYTES:,} bytes"
        )
    if code == KafkaError._INVALID_ARG:
        return UsageError(f"Kafka: {error.str()}", hint="check [kafka.properties]")
    return WorkbenchError(
        f"Kafka: {error.name()}: {' '.join(error.str().split())}",
        hint="`workbench doctor` looks at the broker",
    )


@contextmanager
def kafka_errors(settings: Settings) -> Iterator[None]:
    """Turn Kafka's exceptions into errors of the workbench."""
    try:
        yield
    except KafkaException as exception:
        error = exception.args[0] if exception.args else None
        if not isinstance(error, KafkaError):
            raise WorkbenchError(f"Kafka: {exception}", hint="check kafka.properties") from None
        raise describe(error, bootstrap_servers(settings)) from exception


def make_admin(settings: Settings) -> AdminClient:
    """Return an administration client."""
    with kafka_errors(settings):
        return AdminClient(client_config(settings), logger=_LOG)


def make_producer(settings: Settings, **properties: Any) -> Producer:
    """Return an idempotent producer that spreads keys as Kafka's own Java clients do.

    Parameters
    ----------
    **properties
        Further librdkafka properties, with ``_`` for ``.``; they win.
    """
    config = {
        **client_config(settings),
        "acks": "all",
        "enable.idempotence": True,
        # Flink and the console tools put a key on the same partition.
        "partitioner": "murmur2_random",
        "compression.type": "lz4",
        "linger.ms": 10,
        "batch.num.messages": 100_000,
        "batch.size": 1_000_000,
        "queue.buffering.max.messages": 1_000_000,
        "queue.buffering.max.kbytes": 256 * 1024,
        "message.max.bytes": MAX_MESSAGE_BYTES,
        "message.timeout.ms": 60_000,
        **{name.replace("_", "."): value for name, value in properties.items()},
    }
    with kafka_errors(settings):
        return Producer(config, logger=_LOG)


def make_consumer(settings: Settings, group: str | None = None, **properties: Any) -> Consumer:
    """Return a consumer that starts at the beginning and commits nothing by itself.

    Parameters
    ----------
    group
        Consumer group; None for one nobody else has, for use with `Consumer.assign`.
    **properties
        Further librdkafka properties, with ``_`` for ``.``; they win.
    """
    config = {
        **client_config(settings),
        "group.id": group or f"workbench-{uuid.uuid4()}",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "enable.partition.eof": True,
        # The default of a second makes short reads wait for nothing.
        "fetch.queue.backoff.ms": 5,
        **{name.replace("_", "."): value for name, value in properties.items()},
    }
    with kafka_errors(settings):
        return Consumer(config, logger=_LOG)


def cluster_metadata(settings: Settings, admin: AdminClient | None = None) -> ClusterMetadata:
    """Return brokers and topics as the cluster says they are now.

    Raises
    ------
    StackError
        Where no broker answers within `ANSWER_SECONDS`.
    """
    client = admin or make_admin(settings)
    with kafka_errors(settings):
        return client.list_topics(timeout=ANSWER_SECONDS)
