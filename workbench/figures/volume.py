"""Today's volume against its history as bars."""

from __future__ import annotations

import plotly.graph_objects as go
import pyarrow as pa

from workbench.figures.template import BLUE, GREY, ORANGE, PAPER, PATTERNS, SKY, empty, figure

NAME, TITLE = "volume-against-history", "Volume of the day against its mean day"
_WINDOWS = ((7, BLUE), (30, ORANGE), (90, SKY))


def volume_against_history(table: pa.Table) -> go.Figure:
    """Draw how far the volume of symbols lies above or below their mean days.

    Parameters
    ----------
    table
        One row per symbol: ``symbol``, ``pct_vs_7d``, ``pct_vs_30d``, ``pct_vs_90d`` [% above
        the mean, null without history], as `workbench.market.volume_vs_history` returns them.
    """
    rows = table.to_pylist()
    known = [row for row in rows if any(row[f"pct_vs_{days}d"] is not None for days, _ in _WINDOWS)]
    if not known:
        return empty(NAME, TITLE)
    bars = []
    for (days, colour), pattern in zip(_WINDOWS, PATTERNS, strict=True):
        values = [row[f"pct_vs_{days}d"] for row in known]
        bars.append(
            go.Bar(
                name=f"{days} days before",
                x=[row["symbol"] for row in known],
                y=[None if value is None else float(value) for value in values],
                marker={
                    "color": colour,
                    "pattern": {"shape": pattern, "fgcolor": PAPER, "bgcolor": colour},
                },
                hovertemplate=f"%{{x}}: %{{y:+.2f}} % against {days} days<extra></extra>",
            )
        )
    told = ", ".join(
        f"{row['symbol']} {float(row['pct_vs_30d']):+.1f} %"
        for row in known
        if row["pct_vs_30d"] is not None
    )
    drawn = figure(
        bars,
        name=NAME,
        title=TITLE,
        alt=f"{TITLE}. Against 30 days: {told or 'no data'}.",
        barmode="group",
        xaxis={"type": "category"},
        yaxis={"title": {"text": "% above the mean day"}, "ticksuffix": " %"},
    )
    drawn.add_hline(y=0, line_color=GREY, line_width=1)
    return drawn
