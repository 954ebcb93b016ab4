"""What a report run keeps, and what each way of going wrong ends in."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pyarrow as pa
import pytest
from click.testing import CliRunner

from tests.unit.lake_rows import at, rows_of, trades
from tests.unit.lake_rows import trade as row
from tests.unit.market_lake import book
from workbench import figures
from workbench.cli.report import command
from workbench.config import Settings
from workbench.definitions.backfill import backfill
from workbench.errors import (
    KernelError,
    LakeError,
    NotebookError,
    StaleData,
    UsageError,
    ValidationFailed,
)
from workbench.ingest.reference import own_file
from workbench.lake.session import open_session
from workbench.lake.times import show_moment
from workbench.lake.write import append
from workbench.reports.checks import Check, show, tolerance_of
from workbench.reports.lock import ReportIsRunning, one_run
from workbench.reports.parameters import REPORTS, parse_parameters
from workbench.reports.pdf import BROWSERS
from workbench.reports.report import Report
from workbench.reports.rerunning import rerun
from workbench.reports.runner import run_report
from workbench.reports.runs import ReportRun, find_run, list_runs
from workbench.reports.tables import Column, as_html, as_text
from workbench.reports.template import new_report
from workbench.reports.verify import verify

SETUP = """
import workbench as wb
from workbench.reports import Report
session = wb.open(snapshots=snapshots or None)
report = Report("Test <report>", session, as_of)
report.header()
"""
Write = Callable[..., None]


def trade(number: int) -> bytes:
    return json.dumps(
        {
            "trade_id": f"T{number}",
            "order_id": "O",
            "symbol": "AAPL",
            "side": "BUY",
            "quantity": 2,
            "price": "1.5",
            "status": "FILLED",
            "timestamp_ms": 1_723_161_600_000 + number,
        }
    ).encode()


@pytest.fixture
def traded(lake: Settings) -> Settings:
    (lake.project / "workbench.toml").write_text("")
    backfill(lake, [trade(1), trade(2)])
    return lake


@pytest.fixture
def notebook(traded: Settings) -> Write:
    """Write the project's own market_day notebook, which wins over the shipped one."""

    def write(*cells: str, finish: bool = True) -> None:
        parameters = nbformat.v4.new_code_cell("as_of = None\nsnapshots = {}\ntop = 10")
        parameters.metadata["tags"] = ["parameters"]
        code = [SETUP, *cells, *(["report.finish()"] if finish else [])]
        written = nbformat.v4.new_notebook(
            cells=[
                nbformat.v4.new_markdown_cell("# Test report"),
                parameters,
                *map(nbformat.v4.new_code_cell, code),
            ]
        )
        path = traded.project / "notebooks" / "market_day.ipynb"
        path.parent.mkdir(exist_ok=True)
        nbformat.write(written, path)

    return write


def leftovers(settings: Settings) -> list[Path]:
    return list((settings.project / "reports").glob(".*"))


# ---------------------------------------------------------------- a run


def test_a_run_is_one_folder_with_everything(traded, notebook):
    notebook('report.figure("volume", 4, "shares")\nreport.check("volume", 4, other=4)')
    run = run_report(traded, "market_day", {"top": "3"})
    run.raise_for_checks()
    place = run.folder.relative_to(traded.project / "reports").parts
    assert place[:2] == ("market_day", "2024-08-09T000000Z")
    assert {p.name for p in run.folder.iterdir()} == {
        "notebook.ipynb",
        "report.html",
        "report.json",
        "symbols.csv",
    }
    assert leftovers(traded) == []
    assert "<dt>parameters</dt><dd>top = 3</dd>" in run.html.read_text()
    told = json.loads((run.folder / "report.json").read_text())
    assert told == run.summary
    assert told["parameters"]["top"] == 3
    assert told["figures"] == [{"name": "volume", "value": 4, "unit": "shares"}]
    assert told["verdict"] == "passed" and told["error"] is None
    assert {"pin", "kernel", "cells", "queries", "page", "tags"} <= told["timings_s"].keys()
    ids = [snapshot for snapshot in told["snapshots"].values() if snapshot]
    assert len(ids) == 3 and all(isinstance(each, str) and each.isdecimal() for each in ids)


