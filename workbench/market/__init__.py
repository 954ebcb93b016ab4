"""Questions about the market, each one a function with its SQL beside it.

Every function takes a session and answers with a `Result`. Volume counts executions only:
events with status FILLED or PARTIALLY_FILLED. ``as_of`` is a moment of event time; when it is
left out it is the newest event time in the tables asked, never the wall clock. ``hours`` is a
window that ends there; a day is the UTC day of that moment, up to it.
"""

from __future__ import annotations

from workbench.market.alert_outcomes import alert_outcomes
from workbench.market.data_quality import data_quality
from workbench.market.dead_letters import dead_letters
from workbench.market.duplicates import duplicates
from workbench.market.exposure_by_sector import exposure_by_sector
from workbench.market.late_rows import late_rows
from workbench.market.missing_reference import missing_reference
from workbench.market.order_rates import order_rates
from workbench.market.portfolio import portfolio
from workbench.market.portfolio_history import portfolio_history
from workbench.market.reconciliation import reconciliation
from workbench.market.reference_data import reference_data
from workbench.market.sector_performance import sector_performance
from workbench.market.spread_curve import spread_curve
from workbench.market.symbol_performance import symbol_performance
from workbench.market.top_symbols import top_symbols
from workbench.market.trading_gaps import trading_gaps
from workbench.market.volume_anomalies import volume_anomalies
from workbench.market.volume_profile import volume_profile
from workbench.market.volume_vs_history import volume_vs_history
from workbench.market.vwap_curve import vwap_curve

__all__ = [
    "alert_outcomes",
    "data_quality",
    "dead_letters",
    "duplicates",
    "exposure_by_sector",
    "late_rows",
    "missing_reference",
    "order_rates",
    "portfolio",
    "portfolio_history",
    "reconciliation",
    "reference_data",
    "sector_performance",
    "spread_curve",
    "symbol_performance",
    "top_symbols",
    "trading_gaps",
    "volume_anomalies",
    "volume_profile",
    "volume_vs_history",
    "vwap_curve",
]
