"""The most traded symbols as bars."""

from __future__ import annotations

import plotly.graph_objects as go
import pyarrow as pa

from workbench.figures.template import Theme, empty, figure, first_of, literal, short, theme_of

NAME, TITLE = "top-symbols", "Top symbols by volume, and what it was worth"


def top_symbols(table: pa.Table, *, theme: Theme | str = "light") -> go.Figure:
    """Draw the volume of the most traded symbols, in the order of the table.

    Parameters
    ----------
    table
        ``symbol``, ``total_volume`` [shares or coins], ``total_notional`` [quote currency],
        ``trade_count``, as `workbench.market.top_symbols` returns them. The first 40 are drawn.
    theme
        ``light`` or ``dark``.

    Examples
    --------
    >>> row = {"symbol": "A", "total_volume": 30, "total_notional": 1500, "trade_count": 3}
    >>> top_symbols(pa.Table.from_pylist([row])).layout.meta["alt"]
    'Top symbols by volume, and what it was worth. A 30 worth 1.5 k.'
    """
    look = theme_of(theme)
    rows, title = first_of(table.to_pylist(), TITLE)
    if not rows:
        return empty(NAME, TITLE, look)
    values = [float(row["total_volume"]) for row in rows]
    told = [
        f"{short(value)} worth {short(float(row['total_notional']))}"
        for row, value in zip(rows, values, strict=True)
    ]
    bars = go.Bar(
        x=values,
        y=[literal(row["symbol"]) for row in rows],
        orientation="h",
        marker_color=look.first,
        text=told,
        textposition="outside",
        cliponaxis=False,
        customdata=[row["trade_count"] for row in rows],
        hovertemplate="%{y}: %{x:,.2f}<br>%{customdata:,} executions<extra></extra>",
    )
    words = ", ".join(f"{row['symbol']} {text}" for row, text in zip(rows, told, strict=True))
    return figure(
        [bars],
        name=NAME,
        title=title,
        alt=f"{title}. {words}.",
        data=table,
        caption=TITLE,
        theme=look,
        height=110 + 28 * len(rows),
        xaxis={"title": {"text": "volume (shares or coins)"}, "range": [0, 1.35 * max(values)]},
        yaxis={"autorange": "reversed", "showgrid": False, "type": "category"},
    )
