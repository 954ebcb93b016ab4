"""One real broker and one real cluster for the whole run, for all tests that need them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from workbench.config import load_settings
from workbench.stack import Stack


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
