"""A seeded generator of believable market days, with known defects to reconcile with."""

from __future__ import annotations

from workbench.ingest.generate.day import MarketDay, generate_day
from workbench.ingest.generate.defects import Defects
from workbench.ingest.generate.instruments import Instrument, choose, load_instruments

__all__ = ["Defects", "Instrument", "MarketDay", "choose", "generate_day", "load_instruments"]
