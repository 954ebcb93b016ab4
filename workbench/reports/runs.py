"""The runs that were kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from workbench.config import Settings
from workbench.errors import UsageError, did_you_mean
from workbench.reports.parameters import REPORTS
from workbench.reports.runner import FOLDER, SUMMARY, ReportRun


def list_runs(settings: Settings, name: str | None = None) -> list[ReportRun]:
    """Return the kept runs, of one report or of all, the newest first."""
    found = []
    for path in (settings.project / FOLDER).glob(f"{name or '*'}/*/*/{SUMMARY}"):
        summary = _read(path)
        if summary is not None:
            found.append(ReportRun(path.parent, summary))
    return sorted(found, key=lambda run: str(run.summary["run"]), reverse=True)


def find_run(settings: Settings, wanted: str) -> ReportRun:
    """Return the run of this id (or the start of one), or the newest of a report's name.

    Raises
    ------
    UsageError
        When there is none, or more than one.
    """
    runs = list_runs(settings)
    found = [run for run in runs if str(run.summary["run"]).startswith(wanted)]
    if wanted in [report.name for report in REPORTS]:
        found = [run for run in runs if run.summary["name"] == wanted][:1]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{len(found)} runs start with {wanted!r}", hint="give more of the id")
    ids = [str(run.summary["run"]) for run in runs]
    raise UsageError(
        f"no run {wanted!r}",
        hint=did_you_mean(wanted, ids[:10]) if ids else "`workbench report run market_day`",
    )


def _read(path: Path) -> dict[str, Any] | None:
    """A run's summary; None where the file is damaged: one bad run must not hide the others."""
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return summary if isinstance(summary, dict) and "run" in summary else None
