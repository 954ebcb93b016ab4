"""The broker is killed under load and stays away for a while."""

from __future__ import annotations

import time

import pytest

from tests.faults.harness import ALL_JOBS
from tests.faults.kills import kill

pytestmark = [pytest.mark.fault, pytest.mark.long, pytest.mark.timeout(900)]


@pytest.mark.parametrize("seconds", [15, 60])
def test_a_broker_that_is_killed_and_comes_back(fault_stack, start_run, seconds):
    run = start_run(
        f"broker killed for {seconds} s under all six jobs",
        fault_stack,
        jobs=ALL_JOBS,
        seed=70 + seconds,
        events=12_000,
        rate=100,
    )
    with run.fault():
        kill(fault_stack, "kafka")
        run.happened()
        time.sleep(seconds)  # the fault is this long
        fault_stack.up()
    run.await_recovery()
    run.finish()
