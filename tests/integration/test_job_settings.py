"""What is set per job is what runs: checkpoints, state backend, delivery, duplicates, expiry."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.support import (
    as_raw,
    cancel_jobs,
    count,
    market_day,
    prepared,
    produce,
    rows,
    trade_event,
    wait_until,
)
from workbench.broker.offsets import count_messages, read_all
from workbench.config import Settings
from workbench.definitions import connect, load_raw, run_definition
from workbench.definitions.compare import WALL_CLOCK, compare
from workbench.jobs import Cluster, cancel, stop, submit
from workbench.stack import Stack, endpoints

START = 1_717_420_000_000


@pytest.fixture
def use(stack: Stack, tmp_path: Path) -> Iterator[Any]:
    """Settings with changes, whose jobs are cancelled at the end."""
    made: list[Settings] = []

    def settings(**flink: Any) -> Settings:
        made.append(prepared(stack, tmp_path, **flink))
        return made[-1]

    yield settings
    for each in made:
        cancel_jobs(each)


def trade(number: int, **changes: Any) -> tuple[bytes, bytes]:
    return b"AAPL", trade_event(number, **changes)


def checkpoint_settings(settings: Settings, job_id: str) -> dict[str, Any]:
    return Cluster(endpoints(settings).rest_url).checkpoint_settings(job_id)


def test_checkpoints_are_made_as_the_guide_says(use):
    settings = use(checkpoint_interval_ms=30_000)
    job_id = submit(settings, ["router"])["router"]
    found = checkpoint_settings(settings, job_id)
    assert found["mode"] == "exactly_once"
    assert (found["interval"], found["min_pause"], found["timeout"]) == (30_000, 10_000, 120_000)
    assert found["max_concurrent"] == 1 and found["tolerable_failed_checkpoints"] == 3
    assert found["externalization"] == {"enabled": True, "delete_on_cancellation": False}
    assert found["unaligned_checkpoints"] is True
    assert found["aligned_checkpoint_timeout"] == 10_000
    assert found["state_backend"].startswith("HashMap")
    running = Cluster(endpoints(settings).rest_url)._ask(f"/jobs/{job_id}/config")
    # The job's own: without one, Flink says here that the cluster's default is taken.
    assert running["execution-config"]["restart-strategy"].startswith(
        "Restart with exponential delay: starting at PT0.2S, increasing by 2.0"
    )
    assert "with maximum PT30S" in running["execution-config"]["restart-strategy"]


def test_state_in_rocksdb_is_checkpointed_in_parts_and_restored(use):
    """Windows and alerts go on from an incremental checkpoint of RocksDB, as from the heap."""
    jobs = ["aggregates", "alerts"]
    settings = use(state_backend="rocksdb")
    messages = market_day(settings, 9, 3_000)
    ids = submit(settings, jobs)
    for job_id in ids.values():
        found = checkpoint_settings(settings, job_id)
        assert "RocksDB" in found["state_backend"], found
    produce(settings, "raw.trades", messages[:1_500])
    wait_until(lambda: count(settings, "market.trade_aggregates") > 0, "windows close", 120)
    cluster = Cluster(endpoints(settings).rest_url)

    def read(job_id: str) -> bool:
        return cluster.records_read(job_id) >= 1_500

    wait_until(lambda: all(map(read, ids.values())), "all is read")
    # Cut off, not stopped: the next run goes on from a checkpoint, not from a savepoint.
    for job_id in ids.values():
        cluster.checkpoint(job_id)
        cluster.checkpoint(job_id)
        # Nothing has come since the first of the two: most of the second lies there already.
        last = cluster.checkpoints(job_id)["latest"]["completed"]
        assert last["checkpointed_size"] < last["state_size"], last
    cancel(settings, jobs)
    wait_until(lambda: all(cluster.state(i) == "CANCELED" for i in ids.values()), "both end")
    submit(settings, jobs)
    produce(settings, "raw.trades", messages[1_500:])
    landed = count(settings, "market.trade_aggregates")
    wait_until(lambda: count(settings, "market.trade_aggregates") > landed, "windows close", 120)
    stop(settings, jobs, drain=True)
    with connect() as con:
        load_raw(con, as_raw(read_all(settings, "raw.trades"), "raw.trades"))
        for job, table in (
            ("aggregates", "market.trade_aggregates"),
            ("alerts", "market.price_alerts"),
        ):
            found = compare(
                rows(settings, table), run_definition(con, job)[table], ignore=WALL_CLOCK
            )
            assert not found, (table, found)


def test_a_hot_path_shows_its_output_before_a_checkpoint(use):
    """One job at-least-once, the others as before: what lands in the lake waits for a commit."""
    hot = {"router": {"delivery": "at-least-once", "latency": "low"}}
    settings = use(checkpoint_interval_ms=600_000, jobs=hot)
    ids = submit(settings, ["router", "landing"])
    cluster = Cluster(endpoints(settings).rest_url)
    produce(settings, "raw.trades", [trade(number) for number in range(500)])
    wait_until(
        lambda: len(read_all(settings, "processed.trades.filled")) == 500,
        "the router's output is there without a checkpoint",
    )
    wait_until(lambda: cluster.records_read(ids["landing"]) == 500, "landing has read it, too")
    assert count(settings, "market.trades") == 0
    stop(settings, ["router", "landing"])
    assert count(settings, "market.trades") == 500
    assert len(read_all(settings, "processed.trades.filled")) == 500
    # Delivery and latency are no part of the state: it goes on without them.
    common = settings.flink.model_copy(update={"jobs": {}})
    settings = settings.model_copy(update={"flink": common})
    job_id = submit(settings, ["router"])["router"]
    produce(settings, "raw.trades", [trade(number) for number in range(500, 600)])
    wait_until(lambda: cluster.records_read(job_id) == 100, "the rest is read, and nothing twice")
    assert len(read_all(settings, "processed.trades.filled")) == 500
    stop(settings, ["router"])
    assert len(read_all(settings, "processed.trades.filled")) == 600


def test_duplicates_are_refused_and_counted_where_that_is_asked_for(use):
    """Every job uses the first of each trade id; landing counts the others."""
    jobs = ["landing", "router", "aggregates"]
    settings = use(deduplicate_s=3_600)
    generator = random.Random(2)
    first = [trade(number, price=100 + number % 7) for number in range(600)]
    copies = [generator.choice(first) for _ in range(150)]
    # A producer that sends again what was stored already: the same id, at any later place.
    sent = [*first[:300], *(c for c in copies if c in first[:300]), *first[300:], *copies]
    submit(settings, jobs)
    produce(settings, "raw.trades", sent)
    # Behind all of them: the watermark closes their windows.
    produce(settings, "raw.trades", [trade(1_000, timestamp_ms=START + 3_600_000)])
    more = len(sent) - len(first)
    wait_until(lambda: count(settings, "ops.dead_letters") >= more, "every copy is refused")
    wait_until(lambda: count(settings, "market.trades") >= len(first) + 1, "the rest is landed")
    stop(settings, jobs, drain=True)
    landed = Counter(rows(settings, "market.trades")["trade_id"].to_pylist())
    assert len(landed) == len(first) + 1 and set(landed.values()) == {1}
    letters = rows(settings, "ops.dead_letters").to_pylist()
    assert len(letters) == more and {r["error_type"] for r in letters} == {"duplicate"}
    assert letters[0]["error_message"].endswith("came before, not longer than 3600000 ms ago")
    assert json.loads(letters[0]["original_value"])["symbol"] == "AAPL"
    sent_on = [m.value for m in read_all(settings, "processed.trades.filled")]
    assert len(sent_on) == len(set(sent_on)) == len(first) + 1
    with connect() as con:
        load_raw(
            con, [value for _, value in [*first, trade(1_000, timestamp_ms=START + 3_600_000)]]
        )
        wanted = run_definition(con, "aggregates")["market.trade_aggregates"]
    offsets = {"open_offset", "close_offset"}
    found = compare(
        rows(settings, "market.trade_aggregates"), wanted, ignore={*WALL_CLOCK, *offsets}
    )
    assert not found, found


def test_an_id_is_used_again_once_its_horizon_is_over(use):
    """Within it, it is refused; what is beyond is an event like any other."""
    jobs = ["landing", "router"]
    settings = use(deduplicate_s=2)
    ids = submit(settings, jobs)
    cluster = Cluster(endpoints(settings).rest_url)
    produce(settings, "raw.trades", [trade(1), trade(1)])
    wait_until(lambda: all(cluster.records_read(i) == 2 for i in ids.values()), "both are read")
    # The horizon goes by the stamps of the broker, which are those of this clock.
    last = max(m.timestamp_ms for m in read_all(settings, "raw.trades"))
    wait_until(lambda: time.time() * 1_000 > last + 3_000, "the horizon is over")
    produce(settings, "raw.trades", [trade(1)])
    wait_until(lambda: all(cluster.records_read(i) == 3 for i in ids.values()), "all is read")
    stop(settings, jobs)
    sent = sorted(read_all(settings, "raw.trades"), key=lambda m: m.offset)
    landed = rows(settings, "market.trades")["source_offset"].to_pylist()
    assert sorted(landed) == [sent[0].offset, sent[2].offset]
    refused = rows(settings, "ops.dead_letters").to_pylist()
    assert [(r["error_type"], r["source_offset"]) for r in refused] == [
        ("duplicate", sent[1].offset)
    ]
    assert count_messages(settings, "processed.trades.filled") == 2


def test_a_symbol_without_prices_is_forgotten(stack, tmp_path):
    """Its next price is a first price again, however far it is from the last."""
    settings = prepared(stack, tmp_path)
    alerts = settings.alerts.model_copy(update={"state_ttl_s": 2})
    settings = settings.model_copy(update={"alerts": alerts})
    try:
        job_id = submit(settings, ["alerts"])["alerts"]
        cluster = Cluster(endpoints(settings).rest_url)
        produce(settings, "raw.trades", [trade(1, price=100)])
        wait_until(lambda: cluster.records_read(job_id) == 1, "it is read")
        # Expiry goes by the wall clock: it is what this waits for.
        read = time.monotonic()
        wait_until(lambda: time.monotonic() > read + 8, "it is forgotten")
        produce(settings, "raw.trades", [trade(3, price=200), trade(4, price=300)])
        wait_until(
            lambda: "AAPL" in rows(settings, "market.price_alerts")["symbol"].to_pylist(),
            "AAPL raises an alert",
        )
        stop(settings, ["alerts"])
    finally:
        cancel_jobs(settings)
    mine = [r for r in rows(settings, "market.price_alerts").to_pylist() if r["symbol"] == "AAPL"]
    assert [(r["baseline_price"], r["current_price"]) for r in mine] == [(200, 300)]
