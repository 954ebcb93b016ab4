"""Run a job of the workbench over a filled topic, through the same calls as its users."""

from __future__ import annotations

import time

from bench.lab import Lab, Progress
from bench.records import Shape
from workbench.config import Settings
from workbench.jobs import Cluster, submit
from workbench.jobs.control import cancel
from workbench.lake import tables


class FlinkJob:
    """One run of one or more jobs of the registry.

    Parameters
    ----------
    lab
        Where it runs.
    shape
        The topic it reads.
    run
        Name of the run: its group, its transactional ids and its tables.
    names
        Jobs of the registry that run together.
    """

    def __init__(self, lab: Lab, shape: Shape, run: str, names: list[str], **flink: object) -> None:
        self.lab, self.shape, self.names = lab, shape, names
        self.settings: Settings = lab.settings(shape, run, flink=flink)
        self.ids: dict[str, str] = {}
        self.cluster = Cluster(lab.rest_url)

    def prepare(self) -> None:
        """Make the tables."""
        tables.apply(self.settings)

    def start(self, progress: Progress = lambda _: None) -> None:
        """Submit the jobs and wait until their tasks run."""
        self.ids = submit(self.settings, self.names, progress=progress)

    def read(self) -> int:
        """How many records the slowest of the jobs has read, as of the last second."""
        return min(self.cluster.records_read(job_id) for job_id in self.ids.values())

    def wait_until_read(self, timeout: float = 600) -> None:
        """Wait until every record was read."""
        until = time.monotonic() + timeout
        while (read := self.read()) < self.shape.total:
            if time.monotonic() > until:
                raise TimeoutError(f"{self.names} read {read:,} of {self.shape.total:,}")
            for name, job_id in self.ids.items():
                problem = self.cluster.problem(job_id)
                if problem:
                    raise RuntimeError(f"{name}: {problem}")
            time.sleep(0.25)

    def commit(self) -> None:
        """Make a checkpoint now, which commits what was read until here."""
        for job_id in self.ids.values():
            self.cluster.checkpoint(job_id)

    def end(self) -> None:
        """Cancel the jobs and wait until their slots are free."""
        cancel(self.settings, self.names)
        until = time.monotonic() + 60
        while any(job.runs for job in self.cluster.jobs() if job.id in self.ids.values()):
            if time.monotonic() > until:
                raise TimeoutError(f"{self.names} do not end")
            time.sleep(0.1)