def test_the_page_needs_no_network_and_shows_markup_as_text(traded, notebook):
    notebook(
        "import pyarrow as pa\nfrom workbench import figures\n"
        "from workbench.reports import Column\n"
        'rows = [{"symbol": "<script>alert(1)</script>", "total_volume": 1, '
        '"total_notional": 1, "trade_count": 1}]\n'
        "report.plot(figures.top_symbols(pa.Table.from_pylist(rows)))\n"
        "report.plot(figures.sectors(pa.table({'sector': []})))\n"
        'report.table("<b>", rows, [Column("symbol", "symbol")])\n'
        'report.check("x", 1, other=1)'
    )
    page = run_report(traded, "market_day").html.read_text()
    assert "<dt>parameters</dt>" not in page
    assert '<html lang="en">' in page and "<title>Market day - 2024-08-09" in page
    assert "default-src 'none'" in page
    assert page.count("Plotly.newPlot(") >= 2
    head, body = page.split("</head>", 1)
    assert head.count("<script>") == 1  # plotly.js, once
    assert not re.search(r"(src|href)\s*=\s*[\"']?\s*(https?:)?//", body)
    assert "<script src" not in page and "<link" not in page and "@import" not in page
    assert "<script>alert" not in body
    assert "&lt;script&gt;alert(1)" in body and "&lt;b&gt;" in body
    assert 'role="img"' in body and "aria-label=" in body


def test_a_failed_check_is_shown_and_fails_after_the_page_was_written(traded, notebook):
    notebook('report.check("volume", 4, other=5)\nreport.check("fine", 1, other=1)')
    run = run_report(traded, "market_day")
    assert run.html.is_file()
    assert "FAILED: volume 4 is not 5" in run.html.read_text()
    assert "1 of 2 checks FAILED" in run.html.read_text()
    with pytest.raises(ValidationFailed, match="1 of 2 checks failed, first 'volume'") as error:
        run.raise_for_checks()
    assert error.value.exit_code == 3


def test_a_report_that_checks_nothing_is_not_valid(traded, notebook):
    notebook('report.figure("volume", 4)')
    with pytest.raises(ValidationFailed):
        run_report(traded, "market_day").raise_for_checks()


def test_an_exception_keeps_what_was_done(traded, notebook):
    notebook("1 / 0")
    with pytest.raises(NotebookError, match="ZeroDivisionError: division by zero") as error:
        run_report(traded, "market_day")
    assert error.value.exit_code == 5
    [kept] = list_runs(traded)
    assert kept.summary["verdict"] == "error" and (kept.folder / "notebook.ipynb").is_file()
    assert leftovers(traded) == []


def test_a_notebook_that_does_not_finish_is_an_error(traded, notebook):
    notebook(finish=False)
    with pytest.raises(NotebookError, match=r"never calls report\.finish"):
        run_report(traded, "market_day")


def test_a_cell_that_takes_too_long_is_stopped(traded, notebook):
    notebook("import time; time.sleep(60)")
    with pytest.raises(NotebookError, match="stopped") as error:
        run_report(traded, "market_day", cell_timeout_s=2)
    assert "\n" not in str(error.value)
    assert leftovers(traded) == []


def test_a_run_that_takes_too_long_is_ended_with_what_it_started(traded, notebook):
    notebook(
        "import pathlib, subprocess, time\n"
        'child = subprocess.Popen(["sleep", "300"])\n'
        'pathlib.Path("child").write_text(str(child.pid))',
        # Each cell is within its own limit, and deaf to interrupts.
        *["import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(4)"] * 20,
    )
    with pytest.raises(NotebookError, match="it took longer than 8 s in all") as error:
        run_report(traded, "market_day", timeout_s=8)
    assert not isinstance(error.value, KernelError) and error.value.exit_code == 5
    child = int((traded.project / "child").read_text())
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie"
    [kept] = list_runs(traded)
    assert kept.summary["error_kind"] == "timeout" and kept.summary["tag"] is None
    assert leftovers(traded) == []


def test_a_dead_kernel_is_worth_another_try(traded, notebook):
    notebook("import os; os._exit(1)")
    with pytest.raises(KernelError, match="Kernel died"):
        run_report(traded, "market_day")


