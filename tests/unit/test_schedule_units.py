"""What is given to systemd and cron: compared with files that were read by people, and executed."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import workbench
from workbench.config import Settings
from workbench.errors import StackError, UsageError
from workbench.schedule import install as timers
from workbench.schedule.command import command_of
from workbench.schedule.cron import cron_command, cron_text, markers
from workbench.schedule.history import attempts
from workbench.schedule.schedules import (
    Schedule,
    list_schedules,
    save_schedule,
    schedule_id,
)
from workbench.schedule.systemd import service_text, timer_text, unit_name

GOLDEN = Path(__file__).parent / "schedule_units"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
#: What people do to folders.
AWKWARD = 'a "desk" 100% $HOME \\x'
PACKAGE = str(Path(workbench.__file__).parents[1])


def schedule_of(project: Path, at: str, **values: Any) -> Schedule:
    made = {
        "id": schedule_id("market_day", at, {}, project),
        "report": "market_day",
        "at": at,
        "created_at": NOW,
        "project": project,
    }
    return Schedule(**(made | values))


DESK = schedule_of(
    Path("/srv/desk"), "Mon-Fri 07:30,18:05 America/New_York", wait_fresh_s=1200, retry=3
)
NIGHT = schedule_of(Path(f"/srv/{AWKWARD}"), "daily 02:30 Europe/Berlin", retry=0)


@pytest.mark.parametrize(("name", "schedule"), [("desk", DESK), ("night", NIGHT)])
def test_units_and_crontab_are_the_golden_files(name, schedule, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/srv/venv/bin/python")
    monkeypatch.setattr(workbench, "__file__", "/srv/workbench/workbench/__init__.py")
    monkeypatch.setenv("TZ", "Europe/London")
    written = {
        f"{name}.timer": timer_text(schedule, NOW),
        f"{name}.service": service_text(schedule),
        f"{name}.cronie": cron_text(schedule, NOW, knows_zones=True),
        f"{name}.crontab": in_london(schedule),
    }
    for file, text in written.items():
        assert text == (GOLDEN / file).read_text(), f"{file}: read it, then write it anew"


def in_london(schedule: Schedule) -> str:
    """The crontab of a machine in London whose cron knows its own zone only."""
    import time

    time.tzset()
    try:
        return cron_text(schedule, NOW, knows_zones=False)
    finally:
        os.environ.pop("TZ")
        time.tzset()


@pytest.mark.parametrize(
    "at",
    [
        "Mon-Fri 18:05 America/New_York",
        "Fri-Mon 00:15,23:45 Asia/Kathmandu",
        "daily 02:30 Europe/Berlin",
        "Sun,Tue,Sat 02:15 Australia/Lord_Howe",
    ],
)
def test_a_cron_without_zones_rings_at_every_due_moment_of_a_year(at, monkeypatch):
    schedule = schedule_of(Path("/srv/desk"), at)
    monkeypatch.setenv("TZ", "Europe/London")
    lines = [line.split() for line in in_london(schedule).splitlines()]
    rings = {
        (int(hour), int(minute), day)
        for minute, hour, *_, days in (line[:5] for line in lines if line[0].isdecimal())
        for day in cron_days(days)
    }
    due = schedule.calendar.due_between(NOW, NOW + timedelta(days=365))
    shown = [each.astimezone(ZoneInfo("Europe/London")) for each in due]
    assert {(each.hour, each.minute, each.isoweekday() % 7) for each in shown} <= rings
    # One line in summer and one in winter, and the odd weeks between: not rings at every hour.
    assert len({(hour, minute) for hour, minute, _ in rings}) <= 4 * len(schedule.calendar.times)


def cron_days(text: str) -> set[int]:
    if text == "*":
        return set(range(7))
    first, dash, last = text.partition("-")
    return set(range(int(first), int(last) + 1)) if dash else set(map(int, text.split(",")))


# ---------------------------------------------------------------- systemd reads it


@pytest.fixture
def awkward(tmp_path: Path) -> Settings:
    project = tmp_path / AWKWARD
    project.mkdir()
    # A lake has no % in its name.
    (project / "workbench.toml").write_text(f"[lake]\nwarehouse = '{tmp_path}/lake'\n")
    return Settings(project=project)


@pytest.fixture
def a_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A Python in a folder with such a name, too: a virtual environment is such a link."""
    folder = tmp_path / "an env 100% $HOME"
    folder.mkdir()
    python = folder / "python"
    python.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    return str(python)


