"""What jobs that run have landed at a moment: each of them has come another way.

A model of the three jobs, record by record, in plain Python: the watermark and the windows of the
aggregates job as `flink_jobs/aggregates/aggregates.sql` has them, landing, and enrichment behind
the router. The records come from two partitions in the order they arrived.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from tests.unit.lake_rows import at, partial, rows_of, trade
from tests.unit.market_lake import late_row
from workbench.config import Settings
from workbench.contracts.jobs import OUT_OF_ORDERNESS_S
from workbench.lake.write import append

Row = dict[str, Any]
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
DISORDER = timedelta(seconds=OUT_OF_ORDERNESS_S)
#: Later than this behind the watermark, an execution is in no window.
LATENESS = timedelta(seconds=30)
PARTITION = {"AAPL": 0, "MSFT": 0, "XOM": 1, "KO": 1}


@dataclass
class Landed:
    """Rows by table."""

    trades: list[Row] = field(default_factory=list)
    windows: list[Row] = field(default_factory=list)
    late: list[Row] = field(default_factory=list)
    enriched: list[Row] = field(default_factory=list)

    @property
    def executions(self) -> list[Row]:
        """Landed trades that are volume."""
        return [row for row in self.trades if row["status"] == "FILLED"]

    def write(self, settings: Settings) -> None:
        """Append all of it to the tables."""
        for table, rows in (
            ("market.trades", self.trades),
            ("market.trade_aggregates", self.windows),
            ("ops.late_rows", self.late),
            ("market.enriched_trades", self.enriched),
        ):
            if rows:
                append(settings, table, rows_of(table, rows))


def arrivals(seed: int, count: int = 500, *, late: float = 0.0) -> list[Row]:
    """Events of some minutes in the order they arrived: out of order, a share of them late."""
    chance = random.Random(seed)
    offsets = [0, 0]
    rows = []
    for number in range(count):
        symbol = chance.choice(list(PARTITION))
        partition = PARTITION[symbol]
        arrived = at(number * 0.7)
        delay = chance.choice([40, 130]) if chance.random() < late else chance.uniform(0, 2)
        rows.append(
            trade(
                number,
                symbol=symbol,
                status=chance.choice(["FILLED", "FILLED", "FILLED", "NEW"]),
                quantity=str(chance.randint(1, 9)),
                price=str(chance.randint(90, 110)),
                event_time=at(max(0.0, round(number * 0.7 - delay, 3))),
                source_partition=partition,
                source_offset=offsets[partition],
                source_time=arrived,
            )
        )
        offsets[partition] += 1
    return rows


def running(
    rows: Sequence[Row],
    landing: int,
    aggregates: int,
    enrichment: int,
    *,
    drained: bool = False,
    routed: Sequence[Row] | None = None,
) -> Landed:
    """What lies in the lake when each job has read, and committed, so many of the records.

    `routed` is the order in which the router read them, where it is not that of their arrival.
    """
    found = Landed(trades=list(rows[:landing]))
    found.windows, found.late = _aggregated(rows[:aggregates], drained)
    filled = [row for row in routed or rows if row["status"] == "FILLED"]
    sent = [_enriched(row, place) for place, row in enumerate(filled)]
    before = sum(row["status"] == "FILLED" for row in (routed or rows)[:enrichment])
    found.enriched = sent[:before]
    return found


def _aggregated(rows: Sequence[Row], drained: bool) -> tuple[list[Row], list[Row]]:
    newest: dict[int, datetime] = {}
    watermark: datetime | None = None
    timely: dict[tuple[str, datetime], list[Row]] = defaultdict(list)
    windows, late = [], []
    for row in rows:
        minute = row["event_time"].replace(second=0, microsecond=0)
        if row["status"] == "FILLED":
            if watermark is None or minute + MINUTE > watermark:
                timely[row["symbol"], minute].append(row)
            elif row["event_time"] >= watermark - LATENESS:
                windows.append(_window([row], late=True))
            else:
                late.append(
                    late_row(
                        row["source_offset"],
                        **{name: row[name] for name in _OF_LATE},
                        watermark=watermark,
                    )
                )
        partition = row["source_partition"]
        newest[partition] = max(row["event_time"], newest.get(partition, row["event_time"]))
        if len(newest) == len(set(PARTITION.values())):
            watermark = min(newest.values()) - DISORDER
    closed = [
        _window(members)
        for (_, minute), members in timely.items()
        if drained or (watermark and minute + MINUTE <= watermark)
    ]
    return [*closed, *windows], late


_OF_LATE = (
    "symbol", "event_time", "trade_id", "side", "quantity", "price",
    "source_topic", "source_partition", "source_offset", "source_time",
)  # fmt: skip


def _window(members: list[Row], late: bool = False) -> Row:
    ordered = sorted(members, key=lambda row: (row["event_time"], row["source_offset"]))
    first, last = ordered[0], ordered[-1]
    start = first["event_time"].replace(second=0, microsecond=0)
    prices = [row["price"] for row in members]
    return partial(
        symbol=first["symbol"],
        window_start=start,
        window_end=start + MINUTE,
        total_volume=sum(row["quantity"] for row in members),
        total_value=sum((row["quantity"] * row["price"] for row in members), Decimal(0)),
        trade_count=len(members),
        buy_count=len(members),
        sell_count=0,
        high_price=max(prices),
        low_price=min(prices),
        open_price=first["price"],
        close_price=last["price"],
        open_time=first["event_time"],
        open_offset=first["source_offset"],
        close_time=last["event_time"],
        close_offset=last["source_offset"],
        late=late,
    )


def _enriched(row: Row, place: int) -> Row:
    # The router sends each order's events to one of two partitions.
    return {
        **row,
        "company_name": "A company",
        "sector": "Energy",
        "industry": "Oil",
        "market_cap_tier": "LARGE",
        "listed_exchange": "XNYS",
        "enriched_at": row["source_time"] + 2 * SECOND,
        "source_topic": "processed.trades.filled",
        "source_partition": int(row["trade_id"][1:]) % 2,
        "source_offset": place,
        "source_time": at(1000 + place / 100),
    }
