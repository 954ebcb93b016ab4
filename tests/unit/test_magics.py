"""`%load_ext workbench`: questions in cells, one-line errors, values bound, names completed."""

from __future__ import annotations

import asyncio
import inspect
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

import workbench as wb
from tests.unit.conftest import Land
from tests.unit.lake_rows import at, trade
from workbench.config import Settings
from workbench.errors import LakeError, QueryTimeout, UsageError
from workbench.lake.result import Result
from workbench.lake.write import append
from workbench.notebook import current

ALERT = pa.Table.from_pylist(
    [
        {"alert_id": "a", "alert_type": "PRICE_MOVEMENT", "symbol": "AAPL", "direction": "UP",
         "baseline_price": Decimal(1), "current_price": Decimal(2), "pct_change": Decimal(100),
         "window_start": at(), "detected_at": at(), "severity": "LOW", "source_topic": "t",
         "source_partition": 0, "source_offset": 0, "source_time": at()}
    ]
)  # fmt: skip


@pytest.fixture
def shell(
    lake: Settings, land: Land, monkeypatch: pytest.MonkeyPatch
) -> Iterator[InteractiveShell]:
    land(trade(1, price="1.50"), trade(2, symbol="MSFT"))
    monkeypatch.setenv("WORKBENCH_PROJECT", str(lake.project))
    monkeypatch.setattr(current, "_current", None)
    current._others.clear()
    made = InteractiveShell()
    made.run_line_magic("load_ext", "workbench")
    yield made
    if current._current is not None:
        current._current.close()
    made.history_manager.end_session()


def run(shell: InteractiveShell, cell: str) -> Any:
    """The value of a cell; its error is raised."""
    with capture_output():
        done = shell.run_cell(cell)
    if done.error_in_exec or done.error_before_exec:
        raise done.error_in_exec or done.error_before_exec
    return done.result


def said(shell: InteractiveShell, cell: str) -> str:
    """What a cell that fails shows."""
    with capture_output() as shown:
        done = shell.run_cell(cell)
    assert done.error_in_exec is not None
    return str(shown.stdout + shown.stderr).strip()


def test_a_line_is_answered_and_can_be_assigned(shell: InteractiveShell) -> None:
    shown = run(shell, "%sql SELECT count(*) FROM market.trades")
    assert isinstance(shown, Result)
    assert shown.rows() == [(2,)]
    run(shell, "found = %sql SELECT symbol FROM market.trades ORDER BY 1")
    assert shell.user_ns["found"].rows() == [("AAPL",), ("MSFT",)]


def test_a_cell_goes_into_a_variable_in_the_form_that_is_asked_for(
    shell: InteractiveShell,
) -> None:
    query = "SELECT symbol, price\nFROM market.trades ORDER BY symbol"
    kinds = {"df": pd.DataFrame, "pl": pl.DataFrame, "arrow": pa.Table}
    for form, kind in kinds.items():
        assert run(shell, f"%%sql found << -o {form}\n{query}") is None
        assert isinstance(shell.user_ns["found"], kind)
        assert len(shell.user_ns["found"]) == 2
    assert run(shell, f"%%wb -o rel\n{query}").fetchall()[0][0] == "AAPL"
    run(shell, f"%%sql found <<\n{query}")
    assert isinstance(shell.user_ns["found"], Result)


def test_the_query_may_begin_on_the_line_and_have_several_statements(
    shell: InteractiveShell,
) -> None:
    assert run(shell, "%%sql SELECT 1 AS a,\n2 AS b -- last").rows() == [(1, 2)]
    two = "%%sql\nCREATE TEMP TABLE mine AS SELECT $n AS n;\nFROM mine;"
    shell.user_ns["n"] = 7
    assert run(shell, two).rows() == [(7,)]


def test_variables_are_bound_and_never_pasted(shell: InteractiveShell) -> None:
    evil = "x' OR '1'='1"
    shell.user_ns.update(symbol=evil, limit=np.int64(1), day=pd.Timestamp("2024-08-08", tz="UTC"))
    query = "SELECT count(*) FROM market.trades WHERE symbol = $symbol"
    assert run(shell, f"%sql {query}").rows() == [(0,)]
    assert run(shell, f"%%sql\n{query}").rows() == [(0,)]
    assert run(shell, "%sql SELECT $symbol AS s, '{symbol}' AS t").rows() == [(evil, "{symbol}")]
    count = "%sql SELECT count(*) FROM market.trades WHERE event_time > $day LIMIT $limit"
    assert run(shell, count).rows() == [(2,)]
    shell.user_ns["wanted"] = ["AAPL", "KO"]
    listed = "%sql SELECT symbol FROM market.trades WHERE list_contains($wanted, symbol)"
    assert run(shell, listed).rows() == [("AAPL",)]


