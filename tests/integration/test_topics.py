"""Topics on a real broker are what the contracts say, and counts are counts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from confluent_kafka import TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from tests.integration.support import produce
from workbench.broker import topics
from workbench.broker.clients import (
    cluster_metadata,
    make_admin,
    make_consumer,
    make_producer,
    topic_name,
)
from workbench.broker.offsets import count_messages, end_offsets, is_at_end, read_all
from workbench.cli.topics import command
from workbench.config import Settings, load_settings
from workbench.contracts import TOPICS
from workbench.errors import StackError, UsageError, WorkbenchError


def with_kafka(settings: Settings, **changes: object) -> Settings:
    kafka = settings.kafka.model_copy(update=changes)
    return settings.model_copy(update={"kafka": kafka})


@pytest.fixture
def applied(settings: Settings) -> Iterator[Settings]:
    topics.apply(settings)
    yield settings
    admin = make_admin(settings)
    for future in admin.delete_topics([topic_name(settings, t.name) for t in TOPICS]).values():
        future.result()


def test_apply_creates_what_the_contracts_say_and_then_nothing(applied: Settings) -> None:
    assert topics.diff(applied) == []
    assert topics.apply(applied) == []
    for state in topics.list_topics(applied):
        assert state.partitions == state.topic.partitions_in("dev")
        assert state.config == state.topic.config


def test_what_comes_from_outside_is_stamped_by_the_broker(applied: Settings) -> None:
    now = int(time.time() * 1000)
    hour_ahead = now + 59 * 60_000
    produce(applied, "raw.trades", [(b"A", b"{}")], clock_ms=hour_ahead)
    produce(applied, "processed.trades.new", [(b"A", b"{}")], clock_ms=hour_ahead)
    (raw,), (own,) = (read_all(applied, t) for t in ("raw.trades", "processed.trades.new"))
    assert now <= raw.timestamp_ms < now + 60_000
    assert own.timestamp_ms == hour_ahead


def test_a_group_is_at_the_end_when_it_has_committed_all_that_is_there(applied: Settings) -> None:
    group, names = f"{applied.flink.deployment}-reader", ["raw.trades", "raw.orderbook"]
    assert is_at_end(applied, group, names)  # there is nothing
    produce(applied, "raw.trades", [(b"A", b"{}"), (b"B", b"{}"), (b"C", b"{}")])
    assert not is_at_end(applied, group, names)
    ends = {part: end for (_, part), end in end_offsets(applied, ["raw.trades"]).items() if end}
    consumer = make_consumer(applied, group)
    full = topic_name(applied, "raw.trades")
    for behind in (1, 0):
        at = [TopicPartition(full, part, end - behind) for part, end in ends.items()]
        consumer.commit(offsets=at, asynchronous=False)
        assert is_at_end(applied, group, names) is (behind == 0)
    consumer.close()


def test_before_apply_everything_is_missing(settings: Settings) -> None:
    assert {drift.what for drift in topics.diff(settings)} == {"missing"}
    assert len(topics.diff(settings)) == len(TOPICS)


def test_partitions_are_raised_and_never_lowered(applied: Settings) -> None:
    full = with_kafka(applied, profile="full")
    assert {drift.what for drift in topics.diff(full)} == {"partitions"}
    topics.apply(full)
    assert topics.diff(full) == []
    left = topics.diff(applied)
    assert left
    assert not any(drift.mended_by_apply for drift in left)
    assert topics.apply(applied) == []


def test_a_changed_setting_is_seen_and_mended(applied: Settings) -> None:
    name = topic_name(applied, "raw.trades")
    entry = ConfigEntry("retention.ms", "1000", incremental_operation=AlterConfigOpType.SET)
    change = ConfigResource(ResourceType.TOPIC, name, incremental_configs=[entry])
    admin = make_admin(applied)
    for future in admin.incremental_alter_configs([change]).values():
        future.result()
    [drift] = topics.diff(applied)
    assert (drift.topic, drift.what, drift.found) == (name, "retention.ms", "1000")
    assert topics.apply(applied) == [drift]
    assert topics.diff(applied) == []


def test_topics_of_others_are_left_alone(applied: Settings) -> None:
    other = with_kafka(applied, topic_prefix=applied.kafka.topic_prefix + "other.")
    assert len(topics.diff(other)) == len(TOPICS)
    assert topic_name(other, "raw.trades") not in cluster_metadata(applied).topics


def test_counts_leave_out_markers_and_aborted_transactions(applied: Settings) -> None:
    name = topic_name(applied, "raw.trades")
    transactional = make_producer(applied, transactional_id=applied.kafka.topic_prefix)
    transactional.init_transactions()
    for kept in (True, False, True):
        transactional.begin_transaction()
        for number in range(5):
            transactional.produce(name, f"{kept} {number}", "AAPL")
        transactional.flush()
        if kept:
            transactional.commit_transaction()
        else:
            transactional.abort_transaction()
    assert sum(end_offsets(applied, ["raw.trades"]).values()) == 15 + 3
    assert count_messages(applied, "raw.trades") == 10
    assert count_messages(applied, "raw.trades", read_committed=False) == 15
    values = [message.value for message in read_all(applied, "raw.trades")]
    assert values == [f"True {number}".encode() for number in range(5)] * 2
    assert count_messages(applied, "raw.orderbook") == 0


def test_an_open_transaction_holds_nobody_up(applied: Settings) -> None:
    transactional = make_producer(applied, transactional_id=applied.kafka.topic_prefix)
    transactional.init_transactions()
    transactional.begin_transaction()
    transactional.produce(topic_name(applied, "raw.trades"), b"open", b"AAPL")
    transactional.flush()
    assert count_messages(applied, "raw.trades") == 0
    assert count_messages(applied, "raw.trades", read_committed=False) == 1
    transactional.abort_transaction()


def test_a_missing_topic_is_named(settings: Settings) -> None:
    with pytest.raises(WorkbenchError, match=r"raw\.trades.*workbench topics apply"):
        end_offsets(settings, ["raw.trades"])


def test_a_broker_that_does_not_answer_is_said_with_its_address(settings: Settings) -> None:
    with pytest.raises(StackError, match=r"127\.0\.0\.1:1: .*workbench stack up"):
        topics.diff(with_kafka(settings, bootstrap_servers="127.0.0.1:1"))


def test_no_stack_is_said_with_what_starts_it(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="workbench stack up"):
        topics.diff(load_settings(tmp_path))


def test_a_wrong_client_property_is_named(settings: Settings) -> None:
    with pytest.raises(UsageError, match=r"no\.such\.property"):
        topics.diff(with_kafka(settings, properties={"no.such.property": "1"}))


class TestCommand:
    @pytest.fixture(autouse=True)
    def on_these_settings(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("workbench.config.load_settings", lambda: settings)

    def call(self, *arguments: str) -> Result:
        return CliRunner().invoke(command, arguments, standalone_mode=False)

    def test_diff_tells_by_its_exit_code_whether_apply_has_work(self) -> None:
        found = self.call("diff", "--json")
        assert found.return_value == 1
        assert {row["what"] for row in json.loads(found.output)} == {"missing"}
        assert len(json.loads(self.call("apply", "--json").output)) == len(TOPICS)
        again = self.call("diff")
        assert (again.return_value, again.output) == (0, "no difference\n")
        assert self.call("apply").output == "all topics are as the contracts say\n"
        listed = json.loads(self.call("list", "--json").output)
        assert [row["about"] for row in listed] == [topic.doc for topic in TOPICS]
