"""The shell of `workbench sql`: several lines, completion, history, saved queries."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from tests.unit.conftest import Land
from tests.unit.lake_rows import trade
from workbench.cli.sql import command
from workbench.cli.sql_prompt import (
    HISTORY_ENTRIES,
    EditorPrompt,
    PlainPrompt,
    names_completer,
    open_history,
)
from workbench.cli.sql_shell import Shell, is_complete
from workbench.config import Settings
from workbench.lake.session import open_session


@pytest.fixture
def project(
    lake: Settings, land: Land, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Settings:
    land(trade(1, price="1.50"), trade(2, symbol="MSFT"))
    monkeypatch.setenv("WORKBENCH_PROJECT", str(lake.project))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return lake


@pytest.fixture
def shell(project: Settings) -> Iterator[Shell]:
    with open_session(project, read_only=True) as session:
        yield Shell(session, None)


def test_it_answers_and_survives_mistakes(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    shell.answer("SELECT count(*) AS n\nFROM market.trades;")
    for line in (".tables", ".schema market.executions", ".help", ".refresh", ""):
        shell.answer(line)
    output = capsys.readouterr()
    assert output.err == ""
    assert output.out.splitlines()[:3] == ["n", "-", "2"]
    assert "quote currency" in output.out
    for line in (".tabels", ".schema market.trade", "SELECT simbol FROM market.trades;", ".run x"):
        shell.answer(line)
    assert capsys.readouterr().err.splitlines() == [
        "error: no command '.tabels': did you mean '.tables'?",
        "error: no table 'market.trade': did you mean 'market.trades'?",
        "error: no column 'simbol': did you mean 'symbol'?",
        "error: no saved query 'x': `.save NAME` keeps the last one",
    ]


def test_a_query_is_saved_listed_and_run_with_values(
    shell: Shell, project: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    shell.answer(".save early")
    assert "error: nothing was asked yet" in capsys.readouterr().err
    file = project.project / "queries" / "by_symbol.sql"
    file.parent.mkdir()
    file.write_text("SELECT trade_id FROM market.trades WHERE symbol = $symbol;\n")
    shell.answer(".run by_symbol symbol=MSFT")
    assert "t2" in capsys.readouterr().out
    shell.answer("""SELECT 1 AS one;""")
    shell.answer(".save one")
    assert (project.project / "queries" / "one.sql").read_text() == "SELECT 1 AS one;\n"
    shell.answer(".queries")
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[-2:]] == [
        "by_symbol",
        "one",
    ]
    for line, said in (
        (".save by_symbol", "'by_symbol' is another query already"),
        (".save ../evil", "'../evil' is no name for a query"),
        (".save a/b", "no name for a query"),
        (".run by_simbol", "no saved query 'by_simbol': did you mean 'by_symbol'?"),
        (".run by_symbol", "no value for $symbol: give symbol=VALUE"),
        (".run by_symbol simbol=MSFT", "$simbol is not in the query: did you mean 'symbol'?"),
        (".run by_symbol 'symbol=", "cannot be read"),
    ):
        shell.answer(line)
        error = capsys.readouterr().err
        assert said in error
        assert len(error.splitlines()) == 1
    shell.answer(".save by_symbol replace")
    assert file.read_text() == "SELECT 1 AS one;\n"


def test_values_of_saved_queries_are_bound(
    shell: Shell, project: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    (project.project / "queries").mkdir()
    file = project.project / "queries" / "q.sql"
    file.write_text("SELECT count(*) AS n FROM market.trades WHERE symbol = $s")
    shell.answer(""".run q "s=x' OR '1'='1" """)
    assert capsys.readouterr().out.splitlines()[2] == "0"
    shell.answer(".run q s=MSFT")
    assert capsys.readouterr().out.splitlines()[2] == "1"


def test_values_and_saved_queries_from_the_command_line(project: Settings) -> None:
    query = "SELECT symbol FROM market.trades WHERE symbol = $s AND price < $most LIMIT $n"
    values = ["-p", "s=AAPL", "-p", "most=1.6", "-p", "n=5", "--csv"]
    assert CliRunner().invoke(command, ["-c", query, *values]).output == "symbol\nAAPL\n"
    (project.project / "queries").mkdir()
    (project.project / "queries" / "q.sql").write_text(query)
    assert CliRunner().invoke(command, ["-q", "q", *values]).output == "symbol\nAAPL\n"


def test_statements_may_take_several_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = iter(["SELECT 1", "AS a;", ".tables", "SELECT"])

    def read(prompt: str) -> str:
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    monkeypatch.setattr("builtins.input", read)
    prompt = PlainPrompt(is_complete)
    assert [prompt.ask(), prompt.ask()] == ["SELECT 1\nAS a;", ".tables"]
    with pytest.raises(EOFError):
        prompt.ask()


def test_the_editor_keeps_several_lines_as_one(shell: Shell) -> None:
    with create_pipe_input() as keys:
        prompt = EditorPrompt(is_complete, shell.words, keys, DummyOutput())
        keys.send_text("SELECT price\rFROM market.trades;\r")
        assert prompt.ask() == "SELECT price\nFROM market.trades;"
        keys.send_text("\x1b[A\r")
        assert prompt.ask() == "SELECT price\nFROM market.trades;"
        keys.send_text(".tables\r")
        assert prompt.ask() == ".tables"
        keys.send_text("\x03")
        with pytest.raises(KeyboardInterrupt):
            prompt.ask()
        keys.send_text("\x04")
        with pytest.raises(EOFError):
            prompt.ask()


def test_the_editor_offers_what_the_shell_knows(shell: Shell) -> None:
    completer = names_completer(shell.words)
    typed = Document("SELECT t.pri FROM market.trades t", cursor_position=len("SELECT t.pri"))
    (found,) = completer.get_completions(typed, CompleteEvent())
    assert (found.text, found.start_position, found.display_meta_text) == ("t.price", -5, "column")


def test_names_are_completed(shell: Shell, project: Settings) -> None:
    (project.project / "queries").mkdir()
    (project.project / "queries" / "mine.sql").write_text("SELECT 1")

    def words(before: str) -> list[str]:
        return [text for text, _ in shell.words(before, "")]

    assert words("FROM market.ex") == ["market.executions"]
    assert words("SELECT event_t")[0] == "event_time"
    assert "SELECT" in words("sel")
    assert words("nothing_like_it") == []
    assert words(".sc") == [".schema"]
    assert words(".run m") == ["mine"]
    assert words(".refresh x") == []


def test_the_history_is_private_and_bounded(project: Settings) -> None:
    file = open_history()
    assert file is not None
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    file.chmod(0o644)
    entries = [f"\n# 2024-08-08 12:00:00\n+SELECT {n};\n" for n in range(HISTORY_ENTRIES + 10)]
    file.write_text("".join(entries))
    assert open_history() == file
    assert file.stat().st_mode & 0o777 == 0o600
    kept = re.findall(r"\+SELECT (\d+);", file.read_text())
    assert len(kept) == HISTORY_ENTRIES // 2
    assert kept[-1] == str(HISTORY_ENTRIES + 9)


def test_a_history_that_cannot_be_written_stops_nobody(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    assert open_history() is None
    with create_pipe_input() as keys:
        keys.send_text("SELECT 1;\r")
        assert EditorPrompt(is_complete, shell.words, keys, DummyOutput()).ask() == "SELECT 1;"


def test_a_person_at_a_terminal(project: Settings, tmp_path: Path) -> None:
    """The real command in a terminal: a question, a mistake, Ctrl-D."""
    parent, child = pty.openpty()
    program = "from workbench.cli import main; main(['sql'])"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=child, stdout=child, stderr=child, env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(child)
    terminal = Terminal(parent)
    try:
        terminal.until("lake>")
        os.write(parent, b"SELECT count(*) AS trades\rFROM market.trades;\r")
        assert "1 row" in terminal.until("market.trades @ ")
        terminal.until("lake>")
        os.write(parent, b"FROM market.tradez;\r")
        terminal.until("did you mean 'market.trades'?")
        terminal.until("lake>")
        os.write(parent, b"\x04")
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        os.close(parent)
    assert "market.tradez" in (tmp_path / "state/workbench/sql_history").read_text()


class Terminal:
    """The other side of a pseudo-terminal."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._unread = ""

    def until(self, text: str) -> str:
        """Everything shown since the last call, until a text appears."""
        end = time.monotonic() + 120
        while text not in self._unread:
            left = max(0, end - time.monotonic())
            ready, _, _ = select.select([self._descriptor], [], [], left)
            assert ready, f"no {text!r} in {self._unread!r}"
            self._unread += os.read(self._descriptor, 65536).decode("utf-8", "replace")
            # The editor asks where its cursor is.
            if "\x1b[6n" in self._unread:
                os.write(self._descriptor, b"\x1b[1;1R")
                self._unread = self._unread.replace("\x1b[6n", "")
        seen, _, self._unread = self._unread.partition(text)
        return seen


def test_a_table_is_as_wide_as_the_terminal_until_wide_is_said(
    shell: Shell, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "workbench.cli.sql_shell.terminal_width", lambda form: None if form == "wide" else 60
    )
    for line, whole in (("FROM market.trades;", False), (".wide", True), (".wide", False)):
        shell.answer(line)
        shell.answer("FROM market.trades;")
        printed = capsys.readouterr().out
        assert ("source_time" in printed.splitlines()[1 if line == ".wide" else 0]) is whole
        assert (".wide or --json shows them" in printed) is not whole
    shell.form = "csv"
    shell.answer(".wide")
    assert capsys.readouterr().err == "error: --csv has all columns\n"
