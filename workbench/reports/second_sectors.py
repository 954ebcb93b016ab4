"""Sectors once more: Polars over the raw trades, returns in fractions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

import polars as pl

from workbench.lake.session import Session
from workbench.reports.frames import frame
from workbench.reports.second_path import SecondPath, decimal_of, half_up


@dataclass
class Sector:
    """Sums over the symbols of a sector; whole numbers of the smallest unit."""

    value: int = 0
    executions: int = 0
    advancers: int = 0
    decliners: int = 0
    #: (return in 0.00000001, weight in 0.01) of each symbol.
    returns: list[tuple[int, int]] = field(default_factory=list)

    @property
    def notional(self) -> Decimal:
        """What was traded, in quote currency."""
        return decimal_of(self.value, 16)

    @property
    def return_pct(self) -> Decimal | None:
        """The mean return weighted by notional, in %, half-up to 4 decimals."""
        weights = sum(weight for _, weight in self.returns)
        if not weights:
            return None
        total = sum(change * weight for change, weight in self.returns)
        return decimal_of(half_up(total, weights * 100), 4)


def sectors(
    second: SecondPath, sector_of: Mapping[str, str], since: datetime, until: datetime
) -> dict[str, Sector]:
    """Return every sector that traded in [since, until).

    Parameters
    ----------
    second
        The trades.
    sector_of
        Sector by symbol; UNKNOWN for others.
    since, until
        The window.
    """
    price = pl.col("value") // pl.col("units")
    rows: list[dict[str, Any]] = (
        second.in_order(since, until)
        .group_by("symbol", maintain_order=True)
        .agg(
            pl.col("value").sum(),
            pl.len().alias("executions"),
            price.first().alias("first"),
            price.last().alias("last"),
        )
        .collect()
        .to_dicts()
    )
    found: dict[str, Sector] = defaultdict(Sector)
    for row in rows:
        sector = found[sector_of.get(row["symbol"], "UNKNOWN")]
        sector.value += row["value"]
        sector.executions += row["executions"]
        sector.advancers += row["last"] > row["first"]
        sector.decliners += row["last"] < row["first"]
        change = half_up((row["last"] - row["first"]) * 10**8, row["first"])
        sector.returns.append((change, half_up(row["value"], 10**14)))
    return dict(found)


def unknown_symbols(session: Session, since: datetime, until: datetime) -> int:
    """Return how many symbols were enriched without reference data in [since, until)."""
    rows = frame(session, "market.enriched_trades").filter(
        pl.col("event_time").is_between(since, until, closed="left"),
        pl.col("company_name") == "UNKNOWN",
    )
    return int(rows.select(pl.col("symbol").n_unique()).collect().item())
