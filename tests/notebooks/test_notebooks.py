"""The report notebooks give their stored outputs again, and cannot pass without comparing."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.notebooks.guards import NOT_AGAIN, page_problems, problems, unstable_sql
from tests.notebooks.small_lake import (
    ARRIVED,
    DAY,
    SEED,
    SYMBOLS,
    build_lake_of_books,
    build_small_lake,
)
from tests.notebooks.strip import has_outputs, stripped
from workbench.config import Settings
from workbench.definitions.backfill import backfill
from workbench.errors import LakeError
from workbench.ingest.generate import choose, generate_day, load_instruments
from workbench.lake.catalog import load_catalog
from workbench.lake.maintenance.compact import compact
from workbench.lake.maintenance.expire import expire
from workbench.lake.session import open_session
from workbench.lake.write import replace_days
from workbench.reports.market_day import day_totals, market_day
from workbench.reports.rerunning import rerun
from workbench.reports.parameters import REPORTS
from workbench.reports.runner import run_report
from workbench.reports.typed_cell import is_exploration

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


def _with_a_random_number(notebook: Any) -> None:
    notebook.cells[2].source += "\nimport random"


def _with_a_clock_in_sql(notebook: Any) -> None:
    notebook.cells[2].source += "\nsession.sql('SELECT current_timestamp')"


def _with_a_module_that_looks_at_the_clock(notebook: Any) -> None:
    # The runner of reports does: it stands for a module of questions that should not.
    notebook.cells[2].source += "\nfrom workbench.reports import runner"


def _with_a_table_that_nobody_compares(notebook: Any) -> None:
    cell = next(c for c in notebook.cells if "nbval-check-output" in c.metadata.get("tags", []))
    cell.metadata.tags = ["nbval-ignore-output"]


def _with_a_figure_that_nobody_checks(notebook: Any) -> None:
    cell = next(c for c in notebook.cells if "report.figures_table" in c.source)
    cell.source += '\nreport.figure("one more", 1)\nreport.figure(f"more of {day}", 1)'


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (_without_outputs, "has no stored output"),
        (_nothing_compared, "no cell is compared"),
        (_with_an_error, "holds an error"),
        (_with_a_clock, "uses now()"),
        (_with_a_random_number, "uses random"),
        (_with_a_clock_in_sql, "uses current_timestamp"),
        (_with_a_module_that_looks_at_the_clock, "workbench/reports/runner.py uses now()"),
        (_with_a_table_that_nobody_compares, "shows figures and is not compared"),
        (_with_a_figure_that_nobody_checks, "figure 'one more' has no check of its name"),
        (_with_a_figure_that_nobody_checks, "figure f'more of {day}' has no check of its name"),
    ],
)
def test_the_guard_fails_on(spoil, expected):
    notebook = read(NOTEBOOKS[0])
    spoil(notebook)
    assert any(expected in problem for problem in problems(notebook))


def test_the_sql_of_questions_and_reports_knows_no_clock_and_no_chance():
    found = {
        str(file.relative_to(ROOT)): unstable_sql(file.read_text(encoding="utf-8"))
        for folder in ("reports", "market", "definitions")
        for file in (ROOT / "workbench" / folder).rglob("*.sql")
    }
    assert len(found) > 10
    assert {name: what for name, what in found.items() if what} == {}


def _exploration(folder: Path, name: str, **metadata: Any) -> Path:
    cell = nbformat.v4.new_code_cell("1", execution_count=7)
    cell.outputs = [nbformat.v4.new_output("execute_result", {"text/plain": "secret"})]
    path = folder / name
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=metadata), path)
    return path


def test_every_notebook_is_a_report_or_an_exploration_without_outputs():
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        notebook = read(path)
        if is_exploration(notebook.metadata):
            assert not has_outputs(notebook), f"python -m tests.notebooks.strip {path.name}"
        else:
            assert path in NOTEBOOKS, f"{path.name} is in no list and not marked as exploration"


def test_the_hook_keeps_outputs_of_explorations_out_of_commits(tmp_path):
    def git(*arguments: str) -> str:
        named = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *named, *arguments],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    git("init", "-q")
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / ".githooks").mkdir()
    hook = tmp_path / ".githooks" / "pre-commit"
    hook.write_text((ROOT / ".githooks" / "pre-commit").read_text())
    hook.chmod(0o755)
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    (tmp_path / "workbench").symlink_to(ROOT / "workbench")
    git("config", "core.hooksPath", ".githooks")
    look = _exploration(tmp_path, "look.ipynb", workbench={"kind": "exploration"})
    _exploration(tmp_path, "report.ipynb")
    git("add", "look.ipynb", "report.ipynb")
    git("commit", "-q", "-m", "both")
    kept = git("show", "HEAD:look.ipynb")
    assert "secret" not in kept and not has_outputs(nbformat.reads(kept, as_version=4))
    assert "secret" in git("show", "HEAD:report.ipynb")
    # On the screen it stays as it is.
    assert "secret" in look.read_text() and stripped(look.read_text()) is not None


def test_the_report_runs_and_all_its_checks_pass(lake):
    run = run_report(lake, "market_day", {"top": "3", "symbol": "KO"})
    run.raise_for_checks()
    figures = {figure["name"]: figure["value"] for figure in run.summary["figures"]}
    assert figures["duplicates"] == 4
    assert figures["dead letters of landing, raw.trades"] == 15 + 2 + 4
    assert figures.keys() <= {check["name"] for check in run.summary["checks"]}
    page = run.html.read_text(encoding="utf-8")
    assert page_problems(page) == []
    for old, new, expected in (
        ('<html lang="en">', "<html>", "no language"),
        ("<h2", "<h4", "<h4> skips a level of headings"),
        ("</main>", '<img src="https://example.org/x.png"></main>', "<img> fetches"),
        ('role="img"', 'role="note"', "figures have 0 texts"),
        ("<caption>", "<p>", "captions"),
        ("</main>", "<h1>again</h1></main>", "2 main headings"),
        ("</head>", "<script>/** * plotly.js v0 */</script></head>", "2 copies of plotly.js"),
    ):
        assert old in page
        assert expected in " ".join(page_problems(page.replace(old, new)))


def test_the_report_gives_the_same_after_other_data_compaction_and_expiry(tmp_path):
    lake = build_small_lake(tmp_path)
    run = run_report(lake, "market_day", {"top": "3"})
    instruments = choose(load_instruments(lake.symbols_file), SYMBOLS)
    more = generate_day(DAY, SEED + 1, instruments, 400).table
    backfill(lake, more, source_time=ARRIVED, now=ARRIVED)
    compact(lake, ["market.trades"])
    expire(lake, ["market.trades"], older_than=timedelta(0))
    again = rerun(lake, run.id)
    again.raise_for_changes()
    assert again.summary["figures"] == run.summary["figures"]
    assert again.summary["checks"] == run.summary["checks"]
    # The day was landed anew, with other trades: the newest data would have changed them.
    with open_session(lake) as session:
        day = market_day(run.summary["as_of"])
        assert day_totals(session, day)["events"] == 400 != run.figures["events"]


def test_the_report_runs_in_the_middle_of_a_day_and_on_a_day_without_trades(lake):
    run_report(lake, "market_day", {"as_of": "2024-08-09T15:30:20Z"}).raise_for_checks()
    run = run_report(lake, "market_day", {"as_of": "2024-07-04T12:00:00Z"})
    run.raise_for_checks()
    figures = {figure["name"]: figure["value"] for figure in run.summary["figures"]}
    assert figures["executions"] == 0 and figures["vwap"] is None


def test_a_lake_with_order_books_only_has_a_report_of_them(tmp_path):
    lake = build_lake_of_books(tmp_path)
    run = run_report(lake, "orderbook_liquidity")
    run.raise_for_checks()
    with open_session(lake) as session:
        newest = session.newest_event("market.orderbook_metrics")
        assert session.newest_event("market.trades") is None
    assert run.summary["as_of"] == newest.isoformat()
    assert run.figures["order books"] > 0
    with pytest.raises(LakeError, match=r"market\.trades has no rows"):
        run_report(lake, "market_day")


def test_a_hole_in_the_windows_fails_the_reports_that_compare_them(tmp_path):
    lake = build_small_lake(tmp_path)
    of_day = f"window_start >= '{DAY.isoformat()}T00:00:00+00:00'"
    windows = load_catalog(lake).load_table("market.trade_aggregates").scan(of_day).to_arrow()
    sizes = windows["window_size"].to_pylist()
    lost = sizes.index("1m", len(sizes) // 2)
    kept = [row for row in range(windows.num_rows) if row != lost]
    replace_days(lake, "market.trade_aggregates", windows.take(kept))
    failed = {
        "market_day": "executions in windows, settled",
        "sectors": "notional in windows, settled",
        "data_quality": "aggregates of market.trades: "
        "in = good + late + dead + filtered + not settled",
    }
    for name, check in failed.items():
        names = [each["name"] for each in run_report(lake, name).failed_checks]
        assert check in names, name


#: Runs that ask for less than a full day, or for something that is not there.
ODD = [
    (
        "portfolio",
        {"as_of": "2024-07-04", "every": "1h", "days": "3", "account_id": "ACC-001"},
        {"open positions": 5, "profit of the period": 0},
    ),
    # Before anybody traded.
    (
        "portfolio",
        {"as_of": "2024-06-01", "account_id": "ACC-001"},
        {"open positions": 0, "orders": 0, "profit": 0},
    ),
    ("sectors", {"as_of": "2024-07-04"}, {"sectors": 0, "executions": 0}),
    (
        "volume_anomalies",
        {"as_of": "2024-08-09T15:47:20Z", "bucket": "5m", "symbol": "KO"},
        {"symbols compared": 6},
    ),
    ("volume_anomalies", {"as_of": "2024-07-04"}, {"volume": 0, "without enough days": 6}),
    ("orderbook_liquidity", {"as_of": "2024-07-04"}, {"order books": 0, "symbols": 0}),
    ("data_quality", {"as_of": "2024-07-04"}, {"missing": 0, "duplicate events": 0}),
]


@pytest.mark.parametrize(("name", "parameters", "expected"), ODD, ids=str)
def test_a_report_holds_where_there_is_little_to_report(lake, name, parameters, expected):
    run = run_report(lake, name, parameters)
    run.raise_for_checks()
    assert len(run.summary["checks"]) > 5
    assert page_problems(run.html.read_text(encoding="utf-8")) == []
    figures = {figure["name"]: figure["value"] for figure in run.summary["figures"]}
    assert {each: float(figures[each]) for each in expected} == expected
    again = {check["name"] for check in run.summary["checks"]}
    assert {each for each in figures if figures[each] is not None} - again <= NOT_AGAIN.keys()
