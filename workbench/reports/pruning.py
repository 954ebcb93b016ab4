"""Old runs go, with the tags that they made and nothing else."""

from __future__ import annotations

import json
import secrets
import shutil
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from workbench.config import Settings
from workbench.errors import UsageError
from workbench.lake.catalog import catalog_file, is_embedded
from workbench.reports.runs import FOLDER, ReportRun, list_runs
from workbench.reports.tags import RunTag, began_of, drop_tags, tags_of_runs

#: A tag is made before its run has its place: a younger one without a run may be about to get it.
SETTLED = timedelta(hours=6)
#: How the name of a folder begins whose files are being removed.
_GOING = ".pruned-"


@dataclass(frozen=True)
class Pruned:
    """One run that went, or would go; or one tag without a run."""

    #: Of the report; empty for a tag without a run.
    name: str
    run: str
    #: ``dropped``, ``would drop``, ``no run`` (a tag that is left alone).
    outcome: str
    #: Tables whose tag went with it.
    tables: tuple[str, ...]
    bytes: int = 0


def prune(
    settings: Settings,
    name: str | None = None,
    *,
    older_than: timedelta | None = None,
    keep: int | None = None,
    stray_tags: bool = False,
    dry_run: bool = False,
) -> list[Pruned]:
    """Drop old runs and the Iceberg tags that they made.

    What a tag kept goes with the next `workbench tables expire`, where nothing else needs it.
    Tags that people made stay, whatever their names.

    Parameters
    ----------
    settings
        The settings in force.
    name
        Only the runs of this report.
    older_than
        Runs that began longer ago than this; any age when None.
    keep
        The newest finished runs that stay of each report and its parameters (as-of apart), however
        old, and the newest one whose checks held besides; none when None. Runs that stopped with an
        error are not counted: those that are younger stay, too.
    stray_tags
        Drop tags of runs that are not kept here as well. Not where other project folders have
        reports on the same lake: their tags look the same.
    dry_run
        Say what would be done and change nothing.

    Returns
    -------
    list of Pruned
        The runs, then the tags without a run.

    Raises
    ------
    UsageError
        When neither `older_than` nor `keep` is given, and no stray tags are to go.
    LakeError
        When the lake does not answer, or a table is torn. Of the run that was being dropped the
        folder stays; call it again.
    """
    if older_than is None and keep is None and not stray_tags:
        raise UsageError(
            "nothing says which runs are old", hint="give --older-than 90d, --keep 20 or both"
        )
    if not dry_run:
        _finish(settings)
    tags = _tags(settings)
    done = []
    for run in _old_runs(settings, name, older_than, keep):
        own = [tag for tag in tags if tag.run == run.id and tag.tag == run.summary.get("tag")]
        size = sum(file.stat().st_size for file in run.folder.rglob("*") if file.is_file())
        if not dry_run:
            # In this order: a folder that is left says which tags were its own, a tag does not.
            drop_tags(settings, own)
            _remove(run)
        outcome = "would drop" if dry_run else "dropped"
        tables = tuple(tag.table for tag in own)
        done.append(Pruned(run.summary["name"], run.id, outcome, tables, size))
    gone = {one.run for one in done}
    stray = [tag for tag in tags if tag.run not in gone and _is_stray(settings, tag)]
    if stray_tags and not dry_run:
        drop_tags(settings, stray)
    word = ("would drop" if dry_run else "dropped") if stray_tags else "no run"
    for run_id in dict.fromkeys(tag.run for tag in stray):
        tables = tuple(tag.table for tag in stray if tag.run == run_id)
        done.append(Pruned("", run_id, word, tables))
    return done


def _old_runs(
    settings: Settings, name: str | None, older_than: timedelta | None, keep: int | None
) -> list[ReportRun]:
    if older_than is None and keep is None:
        return []
    # Of each account by itself: one that is asked for daily pushes no other out.
    counted: Counter[tuple[str, str]] = Counter()
    passed: set[tuple[str, str]] = set()
    old = []
    bound = datetime.now(UTC) - (older_than or timedelta())
    for run in list_runs(settings, name):
        verdict = run.summary.get("verdict")
        series = run.summary["name"], json.dumps(run.question, sort_keys=True)
        # Newest first: so many, what stopped between them, and the last good one in any case.
        kept = bool(keep) and counted[series] < (keep or 0)
        counted[series] += verdict != "error"
        if keep and verdict == "passed" and series not in passed:
            passed.add(series)
            kept = True
        young = datetime.fromisoformat(run.summary["started_at"]) > bound
        if not kept and not (older_than is not None and young):
            old.append(run)
    return old


def _tags(settings: Settings) -> Sequence[RunTag]:
    if is_embedded(settings) and not catalog_file(settings).exists():
        # The lake was removed; its runs may go all the same.
        return []
    return tags_of_runs(settings)


def _is_stray(settings: Settings, tag: RunTag) -> bool:
    """Whether no folder has the run, and none is about to get it."""
    if any((settings.project / FOLDER).glob(f"*/*/{tag.run}")):
        return False
    began = began_of(tag.run)
    return began is not None and datetime.now(UTC) - began > SETTLED


def _finish(settings: Settings) -> None:
    """Remove what a pruning that was cut off has left; another one may be at it now."""
    for folder in (settings.project / FOLDER).glob(f"{_GOING}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _remove(run: ReportRun) -> None:
    """Take the folder away at once, then its files: nobody sees half of a run."""
    scratch = run.folder.parents[2] / f"{_GOING}{secrets.token_hex(4)}"
    run.folder.rename(scratch)
    # Another pruning may have found it as well.
    with suppress(FileNotFoundError):
        shutil.rmtree(scratch)
    if not any(run.folder.parent.iterdir()):
        run.folder.parent.rmdir()
