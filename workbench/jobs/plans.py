"""The compiled plan of each run and savepoint: what the next run is compared with.

One file per run, named by Flink's job id, and a copy per savepoint; beside the bookmarks.
"""

from __future__ import annotations

from pathlib import Path

from workbench.config import Settings

#: Plans of older runs are dropped; nobody goes back that far.
KEPT = 200


def _folder(settings: Settings) -> Path:
    return settings.stack_folder / "jobs" / "plans"


def write_plan(settings: Settings, job_id: str, plan: str) -> None:
    """Keep the compiled plan of a run."""
    folder = _folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{job_id}.json").write_text(plan, "utf-8")
    newest = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in newest[KEPT:]:
        old.unlink(missing_ok=True)


def keep_with_savepoint(settings: Settings, job_id: str, savepoint: str) -> None:
    """Keep the plan of a run for a savepoint that it left."""
    plan = run_plan(settings, job_id)
    if plan is not None:
        write_plan(settings, _name(savepoint), plan)


def plan_of(settings: Settings, restore_from: str) -> str | None:
    """Return the plan of the run that left a savepoint or checkpoint; None where it is unknown."""
    return run_plan(settings, _name(restore_from))


def run_plan(settings: Settings, job_id: str) -> str | None:
    """Return the plan of a run; None where it is unknown."""
    file = _folder(settings) / f"{job_id}.json"
    return file.read_text("utf-8") if file.is_file() else None


def _name(uri: str) -> str:
    """What the plan of a savepoint (its folder's name) or a checkpoint (its job's id) is kept as.

    >>> _name("file:///flink/savepoints/savepoint-ab12cd-34ef/")
    'savepoint-ab12cd-34ef'
    >>> _name("file:///flink/checkpoints/0a1b2c/chk-17")
    '0a1b2c'
    """
    parts = uri.rstrip("/").split("/")
    return parts[-2] if parts[-1].startswith("chk-") else parts[-1]
