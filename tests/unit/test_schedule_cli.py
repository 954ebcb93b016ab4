"""``workbench report schedule`` and its kin, as a person types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.unit.lake_rows import trade
from workbench.cli.report import command
from workbench.schedule.history import Attempt, keep
from workbench.schedule.schedules import list_schedules, save_schedule

AT = "Mon-Fri 18:05 America/New_York"


@pytest.fixture
def cli(settings, monkeypatch, tmp_path) -> Callable[..., Result]:
    monkeypatch.chdir(settings.project)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")

    def run(*words: str) -> Result:
        return CliRunner().invoke(command, words)

    return run


def test_the_timer_is_printed_and_nothing_is_installed(cli, settings):
    done = cli("schedule", "market_day", "--at", AT, "-p", "top=5", "--wait-fresh", "20m")
    assert done.exit_code == 0, done.output
    [schedule] = list_schedules(settings)
    assert "OnCalendar=Mon..Fri *-*-* 18:05:00 America/New_York\n" in done.stdout
    assert f"scheduled-run {schedule.id}\n" in done.stdout
    assert "nothing is installed" in done.stderr and "next due 20" in done.stderr
    assert "unschedule" in done.stderr and "as missed" in done.stderr
    assert not Path(settings.project, "config").exists()
    assert (schedule.parameters, schedule.wait_fresh_s) == ({"top": "5"}, 1200)


def test_the_same_schedule_again_replaces_the_first_and_keeps_its_age(cli, settings):
    cli("schedule", "market_day", "--at", AT)
    [first] = list_schedules(settings)
    save_schedule(first.model_copy(update={"created_at": first.created_at - timedelta(days=9)}))
    cli("schedule", "market_day", "--at", "mon..fri 18:05 America/New_York", "--retry", "1")
    [second] = list_schedules(settings)
    assert second.id == first.id and second.retry == 1
    assert second.created_at == first.created_at - timedelta(days=9)


def test_schedules_are_listed_with_their_next_due_time_in_both_zones(cli, settings):
    cli("schedule", "market_day", "--at", AT, "--notify", "/bin/cat --token s3cret")
    [row] = json.loads(cli("scheduled", "--json").stdout)
    [schedule] = list_schedules(settings)
    following = schedule.calendar.next_due(datetime.now(UTC))
    assert row["next_due"] == following.isoformat()
    assert row["in_its_zone"].startswith(f"{following.astimezone(schedule.calendar.tz):%Y-%m-%d}")
    assert (row["verdict"], row["installed"]) == ("never run", "no")
    assert row["notify"] == "/bin/cat --token (hidden)"
    listed = cli("scheduled")
    assert schedule.id in listed.stdout and "s3cret" not in listed.stdout


def test_a_missed_run_gives_exit_code_1_once_and_is_listed(cli, settings):
    cli("schedule", "market_day", "--at", "daily 00:00 UTC")
    [schedule] = list_schedules(settings)
    save_schedule(
        schedule.model_copy(update={"created_at": schedule.created_at - timedelta(days=3)})
    )
    done = cli("scheduled", "--check")
    assert done.exit_code == 1 and "due times were missed or cut off" in str(done.exception)
    assert cli("scheduled", "--check").exit_code == 0
    told = json.loads(cli("scheduled", schedule.id, "--json").stdout)
    assert {each["status"] for each in told} == {"missed"} and len(told) >= 2
    assert json.loads(cli("scheduled", "--json").stdout)[0]["verdict"] == "missed"


def test_the_lists_say_on_how_old_data_a_run_was_made(cli, settings):
    cli("schedule", "market_day", "--at", "daily 00:00 UTC")
    [schedule] = list_schedules(settings)
    now = datetime.now(UTC)
    keep(schedule, Attempt(
        schedule=schedule.id, report="market_day", due=now, number=1, status="passed", final=True,
        started_at=now, freshness={"grade": "stale", "words": "stale: market.trades ends"},
    ))  # fmt: skip
    for words in (["scheduled"], ["scheduled", schedule.id]):
        [row] = json.loads(cli(*words, "--json").stdout)
        assert row["freshness"] == "stale"


def test_a_schedule_is_removed_by_name_or_id(cli, settings):
    cli("schedule", "market_day", "--at", AT)
    cli("schedule", "market_day", "--at", "daily 07:00")
    first, _ = list_schedules(settings)
    done = cli("unschedule", "market_day")
    assert done.exit_code == 1 and "has 2 schedules" in str(done.exception)
    assert cli("unschedule", first.id).exit_code == 0
    assert cli("unschedule", "market_day").exit_code == 0
    assert list_schedules(settings) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["schedule", "market_dey", "--at", AT], "did you mean 'market_day'"),
        (["schedule", "market_day", "--at", "Mon-Fry 18:05"], "'Fry' is no day"),
        (["schedule", "market_day", "--at", AT, "-p", "tob=5"], "no parameter 'tob'"),
        (["schedule", "market_day", "--at", AT, "-p", "top=many"], "parameter top"),
        (["schedule", "market_day", "--at", AT, "-p", "as_of=2026-01-01"], "use --as-of"),
        (["schedule", "market_day", "--at", AT, "--notify", "http://x.org"], "can be read on its"),
        (["unschedule", "market_day"], "no schedule 'market_day'"),
        (["scheduled", "nothing"], "no schedule 'nothing'"),
        (["scheduled-run", "nothing"], "no schedule 'nothing'"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_kept(cli, settings, words, said):
    done = cli(*words)
    assert done.exit_code == 1 and said in str(done.exception)
    assert list_schedules(settings) == []


def test_a_broken_schedule_is_named(cli, settings):
    (settings.project / "schedules").mkdir()
    (settings.project / "schedules" / "x-000000.json").write_text("{}")
    assert "x-000000.json is no schedule" in str(cli("scheduled").exception)


def test_the_nearest_name_is_named(cli):
    cli("schedule", "market_day", "--at", AT)
    assert "did you mean 'market_day'?" in str(cli("unschedule", "market_dey").exception)


def test_a_symbol_that_the_lake_does_not_have_is_refused_before_anything_is_kept(
    cli, settings, lake, land
):
    land(trade(1))
    done = cli("schedule", "market_day", "--at", AT, "-p", "symbol=AAPK")
    assert "no symbol 'AAPK': did you mean 'AAPL'" in str(done.exception)
    assert list_schedules(settings) == []
    assert cli("schedule", "market_day", "--at", AT, "-p", "symbol=AAPL").exit_code == 0