def test_one_run_of_a_report_and_as_of_at_a_time(traded, notebook):
    notebook('report.check("x", 1, other=1)')
    folder = traded.project / "reports" / "market_day" / "2024-08-09T000000Z"
    with ThreadPoolExecutor(1) as pool:
        with one_run(folder, wait=False):
            with pytest.raises(ReportIsRunning, match=rf"process {os.getpid()} since .*--wait"):
                run_report(traded, "market_day")
            assert list_runs(traded) == []
            waiting = pool.submit(_wait_for, folder)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.5)
            # Another as-of is another matter.
            with one_run(folder.parent / "2024-08-08T000000Z", wait=False):
                pass
        assert waiting.result(timeout=30)


def _wait_for(folder):
    with one_run(folder, wait=True):
        return True


def test_stale_data_is_refused_before_anything_runs(traded, notebook):
    notebook('report.check("x", 1, other=1)')
    with pytest.raises(StaleData, match=r"market\.trades ends \d+ d before the start of the run"):
        run_report(traded, "market_day", require_fresh=True)
    assert not list((traded.project / "reports").glob("*/*/*"))


def test_a_hole_before_the_as_of_is_not_filled_by_what_came_after_it(traded, notebook):
    notebook('report.check("x", 1, other=1)')
    # Trades of 9 August, and of the 6th at noon.
    append(traded, "market.trades", trades([row(1, event_time=at(0, days=-2))]))
    for as_of, says in (
        ("2024-08-08", "market.trades ends 2 d before the as-of"),
        ("2024-08-05", "market.trades has no rows up to the as-of"),
    ):
        with pytest.raises(StaleData, match=says):
            run_report(traded, "market_day", {"as_of": as_of}, require_fresh=True)
    run = run_report(traded, "market_day", {"as_of": "2024-08-06T12:30:00Z"}, require_fresh=True)
    told = run.summary["freshness"]
    assert told["words"] == "fresh: market.trades ends 30 min before the as-of"
    assert told["newest_event"] == at(0, days=-2).isoformat()
    assert "<dt>newest event</dt><dd>2024-08-06 12:00:00 UTC</dd>" in run.html.read_text()


def test_a_rerun_reads_the_reference_data_of_the_run(traded, notebook):
    notebook(
        'found = session.sql("SELECT sector FROM reference.symbols '
        "WHERE symbol = 'AAPL'\").rows()\n"
        'report.figure("sector", found[0][0])\nreport.check("x", 1, other=1)'
    )
    run = run_report(traded, "market_day")
    own = own_file(traded)
    own.parent.mkdir(parents=True)
    own.write_text((run.folder / "symbols.csv").read_text().replace("Technology", "Fruit"))
    done = rerun(traded, run.id)
    assert done.comparison.same and "Technology" in str(run.figures["sector"])
    # Another run sees what is in force now: it is no repetition of the first one.
    assert "Fruit" in str(run_report(traded, "market_day").figures["sector"])


def test_the_page_is_printed_and_put_on_record(traded, notebook):
    notebook(
        "from workbench import figures\nimport pyarrow as pa\n"
        'rows = [{"symbol": "KO", "total_volume": 1, "total_notional": 1, "trade_count": 1}]\n'
        "report.plot(figures.top_symbols(pa.Table.from_pylist(rows)))\n"
        'report.check("x", 1, other=1)'
    )
    if not any(map(shutil.which, BROWSERS)):
        with pytest.raises(UsageError, match="needs Chromium"):
            run_report(traded, "market_day", pdf=True)
        return
    run = run_report(traded, "market_day")
    assert run.pdf is None

    async def in_a_notebook():
        return run_report(traded, "market_day", pdf=True)

    # Where a kernel's loop runs, a browser driven from the same thread is refused.
    printed = asyncio.run(in_a_notebook())
    assert printed.cached and printed.pdf is not None
    assert printed.pdf.read_bytes().startswith(b"%PDF-")
    assert all(finding.passed for finding in verify(traded, find_run(traded, run.id)))


