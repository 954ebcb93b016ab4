"""Whether a report was run already: the same code, parameters and data give the same report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.config import Settings
from workbench.reports.code import code_changes, package_changes
from workbench.reports.runs import FORMAT, ReportRun, list_runs


def earlier_run(
    settings: Settings,
    name: str,
    source: Path,
    parameters: Mapping[str, Any],
    snapshots: Mapping[str, str | None],
) -> ReportRun | None:
    """Return the newest kept run that another run would repeat, or None.

    Parameters
    ----------
    settings
        The settings in force.
    name
        The report.
    source
        Its notebook.
    parameters
        All of its parameters, as they would be injected.
    snapshots
        The snapshots it would read. Only tables that the earlier run has read count.
    """
    for run in list_runs(settings, name):
        kept = run.summary
        if (
            kept.get("format") == FORMAT
            and not kept["error"]
            and run.html.is_file()
            and kept["parameters"] == dict(parameters)
            and all(kept["snapshots"].get(one) == snapshots.get(one) for one in kept["read"])
            and not package_changes(kept["versions"])
            and not code_changes(settings, source, kept["code"])
        ):
            return ReportRun(run.folder, kept, cached=True)
    return None
