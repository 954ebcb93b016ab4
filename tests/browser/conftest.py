"""A real browser, and a JupyterLab in a project with the small lake."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.jupyter import ROOT, Lab, running
from tests.notebooks.small_lake import build_small_lake
from workbench.config import Settings

#: Where the pictures of the docs lie; they are renewed when RENEW_PICTURES is set.
PICTURES = ROOT / "docs" / "images"
RENEWED = "RENEW_PICTURES" in os.environ


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for one file of tests.

    Playwright's loop runs in this thread until it is stopped: were it kept for the session,
    no later test could run a loop of its own.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on this machine: apt-get install chromium")
    # Five seconds are little for a kernel's first figure on two busy cores.
    expect.set_options(timeout=60_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of its own; what was shown when a test failed is in its folder."""
    context = browser.new_context(viewport={"width": 1200, "height": 1000})
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


@pytest.fixture
def picture(tmp_path: Path) -> Callable[..., None]:
    """Take a picture: for the docs where they are renewed, else into the test's folder."""

    def take(shown: Any, name: str) -> None:
        shown.screenshot(path=(PICTURES if RENEWED else tmp_path) / name)

    return take


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A project with the small lake."""
    return build_small_lake(tmp_path_factory.mktemp("browser"))


@pytest.fixture(scope="session")
def lab(project: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(project.project, tmp_path_factory.mktemp("jupyter")) as lab:
        yield lab