def test_systemd_takes_the_units(awkward, a_python, tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    schedule = schedule_of(awkward.project, "Mon-Fri 18:05 America/New_York")
    files = []
    for kind, text in (("timer", timer_text(schedule, NOW)), ("service", service_text(schedule))):
        files.append(tmp_path / f"{unit_name(schedule)}.{kind}")
        files[-1].write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "--user", "--man=no", "verify", *files],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
    )
    # It also tells of other units of the machine.
    ours = [line for line in done.stderr.splitlines() if "workbench" in line or AWKWARD in line]
    assert ours == [] and done.returncode == 0, done.stderr


def exec_start(unit: str) -> tuple[list[str], dict[str, str], str]:
    """Read a unit as systemd.service(5) says: command, environment, working folder."""
    values: dict[str, list[str]] = {}
    for line in unit.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            values.setdefault(name, []).append(value)
    [command], [folder] = values["ExecStart"], values["WorkingDirectory"]
    program, *words = unquoted(command)
    assert program.startswith(":"), "variables would be put in"
    environment = dict(unquoted(each)[0].split("=", 1) for each in values["Environment"])
    return [program[1:], *words], environment, folder.replace("%%", "%")


def unquoted(line: str) -> list[str]:
    words = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', line)
    return [re.sub(r"\\(.)", r"\1", a or b).replace("%%", "%") for a, b in words]


def run_as_a_timer(command: Any, environment: dict[str, str], folder: str) -> Any:
    return subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "HOME": os.environ["HOME"], **environment},
        shell=isinstance(command, str),
    )


def test_the_line_of_the_service_is_executed(awkward, a_python):
    """On an empty lake: the report cannot run, which is an error that may pass by."""
    schedule = schedule_of(awkward.project, "daily 00:00 UTC", retry=1, retry_delay_s=0)
    save_schedule(schedule)
    command, environment, folder = exec_start(service_text(schedule))
    assert command == command_of(schedule) and folder == str(awkward.project)
    done = run_as_a_timer(command, environment, folder)
    assert done.returncode == 1, done.stderr
    # All the days since the schedule was made were missed; this one was tried twice.
    *missed, first, second = attempts(schedule)
    assert {each.status for each in missed} == {"missed"}
    assert (first.number, second.number, second.status, second.final) == (1, 2, "error", True)
    assert second.due == schedule.calendar.previous_due(second.started_at)
    assert second.error and second.error in done.stderr
    again = run_as_a_timer(command, environment, folder)
    assert again.returncode == 0 and "done for" in again.stdout


def test_the_line_of_the_crontab_is_executed(awkward, a_python):
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    schedule = schedule_of(awkward.project, "daily 00:00 UTC", created_at=tomorrow)
    save_schedule(schedule)
    line = cron_command(schedule)
    # cron(8): everything behind a % that is not escaped would be its standard input.
    assert not re.search(r"(?<!\\)%", line) and "\n" not in line
    done = run_as_a_timer(line.replace("\\%", "%"), {}, "/")
    assert done.returncode == 0, done.stderr
    log = awkward.project / "schedules" / f"{schedule.id}.log"
    assert "nothing was due" in log.read_text()


def test_the_service_may_wait_for_every_attempt_and_for_fresh_data_once(tmp_path):
    schedule = schedule_of(
        tmp_path, "daily 00:00 UTC", wait_fresh_s=1200, retry=2, retry_delay_s=600
    )
    limit = int(re.search(r"TimeoutStartSec=(\d+)", service_text(schedule))[1])
    hours = 3 * 2 * 3600
    assert limit == 1200 + 600 + 1200 + hours


def test_a_folder_with_a_line_break_is_refused(tmp_path):
    with pytest.raises(UsageError, match="control characters"):
        service_text(schedule_of(tmp_path / "a\nExecStart=rm", "daily 00:00 UTC"))


def test_systemd_wants_a_program_without_quotes_in_its_path(monkeypatch):
    monkeypatch.setattr(sys, "executable", '/srv/"venv"/bin/python')
    with pytest.raises(UsageError, match="give --cron"):
        service_text(DESK)
    assert '"venv"' in cron_command(DESK)


