"""Run a job of the workbench over a filled topic, through the same calls as its users."""

from __future__ import annotations

import json
import time

import psutil

from bench.answers import (
    Expected,
    check_routed,
    check_rows,
    check_window_messages,
    check_windows,
    message_table,
    routed_lost_and_doubled,
    windows_lost_and_doubled,
)
from bench.lab import Lab, Progress
from bench.outputs import Message
from bench.records import CLOSE_MS, Shape
from workbench.broker.clients import topic_name
from workbench.config import Settings
from workbench.contracts.topics import ROUTES, UNROUTABLE
from workbench.jobs import Cluster, cancel, submit
from workbench.lake import tables
from workbench.lake.catalog import load_catalog
from workbench.stack.flink import part_of


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
            self.check()
            time.sleep(0.25)

    def check(self) -> None:
        """Raise where a job has failed."""
        for name, job_id in self.ids.items():
            problem = self.cluster.problem(job_id)
            if problem:
                raise RuntimeError(f"{name}: {problem}")

    def wait_until_running(self, timeout: float = 120) -> None:
        """Wait until all tasks of the jobs run (again)."""
        until = time.monotonic() + timeout
        while any(self.cluster.state(job_id) != "RUNNING" for job_id in self.ids.values()):
            if time.monotonic() > until:
                raise TimeoutError(f"{self.names} do not run")
            time.sleep(0.05)

    def taskmanager(self, name: str) -> str:
        """Return the part of the stack that a job of parallelism 1 runs in."""
        (runner,) = self.cluster.runners(self.ids[name])
        return part_of(runner)

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


class RegistryJob:
    """Jobs of the registry as an engine; see `bench.engine.Engine`."""

    transactional = True

    def __init__(
        self,
        lab: Lab,
        shape: Shape,
        names: list[str],
        **flink: object,
    ) -> None:
        self.job = FlinkJob(lab, shape, f"{'-'.join(names)}-{lab.stamp()}", names, **flink)
        self.name = "workbench"
        self.task = "+".join(names)
        delivery = self.job.settings.flink.delivery
        self.durability = f"{delivery}, checkpoints on disk"
        self._lab, self._shape = lab, shape
        self._expected = Expected(lab.folder / "expected", shape)
        self._crashed = False

    def outputs(self) -> list[str]:
        """Make the tables; return the topics whose messages are the results."""
        self.job.prepare()
        return [topic_name(self.job.settings, topic) for topic in _RESULTS[self.job.names[0]]]

    def start(self) -> None:
        self.job.start()

    def processes(self) -> list[psutil.Process]:
        parts = ("taskmanager", "jobmanager")
        return [psutil.Process(self._lab.pid_of(part)) for part in parts]

    def commit(self) -> None:
        if not self._crashed:  # counts start anew with a restarted job, and it has had a problem
            self.job.wait_until_read()
        self.job.commit()
        # Tables are committed once the checkpoint is complete, a moment later.
        wanted = {"market.trade_aggregates": self._windows(), "market.trades": self._landed()}
        if self._table:
            wanted[self._table] = self.expected()
        until = time.monotonic() + 20
        while any(self._rows(name) < rows for name, rows in wanted.items()):
            if time.monotonic() > until:
                break  # the comparison says what is missing
            time.sleep(0.1)

    @property
    def _table(self) -> str | None:
        """The table that says the same as the topic, where records are answered one by one."""
        return _TABLES.get(self.job.names[0])

    def _windows(self) -> int:
        return int(self._expected.windows().num_rows) if "aggregates" in self.job.names else 0

    def _landed(self) -> int:
        return self._shape.total if "landing" in self.job.names else 0

    def _rows(self, table: str) -> int:
        snapshot = load_catalog(self.job.settings).load_table(table).current_snapshot()
        summary = snapshot.summary if snapshot else None
        return int(summary["total-records"] or 0) if summary else 0

    def check_alive(self) -> None:
        if not self._crashed:
            self.job.check()

    def crash(self) -> None:
        """End the TaskManager as a crash does, and start another."""
        self._crashed = True
        self._lab.restart_taskmanager()

    def late(self) -> str:
        """Say how many records came too late for their windows; empty where none did.

        No record of the day is late in its partition. A partition that is not read for
        `flink.idle_timeout_ms` no longer holds the watermark back, and may then be late as a whole.
        """
        rows = self._rows("ops.late_rows") if "aggregates" in self.job.names else 0
        return f" ({rows:,} records are in ops.late_rows)" if rows else ""

    def lost_and_doubled(self, messages: list[Message]) -> tuple[int, int]:
        """Return how many results are missing or wrong, and how many are too many."""
        if self.job.names[0] == "router":
            prefix = self.job.settings.kafka.topic_prefix
            return routed_lost_and_doubled(messages, prefix, self._expected.routed())
        found = load_catalog(self.job.settings).load_table("market.trade_aggregates").scan()
        return windows_lost_and_doubled(found.to_arrow(), self._expected.windows())

    def end(self) -> None:
        self.job.end()

    def expected(self) -> int:
        """How many messages the result has."""
        if self.job.names[0] == "router":
            return int(self._expected.routed().num_rows)
        if self._table:
            return int(self._expected.of(self._table).num_rows)
        return int(self._expected.windows().num_rows)

    def is_result(self, message: Message) -> bool:
        """Whether a message is a result of the day."""
        if self.job.names[0] == "router" or self._table:
            return True
        return bool(json.loads(message[2] or b"{}")["window_start"] < CLOSE_MS)

    def wrong(self, messages: list[Message]) -> str | None:
        """Compare topics and tables with the definition, row by row."""
        settings = self.job.settings
        if self.job.names[0] == "router":
            return check_routed(messages, settings.kafka.topic_prefix, self._expected.routed())
        if self._table:
            return self._wrong_rows(self._table, messages)
        found = load_catalog(settings).load_table("market.trade_aggregates").scan().to_arrow()
        problem = check_windows(found, self._expected.windows())
        if problem is not None:
            problem += self.late()
        if problem is None:
            problem = check_window_messages(messages, self._expected.windows())
        if problem is None and "landing" in self.job.names:
            landed = load_catalog(settings).load_table("market.trades").scan().to_arrow()
            problem = check_rows(landed, self._expected.trades())
        return problem

    def _wrong_rows(self, table: str, messages: list[Message]) -> str | None:
        """Compare the rows of the table and the messages of the topic."""
        found = load_catalog(self.job.settings).load_table(table).scan().to_arrow()
        problem = check_rows(found, self._expected.of(table))
        if problem is not None:
            return f"{table}: {problem}"
        (topic,) = _RESULTS[self.job.names[0]]
        expected = self._expected.of(topic)
        problem = check_rows(message_table(messages, expected.schema), expected)
        return None if problem is None else f"{topic}: {problem}"


_TABLES = {"alerts": "market.price_alerts", "orderbook": "market.orderbook_metrics"}
_RESULTS = {
    "alerts": ("alerts.price-movement",),
    "orderbook": ("analytics.orderbook",),
    "router": tuple(dict.fromkeys((*ROUTES.values(), UNROUTABLE))),
    "aggregates": ("analytics.trade-aggregates",),
}
