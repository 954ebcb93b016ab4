"""A raw WebSocket capture becomes exact records, and books by Binance's own rules."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from workbench.contracts import topic_named
from workbench.contracts.reader import Valid, read_record
from workbench.ingest.binance import BrokenMessage, Capture, milliseconds, number
from workbench.ingest.files import iter_batches
from workbench.ingest.tally import Tally

CAPTURE = Path(__file__).parents[3] / "shared" / "data" / "binance-ethusdt-20240808.jsonl.gz"
RECEIVED = 1_723_161_254_000_000_000

Records = list[tuple[str, dict[str, Any]]]


def run(*messages: Any) -> tuple[Records, Tally]:
    """Read messages as a capture; objects are wrapped as the combined stream does it."""
    tally = Tally()
    capture = Capture(tally)
    records: Records = []
    for count, message in enumerate(messages):
        text = message if isinstance(message, str) else json.dumps(message)
        line = f"{RECEIVED + count * 1_000_000} {text}".encode()
        for topic, key, value in capture.messages(line):
            record = json.loads(value, parse_float=Decimal, parse_int=Decimal)
            assert key == record["symbol"].encode()
            contract = topic_named(topic).record
            assert contract is not None
            assert isinstance(read_record(contract, value, RECEIVED // 10**6 + 10**6), Valid)
            records.append((topic, record))
    return records, tally


def trade(**changes: Any) -> dict[str, Any]:
    message = {
        "e": "trade",
        "E": 1723161255612,
        "s": "ETHUSDT",
        "t": 7,
        "p": "2683.80000000",
        "q": "0.00200000",
        "T": 1723161255611,
        "m": True,
    }
    return {"stream": "ethusdt@trade", "data": message | changes}


def diff(first: int, last: int, bids: Any = (), asks: Any = (), symbol: str = "ETHUSDT") -> Any:
    data = {"e": "depthUpdate", "E": 1723161255000 + last, "s": symbol, "U": first, "u": last}
    return {
        "stream": f"{symbol.lower()}@depth@100ms",
        "data": {**data, "b": list(bids), "a": list(asks)},
    }


def snapshot(last: int, price: str = "100") -> dict[str, Any]:
    ask = format(Decimal(price) + 1, "f")
    return {"lastUpdateId": last, "bids": [[price, "1"]], "asks": [[ask, "2"]]}


def books(records: Records) -> list[dict[str, Any]]:
    return [record for topic, record in records if topic == "raw.orderbook"]


def levels(*pairs: tuple[str, str]) -> list[dict[str, Decimal]]:
    return [{"price": Decimal(p), "quantity": Decimal(q)} for p, q in pairs]


def test_a_trade_whose_buyer_is_the_maker_was_a_sell() -> None:
    [(topic, record)], _ = run(trade())
    assert topic == "raw.trades"
    assert record == {
        "trade_id": "ETHUSDT-7",
        "order_id": "ETHUSDT-7",
        "symbol": "ETHUSDT",
        "side": "SELL",
        "quantity": Decimal("0.002"),
        "price": Decimal("2683.8"),
        "status": "FILLED",
        "exchange": "BINANCE",
        "timestamp_ms": 1723161255611,
        "event_type": "TRADE",
    }
    [(_, record)], _ = run(trade(m=False))
    assert record["side"] == "BUY"


def test_a_capture_without_the_wrapper_reads_the_same() -> None:
    assert run(trade()["data"])[0] == run(trade())[0]
    [(topic, record)], _ = run({"u": 1, "s": "BTCUSDT", "b": "1", "B": "2", "a": "2", "A": "3"})
    assert (topic, record["symbol"]) == ("raw.marketdata", "BTCUSDT")


def test_times_in_microseconds_are_the_same_times() -> None:
    assert run(trade(T=1723161255611000))[0] == run(trade())[0]
    assert milliseconds(1723161255611) == 1723161255611


def test_a_quote_has_the_exact_mid_and_the_time_it_was_received() -> None:
    quote = {"u": 1, "s": "ETHUSDT", "b": "2683.80000000", "B": "3.0292", "a": "2683.81", "A": "31"}
    [(topic, record)], _ = run({"stream": "ethusdt@bookTicker", "data": quote})
    assert topic == "raw.marketdata"
    assert record["price"] == Decimal("2683.805")
    assert (record["bid_price"], record["ask_quantity"]) == (Decimal("2683.8"), Decimal("31"))
    assert record["timestamp_ms"] == RECEIVED // 1_000_000
    [(_, stamped)], _ = run({"stream": "ethusdt@bookTicker", "data": quote | {"E": 5, "T": 4}})
    assert stamped["timestamp_ms"] == 4


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0.00000001", "0.00000001"), ("100", "100"), ("0.00000000", "0"), ("10.50", "10.5")],
)
def test_numbers_keep_every_digit_that_counts(text: str, expected: str) -> None:
    assert number(text) == expected


@pytest.mark.parametrize("text", ["", "1e5", "-1", "NaN", "01", "1.", None, True, [1]])
def test_what_is_no_plain_decimal_is_broken(text: Any) -> None:
    with pytest.raises(BrokenMessage):
        number(text)


def test_a_book_begins_with_the_diff_that_follows_the_snapshot() -> None:
    records, tally = run(
        diff(1, 5, bids=[["99", "9"]]),
        diff(6, 10, bids=[["98", "9"]]),
        snapshot(10),
        diff(11, 12, bids=[["99.50", "3.0"]], asks=[["101", "0.00000000"], ["102", "4"]]),
    )
    [book] = books(records)
    assert book["bids"] == levels(("100", "1"), ("99.5", "3"))
    assert book["asks"] == levels(("102", "4"))
    assert book["timestamp_ms"] == 1723161255012
    assert tally.depth == {"already in the snapshot": 2}


def test_a_diff_that_the_snapshot_cuts_in_two_is_applied() -> None:
    records, _ = run(diff(5, 9), snapshot(10), diff(10, 13), diff(14, 15))
    assert [book["timestamp_ms"] % 1000 for book in books(records)] == [13, 15]


def test_diffs_before_the_snapshot_arrives_are_kept_for_it() -> None:
    records, tally = run(diff(9, 10), diff(11, 12), diff(13, 13), snapshot(10), diff(14, 14))
    assert [book["timestamp_ms"] % 1000 for book in books(records)] == [12, 13, 14]
    assert tally.depth == {"already in the snapshot": 1}


def test_a_gap_ends_the_book_until_the_next_snapshot() -> None:
    records, tally = run(
        diff(11, 12),
        snapshot(10),
        diff(14, 15),  # 13 is missing
        diff(16, 17),
        snapshot(16, "200"),
        diff(18, 18),
    )
    assert [book["timestamp_ms"] % 1000 for book in books(records)] == [12, 17, 18]
    assert books(records)[1]["bids"] == levels(("200", "1"))
    assert tally.depth == {
        "out of sync (a gap in the update ids)": 1,
        "already in the snapshot": 1,
    }


def test_a_snapshot_older_than_the_stream_starts_no_book() -> None:
    records, tally = run(diff(50, 51), snapshot(10), diff(52, 53))
    assert not books(records)
    assert tally.depth == {"waiting for a snapshot": 2, "snapshots that joined no stream": 1}


def test_futures_follow_by_the_update_before() -> None:
    def follows(before: int, first: int, last: int) -> Any:
        message = diff(first, last)
        message["data"]["pu"] = before
        return message

    records, tally = run(
        snapshot(10),
        follows(4, 6, 10),
        follows(10, 14, 20),
        follows(20, 30, 31),
        follows(35, 36, 40),
    )
    assert [book["timestamp_ms"] % 1000 for book in books(records)] == [20, 31]
    assert tally.depth["out of sync (a gap in the update ids)"] == 1


def test_update_ids_tell_whose_snapshot_it_is() -> None:
    records, _ = run(
        diff(11, 12),
        diff(900, 901, symbol="BTCUSDT"),
        snapshot(899, "60000"),
        snapshot(10, "2600"),
    )
    assert [(book["symbol"], book["bids"][0]["price"]) for book in books(records)] == [
        ("BTCUSDT", 60000),
        ("ETHUSDT", 2600),
    ]


def test_prices_tell_where_update_ids_do_not() -> None:
    records, _ = run(
        trade(p="2600.5"),
        trade(s="BTCUSDT", p="60000.1"),
        diff(11, 12),
        diff(11, 12, symbol="BTCUSDT"),
        snapshot(10, "60000"),
    )
    assert [book["symbol"] for book in books(records)] == ["BTCUSDT"]


def test_a_book_shows_its_best_20_levels() -> None:
    many = {
        "lastUpdateId": 1,
        "bids": [[str(100 - n), "1"] for n in range(30)],
        "asks": [[str(101 + n), "1"] for n in range(30)],
    }
    records, _ = run(many, diff(2, 2))
    [book] = books(records)
    assert [level["price"] for level in book["bids"]] == [100 - n for n in range(20)]
    assert [level["price"] for level in book["asks"]] == [101 + n for n in range(20)]


def test_what_it_does_not_know_is_counted_and_stops_nothing() -> None:
    records, tally = run(
        {"stream": "ethusdt@aggTrade", "data": {"e": "aggTrade", "s": "ETHUSDT"}},
        {"stream": "ethusdt@depth20@100ms", "data": {"lastUpdateId": 1, "bids": [], "asks": []}},
        {"result": None, "id": 1},
        "{broken",
        "[1, 2]",
        trade(p="abc"),
        {"e": "trade", "s": "ETHUSDT"},
        trade(),
    )
    assert len(records) == 1
    assert tally.unknown == {"aggTrade": 1, "depth20": 1, "fields id, result": 1}
    assert tally.broken == {
        "not JSON": 1,
        "not a JSON object": 1,
        "a number that is none": 1,
        "no field 'p'": 1,
    }


@pytest.fixture(scope="module")
def messages() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for batch in iter_batches(CAPTURE, "binance"):
        for row in batch.to_pylist():
            record = json.loads(row["value"], parse_float=Decimal, parse_int=Decimal)
            found.setdefault(row["topic"], []).append(record)
    return found


@pytest.mark.skipif(not CAPTURE.exists(), reason=f"no capture at {CAPTURE}")
class TestRealCapture:
    """The published figures of the ETHUSDT capture, recomputed from what would be sent."""

    #: minute, open, high, low, close, volume, trades, VWAP, buys, sells
    MINUTES = """
        1723161240000 2683.8 2684.6 2682.56 2682.97 165.5851 728 2683.6974 341 387
        1723161300000 2682.97 2684.15 2681.8 2682.81 275.4822 1029 2683.1108 650 379
        1723161360000 2682.8 2683.2 2681.45 2682.41 163.1063 899 2682.2424 495 404
        1723161420000 2682.41 2682.42 2679.3 2679.3 236.7734 764 2681.0090 310 454
        1723161480000 2679.31 2683.98 2679 2683.98 501.5872 1275 2680.8613 819 456
        1723161540000 2683.98 2685.37 2682.34 2682.5 914.6337 1403 2683.9831 611 792
        1723161600000 2682.5 2682.51 2682.5 2682.51 4.147 8 2682.5090 5 3
    """

    def test_counts(self, messages: dict[str, list[dict[str, Any]]]) -> None:
        assert {topic: len(records) for topic, records in messages.items()} == {
            "raw.trades": 6_106,
            "raw.marketdata": 24_077,
            "raw.orderbook": 3_434 - 2,  # two diffs are older than the snapshot
        }

    def test_volume_and_notional(self, messages: dict[str, list[dict[str, Any]]]) -> None:
        trades = messages["raw.trades"]
        assert sum(t["quantity"] for t in trades) == Decimal("2261.3149")
        assert sum(t["quantity"] * t["price"] for t in trades) == Decimal("6066483.27618")
        sold = sum(t["quantity"] for t in trades if t["side"] == "SELL")
        assert sold == Decimal("1308.279")

    def test_minutes(self, messages: dict[str, list[dict[str, Any]]]) -> None:
        minutes: dict[int, list[dict[str, Any]]] = {}
        for record in messages["raw.trades"]:
            minutes.setdefault(int(record["timestamp_ms"]) // 60_000 * 60_000, []).append(record)
        for line in self.MINUTES.strip().splitlines():
            minute, *expected = line.split()
            trades = minutes.pop(int(minute))
            prices = [t["price"] for t in trades]
            volume = sum(t["quantity"] for t in trades)
            vwap = sum(t["quantity"] * t["price"] for t in trades) / volume
            buys = sum(t["side"] == "BUY" for t in trades)
            figures = [prices[0], max(prices), min(prices), prices[-1], volume, len(trades)]
            figures += [round(vwap, 4), buys, len(trades) - buys]
            assert figures == [Decimal(value) for value in expected]
        assert not minutes

    def test_the_kept_book_agrees_with_the_best_quotes(
        self, messages: dict[str, list[dict[str, Any]]]
    ) -> None:
        quoted = {(q["bid_price"], q["ask_price"]) for q in messages["raw.marketdata"]}
        tops = [(b["bids"][0]["price"], b["asks"][0]["price"]) for b in messages["raw.orderbook"]]
        assert all(bid < ask for bid, ask in tops)
        assert sum(top in quoted for top in tops) > 0.99 * len(tops)
        assert all(len(b["bids"]) == len(b["asks"]) == 20 for b in messages["raw.orderbook"])
