"""The schedules of a project: one small JSON file each, under ``schedules/``."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, ValidationError

from workbench.config import Settings
from workbench.errors import UsageError, WorkbenchError, did_you_mean
from workbench.schedule.calendar import Calendar, parse_calendar
from workbench.stack.files import write_atomic

FOLDER = "schedules"
#: Attempts that wait longer than this for each other would meet the next due time.
_LONGEST_DELAY_S = 3600

AsOf = Literal["newest", "due"]


class Schedule(BaseModel, extra="forbid", frozen=True):
    """A report that is due at times, and what to do when it goes wrong.

    Attributes
    ----------
    id
        The report's name and six digits that stand for report, calendar, parameters and project.
    report
        The report's name.
    at
        The calendar, as `parse_calendar` reads it.
    parameters
        Parameters of the report by name, as text.
    as_of
        ``newest``: the report is about the newest trade; ``due``: about the due time.
    retry
        Attempts after the first.
    retry_delay_s
        Seconds before the second attempt; twice as many before each further one.
    wait_fresh_s
        Seconds to wait for data that is fresh for the due time, counted from the first attempt;
        each further attempt looks at least once. 0 takes what there is.
    notify
        A command line, an ``https://`` address, or nothing.
    created_at
        When it was made: nothing before was due.
    project
        The project folder, absolute.
    """

    id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*-[0-9a-f]{6}$")
    report: str
    at: str
    parameters: dict[str, str] = {}
    as_of: AsOf = "newest"
    retry: int = Field(default=3, ge=0, le=100)
    retry_delay_s: int = Field(default=60, ge=0)
    wait_fresh_s: int = Field(default=0, ge=0)
    notify: str | None = None
    created_at: datetime
    project: Path

    @property
    def calendar(self) -> Calendar:
        """When it is due."""
        return parse_calendar(self.at)

    def delay_s(self, attempt: int) -> int:
        """Return how long to wait after this attempt, the first being 1, before the next."""
        return min(self.retry_delay_s << (attempt - 1), _LONGEST_DELAY_S)


def schedule_id(report: str, at: str, parameters: dict[str, str], project: Path) -> str:
    """Return the id: the same schedule made again has the same, and replaces the first.

    Examples
    --------
    >>> schedule_id("market_day", "daily 18:05 UTC", {}, Path("/srv/desk"))
    'market_day-1dd10a'
    """
    said = "\n".join([report, at, str(sorted(parameters.items())), str(project)])
    return f"{report}-{sha256(said.encode()).hexdigest()[:6]}"


def environment_file(project: Path) -> Path:
    """Return the file with variables for timers, which need not be there."""
    return project / FOLDER / "environment"


def keeping_its_age(schedule: Schedule) -> Schedule:
    """Return a schedule that replaces one of the same id: what that one missed stays missed."""
    file = schedule.project / FOLDER / f"{schedule.id}.json"
    if not file.is_file():
        return schedule
    return schedule.model_copy(update={"created_at": _read(file).created_at})


def save_schedule(schedule: Schedule) -> Path:
    """Write a schedule; its address or command may have a secret, so only the owner reads it."""
    file = schedule.project / FOLDER / f"{schedule.id}.json"
    file.parent.mkdir(mode=0o700, exist_ok=True)
    write_atomic(file, schedule.model_dump_json(indent=2) + "\n")
    file.chmod(0o600)
    return file


def list_schedules(settings: Settings) -> list[Schedule]:
    """Return the schedules of the project, by id.

    Raises
    ------
    WorkbenchError
        Where a file cannot be read: a schedule that is not seen would never be missed.
    """
    files = sorted((settings.project / FOLDER).glob("*.json"))
    return [_read(file) for file in files]


def _read(file: Path) -> Schedule:
    try:
        kept = Schedule.model_validate_json(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, ValidationError) as error:
        said = "" if isinstance(error, ValidationError) else f" ({error})"
        raise WorkbenchError(
            f"{file} is no schedule{said}", hint="remove it and schedule the report anew"
        ) from None
    # A project may have been moved or copied.
    return kept.model_copy(update={"project": file.resolve().parents[1]})


def find_schedules(settings: Settings, wanted: str) -> list[Schedule]:
    """Return the schedule of this id, or all of a report's name.

    Raises
    ------
    UsageError
        When there is none; names the nearest.
    """
    schedules = list_schedules(settings)
    found = [each for each in schedules if wanted in (each.id, each.report)]
    if not found:
        known = list(
            dict.fromkeys([*(each.report for each in schedules), *(each.id for each in schedules)])
        )
        hint = did_you_mean(wanted, known) if known else "`workbench report schedule --help`"
        raise UsageError(f"no schedule {wanted!r}", hint=hint)
    return found


def find_schedule(settings: Settings, wanted: str) -> Schedule:
    """Return the schedule of this id, or the only one of a report's name.

    Raises
    ------
    UsageError
        When there is none, or more than one.
    """
    found = find_schedules(settings, wanted)
    if len(found) > 1:
        ids = ", ".join(each.id for each in found)
        raise UsageError(f"{wanted} has {len(found)} schedules", hint=f"name one: {ids}")
    return found[0]


def remove_schedule(schedule: Schedule) -> None:
    """Remove a schedule; what it ran stays, and the history of its attempts."""
    (schedule.project / FOLDER / f"{schedule.id}.json").unlink(missing_ok=True)
