"""What can be compared while jobs run: right data always agrees, a hole never does."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.unit.conftest import Land
from tests.unit.lake_rows import at, trade
from tests.unit.running_stream import MINUTE, PARTITION, Landed, arrivals, running
from workbench.config import Settings
from workbench.lake.session import Session
from workbench.market import reconciliation
from workbench.market.settled import settled


def flow(session: Session) -> dict[str, dict[str, Any]]:
    """The accounting of the two jobs that have a settled moment."""
    rows = reconciliation(session).arrow().to_pylist()
    return {row["job"]: row for row in rows if row["source"] == "market.trades"}


def looked_at(found: Landed, lake: Settings, session: Session) -> dict[str, dict[str, Any]]:
    found.write(lake)
    return flow(session.refresh())


@pytest.mark.parametrize("first", [0, 1])
def test_a_router_that_reads_one_partition_before_the_other(
    lake: Settings, session: Session, first: int
) -> None:
    rows = arrivals(6)
    routed = sorted(rows, key=lambda row: row["source_partition"] != first)
    own = sum(row["source_partition"] == first for row in rows)
    # All of the one and the beginning of the other are enriched, and a day's events in a second.
    found = running(rows, len(rows), len(rows), own + 60, routed=routed)
    row = looked_at(found, lake, session)["enrichment"]
    assert row["missing"] == 0
    newest = max(
        each["event_time"] for each in found.enriched if PARTITION[each["symbol"]] != first
    )
    assert newest - 2 * MINUTE < row["settled_until"] <= newest


@pytest.mark.parametrize("lane", [0, 1])
def test_enrichment_that_reads_one_lane_before_the_other(
    lake: Settings, session: Session, lane: int
) -> None:
    rows = arrivals(7)
    found = running(rows, len(rows), len(rows), len(rows))
    all_of_both = found.enriched
    found.enriched = [row for row in all_of_both if row["source_partition"] == lane]
    assert 0 < len(found.enriched) < len(all_of_both)
    row = looked_at(found, lake, session)["enrichment"]
    assert row["missing"] == 0
    first = min(each["event_time"] for each in all_of_both if each["source_partition"] != lane)
    assert row["settled_until"] is None or row["settled_until"] <= first


def before(rows: list[dict[str, Any]], moment: datetime | None) -> int:
    return sum(moment is not None and row["event_time"] < moment for row in rows)


@pytest.mark.parametrize("seed", range(5))
def test_whatever_each_job_has_read_what_is_settled_agrees(
    lake: Settings, session: Session, seed: int
) -> None:
    chance = random.Random(f"cuts {seed}")
    # Up to a checkpoint of half a minute apart, whoever is ahead; enrichment follows the router.
    landing, aggregates = (chance.randint(600, 640) for _ in range(2))
    enrichment = min(landing, chance.randint(560, 640))
    found = running(arrivals(seed, 700, late=0.01), landing, aggregates, enrichment)
    for job, row in looked_at(found, lake, session).items():
        assert row["missing"] == 0, (job, row)
        # Settled and open are all, and enough of it is settled.
        assert row["settled_until"] >= at(180)
        is_settled = before(found.executions, row["settled_until"])
        assert row["open"] == len(found.executions) - is_settled


@pytest.mark.parametrize("what", ["window", "trade", "enriched"])
@pytest.mark.parametrize("seed", range(2))
def test_a_hole_before_the_settled_moment_is_missing(
    lake: Settings, session: Session, seed: int, what: str
) -> None:
    found = running(arrivals(seed), 320, 300, 310)
    rows = {"window": found.windows, "trade": found.trades, "enriched": found.enriched}[what]
    settled_for_sure = [
        row
        for row in rows
        if at(60) <= row.get("event_time", row.get("window_start")) < at(100)
        and row.get("status") != "NEW"
    ]
    rows.remove(random.Random(seed).choice(settled_for_sure))
    job = "enrichment" if what == "enriched" else "aggregates"
    missing = looked_at(found, lake, session)[job]["missing"]
    assert missing < 0 if what == "trade" else missing > 0


@pytest.mark.parametrize("seed", range(2))
def test_after_a_drain_all_is_settled(lake: Settings, session: Session, seed: int) -> None:
    rows = arrivals(seed, late=0.02)
    found = running(rows, len(rows), len(rows), len(rows), drained=True)
    newest = max(row["event_time"] for row in found.executions)
    for row in looked_at(found, lake, session).values():
        assert (row["missing"], row["open"]) == (0, 0)
        assert newest < row["settled_until"] <= newest + MINUTE


def test_a_hole_in_the_last_minute_after_a_drain_is_missing(
    lake: Settings, session: Session
) -> None:
    rows = arrivals(1)
    found = running(rows, len(rows), len(rows), len(rows), drained=True)
    last = max(row["event_time"] for row in found.executions).replace(second=0, microsecond=0)
    newest = {row["symbol"]: row for row in sorted(found.executions, key=lambda r: r["event_time"])}
    lost = next(
        row for row in found.trades
        if row["status"] == "FILLED" and row["event_time"] >= last
        and row is not newest[row["symbol"]]
    )  # fmt: skip
    found.trades.remove(lost)
    told = looked_at(found, lake, session)
    assert [told[job]["missing"] for job in ("aggregates", "enrichment")] == [-1, -1]


def test_a_market_that_rests_with_its_last_minute_open(lake: Settings, session: Session) -> None:
    rows = arrivals(2)
    found = running(rows, len(rows), len(rows), len(rows))
    told = looked_at(found, lake, session)
    # All is enriched; of the windows the last minute is open.
    assert told["enrichment"]["open"] == told["enrichment"]["missing"] == 0
    newest = max(row["event_time"] for row in rows)
    assert newest - told["aggregates"]["settled_until"] < timedelta(minutes=1, seconds=5)
    assert told["aggregates"]["open"] > 0 == told["aggregates"]["missing"]


def test_trades_that_no_window_was_closed_for_are_not_settled(land: Land, session: Session) -> None:
    land(trade(0), trade(1))
    found = settled(session.refresh())
    assert (found.windows, found.enriched) == (None, None)
    assert {row["open"] for row in flow(session).values()} == {2}


def test_an_idle_partition_does_not_hold_the_moment_back_and_a_slow_one_does(
    lake: Settings, session: Session
) -> None:
    rows = arrivals(3)
    found = running(rows, 320, 300, 300)
    was = settled_with(found, lake, session)
    # Two partitions more: one whose last record is some minutes old, one that is behind.
    idle = trade(1000, source_partition=2, source_offset=0, event_time=at(5), source_time=at(5))
    slow = trade(1001, source_partition=3, source_offset=0, event_time=at(100), status="NEW")
    slow["source_time"] = found.trades[-1]["source_time"]
    with_idle = settled_with(Landed(trades=[{**idle, "status": "NEW"}]), lake, session)
    assert with_idle == was > at(100)
    assert settled_with(Landed(trades=[slow]), lake, session) == at(60)


def settled_with(found: Landed, lake: Settings, session: Session) -> datetime:
    found.write(lake)
    moment = settled(session.refresh()).windows
    assert moment is not None
    return moment


def test_an_execution_that_came_late_may_not_be_in_both_tables_yet(
    lake: Settings, session: Session
) -> None:
    rows = arrivals(4)
    late = trade(
        900, symbol="AAPL", event_time=at(65), source_offset=900,
        source_time=rows[319]["source_time"],
    )  # fmt: skip
    # Landed, and not read by the two others: their sums lack it.
    found = running([*rows[:319], late], 320, 310, 310)
    told = looked_at(found, lake, session)
    assert [row["missing"] for row in told.values()] == [0, 0]
    assert {row["settled_until"] for row in told.values()} == {at(60)}


@pytest.mark.parametrize("behind", [20, 90])
def test_a_late_execution_that_is_not_landed_yet_is_not_there_twice(
    lake: Settings, session: Session, behind: float
) -> None:
    rows = arrivals(5)
    clock = rows[309]["event_time"].replace(second=0, microsecond=0) - timedelta(seconds=behind)
    late = trade(
        900, symbol="AAPL", event_time=clock, source_offset=900,
        source_time=rows[309]["source_time"],
    )  # fmt: skip
    # Aggregates has read it, as a part of its own or as too late; landing has not.
    found = running([*rows[:309], late], 309, 310, 300)
    assert any(row["late"] for row in found.windows) or found.late
    assert looked_at(found, lake, session)["aggregates"]["missing"] == 0
