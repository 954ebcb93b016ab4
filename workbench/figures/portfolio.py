"""An account: what it holds, how its value went, and where it is exposed."""

from __future__ import annotations

import plotly.graph_objects as go
import pyarrow as pa

from workbench.figures.template import (
    Theme,
    arrow,
    bars,
    empty,
    figure,
    first_of,
    literal,
    numbers,
    short,
    span,
    theme_of,
)

POSITIONS, POSITIONS_TITLE = "portfolio", "Open positions: market value and unrealised profit"
HISTORY, HISTORY_TITLE = "portfolio-history", "Market value and profit of the account"
EXPOSURE, EXPOSURE_TITLE = "exposure", "Exposure by sector"
MONEY = "quote currency"


def portfolio(table: pa.Table, *, theme: Theme | str = "light") -> go.Figure:
    """Draw the open positions of an account: value to the right is held, to the left is short.

    Parameters
    ----------
    table
        ``symbol``, ``net_position``, ``market_value``, ``unrealised_average`` [quote currency],
        as `workbench.market.portfolio` returns them. Closed positions are left out of the
        drawing; the 40 of the most value are in it.
    theme
        ``light`` or ``dark``.

    Examples
    --------
    >>> row = {"symbol": "A", "net_position": -2, "market_value": -300, "unrealised_average": 25}
    >>> portfolio(pa.Table.from_pylist([row])).layout.meta["alt"]
    'Open positions: market value and unrealised profit. A short -300, ▲ +25.'
    """
    look = theme_of(theme)
    rows = [row for row in table.to_pylist() if row["net_position"]]
    if not rows:
        return empty(
            POSITIONS,
            POSITIONS_TITLE,
            look,
            why="no open position" if table.num_rows else "no data",
        )
    rows.sort(key=lambda row: -abs(row["market_value"]))
    rows, title = first_of(rows, POSITIONS_TITLE)
    values = [float(row["market_value"]) for row in rows]
    profits = [float(row["unrealised_average"]) for row in rows]
    told = [
        f"{'short' if value < 0 else 'held'} {short(value)}, {arrow(profit)} {_signed(profit)}"
        for value, profit in zip(values, profits, strict=True)
    ]
    drawn = go.Bar(
        x=values,
        y=[literal(row["symbol"]) for row in rows],
        orientation="h",
        marker=bars(
            [look.first if value >= 0 else look.second for value in values],
            ["" if value >= 0 else "-" for value in values],
            look,
        ),
        text=told,
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{text}<extra></extra>",
    )
    words = ", ".join(f"{row['symbol']} {text}" for row, text in zip(rows, told, strict=True))
    return figure(
        [drawn],
        name=POSITIONS,
        title=title,
        alt=f"{title}. {words}.",
        data=table,
        caption=POSITIONS_TITLE,
        theme=look,
        height=110 + 30 * len(rows),
        xaxis={"title": {"text": MONEY}, "range": _room(values)},
        yaxis={"autorange": "reversed", "showgrid": False, "type": "category"},
    )


