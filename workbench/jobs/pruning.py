"""Remove savepoints and retained checkpoints that no job has to go back to.

Each stop leaves a savepoint, each run that ends otherwise its last checkpoints. The next submit
needs one of them; the others are for `workbench jobs restore` and only take up room.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlparse

from workbench.config import Settings
from workbench.contracts import job_named
from workbench.jobs.bookmark import has_state, one_at_a_time, read_bookmark, states_of
from workbench.jobs.runs import runs_of

#: How many states of a job are left for a person to go back to.
KEPT = 3


@dataclass(frozen=True)
class State:
    """What a run left: a savepoint, or its retained checkpoints together.

    Parameters
    ----------
    job
        The job of the registry.
    folder
        Where it is.
    made
        When its newest part was complete, UTC.
    size
        Bytes of its files.
    """

    job: str
    folder: Path
    made: datetime
    size: int


def prune(
    settings: Settings,
    names: list[str],
    *,
    keep: int = KEPT,
    older_than: timedelta = timedelta(0),
    dry_run: bool = False,
) -> list[State]:
    """Remove what jobs left behind, but for what they go on from and the newest ones.

    Never removed is what the last run of a job has made, what it was started from as long as it
    has made nothing itself, and what lies in folders of which no job here knows.

    Parameters
    ----------
    settings
        The settings in force.
    names
        Jobs of the registry.
    keep
        How many states of each job stay, the newest ones; those that the job needs count.
    older_than
        Only what is older than this.
    dry_run
        Remove nothing.

    Returns
    -------
    list of State
        What was removed, or would be, the oldest first.

    Raises
    ------
    UsageError
        For an unknown name, or while jobs are started or stopped.
    """
    before = datetime.now(UTC) - older_than
    found: list[State] = []
    with one_at_a_time(settings):
        for name in dict.fromkeys(names):
            job_named(name)
            needed = _needed(settings, name)
            states = sorted(_states(settings, name), key=lambda s: (s.made, s.folder), reverse=True)
            points = [state for state in states if any(state.folder.rglob("_metadata"))]
            kept = {state.folder for state in points if state.folder in needed}
            others = [state.folder for state in points if state.folder not in needed]
            # What holds nothing to go back to does not take the place of what does.
            stay = needed.union(others[: max(0, keep - len(kept))])
            found += [s for s in states if s.folder not in stay and s.made <= before]
        if not dry_run:
            for state in found:
                shutil.rmtree(state.folder)
    return sorted(found, key=lambda state: (state.made, state.folder))


def _states(settings: Settings, name: str) -> list[State]:
    """What all runs left that are known to have been of this job."""
    folders = dict.fromkeys(
        folder for run in runs_of(settings, name) for folder in states_of(settings, run)
    )
    return [_state(name, folder) for folder in folders]


def _state(name: str, folder: Path) -> State:
    files = [path.stat() for path in folder.rglob("*") if path.is_file()]
    made = max((file.st_mtime for file in files), default=folder.stat().st_mtime)
    return State(name, folder, datetime.fromtimestamp(made, UTC), sum(f.st_size for f in files))


def _needed(settings: Settings, name: str) -> set[Path]:
    """The folders that the next submit, or a restart by Flink, goes on from."""
    known = read_bookmark(settings, name)
    if known is None:
        return set()
    places = [known.savepoint]
    if not has_state(settings, known.job_id):
        places.append(known.restored_from)
    needed = {_folder(place) for place in places if place}
    # A run that goes on from another's state copies it into its first own checkpoint.
    return needed | set(states_of(settings, known.job_id))


def _folder(place: str) -> Path:
    """The folder that is removed as one: a savepoint, or a run with all of its checkpoints."""
    path = Path(unquote(urlparse(place).path)).resolve()
    return path.parent if path.name.startswith("chk-") else path