def test_as_of_reads_another_moment_and_leaves_the_session_where_it_is(
    shell: InteractiveShell, land: Land
) -> None:
    middle = datetime.now(UTC)
    land(trade(3))
    wb.refresh()
    count = "SELECT count(*) FROM market.trades"
    assert run(shell, f"%sql {count}").rows() == [(3,)]
    assert run(shell, f"%sql --as-of {middle.isoformat()} {count}").rows() == [(2,)]
    shell.user_ns["then"] = middle
    assert run(shell, f"%%sql --as-of $then\n{count}").rows() == [(2,)]
    assert run(shell, f"%%sql --as-of='2001-01-01'\n{count}").rows() == [(0,)]
    assert wb.sql(count, as_of="2001-01-01").rows() == [(0,)]
    assert wb.sql(count).rows() == [(3,)]


def test_snapshots_of_the_magic_and_of_the_function_are_the_same(
    shell: InteractiveShell, lake: Settings, land: Land
) -> None:
    count = "SELECT count(*) FROM market.trades"
    earlier = wb.sql(count)
    land(trade(3))
    append(lake, "market.price_alerts", ALERT)
    wb.refresh()
    chosen = earlier.snapshots
    from_magic = run(shell, f"%sql --snapshot market.trades={chosen['market.trades']} {count}")
    answer = wb.sql(count, snapshots=chosen)
    assert answer.rows() == from_magic.rows() == [(2,)]
    assert answer.snapshots == from_magic.snapshots == chosen
    assert wb.sql(count).rows() == [(3,)]
    # Other tables are as the notebook sees them; where a moment is given, as they were then.
    alerts = "SELECT (SELECT count(*) FROM market.trades), count(*) FROM market.price_alerts"
    assert wb.sql(alerts, snapshots=chosen).rows() == [(2, 1)]
    assert wb.sql(alerts, snapshots=chosen, as_of="2001-01-01").rows() == [(2, 0)]
    both = {**chosen, "market.price_alerts": None}
    assert wb.sql(alerts, snapshots=both).rows() == [(2, 0)]
    assert wb.sql(alerts, snapshots={}).rows() == [(3, 1)]
    with pytest.raises(UsageError, match=r"did you mean 'market\.trades'"):
        wb.sql(count, snapshots={"market.trade": chosen["market.trades"]})
    with pytest.raises(LakeError, match="no snapshot"):
        wb.sql(count, snapshots={"market.trades": "1"})


def test_the_session_is_pinned_until_it_is_refreshed(shell: InteractiveShell, land: Land) -> None:
    count = "%sql SELECT count(*) FROM market.trades"
    first = run(shell, count)
    land(trade(3))
    assert run(shell, count).rows() == first.rows() == [(2,)]
    assert wb.refresh() is wb.session()
    assert run(shell, count).rows() == [(3,)]


def test_another_session_can_be_asked(shell: InteractiveShell) -> None:
    with wb.open(as_of="2001-01-01") as past:
        assert wb.session(past) is past
        assert run(shell, "%sql SELECT count(*) FROM market.trades").rows() == [(0,)]
    assert wb.sql("SELECT count(*) FROM market.trades").rows() == [(2,)]
    with pytest.raises(UsageError, match="a session is needed, got str"):
        wb.session("2001-01-01")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        ("%sql FROM market.tradez", "error: no table 'tradez': did you mean 'market.trades'?"),
        ("%%sql\nSELECT pri FROM market.trades", "error: no column 'pri': did you mean 'price'?"),
        ("%%sql -o dff\nSELECT 1", "error: no form 'dff': did you mean 'df'?"),
        ("%%sql class <<\nSELECT 1", "error: 'class' is a word of Python, no variable: class_ <<"),
        ("%sql --as_of 2024 SELECT 1", "error: no option '--as_of': did you mean '--as-of'?"),
        ("%%sql x << --as-of soon\nSELECT 1", "error: as_of is not a time: 'soon'"),
        ("%sql", "error: nothing to ask: for example: %sql FROM market.trades LIMIT 5"),
        ("%sql SELECT $symbl", "error: no variable 'symbl' for $symbl: did you mean 'symbol'?"),
        ("%sql SELECT $zzz", "error: no variable 'zzz' for $zzz: set zzz = ... before"),
        ("%sql SELECT ?", "error: parameters need names in a magic"),
        ("%sql SELECT $frame", "error: $frame is a DataFrame: bind a number"),
        ("%sql SELECT $thing", "error: "),
        ("%sql SELECT CAST(symbol AS INTEGER) FROM market.trades", "error: Could not convert"),
        ("%sql SELEC 1", "error: syntax error"),
    ],
)  # fmt: skip
def test_an_error_is_one_line_and_fails_the_cell(
    shell: InteractiveShell, cell: str, message: str
) -> None:
    shell.user_ns.update(symbol="AAPL", frame=pd.DataFrame({"x": [1]}), thing=object())
    shown = said(shell, cell)
    assert shown.startswith(message)
    assert len(shown.splitlines()) == 1


