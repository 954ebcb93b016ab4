"""A task is far slower than what feeds it: checkpoints do not wait until it has caught up."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.harness import project
from tests.integration.support import wait_until
from workbench.jobs.cluster import Cluster
from workbench.jobs.deployment import deployment
from workbench.stack import Stack, client_environment, endpoints

pytestmark = [pytest.mark.fault, pytest.mark.long, pytest.mark.timeout(600)]
ROOT = Path(__file__).parents[2]


def start(stack: Stack, values: dict[str, Any], rest_url: str) -> str:
    """Start the slow job with the settings of a deployment; return Flink's job id."""
    done = subprocess.run(
        [sys.executable, "-P", str(Path(__file__).with_name("slow_job.py"))],
        input=json.dumps({"deployment": values, "rest_url": rest_url}),
        env={**os.environ, **client_environment(stack.settings), "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


def test_a_checkpoint_overtakes_the_records_that_wait_for_a_slow_task(fault_stack, tmp_path):
    fault_stack.up()
    settings = project(fault_stack, tmp_path)
    cluster = Cluster(endpoints(settings).rest_url)
    job = start(fault_stack, deployment(settings, "landing"), cluster.url)
    try:
        wait_until(lambda: _backpressured(cluster, job) > 0.9, "the source waits for the rest", 60)
        wait_until(lambda: _unaligned(cluster, job) is not None, "a checkpoint that overtook", 120)
    finally:
        cluster.cancel(job)
    found = _unaligned(cluster, job)
    assert found is not None
    # What it overtook is in the checkpoint: none of it is lost, none of it was waited for.
    assert found["persisted_data"] > 0
    print(
        f"\nok   unaligned under backpressure | {found['end_to_end_duration'] / 1000:.1f} s | "
        f"{found['persisted_data']:,} bytes in flight"
    )


def _unaligned(cluster: Cluster, job: str) -> dict[str, Any] | None:
    """The newest complete checkpoint that overtook records; None where there is none."""
    history = cluster.checkpoints(job)["history"]
    of_kind = (c for c in history if c["checkpoint_type"] == "UNALIGNED_CHECKPOINT")
    return next((c for c in of_kind if c["status"] == "COMPLETED" and c["persisted_data"]), None)


def _backpressured(cluster: Cluster, job: str) -> float:
    """The share of its time that the source waits for the task behind it, 0 to 1."""
    (source, *_) = [v for name, v in cluster.vertices(job) if name.startswith("Source")] or [None]
    if source is None:
        return 0.0
    name = "backPressuredTimeMsPerSecond"
    _, largest = cluster.subtask_metrics(f"/jobs/{job}/vertices/{source}", [name])
    return largest.get(name, 0.0) / 1000
