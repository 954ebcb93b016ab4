"""Price alerts on the line of time, with the price they were raised by."""

from __future__ import annotations

from collections import Counter

import plotly.graph_objects as go
import pyarrow as pa

from workbench.contracts.records import SEVERITIES
from workbench.figures.template import (
    MOST_BARS,
    Theme,
    empty,
    figure,
    literal,
    numbers,
    price,
    span,
    theme_of,
)

NAME, TITLE = "alerts", "Price alerts"
#: The worse, the larger; up and down are triangles that point there.
_SIZES = dict(zip(SEVERITIES, (11, 13, 16, 20), strict=True))
MONEY = "quote currency"


def alert_timeline(
    table: pa.Table,
    prices: pa.Table | None = None,
    symbol: str | None = None,
    *,
    theme: Theme | str = "light",
) -> go.Figure:
    """Draw alerts over time: a triangle points where the price went, its size is the severity.

    Parameters
    ----------
    table
        ``detected_at`` (UTC), ``symbol``, ``direction`` (``UP``, ``DOWN``), ``severity``,
        ``current_price`` [quote currency], ``pct_change`` [%, without a sign], in order of
        time: rows of ``market.price_alerts``, or as `workbench.market.alert_outcomes`
        returns them:
        with ``return_15m_pct`` what the price did in the 15 minutes after it is told, too.
        Of more than 40 symbols the 40 with the most alerts have a row.
    prices
        ``minute`` and ``price`` of one symbol. With them the alerts of `symbol` lie on its
        price path; without, every symbol has a row.
    symbol
        Whose `prices` they are.
    theme
        ``light`` or ``dark``.

    Examples
    --------
    >>> alert_timeline(pa.table({})).layout.meta["alt"]
    'Price alerts: no data.'
    """
    look = theme_of(theme)
    title = f"{symbol}: price and its alerts" if symbol else TITLE
    path = prices is not None and prices.num_rows > 0
    rows = [row for row in table.to_pylist() if symbol is None or row["symbol"] == symbol]
    if not rows and not path:
        return empty(NAME, title, look, why="no alerts" if table.num_rows else "no data")
    symbols = Counter(str(row["symbol"]) for row in rows)
    told_title = title
    drawn = rows
    if not path and len(symbols) > MOST_BARS:
        kept = set(sorted(symbols, key=lambda name: (-symbols[name], name))[:MOST_BARS])
        drawn = [row for row in rows if row["symbol"] in kept]
        told_title = f"{title} ({MOST_BARS} of {len(symbols):,} symbols, those with the most)"
    traces = []
    if path:
        assert prices is not None
        line = {"color": look.muted, "width": 1.5}
        traces.append(go.Scatter(x=prices["minute"].to_pylist(), y=numbers(prices, "price"),
                                 name="price", mode="lines", line=line))  # fmt: skip
    for direction, colour, mark in (
        ("UP", look.first, "triangle-up"),
        ("DOWN", look.second, "triangle-down"),
    ):
        those = [row for row in drawn if row["direction"] == direction]
        traces.append(
            go.Scatter(
                x=[row["detected_at"] for row in those],
                y=[
                    float(row["current_price"]) if path else literal(row["symbol"]) for row in those
                ],
                name=f"{direction.lower()} (size: severity)",
                mode="markers",
                marker={
                    "symbol": mark,
                    "color": colour,
                    "size": [_SIZES.get(row["severity"], 11) for row in those],
                    "line": {"color": look.paper, "width": 1},
                },
                text=[_told(row) for row in those],
                hovertemplate="%{text}<extra></extra>",
            )
        )
    counts = [(level, sum(row["severity"] == level for row in rows)) for level in SEVERITIES]
    named = ", ".join(f"{number} {level}" for level, number in reversed(counts) if number)
    when = f" {span([row['detected_at'] for row in rows])}" if rows else ""
    last = f" The last: {rows[-1]['symbol']} {_plain_words(rows[-1])}." if rows else ""
    return figure(
        traces,
        name=NAME,
        title=told_title,
        alt=f"{told_title}: {len(rows)} alert{'' if len(rows) == 1 else 's'}{when}"
        f"{f' ({named})' if named else ''}.{last}",
        data=pa.Table.from_pylist(rows, schema=table.schema) if rows else pa.table({}),
        caption=title,
        theme=look,
        height=440 if path else 140 + 30 * max(min(len(symbols), MOST_BARS), 3),
        xaxis={"title": {"text": "UTC"}, "type": "date"},
        yaxis={"title": {"text": MONEY}}
        if path
        else {"type": "category", "categoryorder": "category descending"},
    )


def _plain_words(row: dict[str, object]) -> str:
    sign = "+" if row["direction"] == "UP" else "-"
    after = row.get("return_15m_pct")
    return (
        f"{sign}{float(str(row['pct_change'])):.2f} % to {price(float(str(row['current_price'])))}"
        f", {row['severity']}"
        + ("" if after is None else f", {float(str(after)):+.2f} % 15 minutes later")
    )


def _told(row: dict[str, object]) -> str:
    mark = "▲" if row["direction"] == "UP" else "▼"
    return f"{literal(row['symbol'])} {mark} {literal(_plain_words(row))}"