# ---------------------------------------------------------------- installation


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with a crontab and a systemctl that only take notes."""
    tools = tmp_path / "tools"
    tools.mkdir()
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    tool(tools, "systemctl", f'echo "$@" >>{tmp_path}/systemctl.log')
    tool(
        tools,
        "crontab",
        f'case "$1" in -V) echo "cronie 1.7.2";; -) cat >{tmp_path}/crontab;; '
        f'-l) [ -f {tmp_path}/crontab ] || {{ echo "no crontab for me" >&2; exit 1; }}; '
        f"cat {tmp_path}/crontab;; esac",
    )
    return tmp_path


def tool(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_a_timer_is_installed_twice_as_once_and_removed(machine):
    for _ in range(2):
        timers.install(DESK, "systemd", NOW)
    folder = machine / "config" / "systemd" / "user"
    names = [f"workbench-{DESK.id}.{kind}" for kind in ("service", "timer")]
    assert sorted(file.name for file in folder.iterdir()) == names
    assert timers.installed(DESK) == "systemd" and timers.installed(NIGHT) is None
    log = (machine / "systemctl.log").read_text().splitlines()
    assert log[:3] == [
        "--user daemon-reload",
        f"--user enable workbench-{DESK.id}.timer",
        f"--user restart workbench-{DESK.id}.timer",
    ]
    (folder / "somebody.timer").write_text("")
    timers.uninstall(DESK)
    assert [file.name for file in folder.iterdir()] == ["somebody.timer"]
    assert timers.installed(DESK) is None


def test_only_the_lines_between_our_markers_are_ours(machine):
    theirs = "MAILTO=desk\n0 5 * * * backup 50\\%\n"
    (machine / "crontab").write_text(theirs)
    for schedule in (DESK, NIGHT, DESK):
        timers.install(schedule, "cron", NOW)
    text = (machine / "crontab").read_text()
    assert text.startswith(theirs) and text.count(markers(DESK)[0]) == 1
    # CRON_TZ holds for every line below it: what is theirs stays above.
    assert (
        text.index("backup") < text.index("CRON_TZ=Europe/Berlin") < text.index("CRON_TZ=America")
    )
    assert timers.installed(NIGHT) == "cron"
    timers.uninstall(DESK)
    timers.uninstall(NIGHT)
    assert (machine / "crontab").read_text().rstrip() == theirs.rstrip()


def test_half_a_marker_costs_nobody_a_line(machine):
    begin, end = markers(DESK)
    for broken in (f"{begin}\n0 5 * * * backup\n", f"0 5 * * * backup\n{end}\n"):
        assert timers.without_lines(broken, DESK) == broken
    twice = f"{begin}\n0 5 * * * backup\n{begin}\nours\n{end}\n"
    assert timers.without_lines(twice, DESK) == f"{begin}\n0 5 * * * backup\n"


def test_a_change_of_kind_leaves_one_timer(machine):
    timers.install(DESK, "systemd", NOW)
    timers.install(DESK, "cron", NOW)
    assert timers.installed(DESK) == "cron"
    timers.install(DESK, "systemd", NOW)
    assert timers.installed(DESK) == "systemd"
    assert markers(DESK)[0] not in (machine / "crontab").read_text()


def test_a_crontab_that_cannot_be_read_is_not_written(machine):
    tool(machine / "tools", "crontab", 'echo "you (me) are not allowed to use this" >&2; exit 1')
    with pytest.raises(StackError, match="not allowed"):
        timers.install(DESK, "cron", NOW)


def test_where_systemd_does_not_answer_it_says_so(machine):
    tool(machine / "tools", "systemctl", 'echo "Failed to connect to bus" >&2; exit 1')
    with pytest.raises(StackError, match=r"Failed to connect to bus.*--cron"):
        timers.install(DESK, "systemd", NOW)


def test_a_schedule_goes_with_its_project(tmp_path):
    (tmp_path / "old").mkdir()
    schedule = schedule_of(tmp_path / "old", "daily 00:00 UTC")
    save_schedule(schedule)
    (tmp_path / "old").rename(tmp_path / "new")
    [moved] = list_schedules(Settings(project=tmp_path / "new"))
    assert moved == schedule.model_copy(update={"project": tmp_path / "new"})


def test_a_schedule_is_for_its_owner_only(tmp_path):
    schedule = schedule_of(tmp_path, "daily 00:00 UTC", notify="https://hooks.example.com/T0/B0/x")
    file = save_schedule(schedule)
    assert file.stat().st_mode & 0o077 == 0
    assert Schedule(**json.loads(file.read_text())) == schedule
