"""The same records through a stream, through a batch run and through DuckDB: the same rows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.integration.support import (
    as_raw,
    cancel_jobs,
    count,
    prepared,
    produce,
    rows,
    wait_until,
)
from workbench.broker.offsets import Received, read_all
from workbench.config import Settings, load_settings
from workbench.contracts.topics import ROUTES, UNROUTABLE
from workbench.definitions import connect, load_raw, run_definition
from workbench.definitions.compare import COORDINATES, WALL_CLOCK, compare
from workbench.ingest.files import symbols_of
from workbench.ingest.generate import Defects, choose, generate_day, load_instruments
from workbench.jobs import run_batch, stop, submit
from workbench.lake import tables
from workbench.stack import Stack

JOBS = ["landing", "router", "aggregates", "enrichment"]
FIVE_MB = 5_000_000


def event(**changes: Any) -> bytes:
    """A trade event of the generated day, with some fields changed."""
    fields = {
        "trade_id": "H1",
        "order_id": "O1",
        "symbol": "AAPL",
        "side": "BUY",
        "quantity": 10,
        "price": 187.25,
        "status": "FILLED",
        "timestamp_ms": 1_717_420_000_000,
    }
    return json.dumps({**fields, **changes}).encode()


#: Records by hand that a stranger might send, and what must become of each.
BY_HAND: dict[str, tuple[bytes | None, str | None]] = {
    "tombstone": (None, "tombstone"),
    "invalid UTF-8": (b'{"trade_id": "\xff"}', "invalid-utf8"),
    "a valid record of 5 MB": (event(trade_id="BIG", note="x" * FIVE_MB), None),
    "a bad record of 5 MB": (b'{"note": "' + b"y" * FIVE_MB + b'"}', "missing-field"),
    "a symbol of 300,000 characters": (event(symbol="S" * 300_000), "out-of-range"),
    "extra fields": (event(trade_id="EXTRA", venue={"mic": ["XNAS"]}, price_level=3), None),
    "quoted numbers": (event(trade_id="QUOTED", price="187.25", quantity="0.5"), None),
    "112.7 for an integer": (event(trade_id="FRACTION", timestamp_ms=112.7), "wrong-type"),
    "text after the object": (event(trade_id="TRAILING") + b" trailing", "invalid-json"),
    "bare NaN": (event(trade_id="NAN", price=float("nan")), "invalid-json"),
    "price beyond a double": (event(trade_id="INF").replace(b"187.25", b"1e999"), "not-finite"),
    "negative quantity": (event(trade_id="NEG", quantity=-1), "not-positive"),
    "ten years ahead": (event(trade_id="AHEAD", timestamp_ms=2_100_000_000_000), "future-time"),
    "blanks around a status": (event(trade_id="BLANKS", status=" Partially_Filled\t"), None),
    "an unknown status": (event(trade_id="ODD", status="SETTLED"), "unknown-status"),
    "no status": (event(trade_id="NONE", status=None), "missing-status"),
    "a symbol nobody knows": (event(trade_id="NOBODY", symbol="ZZZZ"), None),
}


@dataclass(frozen=True)
class Landed:
    """What went in, and where it came out."""

    settings: Settings
    sent: list[tuple[bytes | None, bytes | None]]
    raw: list[Received]
    filled: list[Received]


@pytest.fixture(scope="module")
def landed(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landed]:
    """A day with known defects, streamed through all four jobs and drained."""
    # On a busy machine, a partition behind messages of 5 MB must not count as idle.
    settings = prepared(stack, tmp_path_factory.mktemp("stream"), idle_timeout_ms=600_000)
    symbols = choose(load_instruments(settings.symbols_file), 12)
    # The records by hand lie at the start of the day, so that none of them is late.
    day = generate_day(
        date(2024, 6, 3),
        11,
        symbols,
        6_000,
        Defects(malformed=21, duplicates=6, unroutable=7, future=3),
    )
    values = day.values()
    keys = symbols_of(values).to_pylist()
    by_hand = [(b"AAPL", value) for value, _ in BY_HAND.values()]
    sent = by_hand + list(zip(keys, values.to_pylist(), strict=True))
    try:
        submit(settings, JOBS)
        produce(settings, "raw.trades", sent)
        wait_until(
            lambda: (
                count(settings, "market.trades") + count(settings, "ops.dead_letters") >= len(sent)
            ),
            "every record is landed or refused",
        )
        filled = read_all(settings, "processed.trades.filled")
        wait_until(
            lambda: count(settings, "market.enriched_trades") >= len(filled),
            "every execution is enriched",
        )
        stop(settings, JOBS, drain=True)
    finally:
        cancel_jobs(settings)
    yield Landed(settings, sent, read_all(settings, "raw.trades"), filled)


def defined(landed: Landed, job: str) -> dict[str, pa.Table]:
    """What the job's DuckDB definition makes of the messages that Kafka holds."""
    messages, topic = (
        (landed.filled, "processed.trades.filled")
        if job == "enrichment"
        else (landed.raw, "raw.trades")
    )
    with connect() as con:
        load_raw(con, as_raw(messages, topic))
        return run_definition(con, job, symbols=landed.settings.symbols_file)


