"""Price alerts and order books of the benchmarks: their records, their answers, their goals."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bench.answers import Expected, check_rows, message_table
from bench.page import alerts, orderbook, render
from bench.records import LEVELS, TRADED, Shape, records
from tests.unit.test_bench_page import FACTS, row

MOVES = Shape(events=20_000, symbols=10, kind="moves")
BOOKS = Shape(events=300, symbols=3, kind="books")


def messages(table: pa.Table) -> list[tuple[str, bytes | None, bytes | None, int]]:
    """Rows as a job writes them: decimals are numbers with all their digits."""

    def text(value: Any) -> str:
        return f"{value:f}" if isinstance(value, Decimal) else json.dumps(value)

    lines = [
        "{" + ",".join(f'"{name}":{text(value)}' for name, value in row.items()) + "}"
        for row in table.to_pylist()
    ]
    return [("topic", None, line.encode(), 0) for line in lines]


@pytest.mark.parametrize("shape", [MOVES, BOOKS])
def test_a_shape_without_windows_has_no_closing_records(shape):
    found = list(records(shape))
    assert found == list(records(shape))
    assert found != list(records(replace(shape, seed=2)))
    assert len(found) == shape.total == shape.events


def test_books_are_sorted_and_whole():
    for key, value in records(BOOKS):
        book = json.loads(value)
        bids, asks = ([level["price"] for level in book[side]] for side in ("bids", "asks"))
        assert key == book["symbol"]
        assert len(bids) == len(asks) == LEVELS
        assert bids == sorted(set(bids), reverse=True)
        assert asks == sorted(set(asks))
        assert bids[-1] > 0 and bids[0] < asks[0]


def test_moves_raise_alerts_both_ways_and_nothing_is_refused(tmp_path: Path):
    expected = Expected(tmp_path, MOVES)
    raised = expected.of("market.price_alerts")
    assert raised.num_rows == expected.of("alerts.price-movement").num_rows > 500
    assert Counter(raised["direction"].to_pylist()).keys() == {"UP", "DOWN"}
    assert expected.of("ops.dead_letters").num_rows == 0


def test_every_book_has_metrics_and_nothing_is_refused(tmp_path: Path):
    expected = Expected(tmp_path, BOOKS)
    assert expected.of("market.orderbook_metrics").num_rows == BOOKS.total
    assert expected.of("ops.dead_letters").num_rows == 0


@pytest.mark.parametrize(
    ("shape", "topic", "column"),
    [
        (MOVES, "alerts.price-movement", "pct_change"),
        (BOOKS, "analytics.orderbook", "ask_depth_20"),
    ],
)
def test_messages_are_compared_to_the_last_digit(tmp_path: Path, shape, topic, column):
    expected = Expected(tmp_path, shape).of(topic)
    sent = messages(expected)
    assert check_rows(message_table(sent, expected.schema), expected) is None
    assert check_rows(message_table(sent[1:], expected.schema), expected) is not None
    assert check_rows(message_table([*sent, sent[0]], expected.schema), expected) is not None
    values = expected[column].to_pylist()
    values[0] += Decimal("0.01")
    place = expected.column_names.index(column)
    field = expected.schema.field(column)
    wrong = expected.set_column(place, field, pa.array(values, field.type))
    said = check_rows(message_table(sent, expected.schema), wrong)
    assert "only_left=1, only_right=1" in str(said)


def test_alerts_have_a_goal_for_few_symbols_and_one_for_many():
    rows = [
        row("workbench", 100_000, 20.0, task="alerts, 100 symbols", results=9_000),
        row("workbench", 20_000, 40.0, task="alerts, 5,000 symbols", results=700),
    ]
    text = "\n".join(alerts({"rows": rows}))
    priced = "events with a price/s in a slot"
    assert f"- Goal, 100 symbols: at least 30,000 {priced}: **47,000**, met." in text
    assert f"5,000 symbols: at least 15,000 {priced}: **9,400**, NOT met: 63 %" in text
    assert "9,000 (alerts, 100 symbols), 700 (alerts, 5,000 symbols)" in text


def test_the_share_of_records_with_a_price_is_what_is_said():
    statuses = [json.loads(value)["status"] for _, value in records(MOVES)]
    executions = sum(status in ("FILLED", "PARTIALLY_FILLED") for status in statuses)
    assert executions / len(statuses) == pytest.approx(TRADED, abs=0.01)


def test_a_rate_of_books_counts_only_where_every_row_is_right():
    right = row("workbench", 8_000, 90.0, task="orderbook", events=20_000)
    text = "\n".join(orderbook({"rows": [right]}))
    assert (
        "at least 5,000 books/s in a slot: **8,000**, met. For a CPU second: 11,111 books." in text
    )
    wrong = {**right, "rate": None, "cpu_per_million": None, "wrong": "analytics.orderbook: 1 row"}
    page = render({"orderbook": {**FACTS, "rows": [wrong]}})
    assert "at least 5,000 books/s in a slot: not measured." in page
    assert "- WRONG, workbench, orderbook, warm: analytics.orderbook: 1 row" in page
