"""One answer from a shell: each command prints what its question answers."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner

from tests.unit.market_lake import MarketLake
from workbench import market as questions
from workbench.cli import cli, main
from workbench.cli.quality import QUESTIONS
from workbench.lake.session import Session
from workbench.lake.table_text import for_people, shown

CALLS: list[tuple[list[str], str, dict[str, Any]]] = [
    (["vwap", "AAPL"], "vwap_curve", {"symbol": "AAPL"}),
    (
        ["profile", "MSFT", "--bucket", "5m", "--days", "4", "--as-of", "2024-08-07"],
        "volume_profile",
        {"symbol": "MSFT", "bucket": "5m", "days": 4, "as_of": "2024-08-07"},
    ),
    (["spread", "AAPL", "--minutes", "30"], "spread_curve", {"symbol": "AAPL", "minutes": 30}),
    (["alerts", "--symbol", "XOM"], "alert_outcomes", {"symbol": "XOM"}),
    (["orders", "--by", "venue", "--hours", "50"], "order_rates", {"by": "venue", "hours": 50}),
    (["exposure"], "exposure_by_sector", {}),
    (
        ["exposure", "A1", "--as-of", "2024-08-07"],
        "exposure_by_sector",
        {"account_id": "A1", "as_of": "2024-08-07"},
    ),
    (["portfolio", "A1"], "portfolio", {"account_id": "A1"}),
    (
        ["portfolio", "A1", "--history", "1h", "--days", "3"],
        "portfolio_history",
        {"account_id": "A1", "every": "1h", "days": 3},
    ),
    *(
        (["quality", what], question, {})
        for what, (question, _) in QUESTIONS.items()
        if what != "summary"
    ),
    (["quality"], "data_quality", {}),
    (
        ["quality", "gaps", "--minutes", "60", "--symbol", "AAPL"],
        "trading_gaps",
        {"minutes": 60, "symbol": "AAPL"},
    ),
]


@pytest.fixture(autouse=True)
def project(market: MarketLake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_PROJECT", str(market.settings.project))


def as_json(value: Any) -> Any:
    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    return value.isoformat() if hasattr(value, "isoformat") else value


@pytest.mark.parametrize(("line", "question", "arguments"), CALLS, ids=str)
def test_a_command_prints_what_its_question_answers(
    line: list[str], question: str, arguments: dict[str, Any], market_session: Session
) -> None:
    done = CliRunner().invoke(cli, [*line, "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    expected = getattr(questions, question)(market_session, **arguments).arrow().to_pylist()
    assert expected
    assert json.loads(done.stdout) == [
        {name: as_json(value) for name, value in row.items()} for row in expected
    ]


def test_a_table_has_units_and_says_when(market_session: Session) -> None:
    done = CliRunner().invoke(cli, ["quality"], catch_exceptions=False)
    assert "duplicate events" in done.stdout
    assert "[%]" in done.stdout
    assert "5 rows · as of 2024-08-08" in done.stdout


def test_an_option_that_a_question_does_not_take_is_refused() -> None:
    done = CliRunner().invoke(cli, ["quality", "duplicates", "--minutes", "3"])
    assert done.exit_code == 2
    assert "duplicates takes no --minutes" in done.output


@pytest.mark.parametrize("words", [["--days", "3"], ["--history", "1d", "--open-only"]])
def test_options_of_a_history_and_of_positions_do_not_mix(words: list[str]) -> None:
    done = CliRunner().invoke(cli, ["portfolio", "A1", *words])
    assert done.exit_code == 2 and "is for" in done.output


def test_an_unknown_word_is_refused() -> None:
    done = CliRunner().invoke(cli, ["quality", "gap"])
    assert done.exit_code == 2


@pytest.mark.parametrize(
    "line", [["portfolio", "A11"], ["portfolio", "A11", "--history", "1d"], ["exposure", "A11"]]
)
def test_a_misspelt_account_is_an_error_of_usage(
    line: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(line)
    assert end.value.code == 2
    assert capsys.readouterr().err == "error: no account 'A11': did you mean 'A1'?\n"


def test_a_moment_before_the_data_says_where_it_begins() -> None:
    done = CliRunner().invoke(cli, ["portfolio", "A1", "--as-of", "2001-01-01"])
    assert done.stdout.splitlines()[-2].startswith("0 rows")
    last = done.stdout.splitlines()[-1]
    assert last.startswith("first data: market.trades begins at 2024-07-2")
    assert last.endswith("UTC, after the as-of")
    assert (
        json.loads(CliRunner().invoke(cli, ["top", "--as-of", "2001-01-01", "--json"]).stdout) == []
    )


class Terminal:
    """Says that it is one, and how wide."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr("workbench.cli.answers.sys", self)

    @property
    def stdout(self) -> Terminal:
        return self

    def isatty(self) -> bool:
        return True


def test_a_table_is_as_wide_as_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = CliRunner().invoke(cli, ["portfolio", "A1"]).stdout
    Terminal(monkeypatch, 80)
    table, rule, *_, hidden, count = (
        CliRunner().invoke(cli, ["portfolio", "A1"]).stdout.splitlines()
    )
    assert len(table) <= 80 and len(rule) <= 80 and "average_cost" not in table
    assert (
        "more columns (--wide, .wide or --json shows them): " in hidden and "cost_basis" in hidden
    )
    assert count.startswith("5 rows")
    assert CliRunner().invoke(cli, ["portfolio", "A1", "--wide"]).stdout == whole
    assert "unrealised_fifo" in whole.splitlines()[0]


def test_money_has_the_digits_people_read_and_json_has_all(market_session: Session) -> None:
    table = CliRunner().invoke(cli, ["portfolio", "A1"]).stdout
    told = json.loads(CliRunner().invoke(cli, ["portfolio", "A1", "--json"]).stdout)
    exact = questions.portfolio(market_session, "A1").arrow().to_pylist()
    assert [row["net_cost"] for row in told] == [as_json(row["net_cost"]) for row in exact]
    for row in exact:
        assert f" {shown(for_people(row['net_cost']))} " in table
        assert as_json(row["net_cost"]) not in table
