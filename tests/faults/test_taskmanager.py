"""A TaskManager is killed: in the middle of a checkpoint, or between that and the commit."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest

from tests.faults.harness import ALL_JOBS
from tests.faults.kills import is_complete, kill, kill_during_a_checkpoint, locked_catalog, newest
from tests.faults.load import AMISS, DEFECTS, hard_records
from tests.integration.support import count, rows, wait_until
from tests.integration.test_maintenance import again_and_again
from workbench.broker.offsets import read_all
from workbench.jobs import Cluster
from workbench.lake.maintenance.compact import compact
from workbench.lake.maintenance.expire import expire
from workbench.stack import endpoints

pytestmark = [pytest.mark.fault, pytest.mark.timeout(900)]
#: Landing writes both, the router one of them.
SHARED = ("market.trades", "ops.dead_letters")


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
        events=6_000,
    )
    with run.fault():
        kill(fault_stack, "taskmanager")
    fault_stack.up()
    run.await_recovery()
    run.finish()


@pytest.mark.long
def test_state_in_rocksdb_outlives_a_killed_taskmanager(fault_stack, start_run):
    run = start_run(
        "taskmanager killed, state in RocksDB",
        fault_stack,
        seed=45,
        jobs=ALL_JOBS,
        events=6_000,
        state_backend="rocksdb",
    )
    cluster = Cluster(endpoints(run.settings, kafka=False).rest_url)
    stateful = [run.ids[job] for job in ("aggregates", "alerts", "orderbook")]
    wait_until(lambda: count(run.settings, "market.price_alerts") > 100, "there is state")
    with run.fault():
        kill(fault_stack, "taskmanager")
    fault_stack.up()
    run.await_recovery()
    for job_id in stateful:
        assert "RocksDB" in cluster.checkpoint_settings(job_id)["state_backend"]
        # More often where the machine is so busy that a restart runs into the next.
        assert cluster.checkpoints(job_id)["counts"]["restored"] >= 1
    run.finish()


@pytest.mark.long
def test_times_that_are_amiss_outlive_a_killed_taskmanager(fault_stack, start_run):
    """Late by 1 s, 1 min and 1 day, ahead by 1 min and by years; a partition is idle."""
    run = start_run(
        "taskmanager killed under times that are amiss, a partition idle",
        fault_stack,
        seed=46,
        # Three minutes by the clock, so that some windows close after the fault.
        records=lambda settings: hard_records(settings, 46, 27_000, rate=150),
        rate=150,
        # All records are in the other one: the oracle knows the watermark all the same.
        idle_timeout_ms=1_000,
    )
    with run.fault():
        kill(fault_stack, "taskmanager")
        closed = count(run.settings, "market.trade_aggregates")
    fault_stack.up()
    run.await_recovery()
    wait_until(
        lambda: count(run.settings, "market.trade_aggregates") > closed,
        "windows close, although a partition has never had a record",
    )
    run.finish()
    late = rows(run.settings, "ops.late_rows")["trade_id"].to_pylist()
    kept = Counter(trade_id.rpartition("-")[0] for trade_id in late)
    run.report.more |= {f"{kind} kept apart": kept[kind] for kind in AMISS}
    # Nothing else: those that are ahead make nobody late.
    assert kept.keys() == {"1 min late", "1 day late"}
    refused = rows(run.settings, "ops.dead_letters")["error_type"].to_pylist()
    assert refused.count("future-time") == DEFECTS.future


@pytest.mark.long
def test_two_jobs_and_a_maintainer_of_one_table_outlive_a_killed_taskmanager(
    fault_stack, start_run
):
    run = start_run(
        "taskmanager killed while two jobs and a maintainer commit to one table",
        fault_stack,
        seed=47,
        jobs=("landing", "router"),
    )
    outcomes: Counter[str] = Counter()

    def maintain() -> None:
        expired = expire(run.settings, SHARED, older_than=timedelta(seconds=2))
        outcomes.update(each.error or each.outcome for each in expired)
        outcomes.update(each.error or each.outcome for each in compact(run.settings, SHARED))

    with again_and_again(maintain) as errors:
        with run.fault():
            kill(fault_stack, "taskmanager")
        fault_stack.up()
        run.await_recovery()
        before = outcomes.copy()
        for done in ("compacted", "expired"):
            wait_until(
                lambda done=done: outcomes[done] > before[done], f"what is landed since is {done}"
            )
    run.finish()
    assert errors == []
    assert outcomes.keys() <= {"compacted", "compact", "expired", "nothing old"}, outcomes
    run.report.more["compactions"] = outcomes["compacted"]


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
