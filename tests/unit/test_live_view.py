"""A live view keeps a bounded window, draws at a bounded pace, and outlives its broker."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import nbformat
import pytest

import workbench as wb
from workbench.broker.offsets import Received
from workbench.config import Settings
from workbench.errors import StackError, UsageError
from workbench.live_view import show, view
from workbench.live_view.feed import Feed
from workbench.live_view.kinds import KINDS, kind_named, merged_windows, price_curve
from workbench.live_view.pace import Pace
from workbench.live_view.source import beginnings
from workbench.live_view.state import LiveState, Phase
from workbench.live_view.window import Row, Window

START_MS = 1_717_420_000_000
START = datetime.fromtimestamp(START_MS / 1000, UTC)
MINUTE = timedelta(minutes=1)


def row(second: float, symbol: str = "A", **values: Any) -> Row:
    return Row(START + timedelta(seconds=second), symbol, values)


def execution(second: float, price: str, quantity: str = "1", symbol: str = "A") -> Row:
    return row(second, symbol, price=Decimal(price), quantity=Decimal(quantity), status="FILLED")


def trade(number: int, **changes: Any) -> tuple[str, Received]:
    fields = {
        "trade_id": f"T{number}", "order_id": f"O{number}", "symbol": "AAPL", "side": "BUY",
        "quantity": 2, "price": 100 + number, "status": "FILLED",
        "timestamp_ms": START_MS + 1000 * number, **changes,
    }  # fmt: skip
    return "raw.trades", Received(0, number, None, json.dumps(fields).encode(), START_MS)


# ---------------------------------------------------------------- what is remembered


def test_a_window_keeps_the_newest_rows_and_no_more_than_it_may() -> None:
    window = Window(rows=3, length=timedelta(hours=1))
    for second in range(5):
        window.add(row(second))
    assert [kept.time - START for kept in window.rows()] == [
        timedelta(seconds=s) for s in (2, 3, 4)
    ]


def test_a_window_goes_by_the_time_of_events() -> None:
    window = Window(rows=10, length=MINUTE)
    for second in (0, 30, 90, 20, 60):  # 20 came late: it is out when it comes
        window.add(row(second))
    assert [(kept.time - START).seconds for kept in window.rows()] == [30, 60, 90]
    assert window.newest == START + timedelta(seconds=90)


def test_symbols_are_offered_by_how_much_they_trade() -> None:
    window = Window(rows=10, length=MINUTE)
    for symbol in ("B", "C", "C", "A"):
        window.add(row(0, symbol))
    assert window.symbols() == ["C", "A", "B"]
    assert [kept.symbol for kept in window.rows("C")] == ["C", "C"]


def test_a_copy_is_not_changed_by_what_comes() -> None:
    window = Window(rows=2, length=MINUTE)
    window.add(row(0))
    copy = window.copy()
    window.add(row(1))
    assert len(copy) == 1 and len(window) == 2


# ---------------------------------------------------------------- how often it draws


def test_many_changes_are_two_drawings_a_second_and_the_last_one_is_drawn() -> None:
    pace, drawn = Pace(2), []
    for step in range(1000):
        pace.wanted()
        if pace.due(step / 100):
            drawn.append(step / 100)
    assert len(drawn) == 20
    assert all(b - a >= 0.5 for a, b in pairwise(drawn))
    assert pace.due(10.5) and not pace.due(11.5)


# ---------------------------------------------------------------- how it stands


def test_a_loss_is_said_once_and_ends_with_the_first_answer() -> None:
    state = LiveState().received(1, 10, 2).caught_up_to(2, 5)
    assert state.in_words(2, rows=8, newest=START) == (
        "live · 8 rows in the window · about 5 behind · as of 2024-06-03 13:06:40 UTC · "
        "10 messages so far · 2 could not be read"
    )
    lost = state.lost(3, "no broker answers").lost(4, "no broker answers")
    assert (lost.phase, lost.since, lost.breaks) == (Phase.WAITING, 3, 1)
    assert "waiting for the broker since 7 s (no broker answers)" in lost.in_words(
        10, rows=8, newest=START
    )
    back = lost.caught_up_to(11, 0)
    assert (back.phase, back.lag, back.read) == (Phase.FOLLOWING, 0, 10)
    assert "all read" in back.in_words(12, rows=8, newest=START)


def test_what_was_stopped_stays_stopped() -> None:
    state = LiveState().stopped(1)
    for after in (state.received(2, 1), state.lost(2, "x"), state.caught_up_to(2, 0)):
        assert after.phase is Phase.STOPPED


def test_a_paused_view_says_how_much_it_does_not_show() -> None:
    words = LiveState().received(1, 10).in_words(2, rows=8, newest=None, missed=4)
    assert words.startswith("paused, 4 messages came since")


# ---------------------------------------------------------------- what is drawn


def test_trades_become_buckets_with_the_vwap_so_far() -> None:
    table = price_curve([execution(0, "10"), execution(0.5, "12", "3"), execution(2, "9", "4")])
    assert table.to_pylist()[0] == {
        "minute": START, "price": Decimal(12), "low_price": Decimal(10),
        "high_price": Decimal(12), "volume": Decimal(4), "vwap": Decimal("11.5000"),
    }  # fmt: skip
    assert table["vwap"].to_pylist()[1] == Decimal("10.2500")


@pytest.mark.parametrize("hours", [0.01, 1, 23])
def test_there_are_never_many_more_buckets_than_can_be_seen(hours: float) -> None:
    rows = [execution(3600 * hours * number / 5000, "10") for number in range(5000)]
    assert 30 <= price_curve(rows).num_rows <= 121


def test_partial_windows_are_merged() -> None:
    def part(volume: str, value: str, opened: int, closed: int, price: str) -> Row:
        prices = dict.fromkeys(("high_price", "low_price", "open_price", "close_price"))
        return row(
            0, window_size="1m", window_start=START_MS, total_volume=Decimal(volume),
            total_value=Decimal(value), open_time=opened, open_offset=0, close_time=closed,
            close_offset=0, **dict.fromkeys(prices, Decimal(price)),
        )  # fmt: skip

    other_size = row(0, window_size="5m", window_start=START_MS)
    table = merged_windows([part("2", "20", 5, 6, "10"), part("1", "13", 1, 9, "13"), other_size])
    assert table.to_pylist() == [
        {
            "window_start": START, "total_volume": Decimal(3), "total_value": Decimal(33),
            "low_price": Decimal(10), "high_price": Decimal(13), "open_price": Decimal(13),
            "close_price": Decimal(13), "vwap": Decimal("11.0000"),
        }
    ]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_every_kind_draws_an_empty_window(kind: Any) -> None:
    windows = {topic: Window(10, MINUTE) for topic in kind.topics}
    for figure in kind.draw(windows, None, "light"):
        assert figure.layout.annotations[0].text == "no data"


def test_an_order_book_is_drawn_from_its_snapshot_and_its_metrics() -> None:
    kind = kind_named("orderbook")
    book = {"symbol": "A", "timestamp_ms": START_MS, "bids": [{"price": "9", "quantity": "1"}],
            "asks": [{"price": "11", "quantity": "2"}]}  # fmt: skip
    windows = {topic: Window(10, MINUTE) for topic in kind.topics}
    read = kind.row_of("raw.orderbook", json.dumps(book).encode(), START_MS)
    assert read is not None
    windows["raw.orderbook"].add(read)
    windows["analytics.orderbook"].add(row(0, spread_bps=Decimal("2.5"), imbalance_5=None))
    depth, spread = kind.draw(windows, "A", "light")
    assert "Best bid 9.00, best ask 11.00" in depth.layout.meta["alt"]
    assert "Median spread 2.5 basis points, no imbalance" in spread.layout.meta["alt"]


def test_an_unknown_kind_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'trades'"):
        kind_named("trade")


# ---------------------------------------------------------------- the thread


class Broker:
    """A broker of the test: gives batches in turn, can go away and come back."""

    def __init__(self, *batches: list[tuple[str, Received]]) -> None:
        self.batches = list(batches)
        self.away = False
        self.connections = self.closed = 0

    def connect(self) -> Broker:
        if self.away:
            raise StackError("no broker answers at 127.0.0.1:1")
        self.connections += 1
        return self

    def poll(self, seconds: float) -> list[tuple[str, Received]]:
        if self.away:
            raise StackError("no broker answers at 127.0.0.1:1")
        if self.batches:
            return self.batches.pop(0)
        time.sleep(0.005)
        return []

    def lag(self) -> tuple[int, int]:
        return sum(map(len, self.batches)), 0

    def close(self) -> None:
        self.closed += 1


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Broker], Feed]]:
    monkeypatch.setattr("workbench.live_view.feed.AGAIN_SECONDS", 0.01)
    feeds: list[Feed] = []

    def start(broker: Broker) -> Feed:
        feed = Feed(kind_named("trades"), broker.connect, 100, timedelta(hours=1))
        feeds.append(feed)
        feed.start()
        return feed

    yield start
    for feed in feeds:
        feed.stop()


def test_the_thread_falls_quiet_and_comes_back(started: Callable[[Broker], Feed]) -> None:
    broker = Broker([trade(1), trade(2)])
    feed = started(broker)
    wait_until(lambda: feed.state.read == 2, "the first messages")
    broker.away = True
    wait_until(lambda: feed.state.phase is Phase.WAITING, "a loss")
    assert feed.state.why == "no broker answers at 127.0.0.1:1"
    assert feed.seen()[1] == 2
    broker.batches.append([trade(3)])
    broker.away = False
    wait_until(lambda: feed.state.read == 3, "what came afterwards")
    assert feed.state.phase is Phase.FOLLOWING
    assert feed.state.breaks == 1 and broker.connections == 2 and broker.closed >= 1


def test_what_cannot_be_read_is_counted_and_not_shown(started: Callable[[Broker], Feed]) -> None:
    bad = "raw.trades", Received(0, 9, None, b"\xff no json", START_MS)
    tombstone = "raw.trades", Received(0, 10, None, None, START_MS)
    feed = started(Broker([trade(1), bad, tombstone]))
    wait_until(lambda: feed.state.read == 3, "all messages")
    assert feed.state.unreadable == 2
    assert feed.seen()[:2] == (["AAPL"], 1)


def test_a_new_connection_goes_on_where_it_was_and_counts_what_it_leaves_out() -> None:
    most = {"raw.trades": 100, "raw.orderbook": 10}
    ends = {("raw.trades", 0): 1_000, ("raw.trades", 1): 500, ("raw.orderbook", 0): 5}
    begin, jumped = beginnings(ends, most, {})
    assert begin == {("raw.trades", 0): 900, ("raw.trades", 1): 400, ("raw.orderbook", 0): 0}
    assert jumped == 0
    # One partition moved on by little, one by more than is looked back, one was purged.
    before = {("raw.trades", 0): 950, ("raw.trades", 1): 370, ("raw.orderbook", 0): 80}
    begin, jumped = beginnings(ends, most, before)
    assert begin == {("raw.trades", 0): 950, ("raw.trades", 1): 400, ("raw.orderbook", 0): 0}
    assert jumped == 30


def test_stop_ends_the_thread_and_the_connection(started: Callable[[Broker], Feed]) -> None:
    broker = Broker([trade(1)])
    feed = started(broker)
    wait_until(lambda: feed.state.read == 1, "the first message")
    feed.stop()
    assert not feed.is_alive and broker.closed == 1
    assert feed.state.phase is Phase.STOPPED
    feed.stop()


def test_what_nobody_expected_ends_the_thread_and_is_said(
    started: Callable[[Broker], Feed], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("price\nand more")

    broker = Broker()
    monkeypatch.setattr(broker, "lag", broken)
    feed = started(broker)
    wait_until(lambda: feed.state.phase is Phase.STOPPED, "the end")
    wait_until(lambda: not feed.is_alive, "the end of the thread")
    assert broker.closed == 1
    words = feed.state.in_words(0, rows=0, newest=None)
    assert words.startswith("stopped: KeyError: 'price") and "\n" not in words


# ---------------------------------------------------------------- the widget


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker([trade(number) for number in range(5)])
    monkeypatch.setattr(view, "KafkaSource", lambda *_: broker.connect())
    monkeypatch.setattr("workbench.live_view.source.KafkaSource", lambda *_: broker.connect())
    monkeypatch.setattr("workbench.live_view.feed.AGAIN_SECONDS", 0.01)
    return broker


def opened(kind: str = "trades", **options: Any) -> view.LiveView:
    made = wb.live(kind, settings=Settings(), interactive=True, **options)
    assert isinstance(made, view.LiveView)
    return made


def prices(live: view.LiveView) -> list[float]:
    """What the widget draws as price."""
    (line,) = [trace for trace in live.figures[0].data if trace.name == "price"]
    return list(line.y)


def drawn_price(live: view.LiveView) -> float | None:
    names = [trace.name for trace in live.figures[0].data]
    return prices(live)[-1] if "price" in names else None


def test_the_widget_draws_what_comes_and_says_so(broker: Broker) -> None:
    with opened() as live:
        wait_until(lambda: drawn_price(live) == 104, "a drawing of the last trade")
        assert live.symbol == "AAPL"
        wait_until(
            lambda: "live · 5 rows in the window · all read" in live._line.value, "the status line"
        )
        assert "5 messages so far" in live.status
        assert "VWAP at the end" in live._words[0].value and "<table" in live._words[0].value


def test_pause_leaves_the_figure_alone_and_going_on_shows_the_rest(broker: Broker) -> None:
    with opened() as live:
        wait_until(lambda: drawn_price(live) == 104, "a drawing")
        live._pause.value = True  # what a click does
        broker.batches.append([trade(6)])
        wait_until(lambda: live._feed.state.read == 6, "a message while paused")
        wait_until(lambda: "paused, 1 messages" in live._line.value, "the status line")
        assert drawn_price(live) == 104 and live._pause.description == "Go on"
        live._pause.value = False
        assert drawn_price(live) == 106 and live._pause.description == "Pause"


def test_the_picker_offers_new_symbols_and_keeps_the_choice(broker: Broker) -> None:
    with opened() as live:
        wait_until(lambda: live.symbol == "AAPL", "a symbol")
        broker.batches.append([trade(n, symbol="KO", price=60) for n in range(6, 20)])
        wait_until(lambda: "KO" in live._picker.options, "the second symbol")
        assert live.symbol == "AAPL"
        live._picker.value = "KO"
        assert drawn_price(live) == 60


def test_new_symbols_are_one_drawing_of_what_was_chosen(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    update = view._update

    def counted(shown: Any, figure: Any) -> None:
        drawn.append(figure.layout.title.text.split(":")[0])
        update(shown, figure)

    with opened() as live:
        wait_until(lambda: drawn_price(live) == 104, "a drawing")
        live._feed.stop()
        sent: list[dict[str, Any]] = []
        monkeypatch.setattr(live._picker, "send_state", lambda key=None: sent.append(key))
        monkeypatch.setattr(view, "_update", counted)
        before = live.figures[0].layout.uirevision
        for number, symbol in enumerate(("KO", "AAA", "MSFT"), start=6):
            live._feed._take(Broker([trade(number, symbol=symbol)]))
            live._redraw()
        assert drawn == ["AAPL"] * 3 and len(sent) == 3
        assert live.figures[0].layout.uirevision == before
        assert live._picker.options == ("AAPL", "KO", "AAA", "MSFT")
        live._picker.value = "KO"
        live.symbol = "NEW"
        assert drawn[3:] == ["KO", "NEW"]


def test_a_drawing_that_fails_is_said_and_the_view_can_be_closed(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened() as live:
        wait_until(lambda: drawn_price(live) == 104, "a drawing")

        def broken(*_: Any) -> None:
            raise ValueError("no such colour")

        monkeypatch.setattr(view, "_update", broken)
        broker.batches.append([trade(6)])
        wait_until(lambda: "stopped: ValueError: no such colour" in live._line.value, "the words")
        assert live._pause.disabled and live._stop.disabled
        wait_until(lambda: threads() == [], "the end of the thread")
        assert broker.closed == 1
        live.close()
        assert "stopped: ValueError" in live.status


def test_a_symbol_that_does_not_trade_yet_can_be_asked_for(broker: Broker) -> None:
    with opened(symbol="NEW") as live:
        wait_until(lambda: live._feed.state.read == 5, "the messages")
        assert live.symbol == "NEW"
        assert live.figures[0].layout.annotations[0].text == "no data"


def test_a_widget_says_that_the_broker_went_away_and_goes_on(broker: Broker) -> None:
    with opened() as live:
        wait_until(lambda: drawn_price(live) == 104, "a drawing")
        broker.away = True
        wait_until(lambda: "waiting for the broker" in live._line.value, "the message")
        assert drawn_price(live) == 104
        broker.batches.append([trade(9)])
        broker.away = False
        wait_until(lambda: drawn_price(live) == 109, "a drawing afterwards")
        wait_until(lambda: "live ·" in live._line.value, "the status line")


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "workbench-live"]


def test_close_ends_the_thread_and_keeps_the_last_frame(broker: Broker) -> None:
    live = opened()
    wait_until(lambda: drawn_price(live) == 104, "a drawing")
    live._stop.click()
    assert threads() == [] and broker.closed == 1
    assert drawn_price(live) == 104 and "stopped" in live._line.value
    assert live._pause.disabled
    live.close()


def test_a_view_that_nobody_holds_ends_its_thread(broker: Broker) -> None:
    held = [opened()]
    wait_until(lambda: drawn_price(held[0]) == 104, "a drawing")
    alive = weakref.ref(held.pop())

    def gone() -> bool:
        gc.collect()
        return alive() is None and threads() == []

    wait_until(gone, "the end of the thread")


def test_names_in_the_status_and_words_are_text(broker: Broker) -> None:
    broker.batches = [[trade(1, symbol="<img src=x>")]]
    with opened() as live:
        wait_until(lambda: live.symbol == "<img src=x>", "the symbol")
        wait_until(lambda: "&lt;img" in live._words[0].value, "the words")
        assert "<img" not in live._words[0].value
        assert "<img" not in live.figures[0].layout.title.text


def test_without_a_front_end_it_is_one_frame(broker: Broker) -> None:
    frame = wb.live("trades", settings=Settings())
    assert isinstance(frame, show.Frame)
    assert threads() == [] and broker.closed == 1
    assert "stopped · 5 rows in the window" in frame.status
    assert "AAPL: price, VWAP and volume" in frame.figures[0].layout.meta["alt"]


def test_one_frame_without_a_broker_says_so(broker: Broker) -> None:
    broker.away = True
    frame = wb.live("trades", settings=Settings())
    assert "nothing to follow: no broker answers" in frame.status
    assert "no data" in frame.figures[0].layout.meta["alt"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kind": "quotes"}, "no live view 'quotes'"),
        ({"minutes": 0}, "minutes must be"),
        ({"minutes": float("nan")}, "minutes must be"),
        ({"rows": 0}, "rows must be"),
        ({"rows": 10**9}, "rows must be"),
        ({"theme": "blue"}, "no theme 'blue'"),
    ],
)
def test_what_cannot_be_used_is_refused_before_anything_starts(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        wb.live(**{"kind": "trades", "settings": Settings(), **options})
    assert threads() == []


def test_a_report_has_no_front_end(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shell:
        kernel = object()

    monkeypatch.setattr("IPython.get_ipython", Shell)
    for name in show._FRONT_ENDS:
        monkeypatch.delenv(name, raising=False)
    assert not show.has_front_end()  # papermill, nbval
    monkeypatch.setenv("JPY_SESSION_NAME", "tour.ipynb")
    assert show.has_front_end()
    monkeypatch.setattr("workbench.reports.context.context_of_run", lambda: {"run": "x"})
    assert not show.has_front_end()  # a report that is run from a notebook


def test_papermill_that_a_notebook_starts_draws_one_frame(tmp_path: Path) -> None:
    """It inherits what the server of notebooks has told the kernel that starts it."""
    (tmp_path / "workbench.toml").write_text('[kafka]\nbootstrap_servers = "127.0.0.1:1"\n')
    code = "import workbench as wb\nprint(type(wb.live('trades')).__name__)"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(notebook, tmp_path / "one.ipynb")
    environment = os.environ | {"JPY_SESSION_NAME": "/lab/tour.ipynb"}
    subprocess.run(
        [sys.executable, "-m", "papermill", "one.ipynb", "done.ipynb"],
        cwd=tmp_path, env=environment, check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    (cell,) = nbformat.read(tmp_path / "done.ipynb", as_version=4).cells
    assert [output.text for output in cell.outputs if output.get("name") == "stdout"] == ["Frame\n"]
