"""One reader for every form of file: what it yields is what Kafka gets."""

from __future__ import annotations

import gzip
import io
import json
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import UsageError, WorkbenchError
from workbench.ingest.files import SCHEMA, iter_batches, symbols_of
from workbench.ingest.json_text import json_rows
from workbench.ingest.pace import due_times, event_times
from workbench.ingest.tally import Tally

Rows = list[tuple[bytes | None, bytes | None]]


def read(path: Path | str, form: str = "trades", **options: Any) -> Rows:
    batches = list(iter_batches(path, form, **options))
    assert all(batch.schema == SCHEMA for batch in batches)
    return [(r["key"], r["value"]) for batch in batches for r in batch.to_pylist()]


def test_json_lines_pass_byte_for_byte(tmp_path: Path) -> None:
    lines = [
        b'{"symbol": "AAPL", "price": 187.250, "extra": [1, 2]}',
        b"{truncated",
        b'  {"symbol":"MSFT"}  ',
        b'\xff\xfe{"symbol":"X"}',
        b"[]",
    ]
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\n\n".join(lines) + b"\r\n")
    tally = Tally()
    rows = read(path, tally=tally)
    assert [value for _, value in rows] == lines
    assert [key for key, _ in rows] == [b"AAPL", None, b"MSFT", None, None]
    assert (tally.rows, tally.empty) == (5, 4)


def test_a_line_longer_than_a_block_and_a_last_line_without_end(tmp_path: Path) -> None:
    long = b'{"symbol":"A","note":"' + b"x" * (9 << 20) + b'"}'
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"symbol":"B"}\n' + long + b'\n{"symbol":"C"}')
    assert [key for key, _ in read(path)] == [b"B", b"A", b"C"]
    assert read(path)[1][1] == long


@pytest.mark.parametrize(
    ("record", "symbol"),
    [
        (b'{"a":{"symbol":"NO"},"symbol":"YES"}', b"YES"),
        (b'{"a":{"symbol":"NO"}}', None),
        (b'{"a":"\\"symbol\\":\\"NO\\"","symbol":"YES"}', b"YES"),
        (b'{"symbol":"A\\u0042"}', b"AB"),
        (b'{"symbol":7}', None),
        (b'{"symbol":""}', None),
        (b"null", None),
        (b'"symbol"', None),
        (b'{"n":1.5,"t":true, "symbol" : "BRK.B"}', b"BRK.B"),
    ],
)
def test_the_key_is_the_symbol_of_the_record_itself(record: bytes, symbol: bytes | None) -> None:
    assert symbols_of(pa.array([record], pa.binary())).to_pylist() == [symbol]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text() | st.just("symbol"), values, max_size=5), st.booleans())
def test_the_fast_way_to_the_symbol_agrees_with_a_json_parser(
    record: dict[str, Any], ascii_only: bool
) -> None:
    text = json.dumps(record, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    symbol = record.get("symbol")
    wanted = symbol.encode("utf-8", "surrogatepass") if isinstance(symbol, str) and symbol else None
    assert symbols_of(pa.array([text], pa.binary())).to_pylist() == [wanted]


def test_csv_numbers_stay_the_text_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "trade_id,symbol,quantity,price,status,timestamp_ms,note\n"
        '1,AAPL,100,187.2500,FILLED,1704205800000,"a ""quoted"", note"\n'
        "2,MSFT,1e2,n/a,,0017,\n"
        '3,,"",-3,"",,x\n'
    )
    assert read(path) == [
        (
            b"AAPL",
            b'{"trade_id":"1","symbol":"AAPL","quantity":100,"price":187.2500,"status":"FILLED",'
            b'"timestamp_ms":1704205800000,"note":"a \\"quoted\\", note"}',
        ),
        (
            b"MSFT",
            b'{"trade_id":"2","symbol":"MSFT","quantity":1e2,"price":"n/a","timestamp_ms":"0017"}',
        ),
        (None, b'{"trade_id":"3","quantity":"","price":-3,"status":"","note":"x"}'),
    ]


def test_a_csv_row_of_another_width_goes_on_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("symbol,price\nAAPL,1\nbroken\nMSFT,2\n")
    assert sorted(read(path), key=str) == [
        (None, b"broken"),
        (b"AAPL", b'{"symbol":"AAPL","price":1}'),
        (b"MSFT", b'{"symbol":"MSFT","price":2}'),
    ]


