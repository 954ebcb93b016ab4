"""A report of a project's own, small and quick, that does what a test needs."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat

from workbench.config import Settings, load_settings
from workbench.definitions.backfill import backfill
from workbench.lake.tables import apply

PASSES = 'report.figure("volume", 4, "shares")\nreport.check("volume", 4, other=4)'
FAILS = 'report.figure("volume", 4, "shares")\nreport.check("volume", 4, other=5)'
#: The first kernel dies; the next one finds its mark.
DIES_ONCE = """
import os, pathlib
if not pathlib.Path("died-once").exists():
    pathlib.Path("died-once").touch()
    os.kill(os.getpid(), 9)
"""
_BEGIN = """
import workbench as wb
from workbench.reports import Report
session = wb.open(snapshots=snapshots or None)
report = Report("A report", session, as_of)
report.header()
"""


def traded(folder: Path) -> Settings:
    """Make a project with a lake of one trade."""
    (folder / "workbench.toml").write_text("")
    settings = load_settings(folder)
    apply(settings)
    trade = {
        "trade_id": "T1",
        "order_id": "O",
        "symbol": "AAPL",
        "side": "BUY",
        "quantity": 2,
        "price": "1.5",
        "status": "FILLED",
        "timestamp_ms": 1_723_161_600_000,
    }
    backfill(settings, [json.dumps(trade).encode()])
    return settings


def write_report(settings: Settings, *cells: str) -> None:
    """Write the project's own market_day, which wins over the shipped one."""
    parameters = nbformat.v4.new_code_cell("as_of = None\nsnapshots = {}\ntop = 10")
    parameters.metadata["tags"] = ["parameters"]
    code = map(nbformat.v4.new_code_cell, (_BEGIN, *cells, "report.finish()"))
    heading = nbformat.v4.new_markdown_cell("# A report")
    path = settings.project / "notebooks" / "market_day.ipynb"
    path.parent.mkdir(exist_ok=True)
    nbformat.write(nbformat.v4.new_notebook(cells=[heading, parameters, *code]), path)