def test_debug_shows_where_it_happened(shell: InteractiveShell) -> None:
    shown = said(shell, "%sql --debug FROM market.tradez")
    assert "Traceback" in shown
    assert "did you mean 'market.trades'?" in shown


def test_an_error_of_a_function_is_one_line_and_says_which(shell: InteractiveShell) -> None:
    known = "error: no column 'pri': did you mean 'price'?"
    wrong = 'wb.sql("SELECT pri FROM market.trades")'
    assert said(shell, f"import workbench as wb; {wrong}") == known
    assert said(shell, f"x = 1\n\n{wrong}") == f"{known} (line 3: {wrong})"
    asked = f"def ask():\n    {wrong}\n\nask()"
    assert said(shell, asked) == f"{known} (line 2: {wrong})"
    late = "wb.sql('SELECT CAST(symbol AS INTEGER) FROM market.trades').df()"
    shown = said(shell, f"y = 1\n{late}")
    assert shown.startswith("error: ") and len(shown.splitlines()) == 1
    shell.run_line_magic("xmode", "Verbose")
    assert "Traceback" in said(shell, wrong)
    shell.run_line_magic("xmode", "Context")
    assert "Traceback" in said(shell, "1 / 0")
    shell.run_line_magic("unload_ext", "workbench")
    assert "Traceback" in said(shell, wrong)