def portfolio_history(table: pa.Table, *, theme: Theme | str = "light") -> go.Figure:
    """Draw what an account held and what it had earned over time.

    Parameters
    ----------
    table
        ``valued_at`` (UTC), ``market_value``, ``profit`` (so far), ``unrealised_fifo``
        [quote currency], in order of time, as `workbench.market.portfolio_history` returns them.
    theme
        ``light`` or ``dark``.

    Examples
    --------
    >>> portfolio_history(pa.table({})).layout.meta["alt"]
    'Market value and profit of the account: no data.'
    """
    look = theme_of(theme)
    if not table.num_rows:
        return empty(HISTORY, HISTORY_TITLE, look)
    times = table["valued_at"].to_pylist()
    held, profit = numbers(table, "market_value"), numbers(table, "profit")
    realised = [
        (earned or 0.0) - (still_open or 0.0)
        for earned, still_open in zip(profit, numbers(table, "unrealised_fifo"), strict=True)
    ]
    mode = "lines+markers" if len(times) < 40 else "lines"
    traces = [
        go.Scatter(x=times, y=held, name="market value", mode=mode,
                   line={"color": look.first, "width": 2}, marker={"symbol": "circle"}),
        go.Scatter(x=times, y=profit, name="profit", mode=mode, yaxis="y2",
                   line={"color": look.second, "width": 2, "dash": "dash"},
                   marker={"symbol": "diamond"}),
        go.Scatter(x=times, y=realised, name="of it realised", mode=mode, yaxis="y2",
                   line={"color": look.third, "width": 2, "dash": "dot"},
                   marker={"symbol": "square"}),
    ]  # fmt: skip
    alt = (
        f"{HISTORY_TITLE}: {len(times)} moments {span(times)}. At the end it held "
        f"{short(held[-1] or 0)} and had earned {_signed(profit[-1] or 0)}, "
        f"{_signed(realised[-1])} of it realised."
    )
    return figure(
        traces,
        name=HISTORY,
        title=HISTORY_TITLE,
        alt=alt,
        data=table,
        theme=look,
        height=460,
        hovermode="x unified",
        xaxis={"anchor": "y2", "title": {"text": "UTC"}},
        yaxis={"domain": [0.46, 1], "title": {"text": f"held, {MONEY}"}},
        yaxis2={"domain": [0, 0.38], "title": {"text": f"earned, {MONEY}"}},
    )


def exposure_by_sector(table: pa.Table, *, theme: Theme | str = "light") -> go.Figure:
    """Draw how much of an account is long and short in every sector.

    Parameters
    ----------
    table
        ``sector``, ``long_value``, ``short_value`` (both not negative),
        ``net_exposure`` [quote currency], as `workbench.market.exposure_by_sector` returns them.
        The first 40 are drawn.
    theme
        ``light`` or ``dark``.

    Examples
    --------
    >>> row = {"sector": "Energy", "long_value": 5000, "short_value": 2000, "net_exposure": 3000}
    >>> exposure_by_sector(pa.Table.from_pylist([row])).layout.meta["alt"]
    'Exposure by sector. Energy net +3 k (long 5 k, short 2 k).'
    """
    look = theme_of(theme)
    rows, title = first_of(table.to_pylist(), EXPOSURE_TITLE)
    if not rows:
        return empty(EXPOSURE, EXPOSURE_TITLE, look)
    head = table.slice(0, len(rows))
    names = [literal(row["sector"]) for row in rows]
    longs, shorts = numbers(head, "long_value"), numbers(head, "short_value")
    nets = [float(row["net_exposure"]) for row in rows]
    traces = [
        go.Bar(x=longs, y=names, name="long", orientation="h", marker_color=look.first),
        go.Bar(x=[-(value or 0) for value in shorts], y=names, name="short", orientation="h",
               marker=bars(look.second, "-", look)),
        go.Scatter(x=nets, y=names, name="net", mode="markers",
                   marker={"symbol": "diamond", "size": 11, "color": look.ink,
                           "line": {"width": 1.5, "color": look.paper}},
                   hovertemplate="%{y} net: %{x:,.2f}<extra></extra>"),
    ]  # fmt: skip
    words = "; ".join(
        f"{row['sector']} net {_signed(net)} (long {short(up or 0)}, short {short(down or 0)})"
        for row, net, up, down in zip(rows, nets, longs, shorts, strict=True)
    )
    return figure(
        traces,
        name=EXPOSURE,
        title=title,
        alt=f"{title}. {words}.",
        data=table,
        caption=EXPOSURE_TITLE,
        theme=look,
        height=140 + 34 * len(rows),
        barmode="relative",
        xaxis={"title": {"text": MONEY}, "zeroline": True},
        yaxis={"autorange": "reversed", "showgrid": False, "type": "category"},
    )


def _signed(value: float) -> str:
    return f"+{short(value)}" if value > 0 else short(value)


def _room(values: list[float]) -> list[float]:
    """Bars with text beside them need room on both sides of zero where they point."""
    low, high = min(0.0, *values), max(0.0, *values)
    wide = (high - low) or 1.0
    return [low - (0.45 * wide if low < 0 else 0), high + (0.45 * wide if high > 0 else 0)]
