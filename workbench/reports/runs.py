"""The runs that were kept, each a folder with a report.json."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from workbench.config import Settings
from workbench.errors import UsageError, ValidationFailed, did_you_mean, quoted

NOTEBOOK, PAGE, SUMMARY, PDF = "notebook.ipynb", "report.html", "report.json", "report.pdf"
#: The reference data as the run saw it: it is no table and has no snapshots.
REFERENCE = "symbols.csv"
FOLDER = "reports"
#: Parameters that make no other question of a run: its moment, and counts that it is held against.
ASIDE = frozenset({"as_of", "raw_counts", "book_count"})
#: Layout of report.json.
FORMAT = 1


@dataclass(frozen=True)
class ReportRun:
    """One finished run.

    Attributes
    ----------
    folder
        ``reports/NAME/AS_OF/RUN``, with the notebook, the HTML page and report.json.
    summary
        What report.json holds.
    cached
        Whether an earlier run was found that is this one: nothing was run.
    freshness
        The age of its data as it is now, where it was asked for now. The page and report.json keep
        that of the run: they are a record. The grade is the same, or it would have been run again.
    """

    folder: Path
    summary: dict[str, Any]
    cached: bool = False
    freshness: dict[str, Any] | None = None

    def __repr__(self) -> str:
        checks = self.summary["checks"]
        held = len(checks) - len(self.failed_checks)
        return (
            f"<Run {self.id} of {self.summary['name']}, as of {self.summary['as_of']}: "
            f"{self.summary['verdict']}, {held} of {len(checks)} checks hold, {self.html}>"
        )

    @property
    def id(self) -> str:
        """The id of the run."""
        return str(self.summary["run"])

    @property
    def html(self) -> Path:
        """The page."""
        return self.folder / PAGE

    @property
    def pdf(self) -> Path | None:
        """The page as PDF, where it was asked for."""
        file = self.folder / PDF
        return file if file.is_file() else None

    @property
    def figures(self) -> dict[str, Any]:
        """The named figures; decimals as exact text."""
        return {figure["name"]: figure["value"] for figure in self.summary["figures"]}

    @property
    def question(self) -> dict[str, Any]:
        """The parameters that runs of one series share: all but the moment, and counts."""
        told = self.summary.get("parameters", {})
        return {name: value for name, value in told.items() if name not in ASIDE}

    @property
    def newest_commit(self) -> datetime | None:
        """The time of the newest commit it has pinned, UTC; None where all tables were empty."""
        commits = [one.get("committed_at") for one in self.summary.get("sources", [])]
        return max((datetime.fromisoformat(each) for each in commits if each), default=None)

    @property
    def failed_checks(self) -> list[dict[str, Any]]:
        """The checks that did not hold."""
        return [check for check in self.summary["checks"] if not check["passed"]]

    def raise_for_checks(self) -> None:
        """Raise where the report's own checks say that a number is wrong.

        Raises
        ------
        ValidationFailed
            Names the first failed check and the page to look at.
        """
        failed = self.failed_checks
        if failed or self.summary["verdict"] != "passed":
            first = f", first {failed[0]['name']!r}" if failed else ""
            raise ValidationFailed(
                f"report {self.summary['name']}: {len(failed)} of "
                f"{len(self.summary['checks'])} checks failed{first}",
                hint=f"see {self.html}",
            )


def list_runs(settings: Settings, name: str | None = None) -> list[ReportRun]:
    """Return the kept runs, of one report or of all, the newest first."""
    found = []
    for path in (settings.project / FOLDER).glob(f"{name or '*'}/*/*/{SUMMARY}"):
        summary = _read(path)
        if summary is not None:
            found.append(ReportRun(path.parent, summary))
    return sorted(found, key=lambda run: run.id, reverse=True)


def find_run(settings: Settings, wanted: str) -> ReportRun:
    """Return one kept run.

    Parameters
    ----------
    settings
        The settings in force.
    wanted
        Its id, or the start of it; or a report's name for its newest run, and ``NAME~1`` for the
        one before that.

    Raises
    ------
    UsageError
        When there is none, or more than one.
    """
    runs = list_runs(settings)
    found = [run for run in runs if run.id.startswith(wanted)]
    match = re.fullmatch(r"(?P<name>[^~]+)(?:~(?P<back>\d+))?", wanted)
    if match and (named := [run for run in runs if run.summary["name"] == match["name"]]):
        back = int(match["back"] or 0)
        if back >= len(named):
            raise UsageError(
                f"no run {quoted(wanted)}",
                hint=f"{match['name']} has {len(named)} runs, the oldest ~{len(named) - 1}",
            )
        return named[back]
    if len(found) == 1 and wanted:
        return found[0]
    if found:
        raise UsageError(
            f"{len(found)} runs start with {quoted(wanted)}", hint="give more of the id"
        )
    known = list(dict.fromkeys([*(run.summary["name"] for run in runs), *(r.id for r in runs)]))
    raise UsageError(
        f"no run {quoted(wanted)}",
        hint=did_you_mean(wanted, known[:10]) if known else "`workbench report run market_day`",
    )


def write_summary(folder: Path, summary: dict[str, Any]) -> None:
    """Write report.json, whole or not at all, with the digest of what it says."""
    summary["digest"] = digest_of(summary)
    scratch = folder / f".{SUMMARY}"
    scratch.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    scratch.replace(folder / SUMMARY)


def digest_of(summary: dict[str, Any]) -> str:
    """Return the digest of everything a report.json says but the digest itself."""
    told = {name: value for name, value in summary.items() if name != "digest"}
    return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _read(path: Path) -> dict[str, Any] | None:
    """A run's summary; None where the file is damaged: one bad run must not hide the others."""
    try:
        summary = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return summary if isinstance(summary, dict) and {"run", "name"} <= summary.keys() else None
