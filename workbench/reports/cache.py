"""Whether a report was run already: the same code, parameters, data and grade give the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.config import Settings
from workbench.lake.pins import Pin
from workbench.reports.code import code_changes, package_changes
from workbench.reports.runs import FORMAT, ReportRun, list_runs

if TYPE_CHECKING:
    from pyiceberg.table.snapshots import Snapshot


def earlier_run(
    settings: Settings,
    name: str,
    source: Path,
    parameters: Mapping[str, Any],
    pins: Mapping[str, Pin],
    grade: str,
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
    pins
        What it would read. Only tables that the earlier run has read count.
    grade
        How fresh the data is now. A page that calls it fresh is not that of stale data, though
        every number on it is the same.
    """
    for run in list_runs(settings, name):
        kept = run.summary
        if (
            kept.get("format") == FORMAT
            and not kept["error"]
            and run.html.is_file()
            and kept["parameters"] == dict(parameters)
            and kept["freshness"]["grade"] == grade
            and all(same_rows(pins[one], kept["snapshots"].get(one)) for one in kept["read"])
            and not package_changes(kept["versions"])
            and not code_changes(settings, source, kept["code"])
        ):
            return ReportRun(run.folder, kept, cached=True)
    return None


def same_rows(pin: Pin, snapshot: str | None) -> bool:
    """Return whether a pinned table has the rows of a snapshot: only maintenance came after it.

    Parameters
    ----------
    pin
        The table.
    snapshot
        Id of the snapshot; None for the empty table.
    """
    if pin.snapshot_id == snapshot:
        return True
    current = pin.snapshot
    while pin.source is not None and current is not None and _changes_no_row(current):
        parent = current.parent_snapshot_id
        if snapshot is not None and parent == int(snapshot):
            return True
        current = pin.source.snapshot_by_id(parent) if parent is not None else None
    return False


def _changes_no_row(snapshot: Snapshot) -> bool:
    """Whether it is a compaction, or a commit without files: Flink makes some to say it lives."""
    summary = snapshot.summary
    if summary is None:
        return False
    if summary.operation.value == "replace":
        return True
    changed = ("added-data-files", "deleted-data-files", "added-delete-files")
    return not any(int(summary.get(name) or 0) for name in changed)
