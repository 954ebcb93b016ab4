"""Event time in a running stream: late rows, wrong clocks, quiet partitions, drains."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.support import (
    as_raw,
    cancel_jobs,
    count,
    isolated,
    prepared,
    produce,
    rows,
    wait_until,
)
from workbench.broker import topics
from workbench.broker.offsets import read_all
from workbench.config import Settings
from workbench.definitions import connect, load_raw, run_definition
from workbench.definitions.compare import compare
from workbench.ingest.files import symbols_of
from workbench.ingest.generate import choose, generate_day, load_instruments
from workbench.jobs import Cluster, stop, submit
from workbench.jobs.status import job_status
from workbench.lake import tables
from workbench.lake.session import open_session
from workbench.stack import Stack, endpoints

#: A full quarter of an hour: 2024-06-03 14:00 UTC.
START = 1_717_423_200_000
MINUTE = 60_000
YEAR = 365 * 86_400_000
TEN_YEARS = 10 * YEAR


@dataclass
class Feed:
    """A stream of one symbol; every other partition stays quiet."""

    settings: Settings
    sent: list[dict[str, Any]] = field(default_factory=list)

    def send(
        self, at: int, price: float = 100.0, clock_ms: int | None = None, **changes: Any
    ) -> str:
        """Send an execution `at` ms after the start; return its trade id."""
        trade_id = f"T{len(self.sent)}"
        record = {
            "trade_id": trade_id,
            "order_id": trade_id,
            "symbol": "AAPL",
            "side": "BUY",
            "quantity": 1,
            "price": price,
            "status": "FILLED",
            "timestamp_ms": START + at,
            **changes,
        }
        self.sent.append(record)
        message = (b"AAPL", json.dumps(record).encode())
        produce(self.settings, "raw.trades", [message], clock_ms=clock_ms)
        return trade_id

    def minutes(self) -> list[dict[str, Any]]:
        """Results of one minute so far, as they lie in Kafka."""
        messages = [
            json.loads(m.value) for m in read_all(self.settings, "analytics.trade-aggregates")
        ]
        return [m for m in messages if m["window_size"] == "1m"]

    def await_minute(self, minute: int) -> None:
        """Wait until the watermark has closed a minute."""
        wait_until(
            lambda: any(r["window_start"] == START + minute * MINUTE for r in self.minutes()),
            f"minute {minute} is closed",
        )


@pytest.fixture(scope="module")
def feed(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Feed]:
    """The aggregates, with what arrives when; the tests read what became of it."""
    settings = prepared(stack, tmp_path_factory.mktemp("time"), idle_timeout_ms=1000)
    feed = Feed(settings)
    submit(settings, ["aggregates"])
    try:
        feed.send(0, 100)
        feed.send(30_000, 102, side="SELL")
        feed.send(20_000, 101)  # out of order by 10 s, its minute is open
        feed.send(TEN_YEARS, 1)  # a wrong clock
        # One that is wrong by less than what a broker would refuse, and stamps the message as well.
        ahead = int(time.time() * 1000) + 50 * MINUTE
        feed.send(ahead - START, 1, clock_ms=ahead)
        feed.send(65_000, 103)  # 5 s of the next minute: the watermark reaches 60 s
        feed.await_minute(0)
        feed.send(59_000, 104)  # its minute is closed; 1 s later than the watermark
        feed.send(31_000, 99, side="SELL")  # 29 s later than the watermark
        wait_until(lambda: len(feed.minutes()) == 3, "both late executions have their results")
        feed.send(29_999, 98)  # 30.001 s later than the watermark
        feed.send(0, 96)  # a minute late
        feed.send(-86_400_000, 97)  # a day late
        wait_until(lambda: count(settings, "ops.late_rows") == 3, "what is too late is kept apart")
        stop(settings, ["aggregates"], drain=True)
    finally:
        cancel_jobs(settings)
    yield feed


def current(feed: Feed, size: str, start: int) -> dict[str, Any]:
    with open_session(feed.settings) as session:
        found = session.sql(
            "SELECT * FROM market.trade_aggregates_current "
            "WHERE window_size = $size AND epoch_ms(window_start) = $start",
            {"size": size, "start": start},
        ).arrow()
    assert found.num_rows == 1
    return dict(found.to_pylist()[0])


def test_a_quiet_partition_does_not_hold_the_clock(feed):
    assert feed.settings.kafka.profile == "dev"
    # All records lie in one of two partitions, and minute 0 was closed.
    assert any(r["window_start"] == START and not r["late"] for r in feed.minutes())


def test_a_wrong_clock_does_not_move_the_watermark(feed):
    on_time = [r for r in feed.minutes() if r["window_start"] == START + MINUTE]
    assert [(r["trade_count"], r["late"]) for r in on_time] == [(1, False)]
    assert all(r["window_start"] < START + YEAR for r in feed.minutes())


def test_late_executions_are_results_of_their_own_in_every_window(feed):
    late = [r for r in rows(feed.settings, "market.trade_aggregates").to_pylist() if r["late"]]
    assert sorted((r["window_size"], int(r["open_price"])) for r in late) == [
        (size, price) for size in ("15m", "1m", "5m") for price in (99, 104)
    ]


def test_the_current_view_merges_them(feed):
    minute = current(feed, "1m", START)
    # 100 at 0 s, 101 at 20 s, 102 at 30 s (sold), 99 at 31 s (sold, late), 104 at 59 s (late)
    assert minute["trade_count"] == 5 and minute["partials"] == 3
    assert (minute["buy_count"], minute["sell_count"]) == (3, 2)
    assert minute["buy_sell_ratio"] == Decimal("1.5000")
    prices = ("open_price", "high_price", "low_price", "close_price")
    assert [int(minute[name]) for name in prices] == [100, 104, 99, 104]
    assert minute["vwap"] == Decimal("101.2000")
    quarter = current(feed, "15m", START)
    assert quarter["trade_count"] == 6 and quarter["total_value"] == Decimal(609)


def test_a_window_without_sells_has_no_ratio(feed):
    minute = current(feed, "1m", START + MINUTE)
    assert minute["sell_count"] == 0 and minute["buy_sell_ratio"] is None
    message = next(r for r in feed.minutes() if r["window_start"] == START + MINUTE)
    assert message["buy_sell_ratio"] is None


def test_what_is_too_late_is_kept_with_its_lateness(feed):
    late = sorted(rows(feed.settings, "ops.late_rows").to_pylist(), key=lambda r: r["lateness_ms"])
    assert [(r["trade_id"], r["lateness_ms"]) for r in late] == [
        ("T8", 30_001),
        ("T9", 60_000),
        ("T10", 86_460_000),
    ]
    assert all(r["job"] == "aggregates" and r["source_topic"] == "raw.trades" for r in late)


def test_a_drain_closed_the_open_windows_and_nothing_is_lost(feed):
    results = rows(feed.settings, "market.trade_aggregates").to_pylist()
    in_time = [r for r in feed.sent if r["timestamp_ms"] < START + YEAR]
    for size in ("1m", "5m", "15m"):
        aggregated = sum(r["trade_count"] for r in results if r["window_size"] == size)
        assert aggregated + count(feed.settings, "ops.late_rows") == len(in_time)


@pytest.mark.long
def test_clocks_that_are_ahead_make_nobody_late(stack: Stack, tmp_path: Path) -> None:
    settings = prepared(stack, tmp_path, idle_timeout_ms=1000)
    feed = Feed(settings)

    def now() -> int:
        return int(time.time() * 1000) - START

    submit(settings, ["aggregates"])
    try:
        feed.send(now() - 70_000)
        feed.send(now() + 60_000)
        feed.send(now() + 299_000)
        # The watermark has come as far as their arrival.
        feed.await_minute((feed.sent[0]["timestamp_ms"] - START) // MINUTE)
        feed.send(now())
        feed.send(now() - 3_000)
        wait_until(lambda: _read(settings) == len(feed.sent), "all is read")
        stop(settings, ["aggregates"], drain=True)
    finally:
        cancel_jobs(settings)
    assert count(settings, "ops.late_rows") == 0
    found = {r["window_start"]: r["trade_count"] for r in feed.minutes() if not r["late"]}
    # Each in its own minute, also those that are ahead.
    assert found == Counter(r["timestamp_ms"] // MINUTE * MINUTE for r in feed.sent)


@pytest.mark.long
def test_what_comes_late_while_a_job_is_stopped_is_not_lost(stack: Stack, tmp_path: Path) -> None:
    # A job that goes on has no watermark until it has read something; its windows have theirs.
    settings = prepared(stack, tmp_path, idle_timeout_ms=1000)
    feed = Feed(settings)
    submit(settings, ["aggregates"])
    try:
        feed.send(0)
        feed.send(65_000)
        feed.await_minute(0)
        stop(settings, ["aggregates"])
        feed.send(59_000)  # 1 s later than the watermark was
        feed.send(-86_400_000)  # a day late
        feed.send(66_000)
        submit(settings, ["aggregates"])
        wait_until(lambda: _read(settings) == 3, "the rest is read")
        stop(settings, ["aggregates"], drain=True)
    finally:
        cancel_jobs(settings)
    results = rows(settings, "market.trade_aggregates").to_pylist()
    for size in ("1m", "5m", "15m"):
        aggregated = sum(r["trade_count"] for r in results if r["window_size"] == size)
        assert aggregated + count(settings, "ops.late_rows") == len(feed.sent), size


def _read(settings: Settings) -> int:
    return next(row[3] or 0 for row in job_status(settings) if row[0] == "aggregates")


@pytest.mark.long
def test_a_backlog_in_many_partitions_is_not_late(stack, tmp_path):
    """Read from the beginning, no partition runs ahead of those that wait for their turn."""
    settings = isolated(stack, tmp_path)
    settings = settings.model_copy(
        update={"kafka": settings.kafka.model_copy(update={"profile": "full"})}
    )
    topics.apply(settings)
    tables.apply(settings)
    events = 60_000
    symbols = choose(load_instruments(settings.symbols_file), 80)
    values = generate_day(date(2024, 6, 3), 4, symbols, events).values()
    keys = symbols_of(values).to_pylist()
    produce(settings, "raw.trades", list(zip(keys, values.to_pylist(), strict=True)))
    assert len({m.partition for m in read_all(settings, "raw.trades")}) == 8
    try:
        job_id = submit(settings, ["aggregates"])["aggregates"]
        cluster = Cluster(endpoints(settings).rest_url)
        wait_until(lambda: cluster.records_read(job_id) == events, "all is read", 180)
        stop(settings, ["aggregates"], drain=True)
    finally:
        cancel_jobs(settings)
    assert count(settings, "ops.late_rows") == 0
    with connect() as con:
        load_raw(con, as_raw(read_all(settings, "raw.trades"), "raw.trades"))
        wanted = run_definition(con, "aggregates")["market.trade_aggregates"]
    found = compare(rows(settings, "market.trade_aggregates"), wanted)
    assert not found, found
