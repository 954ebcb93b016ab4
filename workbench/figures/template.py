"""The one look of all figures."""

from __future__ import annotations

import plotly.graph_objects as go
import plotly.io as pio

TEMPLATE = "workbench"
#: Okabe and Ito's palette: told apart with every common kind of colour blindness.
BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, GREY = "#56B4E9", "#CC79A7", "#6B7280"
INK, LINE, PAPER = "#1F2937", "#E5E7EB", "#FFFFFF"
FONT = "system-ui, Segoe UI, Helvetica, Arial, sans-serif"
#: Down, unchanged, up: orange to blue differs in lightness too.
DIVERGING = [
    [0.0, "#B35806"],
    [0.25, "#FDB863"],
    [0.5, "#F3F4F6"],
    [0.75, "#92C5DE"],
    [1.0, "#2166AC"],
]
#: Bars that stand side by side differ in pattern as well.
PATTERNS = ("", "/", ".")


def _template() -> go.layout.Template:
    axis = {
        "gridcolor": LINE,
        "linecolor": GREY,
        "zerolinecolor": GREY,
        "automargin": True,
        "title": {"standoff": 8, "font": {"size": 13}},
    }
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 13, "color": INK},
            "colorway": [BLUE, ORANGE, GREEN, VERMILLION, SKY, PURPLE],
            "paper_bgcolor": PAPER,
            "plot_bgcolor": PAPER,
            "margin": {"l": 64, "r": 24, "t": 48, "b": 48},
            "title": {"x": 0, "xanchor": "left", "font": {"size": 16}},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 1,
                       "xanchor": "right"},
            "hoverlabel": {"font": {"size": 13}},
            "xaxis": axis,
            "yaxis": axis,
        }
    )  # fmt: skip


pio.templates[TEMPLATE] = _template()


def figure(
    traces: list[go.Scatter | go.Bar | go.Treemap],
    *,
    name: str,
    title: str,
    alt: str,
    height: int = 420,
    **layout: object,
) -> go.Figure:
    """Return a figure in the house's look, with its fixed id and its text in ``layout.meta``."""
    drawn = go.Figure(traces)
    drawn.update_layout(
        template=TEMPLATE, title_text=title, height=height, meta={"id": name, "alt": alt}, **layout
    )
    return drawn


def empty(name: str, title: str, height: int = 160) -> go.Figure:
    """Return the figure of a table without rows: it says so."""
    drawn = figure([], name=name, title=title, alt=f"{title}: no data.", height=height)
    drawn.update_xaxes(visible=False)
    drawn.update_yaxes(visible=False)
    drawn.add_annotation(text="no data", showarrow=False, font_size=16)
    return drawn


def short(number: float) -> str:
    """Return a number with three or so digits and a letter.

    >>> short(1_234_567), short(999), short(0)
    ('1.23 M', '999', '0')
    """
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(number) >= size:
            return f"{number / size:.3g} {letter}"
    return f"{number:.3g}"
