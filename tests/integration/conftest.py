"""Topics and tables of its own for every test, on the stack of the run (`tests/conftest.py`)."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.support import isolated
from workbench.config import Settings
from workbench.stack import Stack, endpoints, flink


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
