"""Where each job left off: its last savepoint, or the newest checkpoint of a run that was cut off.

One small file per job, beside the stack's state. A run that ends without a stop (a killed cluster,
a lost machine) leaves its retained checkpoints behind: the next submit goes on from the newest.

What is about to be done is written before it is done: a client may die at any moment, and what it
had begun must be known to the next one.
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlparse

from workbench.config import Settings
from workbench.errors import UsageError
from workbench.jobs.deployment import job_names
from workbench.stack.files import Layout, write_atomic

#: Runs before the last one that are remembered.
EARLIER = 20


@dataclass(frozen=True)
class Bookmark:
    """What is known of a job's last run.

    Parameters
    ----------
    job_id
        Flink's id of the run, also where its client died before the cluster had heard of it.
    restored_from
        Where that run started from: what counts until it has a checkpoint of its own.
    savepoint
        Where its last stop left it; None while it runs, or when it was cut off.
    drained
        Whether its windows were closed: its state is done with then.
    closing
        Whether the run only closes the windows: once it is finished, the job is drained.
    earlier
        Flink's ids of the runs before, the newest first, at most `EARLIER`.
    cancelled
        Whether a person ended the run without a savepoint, here or in Flink itself.
    upgrading
        Whether the run is only stopped to be started again: until that is done, it should run.
    drop_state
        Whether the run left state behind that none of its operators goes on from: as long as it
        has no checkpoint of its own, that is said again when it is started again.
    closings
        Runs, this one or `earlier`, that only closed windows: their savepoints have no offsets to
        go on from.
    """

    job_id: str
    restored_from: str | None = None
    savepoint: str | None = None
    drained: bool = False
    closing: bool = False
    earlier: tuple[str, ...] = ()
    cancelled: bool = False
    upgrading: bool = False
    drop_state: bool = False
    closings: tuple[str, ...] = ()

    @property
    def should_run(self) -> bool:
        """Whether the job was started and nobody has ended it since."""
        stopped = self.savepoint is not None and not self.upgrading
        return not (stopped or self.drained or self.closing or self.cancelled)


class BusyError(UsageError):
    """Another process holds a lock of the jobs."""


def _file(settings: Settings, job: str) -> Path:
    return settings.stack_folder / "jobs" / f"{job_names(settings)[job]}.json"


@contextmanager
def locked(settings: Settings, name: str, busy: str, hint: str) -> Iterator[None]:
    """Hold the lock `name` of the jobs of a stack folder; it dies with its process.

    Raises
    ------
    BusyError
        When another process holds it: the jobs are `busy`, and what to do then is the `hint`.
    """
    file = settings.stack_folder / "jobs" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BusyError(f"jobs of {settings.stack_folder} are {busy}", hint=hint) from None
        yield


def one_at_a_time(settings: Settings) -> AbstractContextManager[None]:
    """Keep a second submit or stop out: both would look before either has changed anything."""
    return locked(
        settings,
        "lock",
        "being started or stopped already",
        "wait until that is done; `workbench jobs status` shows it",
    )


def read_bookmark(settings: Settings, job: str) -> Bookmark | None:
    """Return what is known of a job's last run; None where it never ran."""
    file = _file(settings, job)
    if not file.is_file():
        return None
    values = json.loads(file.read_text("utf-8"))
    lists = {name: tuple(values.get(name, ())) for name in ("earlier", "closings")}
    return Bookmark(**{**values, **lists})


def noted_s_ago(settings: Settings, job: str) -> float:
    """Return how many seconds ago the bookmark of a job was written."""
    return time.time() - _file(settings, job).stat().st_mtime


def job_of_run(settings: Settings, job_id: str) -> str | None:
    """Return the name of the job that a run was of; None where nothing is known of the run."""
    for job in job_names(settings):
        known = read_bookmark(settings, job)
        if known is not None and job_id in (known.job_id, *known.earlier):
            return job
    return None


def write_bookmark(settings: Settings, job: str, bookmark: Bookmark) -> None:
    """Keep what is known of a job's last run, and which runs there were before it."""
    before = read_bookmark(settings, job)
    earlier, closings = bookmark.earlier, bookmark.closings
    if before is not None:
        runs = dict.fromkeys((before.job_id, *before.earlier))
        earlier = tuple(run for run in runs if run != bookmark.job_id)[:EARLIER]
        closings = (*closings, *before.closings)
    if bookmark.closing:
        closings = (bookmark.job_id, *closings)
    remembered = (bookmark.job_id, *earlier)
    closings = tuple(run for run in dict.fromkeys(closings) if run in remembered)
    bookmark = replace(bookmark, earlier=earlier, closings=closings)
    put_back(settings, job, bookmark)


