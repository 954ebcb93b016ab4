"""A real exchange capture through Kafka, Flink and Iceberg: the published figures, exactly."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest

from tests.integration.support import cancel_jobs, count, prepared, rows, wait_until
from workbench.config import load_settings
from workbench.definitions.compare import COORDINATES, WALL_CLOCK, compare
from workbench.ingest.replay import replay
from workbench.jobs import run_batch, stop, submit
from workbench.lake import tables

DATA = Path(__file__).parents[3] / "shared" / "data"
CAPTURE = DATA / "binance-ethusdt-20240808.jsonl.gz"

pytestmark = pytest.mark.skipif(
    not CAPTURE.is_file(), reason="the capture's terms do not allow to ship it"
)


def published() -> list[tuple]:
    """The minutes of the table beside the capture: its figures, not ours."""
    text = (DATA / "README.md").read_text("utf-8")
    return [
        (int(cells[0]), *map(Decimal, cells[1:6]), int(cells[6]), Decimal(cells[7]),
         int(cells[8]), int(cells[9]))
        for cells in (
            [cell.strip() for cell in line.strip("| \n").split("|")]
            for line in text.splitlines()
            if re.match(r"\| \d{13} \|", line)
        )
    ]  # fmt: skip


def minutes(settings) -> list[tuple]:
    found = [
        row
        for row in rows(settings, "market.trade_aggregates").to_pylist()
        if row["window_size"] == "1m"
    ]
    names = (
        "open_price", "high_price", "low_price", "close_price", "total_volume", "trade_count",
        "vwap", "buy_count", "sell_count",
    )  # fmt: skip
    return sorted(
        (round(row["window_start"].timestamp() * 1000), *(row[name] for name in names))
        for row in found
    )


def test_the_stream_and_the_batch_run_give_the_published_figures(stack, tmp_path):
    streamed = prepared(stack, tmp_path / "stream")
    try:
        submit(streamed, ["landing", "aggregates"])
        sent = replay(streamed, [CAPTURE], "binance").sent
        assert sent["raw.trades"] == 6106
        wait_until(lambda: count(streamed, "market.trades") == 6106, "all trades are landed")
        stop(streamed, ["landing", "aggregates"], drain=True)
    finally:
        cancel_jobs(streamed)
    assert len(published()) == 7
    assert minutes(streamed) == published()
    trades = rows(streamed, "market.trades").to_pylist()
    assert sum(row["quantity"] for row in trades) == Decimal("2261.3149")
    assert sum(row["quantity"] * row["price"] for row in trades) == Decimal("6066483.27618")
    sold = sum(row["quantity"] for row in trades if row["side"] == "SELL")
    assert sold == Decimal("1308.279")

    batch = load_settings(
        tmp_path,
        stack=stack.settings.stack.model_dump(),
        lake={"warehouse": tmp_path / "batch"},
    )
    tables.apply(batch)
    assert run_batch(batch, ["landing", "aggregates"], [CAPTURE], form="binance") == 6106
    for table in ("market.trades", "market.trade_aggregates"):
        found = compare(
            rows(streamed, table), rows(batch, table), ignore={*WALL_CLOCK, *COORDINATES}
        )
        assert not found, found
