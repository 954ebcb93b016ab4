"""The explorer in a real browser: choosing changes rows, figure and SQL."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.jupyter import PATIENCE_MS, Lab


def test_the_explorer_answers_to_clicks(lab: Lab, page: Page, picture: Callable[..., None]) -> None:
    lab.write("explore.ipynb", "import workbench as wb\nwb.explore()")
    lab.run_all(page, "explore.ipynb")
    shown = page.locator(".jp-OutputArea-output", has_text="Explore the lake").first
    query = shown.locator("pre code").first
    expect(query).to_contain_text("market", timeout=PATIENCE_MS)
    expect(shown.locator("table.workbench-result tbody tr").first).to_be_visible()
    before = query.inner_text()

    shown.get_by_label("Group by").select_option("symbol")
    shown.get_by_label("Show").select_option(index=1)
    expect(query).to_contain_text("GROUP BY")
    assert query.inner_text() != before
    expect(shown.locator("svg.main-svg").first).to_be_visible()
    expect(shown.locator("table.workbench-result")).to_contain_text("AAPL")
    page.set_viewport_size({"width": 1200, "height": 1120})
    picture(shown, "explorer.png")

    shown.get_by_role("button", name="Add filter").click()
    shown.get_by_label("Filter 1").select_option("symbol")
    shown.get_by_label("Value").fill("KO")
    shown.get_by_label("Value").press("Enter")
    expect(query).to_contain_text("KO")
    expect(shown.locator("table.workbench-result")).not_to_contain_text("AAPL")
