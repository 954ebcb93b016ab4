"""No room where checkpoints are kept, and none where tables are kept.

The limit on the size of files (RLIMIT_FSIZE) is set on the running process: every write then fails
as on a full disk, with EFBIG in place of ENOSPC. That needs no rights and no disk of its own. The
JobManager writes the checkpoints' metadata, the TaskManager the tables' files and the catalog.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.faults.harness import ALL_JOBS
from tests.faults.kills import process
from tests.integration.support import wait_until
from workbench.jobs.cluster import Cluster
from workbench.stack import Stack, endpoints

pytestmark = [pytest.mark.fault, pytest.mark.long, pytest.mark.timeout(900)]
#: More than are tolerated in a row: the jobs fail, and have to come back by themselves.
FAILED_CHECKPOINTS = 5


@contextmanager
def no_room(stack: Stack, part: str) -> Iterator[None]:
    """Let a part write nothing during the block."""
    pid = process(stack, part).pid
    soft, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, hard))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("part", "folder"), [("jobmanager", "checkpoints"), ("taskmanager", "warehouse")]
)
def test_a_full_disk_that_has_room_again(fault_stack, start_run, part, folder):
    name = f"no room for {folder}"
    run = start_run(name, fault_stack, seed=81, events=12_000, rate=100, jobs=ALL_JOBS)
    cluster = Cluster(endpoints(run.settings, kafka=False).rest_url)
    job = run.ids["landing"]

    def failures() -> int:
        return int(cluster.checkpoints(job)["counts"]["failed"])

    before = failures()
    with run.fault():
        with no_room(fault_stack, part):
            wait_until(
                lambda: failures() - before >= FAILED_CHECKPOINTS,
                "more checkpoints failed than are tolerated",
                300,
            )
            committed = run.committed()
        run.happened()
    assert cluster.job(run.name_of("landing")).runs
    run.await_recovery()
    assert run.committed() > committed
    assert fault_stack.status().healthy
    run.finish()
