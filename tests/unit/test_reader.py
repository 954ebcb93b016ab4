"""What a record must be, and that SQL and Python agree on it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.contracts.reader import Refused, Valid, original_value, read_record, status_problem
from workbench.contracts.records import (
    ENRICHED_TRADE,
    MARKET_DATA_TICK,
    ORDER_BOOK,
    TRADE_AGGREGATE,
    TRADE_EVENT,
)
from workbench.definitions import connect, load_raw, read_trades

ARRIVED_MS = 1_700_000_000_000
ARRIVED = datetime.fromtimestamp(ARRIVED_MS / 1000, UTC)
TRADE: dict[str, Any] = {
    "trade_id": "T1",
    "order_id": "O1",
    "symbol": "AAPL",
    "side": "BUY",
    "quantity": 10,
    "price": 187.25,
    "status": "FILLED",
    "exchange": "NASDAQ",
    "trader_id": "TR1",
    "account_id": "A1",
    "timestamp_ms": ARRIVED_MS,
    "event_type": "TRADE",
}


def trade(**changes: Any) -> bytes:
    """A valid trade event with some fields changed; None takes a field away."""
    fields = {k: v for k, v in {**TRADE, **changes}.items() if v is not None}
    return json.dumps(fields).encode()


def with_text(name: str, text: str) -> bytes:
    """A valid trade event with one field's JSON text as given."""
    return trade(**{name: "@"}).replace(b'"@"', text.encode())


def read(value: bytes | None) -> Valid | Refused:
    return read_record(TRADE_EVENT, value, ARRIVED_MS)


def reason(value: bytes | None) -> str | None:
    result = read(value)
    return result.error_type if isinstance(result, Refused) else None


def test_a_good_record_is_normalised():
    result = read(trade(side=" sell ", status="\tpartially_filled", quantity="1.123456785"))
    assert isinstance(result, Valid)
    assert result.values["side"] == "SELL"
    assert result.values["status"] == "PARTIALLY_FILLED"
    assert result.values["quantity"] == Decimal("1.12345679")
    assert str(result.values["price"]) == "187.25000000"


def test_names_that_are_not_listed_are_ignored_even_twice():
    assert reason(trade()[:-1] + b', "x": {"price": [1]}, "x": 2}') is None


@pytest.mark.parametrize(
    "value",
    [
        b"", b"   ", b"{", b'{"a":1', b'{"a":1}{}', b'{"a":1} x', b'{"a":1,}', b"[1,]", b"{'a':1}",
        b"// c\n{}", b"{} /* c */", b'{"a":NaN}', b'{"a":-Infinity}', b"NaN", b'{"a":01}',
        b'{"a":1.}', b'{"a":.5}', b'{"a":+1}', b'{"a":0x10}', b'{"a":"\x01"}', b'{"a":"\\x"}',
        b"\xef\xbb\xbf{}", b'{"a":"\\ud800"}', b'{"a":"\\udc00\\ud800"}', b'{a:1}', b"nul",
        b"\x00", b"[" * 201 + b"]" * 201, b"[" * 100_000, b'{"a":1e}',
    ],
)  # fmt: skip
def test_what_is_not_json_by_the_letter_is_refused(value):
    assert reason(value) == "invalid-json"