def test_a_book_in_csv_has_its_levels_as_json(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('symbol,timestamp_ms,bids\nA,5,"[{""price"":1,""quantity"":2}]"\nA,6,[oops\n')
    assert [value for _, value in read(path, "orderbook")] == [
        b'{"symbol":"A","timestamp_ms":5,"bids":[{"price":1,"quantity":2}]}',
        b'{"symbol":"A","timestamp_ms":6,"bids":"[oops"}',
    ]


def test_parquet_decimals_are_exact_and_times_are_epoch_milliseconds(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = pa.table(
        {
            "symbol": pa.array(["A", None]).dictionary_encode(),
            "price": pa.array([Decimal("187.25"), Decimal("0.00000001")], pa.decimal128(18, 8)),
            "quantity": pa.array([1e-7, float("nan")]),
            "timestamp_ms": pa.array(
                [datetime(2024, 1, 2, 14, 30, 0, 123999, UTC), None], pa.timestamp("us", "UTC")
            ),
        }
    )
    pq.write_table(table, path)
    expected = [
        (b"A", b'{"symbol":"A","price":187.25,"quantity":1e-7,"timestamp_ms":1704205800123}'),
        (None, b'{"price":0.00000001,"quantity":"nan"}'),
    ]
    assert read(path) == expected
    packed = tmp_path / "a.parquet.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read(packed) == expected


@pytest.mark.parametrize(
    "side",
    [
        [{"price": Decimal("1.50"), "quantity": Decimal("2")}],
        [[Decimal("1.50"), Decimal("2")]],
    ],
)
def test_levels_in_parquet_may_be_structs_or_pairs(tmp_path: Path, side: Any) -> None:
    path = tmp_path / "a.parquet"
    books = {"symbol": ["A", "A"], "timestamp_ms": [1, 2], "bids": [side, []], "asks": [[], side]}
    pq.write_table(pa.table(books), path)
    assert [value for _, value in read(path, "orderbook")] == [
        b'{"symbol":"A","timestamp_ms":1,"bids":[{"price":1.5,"quantity":2}],"asks":[]}',
        b'{"symbol":"A","timestamp_ms":2,"bids":[],"asks":[{"price":1.5,"quantity":2}]}',
    ]


decimals = st.decimals(-(10**10) + 1, 10**10 - 1, places=8)


@given(
    st.lists(st.tuples(st.none() | decimals, st.none() | st.text(), st.none() | st.integers(0, 9)))
)
def test_typed_rows_read_back_as_they_were(rows: list[tuple[Any, Any, Any]]) -> None:
    if not rows:
        return
    columns = {
        "d": pa.array([row[0] for row in rows], pa.decimal128(18, 8)),
        "s": pa.array([row[1] for row in rows], pa.string()),
        "n": pa.array([row[2] for row in rows], pa.int64()),
    }
    texts = json_rows(columns).to_pylist()
    for text, (d, s, n) in zip(texts, rows, strict=True):
        read_back = json.loads(text, parse_float=Decimal)
        wanted = {k: v for k, v in (("d", d), ("s", s), ("n", n)) if v is not None}
        assert read_back == wanted
        assert b"e" not in text.replace(b'"', b"").lower() or s


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_standard_input_is_told_apart_by_its_first_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, packed: bool
) -> None:
    path = tmp_path / f"a.{ending}"
    if ending == "jsonl":
        path.write_text('{"symbol":"A","price":1}\n')
    elif ending == "csv":
        path.write_text("symbol,price\nA,1\n")
    else:
        pq.write_table(pa.table({"symbol": ["A"], "price": [1]}), path)
    data = path.read_bytes()
    stdin = io.BufferedReader(io.BytesIO(gzip.compress(data) if packed else data))  # type: ignore[arg-type]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(stdin))
    assert read("-") == [(b"A", b'{"symbol":"A","price":1}')]


def test_batches_are_no_longer_than_asked(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"symbol":"A"}\n' * 25)
    sizes = [batch.num_rows for batch in iter_batches(path, "trades", batch_rows=10)]
    assert sizes == [10, 10, 5]


def test_files_are_read_in_the_order_given(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.jsonl").write_text(f'{{"symbol":"{name}"}}\n')
    batches = iter_batches([tmp_path / "b.jsonl", tmp_path / "a.jsonl"], "trades")
    assert [batch.column(1)[0].as_py() for batch in batches] == [b"b", b"a"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", b"x", "unknown ending .txt"),
        ("a.parquet", b"not parquet at all", "cannot read"),
        ("a.jsonl.gz", b"not gzip", "is not gzip"),
        ("b.jsonl.gz", gzip.compress(b'{"symbol":"A"}\n' * 999)[:-20], "cannot read"),
        ("a.csv", b"1,2,3\n4,5,6\n", "no header"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WorkbenchError, match=says) as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_a_missing_file_and_an_unknown_format_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        iter_batches(tmp_path / "none.jsonl", "trades")
    with pytest.raises(UsageError, match="did you mean 'trades'"):
        iter_batches(tmp_path, "trade")
    with pytest.raises(UsageError, match="is a folder"):
        iter_batches(tmp_path, "trades")


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_an_empty_file_has_no_messages(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    assert read(tmp_path / name) == []


def test_one_stamp_far_ahead_does_not_stop_the_clock() -> None:
    texts = [b'{"timestamp_ms":%d}' % ms for ms in (10, 20, 10**12, 30, 5, 40, 50)]
    texts.insert(3, b"oops")
    due = due_times(event_times(pa.array(texts, pa.binary())), float("-inf"))
    assert due.max() <= 50
    assert (due[1:] >= due[:-1]).all()
