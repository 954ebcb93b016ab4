"""One symbol's prices: the line of a day with its VWAP, and candles; volume under them."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import pyarrow as pa

from workbench.figures.template import (
    Theme,
    empty,
    figure,
    literal,
    numbers,
    price,
    span,
    theme_of,
    titled,
)

NAME, CANDLES = "price-and-vwap", "candles"
MONEY = "quote currency"


def price_and_vwap(table: pa.Table, symbol: str = "", *, theme: Theme | str = "light") -> go.Figure:
    """Draw a symbol's price and its VWAP so far, with the volume under them.

    Parameters
    ----------
    table
        ``minute`` (UTC), ``price``, ``low_price``, ``high_price``, ``vwap`` [quote currency],
        ``volume`` [shares or coins], in order of time.
    symbol
        Whose they are; of the rows themselves, where they say it.
    theme
        ``light`` or ``dark``.

    Examples
    --------
    >>> price_and_vwap(pa.table({}), "AAPL").layout.meta["alt"]
    'AAPL: price, VWAP and volume: no data.'
    """
    look, title = theme_of(theme), titled(symbol, table, "price, VWAP and volume")
    if not table.num_rows:
        return empty(NAME, title, look)
    minutes = table["minute"].to_pylist()
    prices, vwap = numbers(table, "price"), numbers(table, "vwap")
    band: dict[str, Any] = {
        "x": minutes, "mode": "lines", "line": {"width": 0}, "hoverinfo": "skip",
    }  # fmt: skip
    traces = [
        go.Scatter(**band, y=numbers(table, "high_price"), showlegend=False),
        go.Scatter(
            **band,
            y=numbers(table, "low_price"),
            fill="tonexty",
            fillcolor="rgba(86, 180, 233, 0.3)",
            name="low to high",
        ),
        go.Scatter(x=minutes, y=prices, name="price", line={"color": look.first, "width": 1.5}),
        _vwap(minutes, vwap, look),
        _volume(minutes, numbers(table, "volume"), look),
    ]
    alt = (
        f"{title}: {_count(table.num_rows, 'row')} {span(minutes)}. "
        f"Price from {_told(prices[0])} to {_told(prices[-1])}, VWAP at the end "
        f"{_told(vwap[-1])}."
    )
    return figure(traces, name=NAME, title=title, alt=alt, data=table, theme=look, **_PANELS)


def candles(table: pa.Table, symbol: str = "", *, theme: Theme | str = "light") -> go.Figure:
    """Draw the windows of a symbol as candles with the VWAP of each, and its volume.

    A hollow candle closed at or above its open, a filled one below it.

    Parameters
    ----------
    table
        ``window_start`` (UTC), ``open_price``, ``high_price``, ``low_price``, ``close_price``,
        ``vwap`` [quote currency], ``total_volume`` [shares or coins], in order of time: rows of
        ``market.trade_aggregates_current`` of one symbol and window size.
    symbol
        Whose they are; of the rows themselves, where they say it.
    theme
        ``light`` or ``dark``.

    Examples
    --------
    >>> candles(pa.table({}), "AAPL").layout.meta["id"]
    'candles'
    """
    look, title = theme_of(theme), titled(symbol, table, "windows with VWAP and volume")
    if not table.num_rows:
        return empty(CANDLES, title, look)
    starts = table["window_start"].to_pylist()
    opened, closed = numbers(table, "open_price"), numbers(table, "close_price")
    rose = sum((c or 0) >= (o or 0) for o, c in zip(opened, closed, strict=True))
    candle = go.Candlestick(
        x=starts,
        open=opened,
        high=numbers(table, "high_price"),
        low=numbers(table, "low_price"),
        close=closed,
        name="open, high, low, close",
        increasing={"line": {"color": look.first, "width": 1.5}, "fillcolor": look.paper},
        decreasing={"line": {"color": look.second, "width": 1.5}, "fillcolor": look.second},
    )
    traces = [
        candle,
        _vwap(starts, numbers(table, "vwap"), look),
        _volume(starts, numbers(table, "total_volume"), look),
    ]
    alt = (
        f"{title}: {_count(table.num_rows, 'window')} {span(starts)}, {rose} of them closed at or "
        f"above their open (hollow). From {_told(opened[0])} to {_told(closed[-1])}."
    )
    panels = {**_PANELS, "xaxis": {**_PANELS["xaxis"], "rangeslider": {"visible": False}}}
    return figure(traces, name=CANDLES, title=title, alt=alt, data=table, theme=look, **panels)


#: Price above, volume below, one axis of time.
_PANELS: dict[str, Any] = {
    "height": 480,
    "hovermode": "x unified",
    "legend": {"traceorder": "normal"},
    "xaxis": {"title": {"text": "UTC"}, "anchor": "y2"},
    "yaxis": {"domain": [0.30, 1], "title": {"text": MONEY}},
    "yaxis2": {"domain": [0, 0.24], "title": {"text": "volume"}, "rangemode": "tozero"},
}


def _vwap(x: list[Any], y: list[float | None], look: Theme) -> go.Scatter:
    line = {"color": look.second, "width": 2, "dash": "dash"}
    return go.Scatter(x=x, y=y, name="VWAP", mode="lines", line=line)


def _volume(x: list[Any], y: list[float | None], look: Theme) -> go.Bar:
    return go.Bar(x=x, y=y, name="volume", marker_color=look.soft, yaxis="y2")


def _told(value: float | None) -> str:
    return "none" if value is None else price(value)


def _count(number: int, what: str) -> str:
    return f"{number:,} {literal(what)}{'' if number == 1 else 's'}"
