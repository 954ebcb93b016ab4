"""Order books: the depth of one snapshot, and spread and imbalance over time."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go
import pyarrow as pa

from workbench.contracts.records import PREVIOUS_BOOK_MS
from workbench.figures.template import (
    Theme,
    empty,
    figure,
    numbers,
    price,
    short,
    span,
    theme_of,
    titled,
)

DEPTH, SPREAD = "order-book-depth", "spread-and-imbalance"
MONEY = "quote currency"


def order_book_depth(
    table: pa.Table, symbol: str = "", *, theme: Theme | str = "light"
) -> go.Figure:
    """Draw the depth profile of one snapshot: what could be sold and bought up to each price.

    Parameters
    ----------
    table
        ``side`` (``bid`` or ``ask``), ``price`` [quote currency], ``quantity``
        [shares or coins], each side from its best price outwards.
    symbol
        Whose book it is; of the rows themselves, where they say it.
    theme
        ``light`` or ``dark``.

    Examples
    --------
    >>> book = pa.table({"side": ["bid", "ask"], "price": [9.0, 11.0], "quantity": [5.0, 7.0]})
    >>> order_book_depth(book, "A").layout.meta["alt"]
    'A: depth of the order book. Best bid 9.00, best ask 11.00; 5 bid on 1 level, 7 asked on 1.'
    """
    look, title = theme_of(theme), titled(symbol, table, "depth of the order book")
    sides: dict[str, tuple[list[float], list[float]]] = {"bid": ([], []), "ask": ([], [])}
    for row in table.to_pylist():
        prices, depth = sides[row["side"]]
        prices.append(float(row["price"]))
        depth.append(float(row["quantity"]) + (depth[-1] if depth else 0.0))
    (bids, bid_depth), (asks, ask_depth) = sides["bid"], sides["ask"]
    if not bids and not asks:
        return empty(DEPTH, title, look)
    traces = [
        # From one level outwards to the next the depth is that of the one.
        go.Scatter(x=bids, y=bid_depth, name="bids", mode="lines+markers", fill="tozeroy",
                   fillcolor="rgba(86, 180, 233, 0.3)",
                   line={"color": look.first, "width": 2, "shape": "hv"},
                   marker={"symbol": "circle", "size": 5}),
        go.Scatter(x=asks, y=ask_depth, name="asks", mode="lines+markers", fill="tozeroy",
                   fillcolor="rgba(230, 159, 0, 0.3)",
                   line={"color": look.second, "width": 2, "dash": "dash", "shape": "hv"},
                   marker={"symbol": "diamond", "size": 6}),
    ]  # fmt: skip
    best = [f"best bid {price(bids[0])}" if bids else "no bids"]
    best.append(f"best ask {price(asks[0])}" if asks else "no asks")
    alt = (
        f"{title}. {', '.join(best).capitalize()}; "
        f"{short(bid_depth[-1] if bids else 0)} bid on {len(bids)} "
        f"level{'' if len(bids) == 1 else 's'}, {short(ask_depth[-1] if asks else 0)} asked on "
        f"{len(asks)}."
    )
    return figure(
        traces,
        name=DEPTH,
        title=title,
        alt=alt,
        data=table,
        theme=look,
        hovermode="x",
        xaxis={"title": {"text": f"price, {MONEY}"}},
        yaxis={"title": {"text": "quantity up to this price"}, "rangemode": "tozero"},
    )


def spread_and_imbalance(
    table: pa.Table, symbol: str = "", *, levels: int = 5, theme: Theme | str = "light"
) -> go.Figure:
    """Draw the spread of a symbol's book over time, and the imbalance of its sides under it.

    Parameters
    ----------
    table
        ``event_time`` or ``bucket_start`` (UTC), ``spread_bps`` [basis points, null where a side is
        empty], ``imbalance_5`` [-1 is all asks, 1 all bids], in order of time: rows of
        ``market.orderbook_metrics`` of one symbol, or as `workbench.market.spread_curve`
        returns them. The lines end where a bucket does (``bucket_end``), a snapshot after five
        minutes: where no book held, nothing is drawn.
    symbol
        Whose book it is; of the rows themselves, where they say it.
    levels
        Levels of the imbalance: 5, 10 or 20.
    theme
        ``light`` or ``dark``.

    Examples
    --------
    >>> spread_and_imbalance(pa.table({}), "A").layout.meta["alt"]
    'A: spread and imbalance of the order book: no data.'
    """
    look, title = theme_of(theme), titled(symbol, table, "spread and imbalance of the order book")
    if not table.num_rows:
        return empty(SPREAD, title, look)
    times, ends = _held(table)
    spreads, imbalance = numbers(table, "spread_bps"), numbers(table, f"imbalance_{levels}")
    more_bids = [None if value is None else max(value, 0.0) for value in imbalance]
    more_asks = [None if value is None else min(value, 0.0) for value in imbalance]
    area = {"mode": "lines", "yaxis": "y2", "fill": "tozeroy"}
    traces = [
        go.Scatter(**_steps(times, ends, spreads, filled=False), name="spread", mode="lines",
                   line={"color": look.first, "width": 1.5, "shape": "hv"}),
        go.Scatter(**area, **_steps(times, ends, more_bids, filled=True),
                   name="more bids (above 0)",
                   line={"color": look.first, "width": 1, "shape": "hv"}),
        go.Scatter(**area, **_steps(times, ends, more_asks, filled=True),
                   name="more asks (below 0)",
                   line={"color": look.second, "width": 1, "dash": "dot", "shape": "hv"}),
    ]  # fmt: skip
    known = sorted(value for value in spreads if value is not None)
    middle = f"Median spread {known[len(known) // 2]:.3g} basis points" if known else "No spread"
    present = [value for value in imbalance if value is not None]
    mean = f"mean imbalance {sum(present) / len(present):+.2f}" if present else "no imbalance"
    return figure(
        traces,
        name=SPREAD,
        title=title,
        alt=f"{title}, {table.num_rows:,} rows {span(times)}. {middle}, {mean}.",
        data=table,
        theme=look,
        height=460,
        hovermode="x unified",
        legend={"traceorder": "normal"},
        xaxis={"anchor": "y2", "title": {"text": "UTC"}},
        yaxis={"domain": [0.46, 1], "title": {"text": "spread, bp"}, "rangemode": "tozero"},
        yaxis2={"domain": [0, 0.38], "title": {"text": "imbalance"}, "range": [-1.05, 1.05]},
    )


def _held(table: pa.Table) -> tuple[list[datetime], list[datetime]]:
    """From when and until when each row holds where no other comes before."""
    if "event_time" in table.column_names:
        times = table["event_time"].to_pylist()
        longest = timedelta(milliseconds=PREVIOUS_BOOK_MS)
        return times, [time + longest for time in times]
    times = table["bucket_start"].to_pylist()
    if "bucket_end" in table.column_names:
        return times, table["bucket_end"].to_pylist()
    length = min((later - time for time, later in pairwise(times)), default=timedelta())
    return times, [time + length for time in times]


def _steps(
    times: list[datetime], ends: list[datetime], values: list[float | None], *, filled: bool
) -> dict[str, list[Any]]:
    """Points of a line in steps that stops where its value does.

    A filled line comes down before a gap and up after it: plotly fills gaps, then of no height.
    """
    points: list[tuple[datetime, float | None, str]] = []
    for number, (time, value) in enumerate(zip(times, values, strict=True)):
        if value is None:
            continue
        if filled and points and points[-1][1] is None:
            points.append((time, 0.0, "skip"))
        points.append((time, value, "all"))
        if number + 1 == len(times):
            break
        end = min(ends[number], times[number + 1])
        if end < times[number + 1] or values[number + 1] is None:
            points.append((end, value, "all"))
            points += [(end, 0.0, "skip")] if filled else []
            points.append((end, None, "skip"))
    found: dict[str, list[Any]] = {
        "x": [time for time, _, _ in points],
        "y": [value for _, value, _ in points],
    }
    said = [hover for _, _, hover in points]
    return {**found, "hoverinfo": said} if filled and "skip" in said else found
