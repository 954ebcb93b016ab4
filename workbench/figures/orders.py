"""What became of orders: filled, cancelled, rejected."""

from __future__ import annotations

import plotly.graph_objects as go
import pyarrow as pa

from workbench.figures.template import (
    Theme,
    bars,
    empty,
    figure,
    first_of,
    literal,
    numbers,
    theme_of,
)

NAME, TITLE = "order-rates", "What became of orders"
#: Column, what it is called, pattern.
_OUTCOMES = (
    ("fill_rate_pct", "filled", ""),
    ("cancel_rate_pct", "cancelled", "-"),
    ("reject_rate_pct", "rejected", "."),
)


def order_rates(table: pa.Table, *, theme: Theme | str = "light") -> go.Figure:
    """Draw the shares of orders that were filled, cancelled and rejected; the rest are open.

    Parameters
    ----------
    table
        ``name``, ``orders``, ``fill_rate_pct``, ``cancel_rate_pct``,
        ``reject_rate_pct`` [% of the orders], as `workbench.market.order_rates` returns them.
        The first 40 are drawn.
    theme
        ``light`` or ``dark``.

    Examples
    --------
    >>> rates = pa.table({"name": ["A"], "orders": [4], "fill_rate_pct": [75.0],
    ...                   "cancel_rate_pct": [25.0], "reject_rate_pct": [0.0]})
    >>> order_rates(rates).layout.meta["alt"]
    'What became of orders. A: 4 orders, 75.0 % filled, 25.0 % cancelled, 0.0 % rejected.'
    """
    look = theme_of(theme)
    if not table.num_rows:
        return empty(NAME, TITLE, look)
    rows, title = first_of(table.to_pylist(), TITLE)
    head = table.slice(0, len(rows))
    names = [literal(row["name"]) for row in rows]
    colours = (look.first, look.soft, look.second)
    drawn, told = [], []
    for (column, outcome, pattern), colour in zip(_OUTCOMES, colours, strict=True):
        values = numbers(head, column)
        told.append([f"{value or 0:.1f} % {outcome}" for value in values])
        drawn.append(
            go.Bar(
                x=values,
                y=names,
                name=outcome,
                orientation="h",
                marker=bars(colour, pattern, look),
                hovertemplate=f"%{{y}}: %{{x:.2f}} % {outcome}<extra></extra>",
            )
        )
    words = "; ".join(
        f"{row['name']}: {row['orders']:,} orders, {', '.join(parts)}"
        for row, parts in zip(rows, zip(*told, strict=True), strict=True)
    )
    return figure(
        drawn,
        name=NAME,
        title=title,
        alt=f"{title}. {words}.",
        data=table,
        caption=TITLE,
        theme=look,
        height=140 + 30 * len(names),
        barmode="stack",
        legend={"traceorder": "normal"},
        xaxis={"title": {"text": "% of the orders"}, "range": [0, 100]},
        yaxis={"autorange": "reversed", "showgrid": False, "type": "category"},
    )
