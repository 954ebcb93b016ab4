"""A job is cut off between a checkpoint and its commits, and comes back in time or too late."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.harness import project
from tests.faults.kills import is_complete, kill
from tests.integration.support import cancel_jobs, produce, trade_event, wait_until
from workbench.broker import topics
from workbench.broker.offsets import count_messages, read_all
from workbench.config import Settings
from workbench.jobs import Cluster, cancel, stop, submit
from workbench.jobs import deployment as given
from workbench.lake import tables
from workbench.stack import Stack, endpoints
from workbench.stack.files import Layout

pytestmark = [pytest.mark.fault, pytest.mark.long, pytest.mark.timeout(600)]
OUTPUT = "processed.trades.filled"
OTHERS = b"of another producer"
#: Keys for each partition of a topic.
KEYS = [str(n).encode() for n in range(20)]


def send(settings: Settings, first: int, last: int) -> None:
    produce(settings, "raw.trades", [(b"AAPL", trade_event(n)) for n in range(first, last)])


def cut_off_before_its_commit(stack: Stack, settings: Settings) -> None:
    """Leave 100 messages of the router in a state whose transaction nobody has committed."""
    topics.apply(settings)
    tables.apply(settings)
    job_id = submit(settings, ["router"])["router"]
    cluster = Cluster(endpoints(settings).rest_url)
    send(settings, 0, 100)
    wait_until(lambda: cluster.records_read(job_id) == 100, "all is read")
    # Flink commits nothing for a savepoint that does not stop the job.
    folder = Layout(settings.stack_folder).savepoints
    place = {"target-directory": folder.as_uri(), "cancel-job": False}
    cluster._ask(f"/jobs/{job_id}/savepoints", place)
    wait_until(
        lambda: any(map(is_complete, folder.glob(f"savepoint-{job_id[:6]}-*"))), "a savepoint"
    )
    kill(stack, "taskmanager")
    cancel(settings, ["router"])
    wait_until(lambda: cluster.state(job_id) == "CANCELED", "the job is gone")
    stack.up()
    assert count_messages(settings, OUTPUT) == 0
    assert count_messages(settings, OUTPUT, read_committed=False) == 100


@pytest.mark.parametrize("in_time", [True, False], ids=["in-time", "too-late"])
def test_a_job_cut_off_before_its_commits_has_the_transaction_timeout_to_come_back(
    fault_stack, tmp_path: Path, monkeypatch, capsys, in_time: bool
):
    """What the bound is: in time nothing is lost; too late, Kafka has dropped the checkpoint.

    Others' messages behind an open transaction wait for its end.
    """
    fault_stack.up()
    began = time.monotonic()
    # The savepoint is all there is: no checkpoint commits it, however long that takes.
    monkeypatch.setattr(given, "_check_interval", lambda *_: None)
    timeout = {} if in_time else {"transaction_timeout_s": 60}
    settings = project(fault_stack, tmp_path, checkpoint_interval_ms=900_000, **timeout)
    try:
        cut_off_before_its_commit(fault_stack, settings)
        produce(settings, OUTPUT, [(key, OTHERS) for key in KEYS])
        if not in_time:
            assert count_messages(settings, OUTPUT) < len(KEYS), "readers wait"
            wait_until(lambda: count_messages(settings, OUTPUT) == len(KEYS), "it times out", 150)
        # Of a savepoint that nobody asked the workbench for, it has no plan.
        resumed = time.monotonic()
        job_id = submit(settings, ["router"], unchecked=True)["router"]
        send(settings, 100, 150)
        cluster = Cluster(endpoints(settings).rest_url)
        wait_until(lambda: cluster.records_read(job_id) == 50, "it goes on where it was")
        stop(settings, ["router"])
        found = sorted(m.value for m in read_all(settings, OUTPUT) if m.value != OTHERS)
        first = 0 if in_time else 100
        wanted = Counter(trade_event(n) for n in range(150))
        lost, doubled = wanted - Counter(found), Counter(found) - wanted
        with capsys.disabled():
            print(
                f"\ncut off before its commits, back in time: {in_time} | seed - "
                f"| 150 records | recovery {time.monotonic() - resumed:.1f} s | "
                f"total {time.monotonic() - began:.1f} s | lost {lost.total()} | "
                f"doubled {doubled.total()}",
                flush=True,
            )
        assert found == sorted(trade_event(n) for n in range(first, 150))
    finally:
        cancel_jobs(settings)
