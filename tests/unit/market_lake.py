"""A small lake with rows in every table, and the same rows in Python for the oracles."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.unit.lake_rows import at, rows_of, trade, trades
from workbench.config import Settings, load_settings
from workbench.contracts.records import EXECUTIONS
from workbench.definitions.backfill import backfill
from workbench.lake.tables import apply
from workbench.lake.write import append

D = Decimal
Row = dict[str, Any]
SYMBOLS = ("AAPL", "MSFT", "XOM", "BTCUSDT", "NOBODY")
ARRIVED = datetime(2024, 8, 9, tzinfo=UTC)
DAYS = 11


@dataclass(frozen=True)
class MarketLake:
    """What is in the lake."""

    settings: Settings
    trades: list[Row]
    alerts: list[Row]
    books: list[Row]
    late: list[Row]
    dead: list[Row]

    @property
    def executions(self) -> list[Row]:
        """Trades that are volume, in the order they happened."""
        found = [row for row in self.trades if row["status"] in EXECUTIONS]
        return sorted(found, key=lambda row: (row["event_time"], row["source_offset"]))


def alert(number: int, **values: Any) -> Row:
    """One row of market.price_alerts."""
    row: Row = {
        "alert_id": f"a{number}",
        "alert_type": "PRICE_MOVEMENT",
        "symbol": "AAPL",
        "direction": "UP",
        "baseline_price": "98",
        "current_price": "100",
        "pct_change": "2.04",
        "window_start": at(number - 60),
        "detected_at": at(number),
        "severity": "MEDIUM",
        "source_topic": "raw.trades",
        "source_partition": 0,
        "source_offset": number,
        "source_time": at(number),
        **values,
    }
    for name in ("baseline_price", "current_price", "pct_change"):
        row[name] = D(row[name])
    return row


def book(number: int, **values: Any) -> Row:
    """One row of market.orderbook_metrics; an empty side where bid or ask is None."""
    bid, ask = values.pop("bid", "99"), values.pop("ask", "101")
    bids, asks = values.pop("bids", "30"), values.pop("asks", "10")
    both = bid is not None and ask is not None
    depth = {}
    for levels in (5, 10, 20):
        depth[f"bid_depth_{levels}"] = D(bids) if bid is not None else None
        depth[f"ask_depth_{levels}"] = D(asks) if ask is not None else None
        depth[f"imbalance_{levels}"] = (
            round((D(bids) - D(asks)) / (D(bids) + D(asks)), 4) if both else None
        )
    mid = (D(bid) + D(ask)) / 2 if both else None
    return {
        "symbol": "AAPL",
        "event_time": at(number),
        "best_bid": D(bid) if bid is not None else None,
        "best_ask": D(ask) if ask is not None else None,
        "mid_price": round(mid, 4) if mid else None,
        "spread": round(D(ask) - D(bid), 4) if both else None,
        "spread_bps": round((D(ask) - D(bid)) / mid * 10_000, 2) if mid else None,
        **depth,
        "mid_change": None,
        "order_flow_imbalance": None,
        "previous_time": None,
        "source_topic": "raw.orderbook",
        "source_partition": 0,
        "source_offset": number,
        "source_time": at(number),
        **values,
    }


def late_row(number: int, **values: Any) -> Row:
    """One row of ops.late_rows."""
    return {
        "job": "aggregates",
        "symbol": "AAPL",
        "event_time": at(number),
        "watermark": at(number + 40),
        "lateness_ms": 40_000,
        "trade_id": f"t{number}",
        "side": "BUY",
        "quantity": D(2),
        "price": D(100),
        "source_topic": "raw.trades",
        "source_partition": 0,
        "source_offset": number,
        "source_time": at(number),
        **values,
    }


def dead_letter(number: int, **values: Any) -> Row:
    """One row of ops.dead_letters."""
    return {
        "topic": "dlq.deserialization",
        "original_value": "{",
        "error_type": "invalid-json",
        "error_message": "cut",
        "source_topic": "raw.trades",
        "source_partition": 0,
        "source_offset": number,
        "job": "landing",
        "failed_at": at(number),
        **values,
    }


def _orders(chance: random.Random) -> list[Row]:
    """Orders of one to four events over some days; some named by nobody, some sent twice."""
    rows: list[Row] = []
    for order in range(330):
        symbol = chance.choice(SYMBOLS)
        day, second = -chance.randint(0, DAYS - 1), chance.randint(0, 6 * 3600)
        common = {
            "order_id": f"o{order}",
            "symbol": symbol,
            "side": chance.choice(["BUY", "SELL"]),
            "account_id": chance.choice(["A1", "A1", "A2", None]),
            "trader_id": chance.choice(["T1", "T2"]),
            "exchange": chance.choice(["XNAS", "XNYS", None]),
        }
        ends = chance.choice(
            [["FILLED"], ["PARTIALLY_FILLED", "FILLED"], ["CANCELLED"], ["REJECTED"], []]
        )
        for step, status in enumerate(["NEW", *ends]):
            rows.append(
                trade(
                    len(rows),
                    **common,
                    status=status,
                    quantity=str(D(chance.randint(1, 10**11)).scaleb(-8)),
                    price=str(D(chance.randint(90 * 10**8, 110 * 10**8)).scaleb(-8)),
                    # Milliseconds, as the records have.
                    event_time=at(second + 45 * step + chance.randint(0, 999) / 1000, days=day),
                )
            )
    for number in range(6):
        copy = rows[number * 7]
        rows.append({**copy, "source_offset": len(rows), "source_time": at(9)})
    rows.append({**rows[3], "source_offset": len(rows), "quantity": D(3)})
    return rows


def _books(chance: random.Random) -> list[Row]:
    rows, second = [], 0.0
    for number in range(120):
        second += chance.choice([0, 0.25, 3, 40, 200, 700])
        bid = D(chance.randint(9_000, 9_990)) / 100
        sides: Row = {"bid": str(bid), "ask": str(bid + D(chance.randint(1, 50)) / 100)}
        if chance.random() < 0.15:
            sides[chance.choice(["bid", "ask"])] = None
        rows.append(
            book(
                number,
                **sides,
                bids=str(chance.randint(1, 500)),
                asks=str(chance.randint(1, 500)),
                event_time=at(second),
                order_flow_imbalance=D(chance.randint(-50, 50)) if number % 5 else None,
            )
        )
    return rows


def _alerts(chance: random.Random) -> list[Row]:
    rows = [
        alert(
            number,
            symbol=chance.choice(SYMBOLS),
            direction=chance.choice(["UP", "DOWN"]),
            current_price=str(D(chance.randint(9_000, 11_000)) / 100),
            detected_at=at(chance.randint(0, 6 * 3600), days=-chance.randint(0, 2)),
        )
        for number in range(60)
    ]
    # A replay raised it again.
    return [*rows, {**rows[4], "source_offset": 999, "source_time": at(9999)}]


def build(folder: Path) -> MarketLake:
    """Make the lake in this folder."""
    chance = random.Random(20240808)
    settings = load_settings(folder)
    apply(settings)
    made = _orders(chance)
    # The windows and the enrichment of what the rows below say was late are left as they are:
    # questions about windows and about late rows are asked apart.
    backfill(settings, trades(made), topic="raw.trades", source_time=ARRIVED, now=ARRIVED)
    lake = MarketLake(
        settings=settings,
        trades=made,
        alerts=_alerts(chance),
        books=_books(chance),
        late=[
            late_row(number, symbol=chance.choice(SYMBOLS), lateness_ms=chance.randint(1, 90_000))
            for number in range(9)
        ],
        dead=[
            *(dead_letter(len(made) + number) for number in range(3)),
            dead_letter(
                len(made) + 3, job="router", topic="dlq.trades.unroutable", error_type="no-status"
            ),
            dead_letter(121, job="orderbook", source_topic="raw.orderbook", error_type="crossed"),
        ],
    )
    for table, rows in (
        ("market.price_alerts", lake.alerts),
        ("market.orderbook_metrics", lake.books),
        ("ops.late_rows", lake.late),
        ("ops.dead_letters", lake.dead),
    ):
        append(settings, table, _table(table, rows))
    return lake


def _table(name: str, rows: list[Row]) -> pa.Table:
    return rows_of(name, rows)


def until(moment: datetime, **length: float) -> tuple[datetime, datetime]:
    """The window of this length before a moment."""
    return moment - timedelta(**length), moment


def land_with_replays(settings: Settings, lost: int | None = None) -> None:
    """Land two partitions into which two replays wrote; each took the offset behind its last.

    Of partition 0 the offsets 0 to 9, and 5 and 8 are the ends of replays; of 1 the offsets 0 to 2,
    and the end of the first replay is behind them. A third was never sent.
    """
    kept = [n for n in range(10) if n not in (2, 3, 5, 8, lost)]
    landed = [trade(n, status="NEW") for n in kept]
    landed += [trade(20 + n, status="NEW", source_partition=1, source_offset=n) for n in (0, 2)]
    landed = [row for row in landed if row["source_offset"] != 9 or row["source_partition"]]
    append(settings, "market.trades", rows_of("market.trades", landed))
    dead = [
        *(dead_letter(n) for n in (2, 3, 9)),
        dead_letter(1, source_partition=1),
        dead_letter(4, job="orderbook", source_topic="raw.orderbook"),
    ]
    append(settings, "ops.dead_letters", rows_of("ops.dead_letters", dead))
    # Of the books, offset 6 is the end of a replay.
    append(
        settings,
        "market.orderbook_metrics",
        rows_of("market.orderbook_metrics", [book(5), book(7)]),
    )

    def sent(run: str, place: tuple[int, int] | None, **values: Any) -> Row:
        return {
            "run_id": run, "state": "sent" if place else "failed",
            "source_topic": "raw.trades", "source_partition": 0, "source_offset": 2,
            "job": "landing", "failed_at": at(2), "edited": True, "to_topic": "raw.trades",
            "to_partition": place[0] if place else None, "to_offset": place[1] if place else None,
            "replayed_at": at(60), **values,
        }  # fmt: skip

    replays = [
        *(sent("first", place) for place in ((0, 4), (1, 2))),
        *(sent("second", place, source_offset=3) for place in ((0, 6), (0, 7))),
        sent("third", None),
        sent("books", (0, 5), to_topic="raw.orderbook", source_topic="raw.orderbook"),
    ]
    append(settings, "ops.dead_letter_replays", rows_of("ops.dead_letter_replays", replays))