def put_back(settings: Settings, job: str, bookmark: Bookmark | None) -> None:
    """Keep a bookmark as it is given; None for a job that never ran."""
    file = _file(settings, job)
    if bookmark is None:
        file.unlink(missing_ok=True)
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(file, json.dumps(asdict(bookmark)))


def restore_point(settings: Settings, job: str) -> str | None:
    """Return the URI a job should go on from.

    Returns
    -------
    str or None
        Its last savepoint; or the newest complete checkpoint (or savepoint) of a run that was cut
        off; or what that run was started from. None where there is no state to go on with: the job
        then starts behind the offsets its consumer group committed.
    """
    known = read_bookmark(settings, job)
    if known is None or known.drained:
        return None
    if known.savepoint:
        return known.savepoint
    # A savepoint that nobody noted counts as well: its client was gone before the answer came. That
    # of a closing run has no offsets to go on from.
    left = _checkpoints(settings, known.job_id)[-1:]
    left += [] if known.job_id in known.closings else _savepoints(settings, known.job_id)
    return max(left, key=_written).resolve().as_uri() if left else known.restored_from


def _checkpoints(settings: Settings, job_id: str) -> list[Path]:
    """The retained checkpoints of a run, the newest last."""
    folder = Layout(settings.stack_folder).checkpoints / job_id
    # A checkpoint is complete when its metadata is there.
    complete = [path.parent for path in folder.glob("chk-*/_metadata")]
    return sorted(complete, key=lambda path: int(path.name.removeprefix("chk-")))


def _savepoints(settings: Settings, job_id: str) -> list[Path]:
    """The complete savepoints of a run."""
    folder = Layout(settings.stack_folder).savepoints
    return [path.parent for path in folder.glob(f"savepoint-{job_id[:6]}-*/_metadata")]


def has_state(settings: Settings, name: str) -> bool:
    """Say whether there is a savepoint of this name, or a checkpoint of the run of this id."""
    savepoint = Layout(settings.stack_folder).savepoints / name / "_metadata"
    return savepoint.is_file() or bool(_checkpoints(settings, name))


def states_of(settings: Settings, name: str) -> list[Path]:
    """Return what a run left, by its id, or the savepoint of this name: folders that are there.

    The checkpoints of a run are one folder, whatever of them is complete.
    """
    layout = Layout(settings.stack_folder)
    found = [layout.checkpoints / name, layout.savepoints / name, *_savepoints(settings, name)]
    return list(dict.fromkeys(folder.resolve() for folder in found if folder.is_dir()))


def restore_points(settings: Settings, job: str) -> list[tuple[str, datetime]]:
    """Return what a job can be restored from, the newest first: place and time (UTC).

    These are the savepoints that its last runs left, and their retained checkpoints. Of a run that
    only closed the windows, neither is anything to go on from.
    """
    known = read_bookmark(settings, job)
    if known is None:
        return []
    runs = dict.fromkeys((known.job_id, *known.earlier))
    ids = [run for run in runs if run not in known.closings]
    found = [path for run in ids for path in _checkpoints(settings, run)]
    found += [path for run in ids for path in _savepoints(settings, run)]
    dated = [(path.resolve().as_uri(), _written(path)) for path in found]
    return sorted(dated, key=lambda point: point[1], reverse=True)


def _written(folder: Path) -> datetime:
    return datetime.fromtimestamp((folder / "_metadata").stat().st_mtime, UTC)


def restore_uri(place: str) -> str:
    """Return the URI of a savepoint or checkpoint given as a path or a URI.

    Raises
    ------
    UsageError
        Where a local folder holds none; other places are for the cluster to read.
    """
    if "://" in place and not place.startswith("file://"):
        return place
    path = Path(unquote(urlparse(place).path)) if place.startswith("file:") else Path(place)
    if not (path / "_metadata").is_file():
        raise UsageError(
            f"no savepoint or checkpoint in {place}",
            hint="`workbench jobs restore NAME --list` shows what there is",
        )
    return path.resolve().as_uri()
