"""docs/reports.md: its report is written step by step as the page says, and does what it says."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.unit.lake_rows import trade, trades
from workbench.cli.report import command
from workbench.config import load_settings
from workbench.errors import WorkbenchError
from workbench.lake.tables import apply
from workbench.lake.write import append
from workbench.reports.runs import list_runs

PAGE = (Path(__file__).parents[2] / "docs" / "reports.md").read_text(encoding="utf-8")
STEP = re.compile(r"(?:<!-- (\w+): (\S+) -->\n)?```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def steps() -> Iterator[tuple[str, str, str, str]]:
    """The blocks of the section, with what stands above them: mark, its value, language, text."""
    section = PAGE.split("## Write your own report in ten minutes")[1].split("\n## ")[0]
    for match in STEP.finditer(section):
        yield match[1] or "", match[2] or "", match[3], match[4]


def exit_code(result: Result) -> int:
    if isinstance(result.exception, WorkbenchError):
        return result.exception.exit_code
    return result.exit_code


def test_the_report_of_the_page_is_written_and_run_as_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "workbench.toml").write_text("")
    settings = load_settings(tmp_path)
    apply(settings)
    noon = datetime(2024, 8, 8, 12, tzinfo=UTC)
    rows = [
        trade(n, side=side, account_id=account, event_time=noon + timedelta(seconds=n))
        for n, (side, account) in enumerate(
            [("BUY", "a"), ("BUY", "b"), ("SELL", "b"), ("BUY", "a"), ("SELL", None)]
        )
    ]
    append(settings, "market.trades", trades(rows))
    monkeypatch.setenv("WORKBENCH_PROJECT", str(tmp_path))
    cli, said = CliRunner(), {}
    kinds = set()
    for mark, value, language, text in steps():
        kinds.add(mark or language)
        if mark == "cell":
            path = tmp_path / "notebooks" / "accounts.ipynb"
            notebook = json.loads(path.read_text())
            [cell] = [cell for cell in notebook["cells"] if cell["id"] == value]
            cell["source"] = text
            path.write_text(json.dumps(notebook))
        elif mark == "file":
            (tmp_path / value).write_text(text)
        else:
            for line in re.findall(r"^\$ workbench report (.*)$", text, re.MULTILINE):
                result = cli.invoke(command, shlex.split(line))
                assert exit_code(result) == int(value or 0), (line, result.output, result.exception)
                said[line] = result.output
    assert kinds == {"console", "cell", "file", "fails"}
    sell, buy, first = list_runs(settings, "accounts")
    assert first.summary["title"] == "Who traded"
    assert buy.figures == {"accounts": 2, "notional": "300"}
    assert sell.figures == {"accounts": 1, "notional": "100"}
    assert all(run.summary["verdict"] == "passed" for run in (first, buy, sell))
    assert buy.summary["freshness"]["stale_after_s"] == 3 * 86_400
    assert "parameter   side: BUY -> SELL" in said["diff accounts~1 accounts"]
    assert "-66.6667%" in said["diff accounts~1 accounts"]
    assert "0 changed, 3 figures and tables identical" in said["rerun accounts"]
    assert "BUY | SELL" in said["show accounts --parameters"]
