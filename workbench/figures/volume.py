"""Today's volume against its history as bars."""

from __future__ import annotations

import plotly.graph_objects as go
import pyarrow as pa

from workbench.figures.template import (
    PATTERNS,
    Theme,
    bars,
    empty,
    figure,
    first_of,
    literal,
    theme_of,
)

NAME, TITLE = "volume-against-history", "Volume of the day against its mean day"
ANOMALIES, ANOMALIES_TITLE = "volume-anomalies", "How unusual the volume of the day is"
_WINDOWS = (7, 30, 90)
#: More bars than this nobody reads.
_MOST_SYMBOLS = 30


def volume_against_history(table: pa.Table, *, theme: Theme | str = "light") -> go.Figure:
    """Draw how far the volume of symbols lies above or below their mean days.

    Where the table has z-scores they are written at the bars: how many standard deviations of
    the days before that is.

    Parameters
    ----------
    table
        One row per symbol: ``symbol``, ``pct_vs_7d``, ``pct_vs_30d``, ``pct_vs_90d`` [% above
        the mean, null without history], and, if there are any, ``z_score_7d``, ``_30d``,
        ``_90d`` [standard deviations], as `workbench.market.volume_vs_history` returns them.
    theme
        ``light`` or ``dark``.

    Examples
    --------
    >>> row = {"symbol": "A", "pct_vs_7d": 10.0, "pct_vs_30d": 12.5, "pct_vs_90d": None}
    >>> volume_against_history(pa.Table.from_pylist([row])).layout.meta["alt"]
    'Volume of the day against its mean day. Against 30 days: A +12.5 %.'
    """
    look = theme_of(theme)
    rows = table.to_pylist()
    known = [row for row in rows if any(row[f"pct_vs_{days}d"] is not None for days in _WINDOWS)]
    if not known:
        return empty(NAME, TITLE, look, why="no days before to compare with" if rows else "no data")
    drawn_bars = []
    colours = (look.first, look.second, look.third)
    for days, colour, pattern in zip(_WINDOWS, colours, PATTERNS, strict=True):
        values = [row[f"pct_vs_{days}d"] for row in known]
        drawn_bars.append(
            go.Bar(
                name=f"{days} days before",
                x=[literal(row["symbol"]) for row in known],
                y=[None if value is None else float(value) for value in values],
                text=[_sigmas(row.get(f"z_score_{days}d")) for row in known],
                textposition="outside",
                textangle=0,
                cliponaxis=False,
                marker=bars(colour, pattern, look),
                hovertemplate=f"%{{x}}: %{{y:+.2f}} % against {days} days %{{text}}<extra></extra>",
            )
        )
    told = ", ".join(
        f"{row['symbol']} {float(row['pct_vs_30d']):+.1f} %"
        + (f" ({_z(row['z_score_30d'])})" if row.get("z_score_30d") is not None else "")
        for row in known
        if row["pct_vs_30d"] is not None
    )
    drawn = figure(
        drawn_bars,
        name=NAME,
        title=TITLE,
        alt=f"{TITLE}. Against 30 days: {told or 'no data'}.",
        data=table,
        theme=look,
        barmode="group",
        xaxis={"type": "category"},
        yaxis={"title": {"text": "% above the mean day"}, "ticksuffix": " %"},
        uniformtext={"minsize": 9, "mode": "hide"},
    )
    drawn.add_hline(y=0, line_color=look.muted, line_width=1)
    return drawn


def _sigmas(value: object) -> str:
    return "" if value is None else f"{float(str(value)):+.1f}σ"


def _z(value: object) -> str:
    return "" if value is None else f"z {float(str(value)):+.1f}"


def volume_anomalies(table: pa.Table, *, theme: Theme | str = "light") -> go.Figure:
    """Draw how unusual the volume of every symbol is, the most unusual first.

    Parameters
    ----------
    table
        ``symbol``, ``z_score`` [standard deviations above the mean, null without enough days],
        ``pct_vs_history`` [%], ``unusual``, as `workbench.market.volume_anomalies` returns them.
        The first 30 with a z-score are drawn.
    theme
        ``light`` or ``dark``.

    Examples
    --------
    >>> row = {"symbol": "A", "z_score": 4.25, "pct_vs_history": 180.0, "unusual": True}
    >>> volume_anomalies(pa.Table.from_pylist([row])).layout.meta["alt"]
    'How unusual the volume of the day is. ! A z +4.2.'
    """
    look = theme_of(theme)
    every = table.to_pylist()
    known = [row for row in every if row["z_score"] is not None]
    rows, title = first_of(known, ANOMALIES_TITLE, _MOST_SYMBOLS)
    if not rows:
        why = "no symbol has enough days to compare with" if every else "no data"
        return empty(ANOMALIES, ANOMALIES_TITLE, look, why=why)
    scores = [float(row["z_score"]) for row in rows]
    marks = ["! " if row["unusual"] else "" for row in rows]
    told = [
        f"{mark}{_z(score)}, {float(row['pct_vs_history']):+.0f} %"
        for mark, score, row in zip(marks, scores, rows, strict=True)
    ]
    drawn = go.Bar(
        x=scores,
        y=[literal(row["symbol"]) for row in rows],
        orientation="h",
        marker=bars(
            [look.second if mark else look.first for mark in marks],
            ["-" if mark else "" for mark in marks],
            look,
        ),
        text=told,
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{text}<extra></extra>",
    )
    words = ", ".join(
        f"{mark}{row['symbol']} {_z(score)}"
        for mark, row, score in zip(marks, rows, scores, strict=True)
    )
    low, high = min(0.0, *scores), max(0.0, *scores)
    room = 0.35 * ((high - low) or 1.0)
    return figure(
        [drawn],
        name=ANOMALIES,
        title=title,
        alt=f"{title}. {words}.",
        data=table,
        caption=ANOMALIES_TITLE,
        theme=look,
        height=120 + 28 * len(rows),
        xaxis={
            "title": {"text": "standard deviations above the mean day (! unusual)"},
            "range": [low - room if low < 0 else 0, high + room if high > 0 else 0],
        },
        yaxis={"autorange": "reversed", "showgrid": False, "type": "category"},
    )
