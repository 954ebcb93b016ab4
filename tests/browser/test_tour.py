"""The tour, as somebody sees it who opens it in JupyterLab and runs all cells."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from playwright.sync_api import Locator, Page, expect

from tests.browser.jupyter import PATIENCE_MS, ROOT, Lab

_ERRORS = """() => [...window.jupyterapp.shell.currentWidget.content.model.cells]
  .filter(cell => cell.type === 'code')
  .flatMap(cell => cell.outputs.toJSON())
  .filter(output => output.output_type === 'error')
  .map(output => `${output.ename}: ${output.evalue}`)"""
_SCROLL = """name => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  const place = [...notebook.model.cells].findIndex(cell => cell.id === name);
  notebook.activeCellIndex = place;
  return notebook.scrollToItem(place, 'start');
}"""


def test_the_tour_runs_to_its_end(lab: Lab, page: Page, picture: Callable[..., None]) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    shutil.copy(ROOT / "notebooks" / "tour.ipynb", lab.folder)
    lab.run_all(page, "tour.ipynb")
    assert page.evaluate(_ERRORS) == []

    def output_of(cell: str) -> Locator:
        """Cells out of sight are not in the page: go there first."""
        page.evaluate(_SCROLL, cell)
        return page.locator(".jp-Notebook .jp-Cell.jp-mod-active .jp-OutputArea")

    rows = output_of("tables").locator("tbody tr")
    expect(rows.first).to_contain_text("market.trades")
    assert max(row.bounding_box()["height"] for row in rows.all()) < 40  # one line each
    expect(output_of("biggest-shown").locator("table.workbench-result tbody tr")).to_have_count(6)
    for cell in ("top", "curve", "sectors", "quality"):
        expect(output_of(cell).locator("svg.main-svg").first).to_be_visible()
    explorer = output_of("explore")
    expect(explorer.locator("pre code").first).to_contain_text("market", timeout=PATIENCE_MS)
    expect(explorer.locator("table.workbench-result tbody tr").first).to_be_visible()
    live = output_of("live").get_by_role("status").first
    expect(live).to_contain_text("no broker is running", timeout=PATIENCE_MS)
    # From the words above the last rows of SQL down to the first figure.
    page.set_viewport_size({"width": 960, "height": 1200})
    expect(output_of("top").locator("svg.main-svg").first).to_be_visible()
    page.evaluate(_SCROLL, "last-trades")
    picture(page.locator(".jp-NotebookPanel"), "tour.png")
    assert errors == []
