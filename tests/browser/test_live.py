"""A live view in a real browser: it draws by itself, and its controls do what they say."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.jupyter import PATIENCE_MS, Lab, running
from tests.integration.support import produce, trade_event
from workbench.broker import topics
from workbench.broker.clients import bootstrap_servers
from workbench.config import Settings, load_settings
from workbench.stack import Stack

_LAST_PRICE = """() => {
  const graph = document.querySelector('.workbench-live .js-plotly-plot');
  const line = graph?.data?.find(trace => trace.name === 'price');
  const prices = line && (line.y._inputArray ?? line.y);
  return prices ? Number(prices[prices.length - 1]) : null;
}"""


@pytest.fixture
def on_kafka(stack: Stack, tmp_path: Path) -> Iterator[tuple[Settings, Lab]]:
    """A project whose topics are on the broker of the run, and a JupyterLab in it."""
    folder = tmp_path / "project"
    folder.mkdir()
    kafka = {
        "bootstrap_servers": bootstrap_servers(stack.settings),
        "topic_prefix": f"t{uuid.uuid4().hex[:8]}.",
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in kafka.items()]
    (folder / "workbench.toml").write_text("\n".join(["[kafka]", *lines, ""]))
    settings = load_settings(folder)
    topics.apply(settings)
    with running(folder, tmp_path / "jupyter") as lab:
        yield settings, lab


def send(settings: Settings, symbol: str, first: int, count: int) -> None:
    produce(
        settings,
        "raw.trades",
        [
            (
                symbol.encode(),
                trade_event(
                    5000 * number,
                    trade_id=f"{symbol}{number}",
                    symbol=symbol,
                    quantity=1 + number % 7,
                    price=100 + number + 5 * (number % 3),
                ),
            )
            for number in range(first, first + count)
        ],
    )


def test_a_live_view_draws_pauses_changes_symbol_and_stops(
    on_kafka: tuple[Settings, Lab], page: Page, picture: Callable[..., None]
) -> None:
    settings, lab = on_kafka
    send(settings, "AAPL", 0, 100)
    lab.write("live.ipynb", 'import workbench as wb\nview = wb.live("trades")\nview')
    lab.run_all(page, "live.ipynb")
    view = page.locator(".workbench-live").first
    status = view.get_by_role("status").first
    expect(status).to_contain_text("live · 100 rows in the window", timeout=PATIENCE_MS)
    expect(view.locator("svg.main-svg").first).to_be_visible()

    def shows(price: float) -> None:
        page.wait_for_function(f"() => ({_LAST_PRICE})() === {price}", timeout=60_000)

    def price_of(number: int) -> float:
        return 100 + number + 5 * (number % 3)

    shows(price_of(99))
    send(settings, "AAPL", 100, 1)
    shows(price_of(100))
    expect(view.locator("svg.main-svg", has_text="no data")).to_have_count(0)
    picture(view, "live-trades.png")

    view.get_by_role("button", name="Pause").click()
    expect(status).to_contain_text("paused")
    send(settings, "AAPL", 101, 2)
    expect(status).to_contain_text("paused, 2 messages came since")
    assert page.evaluate(_LAST_PRICE) == price_of(100)
    view.get_by_role("button", name="Go on").click()
    shows(price_of(102))
    expect(status).to_contain_text("live · 103 rows")

    send(settings, "KO", 200, 3)
    picker = view.get_by_label("Symbol")
    expect(picker.locator("option")).to_have_count(2)
    picker.select_option("KO")
    shows(price_of(202))
    expect(view.locator("figcaption").first).to_contain_text("KO: price, VWAP and volume")

    view.get_by_role("button", name="Stop").click()
    expect(status).to_contain_text("stopped")
    expect(view.get_by_role("button", name="Stop")).to_be_disabled()
