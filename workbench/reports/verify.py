"""Whether a kept run still is what it was: its files, its figures, its checks, its snapshots."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from workbench.config import Settings
from workbench.errors import LakeError, ValidationFailed
from workbench.reports.checks import Check
from workbench.reports.compare import number_of
from workbench.reports.report import MIME
from workbench.reports.runner import digests
from workbench.reports.runs import NOTEBOOK, SUMMARY, ReportRun, digest_of
from workbench.reports.tags import tags_of_runs


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    #: ``file``, ``figures``, ``check`` or ``snapshot``.
    kind: str
    name: str
    passed: bool
    detail: str = ""


def verify(settings: Settings, run: ReportRun) -> list[Finding]:
    """Look at everything a kept run consists of.

    Parameters
    ----------
    settings
        The settings in force.
    run
        The run.

    Returns
    -------
    list of Finding
        Files against the digests in report.json, the figures against what the notebook handed
        over, every check judged again, and the tags that keep its snapshots.
    """
    told = run.summary
    return [*_files(run), *_figures(run), *map(_check, told["checks"]), *_snapshots(settings, run)]


def raise_for_findings(run: ReportRun, findings: list[Finding]) -> None:
    """Raise where something is not as it was.

    Raises
    ------
    ValidationFailed
        Names the first.
    """
    wrong = [one for one in findings if not one.passed]
    if wrong:
        first = wrong[0]
        raise ValidationFailed(
            f"run {run.id}: {len(wrong)} of {len(findings)} do not hold, first {first.kind} "
            f"{first.name!r}: {first.detail or 'failed'}",
            hint=f"see {run.folder}; `workbench report rerun {run.id}` computes it again",
        )


def _files(run: ReportRun) -> list[Finding]:
    kept, there = run.summary["files"], digests(run.folder)
    found = []
    for name in sorted({*kept, *there}):
        if name not in there:
            detail = "it is gone"
        elif name not in kept:
            detail = "it is not of this run"
        else:
            detail = "" if there[name] == kept[name] else "it was changed"
        found.append(Finding("file", name, not detail, detail))
    same = digest_of(run.summary) == run.summary.get("digest")
    found.append(Finding("file", SUMMARY, same, "" if same else "it was changed"))
    return found


def _figures(run: ReportRun) -> list[Finding]:
    if run.summary["error"]:
        return []
    try:
        notebook = json.loads((run.folder / NOTEBOOK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return [Finding("figures", NOTEBOOK, False, "it cannot be read")]
    outputs = [o for cell in notebook["cells"] for o in cell.get("outputs", [])]
    handed = [o["data"][MIME] for o in outputs if MIME in o.get("data", {})]
    same = bool(handed) and all(
        handed[0][name] == run.summary[name] for name in ("figures", "checks", "tables")
    )
    detail = "" if same else "report.json says something else than the notebook"
    return [Finding("figures", NOTEBOOK, same, detail)]


def _check(kept: dict[str, Any]) -> Finding:
    check = Check(
        **{
            **{name: value for name, value in kept.items() if name != "passed"},
            "value": _exact(kept["value"]),
            "other": _exact(kept["other"]),
        }
    )
    detail = "" if check.passed else check.in_words()
    if check.passed != kept["passed"]:
        detail = f"report.json says {'passed' if kept['passed'] else 'FAILED'}; it is not so"
    return Finding("check", check.name, not detail, detail)


def _exact(value: Any) -> Any:
    number = number_of(value)
    return (
        Decimal(value) if value in ("nan", "inf", "-inf") else value if number is None else number
    )


def _snapshots(settings: Settings, run: ReportRun) -> list[Finding]:
    told = run.summary
    if not told.get("tag"):
        return []
    try:
        known = {
            (tag.table, tag.snapshot) for tag in tags_of_runs(settings) if tag.tag == told["tag"]
        }
    except LakeError as error:
        return [Finding("snapshot", "lake", False, str(error))]
    return [
        Finding("snapshot", table, held, "" if held else f"tag {told['tag']} is gone")
        for table in told["tagged"]
        for held in [(table, told["snapshots"][table]) in known]
    ]
