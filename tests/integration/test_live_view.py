"""A live view on a real broker: what it shows, and what it does when the broker dies."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from tests.faults.kills import kill
from tests.integration.support import Messages, produce, trade_event, wait_until
from workbench import live
from workbench.broker import topics
from workbench.broker.clients import make_producer, topic_name
from workbench.config import Settings
from workbench.contracts import topic_named
from workbench.ingest.json_text import json_rows
from workbench.live_view.source import KafkaSource, Positions
from workbench.live_view.state import Phase
from workbench.live_view.view import LiveView
from workbench.stack import Stack


def executions(first: int, count: int) -> Messages:
    return [
        (b"AAPL", trade_event(1000 * number, trade_id=f"T{number}", price=100 + number))
        for number in range(first, first + count)
    ]


def opened(settings: Settings, **options: object) -> LiveView:
    view = live("trades", settings=settings, interactive=True, **options)
    assert isinstance(view, LiveView)
    return view


def last_price(view: LiveView) -> float | None:
    lines = [trace.y[-1] for trace in view.figures[0].data if trace.name == "price"]
    return lines[0] if lines else None


def test_it_shows_committed_trades_and_outlives_the_broker(
    stack: Stack, settings: Settings
) -> None:
    topics.apply(settings)
    produce(settings, "raw.trades", [*executions(0, 50), (b"X", b"no trade")])
    with opened(settings) as view:
        wait_until(lambda: last_price(view) == 149, "the trades before")
        wait_until(lambda: "all read" in view.status and "1 could not" in view.status, "the status")

        # What is not committed yet is nobody's business.
        producer = make_producer(settings, transactional_id=f"{settings.kafka.topic_prefix}live")
        producer.init_transactions(30)
        producer.begin_transaction()
        key, value = executions(60, 1)[0]
        producer.produce(topic_name(settings, "raw.trades"), key=key, value=value)
        producer.flush(30)
        produce(settings, "raw.marketdata", [(b"K", b"another topic")])
        assert view._feed.state.read == 51
        producer.commit_transaction(30)
        wait_until(lambda: last_price(view) == 160, "the committed trade")
        wait_until(lambda: "all read" in view.status, "the marker to be no lag")

        kill(stack, "kafka")
        try:
            wait_until(lambda: view._feed.state.phase is Phase.WAITING, "the loss to be said")
            assert "waiting for the broker" in view.status and last_price(view) == 160
        finally:
            stack.up()
        produce(settings, "raw.trades", executions(70, 5))
        wait_until(lambda: last_price(view) == 174, "what came after the broker was back")
        state = view._feed.state
        assert (state.read, state.skipped, state.breaks) == (57, 0, 1)
    assert not view._feed.is_alive


def test_it_begins_near_the_end_and_jumps_ahead_when_it_falls_behind(settings: Settings) -> None:
    topics.apply(settings)
    produce(settings, "raw.trades", executions(0, 3000))
    with opened(settings, rows=200) as view:
        wait_until(lambda: last_price(view) == 3099, "the newest trade")
        assert view._feed.state.read <= 200
        # Longer than a look at the broker: everything below waits when it looks next.
        with view._feed._lock:
            produce(settings, "raw.trades", executions(3000, 20_000))
            time.sleep(0.1)
        wait_until(lambda: last_price(view) == 23_099, "the newest trade of many")
        state = view._feed.state
        assert state.read + state.skipped >= 20_000
        assert view._feed.seen()[1] <= 200


def test_what_came_while_the_broker_was_lost_is_read_or_counted(settings: Settings) -> None:
    topics.apply(settings)
    produce(settings, "raw.trades", executions(0, 10))
    positions: Positions = {}
    before = KafkaSource(settings, ("raw.trades",), 200, positions)
    came: list[Any] = []

    def read(source: KafkaSource) -> int:
        came.extend(source.poll(0.2))
        return source.lag()[0]

    wait_until(lambda: read(before) == 0, "the first messages")
    assert before.lag()[1] == 0
    before.close()
    produce(settings, "raw.trades", executions(10, 3_000))
    after = KafkaSource(settings, ("raw.trades",), 200, positions)
    skipped = after.lag()[1]
    assert skipped > 0 and after.lag()[1] == 0
    wait_until(lambda: read(after) == 0, "the newest of the rest")
    after.close()
    # The topic has the markers of no transaction here: every offset is a message.
    assert len(came) + skipped == 3_010


def test_one_frame_reads_to_the_end_and_leaves_nothing(settings: Settings) -> None:
    topics.apply(settings)
    produce(settings, "raw.trades", executions(0, 20))
    frame = live("trades", "AAPL", settings=settings)
    assert "20 messages so far" in frame.status and "20 rows in the window" in frame.status
    assert "Price from 100.00 to 119.00" in frame.figures[0].layout.meta["alt"]
    assert "no data" in live("orderbook", settings=settings).figures[0].layout.meta["alt"]


# ---------------------------------------------------------------- the other kinds

D = Decimal
#: 2024-06-03 13:06 UTC, in milliseconds.
MINUTE_MS = 1_717_419_960_000


def send(settings: Settings, topic: str, *rows: dict[str, Any]) -> None:
    """Send records as the contract of the topic writes them."""
    contract = topic_named(topic)
    columns = {name: pa.array([row[name] for row in rows]) for name in rows[0]}
    values = json_rows(columns, contract.record).to_pylist()
    keys = [row[str(contract.key)].encode() for row in rows]
    produce(settings, topic, list(zip(keys, values, strict=True)))


def drawn(view: LiveView, name: str, *fields: str, figure: int = 0) -> list[tuple[Any, ...]]:
    """What the widget draws as one of its traces, point by point."""
    [trace] = [trace for trace in view.figures[figure].data if trace.name == name] or [None]
    if trace is None:
        return []
    return list(zip(*(list(trace[field]) for field in fields), strict=True))


def second(number: int) -> datetime:
    """A moment after 2024-06-03 13:06 UTC."""
    return datetime.fromtimestamp(MINUTE_MS / 1000 + number, UTC)


def window(minute: int, first: int, *, symbol: str = "AAPL", **values: Any) -> dict[str, Any]:
    """A partial result of a window of a minute, made of two executions."""
    low, high = sorted((values["open_price"], values["close_price"]))
    start = MINUTE_MS + 60_000 * minute
    return {
        "symbol": symbol, "window_start": start, "window_end": start + 60_000,
        "window_size": "1m", "total_volume": D(2), "total_value": D(low + high),
        "vwap": D(low + high) / 2, "trade_count": 2, "buy_count": 1, "sell_count": 1,
        "buy_sell_ratio": D(1), "high_price": D(high), "low_price": D(low),
        "open_time": start + first, "open_offset": first, "close_time": start + first + 1,
        "close_offset": first + 1, "late": first > 5, "computed_at": start + 61_000,
        "open_price": D(values["open_price"]), "close_price": D(values["close_price"]),
    }  # fmt: skip


def test_aggregates_are_candles_of_merged_windows(settings: Settings) -> None:
    topics.apply(settings)
    name = "open, high, low, close"
    candle = ("x", "open", "high", "low", "close")
    with live("aggregates", "AAPL", settings=settings, interactive=True) as view:
        send(
            settings, "analytics.trade-aggregates",
            window(0, 0, open_price=100, close_price=104),
            window(0, 0, symbol="KO", open_price=60, close_price=61),
            window(1, 2, open_price=104, close_price=102),
        )  # fmt: skip
        first, later = (second(0), 100, 104, 100, 104), (second(60), 104, 104, 102, 102)
        wait_until(lambda: drawn(view, name, *candle) == [first, later], "two windows")
        # A late execution is a further row of its window.
        send(settings, "analytics.trade-aggregates", window(0, 9, open_price=90, close_price=96))
        merged = (second(0), 100, 104, 90, 96)
        wait_until(lambda: drawn(view, name, *candle) == [merged, later], "the merged window")
        assert drawn(view, "volume", "y") == [(4,), (2,)]
        assert drawn(view, "VWAP", "y") == [(97.5,), (103,)]
        view.symbol = "KO"
        assert drawn(view, name, "close") == [(61,)]


def test_alerts_of_all_symbols_are_a_timeline(settings: Settings) -> None:
    topics.apply(settings)

    def alert(number: int, symbol: str, direction: str, severity: str) -> dict[str, Any]:
        return {
            "alert_id": f"a{number}", "alert_type": "PRICE_MOVEMENT", "symbol": symbol,
            "direction": direction, "baseline_price": D(100), "current_price": D(100 + number),
            "pct_change": D(number), "window_start_ms": MINUTE_MS,
            "detected_at_ms": MINUTE_MS + 1000 * number, "severity": severity,
        }  # fmt: skip

    up, down = "up (size: severity)", "down (size: severity)"
    with live("alerts", settings=settings, interactive=True) as view:
        send(settings, "alerts.price-movement", alert(3, "AAPL", "UP", "MEDIUM"))
        first = (second(3), "AAPL", "AAPL ▲ +3.00 % to 103.00, MEDIUM")
        wait_until(lambda: drawn(view, up, "x", "y", "text") == [first], "an alert")
        assert drawn(view, down, "x") == []
        send(settings, "alerts.price-movement", alert(12, "BTCUSDT", "DOWN", "CRITICAL"))
        later = (second(12), "BTCUSDT", "BTCUSDT ▼ -12.00 % to 112.00, CRITICAL")
        wait_until(lambda: drawn(view, down, "x", "y", "text") == [later], "the next")
        assert drawn(view, up, "x", "y", "text") == [first] and view.symbol is None
        view.symbol = "BTCUSDT"
        assert drawn(view, up, "x") == [] and drawn(view, down, "x") == [(second(12),)]


def test_an_order_book_is_its_newest_depth_and_its_metrics_over_time(settings: Settings) -> None:
    topics.apply(settings)

    def book(number: int, bid: int) -> dict[str, Any]:
        return {
            "symbol": "BTCUSDT", "timestamp_ms": MINUTE_MS + 1000 * number,
            "bids": [{"price": D(bid - n), "quantity": D(n + 1)} for n in range(3)],
            "asks": [{"price": D(bid + 2), "quantity": D(5)}],
        }  # fmt: skip

    def metrics(number: int, spread: str, imbalance: str) -> dict[str, Any]:
        return {
            "symbol": "BTCUSDT", "timestamp_ms": MINUTE_MS + 1000 * number,
            "spread_bps": D(spread), "imbalance_5": D(imbalance),
            "source_partition": 0, "source_offset": number,
        }  # fmt: skip

    with live("orderbook", settings=settings, interactive=True) as view:
        send(settings, "raw.orderbook", book(0, 99), book(1, 49))
        # What can be sold down to each price.
        bids, asks = [(49, 1), (48, 3), (47, 6)], [(51, 5)]
        wait_until(lambda: drawn(view, "bids", "x", "y") == bids, "the newest book")
        assert drawn(view, "asks", "x", "y") == asks and view.symbol == "BTCUSDT"
        send(settings, "analytics.orderbook", metrics(0, "200", "0.25"), metrics(1, "400", "-0.5"))
        spread = [(second(0), 200), (second(1), 400)]
        wait_until(lambda: drawn(view, "spread", "x", "y", figure=1) == spread, "the spread")
        assert drawn(view, "more bids (above 0)", "y", figure=1) == [(0.25,), (0,)]
        assert drawn(view, "more asks (below 0)", "y", figure=1) == [(0,), (-0.5,)]
        assert drawn(view, "bids", "x", "y") == bids
