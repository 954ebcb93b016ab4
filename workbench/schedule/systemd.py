"""A schedule as a systemd user timer and its service."""

from __future__ import annotations

from datetime import datetime

from workbench.errors import UsageError
from workbench.schedule.calendar import Calendar, days_text
from workbench.schedule.command import command_of, environment_of
from workbench.schedule.schedules import Schedule, environment_file

#: An attempt that takes longer hangs, and must not keep the next ones out for ever.
_ATTEMPT_LIMIT_S = 2 * 3600


def unit_name(schedule: Schedule) -> str:
    """Return the name of the units, without their ending."""
    return f"workbench-{schedule.id}"


def on_calendar(calendar: Calendar, now: datetime) -> list[str]:
    """Return the ``OnCalendar=`` values of a calendar.

    The asked times as they are; and, because systemd skips a time that the clock leaves out in
    spring, the time after the gap. What rings without anything being due runs nothing.

    Examples
    --------
    >>> from datetime import UTC
    >>> from workbench.schedule.calendar import parse_calendar
    >>> daily = parse_calendar("daily 02:30 America/New_York")
    >>> on_calendar(daily, datetime(2026, 1, 1, tzinfo=UTC))
    ['*-*-* 02:30:00 America/New_York', 'Sun *-*-* 03:00:00 America/New_York']
    """
    wanted = dict.fromkeys(calendar.times, calendar.days)
    for at, days in calendar.wakes(now, calendar.tz).items():
        if not set(days) <= set(wanted.get(at, ())):
            wanted[at] = tuple(sorted({*days, *wanted.get(at, ())}))
    lines = []
    for at, days in wanted.items():
        which = "" if len(days) == 7 else f"{days_text(days, '..')} "
        lines.append(f"{which}*-*-* {at:%H:%M}:00 {calendar.zone}")
    return lines


def timer_text(schedule: Schedule, now: datetime) -> str:
    """Return the ``.timer`` unit."""
    lines = "\n".join(f"OnCalendar={line}" for line in on_calendar(schedule.calendar, now))
    return f"""\
# Written by `workbench report schedule`; `workbench report unschedule {schedule.id}` removes it.
[Unit]
Description=Report {schedule.report}: {schedule.at}

[Timer]
{lines}
# Catches up once after a time in which the machine was off.
Persistent=true
AccuracySec=1s
Unit={unit_name(schedule)}.service

[Install]
WantedBy=timers.target
"""


def service_text(schedule: Schedule) -> str:
    """Return the ``.service`` unit: one start at a time, logs in the journal."""
    command = command_of(schedule)
    if set(command[0]) & set("\"'\\"):
        raise UsageError(
            f"systemd starts no program with quotes in its path: {command[0]}", hint="give --cron"
        )
    # The colon: no variable is put in for a $ in what follows.
    words = " ".join(quoted(word) for word in (f":{command[0]}", *command[1:]))
    variables = "\n".join(
        f"Environment={quoted(f'{name}={value}')}"
        for name, value in environment_of(schedule).items()
    )
    # The wait for fresh data is one for all attempts.
    limit = schedule.wait_fresh_s + (schedule.retry + 1) * _ATTEMPT_LIMIT_S
    limit += sum(schedule.delay_s(attempt) for attempt in range(1, schedule.retry + 1))
    return f"""\
# Written by `workbench report schedule`; `workbench report unschedule {schedule.id}` removes it.
[Unit]
Description=Report {schedule.report}: {schedule.at}

[Service]
Type=oneshot
WorkingDirectory={_percent(str(schedule.project))}
{variables}
# WORKBENCH_* variables and secrets of the project, one NAME=VALUE a line, where there are any.
EnvironmentFile=-{_percent(str(environment_file(schedule.project)))}
ExecStart={words}
TimeoutStartSec={limit}
SyslogIdentifier={unit_name(schedule)}
# What a service of a user may give up without a namespace of its own.
NoNewPrivileges=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
KeyringMode=private
"""


def _percent(text: str) -> str:
    return text.replace("%", "%%")


def quoted(word: str) -> str:
    r"""Return one word of a unit's command line or environment, however it is written.

    Examples
    --------
    >>> print(quoted('100% "a b"'), quoted("report"))
    "100%% \"a b\"" report
    """
    escaped = _percent(word).replace("\\", "\\\\").replace('"', '\\"')
    plain = escaped == word and word and not set(word) & set(" \t'#;")
    return escaped if plain else f'"{escaped}"'
