"""Starting and stopping jobs: where they go on, and what is refused before anything starts."""

from __future__ import annotations

import json
from pathlib import Path

import psutil
import pytest
from confluent_kafka import TopicPartition

from tests.integration.support import cancel_jobs, count, prepared, produce, rows, wait_until
from workbench.broker import topics
from workbench.broker.clients import make_admin, topic_name
from workbench.broker.offsets import end_offsets, is_at_end
from workbench.config import Settings
from workbench.contracts import JOBS
from workbench.errors import StackError, UsageError
from workbench.ingest.reference import ensure_symbols
from workbench.jobs import cancel, stop, submit
from workbench.jobs.bookmark import one_at_a_time, read_bookmark, restore_point
from workbench.jobs.cluster import Cluster
from workbench.jobs.deployment import job_names
from workbench.jobs.status import job_status, running
from workbench.stack import endpoints


def event(number: int, symbol: str = "AAPL") -> tuple[bytes, bytes]:
    record = {
        "trade_id": f"T{number}",
        "order_id": f"O{number}",
        "symbol": symbol,
        "side": "BUY",
        "quantity": 1,
        "price": 100 + number % 7,
        "status": "FILLED",
        "timestamp_ms": 1_717_423_200_000 + number * 10,
    }
    return symbol.encode(), json.dumps(record).encode()


@pytest.fixture
def ready(stack, tmp_path):
    settings = prepared(stack, tmp_path)
    yield settings
    cancel_jobs(settings)


def test_a_stopped_job_goes_on_where_it_left_off(ready):
    submit(ready, ["landing", "aggregates"])
    produce(ready, "raw.trades", [event(n) for n in range(500)])
    wait_until(lambda: count(ready, "market.trades") == 500, "the first half is landed")
    stop(ready, ["landing", "aggregates"])
    assert restore_point(ready, "landing") == read_bookmark(ready, "landing").savepoint
    produce(ready, "raw.trades", [event(n) for n in range(500, 1000)])
    submit(ready, ["landing", "aggregates"])
    wait_until(lambda: count(ready, "market.trades") >= 1000, "the second half is landed")
    wait_until(lambda: _read(ready, "aggregates") == 500, "the aggregates have read it")
    # One that is stopped already is drained from where it stopped.
    stop(ready, ["landing", "aggregates"])
    assert count(ready, "market.trade_aggregates") == 0
    stop(ready, ["aggregates"], drain=True)
    found = [row["trade_id"] for row in rows(ready, "market.trades").to_pylist()]
    assert sorted(found) == sorted(f"T{n}" for n in range(1000))
    # All of it lies within one minute that was open across the stop.
    minutes = [
        r for r in rows(ready, "market.trade_aggregates").to_pylist() if r["window_size"] == "1m"
    ]
    assert [r["trade_count"] for r in minutes] == [1000]


def test_a_drained_job_goes_on_behind_what_it_read(ready):
    submit(ready, ["landing", "aggregates"])
    produce(ready, "raw.trades", [event(n) for n in range(100)])
    wait_until(lambda: count(ready, "market.trades") == 100, "the first part is landed")
    wait_until(lambda: _read(ready, "aggregates") == 100, "the aggregates have read it")
    stop(ready, ["landing", "aggregates"], drain=True)
    assert restore_point(ready, "aggregates") is None
    produce(ready, "raw.trades", [event(n) for n in range(100, 150)])
    submit(ready, ["landing", "aggregates"])
    wait_until(lambda: count(ready, "market.trades") >= 150, "the rest is landed")
    wait_until(lambda: _read(ready, "aggregates") >= 50, "the aggregates have read the rest")
    stop(ready, ["landing", "aggregates"], drain=True)
    found = [row["trade_id"] for row in rows(ready, "market.trades").to_pylist()]
    assert sorted(found) == sorted(f"T{n}" for n in range(150))
    # The drain closed the minute after 100 executions; the rest is a further partial result.
    minutes = [
        r for r in rows(ready, "market.trade_aggregates").to_pylist() if r["window_size"] == "1m"
    ]
    assert sorted(r["trade_count"] for r in minutes) == [50, 100]