def test_without_a_lake_the_line_says_how_to_make_one(
    shell: InteractiveShell, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.setenv("WORKBENCH_PROJECT", str(tmp_path / "other"))
    monkeypatch.setattr(current, "_current", None)
    assert "workbench tables apply" in said(shell, "%sql SELECT 1")
    with pytest.raises(LakeError, match="no lake in"):
        wb.session()


def test_the_sql_magic_of_others_is_left_alone(shell: InteractiveShell) -> None:
    shell.run_line_magic("unload_ext", "workbench")
    assert "sql" not in shell.magics_manager.magics["cell"]
    shell.register_magic_function(lambda line, cell: "theirs", "cell", "sql")
    with pytest.warns(UserWarning, match="use %%wb"):
        shell.run_line_magic("load_ext", "workbench")
    assert run(shell, "%%sql\nSELECT 1") == "theirs"
    assert run(shell, "%%wb\nSELECT 1 AS a").rows() == [(1,)]
    assert "market.trades" not in completed(shell, "%%sql\nFROM market.tr")
    assert "market.trades" in completed(shell, "%%wb\nFROM market.tr")
    shell.run_line_magic("unload_ext", "workbench")
    assert run(shell, "%%sql\nSELECT 1") == "theirs"


def test_an_extension_that_is_loaded_later_is_told_of_once(shell: InteractiveShell) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(shell, "%sql SELECT 1")
    for kind in ("line", "cell"):
        shell.register_magic_function(lambda line, cell="": "theirs", kind, "sql")
    with pytest.warns(UserWarning, match="use %%wb") as told:
        assert run(shell, "%%sql\nSELECT 1") == "theirs"
        run(shell, "1")
    assert len(told) == 1
    assert run(shell, "%%wb\nSELECT 1 AS a").rows() == [(1,)]
    shell.run_line_magic("unload_ext", "workbench")
    assert run(shell, "%%sql\nSELECT 1") == "theirs"
    callbacks = shell.events.callbacks["post_run_cell"]
    assert not [each for each in callbacks if hasattr(each, "workbench")]


def test_loading_twice_is_loading_once(shell: InteractiveShell) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        shell.run_line_magic("reload_ext", "workbench")
        wb.load_ipython_extension(shell)
    assert len(shell.Completer.custom_matchers) == 1
    assert run(shell, "%sql SELECT 1 AS a").rows() == [(1,)]


def completed(shell: InteractiveShell, cell: str, at: int | None = None) -> list[str]:
    """What a front end is offered at a place of a cell."""
    from IPython.core.completer import provisionalcompleter, rectify_completions

    place = len(cell) if at is None else at
    with provisionalcompleter():
        found = rectify_completions(cell, list(shell.Completer.completions(cell, place)))
        return [each.text for each in found]


@pytest.mark.parametrize("jedi", [True, False])
def test_tables_and_columns_are_completed_in_magic_cells(
    shell: InteractiveShell, jedi: bool
) -> None:
    shell.Completer.use_jedi = jedi
    assert completed(shell, "%%sql\nSELECT *\nFROM market.tr")[0] == "market.trades"
    assert completed(shell, "%sql FROM market.ex") == ["market.executions"]
    assert completed(shell, "n = %sql SELECT count(*) FROM ops.dead_letters WHERE error_t") == [
        "error_type"
    ]
    alias = "%%sql\nSELECT t.pri\nFROM market.trades AS t"
    assert completed(shell, alias, alias.index("\nFROM")) == ["t.price"]
    shell.user_ns["my_symbol"] = "AAPL"
    assert completed(shell, "%sql SELECT $my_s") == ["my_symbol"]
    assert completed(shell, "%%sql -o d") == ["df"]
    assert completed(shell, "%%sql --as") == ["--as-of"]
    assert "event_time" not in completed(shell, "event_t")
    assert completed(shell, "%%sql\nSELECT 'event_t") == []
    for before in ("-- don't\n", "/* it's\n-- 'x */", "SELECT 'it''s', \"a'b\", $$ ' $$ "):
        assert completed(shell, f"%%sql\n{before}FROM market.tr")[0] == "market.trades"
    for before in ("-- don't ", "/* it\n", "SELECT '-- \n", "SELECT $t$ it's\n"):
        assert completed(shell, f"%%sql\n{before}FROM market.tr") == []
    assert "event_time" in completed(shell, '%%sql\nSELECT "event_t')


def test_the_kernel_answers_jupyterlabs_requests(shell: InteractiveShell) -> None:
    """`do_complete` is what a completion request of JupyterLab comes to."""
    from ipykernel.ipkernel import IPythonKernel

    asked = "%%sql found <<\nSELECT pric FROM market.trades"
    reply = IPythonKernel.do_complete(_Kernel(shell), asked, asked.index(" FROM"))  # type: ignore[arg-type]
    if inspect.isawaitable(reply):
        reply = asyncio.run(reply)  # type: ignore[arg-type]
    assert isinstance(reply, dict)
    assert reply["matches"] == ["price"]
    assert asked[reply["cursor_start"] : reply["cursor_end"]] == "pric"


class _Kernel:
    """As much of a kernel as completion needs."""

    use_experimental_completions = True

    def __init__(self, shell: InteractiveShell) -> None:
        self.shell = shell

    def _experimental_do_complete(self, code: str, cursor_pos: int) -> dict[str, Any]:
        from ipykernel.ipkernel import IPythonKernel

        return dict(IPythonKernel._experimental_do_complete(self, code, cursor_pos))  # type: ignore[arg-type]


def test_values_of_cells_are_text_in_what_a_notebook_shows(
    shell: InteractiveShell, land: Land
) -> None:
    land(trade(3, symbol="<script>alert(1)</script>", trader_id='"><img src=x onerror=y>'))
    wb.refresh()
    shown = run(
        shell,
        '%sql SELECT symbol AS "<i>s</i>", trader_id FROM market.trades '
        "WHERE trade_id = 't3' -- </pre><script>",
    )
    for html in (shown._repr_html_(), shown.sql._repr_html_(), shown.lineage._repr_html_()):
        for tag in ("<script", "<img", "<i>"):
            assert tag not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown._repr_html_()


def test_a_table_of_a_result_is_accessible(shell: InteractiveShell) -> None:
    html = run(shell, "%sql SELECT symbol, price FROM market.trades")._repr_html_()
    assert html.count("<caption") == 1
    assert html.count('<th scope="col"') == 2
    assert "market.trades @" in html


def test_a_magic_has_a_time_limit_where_one_is_given(shell: InteractiveShell) -> None:
    endless = "SELECT max(hash(a.range, b.range)) FROM range(10000000) a, range(10000000) b"
    for text in (f"%sql --timeout 0.2 {endless}", f"%%sql x << --timeout=0.2 -o df\n{endless}"):
        with pytest.raises(QueryTimeout, match=r"took longer than 0\.2 s"):
            run(shell, text)
    with pytest.raises(QueryTimeout):
        wb.sql(endless, timeout_s=0.2).rows()
    assert run(shell, "%sql --timeout 60 SELECT 1 AS a").rows() == [(1,)]
    for wrong in ("soon", "0", "nan"):
        with pytest.raises(UsageError, match="seconds"):
            run(shell, f"%sql --timeout {wrong} SELECT 1")
