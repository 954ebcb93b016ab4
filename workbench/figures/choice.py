"""Which figure draws an answer: its own, or a plain one where it is plain how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import plotly.graph_objects as go
import pyarrow as pa

from workbench.errors import UsageError, did_you_mean, quoted
from workbench.figures.data_table import is_number
from workbench.figures.template import (
    MOST_BARS,
    Theme,
    empty,
    figure,
    first_of,
    literal,
    numbers,
    short,
    theme_of,
)

if TYPE_CHECKING:
    from workbench.lake.result import Result

NAME = "plain"
#: More is a blot: aggregate first.
MOST_POINTS = 20_000
MOST_LINES = 6
#: Lines differ in dash too; after the three colours the dashes tell them apart.
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")


def draw(result: Result, name: str, options: Mapping[str, Any]) -> go.Figure:
    """Return the figure of an answer; see `Result.plot`."""
    if not name:
        return plain(result.arrow(), units=result.units, caption=result.caption, **options)
    from workbench import figures

    if name not in figures.__all__:
        raise UsageError(f"no figure {quoted(name)}", hint=did_you_mean(name, figures.__all__))
    function = getattr(figures, name)
    try:
        drawn: go.Figure = function(result.arrow(), **options)
    except TypeError as error:
        if function.__name__ not in str(error):
            raise
        said = str(error).split("() ")[-1]
        raise UsageError(f"figure {name}: {said}", hint=f"help(workbench.figures.{name})") from None
    return drawn


@dataclass(frozen=True)
class _Axes:
    """What is drawn over what."""

    x: str
    y: tuple[str, ...]
    lines: bool
    #: The column whose values make a line each.
    by: str | None = None


def plain(
    table: pa.Table,
    *,
    units: Mapping[str, str] | None = None,
    caption: str = "",
    x: str | None = None,
    y: str | Sequence[str] | None = None,
    title: str | None = None,
    theme: Theme | str = "light",
) -> go.Figure:
    """Draw a time and numbers as lines, a name and a number as bars.

    Parameters
    ----------
    table
        The rows, in the order they are drawn in.
    units
        Unit of each column that has one.
    caption
        What the rows are.
    x
        The column along the axis; the first time, else the first name, when None.
    y
        The columns drawn; all numbers, or the first of them for bars, when None.
    title
        Replaces the caption.
    theme
        ``light`` or ``dark``.

    Raises
    ------
    UsageError
        Where it is not plain what to draw, or it would be too much to see anything.

    Examples
    --------
    >>> table = pa.table({"side": ["BUY", "SELL"], "orders": [3, 4]})
    >>> print(plain(table).layout.meta["alt"])
    orders by side. BUY 3, SELL 4.
    """
    look = theme_of(theme)
    axes = _axes(table, x, (y,) if isinstance(y, str) else tuple(y) if y else None)
    told = title or caption or f"{', '.join(axes.y)} by {axes.x}"
    if not table.num_rows:
        return empty(NAME, told, look)
    return (_lines if axes.lines else _bars)(table, axes, told, units or {}, look)


def _axes(table: pa.Table, x: str | None, y: tuple[str, ...] | None) -> _Axes:
    names = table.column_names
    for name in (*((x,) if x else ()), *(y or ())):
        if name not in names:
            raise UsageError(f"no column {quoted(name)}", hint=did_you_mean(name, names))
    numbers = [field.name for field in table.schema if is_number(field.type)]
    times = [field.name for field in table.schema if pa.types.is_temporal(field.type)]
    texts = [field.name for field in table.schema if _is_text(field.type)]
    for name in y or ():
        if name not in numbers:
            raise UsageError(f"column {quoted(name)} is no number", hint=_what_would_be(table))
    over = x or next(iter(times or texts), None)
    drawn = tuple(y or (name for name in numbers if name != over))
    if over is None or not drawn:
        raise UsageError("it is not plain what to plot", hint=_what_would_be(table))
    if over in texts:
        return _Axes(over, drawn[:1], lines=False)
    by = next((name for name in texts if name != over), None)
    if by is None:
        return _Axes(over, drawn, lines=True)
    return _Axes(over, drawn[:1], lines=True, by=by)


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind)
    )


def _what_would_be(table: pa.Table) -> str:
    columns = ", ".join(f"{field.name} {field.type}" for field in table.schema)
    return (
        "a time and numbers are drawn as lines, a name and a number as bars; "
        f"the columns are {columns}"
    )


def _axis_title(name: str, units: Mapping[str, str]) -> dict[str, dict[str, str]]:
    return {"title": {"text": literal(f"{name} ({units[name]})" if name in units else name)}}


def _bars(
    table: pa.Table, axes: _Axes, title: str, units: Mapping[str, str], look: Theme
) -> go.Figure:
    head, value = table.slice(0, MOST_BARS), axes.y[0]
    names = ["(none)" if name is None else str(name) for name in head[axes.x].to_pylist()]
    values = numbers(head, value)
    told = ["no value" if number is None else short(number) for number in values]
    shown = first_of(range(table.num_rows), title)[1]
    bars = go.Bar(
        # By position: a name that occurs twice has two bars.
        y=list(range(len(names))),
        x=values,
        orientation="h",
        marker_color=look.first,
        text=told,
        textposition="outside",
        cliponaxis=False,
        customdata=[literal(name) for name in names],
        hovertemplate="%{customdata}: %{x:,}<extra></extra>",
    )
    words = ", ".join(f"{name} {text}" for name, text in zip(names, told, strict=True))
    return figure(
        [bars],
        name=NAME,
        title=shown,
        alt=f"{shown}. {words}.",
        data=head,
        theme=look,
        units=units,
        height=110 + 28 * len(names),
        xaxis=_axis_title(value, units),
        yaxis={
            "autorange": "reversed",
            "showgrid": False,
            "tickvals": list(range(len(names))),
            "ticktext": [literal(name) for name in names],
        },
    )


def _lines(
    table: pa.Table, axes: _Axes, title: str, units: Mapping[str, str], look: Theme
) -> go.Figure:
    if table.num_rows * len(axes.y) > MOST_POINTS:
        raise UsageError(
            f"{table.num_rows:,} rows are too many to see",
            hint="group them first, for example by time_bucket(INTERVAL '1 minute', event_time)",
        )
    series = _series(table, axes)
    if len(series) > MOST_LINES:
        raise UsageError(
            f"{len(series)} lines are too many to tell apart",
            hint=f"keep {MOST_LINES} values of {axes.by or 'y'}",
        )
    traces = [
        go.Scatter(
            x=times,
            y=values,
            name=literal(name),
            mode="lines+markers" if len(times) <= 60 else "lines",
            line={"color": (look.first, look.second, look.third)[number % 3], "dash": dash},
        )
        for number, ((name, times, values), dash) in enumerate(zip(series, _DASHES, strict=False))
    ]
    words = "; ".join(_told_of(name, times, values) for name, times, values in series)
    one = axes.y[0] if len(axes.y) == 1 else None
    return figure(
        traces,
        name=NAME,
        title=title,
        alt=f"{title}. {words}.",
        data=table,
        theme=look,
        units=units,
        hovermode="x unified",
        showlegend=len(traces) > 1,
        xaxis=_axis_title(axes.x, units),
        yaxis=_axis_title(one, units) if one else {},
    )


_Line = tuple[str, list[Any], list[float | None]]


def _series(table: pa.Table, axes: _Axes) -> list[_Line]:
    """Name, times and values of every line, each in order of time."""
    times = table[axes.x].to_pylist()
    if axes.by is None:
        return [(name, *_in_order(times, numbers(table, name))) for name in axes.y]
    grouped: dict[str, tuple[list[Any], list[float | None]]] = {}
    names = table[axes.by].to_pylist()
    for name, moment, value in zip(names, times, numbers(table, axes.y[0]), strict=True):
        line = grouped.setdefault("(none)" if name is None else str(name), ([], []))
        line[0].append(moment)
        line[1].append(value)
    return [(name, *_in_order(*line)) for name, line in grouped.items()]


def _in_order(
    times: Sequence[Any], values: Sequence[float | None]
) -> tuple[list[Any], list[float | None]]:
    known = [pair for pair in zip(times, values, strict=True) if pair[0] is not None]
    known.sort(key=lambda pair: pair[0])
    return [pair[0] for pair in known], [pair[1] for pair in known]


def _told_of(name: str, times: Sequence[Any], values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return f"{name}: no values"
    span = f"from {times[0]} to {times[-1]}"
    return f"{name} {span}: {short(min(known))} to {short(max(known))}, at last {short(known[-1])}"