def test_without_a_browser_the_way_out_is_named(traded, notebook, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(UsageError, match=r"a PDF needs Chromium.*apt install chromium"):
        run_report(traded, "market_day", pdf=True)
    assert not (traded.project / "reports").exists()


def test_the_notebook_reads_the_snapshots_that_were_pinned(traded, notebook):
    notebook(
        "from workbench.config import load_settings\n"
        "from workbench.definitions.backfill import backfill\n"
        f"backfill(load_settings(), [{trade(1)!r}, {trade(2)!r}, {trade(3)!r}])\n"
        'seen = wb.open(snapshots=snapshots).sql("SELECT count(*) FROM market.trades").rows()\n'
        'report.check("rows", seen[0][0], other=2)'
    )
    run_report(traded, "market_day").raise_for_checks()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"tpo": "3"}, "no parameter 'tpo': did you mean 'top'"),
        ({"top": "many"}, "parameter top"),
        ({"top": "0"}, "parameter top"),
        ({"raw_counts": "{"}, "parameter raw_counts"),
        ({"raw_counts": '{"raw.trade": 7}'}, "should be 'raw.trades' or 'raw.orderbook'"),
        ({"raw_counts": '{"raw.trades": -7}'}, "greater than or equal to 0, got -7"),
        ({"as_of": "soon"}, "as_of is not a time"),
        ({"as_of": "9999-12-31"}, "as_of is after tomorrow: 9999-12-31 23:59:59"),
        ({"as_of": "9999-12-31T23:00:00-05:00"}, "as_of is outside of the calendar: '9999-12-31"),
        ({"as_of": "1969-12-31"}, "as_of is before 1970"),
        ({"as_of": datetime(2999, 1, 1)}, "as_of is after tomorrow: 2999-01-01 00:00:00 UTC"),  # noqa: DTZ001
        ({"as_of": date(1, 1, 1)}, "as_of is before 1970: .*1-01-01 23:59:59"),
    ],
)
def test_a_wrong_parameter_is_an_error_before_anything_runs(traded, given, expected):
    with pytest.raises(UsageError, match=expected):
        run_report(traded, "market_day", given)
    assert not (traded.project / "reports").exists()


@pytest.mark.parametrize(
    ("report", "given", "expected"),
    [
        (
            "market_day",
            {"symbol": "APPL"},
            "parameter symbol: no symbol 'APPL': did you mean 'AAPL'",
        ),
        ("volume_anomalies", {"symbol": "APPL"}, "no symbol 'APPL'"),
        ("portfolio", {"account_id": "ACC-2"}, "parameter account_id: no account 'ACC-2'.*'ACC-1'"),
        ("market_day", {"account_id": "acc-1"}, "no account 'acc-1': did you mean 'ACC-1'"),
        (
            "sectors",
            {"sector": "Enrgy"},
            "parameter sector: no sector 'Enrgy': did you mean 'Energy'",
        ),
        ("orderbook_liquidity", {"symbol": "APPL"}, "parameter symbol: no order book of 'APPL'"),
    ],
)
def test_a_name_that_the_pinned_tables_do_not_have_is_an_error_before_anything_runs(
    traded, report, given, expected
):
    backfill(traded, [trade(3)[:-1] + b',"account_id":"ACC-1"}'])
    append(traded, "market.orderbook_metrics", rows_of("market.orderbook_metrics", [book(0)]))
    with pytest.raises(UsageError, match=expected) as error:
        run_report(traded, report, given)
    assert error.value.exit_code == 2
    assert not (traded.project / "reports").exists()


def test_names_of_a_report_of_ones_own_are_looked_for_by_their_type(traded):
    new_report(traded, "mine")
    with pytest.raises(UsageError, match="parameter symbols: no symbol 'APPL': did you mean"):
        run_report(traded, "mine", {"symbols": "AAPL,APPL"})
    with pytest.raises(UsageError, match=r"parameter top: .* greater than or equal to 1, got '0'"):
        run_report(traded, "mine", {"top": "0"})
    assert not (traded.project / "reports").exists()


