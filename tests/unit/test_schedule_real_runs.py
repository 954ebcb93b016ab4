"""A timer's call with real reports: real kernels that die, real data that is not there yet."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.unit.report_notebook import DIES_ONCE, FAILS, PASSES, traded, write_report
from tests.unit.test_schedule_run import FakeClock
from workbench.config import ReportSettings, Settings, load_settings
from workbench.reports.runs import list_runs
from workbench.schedule import freshness
from workbench.schedule.freshness import why_stale
from workbench.schedule.history import attempts
from workbench.schedule.run import scheduled_run
from workbench.schedule.schedules import Schedule

#: Before the trade of the tests was landed.
DUE = datetime(2026, 3, 9, tzinfo=UTC)


@pytest.fixture
def project(tmp_path: Path) -> Settings:
    return traded(tmp_path)


def schedule_of(settings: Settings, **values: object) -> Schedule:
    made = {
        "id": "market_day-000000",
        "report": "market_day",
        "at": "daily 00:00 UTC",
        "created_at": DUE - timedelta(hours=1),
        "project": settings.project,
    }
    return Schedule.model_validate(made | values)


def test_a_dead_kernel_is_tried_again_and_a_failed_check_is_not(project):
    write_report(project, DIES_ONCE, PASSES)
    schedule, clock = schedule_of(project), FakeClock(DUE)
    done = scheduled_run(project, schedule, clock=clock)
    first, second = attempts(schedule)
    assert done.error is None and clock.slept == [60]
    assert (first.status, first.exit_code, second.status) == ("error", 6, "passed")
    # Each attempt names its run: what the dead one did is kept, too.
    runs = {run.id: run.folder for run in list_runs(project)}
    assert {first.run: Path(first.folder), second.run: Path(second.folder)} == runs

    write_report(project, FAILS)
    clock.at += timedelta(days=1)
    done = scheduled_run(project, schedule, clock=clock)
    assert done.error.exit_code == 3 and clock.slept == [60]
    assert done.attempt.failed_checks == ("volume",)


def test_a_schedule_that_finds_yesterdays_run_says_that_nothing_new_came(project):
    write_report(project, PASSES)
    schedule, clock = (
        schedule_of(project, notify="/bin/sh -c 'cat >>told; echo >>told'"),
        FakeClock(DUE),
    )
    century = 3_153_600_000
    long = ReportSettings(degraded_after_s=century, stale_after_s=century)
    scheduled_run(project.model_copy(update={"reports": long}), schedule, clock=clock)
    for _ in range(2):
        clock.at += timedelta(days=1)
        scheduled_run(project, schedule, clock=clock)
    first, second, third = attempts(schedule)
    assert [each.status for each in (first, second, third)] == ["passed"] * 3
    assert [each.grade for each in (first, second, third)] == ["fresh", "stale", "stale"]
    # One page for each grade; the third is the second's.
    assert first.run != second.run == third.run
    assert re.fullmatch(r"stale: market\.trades ends \d+ d before now", third.freshness["words"])
    assert [each.event for one in (first, second, third) for each in one.notices] == ["stale"] * 2
    [told, _] = map(json.loads, (project.project / "told").read_text().splitlines())
    assert (told["event"], told["status"], told["freshness"]["grade"]) == (
        "stale", "passed", "stale",
    )  # fmt: skip


# ---------------------------------------------------------------- fresh for the due time


def test_a_lake_without_a_broker_is_fresh_once_something_is_committed_after_the_due_time(project):
    now = datetime.now(UTC)
    assert why_stale(project, now - timedelta(hours=1)) is None
    assert "the last commit to market.trades was" in why_stale(project, now + timedelta(hours=1))


def test_a_lake_without_the_table_is_not_fresh(tmp_path):
    assert why_stale(load_settings(tmp_path), DUE) == "market.trades does not exist"


def test_a_report_waits_for_the_table_and_topic_it_goes_by(monkeypatch, project):
    # The trades are all there; the books are not, nor is anything of them.
    late = State(60.0, DUE - timedelta(hours=2), "market.orderbook_metrics", "raw.orderbook")
    monkeypatch.setattr(freshness, "Collector", lambda _: type(
        "Collector", (), {"collect": lambda *_, **__: late})())  # fmt: skip
    named = {"id": "orderbook_liquidity-000000", "report": "orderbook_liquidity"}
    clock, books = FakeClock(DUE), schedule_of(project, **named, wait_fresh_s=40, retry=1)
    done = scheduled_run(project, books, clock=clock)
    assert done.attempt.status == "stale" and done.error.exit_code == 4
    assert "market.orderbook_metrics is 60 s behind raw.orderbook" in str(done.error)
    assert clock.slept == [15, 15, 10, 60] and len(attempts(books)) == 2


def test_a_report_waits_for_what_its_last_run_has_read(monkeypatch, project):
    write_report(project, 'session.sql("FROM market.trade_aggregates").rows()', PASSES)
    # The trades are all there, and of the windows some are missing; nobody knows of late rows.
    state = State(0.0, DUE - timedelta(hours=2))
    state.others = {"market.trade_aggregates": 60.0, "ops.late_rows": None}
    monkeypatch.setattr(freshness, "Collector", lambda _: type(
        "Collector", (), {"collect": lambda *_, **__: state})())  # fmt: skip
    clock, schedule = FakeClock(DUE), schedule_of(project, wait_fresh_s=20, retry=0)
    # Before its first run nobody knows what it reads.
    assert scheduled_run(project, schedule, clock=clock).error is None
    assert "market.trade_aggregates" in list_runs(project)[0].summary["read"]
    clock.at += timedelta(days=1)
    done = scheduled_run(project, schedule, clock=clock)
    assert done.attempt.status == "stale"
    assert "market.trade_aggregates is 60 s behind raw.trades" in str(done.error)
    state.others["market.trade_aggregates"] = 0.0
    clock.at += timedelta(days=1)
    assert scheduled_run(project, schedule, clock=clock).error is None


class State:
    """What a collector has found: how far behind, and the newest message."""

    def __init__(
        self,
        behind: float | None,
        newest: datetime | None,
        name: str = "market.trades",
        topic: str = "raw.trades",
    ) -> None:
        self.behind, self.newest = behind, {topic: newest} if newest else {}
        self.name = name
        #: How far behind other tables are.
        self.others: dict[str, float | None] = {}

    @property
    def tables(self) -> list[type]:
        names = (self.name, *self.others)
        common = {"exists": True, "committed_at": None}
        return [type("Table", (), {"name": name, **common}) for name in names]

    def behind_s(self, table: type) -> float | None:
        return {self.name: self.behind, **self.others}[table.name]


@pytest.mark.parametrize(
    ("behind", "newest", "fresh"),
    [
        (0.0, DUE - timedelta(hours=2), True),  # a quiet market, all of it landed
        (0.0, None, True),
        (5.0, DUE - timedelta(hours=2), False),  # quiet, and the last minutes are missing
        (5.0, DUE + timedelta(seconds=4), False),
        (5.0, DUE + timedelta(seconds=5), True),  # what arrived at the due time is there
        (3600.0, DUE + timedelta(hours=2), True),
    ],
)
def test_fresh_is_what_has_all_that_had_arrived_at_the_due_time(
    monkeypatch, project, behind, newest, fresh
):
    monkeypatch.setattr(freshness, "Collector", lambda _: type(
        "Collector", (), {"collect": lambda *_, **__: State(behind, newest)})())  # fmt: skip
    assert (why_stale(project, DUE) is None) == fresh
