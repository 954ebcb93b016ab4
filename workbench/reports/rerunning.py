"""Run a kept run once more, on the snapshots it had, and compare number by number."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from workbench.config import Settings
from workbench.contracts import TABLES
from workbench.errors import NotebookError, UsageError, ValidationFailed
from workbench.lake.session import open_session
from workbench.lake.times import parse_moment
from workbench.reports.code import code_changes, package_changes
from workbench.reports.compare import Comparison, compare
from workbench.reports.parameters import ReportParameters, ReportSpec
from workbench.reports.registry import notebook_of, report_named
from workbench.reports.runner import Order, Stopwatch, execute_order
from workbench.reports.runs import NOTEBOOK, REFERENCE, ReportRun, find_run

Which = Literal["current", "as-run"]


@dataclass(frozen=True)
class Rerun:
    """A kept run, run once more.

    Parameters
    ----------
    run
        The kept run.
    notebook
        Which notebook was run: ``current``, or ``as-run`` as it was kept.
    comparison
        What differs, the kept run before the new one.
    summary
        What report.json would hold of the new one; it is not kept.
    """

    run: ReportRun
    notebook: str
    comparison: Comparison
    summary: dict[str, Any]

    def raise_for_changes(self) -> None:
        """Raise where a number is another one.

        Raises
        ------
        ValidationFailed
            Names the first, and what has changed behind it.
        """
        changes = self.comparison.changes
        if not changes:
            return
        first = changes[0]
        place = f" ({first.where})" if first.where else ""
        because = ", ".join(self.comparison.causes()) or "nothing that is on record"
        other = "; `--notebook as-run` runs the kept one" if self.notebook == "current" else ""
        raise ValidationFailed(
            f"rerun of {self.run.id}: {len(changes)} values differ, first {first.kind} "
            f"{first.name!r}{place}: {first.before} is now {first.after}",
            hint=f"changed since: {because}{other}",
        )


def rerun(
    settings: Settings,
    wanted: str,
    *,
    notebook: Which = "current",
    cell_timeout_s: int | None = None,
    timeout_s: int | None = None,
) -> Rerun:
    """Run the same report with the same parameters on the same snapshots.

    The run's tags keep its snapshots, so this works after more data, compaction and expiry. The
    reference data is read as it was kept with the run. Nothing is written.

    Parameters
    ----------
    settings
        The settings in force.
    wanted
        The run; see `find_run`.
    notebook
        Run the report's notebook as it is now (``current``), or as it was kept (``as-run``). The
        package is the one that is installed either way.
    cell_timeout_s, timeout_s
        How long one cell and the whole may take; the settings say it when None.

    Raises
    ------
    UsageError
        When there is no such run, or it stopped with an error.
    LakeError
        When a snapshot is gone: the tag was dropped and the snapshot has expired.
    NotebookError
        When the notebook does not come to its end.
    """
    kept = find_run(settings, wanted)
    told = kept.summary
    if told["error"]:
        raise UsageError(
            f"run {kept.id} stopped with an error: there is nothing to compare",
            hint="`workbench report list` shows the verdicts",
        )
    spec, source = _notebook(settings, kept, notebook)
    # A table that is younger than the run was not there for it.
    snapshots = {**{table.name: None for table in TABLES}, **told["snapshots"]}
    reference = kept.folder / REFERENCE
    order = Order(
        spec,
        source,
        told["parameters"],
        parse_moment(told["as_of"]),
        datetime.now(UTC),
        snapshots,
        told["freshness"],
        cell_timeout_s or settings.reports.cell_timeout_s,
        timeout_s or settings.reports.timeout_s,
        reference.resolve() if reference.is_file() else None,
    )
    with (
        open_session(settings, snapshots=snapshots),
        tempfile.TemporaryDirectory(prefix=".running-", dir=kept.folder.parents[2]) as scratch,
    ):
        work = Path(scratch) / "run"
        work.mkdir()
        summary, _ = execute_order(settings, order, work, Stopwatch())
    if summary["error"]:
        raise NotebookError(
            f"rerun of {kept.id} stopped: {summary['error']}",
            hint="the notebook or the package has changed; try --notebook as-run"
            if notebook == "current"
            else "the package has changed since",
        )
    # The same ids, where a table has none in one of them and None in the other.
    summary["snapshots"] = dict(told["snapshots"])
    # The kept reference data was read, whatever is in force now.
    summary["code"]["reference"] = told["code"]["reference"]
    return Rerun(kept, notebook, compare(told, summary), summary)


def changes_since(settings: Settings, run: ReportRun) -> tuple[list[str], list[str]]:
    """Return the files and the package versions that have changed since a run.

    Raises
    ------
    UsageError
        When the report has no notebook any more.
    """
    _, source = _notebook(settings, run, "current")
    kept = run.summary
    return code_changes(settings, source, kept["code"]), package_changes(kept["versions"])


def _notebook(settings: Settings, run: ReportRun, which: Which) -> tuple[ReportSpec, Path]:
    if which == "as-run":
        told = run.summary
        # No model: the parameters were checked when it was run.
        return ReportSpec(told["name"], told["title"], ReportParameters), run.folder / NOTEBOOK
    try:
        spec = report_named(settings, run.summary["name"])
        return spec, notebook_of(settings, spec)
    except UsageError as error:
        raise UsageError(
            f"report {run.summary['name']} has no notebook any more", hint="try --notebook as-run"
        ) from error
