"""The data-quality panel: what was counted, and whether that is as it should be."""

from __future__ import annotations

import plotly.graph_objects as go
import pyarrow as pa

from workbench.figures.template import Theme, bars, empty, figure, literal, theme_of

NAME, TITLE = "data-quality", "Quality of the data"


def data_quality(table: pa.Table, *, theme: Theme | str = "light") -> go.Figure:
    """Draw every measure of quality as a bar of its share, with the counts written out.

    Parameters
    ----------
    table
        ``measure``, ``found``, ``of_all``, ``unit``, ``share_pct`` [%, null of none], as
        `workbench.market.data_quality` returns them. What was not found at all has a ✔, the rest
        a !.
    theme
        ``light`` or ``dark``.

    Examples
    --------
    >>> row = {"measure": "duplicate events", "found": 4, "of_all": 2000, "unit": "events",
    ...        "share_pct": 0.2}
    >>> data_quality(pa.Table.from_pylist([row])).layout.meta["alt"]
    'Quality of the data. ! duplicate events: 4 of 2,000 events (0.2 %).'
    """
    look = theme_of(theme)
    rows = table.to_pylist()
    if not rows:
        return empty(NAME, TITLE, look)
    marks = ["!" if row["found"] else "✔" for row in rows]
    shares = [float(row["share_pct"] or 0) for row in rows]
    told = [
        f"{row['found']:,} of {row['of_all']:,} {row['unit']} ({share:.3g} %)"
        for row, share in zip(rows, shares, strict=True)
    ]
    drawn = go.Bar(
        x=shares,
        y=[f"{mark} {literal(row['measure'])}" for mark, row in zip(marks, rows, strict=True)],
        orientation="h",
        marker=bars(look.second, "-", look),
        text=[literal(text) for text in told],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{text}<extra></extra>",
    )
    words = "; ".join(
        f"{mark} {row['measure']}: {text}"
        for mark, row, text in zip(marks, rows, told, strict=True)
    )
    return figure(
        [drawn],
        name=NAME,
        title=TITLE,
        alt=f"{TITLE}. {words}.",
        data=table,
        theme=look,
        height=110 + 36 * len(rows),
        # The shares are written out; a scale beyond 100 % would be nonsense.
        xaxis={"visible": False, "range": [0, 1.6 * max(*shares, 0.01)]},
        yaxis={"autorange": "reversed", "showgrid": False, "type": "category"},
    )
