"""One symbol's day: price, VWAP and volume by the minute."""

from __future__ import annotations

import plotly.graph_objects as go
import pyarrow as pa

from workbench.figures.template import BLUE, ORANGE, SKY, empty, figure

NAME = "price-and-vwap"


def price_and_vwap(table: pa.Table, symbol: str) -> go.Figure:
    """Draw price and VWAP of the day so far, with the volume under them.

    Parameters
    ----------
    table
        ``minute`` (UTC), ``price``, ``low_price``, ``high_price``, ``vwap`` [quote currency],
        ``volume`` [shares or coins], in order of time.
    symbol
        Whose they are.
    """
    title = f"{symbol}: price, VWAP and volume"
    if not table.num_rows:
        return empty(NAME, title)
    minutes = table["minute"].to_pylist()

    def column(name: str) -> list[float]:
        return [float(value) for value in table[name].to_pylist()]

    price, vwap = column("price"), column("vwap")
    band = {"mode": "lines", "line": {"width": 0}, "hoverinfo": "skip", "showlegend": False}
    traces = [
        go.Scatter(x=minutes, y=column("high_price"), **band),
        go.Scatter(
            x=minutes,
            y=column("low_price"),
            **{**band, "showlegend": True},
            fill="tonexty",
            fillcolor="rgba(86, 180, 233, 0.25)",
            name="low to high",
        ),
        go.Scatter(x=minutes, y=price, name="price", line={"color": BLUE, "width": 1.5}),
        go.Scatter(
            x=minutes, y=vwap, name="VWAP", line={"color": ORANGE, "width": 2, "dash": "dash"}
        ),
        go.Bar(x=minutes, y=column("volume"), name="volume", marker_color=SKY, yaxis="y2"),
    ]
    alt = (
        f"{title}: {table.num_rows} minutes from {minutes[0]:%H:%M} to {minutes[-1]:%H:%M} UTC. "
        f"Price from {price[0]:,.2f} to {price[-1]:,.2f}, VWAP at the end {vwap[-1]:,.2f}."
    )
    return figure(
        traces,
        name=NAME,
        title=title,
        alt=alt,
        height=480,
        hovermode="x unified",
        legend={"traceorder": "normal"},
        xaxis={"title": {"text": "UTC"}, "anchor": "y2"},
        yaxis={"domain": [0.30, 1], "title": {"text": "quote currency"}},
        yaxis2={"domain": [0, 0.24], "title": {"text": "volume"}, "rangemode": "tozero"},
    )
