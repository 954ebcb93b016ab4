"""What is printed as JSON is JSON, whatever the rows hold."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from workbench.cli import main
from workbench.cli.output import print_json, print_rows
from workbench.lake.table_text import text_table

INFINITE = float("inf")
NAN = float("nan")


def strict(text: str) -> Any:
    """Read JSON as every other reader does: without Python's NaN and Infinity."""

    def refuse(name: str) -> None:
        pytest.fail(f"{name} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_a_number_that_json_has_not_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    row = (INFINITE, -INFINITE, NAN, Decimal("NaN"), 1.5, Decimal("1.50"))
    print_rows("abcdef", [row], "json")
    assert strict(capsys.readouterr().out) == [
        {"a": None, "b": None, "c": None, "d": None, "e": 1.5, "f": "1.50"}
    ]


def test_also_inside_lists_structs_and_maps(capsys: pytest.CaptureFixture[str]) -> None:
    day = date(2024, 8, 8)
    print_json({"list": [NAN, 1.0], "struct": {"x": INFINITE, "d": day}, "map": [(day, NAN)]})
    assert strict(capsys.readouterr().out) == {
        "list": [None, 1.0],
        "struct": {"x": None, "d": "2024-08-08"},
        "map": [["2024-08-08", None]],
    }


def test_the_other_forms_say_what_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows("ab", [(INFINITE, NAN)], "csv")
    assert capsys.readouterr().out == "a,b\ninf,nan\n"


def test_a_cell_may_not_take_no_time(capsys: pytest.CaptureFixture[str]) -> None:
    for seconds in ("0", "-1"):
        with pytest.raises(SystemExit) as end:
            main(["report", "run", "market_day", "--cell-timeout", seconds])
        assert end.value.code == 2
        assert "--cell-timeout" in capsys.readouterr().err


def test_a_run_without_a_name_is_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["report", "show", ""])
    assert end.value.code == 2
    assert "RUN is empty" in capsys.readouterr().err


def test_a_table_shows_what_a_terminal_might_act_on(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(("problem",), [("a\x1b[2J\nb",)])
    assert capsys.readouterr().out == "problem\n-----------\na\\x1b[2J\\nb\n"
    assert "\x1b" not in text_table(["\x1b]0;x\x07"], [["A\x1b[2J"]], {})
    print_rows(("problem",), [("a\x1b[2J",)], "json")
    assert strict(capsys.readouterr().out) == [{"problem": "a\x1b[2J"}]