@pytest.mark.parametrize(
    ("job", "table"),
    [
        ("landing", "market.trades"),
        ("aggregates", "market.trade_aggregates"),
        ("enrichment", "market.enriched_trades"),
    ],
)
def test_a_stream_lands_what_the_definition_says(landed, job, table):
    found = compare(rows(landed.settings, table), defined(landed, job)[table])
    assert found.rows[0] > 0
    assert not found, found


def test_every_refused_record_is_in_the_lake_once_with_its_reason(landed):
    wanted = pa.concat_tables(
        [defined(landed, job)["ops.dead_letters"] for job in ("landing", "router")]
    )
    # The words of a JSON parser are its own; every other message is the contract's.
    found = compare(
        rows(landed.settings, "ops.dead_letters"), wanted, ignore={*WALL_CLOCK, "error_message"}
    )
    assert found.rows[0] > 30
    assert not found, found


def test_dead_letter_topics_and_the_lake_hold_the_same(landed):
    letters = rows(landed.settings, "ops.dead_letters").to_pylist()
    for topic in ("dlq.deserialization", "dlq.processing-errors"):
        messages = [json.loads(m.value) for m in read_all(landed.settings, topic)]
        for message in messages:
            message.pop("timestamp_ms")
        in_lake = [
            {name: row[name] for name in messages[0]} for row in letters if row["topic"] == topic
        ]
        key = lambda row: (row["source_partition"], row["source_offset"])  # noqa: E731
        assert sorted(messages, key=key) == sorted(in_lake, key=key)


def test_the_router_passes_bytes_on_under_the_key_of_the_contract(landed):
    wanted = defined(landed, "router")
    for topic in {*ROUTES.values(), UNROUTABLE}:
        sent = Counter((row["key"], row["value"]) for row in wanted[topic].to_pylist())
        found = Counter((m.key, m.value) for m in read_all(landed.settings, topic))
        assert found == sent, topic
    assert sum(table.num_rows for name, table in wanted.items() if "." in name) > 6_000


def test_topics_carry_what_the_tables_hold(landed):
    for topic, table in (
        ("analytics.trade-aggregates", "market.trade_aggregates"),
        ("enriched.trades", "market.enriched_trades"),
    ):
        messages = read_all(landed.settings, topic)
        assert len(messages) == count(landed.settings, table)
        key = "symbol" if topic.startswith("analytics") else "order_id"
        assert all(m.key == json.loads(m.value)[key].encode() for m in messages)


