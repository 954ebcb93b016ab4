"""A timer's call: once for a due time, again where that may help, and never silent."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from workbench.config import Settings
from workbench.errors import (
    KernelError,
    LakeError,
    NotebookError,
    StackError,
    UsageError,
    ValidationFailed,
)
from workbench.reports.runs import ReportRun
from workbench.schedule.history import alone, attempts, keep
from workbench.schedule.run import check, scheduled_run
from workbench.schedule.schedules import Schedule, schedule_id

MONDAY = datetime(2026, 3, 9, 22, 5, tzinfo=UTC)
TUESDAY, WEDNESDAY = MONDAY + timedelta(days=1), MONDAY + timedelta(days=2)


class FakeClock:
    """A clock on which sleeping takes no time."""

    def __init__(self, now: datetime) -> None:
        self.at, self.slept = now, []

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += timedelta(seconds=seconds)


class Reports:
    """Runs that go as told, one after the other: an error, or the names of failed checks."""

    def __init__(self, project: Path) -> None:
        self.project, self.planned, self.asked = project, [], []
        self.volume, self.grade = 100, "fresh"

    def __call__(self, settings: Settings, name: str, parameters: Any) -> ReportRun:
        self.asked.append(dict(parameters))
        plan = self.planned.pop(0) if self.planned else ()
        if isinstance(plan, Exception):
            raise plan
        run = f"20260309T2205{len(self.asked):02}Z-abcdef"
        checks = [{"name": n, "passed": False, "value": 1, "other": 2} for n in plan]
        summary = {
            "name": name,
            "run": run,
            "verdict": "failed" if plan else "passed",
            "figures": [{"name": "volume", "value": self.volume, "unit": "shares"}],
            "snapshots": {"market.trades": str(self.volume)},
            "parameters": {},
            "versions": {},
            "checks": [*checks, {"name": "count", "passed": True, "value": 1, "other": 1}],
        }
        folder = self.project / "reports" / name / "2026-03-09T220500Z" / run
        folder.mkdir(parents=True)
        (folder / "report.json").write_text(json.dumps(summary))
        words = f"{self.grade}: market.trades ends some time before now"
        return ReportRun(folder, summary, freshness={"grade": self.grade, "words": words})


@pytest.fixture
def reports(settings: Settings) -> Reports:
    return Reports(settings.project)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(MONDAY)


def schedule_of(settings: Settings, **values: Any) -> Schedule:
    at = "Mon-Fri 18:05 America/New_York"
    made = {
        "id": schedule_id("market_day", at, {}, settings.project),
        "report": "market_day",
        "at": at,
        "created_at": MONDAY - timedelta(hours=1),
        "project": settings.project,
    }
    return Schedule(**(made | values))


@pytest.fixture
def call(settings: Settings, reports: Reports, clock: FakeClock) -> Callable[..., Any]:
    def run(schedule: Schedule, **options: Any) -> Any:
        options = {"clock": clock, "report": reports, "stale": lambda *_: None} | options
        return scheduled_run(settings, schedule, **options)

    return run


def statuses(schedule: Schedule) -> list[tuple[int, str, bool]]:
    return [(each.number, each.status, each.final) for each in attempts(schedule)]


# ---------------------------------------------------------------- once


def test_a_due_time_is_run_once(settings, reports, clock, call):
    schedule = schedule_of(settings, parameters={"top": "5"})
    done = call(schedule)
    assert done.attempt.status == "passed" and done.error is None
    clock.at += timedelta(hours=1)
    assert call(schedule).said == "done for 2026-03-09T22:05:00+00:00: passed"
    assert reports.asked == [{"top": "5"}]
    [kept] = attempts(schedule)
    assert (kept.due, kept.run, kept.exit_code) == (MONDAY, "20260309T220501Z-abcdef", 0)
    assert Path(kept.folder, "report.json").is_file()


def test_nothing_is_due_before_the_schedule_was_made(settings, reports, clock, call):
    clock.at = MONDAY - timedelta(minutes=5)
    done = call(schedule_of(settings))
    assert done.attempt is None and "next 2026-03-09T22:05:00" in done.said
    assert reports.asked == []


def test_a_clock_set_back_while_the_timer_rang_does_not_lose_the_run(settings, clock, call):
    clock.at = MONDAY - timedelta(seconds=2)
    assert call(schedule_of(settings)).attempt.due == MONDAY
    assert clock.slept == [2.0]


def test_the_report_is_about_the_due_time_if_so_wanted(settings, reports, clock, call):
    clock.at += timedelta(hours=9)  # the machine was off
    call(schedule_of(settings, as_of="due"))
    assert reports.asked == [{"as_of": "2026-03-09T22:05:00+00:00"}]


def test_failed_checks_are_never_tried_again(settings, reports, clock, call):
    schedule = schedule_of(settings)
    reports.planned = [["volume"]]
    done = call(schedule)
    assert isinstance(done.error, ValidationFailed) and done.error.exit_code == 3
    assert done.attempt.failed_checks == ("volume",) and clock.slept == []
    # Nor by the next ring of the timer.
    assert call(schedule).said.startswith("done for") and len(reports.asked) == 1


@pytest.mark.parametrize(
    "error",
    [
        UsageError("no parameter"),
        NotebookError("report market_day stopped: ValueError: x"),
        ValueError("a mistake"),
        MemoryError(),
    ],
)
def test_what_would_fail_again_is_not_tried_again(settings, reports, clock, call, error):
    reports.planned = [error]
    schedule = schedule_of(settings)
    assert call(schedule).attempt.status == "error"
    assert statuses(schedule) == [(1, "error", True)] and clock.slept == []


@pytest.mark.parametrize(
    "error",
    [
        KernelError("report market_day stopped: the kernel died"),
        NotebookError("report market_day stopped: LakeError: the catalog does not answer"),
        StackError("no broker"),
        LakeError("market.trades has no rows to report on"),
        ConnectionRefusedError("x"),
        OSError(28, "No space left on device"),
    ],
)
def test_what_may_pass_by_is_tried_again_with_longer_waits(settings, reports, clock, call, error):
    reports.planned = [error, error, error]
    schedule = schedule_of(settings, retry=3, retry_delay_s=60)
    assert call(schedule).attempt.status == "passed"
    assert [final for _, _, final in statuses(schedule)] == [False, False, False, True]
    assert clock.slept == [60, 120, 240]


def test_attempts_come_to_an_end(settings, reports, clock, call):
    reports.planned = [KernelError("dead")] * 9
    schedule = schedule_of(settings, retry=2)
    done = call(schedule)
    assert done.error.exit_code == 6
    assert statuses(schedule) == [(1, "error", False), (2, "error", False), (3, "error", True)]
    assert call(schedule).said.startswith("done")
    # A person may ask for more.
    reports.planned = []
    assert call(schedule, force=True).attempt.number == 4


def test_a_delay_is_at_most_an_hour(settings):
    assert schedule_of(settings).delay_s(90) == 3600


# ---------------------------------------------------------------- fresh data


def test_it_waits_until_the_data_is_fresh_for_the_due_time(settings, reports, clock, call):
    looks = []

    def stale(_: Settings, due: datetime) -> str | None:
        looks.append(due)
        return "far behind" if len(looks) < 4 else None

    done = call(schedule_of(settings, wait_fresh_s=1200), stale=stale)
    assert done.attempt.status == "passed" and set(looks) == {MONDAY}
    assert clock.slept == [15, 15, 15]


def test_it_gives_up_on_stale_data_with_exit_code_4(settings, reports, clock, call):
    schedule = schedule_of(settings, wait_fresh_s=40, retry=0)
    done = call(schedule, stale=lambda *_: "market.trades is 700 s behind")
    assert done.error.exit_code == 4 and "700 s behind" in str(done.error)
    assert clock.slept == [15, 15, 10] and reports.asked == []
    assert statuses(schedule) == [(1, "stale", True)]


def test_a_retry_looks_at_stale_data_once_more_after_its_delay(settings, reports, clock, call):
    schedule = schedule_of(settings, wait_fresh_s=40, retry=3, retry_delay_s=60)
    landed = MONDAY + timedelta(seconds=40 + 60 + 100)

    def stale(*_: Any) -> str | None:
        return "far behind" if clock.at < landed else None

    assert call(schedule, stale=stale).attempt.status == "passed"
    assert clock.slept == [15, 15, 10, 60, 120] and len(reports.asked) == 1
    assert statuses(schedule) == [(1, "stale", False), (2, "stale", False), (3, "passed", True)]


def test_stale_data_uses_the_attempts_up(settings, reports, clock, call):
    schedule = schedule_of(settings, wait_fresh_s=15, retry=2, retry_delay_s=60)
    done = call(schedule, stale=lambda *_: "far behind")
    assert done.error.exit_code == 4 and reports.asked == []
    assert clock.slept == [15, 60, 120] and statuses(schedule)[-1] == (3, "stale", True)


def test_what_is_left_of_the_wait_is_that_of_the_next_attempt(settings, reports, clock, call):
    reports.planned = [KernelError("dead")]
    schedule = schedule_of(settings, wait_fresh_s=90, retry=1, retry_delay_s=60)
    looks = iter([None, "far behind", "far behind", None])
    assert call(schedule, stale=lambda *_: next(looks)).attempt.status == "passed"
    assert clock.slept == [60, 15, 15]


# ---------------------------------------------------------------- alone, cut off, late


def test_two_calls_do_not_overlap(settings, reports, clock, call):
    schedule, inside, go_on = schedule_of(settings), threading.Event(), threading.Event()

    def slow(*arguments: Any) -> ReportRun:
        inside.set()
        assert go_on.wait(20)
        return reports(*arguments)

    first = threading.Thread(target=lambda: call(schedule, report=slow))
    first.start()
    assert inside.wait(20)
    assert call(schedule).said == "it is running already"
    go_on.set()
    first.join(20)
    assert statuses(schedule) == [(1, "passed", True)] and len(reports.asked) == 1


def begin_and_die(settings: Settings, clock: FakeClock, schedule: Schedule, call: Any) -> None:
    def die(*_: Any) -> ReportRun:
        raise SystemExit(143)

    with pytest.raises(SystemExit):
        call(schedule, report=die)
    assert attempts(schedule)[-1].status == "running"


def test_a_run_that_was_cut_off_is_taken_up_again(settings, clock, call):
    schedule = schedule_of(settings)
    begin_and_die(settings, clock, schedule, call)
    assert call(schedule).attempt.status == "passed"
    assert statuses(schedule) == [(1, "interrupted", False), (2, "passed", True)]


def test_also_where_no_attempt_would_be_left(settings, clock, call):
    schedule = schedule_of(settings, retry=0)
    begin_and_die(settings, clock, schedule, call)
    assert call(schedule).attempt.number == 2


def test_what_came_due_while_it_ran_is_run_as_well(settings, reports, clock, call):
    schedule = schedule_of(settings)

    def slow(*arguments: Any) -> ReportRun:
        clock.at += timedelta(hours=30 if not reports.asked else 0)
        return reports(*arguments)

    assert call(schedule, report=slow).attempt.due == TUESDAY
    assert [each.due for each in attempts(schedule)] == [MONDAY, TUESDAY]


def test_another_due_time_can_be_asked_for(settings, reports, clock, call):
    schedule = schedule_of(settings)
    clock.at = WEDNESDAY
    call(schedule)
    assert call(schedule, due=TUESDAY).attempt.due == TUESDAY
    for wrong in (TUESDAY + timedelta(hours=1), WEDNESDAY + timedelta(days=1)):
        with pytest.raises(UsageError, match="is no due time"):
            call(schedule, due=wrong)


# ---------------------------------------------------------------- what the hook is told


@pytest.fixture
def hook(settings: Settings) -> tuple[str, Callable[[], list[dict[str, Any]]]]:
    script = settings.project / "hook.sh"
    script.write_text(
        '#!/bin/sh\ncat >>told.jsonl\necho >>told.jsonl\necho "$REPORT_EVENT" >>env\n'
    )
    script.chmod(0o755)

    def told() -> list[dict[str, Any]]:
        file = settings.project / "told.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    return str(script), told


def test_the_hook_hears_of_failure_and_recovery_and_of_nothing_else(
    settings, reports, clock, call, hook
):
    command, told = hook
    schedule = schedule_of(settings, notify=command)
    call(schedule)
    assert told() == []
    clock.at, reports.volume = TUESDAY, 150
    reports.planned = [["volume", "trades"]]
    call(schedule)
    [failure] = told()
    assert (failure["event"], failure["status"], failure["exit_code"]) == ("failure", "failed", 3)
    assert [each["name"] for each in failure["failed_checks"]] == ["volume", "trades"]
    assert failure["difference"]["causes"] == ["data"]
    [change] = failure["difference"]["changes"]
    told_of = [change[name] for name in ("name", "before", "after", "absolute", "relative")]
    assert told_of == ["volume", 100, 150, "50", 0.5]
    assert failure["due_local"] == "2026-03-10T18:05:00-04:00"
    assert failure["last_good_run"] == attempts(schedule)[0].run
    assert Path(failure["folder"]).is_dir() and failure["page"].endswith("report.html")
    clock.at = WEDNESDAY
    call(schedule)
    clock.at = WEDNESDAY + timedelta(days=1)
    call(schedule)
    assert [each["event"] for each in told()] == ["failure", "recovery"]
    # Against the last good run, not the failed one.
    assert told()[1]["difference"]["changes"][0]["before"] == 100
    assert (settings.project / "env").read_text().split() == ["failure", "recovery"]
    assert [n.event for each in attempts(schedule) for n in each.notices] == ["failure", "recovery"]


def test_the_hook_hears_that_a_run_was_made_on_stale_data_and_when_it_is_fresh_again(
    settings, reports, clock, call, hook
):
    command, told = hook
    schedule = schedule_of(settings, notify=command)
    call(schedule)
    for day, grade in enumerate(("stale", "stale", "degraded", "fresh"), 1):
        clock.at, reports.grade = MONDAY + timedelta(days=day), grade
        said = call(schedule).said
        assert said.endswith("on stale data") == (grade == "stale")
    assert [(each["event"], each["status"], each["exit_code"]) for each in told()] == [
        ("stale", "passed", 0),
        ("stale", "passed", 0),
        ("recovery", "passed", 0),
    ]
    assert told()[0]["freshness"]["words"].startswith("stale: market.trades ends")
    assert [each.grade for each in attempts(schedule)] == [
        "fresh", "stale", "stale", "degraded", "fresh",
    ]  # fmt: skip


def test_a_failed_check_on_stale_data_is_a_failure(settings, reports, call, hook):
    command, told = hook
    reports.planned, reports.grade = [["volume"]], "stale"
    call(schedule_of(settings, notify=command))
    [failure] = told()
    assert (failure["event"], failure["freshness"]["grade"]) == ("failure", "stale")


def test_a_retry_that_helps_is_no_news(settings, reports, clock, call, hook):
    command, told = hook
    reports.planned = [KernelError("dead")]
    call(schedule_of(settings, notify=command))
    assert told() == []


def test_a_missed_run_is_found_at_the_next_one(settings, reports, clock, call, hook):
    command, told = hook
    schedule = schedule_of(settings, notify=command)
    clock.at = WEDNESDAY + timedelta(hours=1)
    call(schedule)
    assert [(each["event"], each.get("missed")) for each in told()] == [
        ("missed", [MONDAY.isoformat(), TUESDAY.isoformat()]),
        ("recovery", None),
    ]
    assert statuses(schedule) == [(0, "missed", True), (0, "missed", True), (1, "passed", True)]
    call(schedule)
    assert len(told()) == 2


def test_a_missed_run_is_found_by_a_check_after_ten_minutes_and_may_still_be_run(
    settings, reports, clock, call, hook
):
    command, told = hook
    schedule = schedule_of(settings, notify=command)
    clock.at = MONDAY + timedelta(minutes=9)
    assert check(schedule, clock) == []
    clock.at = MONDAY + timedelta(minutes=11)
    assert [each.due for each in check(schedule, clock)] == [MONDAY]
    assert check(schedule, clock) == [] and len(told()) == 1
    assert call(schedule).attempt.status == "passed"


def test_a_check_leaves_a_run_alone_that_is_under_way(settings, clock):
    schedule = schedule_of(settings)
    clock.at = MONDAY + timedelta(hours=1)
    with alone(schedule) as free:
        assert free and check(schedule, clock) == []


@pytest.mark.parametrize("by", ["check", "the next run"])
def test_a_run_whose_process_died_is_told_once(settings, reports, clock, call, hook, by):
    command, told = hook
    schedule = schedule_of(settings, notify=command)
    begin_and_die(settings, clock, schedule, call)
    clock.at = TUESDAY
    if by == "check":
        clock.at -= timedelta(hours=1)
        assert [each.status for each in check(schedule, clock)] == ["interrupted"]
        assert check(schedule, clock) == []
        clock.at = TUESDAY
    call(schedule)
    assert [each["event"] for each in told()] == ["failure", "recovery"]
    assert told()[0]["status"] == "interrupted"


def test_so_is_one_that_died_between_two_attempts(settings, reports, clock, call, hook):
    command, told = hook
    schedule = schedule_of(settings, notify=command)

    class Dies(FakeClock):
        def sleep(self, seconds: float) -> None:
            raise SystemExit(143)

    reports.planned = [KernelError("dead")]
    with pytest.raises(SystemExit):
        call(schedule, clock=Dies(MONDAY))
    clock.at = TUESDAY
    call(schedule)
    assert [(t["event"], t["status"]) for t in told()] == [
        ("failure", "error"),
        ("recovery", "passed"),
    ]


def test_a_hook_that_fails_fails_nothing_and_is_recorded(settings, reports, call):
    reports.planned = [["volume"]]
    schedule = schedule_of(settings, notify="/bin/sh -c 'echo no such desk >&2; exit 7'")
    done = call(schedule)
    assert done.error.exit_code == 3
    [notice] = attempts(schedule)[0].notices
    assert (notice.ok, notice.detail) == (False, "ended with 7: no such desk")


def test_a_damaged_file_does_not_hide_the_others(settings, call):
    schedule = schedule_of(settings)
    attempt = call(schedule).attempt
    (settings.project / "schedules/history" / schedule.id / "x.json").write_text("{")
    keep(schedule, attempt)
    assert attempts(schedule) == [attempt]
