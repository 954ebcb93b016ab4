"""What became of every due time: one JSON file an attempt, and one process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from workbench.schedule.schedules import FOLDER, Schedule
from workbench.stack.files import write_atomic

#: passed, failed: its checks say so. stale: the data was not fresh in time. error: it did not get
#: to its end. interrupted: its process died. missed: nobody ran it.
Status = Literal["running", "passed", "failed", "stale", "error", "interrupted", "missed"]


class Notice(BaseModel, frozen=True):
    """A call of the notify hook, and whether it went well.

    Attributes
    ----------
    event
        ``failure``, ``stale``, ``recovery`` or ``missed``.
    target
        What was called, without secrets.
    ok
        Whether the command ended with 0, or the address answered with success.
    detail
        Why not.
    """

    event: Literal["failure", "stale", "recovery", "missed"]
    target: str
    ok: bool
    detail: str | None = None


class Attempt(BaseModel, frozen=True):
    """One attempt to run a report for one due time.

    Attributes
    ----------
    schedule, report
        Whose attempt.
    due
        The due time, UTC.
    number
        1 is the first; 0 stands for a due time that was missed.
    status
        How it ended, or ``running``.
    final
        Whether no further attempt follows for this due time.
    exit_code, error
        What the command line would have said.
    started_at, ended_at
        When, UTC.
    run, folder
        Id and folder of the report's run, where there is one.
    failed_checks
        Names of the checks that did not hold.
    freshness
        How old the run's data was at this attempt, as report.json has it: also where an earlier
        run was found that is the same. None where there is no run.
    notices
        What the hook was told.
    """

    schedule: str
    report: str
    due: datetime
    number: int
    status: Status = "running"
    final: bool = False
    exit_code: int | None = None
    error: str | None = None
    started_at: datetime
    ended_at: datetime | None = None
    run: str | None = None
    folder: str | None = None
    failed_checks: tuple[str, ...] = ()
    freshness: dict[str, Any] | None = None
    notices: tuple[Notice, ...] = ()

    @property
    def grade(self) -> str | None:
        """``fresh``, ``degraded`` or ``stale``; None where there is no run."""
        return self.freshness["grade"] if self.freshness else None

    @property
    def good(self) -> bool:
        """Whether it passed, and on data that was not stale."""
        return self.status == "passed" and self.grade != "stale"

    def changed(self, **values: Any) -> Attempt:
        """Return it with other values."""
        return self.model_copy(update=values)


def history_folder(schedule: Schedule) -> Path:
    """Return where the attempts of a schedule are kept."""
    return schedule.project / FOLDER / "history" / schedule.id


def keep(schedule: Schedule, attempt: Attempt) -> Attempt:
    """Write an attempt, over what was written of it before."""
    folder = history_folder(schedule)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{attempt.due:%Y%m%dT%H%M%SZ}-{attempt.number}.json"
    write_atomic(file, attempt.model_dump_json(indent=2) + "\n")
    return attempt


def attempts(schedule: Schedule) -> list[Attempt]:
    """Return the attempts in the order of due time and number; damaged files are left out."""
    found = []
    for file in history_folder(schedule).glob("*.json"):
        try:
            found.append(Attempt.model_validate_json(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, ValidationError):
            continue
    return sorted(found, key=lambda each: (each.due, each.number))


@contextmanager
def alone(schedule: Schedule) -> Iterator[bool]:
    """Hold the schedule's lock for the block, if it is free; yields whether it was.

    The lock goes with its process, however that ends.
    """
    folder = history_folder(schedule)
    folder.mkdir(parents=True, exist_ok=True)
    # The file is never removed: a lock on a removed one would keep nobody out.
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(descriptor)
