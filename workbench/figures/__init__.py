"""Figures: each a pure function from a table to a plotly figure.

Every figure has a fixed id, a text that says what it shows and the table of its rows, and says
nothing by colour alone: values are written out, directions have arrows, lines differ in dash and
bars in pattern. All take ``theme="light"`` or ``"dark"``; nothing comes from the network.
"""

from __future__ import annotations

from workbench.figures.alerts import alert_timeline
from workbench.figures.data_table import data_table
from workbench.figures.day import volume_profile, vwap_curve
from workbench.figures.order_book import order_book_depth, spread_and_imbalance
from workbench.figures.orders import order_rates
from workbench.figures.portfolio import exposure_by_sector, portfolio, portfolio_history
from workbench.figures.price import candles, price_and_vwap
from workbench.figures.quality import data_quality
from workbench.figures.sectors import sector_heatmap, sectors
from workbench.figures.shown import figure_html
from workbench.figures.top_symbols import top_symbols
from workbench.figures.volume import volume_against_history, volume_anomalies

__all__ = [
    "alert_timeline",
    "candles",
    "data_quality",
    "data_table",
    "exposure_by_sector",
    "figure_html",
    "order_book_depth",
    "order_rates",
    "portfolio",
    "portfolio_history",
    "price_and_vwap",
    "sector_heatmap",
    "sectors",
    "spread_and_imbalance",
    "top_symbols",
    "volume_against_history",
    "volume_anomalies",
    "volume_profile",
    "vwap_curve",
]
