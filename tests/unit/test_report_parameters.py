"""A notebook in a project's folder is a report: its parameters cell is typed, and never run."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import workbench
from workbench.cli import cli
from workbench.config import Settings, load_settings
from workbench.errors import StaleData, UsageError
from workbench.reports.freshness import FreshnessLimits, grade, limits_of
from workbench.reports.parameters import parse_parameters
from workbench.reports.registry import all_reports, notebook_of, report_named
from workbench.reports.template import new_report
from workbench.reports.typed_cell import parameters_of_cell, spec_of_notebook

NOON = datetime(2024, 8, 8, 12, tzinfo=UTC)


def notebook(settings: Settings, name: str, source: str, **metadata: Any) -> Path:
    cell = {
        "cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": source,
        "outputs": [], "execution_count": None, "id": "parameters",
    }  # fmt: skip
    path = settings.project / "notebooks" / f"{name}.ipynb"
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        json.dumps({"cells": [cell], "metadata": metadata, "nbformat": 4, "nbformat_minor": 5})
    )
    return path


CELL = """\
as_of: str | None = None
# a line of its own
top: int = 10  # symbols in the ranking
share: float = 0.5
exact: Decimal = "1.5"
since: "date" = "2024-01-01"
until: datetime | None = None
side: Literal["BUY", "SELL"] = "BUY"
symbols: list[str] = []
counts: dict[str, int] = {}
verbose = False
name = None
snapshots = {}
"""


def test_types_come_from_the_cell() -> None:
    model = parameters_of_cell(CELL, {})
    given = {
        "as_of": "2024-08-08", "top": "3", "share": "0.25", "exact": "2.50", "since": "2024-02-01",
        "until": "2024-08-08T12:00:00Z", "side": "SELL", "symbols": "AAPL, KO", "verbose": "true",
        "counts": '{"raw.trades": 7}', "name": "none",
    }  # fmt: skip
    typed: Any = model.model_validate(given)
    assert typed.as_of.isoformat() == "2024-08-08T23:59:59.999999+00:00"
    assert (typed.top, typed.share, typed.exact) == (3, 0.25, Decimal("2.50"))
    assert (typed.since, typed.until) == (date(2024, 2, 1), NOON)
    assert (typed.symbols, typed.counts) == (["AAPL", "KO"], {"raw.trades": 7})
    assert typed.verbose is True and typed.name is None
    assert "snapshots" not in model.model_fields
    assert model.model_fields["top"].description == "symbols in the ranking"
    plain = typed.model_dump(mode="json")
    assert (plain["exact"], plain["since"]) == ("2.50", "2024-02-01")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"tpo": "3"}, "no parameter 'tpo': did you mean 'top'"),
        ({"top": "many"}, "parameter top"),
        ({"top": "51"}, "less than or equal to 50"),
        ({"side": "HOLD"}, "'BUY' or 'SELL'"),
        ({"since": "soon"}, "parameter since"),
        ({"counts": '{"raw.trades": "x"}'}, "parameter counts.raw.trades"),
    ],
)
def test_a_wrong_value_is_an_error(settings: Settings, given: Any, expected: str) -> None:
    path = notebook(settings, "mine", CELL)
    path.with_suffix(".toml").write_text("[parameters.top]\nge = 1\nle = 50\n")
    with pytest.raises(UsageError, match=expected):
        parse_parameters(report_named(settings, "mine"), given)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("top = len([1])", "line 1: the default is no constant"),
        ("import os", "line 1: only assignments of constants"),
        ("x = 1\nprint(x)", "line 2: only assignments"),
        ("top: Frame = 1", "the type 'Frame' is not known: known: str, int"),
        ("top: int = 'many'", "parameters cell, line 1: .*top"),
        ("top = (", "line 1"),
        ("top = 1j", "the default 1j has a type that is not known"),
        # What Python, its parser and pydantic each refuse in their own way.
        ("top = 1\n_x = 1", "line 2: Fields must not use names with leading underscores"),
        ("top = 1\nx = {[1]: 2}", "line 2: the default is no constant"),
        ('top = 1\nx: "list[" = 1', r"line 2: the type 'list\[' cannot be read"),
        ("top = 1\nx: Literal[()] = 1", "line 2: .*cannot be empty"),
        ("x = " + "-" * 5000 + "1", "the parameters cell: it is no Python"),
        ("x = '\0'", "the parameters cell.*: .*null bytes"),
        ("model_dump = 1", "line 1: .*conflicts with member"),
        ("top: int = 51", "line 1: .*less than or equal to 50"),
    ],
)
def test_a_cell_that_cannot_be_read_says_where(source: str, expected: str) -> None:
    with pytest.raises(UsageError, match=expected):
        parameters_of_cell(source, {"top": {"le": 50}} if "51" in source else {})


@pytest.mark.parametrize("source", ["_x = 1", "x = {[1]: 2}", 'x: "list[" = 1', "x = '\0'"])
def test_a_notebook_that_cannot_be_read_hides_no_other(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.setenv("WORKBENCH_PROJECT", str(settings.project))
    notebook(settings, "broken", source)
    notebook(settings, "whole", CELL)
    done = CliRunner().invoke(cli, ["report", "list"], catch_exceptions=False)
    assert "whole" in done.stdout and "market_day" in done.stdout
    with pytest.raises(UsageError, match=r"broken\.ipynb, parameters cell"):
        report_named(settings, "broken")


def test_the_cell_is_read_and_never_run(settings: Settings, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    path = notebook(settings, "trap", f"top = open({str(trap)!r}, 'w').write('x')")
    with pytest.raises(UsageError, match="no constant"):
        spec_of_notebook(path)
    assert [spec.name for spec in all_reports(settings)] == _shipped(settings)
    assert not trap.exists()


def _shipped(settings: Settings) -> list[str]:
    return [spec.name for spec in all_reports(load_settings(settings.project / "elsewhere"))]


def test_a_toml_beside_the_notebook_adds_title_freshness_and_bounds(settings: Settings) -> None:
    path = notebook(settings, "mine", CELL)
    path.with_suffix(".toml").write_text(
        'title = "Mine & yours"\n[freshness]\ndegraded_after = "90m"\nstale_after = "3d"\n'
        '[parameters.side]\nchoices = ["BUY"]\ndescription = "which side"\n'
    )
    spec = report_named(settings, "mine")
    assert spec.title == "Mine & yours"
    assert spec.freshness == FreshnessLimits(timedelta(minutes=90), timedelta(days=3))
    assert spec.parameters.model_fields["side"].description == "which side"
    assert notebook_of(settings, spec) == path
    with pytest.raises(UsageError, match="parameter side"):
        parse_parameters(spec, {"side": "SELL"})


def test_the_freshness_of_a_view_is_that_of_its_table(settings: Settings) -> None:
    path = notebook(settings, "mine", CELL)
    path.with_suffix(".toml").write_text('[freshness]\ntable = "market.executions"\n')
    spec = report_named(settings, "mine")
    assert spec.freshness is not None and spec.freshness.table == "market.trades"


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ("titel = 'x'", "no key 'titel'"),
        ("[parameters.tpo]\nge = 1", "no parameter 'tpo'"),
        ("[parameters.top]\nmin = 1", "no bound 'min'"),
        ("[freshness]\nstale_after = 'soon'", "is no duration"),
        ("[freshness]\nstale = '1d'", "no key 'stale'"),
        ("[freshness]\ntable = 'market.trade'", "no table 'market.trade': .*'market.trades'"),
        ("[freshness]\ntable = 'market.execution'", "did you mean 'market.executions'"),
        ("[freshness]\ntable = 'reference.symbols'", "no table 'reference.symbols'"),
        ("freshness = '1d'", r"freshness is no table: write \[freshness\]"),
        ("[parameters]\ntop = 5", r"parameters.top is no table: write \[parameters.top\]"),
        ("[parameters.name]\npattern = '['", 'line 12: .*"name"'),
        ("title =", "is not TOML"),
    ],
)
def test_a_toml_that_cannot_be_used_says_why(settings: Settings, toml: str, expected: str) -> None:
    notebook(settings, "mine", CELL).with_suffix(".toml").write_text(toml)
    with pytest.raises(UsageError, match=expected):
        report_named(settings, "mine")


def test_what_is_no_report_is_not_listed(settings: Settings) -> None:
    notebook(settings, "look", CELL, workbench={"kind": "exploration"})
    (settings.project / "notebooks" / "torn.ipynb").write_text("{")
    notebook(settings, "a b", CELL)
    assert [spec.name for spec in all_reports(settings)] == _shipped(settings)
    with pytest.raises(UsageError, match="notebook look is no report"):
        report_named(settings, "look")


def test_a_new_report_is_a_report(settings: Settings) -> None:
    new_report(settings, "my_day")
    made = report_named(settings, "my_day")
    assert made.title == "My day"
    with pytest.raises(UsageError, match=r"parameter top: .* less than or equal to 50, got '1000'"):
        parse_parameters(made, {"top": "1000"})
    for name, expected in (
        ("my_day", "is there already"),
        ("market_day", "ships with the workbench"),
        ("../x", "cannot be the name"),
    ):
        with pytest.raises(UsageError, match=expected):
            new_report(settings, name)


# ---------------------------------------------------------------- freshness


@pytest.mark.parametrize(
    ("newest", "asked", "expected"),
    [
        (NOON, NOON, "fresh: market.trades reaches the as-of"),
        (NOON, NOON + timedelta(minutes=59), "fresh: market.trades ends 59 min before the as-of"),
        (NOON, NOON + timedelta(hours=1), "degraded: market.trades ends 1 h before the as-of"),
        (NOON, NOON + timedelta(days=1), "stale: market.trades ends 1 d before the as-of"),
        # A wrong year is not a fresh report of zeros.
        (None, NOON - timedelta(days=99), "stale: market.trades has no rows up to the as-of"),
        # Nobody asked, or for a time to come: the clock counts.
        (NOON, None, "stale: market.trades ends 9 d before the start of the run"),
        (NOON, NOON + timedelta(days=99), "stale: market.trades ends 9 d before the start"),
        (None, None, "stale: market.trades has no rows"),
    ],
)
def test_freshness(newest: datetime | None, asked: datetime | None, expected: str) -> None:
    found = grade(newest, asked, NOON + timedelta(days=9), FreshnessLimits())
    assert found.in_words().startswith(expected)


def test_stale_is_an_error_where_it_is_asked_to_be() -> None:
    limits = FreshnessLimits()
    grade(NOON, None, NOON + timedelta(hours=2), limits).raise_if_stale("mine")
    with pytest.raises(
        StaleData, match="newest event 2024-08-08 12:00:00 UTC, stale from 1 d"
    ) as e:
        grade(NOON, None, NOON + timedelta(days=2), limits).raise_if_stale("mine")
    assert e.value.exit_code == 4


def test_limits_are_the_reports_own_unless_the_settings_say_otherwise(tmp_path: Path) -> None:
    own = FreshnessLimits(timedelta(minutes=1), timedelta(minutes=2), "market.price_alerts")
    for_all = {
        "degraded_after_s": 10,
        "stale_after_s": 20,
        "limits": {"mine": {"stale_after_s": 30}},
    }
    settings = load_settings(tmp_path, reports=for_all)
    seconds = timedelta(seconds=1)
    assert limits_of(settings, "other", None) == FreshnessLimits(10 * seconds, 20 * seconds)
    assert limits_of(settings, "other", own) == own
    books = report_named(settings, "orderbook_liquidity")
    assert limits_of(settings, books.name, books.freshness, books.table) == FreshnessLimits(
        10 * seconds, 20 * seconds, "market.orderbook_metrics"
    )
    assert limits_of(settings, "mine", own) == FreshnessLimits(
        60 * seconds, 30 * seconds, "market.price_alerts"
    )


def test_report_new_says_what_to_do_next(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_PROJECT", str(settings.project))
    done = CliRunner().invoke(cli, ["report", "new", "my_day"], catch_exceptions=False)
    assert done.stdout == f"{settings.project / 'notebooks' / 'my_day.ipynb'}\n"
    assert "workbench report run my_day\n" in done.stderr


def test_bounds_that_are_there_already_are_nobody_elses(settings: Settings) -> None:
    file = settings.project / "notebooks" / "my_day.toml"
    file.parent.mkdir()
    file.write_text("# mine")
    with pytest.raises(UsageError, match=r"my_day\.toml is there already"):
        new_report(settings, "my_day")
    assert file.read_text() == "# mine" and not file.with_suffix(".ipynb").exists()


def test_a_parameter_of_the_report_that_is_given_as_an_option_says_where_it_goes(
    settings: Settings,
) -> None:
    with pytest.raises(UsageError, match=r"no option 'top': .* parameters=\{'top': \.\.\.\}"):
        workbench.reports.run("market_day", settings=settings, top=3)
