"""Figures: each a pure function from a table to a plotly figure.

Every figure has a fixed id, a text that says what it shows, and says nothing by colour alone:
values are written out, directions have arrows, lines differ in dash and bars in pattern.
"""

from __future__ import annotations

from workbench.figures.price import price_and_vwap
from workbench.figures.sectors import sectors
from workbench.figures.top_symbols import top_symbols
from workbench.figures.volume import volume_against_history

__all__ = ["price_and_vwap", "sectors", "top_symbols", "volume_against_history"]
