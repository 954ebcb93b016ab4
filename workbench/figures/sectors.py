"""The sectors as a treemap: size is what was traded, colour and arrow are the return."""

from __future__ import annotations

import plotly.graph_objects as go
import pyarrow as pa

from workbench.figures.template import DIVERGING, PAPER, empty, figure, short

NAME, TITLE = "sectors", "Sectors: size by notional, colour by return"


def sectors(table: pa.Table) -> go.Figure:
    """Draw what the sectors traded and returned.

    Parameters
    ----------
    table
        ``sector``, ``total_notional`` [quote currency], ``return_weighted_pct`` [%],
        ``symbols``, as `workbench.market.sector_performance` returns them.
    """
    rows = [row for row in table.to_pylist() if row["total_notional"] > 0]
    if not rows:
        return empty(NAME, TITLE)
    returns = [float(row["return_weighted_pct"] or 0) for row in rows]
    widest = max(*(abs(value) for value in returns), 0.01)
    told = [f"{_arrow(value)} {value:+.2f} %" for value in returns]
    tree = go.Treemap(
        # One root of its own: the one that plotly would make is dark.
        labels=["", *(row["sector"] for row in rows)],
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
            "line": {"width": 2, "color": PAPER},
            "pad": {"t": 0, "l": 0, "r": 0, "b": 0},
        },
        tiling={"pad": 2},
        pathbar={"visible": False},
        textfont={"size": 14},
    )
    words = ", ".join(
        f"{row['sector']} {value:+.2f} %" for row, value in zip(rows, returns, strict=True)
    )
    alt = f"{TITLE}. From the most traded: {words}."
    return figure([tree], name=NAME, title=TITLE, alt=alt, height=440, margin={"l": 8, "b": 8})


def _arrow(value: float) -> str:
    return "▲" if value > 0 else "▼" if value < 0 else "■"


def _symbols(count: int) -> str:
    return f"{count} symbol{'' if count == 1 else 's'}"
