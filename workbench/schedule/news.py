"""What the notify hook is told: what happened, which checks failed, which figures changed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from workbench.reports.runs import PAGE, SUMMARY
from workbench.schedule.history import Attempt
from workbench.schedule.schedules import Schedule

_BAD = ("failed", "stale", "error", "interrupted", "missed")


def event_of(attempt: Attempt, earlier: Iterable[Attempt]) -> Literal["failure", "recovery"] | None:
    """Return what a final attempt is worth telling: a failure, or the first success after one."""
    if attempt.status in _BAD:
        return "failure"
    finals = [each for each in earlier if each.final and each.due < attempt.due]
    return "recovery" if finals and finals[-1].status in _BAD else None


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
        "failed_checks": [check for check in run.get("checks", []) if not check["passed"]],
        "last_good_run": good.run if good else None,
        "difference": difference(before, run) if before and run else [],
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


def difference(before: dict[str, Any], after: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the named figures that differ between two runs, with the change where it is a number.

    Examples
    --------
    >>> difference(
    ...     {"figures": [{"name": "volume", "value": 4, "unit": "shares"}]},
    ...     {"figures": [{"name": "volume", "value": 5, "unit": "shares"}]},
    ... )
    [{'figure': 'volume', 'before': 4, 'after': 5, 'unit': 'shares', 'change_pct': 25.0}]
    """
    old, new = ({f["name"]: f for f in each.get("figures", [])} for each in (before, after))
    found = []
    for name in dict.fromkeys([*old, *new]):
        was, now = old.get(name, {}).get("value"), new.get(name, {}).get("value")
        if was == now and (name in old) == (name in new):
            continue
        unit = new.get(name, old.get(name, {}))["unit"]
        change = {"figure": name, "before": was, "after": now, "unit": unit}
        found.append(change | {"change_pct": _percent(was, now)})
    return found


def _percent(was: Any, now: Any) -> float | None:
    try:
        return round(100 * (float(now) - float(was)) / abs(float(was)), 4)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
