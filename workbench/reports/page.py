"""A run notebook as one HTML file that needs nothing else: no network, no second file."""

from __future__ import annotations

from html import escape
from importlib.resources import files
from typing import Any

# The page itself forbids what it must not need: nothing is fetched, from anywhere.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:"
)


def page_of(notebook: Any, title: str, subtitle: str) -> str:
    """Return the notebook as HTML: its text and outputs, without code; plotly.js once.

    Parameters
    ----------
    notebook
        A notebook with outputs.
    title, subtitle
        Title of the page, and a line under it at its foot.
    """
    from nbconvert import HTMLExporter
    from traitlets.config import Config

    exporter = HTMLExporter(  # type: ignore[no-untyped-call]
        template_name="basic",
        config=Config(
            {
                "TemplateExporter": {"exclude_input": True, "exclude_output_prompt": True},
                "HTMLExporter": {"anchor_link_text": "", "embed_images": True},
            }
        ),
    )
    body, _ = exporter.from_notebook_node(notebook)
    style = files("workbench.reports").joinpath("page.css").read_text(encoding="utf-8")
    plotly = f"<script>{_plotly_js()}</script>" if "Plotly.newPlot" in body else ""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n{plotly}\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n<footer>{escape(subtitle)}</footer>\n</body>\n</html>\n"
    )


def _plotly_js() -> str:
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())
