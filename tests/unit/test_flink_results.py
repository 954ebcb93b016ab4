"""A day in two parts: what Flink's jobs are done with, and what is not settled yet."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.unit.lake_rows import at
from tests.unit.running_stream import MINUTE, Landed, arrivals, running
from workbench.config import Settings
from workbench.lake.session import Session
from workbench.reports.flink_results import NOTHING_SETTLED, SUMS, FlinkResults, flink_results
from workbench.reports.market_day import day_totals, market_day
from workbench.reports.second_path import SecondPath


def results(
    found: Landed, lake: Settings, session: Session, as_of: datetime | None = None
) -> tuple[FlinkResults, FlinkResults]:
    found.write(lake)
    session.refresh()
    return flink_results(session, market_day(as_of or newest(session)))


def newest(session: Session) -> datetime:
    moment = session.newest_event("market.trades")
    assert moment is not None
    return moment


def agrees(part: FlinkResults) -> list[bool]:
    return [part.landed[what] == part.other(what) for what in SUMS]


def test_a_running_stream_agrees_and_names_what_is_not_settled(
    lake: Settings, session: Session
) -> None:
    found = running(arrivals(1), 330, 310, 300)
    windows, enriched = results(found, lake, session)
    day = day_totals(session, market_day(newest(session)))
    for part in (windows, enriched):
        assert agrees(part) == [True] * 3
        assert 0 < part.behind["executions"] < part.landed["executions"]
        assert {w: part.landed[w] + part.behind[w] for w in SUMS} == {w: day[w] for w in SUMS}
        again = SecondPath(session).totals(part.open)
        assert {what: again[what] for what in SUMS} == {w: part.behind[w] for w in SUMS}


@pytest.mark.parametrize("what", ["window", "trade", "enriched"])
def test_a_hole_in_what_is_settled_fails(lake: Settings, session: Session, what: str) -> None:
    found = running(arrivals(1), 330, 310, 300)
    rows = {"window": found.windows, "trade": found.trades, "enriched": found.enriched}[what]
    rows.remove(next(row for row in rows if row.get("status") != "NEW"))
    windows, enriched = results(found, lake, session)
    assert agrees(windows) == [what == "enriched"] * 3
    assert agrees(enriched) == [what == "window"] * 3


def test_where_nothing_is_settled_a_check_says_so_and_does_not_hold(
    lake: Settings, session: Session
) -> None:
    # The first seconds of a stream: no minute is closed, nothing is enriched.
    windows, enriched = results(running(arrivals(1), 30, 30, 0), lake, session)
    for part in (windows, enriched):
        assert part.behind["executions"] > 0 == part.landed["executions"]
        assert {part.other(what) for what in SUMS} == {NOTHING_SETTLED}
        assert agrees(part) == [False] * 3


def test_a_day_without_executions_has_nothing_to_settle(session: Session) -> None:
    for part in flink_results(session, market_day(at(0))):
        assert (part.landed["executions"], part.other("executions")) == (0, 0)


@pytest.mark.parametrize("seconds", [125.0, 110.0, 130.4])
def test_windows_count_by_whole_minutes_and_trades_up_to_the_as_of(
    lake: Settings, session: Session, seconds: float
) -> None:
    rows = arrivals(1)
    found = running(rows, len(rows), len(rows), len(rows), drained=True)
    windows, enriched = results(found, lake, session, at(seconds))
    assert agrees(windows) == agrees(enriched) == [True] * 3
    asked = sum(row["event_time"] <= at(seconds) for row in found.executions)
    assert windows.landed["executions"] + windows.behind["executions"] == asked
    assert enriched.landed["executions"] == asked
    # The minute of the as-of went on after it: its window has more in it than the day.
    assert windows.open.since == at(60 * (seconds // 60))


def test_the_minute_of_the_as_of_is_settled_where_nothing_came_after_it(
    lake: Settings, session: Session
) -> None:
    rows = arrivals(1)
    found = running(rows, len(rows), len(rows), len(rows), drained=True)
    last = max(row["event_time"] for row in found.executions)
    windows, _ = results(found, lake, session, last)
    assert windows.behind["executions"] == 0
    assert last < windows.open.since <= last + MINUTE


def test_what_came_after_the_as_of_is_in_no_number(lake: Settings, session: Session) -> None:
    """A later run for the same moment gives the same numbers."""
    rows = arrivals(1)
    first = Landed(trades=[row for row in rows if row["event_time"] <= at(100.25)])
    first.write(lake)
    day = market_day(at(100.25))
    before = day_totals(session.refresh(), day)
    assert before["events"] == len(first.trades)
    Landed(trades=[row for row in rows if row["event_time"] > at(100.25)]).write(lake)
    session.refresh()
    assert day_totals(session, day) == SecondPath(session).totals(day) == before
