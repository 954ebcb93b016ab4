"""The page of a report opens with the network off."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from workbench.config import Settings
from workbench.reports.runner import run_report


def test_a_report_opens_with_the_network_off(project: Settings, page: Page, picture: Any) -> None:
    run = run_report(project, "market_day", {})
    html = run.folder / "report.html"
    asked: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.context.set_offline(True)
    page.goto(html.as_uri())
    figures = page.locator("figure")
    assert figures.count() >= 4
    for number in range(figures.count()):
        figure = figures.nth(number)
        assert figure.locator("svg.main-svg").count() >= 1
        assert len(figure.locator("figcaption").inner_text()) > 20
        assert not figure.locator("table").is_visible()
        figure.locator("summary").click()
        assert figure.locator("tbody tr").count() >= 1
        assert figure.locator("table").is_visible()
    picture(figures.first, "report-figure.png")
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert errors == []
    assert page.locator("html").get_attribute("lang") == "en" and page.title()
