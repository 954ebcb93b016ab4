"""The sectors: a treemap of what they traded, a heatmap of how they did."""

from __future__ import annotations

import plotly.graph_objects as go
import pyarrow as pa

from workbench.figures.template import (
    DIVERGING,
    Theme,
    arrow,
    empty,
    figure,
    first_of,
    literal,
    short,
    theme_of,
)

NAME, TITLE = "sectors", "Sectors: size by notional, colour by return"
HEATMAP, HEATMAP_TITLE = "sector-heatmap", "Sectors: returns and breadth"


def sectors(table: pa.Table, *, theme: Theme | str = "light") -> go.Figure:
    """Draw what the sectors traded and returned as a treemap.

    Parameters
    ----------
    table
        ``sector``, ``total_notional`` [quote currency], ``return_weighted_pct`` [%],
        ``symbols``, as `workbench.market.sector_performance` returns them.
    theme
        ``light`` or ``dark``.

    Examples
    --------
    >>> row = {"sector": "A", "total_notional": 9, "return_weighted_pct": 1.5, "symbols": 2}
    >>> sectors(pa.Table.from_pylist([row])).layout.meta["alt"]
    'Sectors: size by notional, colour by return. From the most traded: A +1.50 %.'
    """
    look = theme_of(theme)
    rows = [row for row in table.to_pylist() if row["total_notional"] > 0]
    if not rows:
        return empty(NAME, TITLE, look)
    returns = [float(row["return_weighted_pct"] or 0) for row in rows]
    widest = max(*(abs(value) for value in returns), 0.01)
    told = [f"{arrow(value)} {value:+.2f} %" for value in returns]
    tree = go.Treemap(
        # One root of its own: the one that plotly would make is dark.
        labels=["", *(literal(row["sector"]) for row in rows)],
        ids=["root", *(f"sector-{number}" for number in range(len(rows)))],
        parents=["", *["root"] * len(rows)],
        values=[0.0, *(float(row["total_notional"]) for row in rows)],
        text=[
            "",
            *(
                f"{change}<br>{short(float(row['total_notional']))}<br>{_symbols(row['symbols'])}"
                for change, row in zip(told, rows, strict=True)
            ),
        ],
        textinfo="label+text",
        hovertemplate="%{label}<br>%{value:,.2f}<br>%{text}<extra></extra>",
        marker={
            "colors": [0.0, *returns],
            "colorscale": DIVERGING,
            "cmin": -widest,
            "cmid": 0,
            "cmax": widest,
            "showscale": True,
            "colorbar": {"title": {"text": "return, %"}, "thickness": 12, "tickformat": "+.2f"},
            "line": {"width": 2, "color": look.paper},
            "pad": {"t": 0, "l": 0, "r": 0, "b": 0},
        },
        root={"color": look.paper},
        tiling={"pad": 2},
        pathbar={"visible": False},
        textfont={"size": 14},
    )
    words = ", ".join(
        f"{row['sector']} {value:+.2f} %" for row, value in zip(rows, returns, strict=True)
    )
    return figure(
        [tree],
        name=NAME,
        title=TITLE,
        alt=f"{TITLE}. From the most traded: {words}.",
        data=table,
        theme=look,
        height=440,
        margin={"l": 8, "b": 8},
    )


#: Columns of the heatmap: how each is called, and what it is called in the table.
_MEASURES = ("return by notional", "return, equal weights", "breadth")


def sector_heatmap(table: pa.Table, *, theme: Theme | str = "light") -> go.Figure:
    """Draw returns and breadth of the sectors as a heatmap with the values written out.

    Breadth is advancers less decliners as a share of the symbols that traded. Each column has
    a scale of its own, from minus to plus its largest size.

    Parameters
    ----------
    table
        ``sector``, ``return_weighted_pct``, ``return_equal_pct`` [%], ``symbols``,
        ``advancers``, ``decliners``, as `workbench.market.sector_performance` returns them. The
        first 40 are drawn.
    theme
        ``light`` or ``dark``.

    Examples
    --------
    >>> row = {"sector": "A", "return_weighted_pct": 1.5, "return_equal_pct": -1, "symbols": 4,
    ...        "advancers": 3, "decliners": 1}
    >>> sector_heatmap(pa.Table.from_pylist([row])).data[0].text[0]
    ['▲ +1.50 %', '▼ -1.00 %', '▲ +50 %, 3 up, 1 down']
    """
    look = theme_of(theme)
    rows, title = first_of(table.to_pylist(), HEATMAP_TITLE)
    if not rows:
        return empty(HEATMAP, HEATMAP_TITLE, look)
    cells, told = [], []
    for row in rows:
        breadth = 100 * (row["advancers"] - row["decliners"]) / row["symbols"]
        weighted = float(row["return_weighted_pct"] or 0)
        equal = float(row["return_equal_pct"] or 0)
        cells.append([weighted, equal, breadth])
        told.append(
            [
                f"{arrow(weighted)} {weighted:+.2f} %",
                f"{arrow(equal)} {equal:+.2f} %",
                f"{arrow(breadth)} {breadth:+.0f} %, {row['advancers']} up, "
                f"{row['decliners']} down",
            ]
        )
    widest = [max(*(abs(cell) for cell in column), 0.01) for column in zip(*cells, strict=True)]
    heat = go.Heatmap(
        x=_MEASURES,
        y=[literal(row["sector"]) for row in rows],
        z=[[cell / most for cell, most in zip(line, widest, strict=True)] for line in cells],
        text=told,
        texttemplate="%{text}",
        hovertemplate="%{y}, %{x}: %{text}<extra></extra>",
        colorscale=DIVERGING,
        zmin=-1,
        zmax=1,
        showscale=False,
        xgap=2,
        ygap=2,
    )
    words = "; ".join(
        f"{row['sector']} {line[0]}, breadth {line[2]}"
        for row, line in zip(rows, told, strict=True)
    )
    return figure(
        [heat],
        name=HEATMAP,
        title=title,
        alt=f"{title}. From the most traded: {words}.",
        data=table,
        caption=HEATMAP_TITLE,
        theme=look,
        height=110 + 34 * len(rows),
        xaxis={"side": "top", "showgrid": False},
        yaxis={"autorange": "reversed", "showgrid": False, "type": "category"},
        margin={"t": 96},
    )


def _symbols(count: int) -> str:
    return f"{count} symbol{'' if count == 1 else 's'}"
