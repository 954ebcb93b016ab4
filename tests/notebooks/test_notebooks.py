"""The report notebooks give their stored outputs again, and cannot pass without comparing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.notebooks.guards import problems
from tests.notebooks.small_lake import build_small_lake
from workbench.config import Settings
from workbench.reports.parameters import REPORTS
from workbench.reports.runner import run_report

ROOT = Path(__file__).parents[2]
NOTEBOOKS = [ROOT / "notebooks" / f"{report.name}.ipynb" for report in REPORTS]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return build_small_lake(tmp_path_factory.mktemp("small-lake"))


def read(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def nbval(path: Path, lake: Settings) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env", "-q"]
    # The project's conftest takes the settings of the environment away, and these are wanted.
    clean = [
        "--noconftest",
        "-p",
        "no:cacheprovider",
        "-o",
        "addopts=",
        "--rootdir",
        str(path.parent),
        str(path),
    ]
    environment = {
        **os.environ,
        "WORKBENCH_PROJECT": str(lake.project),
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.run(
        [*command, *clean],
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_report_gives_its_stored_outputs_again(path, lake):
    done = nbval(path, lake)
    assert done.returncode == 0, done.stdout[-4000:] + (
        "\nWhere the change is meant: python -m tests.notebooks.refresh"
    )


def test_nbval_notices_a_changed_number(lake, tmp_path):
    notebook = read(NOTEBOOKS[0])
    [totals] = [cell for cell in notebook.cells if cell.get("id") == "totals"]
    for output in totals.outputs:
        text = output.data["text/plain"]
        output.data["text/plain"] = text.replace("executions", "executioms", 1)
    copy = tmp_path / NOTEBOOKS[0].name
    nbformat.write(notebook, copy)
    assert nbval(copy, lake).returncode != 0


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_report_notebooks_are_fit_to_be_compared(path):
    assert problems(read(path)) == []


def _without_outputs(notebook: Any) -> None:
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = []


def _nothing_compared(notebook: Any) -> None:
    for cell in notebook.cells:
        cell.metadata = {}


def _with_an_error(notebook: Any) -> None:
    cell = next(cell for cell in notebook.cells if cell.cell_type == "code")
    cell.outputs = [nbformat.v4.new_output("error", ename="ValueError", evalue="x", traceback=[])]


def _with_a_clock(notebook: Any) -> None:
    cell = next(c for c in notebook.cells if "nbval-check-output" in c.metadata.get("tags", []))
    cell.source += "\nprint(datetime.now())"


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (_without_outputs, "has no stored output"),
        (_nothing_compared, "no cell is compared"),
        (_with_an_error, "holds an error"),
        (_with_a_clock, "uses the clock"),
    ],
)
def test_the_guard_fails_on(spoil, expected):
    notebook = read(NOTEBOOKS[0])
    spoil(notebook)
    assert any(expected in problem for problem in problems(notebook))


def test_the_report_runs_and_all_its_checks_pass(lake):
    run = run_report(lake, "market_day", {"top": "3", "symbol": "KO"})
    run.raise_for_checks()
    figures = {figure["name"]: figure["value"] for figure in run.summary["figures"]}
    assert figures["duplicates"] == 4
    assert figures["dead letters of landing, raw.trades"] == 15 + 2 + 4
    assert len(run.summary["checks"]) > 20


def test_the_report_runs_in_the_middle_of_a_day_and_on_a_day_without_trades(lake):
    run_report(lake, "market_day", {"as_of": "2024-08-09T15:30:20Z"}).raise_for_checks()
    run = run_report(lake, "market_day", {"as_of": "2024-07-04T12:00:00Z"})
    run.raise_for_checks()
    figures = {figure["name"]: figure["value"] for figure in run.summary["figures"]}
    assert figures["executions"] == 0 and figures["vwap"] is None
