"""What the metrics and the status say of jobs that really run, stop and go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.support import cancel_jobs, count, prepared, produce, wait_until
from tests.integration.support import trade_event as event
from workbench.broker.clients import make_producer, topic_name
from workbench.config import Settings
from workbench.jobs import cancel, stop, submit
from workbench.jobs.status import running
from workbench.metrics import METRICS, Collector, State, exposition, samples
from workbench.metrics.kafka import ask_kafka
from workbench.metrics.screen import as_dict
from workbench.schedule.freshness import why_stale
from workbench.stack import Stack
from workbench.stack.health import stack_status


@pytest.fixture
def ready(stack: Stack, tmp_path: Path) -> Iterator[Settings]:
    settings = prepared(stack, tmp_path)
    yield settings
    cancel_jobs(settings)


def in_transactions(settings: Settings, values: list[bytes]) -> None:
    """Send each value in a transaction of its own: as many markers as records."""
    producer = make_producer(settings, transactional_id=settings.kafka.topic_prefix + "test")
    producer.init_transactions(30)
    for value in values:
        producer.begin_transaction()
        producer.produce(topic_name(settings, "raw.trades"), value=value, key=b"AAPL")
        producer.commit_transaction(30)


def landed(settings: Settings) -> int:
    return count(settings, "market.trades") + count(settings, "ops.dead_letters")


def committed(settings: Settings) -> list[int]:
    """Offsets that landing's group has committed: 9 records with 8 markers between them are 17."""
    return list(ask_kafka(settings).committed["landing"].values())


def dead(state: State) -> int:
    return sum((state.counts.dead_letters or {}).values())


def test_a_job_that_runs_stops_and_goes_on(ready: Settings) -> None:
    collector = Collector(ready)
    before = collector.collect()
    assert before.problems == {}
    assert {job.state for job in before.jobs} == {"-"}
    assert before.lag("landing") == 0

    submit(ready, ["landing"])
    in_transactions(ready, [event(n) for n in range(8)] + [event(9, price=-1)])
    wait_until(lambda: landed(ready) == 9, "nine are landed or refused")
    wait_until(lambda: bool(collector.collect().jobs[0].pending == 0), "Flink knows it has read it")
    runs = collector.collect()
    landing = runs.jobs[0]
    assert (landing.name, landing.state, landing.restarts, landing.problem) == (
        "landing", "RUNNING", 0, None,
    )  # fmt: skip
    # Its offset lies before the marker of the last transaction, and nothing is unread.
    assert runs.lag("landing") == 0
    assert dead(runs) == 1

    # Every metric of Flink that is promised is there under its name.
    found = samples(runs)
    names = {sample.name for sample in found}
    missing = {metric.name for metric in METRICS if "Flink" in metric.source} - names
    assert missing == set()
    assert exposition(found)
    heap = {s.name: s.value for s in found if "Heap" in s.name}
    assert heap["flink_taskmanager_Status_JVM_Memory_Heap_Used"] > 0

    # A job that does not run has the lag of what came since it committed; markers are no records.
    wait_until(lambda: max(committed(ready), default=0) >= 17, "its group has committed it")
    stop(ready, ["landing"])
    wait_until(lambda: running(ready) == [], "it has ended")
    stopped = collector.collect()
    assert not stopped.jobs[0].up
    assert stopped.lag("landing") == 0
    in_transactions(ready, [event(n) for n in range(20, 23)])
    late = collector.collect()
    assert late.lag("landing") == 3
    assert late.lag("router") == 12
    table = next(each for each in late.tables if each.name == "market.trades")
    behind = late.behind_s(table)
    assert behind is not None and behind > 0
    # A scheduled report would wait for these, and not for what was there before them.
    due = max(late.newest.values())
    assert "behind raw.trades" in (why_stale(ready, due) or "")

    # Counters go on where they were: they are the lake's, not Flink's.
    submit(ready, ["landing"])
    produce(ready, "raw.trades", [(b"AAPL", event(30, price=0))])
    wait_until(lambda: landed(ready) == 13, "the rest is landed or refused")
    wait_until(lambda: why_stale(ready, due) is None, "it is fresh for a report")
    assert dead(collector.collect()) == 2
    cancel(ready, ["landing"])
    wait_until(lambda: running(ready) == [], "it is cancelled")
    assert dead(collector.collect()) == 2


def test_status_is_the_state_as_json(ready: Settings) -> None:
    produce(ready, "raw.trades", [(b"AAPL", event(n)) for n in range(5)])
    state = Collector(ready).collect(detail=False)
    found = as_dict(state, stack_status(ready), None)
    assert {part["state"] for part in found["stack"]} == {"running"}
    assert [(job["job"], job["lag"]) for job in found["jobs"][:2]] == [
        ("landing", 5),
        ("router", 5),
    ]
    trades = next(table for table in found["tables"] if table["name"] == "market.trades")
    assert trades["rows"] == 0
    # Nobody has landed what came just now.
    assert trades["behind_kafka_s"] < 60 and trades["freshness"] == "fresh"