def test_a_kept_run_is_named_while_its_page_says_how_fresh_the_data_is_now(
    traded, notebook, monkeypatch
):
    monkeypatch.setenv("WORKBENCH_PROJECT", str(traded.project))
    notebook('report.check("x", 1, other=1)')
    # Fresh within a hundred years, stale today.
    for name in ("DEGRADED", "STALE"):
        monkeypatch.setenv(f"WORKBENCH_REPORTS__{name}_AFTER_S", str(100 * 366 * 86_400))
    first = CliRunner().invoke(command, ["run", "market_day"])
    events, commits = re.search(
        r"events up to (.*), in .* committed up to (.*)", first.output
    ).groups()
    assert events == "2024-08-09 00:00:00.002 UTC"
    with open_session(traded) as session:
        assert commits == show_moment(session.as_of)
    again = CliRunner().invoke(command, ["run", "market_day"])
    assert "not run again" in again.stderr
    assert re.search(r"^fresh: market\.trades ends \d+ d before now$", again.stderr, re.MULTILINE)
    for name in ("DEGRADED", "STALE"):
        monkeypatch.delenv(f"WORKBENCH_REPORTS__{name}_AFTER_S")
    # The same numbers, and no page that calls them fresh.
    [told] = json.loads(CliRunner().invoke(command, ["run", "market_day", "--json"]).stdout)
    assert (told["cached"], told["freshness"]) == (False, "stale")
    now, before = list_runs(traded)
    assert told["committed up to"] == now.newest_commit.isoformat()
    assert now.figures == before.figures
    for run, says in ((before, "fresh: market.trades"), (now, "stale: market.trades")):
        assert re.findall(r"\w+: market\.trades", run.html.read_text()) == [says]
    assert "<dt>events up to</dt>" in now.html.read_text()
    assert "<dt>commits up to</dt>" in now.html.read_text()
    [told] = json.loads(CliRunner().invoke(command, ["run", "market_day", "--json"]).stdout)
    assert (told["cached"], told["freshness"]) == (True, "stale")


def test_today_is_an_as_of_wherever_somebody_is():
    now = datetime.now(UTC)
    for zone in (UTC, timezone(timedelta(hours=14))):
        today = now.astimezone(zone).date().isoformat()
        assert parse_parameters(REPORTS[0], {"as_of": today}).as_of > now
    assert parse_parameters(REPORTS[0], {"as_of": "1970-01-01T00:00:00Z"}).as_of.year == 1970


@pytest.mark.parametrize("spec", REPORTS, ids=lambda spec: spec.name)
def test_no_report_is_about_the_end_of_the_calendar(spec):
    with pytest.raises(UsageError, match="as_of is after tomorrow"):
        parse_parameters(spec, {"as_of": "9999-12-31"})


def test_parameters_are_typed():
    spec = REPORTS[0]
    given = {"as_of": "2024-08-08", "raw_counts": '{"raw.trades": 7}', "symbol": "none"}
    typed: Any = parse_parameters(spec, given)
    assert typed.as_of.isoformat() == "2024-08-08T23:59:59.999999+00:00"
    assert typed.raw_counts == {"raw.trades": 7} and typed.symbol is None


def test_an_empty_lake_has_nothing_to_report(lake):
    with pytest.raises(LakeError, match=r"market\.trades has no rows"):
        run_report(lake, "market_day")


def test_an_unknown_report_names_the_nearest(lake):
    with pytest.raises(UsageError, match="did you mean 'market_day'"):
        run_report(lake, "marketday")


def test_the_command_lists_shows_and_fails(traded, notebook, monkeypatch):
    monkeypatch.setenv("WORKBENCH_PROJECT", str(traded.project))
    notebook('report.figure("volume", 4, "shares")\nreport.check("volume", 4, other=5)')
    cli = CliRunner()
    result = cli.invoke(command, ["run", "market_day", "-p", "top=3"])
    assert isinstance(result.exception, ValidationFailed) and "0 of 1" in result.output
    rows = json.loads(cli.invoke(command, ["list", "--json"]).output)
    [listed] = [row for row in rows if row["run"]]
    assert listed["verdict"] == "failed"
    assert "volume" in cli.invoke(command, ["show", listed["run"]]).output
    checks = json.loads(cli.invoke(command, ["show", "market_day", "--checks", "--json"]).output)
    assert checks[0]["verdict"] == "FAILED"
    assert isinstance(cli.invoke(command, ["run", "market_day", "-p", "top"]).exception, UsageError)


