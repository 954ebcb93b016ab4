"""The page of a report opens with the network off."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page

from workbench.config import Settings
from workbench.reports.runner import run_report


@pytest.mark.parametrize("name", ["market_day", "portfolio"])
def test_a_report_opens_with_the_network_off(
    name: str, project: Settings, page: Page, picture: Any
) -> None:
    run = run_report(project, name, {})
    html = run.folder / "report.html"
    asked: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.context.set_offline(True)
    page.goto(html.as_uri())
    figures = page.locator("figure")
    assert figures.count() >= 3
    if name == "market_day":
        page.set_viewport_size({"width": 1200, "height": 1300})
        page.get_by_role("heading", name="One symbol over the day").evaluate(
            "it => it.scrollIntoView()"
        )
        picture(page, "report-charts.png")
    if name == "portfolio":
        page.get_by_role("heading", name="Positions").evaluate("it => it.scrollIntoView()")
        picture(page, "report-portfolio.png")
    for number in range(figures.count()):
        figure = figures.nth(number)
        assert figure.locator("svg.main-svg").count() >= 1
        assert len(figure.locator("figcaption").inner_text()) > 20
        assert not figure.locator("table").is_visible()
        figure.locator("summary").click()
        assert figure.locator("tbody tr").count() >= 1
        assert figure.locator("table").is_visible()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert errors == []
    assert page.locator("html").get_attribute("lang") == "en" and page.title()
