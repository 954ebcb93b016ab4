"""A page as PDF, printed by the Chromium of this machine; an extra."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from workbench.errors import UsageError, WorkbenchError

#: Names that Chromium goes by.
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_DRAWN = "[...document.querySelectorAll('.plotly-graph-div')].every(d => d.querySelector('svg'))"


def check_browser() -> str:
    """Return the browser that prints.

    Raises
    ------
    UsageError
        When Playwright or the browser is missing; says how to get it.
    """
    try:
        import playwright  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "a PDF needs the package playwright",
            hint="`pip install 'flink-duckdb-workbench[pdf]'`, or leave out --pdf",
        ) from error
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    raise UsageError(
        "a PDF needs Chromium, which is not on the PATH",
        hint="install it (`apt install chromium`), or print the page from a browser",
    )


def print_page(page: Path, target: Path) -> None:
    """Print an HTML page as A4.

    Parameters
    ----------
    page
        The page; nothing it names is fetched.
    target
        The PDF.

    Raises
    ------
    UsageError
        When there is no browser.
    WorkbenchError
        When the browser fails.
    """
    browser = check_browser()
    # A thread of its own: in a notebook this one's loop is running, which Playwright refuses.
    with ThreadPoolExecutor(max_workers=1) as aside:
        aside.submit(_print, browser, page, target).result()


def _print(browser: str, page: Path, target: Path) -> None:
    from playwright.sync_api import Error, sync_playwright

    try:
        with sync_playwright() as driver:
            chromium = driver.chromium.launch(executable_path=browser)
            try:
                context = chromium.new_context(offline=True)
                tab = context.new_page()
                tab.goto(page.resolve().as_uri())
                tab.wait_for_function(_DRAWN, timeout=60_000)
                tab.pdf(
                    path=str(target),
                    format="A4",
                    print_background=True,
                    margin={"top": "14mm", "bottom": "14mm", "left": "10mm", "right": "10mm"},
                )
            finally:
                chromium.close()
    except Error as error:
        said = (error.message.splitlines() or ["it failed"])[0]
        raise WorkbenchError(
            f"the page cannot be printed: {said}", hint=f"print {page} from a browser"
        ) from error