def test_deep_nesting_up_to_the_limit_is_json():
    assert reason(b"[" * 200 + b"]" * 200) == "not-an-object"
    assert reason(b'{"a": "' + b"[" * 500 + b'"}') == "missing-field"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "tombstone"),
        (b"\xff{}", "invalid-utf8"),
        (b'{"a": "\xed\xa0\x80"}', "invalid-utf8"),
        (b"[]", "not-an-object"),
        (b'"text"', "not-an-object"),
        (b"null", "not-an-object"),
        (trade()[:-1] + b', "price": 1}', "repeated-field"),
        (trade()[:-1] + b', "\\u0070rice": 1}', "repeated-field"),
        (trade(trade_id=None), "missing-field"),
        (with_text("symbol", "null"), "missing-field"),
        (trade(symbol=" \t"), "missing-field"),
        (trade(price=""), "missing-field"),
        (trade(trade_id=7), "wrong-type"),
        (trade(symbol=["AAPL"]), "wrong-type"),
        (trade(side="HOLD"), "wrong-type"),
        (trade(side="ＢＵＹ"), "wrong-type"),
        (trade(price="12x"), "wrong-type"),
        (trade(price="1_000"), "wrong-type"),
        (trade(price="0x10"), "wrong-type"),
        (trade(price=True), "wrong-type"),
        (trade(price="１"), "wrong-type"),
        (trade(timestamp_ms=1.0), "wrong-type"),
        (with_text("timestamp_ms", "1e3"), "wrong-type"),
        (with_text("timestamp_ms", "9223372036854775808"), "wrong-type"),
        (trade(exchange=5), "wrong-type"),
        (trade(status=5), "wrong-type"),
        (trade(price="NaN"), "not-finite"),
        (trade(price="-inf"), "not-finite"),
        (with_text("price", "1e999"), "not-finite"),
        (trade(price=0), "not-positive"),
        (trade(price=-3), "not-positive"),
        (trade(price="0.000000004"), "not-positive"),
        (with_text("price", "1e-999"), "not-positive"),
        (trade(price="0." + "0" * 200 + "1"), "not-positive"),
        (trade(price="9999999999.999999995"), "out-of-range"),
        (trade(quantity=10**10), "out-of-range"),
        (trade(quantity="1." + "0" * 100), "out-of-range"),
        (trade(quantity=10**7, price=10**7), "out-of-range"),
        (trade(quantity=10**5, price=10**9, timestamp_ms=0), "out-of-range"),
        (trade(timestamp_ms=0), "out-of-range"),
        (trade(symbol="é" * 1_001), "out-of-range"),
        (trade(status="x" * 1_001), "out-of-range"),
        (trade(note="x" * 8_000_000), "too-large"),
        (b"\xff" * 8_000_001, "too-large"),
        (trade(timestamp_ms=ARRIVED_MS + 300_001), "future-time"),
    ],
)
def test_the_first_reason_that_holds(value, expected):
    assert reason(value) == expected


@pytest.mark.parametrize(
    "value",
    [
        trade(price="0.000000005"),
        trade(price="9999999999.99999999"),
        trade(price=" +1.50e2 "),
        trade(price=".5"),
        trade(price="5."),
        trade(quantity="1." + "0" * 98),
        trade(quantity="9999.9999", price="9999999999.99999999"),
        trade(quantity="9999999.99999999", price=10**7),
        trade(timestamp_ms=ARRIVED_MS + 300_000),
        trade(timestamp_ms=" +1 "),
        trade(exchange=None, trader_id=None, account_id=None, event_type=None, status=None),
        with_text("exchange", "null"),
        trade(exchange=" "),
        trade(status=""),
        trade(symbol="\U0001f600"),
        trade(symbol="\U0001f600" * 1_000),
        trade(exchange="x" * 1_000),
        trade(note="x" * 7_999_000),
        trade(status="whatever"),
        b" \r\n\t" + trade() + b"\n",
    ],
)
def test_what_is_just_good_enough(value):
    assert reason(value) is None


def test_fields_are_judged_in_the_order_of_the_contract():
    assert reason(trade(price=-3, timestamp_ms="x")) == "wrong-type"
    assert reason(trade(quantity=-1, price="nan")) == "not-positive"


def test_messages_name_the_field_its_value_and_what_was_expected():
    messages = [
        read(trade(price=-3)),
        read(trade(side="HOLD")),
        read(trade(symbol="")),
        read(trade(price="x" * 500)),
        read(trade(quantity="9900000000.5", price="20001.00")),
    ]
    assert [m.error_message for m in messages if isinstance(m, Refused)] == [
        "price: -3 is not above zero",
        'side: "HOLD" is not one of BUY, SELL',
        "symbol: missing, expected a string",
        f'price: "{"x" * 80}" is not a decimal',
        "quantity times price: 198009900010000.5 is not below 10^14",
    ]


def test_status_decides_only_where_an_event_goes():
    assert status_problem("NEW") is None
    missing, unknown = status_problem(None), status_problem("DONE")
    assert missing and missing.error_type == "missing-status"
    assert unknown and unknown.topic == "dlq.trades.unroutable"


