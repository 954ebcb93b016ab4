"""The shape of a day: how VWAP ran, and when the volume came."""

from __future__ import annotations

import plotly.graph_objects as go
import pyarrow as pa

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

VWAP, PROFILE = "vwap-curve", "volume-profile"
MONEY = "quote currency"


def vwap_curve(table: pa.Table, symbol: str = "", *, theme: Theme | str = "light") -> go.Figure:
    """Draw the VWAP of every minute of a day, and that of the day so far.

    Parameters
    ----------
    table
        ``minute`` (UTC), ``minute_vwap``, ``vwap`` (of the day so far) [quote currency], in
        order of time, as `workbench.market.vwap_curve` returns them.
    symbol
        Whose they are; of the rows themselves, where they say it.
    theme
        ``light`` or ``dark``.

    Examples
    --------
    >>> vwap_curve(pa.table({}), "A").layout.meta["alt"]
    'A: VWAP by the minute and so far: no data.'
    """
    look, title = theme_of(theme), titled(symbol, table, "VWAP by the minute and so far")
    if not table.num_rows:
        return empty(VWAP, title, look)
    minutes = table["minute"].to_pylist()
    each, running = numbers(table, "minute_vwap"), numbers(table, "vwap")
    traces = [
        go.Scatter(x=minutes, y=each, name="VWAP of the minute", mode="lines+markers",
                   line={"color": look.first, "width": 1}, marker={"symbol": "circle", "size": 5}),
        go.Scatter(x=minutes, y=running, name="VWAP so far", mode="lines",
                   line={"color": look.second, "width": 2.5, "dash": "dash"}),
    ]  # fmt: skip
    above = sum((a or 0) > (b or 0) for a, b in zip(each, running, strict=True))
    return figure(
        traces,
        name=VWAP,
        title=title,
        alt=f"{title}: {len(minutes)} minutes {span(minutes)}. At the end "
        f"{price(running[-1] or 0)}; {above} minutes lay above the VWAP so far.",
        data=table,
        theme=look,
        hovermode="x unified",
        xaxis={"title": {"text": "UTC"}},
        yaxis={"title": {"text": MONEY}},
    )


def volume_profile(table: pa.Table, symbol: str = "", *, theme: Theme | str = "light") -> go.Figure:
    """Draw when the volume of a day came, against the mean of the days before.

    Parameters
    ----------
    table
        ``bucket_start`` (UTC), ``volume`` and ``avg_volume`` of the same bucket on the days
        before [shares or coins, null without history], in order of time, as
        `workbench.market.volume_profile` returns them.
    symbol
        Whose they are; of the rows themselves, where they say it.
    theme
        ``light`` or ``dark``.

    Examples
    --------
    >>> volume_profile(pa.table({}), "A").layout.meta["id"]
    'volume-profile'
    """
    look, title = theme_of(theme), titled(symbol, table, "volume through the day")
    if not table.num_rows:
        return empty(PROFILE, title, look)
    buckets, volumes = table["bucket_start"].to_pylist(), numbers(table, "volume")
    usual = numbers(table, "avg_volume")
    traces: list[go.Bar | go.Scatter] = [
        go.Bar(x=buckets, y=volumes, name="volume", marker_color=look.soft)
    ]
    if any(value is not None for value in usual):
        traces.append(
            go.Scatter(x=buckets, y=usual, name="mean of the days before",
                       mode="lines+markers", marker={"symbol": "diamond", "size": 5},
                       line={"color": look.second, "width": 1.5, "dash": "dash"})
        )  # fmt: skip
    total = sum(value or 0 for value in volumes)
    most = max(range(len(volumes)), key=lambda number: volumes[number] or 0)
    return figure(
        traces,
        name=PROFILE,
        title=title,
        alt=f"{title}: {short(total)} in {len(buckets)} buckets {span(buckets)}. The most, "
        f"{short(volumes[most] or 0)}, in the one at {_clock(buckets[most])}.",
        data=table,
        theme=look,
        xaxis={"title": {"text": "UTC"}},
        yaxis={"title": {"text": "volume (shares or coins)"}, "rangemode": "tozero"},
    )


def _clock(moment: object) -> str:
    return f"{moment:%H:%M}" if hasattr(moment, "hour") else str(moment)
