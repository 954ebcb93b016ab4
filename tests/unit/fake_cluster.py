"""A cluster and a Flink client that remember what they are told, for tests of what is decided.

A client that is killed runs no ``except`` and no ``finally``: `killed` gives back what lay on the
disk at that moment.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from workbench.config import Settings, load_settings
from workbench.errors import StackError
from workbench.jobs import resuming, starting, stopping, upgrade
from workbench.jobs.cluster import Cluster, JobState
from workbench.jobs.deployment import job_names
from workbench.stack.files import Layout

URL = "http://127.0.0.1:9"


class Killed(BaseException):
    """The client ends here."""


class FakeCluster(Cluster):
    """Jobs in memory; savepoints are folders, as those of Flink."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(URL)
        self.settings = settings
        self.known: dict[str, JobState] = {}
        #: The requests of every start, the newest last.
        self.requests: list[dict[str, Any]] = []
        #: Called at the named moments: ``stop``, ``stopped``, ``compiled``, ``submitted``.
        self.at: dict[str, Callable[[], None]] = {}
        self.starts_as = "RUNNING"
        self.compiled = "{}"

    def happens(self, moment: str) -> None:
        self.at.pop(moment, lambda: None)()

    def set(self, job_id: str, state: str) -> None:
        self.known[job_id] = JobState(job_id, self.known[job_id].name, state, datetime.now(UTC))

    def add(self, job: str, job_id: str, state: str = "RUNNING") -> None:
        since = datetime.now(UTC) + timedelta(seconds=len(self.known))
        self.known[job_id] = JobState(job_id, job_names(self.settings)[job], state, since)

    def slots(self) -> tuple[int, int]:
        return 8, 8

    def jobs(self) -> list[JobState]:
        return sorted(self.known.values(), key=lambda job: job.since, reverse=True)

    def state(self, job_id: str) -> str:
        return self.known[job_id].state

    def problem(self, job_id: str) -> str | None:
        return None

    def parallelism(self, job_id: str) -> int:
        started = (r for r in self.requests if r["going"]["job_id"] == job_id)
        return next((int(r["deployment"]["parallelism"]) for r in started), 1)

    def cancel(self, job_id: str) -> None:
        self.set(job_id, "CANCELED")

    def stop_with_savepoint(self, job_id: str, folder: str, *, drain: bool) -> str:
        self.happens("stop")
        self.set(job_id, "FINISHED")
        name = f"savepoint-{job_id[:6]}-{len(self.known)}"
        (Layout(self.settings.stack_folder).savepoints / name).mkdir(parents=True)
        (Layout(self.settings.stack_folder).savepoints / name / "_metadata").touch()
        self.happens("stopped")
        return f"{folder}/{name}"

    def ask(
        self, _settings: Settings, request: dict[str, Any], **options: Any
    ) -> Iterator[dict[str, Any]]:
        """Answer as ``python -m flink_jobs`` does."""
        for job in request["jobs"]:
            name, going = job["name"], job["going"]
            if request["command"] == "compile":
                yield {"job": name, "plan": self.compiled}
                continue
            self.happens("compiled")
            options["about_to_start"](name, going["plan"] or self.compiled)
            self.happens("noted")
            self.requests.append(job)
            self.add(name, going["job_id"], self.starts_as)
            self.happens("submitted")
            yield {"job": name, "id": going["job_id"]}

    @property
    def last(self) -> dict[str, Any]:
        """What the last start was asked for with."""
        return self.requests[-1]


def installed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> FakeCluster:
    """A fake in the place of the cluster and its client, with settings of `folder`."""
    settings = load_settings(
        folder, kafka={"bootstrap_servers": "127.0.0.1:9"}, flink={"rest_url": URL}
    )
    fake = FakeCluster(settings)
    for module in (starting, stopping, resuming, upgrade):
        monkeypatch.setattr(module, "Cluster", lambda _url: fake)
        if hasattr(module, "check_places"):
            monkeypatch.setattr(module, "check_places", lambda *_: None)
        if hasattr(module, "gaps"):
            monkeypatch.setattr(module, "gaps", lambda *_: [])
        if hasattr(module, "ask"):
            monkeypatch.setattr(module, "ask", fake.ask)
    return fake


@contextmanager
def killed(cluster: FakeCluster, moment: str) -> Iterator[None]:
    """The client that runs in here is killed at a moment."""
    jobs = cluster.settings.stack_folder / "jobs"
    copy = cluster.settings.stack_folder / "jobs-when-killed"

    def kill() -> None:
        shutil.copytree(jobs, copy)
        raise Killed

    cluster.at[moment] = kill
    with pytest.raises(Killed):
        yield
    shutil.rmtree(jobs)
    copy.rename(jobs)


@contextmanager
def fails(cluster: FakeCluster, moment: str) -> Iterator[None]:
    """Flink refuses something at a moment."""

    def refuse() -> None:
        raise StackError("no luck")

    cluster.at[moment] = refuse
    yield


def changed(settings: Settings, **flink: object) -> Settings:
    """The same settings after somebody has changed some of Flink's."""
    return settings.model_copy(update={"flink": settings.flink.model_copy(update=flink)})


def plan(text: str) -> str:
    """A compiled plan that can be told from others."""
    return json.dumps({"nodes": [], "edges": [], "text": text})