@pytest.mark.long
def test_a_second_drain_without_anything_new_ends_as_well(ready):
    submit(ready, ["aggregates"])
    produce(ready, "raw.trades", [event(n) for n in range(50)])
    wait_until(lambda: _read(ready, "aggregates") == 50, "the aggregates have read it")
    stop(ready, ["aggregates"], drain=True)
    submit(ready, ["aggregates"])
    stop(ready, ["aggregates"], drain=True)
    assert running(ready) == []
    minutes = [
        r for r in rows(ready, "market.trade_aggregates").to_pylist() if r["window_size"] == "1m"
    ]
    assert [r["trade_count"] for r in minutes] == [50]


def test_a_cancelled_job_goes_on_from_its_newest_checkpoint(ready):
    submit(ready, ["landing"])
    produce(ready, "raw.trades", [event(n) for n in range(50)])
    wait_until(lambda: count(ready, "market.trades") == 50, "the first part is landed")
    cancel(ready, ["landing"])
    wait_until(lambda: running(ready) == [], "it has ended")
    produce(ready, "raw.trades", [event(n) for n in range(50, 80)])
    submit(ready, ["landing"])
    wait_until(lambda: count(ready, "market.trades") >= 80, "the rest is landed")
    stop(ready, ["landing"])
    found = [row["trade_id"] for row in rows(ready, "market.trades").to_pylist()]
    assert sorted(found) == sorted(f"T{n}" for n in range(80))


def test_a_job_says_what_the_topic_has_lost_while_it_was_stopped(ready):
    submit(ready, ["landing"])
    produce(ready, "raw.trades", [event(n) for n in range(40)])
    wait_until(lambda: count(ready, "market.trades") == 40, "the first part is landed")
    group = job_names(ready)["landing"]
    wait_until(lambda: is_at_end(ready, group, ["raw.trades"]), "its group has committed that")
    stop(ready, ["landing"])
    produce(ready, "raw.trades", [event(n) for n in range(40, 100)])
    (partition, end) = max(_ends(ready).items(), key=lambda item: item[1])
    gone = TopicPartition(topic_name(ready, "raw.trades"), partition, end - 1)
    admin = make_admin(ready)
    for future in admin.delete_records([gone]).values():
        future.result(30)
    # Before the job runs again: what it lands then is behind the gap.
    landed = rows(ready, "market.trades").to_pylist()
    before = {row["source_offset"] for row in landed if row["source_partition"] == partition}
    lost = range(max(before, default=-1) + 1, end - 1)
    said: list[str] = []
    submit(ready, ["landing"], progress=said.append)
    (line,) = [line for line in said if "retention" in line]
    assert line.startswith(
        f"landing: raw.trades/{partition} has lost offsets {lost.start} to {lost.stop - 1} "
    )
    wait_until(lambda: count(ready, "market.trades") >= 100 - len(lost), "the rest is landed")
    stop(ready, ["landing"])
    assert count(ready, "market.trades") == 100 - len(lost)


def _ends(settings: Settings) -> dict[int, int]:
    return {part: end for (_, part), end in end_offsets(settings, ["raw.trades"]).items()}


def test_two_cannot_start_or_stop_jobs_at_the_same_time(ready):
    with one_at_a_time(ready):
        with pytest.raises(UsageError, match=r"are being started or stopped already"):
            submit(ready, ["router"])
        with pytest.raises(UsageError, match=r"is not running|already"):
            stop(ready, ["router"])
    assert running(ready) == []


