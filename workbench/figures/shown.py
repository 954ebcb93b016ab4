"""How a figure is put before a reader: with its text and its rows, wherever that is."""

from __future__ import annotations

import json
from html import escape
from typing import Any

import plotly.graph_objects as go

from workbench.figures.data_table import data_table


class ShownFigure(go.Figure):  # type: ignore[misc]
    """A plotly figure that a notebook shows with its text and the table of its rows."""

    def _ipython_display_(self) -> None:
        from IPython.display import display

        display({"text/plain": self.layout.meta["alt"], **plotly_bundle(self)}, raw=True)  # type: ignore[no-untyped-call]
        display({"text/plain": "", "text/html": description(self)}, raw=True)  # type: ignore[no-untyped-call]


def plotly_bundle(figure: go.Figure) -> dict[str, Any]:
    """Return the figure as JupyterLab's own plotly renderer takes it: nothing is fetched."""
    return {"application/vnd.plotly.v1+json": json.loads(figure.to_json())}


def description(figure: go.Figure) -> str:
    """Return what a figure shows in words, and its rows folded away under them, as HTML."""
    rows = data_table(figure)
    table = f"<details><summary>Data of this figure</summary>{rows}</details>" if rows else ""
    return f"<figcaption>{escape(figure.layout.meta['alt'])}</figcaption>{table}"


def figure_html(figure: go.Figure, div_id: str | None = None) -> str:
    """Return a figure as HTML for a page that has plotly.js already.

    Parameters
    ----------
    figure
        A figure of this package.
    div_id
        Its id in the page; the figure's own when None.

    Returns
    -------
    str
        A ``figure`` element: the drawing, its text, and its rows folded away.
    """
    from plotly.io import to_html

    meta = figure.layout.meta
    # What stands under it need not be in it a second time.
    bare = go.Figure(figure)
    bare.layout.meta = {"id": meta["id"]}
    drawn = to_html(
        bare,
        full_html=False,
        include_plotlyjs=False,
        div_id=div_id or meta["id"],
        config={"displayModeBar": False, "responsive": True},
    )
    alt = escape(meta["alt"], quote=True)
    return f'<figure><div role="img" aria-label="{alt}">{drawn}</div>{description(figure)}</figure>'
