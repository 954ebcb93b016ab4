"""The kinds of live views: which topics each follows and how its window is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from workbench.contracts import topic_named
from workbench.contracts.reader import Refused, read_record
from workbench.contracts.records import EXECUTIONS
from workbench.errors import UsageError, did_you_mean, quoted
from workbench.live_view.window import Row, Window
from workbench.market.accounting import per_unit

if TYPE_CHECKING:
    import plotly.graph_objects as go

Windows = Mapping[str, Window]
#: Draws the windows of one symbol (None for all) in a theme.
Draw = Callable[[Windows, str | None, str], "list[go.Figure]"]
#: Bars of a drawing of trades, about.
_BUCKETS = 120
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Kind:
    """One kind of live view.

    Parameters
    ----------
    name
        What it is called.
    topics
        The topics it follows.
    time
        The field of their records that says when.
    draw
        Draws its windows.
    all_symbols
        Whether the symbol may be left open.
    doc
        What it shows.
    """

    name: str
    topics: tuple[str, ...]
    time: str
    draw: Draw
    all_symbols: bool
    doc: str

    def row_of(self, topic: str, value: bytes | None, stamped_ms: int) -> Row | None:
        """Return a message as a row, or None where it breaks its contract."""
        record = topic_named(topic).record
        assert record is not None, topic
        verdict = read_record(record, value, stamped_ms)
        if isinstance(verdict, Refused):
            return None
        values = verdict.values
        when = _EPOCH + timedelta(milliseconds=values[self.time])
        return Row(when, values["symbol"], values)


def _trades(windows: Windows, symbol: str | None, theme: str) -> list[go.Figure]:
    from workbench import figures

    rows = [row for row in windows["raw.trades"].rows(symbol) if row.values["status"] in EXECUTIONS]
    return [figures.price_and_vwap(price_curve(rows), symbol or "", theme=theme)]


def price_curve(rows: Sequence[Row]) -> Any:
    """Return executions as `workbench.figures.price_and_vwap` takes them.

    Buckets are as long as it takes to have about 120 of them, a second at least; VWAP is that of
    the window so far.
    """
    import pyarrow as pa

    if not rows:
        return pa.table({})
    length = _bucket(rows[-1].time - rows[0].time)
    buckets: list[dict[str, Any]] = []
    volume = notional = Decimal(0)
    for row in rows:
        start = row.time - (row.time - _EPOCH) % length
        price, quantity = row.values["price"], row.values["quantity"]
        volume, notional = volume + quantity, notional + price * quantity
        if not buckets or buckets[-1]["minute"] != start:
            buckets.append({"minute": start, "low_price": price, "high_price": price,
                            "volume": Decimal(0)})  # fmt: skip
        last = buckets[-1]
        last["price"] = price
        last["low_price"] = min(last["low_price"], price)
        last["high_price"] = max(last["high_price"], price)
        last["volume"] += quantity
        last["vwap"] = per_unit(notional, volume, 4)
    return pa.Table.from_pylist(buckets)


def _bucket(span: timedelta) -> timedelta:
    for seconds in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600):
        if span <= timedelta(seconds=seconds * _BUCKETS):
            return timedelta(seconds=seconds)
    return timedelta(days=1)


def _aggregates(windows: Windows, symbol: str | None, theme: str) -> list[go.Figure]:
    from workbench import figures

    rows = windows["analytics.trade-aggregates"].rows(symbol)
    return [figures.candles(merged_windows(rows), symbol or "", theme=theme)]


def merged_windows(rows: Sequence[Row], size: str = "1m") -> Any:
    """Return windows of one size as `workbench.figures.candles` takes them.

    Partial results of a window are merged as ``market.trade_aggregates_current`` merges them.
    """
    import pyarrow as pa

    merged: dict[datetime, dict[str, Any]] = {}
    for values in (row.values for row in rows if row.values["window_size"] == size):
        start = _EPOCH + timedelta(milliseconds=values["window_start"])
        window = merged.setdefault(start, {"window_start": start, "opened": None, "closed": None,
                                           "total_volume": Decimal(0),
                                           "total_value": Decimal(0)})  # fmt: skip
        window["total_volume"] += values["total_volume"]
        window["total_value"] += values["total_value"]
        low, high = window.get("low_price"), window.get("high_price")
        window["low_price"] = min(low or values["low_price"], values["low_price"])
        window["high_price"] = max(high or values["high_price"], values["high_price"])
        opened = (values["open_time"], values["open_offset"])
        closed = (values["close_time"], values["close_offset"])
        if window["opened"] is None or opened < window["opened"]:
            window["opened"], window["open_price"] = opened, values["open_price"]
        if window["closed"] is None or closed > window["closed"]:
            window["closed"], window["close_price"] = closed, values["close_price"]
        window["vwap"] = per_unit(window["total_value"], window["total_volume"], 4)
    told = [
        {name: value for name, value in window.items() if name not in ("opened", "closed")}
        for _, window in sorted(merged.items())
    ]
    return pa.Table.from_pylist(told) if told else pa.table({})


def _alerts(windows: Windows, symbol: str | None, theme: str) -> list[go.Figure]:
    import pyarrow as pa

    from workbench import figures

    rows = [
        {
            "detected_at": row.time,
            **{name: row.values[name] for name in (
                "symbol", "direction", "severity", "current_price", "pct_change")},
        }
        for row in windows["alerts.price-movement"].rows(symbol)
    ]  # fmt: skip
    table = pa.Table.from_pylist(rows) if rows else pa.table({})
    return [figures.alert_timeline(table, theme=theme)]


def _order_book(windows: Windows, symbol: str | None, theme: str) -> list[go.Figure]:
    import pyarrow as pa

    from workbench import figures

    books = windows["raw.orderbook"].rows(symbol)
    metrics = [
        {"event_time": row.time,
         **{name: row.values[name] for name in ("spread_bps", "imbalance_5")}}
        for row in windows["analytics.orderbook"].rows(symbol)
    ]  # fmt: skip
    levels = [
        {"side": side, **level}
        for side, name in (("bid", "bids"), ("ask", "asks"))
        for level in (books[-1].values[name] if books else [])
    ]
    schema = pa.schema([("event_time", pa.timestamp("us", "UTC")), ("spread_bps", pa.float64()),
                        ("imbalance_5", pa.float64())])  # fmt: skip
    floats = [
        {name: float(v) if isinstance(v, Decimal) else v for name, v in row.items()}
        for row in metrics
    ]
    return [
        figures.order_book_depth(
            pa.Table.from_pylist(levels) if levels else pa.table({}), symbol or "", theme=theme
        ),
        figures.spread_and_imbalance(
            pa.Table.from_pylist(floats, schema=schema), symbol or "", theme=theme
        ),
    ]


KINDS: tuple[Kind, ...] = (
    Kind("trades", ("raw.trades",), "timestamp_ms", _trades, False,
         "price, VWAP and volume of a symbol's executions"),
    Kind("aggregates", ("analytics.trade-aggregates",), "window_start", _aggregates, False,
         "a symbol's windows of a minute as candles"),
    Kind("alerts", ("alerts.price-movement",), "detected_at_ms", _alerts, True,
         "price alerts of all symbols, or of one"),
    Kind("orderbook", ("raw.orderbook", "analytics.orderbook"), "timestamp_ms", _order_book, False,
         "depth of a symbol's newest order book, its spread and imbalance over time"),
)  # fmt: skip


def kind_named(name: str) -> Kind:
    """Return the kind of this name.

    Raises
    ------
    UsageError
        When there is none; names the nearest.

    Examples
    --------
    >>> kind_named("trades").topics
    ('raw.trades',)
    """
    for kind in KINDS:
        if kind.name == name:
            return kind
    raise UsageError(
        f"no live view {quoted(name)}", hint=did_you_mean(str(name), [kind.name for kind in KINDS])
    )