@pytest.mark.long
def test_jobs_of_a_killed_cluster_go_on_from_their_newest_checkpoint(stack, ready):
    submit(ready, ["landing", "aggregates"])
    produce(ready, "raw.trades", [event(n) for n in range(300)])
    wait_until(lambda: count(ready, "market.trades") == 300, "the first part is landed")
    wait_until(lambda: _read(ready, "aggregates") == 300, "the aggregates have read it")
    wait_until(lambda: "chk-" in (restore_point(ready, "aggregates") or ""), "a checkpoint")
    psutil.Process(stack.status().part("jobmanager").pid).kill()
    produce(ready, "raw.trades", [event(n) for n in range(300, 500)])
    stack.up()
    submit(ready, ["landing", "aggregates"])
    wait_until(lambda: count(ready, "market.trades") >= 500, "the rest is landed")
    stop(ready, ["landing", "aggregates"], drain=True)
    found = [row["trade_id"] for row in rows(ready, "market.trades").to_pylist()]
    assert sorted(found) == sorted(f"T{n}" for n in range(500))
    minutes = [
        r for r in rows(ready, "market.trade_aggregates").to_pylist() if r["window_size"] == "1m"
    ]
    assert [r["trade_count"] for r in minutes] == [500]


def _read(settings: Settings, job: str) -> int:
    return next(row[3] or 0 for row in job_status(settings) if row[0] == job)


def test_a_change_of_the_reference_data_reaches_a_running_job(ready):
    file = ensure_symbols(ready)
    submit(ready, ["enrichment"])
    _, before = event(0, "ABC")
    produce(ready, "processed.trades.filled", [(b"O0", before)])
    wait_until(lambda: count(ready, "market.enriched_trades") == 1, "the first is enriched")
    _add_symbol(file, "ABC", "Alpha Beta Corp")
    sent = [1]

    def reached() -> bool:
        _, value = event(sent[0], "ABC")
        produce(ready, "processed.trades.filled", [(b"O1", value)])
        sent[0] += 1
        names = {r["company_name"] for r in rows(ready, "market.enriched_trades").to_pylist()}
        return names == {"UNKNOWN", "Alpha Beta Corp"}

    wait_until(reached, "the new name is in use", timeout=60)


def _add_symbol(file: Path, symbol: str, name: str) -> None:
    header, *lines = file.read_text("utf-8").splitlines()
    values = {"symbol": symbol, "company_name": name, "sector": "Financials", "exchange": "NYSE"}
    values |= {"industry": "Banks", "market_cap_tier": "SMALL"}
    line = ",".join(values.get(column, "") for column in header.split(","))
    text = "\n".join([header, *lines, line]) + "\n"
    temporary = file.with_suffix(".new")
    temporary.write_text(text, "utf-8")
    temporary.replace(file)


def test_status_tells_what_runs_and_what_was_read(ready):
    submit(ready, ["router"])
    assert running(ready) == ["router"]
    produce(ready, "raw.trades", [event(n) for n in range(20)])
    wait_until(lambda: _read(ready, "router") == 20, "the status shows the records read")
    states = {row[0]: row[1] for row in job_status(ready)}
    assert states == {job.name: "-" for job in JOBS} | {"router": "RUNNING"}


def test_what_cannot_run_is_refused_before_anything_starts(settings: Settings):
    with pytest.raises(UsageError, match=r"no job 'routr': did you mean 'router'"):
        submit(settings, ["routr"])
    with pytest.raises(StackError, match=r"no topic .*workbench topics apply"):
        submit(settings, ["router"])
    topics.apply(settings)
    with pytest.raises(StackError, match=r"no table .*workbench tables apply"):
        submit(settings, ["router"])
    with pytest.raises(UsageError, match=r"job router is not running"):
        stop(settings, ["router"])
    names = [job.name for job in Cluster(endpoints(settings).rest_url).jobs()]
    assert not any(name.startswith(settings.kafka.topic_prefix) for name in names)


def test_a_cluster_that_does_not_answer_is_named(settings: Settings):
    nowhere = settings.model_copy(
        update={"flink": settings.flink.model_copy(update={"rest_url": "http://127.0.0.1:9"})}
    )
    with pytest.raises(StackError, match=r"no Flink cluster answers at http://127.0.0.1:9"):
        submit(nowhere, ["router"])


def test_a_job_is_not_started_twice(ready):
    submit(ready, ["router"])
    with pytest.raises(UsageError, match=r"job router is already RUNNING"):
        submit(ready, ["router"])
