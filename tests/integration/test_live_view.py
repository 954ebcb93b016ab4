"""A live view on a real broker: what it shows, and what it does when the broker dies."""

from __future__ import annotations

import time

from tests.faults.kills import kill
from tests.integration.support import Messages, produce, trade_event, wait_until
from workbench import live
from workbench.broker import topics
from workbench.broker.clients import make_producer, topic_name
from workbench.config import Settings
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


def test_one_frame_reads_to_the_end_and_leaves_nothing(settings: Settings) -> None:
    topics.apply(settings)
    produce(settings, "raw.trades", executions(0, 20))
    frame = live("trades", "AAPL", settings=settings)
    assert "20 messages so far" in frame.status and "20 rows in the window" in frame.status
    assert "Price from 100.00 to 119.00" in frame.figures[0].layout.meta["alt"]
    assert "no data" in live("orderbook", settings=settings).figures[0].layout.meta["alt"]
