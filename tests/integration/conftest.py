"""One real broker and one real cluster for the whole run; topics and tables of its own per test."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.support import isolated
from workbench.config import Settings, load_settings
from workbench.stack import Stack, endpoints, flink


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The running embedded stack of this test run."""
    project = tmp_path_factory.mktemp("project")
    stack = Stack(load_settings(project, stack={"folder": project / "stack"}))
    try:
        stack.up()
        yield stack
    finally:
        stack.purge()


@pytest.fixture
def settings(stack: Stack, tmp_path: Path) -> Iterator[Settings]:
    """Settings on the shared stack, with topics, groups and tables that no other test uses.

    Jobs that a test leaves running are cancelled, so that their slots are free for the next.
    """
    settings = isolated(stack, tmp_path)
    yield settings
    url = endpoints(stack.settings, kafka=False).rest_url
    overview = flink.ask(url, "/jobs/overview") or {"jobs": []}
    for job in overview["jobs"]:
        if job["state"] not in ("FINISHED", "CANCELED", "FAILED"):
            request = urllib.request.Request(f"{url}/jobs/{job['jid']}?mode=cancel", method="PATCH")
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10)
