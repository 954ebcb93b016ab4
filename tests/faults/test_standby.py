"""A second TaskManager: where one is killed, its jobs go on in the other without a new JVM."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.harness import ALL_JOBS
from tests.faults.kills import kill
from tests.integration.support import wait_until
from workbench.config import load_settings
from workbench.jobs import Cluster
from workbench.stack import Stack, endpoints, flink

pytestmark = [pytest.mark.fault, pytest.mark.long, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def two_taskmanagers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("standby")
    stack = Stack(load_settings(folder, stack={"folder": folder / "stack", "taskmanagers": 2}))
    try:
        stack.up()
        yield stack
    finally:
        stack.purge()


def runners(stack: Stack, job_id: str) -> set[str]:
    """Return the parts in which the tasks of a job run."""
    cluster = Cluster(endpoints(stack.settings, kafka=False).rest_url)
    return {flink.part_of(name) for name in cluster.runners(job_id)}


def test_jobs_of_a_killed_taskmanager_go_on_in_the_other(two_taskmanagers, start_run):
    stack = two_taskmanagers
    run = start_run("taskmanager killed, with a second one", stack, seed=101, jobs=ALL_JOBS)
    (victim,) = runners(stack, run.ids["landing"])
    (other,) = set(flink.TASKMANAGERS) - {victim}
    with run.fault():
        kill(stack, victim)
    run.await_recovery()
    assert stack.status().part(victim).state == "dead"
    for job in run.jobs:
        wait_until(lambda job=job: runners(stack, run.ids[job]) == {other}, f"{job} has moved")
    stack.up()
    run.finish()


def test_a_second_taskmanager_that_is_no_longer_wanted_is_ended(two_taskmanagers):
    stack = two_taskmanagers
    stack.up()
    sections = {"stack": {**stack.settings.stack.model_dump(), "taskmanagers": 1}}
    one = Stack(load_settings(stack.settings.project, **sections))
    # Broken as well: what is started anew must not wait for a TaskManager that is going.
    kill(stack, "taskmanager")
    assert one.up().healthy
    assert [p.part for p in one.status().parts] == ["kafka", "jobmanager", "taskmanager"]
    assert stack.status().part("taskmanager-2").state == "down"
