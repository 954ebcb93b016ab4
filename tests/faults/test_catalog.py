"""The catalog is locked by another process."""

from __future__ import annotations

import time

import pytest

from tests.faults.harness import ALL_JOBS
from tests.faults.kills import locked_catalog

pytestmark = [pytest.mark.fault, pytest.mark.long, pytest.mark.timeout(900)]


def test_a_catalog_that_is_locked_for_20_seconds(fault_stack, start_run):
    run = start_run("catalog locked for 20 s", fault_stack, seed=111, jobs=ALL_JOBS)
    with run.fault(), locked_catalog(run.settings):
        run.happened()
        committed = run.committed()
        time.sleep(20)  # the fault is this long
        assert run.committed() == committed
    run.await_recovery()
    run.finish()
