"""What the notify hook is told: what happened, which checks failed, which figures changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from workbench.reports.compare import compare
from workbench.reports.runs import PAGE, SUMMARY
from workbench.schedule.history import Attempt
from workbench.schedule.schedules import Schedule

Event = Literal["failure", "stale", "recovery"]


def event_of(attempt: Attempt, earlier: Iterable[Attempt]) -> Event | None:
    """Return what a final attempt is worth telling.

    A failure; a run that passed, but on stale data: its numbers are right and say nothing of
    today; or the first run after either that is good.
    """
    if attempt.status != "passed":
        return "failure"
    if not attempt.good:
        return "stale"
    finals = [each for each in earlier if each.final and each.due < attempt.due]
    return "recovery" if finals and not finals[-1].good else None


def last_good(attempt: Attempt, earlier: Iterable[Attempt]) -> Attempt | None:
    """Return the last attempt before that passed."""
    good = [each for each in earlier if each.status == "passed" and each.due < attempt.due]
    return good[-1] if good else None


def payload(
    schedule: Schedule, event: str, attempt: Attempt, good: Attempt | None
) -> dict[str, Any]:
    """Return what is sent for a final attempt."""
    run, before = _summary(attempt), _summary(good)
    return {
        "event": event,
        "status": attempt.status,
        "exit_code": attempt.exit_code,
        "error": attempt.error,
        **_about(schedule),
        **_due(schedule, attempt.due),
        "attempts": attempt.number,
        "run": attempt.run,
        "folder": attempt.folder,
        "page": str(Path(attempt.folder) / PAGE) if attempt.folder else None,
        "freshness": attempt.freshness,
        "failed_checks": [check for check in run.get("checks", []) if not check["passed"]],
        "last_good_run": good.run if good else None,
        "difference": difference(before, run),
    }


def missed_payload(schedule: Schedule, missed: list[datetime]) -> dict[str, Any]:
    """Return what is sent for due times that nobody ran, the last of them as ``due``."""
    return {
        "event": "missed",
        "status": "missed",
        "error": f"{len(missed)} due times passed without a run",
        **_about(schedule),
        **_due(schedule, missed[-1]),
        "missed": [due.isoformat() for due in missed],
    }


def _about(schedule: Schedule) -> dict[str, Any]:
    return {
        "schedule": schedule.id,
        "report": schedule.report,
        "at": schedule.at,
        "project": str(schedule.project),
    }


def _due(schedule: Schedule, due: datetime) -> dict[str, str]:
    return {
        "due": due.isoformat(),
        "due_local": due.astimezone(schedule.calendar.tz).isoformat(),
    }


def _summary(attempt: Attempt | None) -> dict[str, Any]:
    """The report.json of an attempt's run; empty where there is none any more."""
    if attempt is None or attempt.folder is None:
        return {}
    try:
        told = json.loads((Path(attempt.folder) / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the figures and checks that differ between two report.json, and what is behind it.

    None where one of them is not there, or was written by a release that kept less.
    """
    if not before or not after:
        return None
    try:
        found = compare(before, after).as_json()
    except (KeyError, TypeError):
        return None
    changes = [change for change in found["changes"] if change["kind"] != "table"]
    return {"causes": found["causes"], "changes": changes}
