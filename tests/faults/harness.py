"""One run of the fault suite: jobs under load, a fault, recovery, and the comparison at the end.

A test starts a run, lets something happen inside ``with run.fault():``, and ends with
``run.finish()``, which sends the rest of the records, waits until every job has read everything,
stops the jobs with a drain and compares every table and topic with the oracle.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException

from tests.faults.load import RAW_TRADES, Load, Record, market_records, trade_records
from tests.faults.oracle import Found, Oracle
from tests.integration.support import cancel_jobs, count, wait_until
from workbench.broker import topics
from workbench.broker.clients import make_admin, topic_name
from workbench.broker.offsets import read_all
from workbench.config import Settings, load_settings
from workbench.contracts import job_named
from workbench.errors import WorkbenchError
from workbench.jobs import stop, submit
from workbench.jobs.deployment import job_names
from workbench.lake import tables
from workbench.stack import Stack

#: The jobs under test, each after the one whose output it reads.
JOBS = ("landing", "router", "aggregates", "enrichment")
#: The same and those of quotes and order books.
ALL_JOBS = (*JOBS, "alerts", "orderbook")
#: Its commits tell that output flows: a trade event that is not refused becomes a row of it.
WATCHED = "market.trades"
CHECKPOINT_MS = 1_000
#: Longer than any fault: no partition is taken for idle, and the oracle can tell what may be late.
IDLE_MS = 10 * 60 * 1000
#: Recovery on a busy machine: a JVM, its classes, a back-off of the restart strategy.
RECOVERY_S = 240
CATCH_UP_S = 240


def project(stack: Stack, folder: Path, **flink: object) -> Settings:
    """Settings of a project folder on `stack` with topics and tables that nobody else uses.

    They are in a ``workbench.toml``, so that a command that is started there has them too.
    """
    name = f"f{uuid.uuid4().hex[:8]}"
    sections: dict[str, dict[str, Any]] = {
        "stack": {**stack.settings.stack.model_dump(mode="json")},
        "kafka": {"topic_prefix": f"{name}."},
        "lake": {"warehouse": str(folder / "warehouse")},
        "flink": {
            "deployment": name,
            "checkpoint_interval_ms": CHECKPOINT_MS,
            "idle_timeout_ms": IDLE_MS,
            **flink,
        },
    }
    lines = []
    for section, values in sections.items():
        lines.append(f"[{section}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    (folder / "workbench.toml").write_text("\n".join(lines) + "\n", "utf-8")
    return load_settings(folder)


@dataclass
class Report:
    """What one run showed: the line that is printed and kept."""

    name: str
    seed: int
    rate: int
    records: int = 0
    #: Seconds from the start of the load to the fault.
    fault_at_s: float | None = None
    #: From the fault to the first committed output of a record that was sent after it.
    recovery_s: float | None = None
    total_s: float = 0.0
    late: int = 0
    lost: dict[str, int] = field(default_factory=dict)
    doubled: dict[str, int] = field(default_factory=dict)
    outputs: int = 0
    load_average: float = 0.0
    ok: bool = False
    more: dict[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """Return the report as one line for people."""

        def seconds(value: float | None) -> str:
            return "-" if value is None else f"{value:.1f} s"

        def counts(found: dict[str, int]) -> str:
            if not found:
                return "-"  # it did not get as far as comparing
            where = ", ".join(f"{name} {n}" for name, n in found.items() if n)
            return f"{sum(found.values())}" + (f" ({where})" if where else "")

        more = "".join(f" | {key} {value}" for key, value in self.more.items())
        return (
            f"{'ok  ' if self.ok else 'FAIL'} {self.name} | seed {self.seed} | "
            f"{self.records} records at {self.rate}/s | fault at {seconds(self.fault_at_s)} | "
            f"recovery {seconds(self.recovery_s)} | total {seconds(self.total_s)} | "
            f"lost {counts(self.lost)} | doubled {counts(self.doubled)} | "
            f"{self.outputs} outputs | late {self.late}{more} | load {self.load_average:.1f}"
        )


class Run:
    """Jobs, load and fault of one test.

    Parameters
    ----------
    name
        What happens, for the report.
    stack
        The running stack.
    folder
        Folder of its own for settings and warehouse.
    jobs
        The jobs under test, each after the one whose output it reads.
    seed, events, rate
        Of the records, and how many a second; of all jobs, quotes and order books come besides.
    records
        Other records than the generated ones; made when the load begins.
    **flink
        Settings of the deployment.
    """

    def __init__(
        self,
        name: str,
        stack: Stack,
        folder: Path,
        *,
        jobs: tuple[str, ...] = JOBS,
        seed: int = 1,
        events: int = 9_000,
        rate: int = 150,
        records: Callable[[Settings], list[Record]] | None = None,
        **flink: object,
    ) -> None:
        self.stack, self.jobs = stack, jobs
        self.settings = project(stack, folder, **flink)
        self.report = Report(name, seed, rate)
        generated = market_records if set(jobs) == set(ALL_JOBS) else trade_records
        self._make = records or (lambda settings: generated(settings, seed, events))
        self._rate = rate
        self.ids: dict[str, str] = {}
        self._began = time.monotonic()
        self._fault: float | None = None
        self._before: int | None = None

    def start(self) -> None:
        """Make topics and tables, submit the jobs, begin the load, wait for the first output."""
        topics.apply(self.settings)
        tables.apply(self.settings)
        self.submit()
        self._made = self._make(self.settings)
        self.report.records = len(self._made)
        self.load = Load(self.settings, self._made, self._rate)
        self._began = time.monotonic()
        self.load.start()
        wait_until(lambda: self.committed() > 0, "the first output is committed", CATCH_UP_S)

    def submit(self) -> None:
        self.ids |= submit(self.settings, list(self.jobs))

    def name_of(self, job: str) -> str:
        """Return the name of a job in Flink."""
        return job_names(self.settings)[job]

    def committed(self) -> int:
        """How many rows of the watched table are committed now."""
        return count(self.settings, WATCHED)

    @contextmanager
    def fault(self) -> Iterator[None]:
        """Note when the fault happens, which is when `happened` is called, else at the end."""
        self._fault = None
        yield
        if self._fault is None:
            self.happened()

    def happened(self) -> None:
        """It has happened just now: output of what is sent from here on counts as recovery."""
        self._fault = time.monotonic()
        self.report.fault_at_s = self._fault - self._began
        # A trade becomes a row at most: more rows than were sent hold one that was sent since.
        # Rows alone would not do, for what was on its way may still be committed.
        trades = [record.topic == RAW_TRADES for record in self._made]
        self._before = sum(trades[: self.load.sent])
        # What is refused becomes no row.
        assert sum(trades) - self._before > 500, "the load ended too early to tell"

    def await_recovery(self) -> float:
        """Wait for output of a record that was sent after the fault; return the seconds."""
        fault, before = self._fault, self._before
        assert fault is not None and before is not None, "nothing has happened yet"
        wait_until(lambda: self.committed() > before, "output after the fault", RECOVERY_S)
        self.report.recovery_s = time.monotonic() - fault
        return self.report.recovery_s

    def finish(self) -> None:
        """Send the rest, wait until it is read, drain the jobs, compare; fail on a difference."""
        self.load.finish()
        self._check_input()
        for job in self.jobs:
            wait_until(lambda job=job: self._has_read(job), f"{job} has read all", CATCH_UP_S)
            stop(self.settings, [job], drain=True)
        oracle = Oracle(self.settings, self.jobs)
        found = oracle.compare()
        self.report.late = len(oracle.late()) if "aggregates" in self.jobs else 0
        self._note(found)
        if oracle.came_again:
            self.report.more["came again"] = oracle.came_again
        wrong = [each for each in found if each.lost or each.doubled]
        assert not wrong, wrong
        assert sum(each.rows for each in found) > 0
        self.report.ok = True

    def _check_input(self) -> None:
        """The producer is idempotent: a retry neither loses nor doubles what it sends."""
        for topic in {record.topic for record in self._made}:
            sent = sorted(r.value or b"" for r in self._made if r.topic == topic)
            arrived = sorted(m.value or b"" for m in read_all(self.settings, topic))
            assert arrived == sent, f"{topic} holds {len(arrived)} of {len(sent)} records"

    def _has_read(self, job: str) -> bool:
        """Say whether the consumer group of a job has committed the end of what it reads."""
        last = {
            (topic_name(self.settings, topic), message.partition): message.offset
            for topic in job_named(job).sources
            for message in read_all(self.settings, topic)
        }
        group = self.name_of(job)
        # Kept until the answer is there: a client that is collected never answers.
        admin = make_admin(self.settings)
        asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])
        try:
            partitions = asked[group].result(10).topic_partitions or []
        except KafkaException:
            return False
        read = {(p.topic, p.partition): p.offset for p in partitions}
        return all(read.get(place, 0) > offset for place, offset in last.items())

    def _note(self, found: list[Found]) -> None:
        self.report.outputs = len(found)
        self.report.lost = {each.output: each.lost for each in found}
        self.report.doubled = {each.output: each.doubled for each in found}

    def close(self) -> Report:
        """End what still runs; return the report."""
        self.report.total_s = time.monotonic() - self._began
        self.report.load_average = os.getloadavg()[0]
        if hasattr(self, "load"):
            self.load.abandon()
        with suppress(WorkbenchError):
            cancel_jobs(self.settings)
        return self.report
