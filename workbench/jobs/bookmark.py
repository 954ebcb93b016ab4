"""Where each job left off: its last savepoint, or the newest checkpoint of a run that was cut off.

One small file per job, beside the stack's state. A run that ends without a stop (a killed cluster,
a lost machine) leaves its retained checkpoints behind: the next submit goes on from the newest.
"""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from workbench.config import Settings
from workbench.errors import UsageError
from workbench.jobs.deployment import job_names


@dataclass(frozen=True)
class Bookmark:
    """What is known of a job's last run.

    Parameters
    ----------
    job_id
        Flink's id of the run.
    restored_from
        Where that run started from: what counts until it has a checkpoint of its own.
    savepoint
        Where its last stop left it; None while it runs, or when it was cut off.
    drained
        Whether its windows were closed: its state is done with then.
    closing
        Whether the run only closes the windows: once it is finished, the job is drained.
    """

    job_id: str
    restored_from: str | None = None
    savepoint: str | None = None
    drained: bool = False
    closing: bool = False


def _file(settings: Settings, job: str) -> Path:
    return settings.stack_folder / "jobs" / f"{job_names(settings)[job]}.json"


@contextmanager
def one_at_a_time(settings: Settings) -> Iterator[None]:
    """Keep a second submit or stop out: both would look before either has changed anything.

    Raises
    ------
    UsageError
        When another process is at it.
    """
    file = settings.stack_folder / "jobs" / "lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(
                f"jobs of {settings.stack_folder} are being started or stopped already",
                hint="wait until that is done; `workbench jobs status` shows it",
            ) from None
        yield


def read_bookmark(settings: Settings, job: str) -> Bookmark | None:
    """Return what is known of a job's last run; None where it never ran."""
    file = _file(settings, job)
    return Bookmark(**json.loads(file.read_text("utf-8"))) if file.is_file() else None


def write_bookmark(settings: Settings, job: str, bookmark: Bookmark) -> None:
    """Keep what is known of a job's last run; a reader sees the old or the new, nothing between."""
    file = _file(settings, job)
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps(asdict(bookmark)), "utf-8")
    temporary.replace(file)


def restore_point(settings: Settings, job: str) -> str | None:
    """Return the URI a job should go on from.

    Returns
    -------
    str or None
        Its last savepoint; or the newest complete checkpoint of a run that was cut off; or what
        that run was started from. None where there is no state to go on with: the job then starts
        behind the offsets its consumer group committed.
    """
    known = read_bookmark(settings, job)
    if known is None or known.drained:
        return None
    return known.savepoint or _newest_checkpoint(settings, known.job_id) or known.restored_from


def _newest_checkpoint(settings: Settings, job_id: str) -> str | None:
    folder = settings.stack_folder / "flink" / "checkpoints" / job_id
    # A checkpoint is complete when its metadata is there.
    complete = [path.parent for path in folder.glob("chk-*/_metadata")]
    if not complete:
        return None
    newest = max(complete, key=lambda path: int(path.name.removeprefix("chk-")))
    return newest.resolve().as_uri()
