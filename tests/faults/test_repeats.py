"""The same records once more, and jobs that are stopped and started again under load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.harness import ALL_JOBS, Run
from tests.faults.load import trade_records
from tests.integration.support import rows
from workbench.config import JobSettings
from workbench.contracts.records import EXECUTIONS
from workbench.jobs import Cluster, stop
from workbench.jobs.upgrade import upgrade
from workbench.stack import endpoints

pytestmark = [pytest.mark.fault, pytest.mark.long, pytest.mark.timeout(900)]
#: Where a row came from; what is left is the record.
PLACE = ["source_topic", "source_partition", "source_offset", "source_time"]
#: Who has two slots after each upgrade: there are eight for six jobs.
WIDE = (("aggregates", "alerts"), ("landing", "orderbook"))


def test_the_whole_input_sent_twice_counts_exactly_twice(fault_stack, start_run):
    run = start_run(
        "the whole input sent twice",
        fault_stack,
        seed=91,
        rate=1_000,
        records=lambda settings: 2 * trade_records(settings, 91, 3_000),
    )
    run.finish()
    landed = rows(run.settings, "market.trades").drop_columns(PLACE)
    twice = Counter(tuple(row.values()) for row in landed.to_pylist())
    assert all(times % 2 == 0 for times in twice.values())
    executions = sum(row["status"] in EXECUTIONS for row in landed.to_pylist())
    windows = rows(run.settings, "market.trade_aggregates").to_pylist()
    late = len(rows(run.settings, "ops.late_rows"))
    for size in ("1m", "5m", "15m"):
        counted = sum(row["trade_count"] for row in windows if row["window_size"] == size)
        assert counted + late == executions
    # Each message is a row of its own: where it came from tells the repeats apart.
    places = rows(run.settings, "market.trades").select(["source_partition", "source_offset"])
    assert len(places.group_by(places.column_names).aggregate([])) == len(places)


def test_jobs_stopped_and_submitted_again_three_times_under_load(fault_stack, start_run):
    run = start_run(
        "all six jobs stopped and submitted again three times",
        fault_stack,
        jobs=ALL_JOBS,
        seed=92,
        events=36_000,
        rate=100,
    )
    for _ in range(3):
        with run.fault(), under_load(run):
            stop(run.settings, list(run.jobs))
            run.happened()
        with under_load(run):
            run.submit()
        run.await_recovery()
    run.finish()


def test_jobs_upgraded_to_two_slots_and_back_under_load(fault_stack, start_run):
    run = start_run(
        "all six jobs upgraded twice, four to two slots, two of them back",
        fault_stack,
        jobs=ALL_JOBS,
        seed=93,
        events=45_000,
        rate=100,
    )
    cluster = Cluster(endpoints(run.settings, kafka=False).rest_url)
    for wide in WIDE:
        two = {job: JobSettings(parallelism=2) for job in wide}
        flink = run.settings.flink.model_copy(update={"jobs": two})
        changed = run.settings.model_copy(update={"flink": flink})
        stopped: dict[str, int] = {}

        def note(line: str, stopped: dict[str, int] = stopped) -> None:
            job, _, what = line.partition(": ")
            if what == "stopping with a savepoint":
                stopped[job] = run.load.sent
            if what == "running":
                # Between the two, its topic went on.
                assert run.load.sent > stopped[job]

        with run.fault(), under_load(run):
            ids = upgrade(changed, list(run.jobs), progress=note)
        assert stopped.keys() == set(run.jobs)
        assert {job for job in run.jobs if cluster.parallelism(ids[job]) == 2} == {*wide}
        run.await_recovery()
    run.finish()


@contextmanager
def under_load(run: Run) -> Iterator[None]:
    """Fail where nothing was sent meanwhile, or the load has ended."""
    before = run.load.sent
    yield
    assert before < run.load.sent < run.report.records
