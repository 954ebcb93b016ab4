"""A TaskManager is killed: in the middle of a checkpoint, or between that and the commit."""

from __future__ import annotations

import pytest

from tests.faults.harness import ALL_JOBS
from tests.faults.kills import is_complete, kill, kill_during_a_checkpoint, locked_catalog, newest
from tests.faults.load import market_records
from tests.integration.support import wait_until
from workbench.broker.offsets import read_all

pytestmark = [pytest.mark.fault, pytest.mark.timeout(900)]


def test_a_taskmanager_killed_during_a_checkpoint(fault_stack, start_run):
    run = start_run("taskmanager killed during a checkpoint", fault_stack, seed=41)
    with run.fault():
        half_way = kill_during_a_checkpoint(fault_stack, run.ids["landing"])
    fault_stack.up()
    run.await_recovery()
    assert not is_complete(half_way)
    run.finish()


@pytest.mark.long
def test_a_taskmanager_killed_between_checkpoint_and_commit(fault_stack, start_run):
    run = start_run("taskmanager killed between checkpoint and commit", fault_stack, seed=42)
    job = run.ids["landing"]
    with run.fault(), locked_catalog(run.settings):
        before, committed = newest(run.settings, job), run.committed()

        def another() -> bool:
            checkpoint = newest(run.settings, job)
            return checkpoint is not None and checkpoint != before and is_complete(checkpoint)

        wait_until(another, "a checkpoint is complete while the commit waits")
        kill(fault_stack, "taskmanager")
        assert run.committed() == committed
        run.happened()
    fault_stack.up()
    run.await_recovery()
    run.finish()


@pytest.mark.long
def test_all_jobs_outlive_a_killed_taskmanager(fault_stack, start_run):
    run = start_run(
        "taskmanager killed under all six jobs",
        fault_stack,
        seed=43,
        jobs=ALL_JOBS,
        records=lambda settings: market_records(settings, 43, 6_000),
    )
    with run.fault():
        kill(fault_stack, "taskmanager")
    fault_stack.up()
    run.await_recovery()
    run.finish()


@pytest.mark.long
def test_an_at_least_once_topic_repeats_and_loses_nothing(fault_stack, start_run):
    run = start_run(
        "taskmanager killed under at-least-once jobs",
        fault_stack,
        seed=44,
        jobs=("landing", "router"),
        delivery="at-least-once",
        checkpoint_interval_ms=5_000,
    )
    job = run.ids["router"]

    def shown() -> int:
        return len(read_all(run.settings, "processed.trades.filled"))

    # Seen by readers, and in no checkpoint yet.
    before = newest(run.settings, job)
    wait_until(lambda: newest(run.settings, job) != before, "another checkpoint begins")
    wait_until(lambda: is_complete(newest(run.settings, job)), "it is complete", 30)
    already = shown()
    wait_until(lambda: shown() > already + 50, "more is shown")
    with run.fault():
        kill(fault_stack, "taskmanager")
    fault_stack.up()
    run.await_recovery()
    run.finish()
    assert run.report.more["came again"] >= 50
