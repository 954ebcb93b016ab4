"""Batch runs over files: what is refused before a row is landed, and formats."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from tests.integration.support import count, rows
from workbench.config import Settings, load_settings
from workbench.errors import StackError, UsageError
from workbench.jobs import run_batch
from workbench.lake import tables

EVENT = {
    "trade_id": "T1",
    "order_id": "O1",
    "symbol": "AAPL",
    "side": "BUY",
    "quantity": 10,
    "price": 187.25,
    "status": "FILLED",
    "timestamp_ms": 1_717_420_000_000,
}


@pytest.fixture
def lake(tmp_path: Path) -> Settings:
    settings = load_settings(tmp_path)
    tables.apply(settings)
    return settings


def test_a_file_is_landed_once_and_files_of_one_name_are_told_apart(lake, tmp_path):
    files = []
    for folder in ("monday", "tuesday"):
        file = tmp_path / folder / "it's.jsonl"
        file.parent.mkdir()
        file.write_text(json.dumps({**EVENT, "trade_id": folder}) + "\n")
        files.append(file)
    assert run_batch(lake, ["landing"], files) == 2
    landed = {r["trade_id"]: r["source_topic"] for r in rows(lake, "market.trades").to_pylist()}
    assert landed == {file.parent.name: f"file:{file}" for file in files}
    with pytest.raises(UsageError, match=r"it's.jsonl is in market.trades already: --again"):
        run_batch(lake, ["landing"], files[:1])
    assert run_batch(lake, ["landing"], files[:1], again=True) == 1
    assert count(lake, "market.trades") == 3


def test_csv_and_parquet_land_as_json_lines_do(lake, tmp_path):
    table = pa.Table.from_pylist([{**EVENT, "quantity": 0.5}, {**EVENT, "price": 0.1}])
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    pa.csv.write_csv(table, tmp_path / "t.csv")
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(r) + "\n" for r in table.to_pylist()))
    paths = [tmp_path / f"t.{end}" for end in ("jsonl", "csv", "parquet")]
    assert run_batch(lake, ["landing"], paths) == 6
    by_file: dict[str, list[tuple]] = {}
    for row in rows(lake, "market.trades").to_pylist():
        values = tuple(v for name, v in row.items() if name not in ("source_topic", "source_time"))
        by_file.setdefault(row["source_topic"], []).append(values)
    first, *others = (sorted(found, key=repr) for found in by_file.values())
    assert len(first) == 2 and others == [first, first]


def test_executions_of_the_largest_size_are_summed_or_refused(lake, tmp_path):
    # What is refused would not have fitted a sum: 103 of them are more than 38 digits can hold.
    too_large = {**EVENT, "quantity": 9_900_000_000, "price": 9_900_000_000}
    largest = {**EVENT, "quantity": "9999.99999999", "price": "9999999999.99999999"}
    events = [too_large] * 150 + [largest] * 150
    file = tmp_path / "large.jsonl"
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    assert run_batch(lake, ["landing", "aggregates"], [file]) == 300
    letters = rows(lake, "ops.dead_letters")["error_message"].to_pylist()
    assert letters == ["quantity times price: 98010000000000000000 is not below 10^14"] * 150
    value = Decimal("14999999999984999.985000000000015")
    found = rows(lake, "market.trade_aggregates").to_pylist()
    assert [(r["total_value"], r["vwap"]) for r in found] == [(value, Decimal(10) ** 10)] * 3


def test_what_cannot_be_run_is_refused_in_one_line(lake, tmp_path):
    empty = tmp_path / "nothing.jsonl"
    empty.write_text("\n")
    with pytest.raises(UsageError, match=r"no record for landing in .*nothing.jsonl"):
        run_batch(lake, ["landing"], [empty])
    with pytest.raises(UsageError, match=r"no file .*nowhere.jsonl"):
        run_batch(lake, ["landing"], [tmp_path / "nowhere.jsonl"])
    with pytest.raises(UsageError, match=r"no format 'books'"):
        run_batch(lake, ["landing"], [empty], form="books")
    with pytest.raises(StackError, match=r"no table .*workbench tables apply"):
        run_batch(load_settings(tmp_path / "other"), ["landing"], [empty])
