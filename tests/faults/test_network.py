"""TCP between Flink and Kafka is delayed, cut and reset, by a proxy that the broker advertises."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.faults.harness import ALL_JOBS
from tests.faults.proxy import Proxy
from tests.integration.support import wait_until
from workbench.config import load_settings
from workbench.stack import Stack
from workbench.stack.endpoints import read_ports
from workbench.stack.ports import choose

pytestmark = [pytest.mark.fault, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Proxied:
    """A stack, and what stands in front of its broker."""

    stack: Stack
    proxy: Proxy


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxied]:
    folder = tmp_path_factory.mktemp("proxied")
    port = choose(set())
    options = {"folder": folder / "stack", "kafka_advertised_port": port}
    stack = Stack(load_settings(folder, stack=options))
    proxy = Proxy(port, lambda: read_ports(stack.layout)["kafka"])
    try:
        stack.up()
        proxy.start()
        yield Proxied(stack, proxy)
        proxy.stop()
    finally:
        stack.purge()


@pytest.mark.long
def test_connections_that_are_reset_again_and_again(proxied, start_run):
    run = start_run(
        "connections to Kafka reset 10 times", proxied.stack, seed=61, rate=300, jobs=ALL_JOBS
    )
    resets = 0
    with run.fault():
        for _ in range(10):
            resets += proxied.proxy.reset()
            before = proxied.proxy.connections
            wait_until(lambda n=before: proxied.proxy.connections > n + 2, "they connect again")
    run.report.more["connections reset"] = resets
    run.await_recovery()
    assert resets >= 10 * len(run.jobs)
    run.finish()


@pytest.mark.long
def test_a_cable_that_is_pulled_for_30_seconds(proxied, start_run):
    run = start_run(
        "connections to Kafka cut for 30 s", proxied.stack, seed=62, rate=100, jobs=ALL_JOBS
    )
    with run.fault(), proxied.proxy.cut():
        time.sleep(30)  # the fault is this long; nothing is waited for
    run.await_recovery()
    run.finish()


@pytest.mark.long
def test_a_network_that_takes_200_ms_each_way(proxied, start_run):
    run = start_run(
        "200 ms more to and from Kafka for 30 s", proxied.stack, seed=63, rate=100, jobs=ALL_JOBS
    )
    with proxied.proxy.delayed(0.2):
        with run.fault():
            run.happened()
            run.await_recovery()
        time.sleep(30)  # the fault is this long
    run.finish()
