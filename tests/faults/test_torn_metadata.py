"""The newest metadata file of a table is torn while a job writes it, and as it starts."""

from __future__ import annotations

import time

import pytest

from tests.faults.harness import WATCHED
from tests.faults.kills import kill, locked_catalog, newest_metadata, torn
from tests.integration.support import count, wait_until
from workbench.errors import LakeError
from workbench.jobs import Cluster, stop, submit
from workbench.stack import endpoints

pytestmark = [pytest.mark.fault, pytest.mark.long, pytest.mark.timeout(900)]


def test_a_running_job_leaves_a_torn_metadata_file_behind(fault_stack, start_run):
    """It remembers what it wrote last, and its next commit is a whole file."""
    run = start_run("newest metadata torn under a running job", fault_stack, seed=83)
    with locked_catalog(run.settings):
        time.sleep(2)  # who has just committed reads it back once, within moments
        file = newest_metadata(run.settings, WATCHED)
        with run.fault():
            file.write_bytes(file.read_bytes()[:1_000])
    wait_until(lambda: newest_metadata(run.settings, WATCHED) != file, "another is committed")
    run.await_recovery()
    run.finish()


def test_a_job_that_starts_waits_for_a_torn_metadata_file_to_be_mended(fault_stack, start_run):
    """It says which file, no other job waits, and it comes back by itself."""
    run = start_run(
        "newest metadata torn while a job restarts", fault_stack, seed=84, events=12_000, rate=60
    )
    cluster = Cluster(endpoints(run.settings, kafka=False).rest_url)
    kill(fault_stack, "taskmanager")
    file = newest_metadata(run.settings, WATCHED)
    with run.fault(), torn(file):
        fault_stack.up()
        wait_until(
            lambda: file.name in (cluster.problem(run.ids["landing"]) or ""), "it fails", 240
        )
        windows = count(run.settings, "market.trade_aggregates")
        wait_until(lambda: count(run.settings, "market.trade_aggregates") > windows, "others go on")
    run.await_recovery()
    stop(run.settings, ["landing"])
    file = newest_metadata(run.settings, WATCHED)
    with torn(file), pytest.raises(LakeError, match=file.name):
        submit(run.settings, ["landing"])
    submit(run.settings, ["landing"])
    run.finish()
