"""Questions about the market, each one a function with its SQL beside it.

Every function takes a session and answers with a `Result`. Volume counts executions only:
events with status FILLED or PARTIALLY_FILLED. ``as_of`` is a moment of event time; when it is
left out it is the newest event time in ``market.trades``, never the wall clock.
"""

from __future__ import annotations

from workbench.market.portfolio import portfolio
from workbench.market.reference_data import reference_data
from workbench.market.sector_performance import sector_performance
from workbench.market.top_symbols import top_symbols
from workbench.market.volume_vs_history import volume_vs_history

__all__ = [
    "portfolio",
    "reference_data",
    "sector_performance",
    "top_symbols",
    "volume_vs_history",
]
