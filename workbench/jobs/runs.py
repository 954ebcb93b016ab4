"""What each run was started with: its compiled plan, and its settings without the secrets.

A later run is compared with the plan; a run that was cut off, or one that goes on as it was, is
started with both, whatever the project says by then. One file per run, named by Flink's job id, and
a copy per savepoint; beside the bookmarks, in a folder per job.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from workbench.config import Settings
from workbench.jobs.bookmark import has_state, read_bookmark
from workbench.jobs.deployment import job_names
from workbench.provenance import HIDDEN, hide
from workbench.stack.files import write_atomic

#: What older runs of a job were started with is dropped, unless their state is still there.
KEPT = 100
#: Where Kafka and the catalog are, and how to log in there.
_PLACES = ("kafka", "catalog_options")


@dataclass(frozen=True)
class Run:
    """What a run was started with.

    Parameters
    ----------
    plan
        Its compiled plan, as JSON.
    deployment
        Its `deployment`, secrets hidden; None where an older release did not keep it.
    """

    plan: str
    deployment: dict[str, Any] | None = None


def keep_run(settings: Settings, job: str, name: str, run: Run) -> None:
    """Keep what a run was started with, by its id or the name of a savepoint that it left."""
    file = _file(settings, job, name)
    file.parent.mkdir(parents=True, exist_ok=True)
    hidden = None if run.deployment is None else hide("", run.deployment)
    write_atomic(file, json.dumps(asdict(Run(run.plan, hidden))))
    _prune(settings, job, file.parent)


def _prune(settings: Settings, job: str, folder: Path) -> None:
    known = read_bookmark(settings, job)
    named: set[str] = set()
    if known is not None:
        places = (known.savepoint, known.restored_from)
        named = {known.job_id, *known.earlier, *(name_of(place) for place in places if place)}
    newest = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for file in newest[KEPT:]:
        if file.stem not in named and not has_state(settings, file.stem):
            file.unlink(missing_ok=True)


def keep_with_savepoint(settings: Settings, job: str, job_id: str, savepoint: str) -> None:
    """Keep what a run was started with for a savepoint that it left."""
    run = run_of(settings, job, job_id)
    if run is not None:
        keep_run(settings, job, name_of(savepoint), run)


def runs_of(settings: Settings, job: str) -> list[str]:
    """Return the ids of a job's runs that are known here, and the names of its savepoints."""
    known = read_bookmark(settings, job)
    remembered = () if known is None else (known.job_id, *known.earlier)
    folder = _file(settings, job, "any").parent
    return list(dict.fromkeys([*remembered, *sorted(file.stem for file in folder.glob("*.json"))]))


def run_behind(settings: Settings, job: str, place: str) -> Run | None:
    """Return what the run that left a savepoint or checkpoint was started with; None if unknown."""
    return run_of(settings, job, name_of(place))


def run_of(settings: Settings, job: str, job_id: str) -> Run | None:
    """Return what a run was started with; None where that is not known here."""
    file = _file(settings, job, job_id)
    if file.is_file():
        return Run(**json.loads(file.read_text("utf-8")))
    # Until the settings were kept as well, there were plans alone, those of all jobs together.
    earlier = _folder(settings) / "plans" / f"{job_id}.json"
    return Run(earlier.read_text("utf-8")) if earlier.is_file() else None


def as_it_ran(run: Run, now: dict[str, Any], *, embedded_broker: bool) -> dict[str, Any]:
    """Return the deployment of a run, for one more like it.

    Parameters
    ----------
    run
        What the run was started with.
    now
        The deployment by the settings of the moment, from which the secrets come.
    embedded_broker
        Whether the broker is the embedded one, whose address may be another after its restart.

    Examples
    --------
    >>> now = {"parallelism": 4, "kafka": {"sasl.password": "new", "acks": "1"}}
    >>> before = {"parallelism": 2, "kafka": {"sasl.password": "(hidden)"}}
    >>> as_it_ran(Run("{}", before), now, embedded_broker=False)
    {'parallelism': 2, 'kafka': {'sasl.password': 'new'}}
    """
    if run.deployment is None:
        return now
    # What a release between the two has added comes from now; what it has dropped is gone.
    values = {name: run.deployment.get(name, value) for name, value in now.items()}
    for part in _PLACES:
        if part in run.deployment:
            values[part] = _with_secrets(run.deployment[part], now[part])
    if embedded_broker and now["kafka"]:
        values["kafka"]["bootstrap.servers"] = now["kafka"]["bootstrap.servers"]
    return values


def _with_secrets(kept: dict[str, str], now: dict[str, str]) -> dict[str, str]:
    """What was hidden, as it is now."""
    filled = {key: now.get(key) if HIDDEN in value else value for key, value in kept.items()}
    return {key: value for key, value in filled.items() if value is not None}


def name_of(place: str) -> str:
    """Return what is kept for a savepoint (its folder's name) or a checkpoint (its job's id).

    >>> name_of("file:///flink/savepoints/savepoint-ab12cd-34ef/")
    'savepoint-ab12cd-34ef'
    >>> name_of("file:///flink/checkpoints/0a1b2c/chk-17")
    '0a1b2c'
    """
    parts = place.rstrip("/").split("/")
    return parts[-2] if parts[-1].startswith("chk-") else parts[-1]


def _folder(settings: Settings) -> Path:
    return settings.stack_folder / "jobs"


def _file(settings: Settings, job: str, name: str) -> Path:
    return _folder(settings) / "runs" / job_names(settings)[job] / f"{name}.json"
