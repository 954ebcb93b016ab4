"""The JobManager is killed, and all jobs with it: a supervisor brings them back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.harness import ALL_JOBS
from tests.faults.kills import kill
from tests.integration.support import wait_until
from workbench.config import CONFIG_FILE, Settings
from workbench.jobs import cancel, submit
from workbench.jobs.bookmark import Bookmark, read_bookmark
from workbench.jobs.status import running

pytestmark = [pytest.mark.fault, pytest.mark.timeout(900)]
ROOT = Path(__file__).parents[2]
WORKBENCH = "from workbench.cli import main; main()"


@contextmanager
def supervised(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    """Run ``workbench jobs supervise`` in the project folder of the settings."""
    assert (settings.project / CONFIG_FILE).is_file()
    process = subprocess.Popen(
        [sys.executable, "-c", WORKBENCH, "jobs", "supervise", "--interval", "1"],
        cwd=settings.project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=(settings.project / "supervisor.log").open("w"),
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        wait_until(lambda: "supervising" in said(settings), "the supervisor is at work")
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)


def said(settings: Settings) -> str:
    return (settings.project / "supervisor.log").read_text("utf-8")


@pytest.mark.long
def test_a_killed_jobmanager_and_its_jobs_are_brought_back(fault_stack, start_run):
    run = start_run(
        "jobmanager killed under all six jobs, with a supervisor",
        fault_stack,
        jobs=ALL_JOBS,
        seed=51,
        events=9_000,
        rate=100,
    )
    first = dict(run.ids)
    with supervised(run.settings) as supervisor:
        with run.fault():
            kill(fault_stack, "jobmanager")
        run.await_recovery()

        def marks() -> dict[str, Bookmark]:
            found = {job: read_bookmark(run.settings, job) for job in run.jobs}
            return {job: mark for job, mark in found.items() if mark and mark.job_id != first[job]}

        for job in run.jobs:
            line = f"{job}: running"
            wait_until(lambda line=line: line in said(run.settings), f"{job} runs again", 240)
        assert all("/chk-" in (marks()[job].restored_from or "") for job in run.jobs)
        # What is stopped while it watches stays stopped.
        run.finish()
        submit(run.settings, ["router"])
        cancel(run.settings, ["router"])
        wait_until(lambda: running(run.settings) == [], "the router is cancelled")
        supervisor.send_signal(signal.SIGTERM)
        assert supervisor.wait(60) == 0
    lines = said(run.settings).splitlines()
    assert sum("mending jobmanager (" in line for line in lines) == 1, lines
    assert sum(": submitted as " in line for line in lines) == len(run.jobs), lines
    assert lines[-1].endswith(" ended")
