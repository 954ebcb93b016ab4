"""The topics of the contracts on a broker: create them, compare them, never delete them."""

from __future__ import annotations

import time
from concurrent.futures import Future
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException

# Its types do not say what the module exports.
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    ResourceType,
)

from workbench.broker.clients import (
    ANSWER_SECONDS,
    cluster_metadata,
    kafka_errors,
    make_admin,
    topic_name,
)
from workbench.broker.offsets import end_offsets
from workbench.config import Settings
from workbench.contracts import TOPICS, Topic
from workbench.errors import StackError

_READY_SECONDS = 30.0


@dataclass(frozen=True)
class TopicState:
    """A topic of the contracts as it is on the broker.

    Parameters
    ----------
    topic
        The contract.
    name
        Its name on the broker, with the prefix.
    partitions
        Partitions it has; None where it does not exist.
    config
        The settings the contract speaks of, as the broker has them.
    """

    topic: Topic
    name: str
    partitions: int | None
    config: dict[str, str]


@dataclass(frozen=True)
class Drift:
    """One difference between contract and broker.

    Parameters
    ----------
    topic
        Name on the broker.
    what
        ``missing``, ``partitions`` or the name of a setting.
    wanted, found
        What the contract says, and what is.
    mended_by_apply
        False for partitions above the contract: Kafka cannot take them away.
    """

    topic: str
    what: str
    wanted: str
    found: str
    mended_by_apply: bool = True


def list_topics(settings: Settings) -> list[TopicState]:
    """Return every topic of the contracts with its state on the broker, in contract order.

    Raises
    ------
    WorkbenchError
        Where the broker does not answer or refuses.
    """
    return _states(settings, make_admin(settings))


def diff(settings: Settings) -> list[Drift]:
    """Return where the broker differs from the contracts; empty when it does not."""
    return [drift for state in list_topics(settings) for drift in _drifts(settings, state)]


def apply(settings: Settings) -> list[Drift]:
    """Create missing topics, raise partitions and set configurations as the contracts say.

    A second call changes nothing. Nothing is ever deleted or made smaller.

    Returns
    -------
    list of Drift
        What was mended.

    Raises
    ------
    WorkbenchError
        Where the broker does not answer or refuses.
    """
    admin = make_admin(settings)
    states = {state.name: state for state in _states(settings, admin)}
    drifts = [
        drift
        for state in states.values()
        for drift in _drifts(settings, state)
        if drift.mended_by_apply
    ]
    profile = settings.kafka.profile
    new = [
        NewTopic(
            d.topic,
            states[d.topic].topic.partitions_in(profile),
            config=states[d.topic].topic.config,
        )
        for d in drifts
        if d.what == "missing"
    ]
    more = [NewPartitions(d.topic, int(d.wanted)) for d in drifts if d.what == "partitions"]
    with kafka_errors(settings):
        if new:
            for future in admin.create_topics(new, operation_timeout=30).values():
                _done_by_anybody(future)
        if more:
            for future in admin.create_partitions(more, operation_timeout=30).values():
                future.result()
        _set_configs(admin, [d for d in drifts if d.what not in ("missing", "partitions")])
    if new or more:
        _wait_until_ready(settings, admin, {d.topic for d in drifts})
    return drifts


def _wait_until_ready(settings: Settings, admin: AdminClient, changed: set[str]) -> None:
    """Wait until every reader and writer finds the topics and a leader of every partition."""
    wanted = [topic for topic in TOPICS if topic_name(settings, topic.name) in changed]
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        known = cluster_metadata(settings, admin).topics
        waiting = [
            topic.name
            for topic in wanted
            if (found := known.get(topic_name(settings, topic.name))) is None
            or len(found.partitions) < topic.partitions_in(settings.kafka.profile)
            or any(partition.leader < 0 for partition in found.partitions.values())
        ]
        if not waiting:
            end_offsets(settings, [topic.name for topic in wanted])
            return
        if time.monotonic() > deadline:
            raise StackError(
                f"{waiting[0]} was created, but has no leader after {_READY_SECONDS:.0f} s",
                hint="`workbench stack status` and `workbench stack logs kafka`",
            )
        time.sleep(0.05)


def _done_by_anybody(creation: Future[None]) -> None:
    """Wait for a topic; another `apply` at the same moment may have been first."""
    try:
        creation.result()
    except KafkaException as exception:
        if exception.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise


def _set_configs(admin: AdminClient, drifts: list[Drift]) -> None:
    by_topic: dict[str, list[ConfigEntry]] = {}
    for drift in drifts:
        entry = ConfigEntry(drift.what, drift.wanted, incremental_operation=AlterConfigOpType.SET)
        by_topic.setdefault(drift.topic, []).append(entry)
    if by_topic:
        resources = [
            ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
            for name, entries in by_topic.items()
        ]
        for future in admin.incremental_alter_configs(resources).values():
            future.result()


def _states(settings: Settings, admin: AdminClient) -> list[TopicState]:
    known = cluster_metadata(settings, admin).topics
    names = {topic.name: topic_name(settings, topic.name) for topic in TOPICS}
    present = [name for name in names.values() if name in known]
    configs: dict[str, dict[str, str]] = {}
    with kafka_errors(settings):
        if present:
            resources = [ConfigResource(ResourceType.TOPIC, name) for name in present]
            answers = admin.describe_configs(resources, request_timeout=ANSWER_SECONDS)
            for resource, future in answers.items():
                entries = future.result().values()
                configs[resource.name] = {entry.name: entry.value for entry in entries}
    return [
        TopicState(
            topic,
            name := names[topic.name],
            len(known[name].partitions) if name in known else None,
            {key: configs[name].get(key, "") for key in topic.config} if name in configs else {},
        )
        for topic in TOPICS
    ]


def _drifts(settings: Settings, state: TopicState) -> list[Drift]:
    wanted = state.topic.partitions_in(settings.kafka.profile)
    if state.partitions is None:
        return [Drift(state.name, "missing", f"{wanted} partitions", "no topic")]
    drifts = []
    if state.partitions != wanted:
        drifts.append(
            Drift(
                state.name,
                "partitions",
                str(wanted),
                str(state.partitions),
                mended_by_apply=state.partitions < wanted,
            )
        )
    drifts += [
        Drift(state.name, key, value, state.config.get(key, ""))
        for key, value in state.topic.config.items()
        if state.config.get(key) != value
    ]
    return drifts
