"""A schedule as lines of a crontab."""

from __future__ import annotations

import shlex
from datetime import datetime
from zoneinfo import ZoneInfo

from workbench.schedule.command import command_of, environment_of
from workbench.schedule.schedules import FOLDER, Schedule


def markers(schedule: Schedule) -> tuple[str, str]:
    """Return the lines that stand before and after what is ours in a crontab."""
    return f"# >>> workbench {schedule.id} >>>", f"# <<< workbench {schedule.id} <<<"


def cron_text(schedule: Schedule, now: datetime, *, knows_zones: bool) -> str:
    """Return the lines of a schedule, between its markers.

    Cron does not catch up, so the run is also started when the machine has come up; it does
    nothing where nothing is due. No ``flock`` is needed for the same reason.

    Parameters
    ----------
    schedule
        What to run.
    now
        From when on it will run.
    knows_zones
        Whether this cron reads ``CRON_TZ`` (cronie does). The others go by the machine's clock:
        they ring at each time of it that a due moment can fall on, the summer's and the winter's.
    """
    begin, end = markers(schedule)
    tz = schedule.calendar.tz if knows_zones else None
    rings = _rings(schedule, now, tz)
    command = cron_command(schedule)
    lines = [
        begin,
        f"# Report {schedule.report}: {schedule.at}",
        *([f"CRON_TZ={schedule.calendar.zone}"] if knows_zones else []),
        *(f"{ring} {command}" for ring in rings),
        f"@reboot {command}",
        end,
    ]
    return "\n".join(lines) + "\n"


def _rings(schedule: Schedule, now: datetime, tz: ZoneInfo | None) -> list[str]:
    return [
        # Numbers: lists and ranges of names are not for every cron. Sunday is 0.
        f"{at.minute} {at.hour} * * {'*' if len(days) == 7 else _numbers(days)}"
        for at, days in schedule.calendar.wakes(now, tz).items()
    ]


def _numbers(days: tuple[int, ...]) -> str:
    numbers = sorted((day + 1) % 7 for day in days)
    first, last = numbers[0], numbers[-1]
    if len(numbers) > 2 and last - first == len(numbers) - 1:
        return f"{first}-{last}"
    return ",".join(map(str, numbers))


def cron_command(schedule: Schedule) -> str:
    """Return the command line as a crontab takes it: for sh, with every % escaped."""
    variables = " ".join(
        f"{name}={shlex.quote(value)}" for name, value in environment_of(schedule).items()
    )
    log = shlex.quote(str(schedule.project / FOLDER / f"{schedule.id}.log"))
    words = shlex.join(command_of(schedule))
    folder = shlex.quote(str(schedule.project))
    return f"cd {folder} && {variables} {words} >>{log} 2>&1".replace("%", "\\%")