def test_nothing_disappears(landed):
    """in = good + dead; executions = aggregated + late = enriched."""
    trades = rows(landed.settings, "market.trades").to_pylist()
    dead = count(landed.settings, "ops.dead_letters")
    assert len(landed.sent) == len(landed.raw) == len(trades) + dead
    executions = sum(row["status"] in ("FILLED", "PARTIALLY_FILLED") for row in trades)
    results = rows(landed.settings, "market.trade_aggregates").to_pylist()
    late = count(landed.settings, "ops.late_rows")
    for size in ("1m", "5m", "15m"):
        aggregated = sum(r["trade_count"] for r in results if r["window_size"] == size)
        assert aggregated + late == executions
    assert count(landed.settings, "market.enriched_trades") == executions == len(landed.filled)


@pytest.mark.parametrize("name", BY_HAND)
def test_what_becomes_of_a_record_by_hand(landed, name):
    value, reason = BY_HAND[name]
    at = [(m.partition, m.offset) for m in landed.raw if m.value == value]
    assert len(at) == 1
    partition, offset = at[0]

    def here(table: str) -> list[dict[str, Any]]:
        return [
            row
            for row in rows(landed.settings, table).to_pylist()
            if (row["source_partition"], row["source_offset"]) == (partition, offset)
            and row["source_topic"] == "raw.trades"
        ]

    letters = here("ops.dead_letters")
    assert [row["error_type"] for row in letters] == ([reason] if reason else [])
    assert len(here("market.trades")) == (0 if reason else 1)
    for row in letters:
        assert len(row["original_value"] or "") <= 10_000


def test_unknown_symbols_are_enriched_as_unknown(landed):
    nobody = [
        row
        for row in rows(landed.settings, "market.enriched_trades").to_pylist()
        if row["symbol"] == "ZZZZ"
    ]
    assert [(r["company_name"], r["sector"], r["market_cap_tier"]) for r in nobody] == [
        ("UNKNOWN", "UNKNOWN", "UNKNOWN")
    ]


def test_a_batch_run_over_a_file_gives_the_rows_of_the_stream(landed, tmp_path):
    lines = [value for _, value in landed.sent if value is not None and b"\n" not in value]
    file = tmp_path / "trades.jsonl"
    file.write_bytes(b"\n".join(lines) + b"\n")
    settings = load_settings(
        tmp_path,
        stack=landed.settings.stack.model_dump(),
        lake={"warehouse": tmp_path / "warehouse"},
    )
    tables.apply(settings)
    read = run_batch(settings, JOBS, [file], output=tmp_path / "topics")
    assert read == len(lines) == len(landed.sent) - 1  # a file holds no tombstone
    ignore = {*WALL_CLOCK, *COORDINATES}
    for table in ("market.trades", "market.trade_aggregates", "market.enriched_trades"):
        found = compare(rows(landed.settings, table), rows(settings, table), ignore=ignore)
        assert found.rows[0] > 0
        assert not found, (table, found)
    streamed = rows(landed.settings, "ops.dead_letters")
    batch = pa.concat_tables([rows(settings, "ops.dead_letters")])
    kinds = [
        Counter(
            (r["job"], r["topic"], r["error_type"])
            for r in table.to_pylist()
            if r["error_type"] != "tombstone" and r["job"] != "enrichment"
        )
        for table in (streamed, batch)
    ]
    assert kinds[0] == kinds[1]
    _topics_match(landed, tmp_path / "topics")


def _topics_match(landed: Landed, output: Path) -> None:
    for job, topic in (
        ("aggregates", "analytics.trade-aggregates"),
        ("enrichment", "enriched.trades"),
    ):
        files = list((output / job / topic).glob("part-*"))
        written = [json.loads(line) for f in files for line in f.read_text().splitlines()]
        streamed = [json.loads(m.value) for m in read_all(landed.settings, topic)]
        for message in (*written, *streamed):
            for name in ("computed_at", "enriched_at_ms", "open_offset", "close_offset"):
                message.pop(name, None)
        assert Counter(map(repr, written)) == Counter(map(repr, streamed))