def test_a_run_is_found_by_the_start_of_its_id(settings):
    for run in ("20240101T000000Z-aaaaaa", "20240102T000000Z-bbbbbb"):
        folder = settings.project / "reports" / "market_day" / "2024" / run
        folder.mkdir(parents=True)
        (folder / "report.json").write_text(json.dumps({"name": "market_day", "run": run}))
    (folder.parent / "damaged").mkdir()
    (folder.parent / "damaged" / "report.json").write_text("{")
    assert find_run(settings, "20240101").summary["run"].endswith("aaaaaa")
    assert find_run(settings, "market_day").summary["run"].endswith("bbbbbb")
    with pytest.raises(UsageError, match="2 runs start with '2024'"):
        find_run(settings, "2024")
    with pytest.raises(UsageError, match="no run 'x'"):
        find_run(settings, "x")


# ---------------------------------------------------------------- checks, tables, figures


@pytest.mark.parametrize(
    ("check", "passed"),
    [
        (Check("x", Decimal("1.10"), Decimal("1.1")), True),
        (Check("x", 1, 2), False),
        (Check("x", None, None), True),
        (Check("x", None, 0), False),
        (Check("x", float("nan"), float("nan"), tolerance="abs", limit=1), False),
        (Check("x", 100.0, 100.1, tolerance="rel", limit=1e-3), True),
        (Check("x", 100.0, 100.2, tolerance="rel", limit=1e-3), False),
        (Check("x", Decimal(5), 5.05, tolerance="abs", limit=0.1), True),
        (Check("x", None, 5, tolerance="abs", limit=0.1), False),
    ],
)
def test_checks(check, passed):
    assert check.passed is passed
    assert check.in_words().startswith("passed" if passed else "FAILED")


def test_one_tolerance_at_a_time():
    assert tolerance_of(None, None, None) == ("exact", None)
    assert tolerance_of(1e-9, None, None) == ("rel", 1e-9)
    for wrong in ((1e-9, 1.0, None), (1e-9, None, True), (None, None, False), (-1.0, None, None)):
        with pytest.raises(ValueError, match=r"give one|at least 0"):
            tolerance_of(*wrong)


def test_a_figure_is_named_once(traded):
    with open_session(traded) as session:
        report = Report("x", session)
        report.figure("volume", 1)
        with pytest.raises(ValueError, match="recorded already"):
            report.figure("volume", 2)


def test_numbers_are_rounded_half_up_and_never_minus_zero():
    assert show(Decimal("0.125"), 2) == "0.13"
    assert show(Decimal("-0.001"), 2) == "0.00"
    assert show(Decimal("1E+3")) == "1,000"


def test_text_and_html_have_the_same_cells():
    columns = [Column("a", "name"), Column("b", "size", "m", 1)]
    rows = [{"a": "x<y", "b": Decimal("1234.56")}, {"a": None, "b": None}]
    text, html = as_text(columns, rows), as_html(columns, rows, "c")
    assert text.splitlines()[-2:] == ["x<y   1,234.6", "-           -"]
    assert "<td>x&lt;y</td>" in html and '<td class="number">1,234.6</td>' in html


@pytest.mark.parametrize(
    "draw",
    [
        figures.top_symbols,
        figures.sectors,
        figures.volume_against_history,
        lambda table: figures.price_and_vwap(table, "AAPL"),
    ],
)
def test_a_figure_of_nothing_says_so(draw):
    figure = draw(pa.table({"symbol": pa.array([], pa.string())}))
    assert figure.layout.meta["alt"].endswith("no data.")
    assert figure.layout.annotations[0].text == "no data"


def test_sectors_say_their_direction_without_colour():
    row = {"sector": "Energy", "total_notional": 10, "return_weighted_pct": -1.5, "symbols": 1}
    figure = figures.sectors(pa.Table.from_pylist([row]))
    assert "▼ -1.50 %" in figure.data[0].text[1]
    assert "Energy -1.50 %" in figure.layout.meta["alt"]


def test_report_run_counts_its_failed_checks():
    run = ReportRun(Path("x"), {"checks": [{"passed": True}, {"passed": False}]})
    assert len(run.failed_checks) == 1
