"""A second TaskManager: where one is killed, its jobs go on in the other without a new JVM."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.kills import kill
from tests.integration.support import wait_until
from workbench.config import load_settings
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
    url = endpoints(stack.settings, kafka=False).rest_url
    vertices = (flink.ask(url, f"/jobs/{job_id}") or {"vertices": []})["vertices"]
    found = set()
    for vertex in vertices:
        path = f"/jobs/{job_id}/vertices/{vertex['id']}/taskmanagers"
        for manager in (flink.ask(url, path) or {"taskmanagers": []})["taskmanagers"]:
            # The name of a TaskManager is that of its part and a number for each start.
            found.add(manager["taskmanager-id"].rpartition("-")[0])
    return found


def test_jobs_of_a_killed_taskmanager_go_on_in_the_other(two_taskmanagers, start_run):
    stack = two_taskmanagers
    run = start_run("taskmanager killed, with a second one", stack, seed=101)
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
