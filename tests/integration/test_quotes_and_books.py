"""Price alerts and order books through a stream, a batch run and the definitions: the same rows."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.integration.support import (
    Messages,
    as_raw,
    cancel_jobs,
    count,
    prepared,
    produce,
    rows,
    wait_until,
)
from workbench.broker.offsets import read_all
from workbench.config import AlertRule, AlertSettings, Settings, load_settings
from workbench.contracts.topics import DESERIALIZATION, PROCESSING_ERRORS
from workbench.definitions import connect, load_raw, run_definition
from workbench.definitions.alerts import Price, price_alerts
from workbench.definitions.compare import COORDINATES, WALL_CLOCK, compare
from workbench.jobs import Cluster, run_batch, stop, submit
from workbench.lake import tables
from workbench.stack import Stack, endpoints

JOBS = ["alerts", "orderbook"]
START = 1_717_420_000_000
#: Other rules than the defaults: one for all symbols, and those of two.
RULES = AlertSettings(
    cooldown_s=30,
    symbols={
        "TRADED1": AlertRule(threshold_percent=Decimal(8), window_s=20, cooldown_s=0),
        "QUOTED2": AlertRule(threshold_percent=Decimal("0.05")),
    },
)


def walk(generator: random.Random, steps: int) -> Iterator[tuple[int, str]]:
    """Times and prices that stay, jump over every severity, pause, and go back in time."""
    price, time = generator.uniform(0.01, 500), START
    for _ in range(steps):
        jump = generator.choice([0, 0.0005, 0.001, 0.01, 0.02, 0.03, 0.06, 0.12])
        price *= 1 + generator.choice([-1, 1]) * jump
        time += generator.choice([0, 10, 1_000, 20_000, 60_000, 299_000, 301_000, -5_000])
        yield time, f"{price:.{generator.choice([2, 4, 8])}f}"


def trades(generator: random.Random) -> Messages:
    sent: Messages = []
    for number in range(12):
        symbol = f"TRADED{number}"
        for at, (time, price) in enumerate(walk(generator, 120)):
            trade = {
                "trade_id": f"{symbol}-{at}",
                "order_id": f"O{at}",
                "symbol": symbol,
                "side": "BUY",
                "quantity": 1,
                "price": price,
                "status": generator.choice(["FILLED", "PARTIALLY_FILLED", "FILLED", "NEW"]),
                "timestamp_ms": time,
            }
            sent.append((symbol.encode(), json.dumps(trade).encode()))
    return [*sent, (b"TRADED0", b"no trade")]


def quotes(generator: random.Random) -> Messages:
    sent: Messages = []
    for number in range(12):
        symbol = f"QUOTED{number}"
        for time, price in walk(generator, 120):
            quote = {"symbol": symbol, "price": price, "timestamp_ms": time}
            sent.append((symbol.encode(), json.dumps(quote).encode()))
    bad = [b"", b"[]", b'{"symbol": "X"}', b'{"symbol":"X","price":"NaN","timestamp_ms":1}', None]
    return sent + [(b"QUOTED0", value) for value in bad]


def level(price: Any, quantity: Any = 1) -> dict[str, Any]:
    return {"price": price, "quantity": quantity}


#: Books by hand, and the reason each is refused for.
BOOKS: dict[str, tuple[dict[str, Any], str | None]] = {
    "no orders at all": ({"bids": [], "asks": []}, None),
    "no bids": ({"bids": [], "asks": [level(101)]}, None),
    "a locked market": ({"bids": [level(100)], "asks": [level("100.0")]}, None),
    "numbers in strings": ({"bids": [level("99.5", "0.25")], "asks": [level(" 101 ")]}, None),
    "more in a level": ({"bids": [{**level(1), "orders": [3]}], "asks": []}, None),
    "hundreds of levels": (
        {
            "bids": [level(1000 - i) for i in range(400)],
            "asks": [level(1001 + i) for i in range(9)],
        },
        None,
    ),
    "no side": ({"bids": []}, "missing-field"),
    "a side that is no list": ({"bids": {}, "asks": []}, "wrong-type"),
    "a level that is no object": ({"bids": [[100, 1]], "asks": []}, "wrong-type"),
    "a level without a quantity": ({"bids": [{"price": 1}], "asks": []}, "wrong-type"),
    "a level with a null": ({"bids": [level(None)], "asks": []}, "wrong-type"),
    "a price that is no number": ({"bids": [level("x")], "asks": []}, "wrong-type"),
    "crossed": ({"bids": [level(101)], "asks": [level(100)]}, "crossed-book"),
    "bids from the lowest": ({"bids": [level(1), level(2)], "asks": []}, "unsorted-levels"),
    "asks from the highest": ({"bids": [], "asks": [level(2), level(1)]}, "unsorted-levels"),
    "a price twice": ({"bids": [level(2), level(2.0)], "asks": []}, "unsorted-levels"),
    "a negative price": ({"bids": [level(-1)], "asks": []}, "not-positive"),
    "a negative quantity": ({"bids": [level(1, -1)], "asks": []}, "not-positive"),
    "a quantity of zero": ({"bids": [], "asks": [level(1, 0)]}, "not-positive"),
    "not finite": ({"bids": [level("NaN")], "asks": []}, "not-finite"),
    "beyond the range": ({"bids": [], "asks": [level(1e10)]}, "out-of-range"),
    "ten years ahead": ({"bids": [], "asks": [], "timestamp_ms": 2_100_000_000_000}, "future-time"),
}


def books(generator: random.Random) -> Messages:
    sent: Messages = []
    for number in range(10):
        symbol, time = f"BOOK{number}", START
        for _ in range(150):
            time += generator.choice([0, 100, 1_000, 300_000, 300_001, -1, -300_000, -300_001])
            mid = generator.randint(2_000, 2_010)
            sides = [
                [
                    level(
                        (mid + sign * (1 + i)) / 100,
                        f"{generator.randint(1, 10**9) / 10 ** generator.choice([4, 8]):.8f}",
                    )
                    for i in range(generator.choice([0, 1, 4, 5, 12, 20, 25]))
                ]
                for sign in (-1, 1)
            ]
            book = {"symbol": symbol, "timestamp_ms": time, "bids": sides[0], "asks": sides[1]}
            sent.append((symbol.encode(), json.dumps(book).encode()))
    for book, _ in BOOKS.values():
        whole = {"symbol": "BY-HAND", "timestamp_ms": START, **book}
        sent.append((b"BY-HAND", json.dumps(whole).encode()))
    return sent


@dataclass(frozen=True)
class Landed:
    """What went in, and where it came out."""

    settings: Settings
    sent: dict[str, Messages]

    def raw(self, *topics: str) -> pa.Table:
        """What Kafka holds of some topics."""
        return pa.concat_tables([as_raw(read_all(self.settings, t), t) for t in topics])

    def defined(self, job: str, alerts: AlertSettings = RULES) -> dict[str, pa.Table]:
        topics = ["raw.orderbook"] if job == "orderbook" else ["raw.trades", "raw.marketdata"]
        with connect() as con:
            load_raw(con, self.raw(*topics))
            return run_definition(con, job, alerts=alerts)


@pytest.fixture(scope="module")
def landed(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landed]:
    """Seeded prices and books through both jobs."""
    settings = prepared(stack, tmp_path_factory.mktemp("stream"))
    settings = settings.model_copy(update={"alerts": RULES})
    generator = random.Random(5)
    sent = {
        "raw.trades": trades(generator),
        "raw.marketdata": quotes(generator),
        "raw.orderbook": books(generator),
    }
    landed = Landed(settings, sent)
    try:
        submit(settings, JOBS)
        for topic, messages in sent.items():
            produce(settings, topic, messages)
        for job, table in (("alerts", "market.price_alerts"), ("orderbook", "ops.dead_letters")):
            wanted = landed.defined(job)
            more = sum(reason is not None for _, reason in BOOKS.values()) + 5
            least = wanted[table].num_rows if job == "alerts" else more
            wait_until(lambda t=table, n=least: count(settings, t) >= n, f"all of {table}")
        wait_until(
            lambda: (
                count(settings, "market.orderbook_metrics")
                >= len(sent["raw.orderbook"])
                - sum(reason is not None for _, reason in BOOKS.values())
            ),
            "every book is landed",
        )
        stop(settings, JOBS)
    finally:
        cancel_jobs(settings)
    yield landed


@pytest.mark.parametrize(
    ("job", "table"),
    [("alerts", "market.price_alerts"), ("orderbook", "market.orderbook_metrics")],
)
def test_a_stream_lands_what_the_definition_says(landed, job, table):
    found = compare(rows(landed.settings, table), landed.defined(job)[table])
    assert found.rows[0] > 500
    assert not found, found


def test_the_alerts_show_every_severity_and_direction(landed):
    alerts = rows(landed.settings, "market.price_alerts")
    kinds = Counter(zip(*(alerts[c].to_pylist() for c in ("severity", "direction")), strict=True))
    assert {severity for severity, _ in kinds} == {"LOW", "MEDIUM", "HIGH", "CRITICAL"}
    assert {direction for _, direction in kinds} == {"UP", "DOWN"}
    assert len(set(alerts["alert_id"].to_pylist())) == alerts.num_rows


def test_alerts_go_by_the_rules_of_all_and_of_each_symbol(landed):
    alerts = rows(landed.settings, "market.price_alerts").to_pylist()

    def moves(symbol: str) -> list[Decimal]:
        return [alert["pct_change"] for alert in alerts if alert["symbol"] == symbol]

    assert min(moves("TRADED1")) >= 8
    assert min(moves("QUOTED2")) < 2 <= min(moves("QUOTED3"))
    # By the defaults, others would have been raised, also of symbols without a rule of their own.
    defaults = landed.defined("alerts", AlertSettings())["market.price_alerts"].to_pylist()
    assert {a["alert_id"] for a in alerts if a["symbol"] == "QUOTED3"} != {
        a["alert_id"] for a in defaults if a["symbol"] == "QUOTED3"
    }


@pytest.mark.parametrize(
    ("job", "topic"), [("alerts", "alerts.price-movement"), ("orderbook", "analytics.orderbook")]
)
def test_topics_carry_what_the_definition_says_under_the_symbol(landed, job, topic):
    messages = read_all(landed.settings, topic)
    wanted = landed.defined(job)[topic].to_pylist()

    def plain(row: dict[str, Any]) -> str:
        return repr(sorted((k, v if isinstance(v, str) else _number(v)) for k, v in row.items()))

    found = Counter(plain(json.loads(m.value, parse_float=str)) for m in messages)
    assert found == Counter(map(plain, wanted))
    assert all(m.key == json.loads(m.value)["symbol"].encode() for m in messages)


def _number(value: Any) -> str:
    return "null" if value is None else f"{value:f}" if not isinstance(value, int) else str(value)


def test_what_is_refused_is_a_dead_letter_with_its_reason(landed):
    wanted = pa.concat_tables([landed.defined(job)["ops.dead_letters"] for job in JOBS])
    ignore = {*WALL_CLOCK, "error_message"}
    found = compare(rows(landed.settings, "ops.dead_letters"), wanted, ignore=ignore)
    assert not found, found
    books = rows(landed.settings, "ops.dead_letters").to_pylist()
    reasons = Counter(r["error_type"] for r in books if r["source_topic"] == "raw.orderbook")
    assert reasons == Counter(reason for _, reason in BOOKS.values() if reason)
    letters = [json.loads(m.value) for m in read_all(landed.settings, PROCESSING_ERRORS)]
    letters += [json.loads(m.value) for m in read_all(landed.settings, DESERIALIZATION)]
    assert len(letters) == len(books)


def test_the_words_of_a_refused_book_are_those_of_the_contract(landed):
    wanted = landed.defined("orderbook")["ops.dead_letters"].select(
        ["source_offset", "error_message"]
    )
    every = rows(landed.settings, "ops.dead_letters")
    mine = every.filter(pa.compute.equal(every["source_topic"], "raw.orderbook"))
    assert not compare(mine.select(wanted.column_names), wanted, ignore=())


def test_a_batch_run_over_files_gives_the_rows_of_the_stream(landed, tmp_path):
    settings = load_settings(
        tmp_path,
        stack=landed.settings.stack.model_dump(),
        lake={"warehouse": tmp_path / "warehouse"},
        alerts=RULES.model_dump(),
    )
    tables.apply(settings)
    for topic, form, job in (
        ("raw.trades", "trades", "alerts"),
        ("raw.marketdata", "marketdata", "alerts"),
        ("raw.orderbook", "orderbook", "orderbook"),
    ):
        file = tmp_path / f"{form}.jsonl"
        lines = [value for _, value in landed.sent[topic] if value]
        file.write_bytes(b"\n".join(lines) + b"\n")
        run_batch(settings, [job], [file], form=form)
    ignore = {*WALL_CLOCK, *COORDINATES}
    for table in ("market.price_alerts", "market.orderbook_metrics"):
        found = compare(rows(landed.settings, table), rows(settings, table), ignore=ignore)
        assert found.rows[0] > 500
        assert not found, (table, found)


def raised(settings: Settings, prices: list[Price]) -> list[dict[str, Any]]:
    """The alerts in the lake; they must be those of the plain state machine over the prices."""
    wanted = [alert for alert in price_alerts(prices, settings.alerts) if alert]
    found = rows(settings, "market.price_alerts").to_pylist()
    names = ("alert_id", "symbol", "direction", "baseline_price", "current_price", "severity")
    assert Counter(tuple(row[name] for name in names) for row in found) == Counter(
        tuple(alert[name] for name in names) for alert in wanted
    )
    return found


def test_trades_and_quotes_of_a_symbol_have_one_baseline(stack: Stack, tmp_path: Path) -> None:
    settings = prepared(stack, tmp_path)
    cluster = Cluster(endpoints(settings).rest_url)
    arrived: list[Price] = []

    def arrive(symbol: str, kind: str, price: str) -> None:
        at = START + 1_000 * len(arrived)
        trade = {"trade_id": f"T{at}", "order_id": "O", "side": "BUY", "status": "FILLED"}
        record = {"symbol": symbol, "price": price, "timestamp_ms": at}
        value = record if kind == "quote" else {**record, **trade, "quantity": 1}
        topic = "raw.marketdata" if kind == "quote" else "raw.trades"
        produce(settings, topic, [(symbol.encode(), json.dumps(value).encode())])
        arrived.append(Price(symbol, Decimal(price), at))
        wait_until(lambda: cluster.records_read(job) == len(arrived), f"the {kind} is read")
        # What a complete checkpoint has read is in the state of the job.
        cluster.checkpoint(job)

    try:
        job = submit(settings, ["alerts"])["alerts"]
        arrive("QUOTED-FIRST", "quote", "100")
        arrive("QUOTED-FIRST", "trade", "102")
        arrive("TRADED-FIRST", "trade", "100")
        arrive("TRADED-FIRST", "quote", "94.9")
        wait_until(lambda: count(settings, "market.price_alerts") >= 2, "both alerts are landed")
        stop(settings, ["alerts"])
    finally:
        cancel_jobs(settings)
    moves = {(row["symbol"], row["pct_change"]) for row in raised(settings, arrived)}
    assert moves == {("QUOTED-FIRST", Decimal("2.00")), ("TRADED-FIRST", Decimal("5.10"))}


def test_a_file_with_trades_and_quotes_of_a_symbol_is_taken_in_its_order(tmp_path: Path) -> None:
    """A capture holds both, each line at its place; the mid price of a quote counts."""
    settings = load_settings(tmp_path)
    tables.apply(settings)
    generator, lines, prices = random.Random(3), [], []
    walks = [walk(generator, 300) for _ in range(2)]
    for number in range(600):
        time, text = next(walks[number % 2])
        symbol, price = f"COIN{number % 2}USDT", Decimal(text) + 1
        if generator.random() < 0.5:
            data = {"e": "trade", "E": time, "s": symbol, "t": number, "p": str(price)}
            data |= {"q": "0.5", "T": time, "m": True}
        else:
            half = price / 4
            data = {"u": number, "s": symbol, "b": str(price - half), "B": "1", "T": time}
            data |= {"a": str(price + half), "A": "2"}
        lines.append(f"{time * 10**6} {json.dumps(data)}")
        prices.append(Price(symbol, price, time))
    file = tmp_path / "capture.jsonl"
    file.write_text("\n".join(lines) + "\n")
    assert run_batch(settings, ["alerts"], [file], form="binance") == len(lines)
    found = raised(settings, prices)
    assert {row["source_topic"] for row in found} == {f"file:{file}"}
    # In another order, as one topic after the other, they would not be the same.
    pairs = sorted(zip(lines, prices, strict=True), key=lambda pair: '"u"' in pair[0])
    quotes_last = price_alerts([price for _, price in pairs], settings.alerts)
    other = {alert["alert_id"] for alert in quotes_last if alert}
    assert other != {row["alert_id"] for row in found}