def test_a_dead_letter_keeps_the_first_characters():
    assert original_value(None) is None
    assert original_value("é".encode() * 20_000) == "é" * 10_000
    assert original_value(b"a\xffb") == "a\ufffdb"
    assert original_value("😀".encode() * 10_001) == "😀" * 10_000


def test_other_records_follow_the_same_rules():
    tick = {"symbol": "A", "price": "1.5", "timestamp_ms": 5, "bid_quantity": 0}
    result = read_record(MARKET_DATA_TICK, json.dumps(tick).encode(), 5)
    assert isinstance(result, Valid)
    assert result.values["bid_quantity"] == 0 and result.values["bid_price"] is None
    book = {"symbol": "A", "timestamp_ms": 5, "bids": [{"price": 1, "quantity": "2"}], "asks": []}
    result = read_record(ORDER_BOOK, json.dumps(book).encode(), 5)
    assert isinstance(result, Valid)
    assert result.values["bids"] == [{"price": Decimal(1), "quantity": Decimal(2)}]
    book["asks"] = [{"price": 1}]
    refused = read_record(ORDER_BOOK, json.dumps(book).encode(), 5)
    assert isinstance(refused, Refused) and refused.error_type == "wrong-type"
    enriched = read_record(ENRICHED_TRADE, trade(), ARRIVED_MS)
    assert isinstance(enriched, Refused) and enriched.error_message.startswith("company_name")
    aggregate = read_record(TRADE_AGGREGATE, b'{"symbol":"A","window_start":1}', 0)
    assert isinstance(aggregate, Refused) and aggregate.error_type == "missing-field"


# ---------------------------------------------------------------- SQL == Python


#: Quantities and prices whose product lies around the bound.
NOTIONALS = [
    ("10000000", "10000000"), ("9999999.99999999", "10000000"), ("10000000.00000001", "9999999.99"),
    ("10000", "9999999999.99999999"), ("10000.00000001", "9999999999.99999999"),
    ("9900000000", "9900000000"), ("9999999999.99999999", "9999999999.99999999"), ("1e7", "1e7"),
    ("99999999999999", "1"), ("1e9", "99999.999999999"), ("9990000", "10000000"),
    ("0.00000001", "9999999999.99999999"), ("9989999.99999999", "10000000"),
]  # fmt: skip


def notionals() -> list[bytes]:
    """A trade event for each of `NOTIONALS`."""
    return [
        with_text("quantity", quantity).replace(b"187.25", price.encode())
        for quantity, price in NOTIONALS
    ]


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with connect(threads=1) as connection:
        yield connection


def both_ways(con: duckdb.DuckDBPyConnection, values: list[bytes | None]) -> None:
    """Assert that SQL reads each value as Python does."""
    load_raw(con, values, source_time=ARRIVED)
    read_trades(con)
    names = [field.name for field in TRADE_EVENT.fields]
    rows = con.execute(
        f"SELECT error_type, error_message, error_topic, original_value, {', '.join(names)} "
        "FROM read_trades ORDER BY source_offset"
    ).fetchall()
    assert len(rows) == len(values)
    for value, (kind, message, topic, original, *fields) in zip(values, rows, strict=True):
        result = read(value)
        expected: Refused | None
        if isinstance(result, Valid):
            assert fields == [result.values[name] for name in names], value
            expected = status_problem(result.values["status"])
        else:
            expected = result
        found = Refused(kind, message, topic) if kind else None
        assert found == expected, value
        assert original == (original_value(value) if expected else None), value


