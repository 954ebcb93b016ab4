"""Draw the pictures of docs/reference/figures/README.md: ``python -m docs.build_figures``.

Every picture comes from the small generated lake that the tests know, through the questions, and
is taken by this machine's Chromium with the network off.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pyarrow as pa
from plotly.offline import get_plotlyjs

import workbench as wb
from docs.figure_digests import digest, write_digests
from tests.notebooks.small_lake import DAY, SEED, SYMBOLS, build_small_lake
from workbench import figures
from workbench.config import AlertSettings, Settings
from workbench.contracts.records import ORDER_BOOK
from workbench.definitions import connect, load_raw, run_definition
from workbench.definitions.alerts import Price, price_alerts
from workbench.ingest.generate import choose, generate_day, load_instruments
from workbench.ingest.json_text import json_rows
from workbench.lake.session import Session
from workbench.lake.times import from_micros
from workbench.lake.write import append

FOLDER = Path(__file__).parent / "images" / "figures"
#: Drawn in both themes; all others in the light one.
BOTH = ("candles", "order_book_depth", "sectors")
WIDTH = 900
#: By its last day the account holds and has sold.
ACCOUNT = "ACC-001"

Drawing = Callable[[str], go.Figure]


def drawings(session: Session) -> dict[str, Drawing]:
    """Return for every figure how it is drawn in a theme, by the name of its function."""
    market = wb.market
    curve = market.vwap_curve(session, "AAPL").arrow()
    windows = session.arrow(
        "SELECT * FROM market.trade_aggregates_current WHERE symbol = 'BTCUSDT' "
        "AND window_size = '15m' AND window_start >= $day ORDER BY window_start",
        {"day": DAY},
    )
    volumes = [market.volume_vs_history(session, symbol).arrow() for symbol in SYMBOLS]
    sector_rows = market.sector_performance(session).arrow()
    tables: dict[str, tuple[Any, ...]] = {
        "alert_timeline": (market.alert_outcomes(session).arrow(), curve, "AAPL"),
        "candles": (windows,),
        "data_quality": (market.data_quality(session).arrow(),),
        "exposure_by_sector": (market.exposure_by_sector(session, ACCOUNT).arrow(),),
        "order_book_depth": (last_book(session.settings), "AAPL"),
        "order_rates": (market.order_rates(session).arrow(),),
        "portfolio": (market.portfolio(session, ACCOUNT).arrow(),),
        "portfolio_history": (market.portfolio_history(session, ACCOUNT, days=40).arrow(),),
        "price_and_vwap": (curve,),
        "sector_heatmap": (sector_rows,),
        "sectors": (sector_rows,),
        "spread_and_imbalance": (market.spread_curve(session, "AAPL").arrow(), "AAPL"),
        "top_symbols": (market.top_symbols(session).arrow(),),
        "volume_against_history": (pa.concat_tables(volumes),),
        "volume_anomalies": (market.volume_anomalies(session, days=60).arrow(),),
        "volume_profile": (market.volume_profile(session, "AAPL", days=60).arrow(), "AAPL"),
        "vwap_curve": (curve,),
    }

    def drawing(name: str) -> Drawing:
        return lambda theme: getattr(figures, name)(*tables[name], theme=theme)

    return {name: drawing(name) for name in tables}


def books(settings: Settings) -> pa.Table:
    """Return the order books of the day."""
    instruments = choose(load_instruments(settings.symbols_file), ["AAPL"])
    made = generate_day(DAY, SEED, instruments, 400, books=240).books
    assert made is not None
    return made


def last_book(settings: Settings) -> pa.Table:
    """Return the levels of the day's last order book."""
    rows = books(settings)
    last = rows.slice(rows.num_rows - 1).to_pylist()[0]
    sides = (("bid", "bids"), ("ask", "asks"))
    levels = [{"side": side, **level} for side, name in sides for level in last[name]]
    return pa.Table.from_pylist(levels)


def land_books_and_alerts(settings: Settings) -> None:
    """Put into the lake what the jobs orderbook and alerts would have made of the day."""
    made = books(settings)
    columns = {name: made[name].combine_chunks() for name in made.column_names}
    with connect() as con:
        load_raw(con, json_rows(columns, ORDER_BOOK).to_pylist(), topic="raw.orderbook")
        metrics = run_definition(con, "orderbook")["market.orderbook_metrics"]
    append(settings, "market.orderbook_metrics", metrics)
    with wb.open(settings) as session:
        trades = session.arrow(
            "SELECT event_time, price FROM market.executions WHERE symbol = 'AAPL' "
            "AND event_time >= $day ORDER BY event_time",
            {"day": DAY},
        ).to_pylist()
    prices = [Price("AAPL", r["price"], int(r["event_time"].timestamp() * 1000)) for r in trades]
    # A calm day: at the threshold of the settings there would be none.
    rules = AlertSettings(threshold_percent=Decimal("0.15"), window_s=900, state_ttl_s=900)
    append(
        settings,
        "market.price_alerts",
        pa.Table.from_pylist(
            [
                {
                    **{key: alert[key] for key in alert if not key.endswith("_ms")},
                    "window_start": from_micros(1000 * alert["window_start_ms"]),
                    "detected_at": from_micros(1000 * alert["detected_at_ms"]),
                    "source_topic": "raw.trades",
                    "source_partition": 0,
                    "source_offset": offset,
                    "source_time": from_micros(1000 * alert["detected_at_ms"]),
                }
                for offset, alert in enumerate(price_alerts(prices, rules))
                if alert
            ]
        ),
    )


@contextmanager
def camera() -> Iterator[Callable[[go.Figure, Path], None]]:
    """Give a function that takes a picture of a figure, with the network off."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as scratch:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        page = browser.new_page(viewport={"width": WIDTH, "height": 700})
        page.context.set_offline(True)

        def take(figure: go.Figure, file: Path) -> None:
            html = Path(scratch) / "figure.html"
            drawn = figures.figure_html(figure)
            html.write_text(
                f'<!DOCTYPE html><meta charset="utf-8"><script>{get_plotlyjs()}</script>'
                f"<style>body, figure {{ margin: 0 }} details {{ display: none }}</style>{drawn}",
                encoding="utf-8",
            )
            page.goto(html.as_uri())
            page.wait_for_selector(".main-svg")
            page.locator(f"#{figure.layout.meta['id']}").screenshot(path=file)

        yield take
        browser.close()


def main() -> None:
    """Draw all pictures anew, or those of the functions that are named."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    wanted = set(sys.argv[1:])
    digests: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as scratch, camera() as take:
        for name, picture, figure in drawn_figures(Path(scratch)):
            if wanted and name not in wanted:
                continue
            file = FOLDER / picture
            take(figure, file)
            digests[picture] = digest(figure)
            print(f"drawn: {file.name}, {file.stat().st_size // 1000} KB", file=sys.stderr)
    write_digests(digests)


def drawn_figures(folder: Path) -> Iterator[tuple[str, str, go.Figure]]:
    """Give the function, the picture's file name and the figure of every picture.

    Parameters
    ----------
    folder
        An empty folder for the small lake.
    """
    settings = build_small_lake(folder)
    land_books_and_alerts(settings)
    with wb.open(settings) as session:
        for name, draw in drawings(session).items():
            for theme in ("light", "dark") if name in BOTH else ("light",):
                yield name, f"{name}{'-dark' if theme == 'dark' else ''}.png", draw(theme)


if __name__ == "__main__":
    main()
