"""Ask every part at the same time, each for a bounded time; a part that is down is no error."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

from workbench.config import Settings
from workbench.contracts import JOBS, TABLES, table_named
from workbench.metrics.flink import FlinkView, JobView, ask_flink
from workbench.metrics.kafka import KafkaView, Lag, ask_kafka, lags
from workbench.metrics.lake import ALERTS, Counts, LakeCache, LakeView, TableView, ask_lake
from workbench.provenance import one_line

#: All parts together may take this long.
COLLECT_SECONDS = 8.0
_LAKE_MODULES = ("pyiceberg.catalog.sql", "pyiceberg.io.pyarrow")


@dataclass(frozen=True)
class State:
    """What was found at one moment.

    Parameters
    ----------
    at
        When, UTC.
    problems
        Why a part is not there, as one line; no entry for a part that answered.
    seconds
        How long each part took.
    jobs
        The jobs of the registry, in its order.
    taskmanagers
        Metrics by TaskManager.
    lags
        Unread records by job and partition; None where it is not known.
    tables
        The tables of the contracts, in their order.
    counts
        Dead letters, late rows and alerts by reason.
    newest
        When the newest record of a topic arrived.
    """

    at: datetime
    problems: dict[str, str]
    seconds: dict[str, float]
    jobs: tuple[JobView, ...]
    taskmanagers: dict[str, dict[str, float]]
    lags: tuple[Lag, ...] | None
    tables: tuple[TableView, ...]
    counts: Counts = field(default_factory=Counts)
    newest: dict[str, datetime] = field(default_factory=dict)

    def lag(self, job: str) -> int | None:
        """Return how many records a job has not read; None where it is not known."""
        found = [each.records for each in self.lags or () if each.job == job]
        return sum(found) if found else None

    def behind_s(self, table: TableView) -> float | None:
        """Return how far a market table is behind Kafka, in seconds.

        From the arrival of the newest record that was landed (or from the last commit, where the
        table does not say) to the arrival of the newest record in the topics. Where the job has
        nothing left to read, from its last completed checkpoint, if that is later: what it has
        read is in the table only then. None where it cannot be said.
        """
        contract = table_named(table.name)
        job = next((job for job in JOBS if job.name == contract.job), None)
        if job is None or contract.namespace != "market" or not table.exists:
            return None
        if table.name == ALERTS:
            # Rows when something happens only: the newest says nothing about how far the job is.
            return None
        unread = self.lag(job.name)
        arrived = [self.newest[topic] for topic in job.sources if topic in self.newest]
        if unread is None:
            return None
        if not arrived:
            return 0.0
        reached = table.newest_arrival or table.committed_at
        if not unread:
            view = next((each for each in self.jobs if each.name == job.name), JobView(job.name))
            if view.checkpoint_at:
                reached = max(view.checkpoint_at, table.newest_arrival or view.checkpoint_at)
            elif not view.up:
                # That nothing is unread is known from its group, which commits at checkpoints.
                return 0.0
        # Nothing landed yet: as far behind as its last record has waited.
        since = max(arrived) - reached if reached else self.at - max(arrived)
        return max(0.0, since.total_seconds())


class Collector:
    """Asks Flink, Kafka and the lake; remembers what cannot change.

    Parameters
    ----------
    settings
        The settings in force.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._cache = LakeCache()
        #: Questions that took too long the last time.
        self._open: dict[str, _Asked] = {}

    def collect(self, *, detail: bool = True) -> State:
        """Ask all parts now.

        Parameters
        ----------
        detail
            Whether to ask for every task, and for counts by reason, too.
        """
        settings, cache = self.settings, self._cache
        asked = {
            "flink": self._ask("flink", lambda: ask_flink(settings, tasks=detail)),
            "kafka": self._ask("kafka", lambda: ask_kafka(settings)),
        }
        # Reading the libraries takes what it takes on a busy machine; it is no answer of the lake.
        for module in _LAKE_MODULES:
            import_module(module)
        asked["lake"] = self._ask("lake", lambda: ask_lake(settings, cache, counts=detail))
        until = time.monotonic() + COLLECT_SECONDS
        answered = {name: question.wait(until) for name, question in asked.items()}
        flink: FlinkView | None = answered["flink"].answer
        kafka: KafkaView | None = answered["kafka"].answer
        lake: LakeView | None = answered["lake"].answer
        jobs = flink.jobs if flink else tuple(JobView(job.name, "unknown") for job in JOBS)
        found: tuple[Lag, ...] | None = None
        if kafka is not None:
            counting = self._ask("lags", lambda: tuple(lags(settings, kafka, jobs)))
            found = counting.wait(max(until, time.monotonic() + 2.0)).answer
        return State(
            datetime.now(UTC),
            {name: part.problem for name, part in answered.items() if part.problem},
            {name: part.seconds for name, part in answered.items()},
            jobs,
            flink.taskmanagers if flink else {},
            found,
            lake.tables if lake else tuple(TableView(table.name) for table in TABLES),
            lake.counts if lake else Counts(),
            kafka.newest if kafka else {},
        )

    def _ask(self, name: str, question: Callable[[], Any]) -> _Asked:
        """Ask, unless the same question of an earlier time is still without an answer.

        A part that hangs would get one thread more at every scrape.
        """
        earlier = self._open.get(name)
        if earlier is None or earlier.done:
            self._open[name] = _Asked(question)
        return self._open[name]


@dataclass(frozen=True)
class _Answer:
    answer: Any
    problem: str | None
    seconds: float


class _Asked:
    """A question in a thread of its own, which may be left alone when it takes too long."""

    def __init__(self, question: Callable[[], Any]) -> None:
        self._question = question
        self._begun = time.monotonic()
        self._answer: _Answer | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether there is an answer."""
        return self._answer is not None

    def _run(self) -> None:
        answer, problem = None, None
        try:
            answer = self._question()
        except Exception as error:
            problem = one_line(error)
        self._answer = _Answer(answer, problem, time.monotonic() - self._begun)

    def wait(self, until: float) -> _Answer:
        """Return the answer, or that there is none at this moment."""
        self._thread.join(max(0.0, until - time.monotonic()))
        seconds = time.monotonic() - self._begun
        return self._answer or _Answer(None, f"no answer in {round(seconds, 1):g} s", seconds)