NUMBERS = st.one_of(
    st.decimals(allow_nan=True, places=9, min_value=-5, max_value=5).map(str),
    st.floats().map(repr),
    st.integers().map(str),
    st.from_regex(r"[+-]?[0-9]{0,12}\.?[0-9]{0,12}([eE][+-]?[0-9]{1,4})?", fullmatch=True),
    st.sampled_from(
        ["1e999", "-0", "0.000000005", "9999999999.999999995", "1_0", "0x1", "01", "1."]
    ),
)
WORDS = st.one_of(
    st.sampled_from(
        ["", " ", "\t", "BUY", " buy ", "sell", "HOLD", "filled", " New", "Partially_Filled", "x",
         "é", "ﬁlled", "fılled", "NaN", "-INF", "infinity", ":", '":', "\x7f", "\u2028", "\x00"]
    ),
    st.text(max_size=8),
)  # fmt: skip
TEXTS = st.one_of(
    NUMBERS,
    NUMBERS.map(json.dumps),
    WORDS.map(json.dumps),
    WORDS.map(lambda word: json.dumps(word, ensure_ascii=False)),
    WORDS.map(lambda word: f'"{word}"'),
    st.sampled_from(["null", "true", "false", "[]", "{}", "NaN", '"\\ud800"', '"\\u0041"', "[1,]"]),
    st.integers(ARRIVED_MS + 299_990, ARRIVED_MS + 300_010).map(str),
)
BLANKS = st.sampled_from(["", "", "", " ", "\n", "\t ", "\v", "\ufeff"])


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """A trade event with some fields changed, taken away, repeated or renamed; or garbage."""
    members = {name: json.dumps(value) for name, value in TRADE.items()}
    for name in draw(st.lists(st.sampled_from(list(TRADE)), max_size=3)):
        members[name] = draw(TEXTS)
    for name in draw(st.lists(st.sampled_from(list(TRADE)), max_size=1)):
        del members[name]
    pairs = list(members.items())
    extra = st.tuples(st.one_of(st.sampled_from(list(TRADE)), st.just("extra")), TEXTS)
    pairs += draw(st.lists(extra, max_size=1))
    pairs = draw(st.permutations(pairs)) if draw(st.booleans()) else pairs
    colon, comma = draw(BLANKS) + ":" + draw(BLANKS), draw(BLANKS) + ","
    text = "{" + comma.join(f'"{name}"{colon}{value}' for name, value in pairs) + "}"
    value = (draw(BLANKS) + text + draw(BLANKS)).encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 9)) == 0:  # damage it anywhere
        at = draw(st.integers(0, len(value)))
        value = value[:at] + draw(st.binary(max_size=2)) + value[at + draw(st.integers(0, 3)) :]
    return value


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(values=st.lists(st.one_of(records(), st.none(), st.binary(max_size=20)), max_size=20))
def test_sql_reads_as_python_does(con, values):
    both_ways(con, values)


def test_sql_reads_as_python_does_over_many_small_changes(con):
    """Every field with every odd text, and a valid record damaged at each of its bytes."""
    odd = [
        "0", "-0", "1", "1.0", "1e0", "1E+2", "0.1", "123456789.123456789", "1234567.12345678",
        "12345678.12345678", "1234567890.12345", "9999999999.99999999", "10000000000", "0.00000001",
        "0.000000001", "123456789012345678", "1234567890123456789", "99999999999999999999",
        "9223372036854775807", '"9223372036854775807"', '"1"', '"1.50"', '" 1"', '"1e2"', '"-1"',
        '"+1"', '"00012.5"', '"12345678901"', '"NaN"', '"inf"', "null", "true", '""', '" "', '"x"',
        '"BUY"', '"buy "', '"\\tbuy"', '"a,b:c{}"', '":"', '"\\""', '"\\u0041"', '"é"', "[]", "{}",
        '["price"]', '{"price":1}', "NaN", "-Infinity", "1.", ".5", "01", "+1", "1_000", "'x'", "",
    ]  # fmt: skip
    values: list[bytes | None] = [with_text(name, text) for name in TRADE for text in odd]
    values += [trade(**{name: letter * 1_001}) for name in TRADE for letter in "xé"]
    values += [trade(**{name: letter * 1_000}) for name in TRADE for letter in "xé"]
    values += [trade(note="x" * 8_000_000), trade(note="x" * 7_999_000), *notionals()]
    whole = trade()
    generator = random.Random(7)
    for at in range(len(whole)):
        values.append(whole[:at] + whole[at + 1 :])
        values.append(whole[:at] + generator.randbytes(1) + whole[at:])
        values.append(whole[:at] + b'"' + whole[at + 1 :])
    both_ways(con, values)
