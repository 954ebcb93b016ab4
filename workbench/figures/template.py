"""The one look of all figures, light and dark, and what every figure carries besides its marks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import plotly.graph_objects as go
import plotly.io as pio
import pyarrow as pa

from workbench.errors import UsageError, did_you_mean, quoted
from workbench.figures.data_table import table_meta
from workbench.figures.shown import ShownFigure

_T = TypeVar("_T")
FONT = "system-ui, Segoe UI, Helvetica, Arial, sans-serif"
#: Down, unchanged, up: orange to blue, told apart with every kind of colour blindness, and
#: different in lightness too.
DIVERGING = [
    [0.0, "#B35806"],
    [0.25, "#FDB863"],
    [0.5, "#F3F4F6"],
    [0.75, "#92C5DE"],
    [1.0, "#2166AC"],
]


@dataclass(frozen=True)
class Theme:
    """The colours of a look, by what they are for.

    Marks are Okabe and Ito's palette, which is told apart with every common kind of colour
    blindness. Text has a contrast of at least 4.5 to the paper, lines and marks of 3 (WCAG 2.2).

    Parameters
    ----------
    template
        Name of the registered plotly template.
    paper, ink, muted, grid
        Background, text, text and axes of less weight, grid lines.
    first, second, third
        Lines and marks that are told apart.
    soft
        Areas and bars beside the first.
    """

    template: str
    paper: str
    ink: str
    muted: str
    grid: str
    first: str
    second: str
    third: str
    soft: str


LIGHT = Theme(
    "workbench",
    paper="#FFFFFF",
    ink="#1F2937",
    muted="#5B6472",
    grid="#E5E7EB",
    first="#0072B2",
    second="#D55E00",
    third="#00875F",
    soft="#56B4E9",
)
DARK = Theme(
    "workbench-dark",
    paper="#111827",
    ink="#F3F4F6",
    muted="#9CA3AF",
    grid="#374151",
    first="#56B4E9",
    second="#E69F00",
    third="#2FBF94",
    soft="#3A8BC2",
)
THEMES: dict[str, Theme] = {"light": LIGHT, "dark": DARK}
#: A theme, or one of its names: ``light``, ``dark``, or the name of its template.
ThemeName = Literal["light", "dark", "workbench", "workbench-dark"]
#: Of more bars one below the other nobody reads the names, and a browser draws no such height.
MOST_BARS = 40
#: Bars that stand side by side differ in pattern as well.
PATTERNS = ("", "-", ".")


def theme_of(name: Theme | str) -> Theme:
    """Return a theme by its name or by the name of its template.

    Raises
    ------
    UsageError
        When there is none of this name.

    Examples
    --------
    >>> theme_of("dark").template, theme_of("workbench").paper
    ('workbench-dark', '#FFFFFF')
    """
    if isinstance(name, Theme):
        return name
    for short_name, theme in THEMES.items():
        if name in (short_name, theme.template):
            return theme
    raise UsageError(f"no theme {quoted(name)}", hint=did_you_mean(str(name), list(THEMES)))


def _template(theme: Theme) -> go.layout.Template:
    axis = {
        "gridcolor": theme.grid,
        "linecolor": theme.muted,
        "zerolinecolor": theme.muted,
        "automargin": True,
        "title": {"standoff": 8, "font": {"size": 13}},
    }
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 13, "color": theme.ink},
            "colorway": [theme.first, theme.second, theme.third, theme.soft],
            "paper_bgcolor": theme.paper,
            "plot_bgcolor": theme.paper,
            "margin": {"l": 64, "r": 24, "t": 72, "b": 48},
            "title": {"x": 0, "xanchor": "left", "xref": "paper", "y": 1, "yref": "container",
                      "yanchor": "top", "pad": {"t": 14}, "font": {"size": 16}},
            "legend": {"orientation": "h", "y": 1.01, "yanchor": "bottom", "x": 1,
                       "xanchor": "right"},
            "hoverlabel": {"font": {"size": 13, "color": theme.ink}, "bgcolor": theme.paper,
                           "bordercolor": theme.muted},
            "xaxis": {**axis, "ticklabelstandoff": 4},
            # A bar that begins at the axis does not touch its name.
            "yaxis": {**axis, "ticklabelstandoff": 6},
        }
    )  # fmt: skip


for _theme in THEMES.values():
    pio.templates[_theme.template] = _template(_theme)


def figure(
    traces: Sequence[Any],
    *,
    name: str,
    title: str,
    alt: str,
    data: pa.Table,
    theme: Theme,
    height: int = 420,
    units: Mapping[str, str] | None = None,
    caption: str | None = None,
    **layout: object,
) -> go.Figure:
    """Return a figure in the house's look.

    Its id, its text for those who cannot see it and the rows it shows are in ``layout.meta``.

    Parameters
    ----------
    traces
        Its marks.
    name
        Its id: the same for every drawing of this kind.
    title, alt
        Its title, and what it shows in a sentence or two; text, whatever it contains.
    data
        The rows it shows.
    theme
        Its colours.
    units
        Units of columns of `data` that the workbench does not know by name.
    caption
        What the rows are, where it is not the title: when fewer are drawn.
    """
    drawn = ShownFigure(list(traces))
    drawn.update_layout(
        template=theme.template,
        title_text=literal(title),
        height=height,
        meta={"id": name, "alt": alt, "table": table_meta(data, caption or title, units or {})},
        **layout,
    )
    return drawn


def empty(name: str, title: str, theme: Theme, height: int = 160, why: str = "no data") -> Any:
    """Return the figure of a table without rows: it says so."""
    drawn = figure(
        [],
        name=name,
        title=title,
        alt=f"{title}: {why}.",
        data=pa.table({}),
        theme=theme,
        height=height,
        xaxis={"visible": False},
        yaxis={"visible": False},
    )
    # By the paper: in the axes' own numbers it would stretch them, also after it has gone.
    drawn.add_annotation(
        text=literal(why), showarrow=False, font_size=16, xref="paper", yref="paper", x=0.5, y=0.5
    )
    return drawn


def first_of(rows: Sequence[_T], title: str, most: int = MOST_BARS) -> tuple[list[_T], str]:
    """Return the rows that are drawn, and the title: it says of how many they are the first.

    >>> first_of(list("abc"), "Orders", 2), first_of(["a"], "Orders")
    ((['a', 'b'], 'Orders (first 2 of 3)'), (['a'], 'Orders'))
    """
    if len(rows) <= most:
        return list(rows), title
    return list(rows[:most]), f"{title} (first {most} of {len(rows):,})"


def bars(colour: str | list[str], pattern: str | list[str], theme: Theme) -> dict[str, Any]:
    """Return the marker of bars that differ in pattern as well as in colour."""
    return {
        "color": colour,
        "pattern": {
            "shape": pattern,
            # Over the colour: in its place, bars of several colours lose theirs.
            "fillmode": "overlay",
            "fgcolor": theme.paper,
            "fgopacity": 0.9,
            "size": 10,
            "solidity": 0.25,
        },
    }


def literal(value: object) -> str:
    """Return text for plotly, which would read markup and templates in it, as that same text.

    Examples
    --------
    >>> literal("<b>A</b> & %{x}")
    '&lt;b&gt;A&lt;/b&gt; &amp; %&#123;x}'
    """
    text = str(value).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace("%{", "%&#123;")


def titled(symbol: str, table: pa.Table, what: str) -> str:
    """Return a title that names the symbol: as given, else the one that all rows have.

    >>> titled("", pa.table({"symbol": ["A", "A"]}), "price"), titled("", pa.table({}), "price")
    ('A: price', 'Price')
    """
    if not symbol and "symbol" in table.column_names:
        named = table["symbol"].unique().to_pylist()
        symbol = str(named[0]) if len(named) == 1 else ""
    return f"{symbol}: {what}" if symbol else what[:1].upper() + what[1:]


def numbers(table: pa.Table, name: str) -> list[float | None]:
    """Return a column as floats, for drawing; nulls stay None."""
    return [None if value is None else float(value) for value in table[name].to_pylist()]


def short(number: float) -> str:
    """Return a number with three or so digits and a letter.

    >>> short(1_234_567), short(999), short(-1500), short(0)
    ('1.23 M', '999', '-1.5 k', '0')
    """
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{number / size:.3g} {letter}"
    return f"{number:.3g}"


def price(number: float) -> str:
    """Return a price with the decimals that its size needs.

    >>> price(60123.5), price(101.5), price(0.00123456)
    ('60,123.50', '101.50', '0.0012346')
    """
    return f"{number:,.2f}" if abs(number) >= 1 or number == 0 else f"{number:.5g}"


def arrow(value: float) -> str:
    """Return a sign that says the direction without colour.

    >>> arrow(1), arrow(-1), arrow(0)
    ('▲', '▼', '■')
    """
    return "▲" if value > 0 else "▼" if value < 0 else "■"


def span(moments: Sequence[Any]) -> str:
    """Return the time a figure covers, in words; days only where they differ."""
    first, last = moments[0], moments[-1]
    if not hasattr(first, "hour"):
        return f"from {first} to {last}"
    if first.date() == last.date():
        return f"on {first:%Y-%m-%d} from {first:%H:%M} to {last:%H:%M} UTC"
    return f"from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
