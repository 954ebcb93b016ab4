"""`workbench sql` answers queries and lets nothing that is typed change anything."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.unit.conftest import Land
from tests.unit.lake_rows import at, trade
from workbench.cli import main
from workbench.cli.sql import command
from workbench.config import Settings
from workbench.errors import LakeError, UsageError, WorkbenchError
from workbench.lake.session import open_session


@pytest.fixture
def project(lake: Settings, land: Land, monkeypatch: pytest.MonkeyPatch) -> Settings:
    land(trade(1, price="1.50"), trade(2, symbol="MSFT|x"))
    monkeypatch.setenv("WORKBENCH_PROJECT", str(lake.project))
    return lake


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(command, list(arguments), input=stdin, catch_exceptions=True)


def everything(folder: Path) -> dict[str, str]:
    """Every file below a folder with the hash of what it holds."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(_content(path)).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith(("-shm", "-wal"))
    }


def _content(path: Path) -> bytes:
    """The bytes of a file; of the catalog its rows, which SQLite moves from file to file."""
    if path.name != "catalog.db":
        return path.read_bytes()
    with closing(sqlite3.connect(path)) as catalog:
        return "\n".join(catalog.iterdump()).encode()


QUERY = "SELECT symbol, price FROM market.trades ORDER BY trade_id"


def test_forms(project: Settings) -> None:
    assert json.loads(run("-c", QUERY, "--json").output) == [
        {"symbol": "AAPL", "price": "1.5"},
        {"symbol": "MSFT|x", "price": "100"},
    ]
    assert run("-c", QUERY, "--csv").output == "symbol,price\nAAPL,1.5\nMSFT|x,100\n"
    assert run("-c", QUERY, "--md").output.splitlines()[3] == "| MSFT\\|x | 100 |"
    table = run("-c", QUERY).output
    assert table.splitlines()[1].strip() == "[quote currency]"
    assert table.splitlines()[3].split() == ["AAPL", "1.5"]
    assert "2 rows · as of 20" in table
    assert "market.trades @ " in table


def test_what_is_missing_or_for_the_shell_is_named(project: Settings) -> None:
    query = "SELECT price FROM market.trades WHERE symbol = $symbol"
    with (
        pytest.raises(UsageError, match=r'no value for \$symbol: sql\(query, {"symbol": ...}\)'),
        open_session() as session,
    ):
        session.sql(query)
    with pytest.raises(UsageError, match=r"\.tables is for the shell"):
        raise run(stdin=".tables\n").exception or AssertionError


def test_statements_from_a_file_and_from_a_pipe(project: Settings, tmp_path: Path) -> None:
    file = tmp_path / "q.sql"
    file.write_text("-- two\nSELECT 1 AS a; SELECT ';' AS b;\n")
    assert run("-f", str(file), "--csv").output == "a\n1\nb\n;\n"
    assert run("--csv", stdin="SELECT 3 AS c").output == "c\n3\n"


def test_as_of_reads_the_past(project: Settings) -> None:
    count = "SELECT count(*) AS n FROM market.trades"
    assert run("-c", count, "--csv", "--as-of", "2001-01-01").output == "n\n0\n"
    assert run("-c", count, "--csv", "--as-of", "2999-01-01").output == "n\n2\n"


def test_a_plan_keeps_its_lines(project: Settings) -> None:
    assert "READ_PARQUET" in run("-c", f"EXPLAIN ANALYZE {QUERY}").output


@pytest.mark.parametrize(
    "arguments",
    [
        ["-c", "SELECT 1", "-f", "/dev/null"],
        ["-c", "SELECT 1", "-p", "x=1"],
        ["-c", "SELECT $x"],
        ["-c", " ; "],
        ["-c", "SELECT x FROM market.trades"],
    ],
)
def test_mistakes_have_exit_code_2_and_one_line(
    project: Settings, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["sql", *arguments])
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1


HOSTILE = [
    "ATTACH '{lake}/evil.db'",
    "ATTACH '{lake}/catalog.db' (TYPE sqlite)",
    "ATTACH ':memory:' AS other",
    "COPY (SELECT 1) TO '{lake}/evil.csv'",
    "COPY (SELECT 1) TO '{data}' (FORMAT parquet, USE_TMP_FILE false)",
    "COPY market.trades TO '{lake}/catalog.db'",
    "COPY (SELECT 1) TO '/tmp/evil.csv'",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{lake}/evil.csv'",
    "EXPLAIN (ANALYZE, FORMAT json) COPY (SELECT 1) TO '{lake}/evil.csv'",
    "/* EXPLAIN */ EXPLAIN /**/ ANALYZE /**/ COPY (SELECT 1) TO '{lake}/evil.csv'",
    "PREPARE p AS COPY (SELECT 1) TO '{lake}/evil.csv'",
    "EXECUTE p",
    "EXPORT DATABASE '{lake}/evil'",
    "IMPORT DATABASE '{lake}/evil'",
    "INSTALL httpfs",
    "INSTALL 'https://example.com/evil.duckdb_extension'",
    "LOAD '{lake}/evil.duckdb_extension'",
    "LOAD httpfs",
    "SET memory_limit = '90GB'",
    "SET GLOBAL enable_external_access = true",
    "SET lock_configuration = false",
    "RESET memory_limit",
    "PRAGMA memory_limit = '90GB'",
    "PRAGMA enable_profiling",
    "PRAGMA profiling_output = '{lake}/evil.json'",
    "CALL enable_logging(storage = 'file', storage_path = '{lake}/evil')",
    "SELECT * FROM enable_logging(storage = 'file', storage_path = '{lake}/evil')",
    "WITH x AS (FROM enable_logging(storage = 'file', storage_path = '{lake}/evil')) FROM x",
    "SELECT (SELECT count(*) FROM enable_logging(storage_path = '{lake}/evil'))",
    "SELECT * FROM enable_profiling(save_location = '{lake}/evil.query_tree')",
    "SELECT * FROM query('FROM enable_logging()')",
    "SELECT * FROM query_table('market.trades')",
    "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT 1'))",
    "SELECT * FROM checkpoint()",
    "SELECT * FROM read_duckdb('{lake}/evil.db')",
    "CREATE TABLE evil AS SELECT 1",
    "CREATE OR REPLACE VIEW market.trades AS SELECT 1 AS price",
    "CREATE OR REPLACE MACRO vwap(a, b) AS 0",
    "CREATE PERSISTENT SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "DROP VIEW market.trades",
    "DROP SCHEMA market CASCADE",
    "INSERT INTO reference.symbols SELECT * FROM reference.symbols",
    "WITH x AS (SELECT 1) INSERT INTO reference.symbols SELECT * FROM reference.symbols",
    "DELETE FROM reference.symbols",
    "UPDATE reference.symbols SET sector = 'evil'",
    "ALTER TABLE reference.symbols ADD COLUMN evil INTEGER",
    "VACUUM",
    "CHECKPOINT",
    "USE memory.market",
    "DETACH memory",
    "BEGIN TRANSACTION",
    "SET VARIABLE x = 1",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('{lake}/../../../../../../../../etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "FROM '/etc/hosts.csv'",
    "SELECT * FROM glob('/etc/*')",
    "SELECT * FROM read_parquet('https://example.com/x.parquet')",
    "SELECT * FROM read_parquet('s3://bucket/x.parquet')",
    "SELECT getenv('HOME')",
    "SELECT 1; DROP VIEW market.trades",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM settings",
]


@pytest.mark.parametrize("statement", HOSTILE)
def test_hostile_sql_is_refused_and_changes_nothing(project: Settings, statement: str) -> None:
    data = next(project.warehouse.rglob("*.parquet"))
    text = statement.replace("{lake}", str(project.warehouse)).replace("{data}", str(data))
    before = everything(project.project)
    with open_session(project, read_only=True) as session:
        honest = session.sql(QUERY).rows()
        # A session that somebody has worked in is attacked, not only a fresh one.
        with pytest.raises((UsageError, LakeError, WorkbenchError)) as refused:
            session.sql(text).rows()
        assert len(str(refused.value).splitlines()) == 1
        assert session.sql(QUERY).rows() == honest
        assert session.refresh().sql(QUERY).rows() == honest
    assert everything(project.project) == before
    assert not Path("/tmp/evil.csv").exists()


@pytest.mark.parametrize("value", ["'; DROP VIEW market.trades; --", "\x00", "${x}", "?", "$1"])
def test_hostile_parameters_are_values(project: Settings, value: str) -> None:
    with open_session(project, read_only=True) as session:
        assert session.sql("SELECT $v AS v", {"v": value}).rows() == [(value,)]


def test_duckdbs_own_locks_are_set(project: Settings) -> None:
    """The judge of statements is one wall; DuckDB's locks are another, also without it."""
    with open_session(project, read_only=True) as session:
        cursor = session._database.cursor()
        for statement in (
            "SET enable_external_access = true",
            "SET lock_configuration = false",
            "COPY (SELECT 1) TO '/tmp/evil.csv'",
            "ATTACH '/tmp/evil.db'",
            "INSTALL httpfs",
            "FROM read_text('/etc/passwd')",
        ):
            with pytest.raises(Exception, match=r"locked|disabled|Cannot access"):
                cursor.execute(statement)


@pytest.mark.parametrize(
    "query",
    [
        "FROM market.trades",
        "TABLE market.trades",
        "VALUES (1)",
        "WITH x AS (SELECT 1) FROM x",
        "DESCRIBE market.trades",
        "SUMMARIZE market.trades",
        "SHOW TABLES",
        "EXPLAIN SELECT 1",
        "EXPLAIN ANALYZE FROM market.executions",
        "EXPLAIN (FORMAT json) SELECT 1",
        "-- a comment\nSELECT 1 -- another",
        "SELECT * FROM range(3)",
        "SELECT unnest([1, 2])",
        "SELECT 'COPY x TO y; DROP TABLE z' AS text",
        "SELECT count(*) FROM market.trades WHERE symbol LIKE '%ATTACH%'",
    ],
)
def test_honest_queries_are_answered(project: Settings, query: str) -> None:
    with open_session(project, read_only=True) as session:
        assert session.sql(query).rows() is not None


def test_files_of_the_lake_may_be_read(project: Settings) -> None:
    query = (
        f"SELECT count(*) FROM read_parquet('{project.warehouse}/market/trades/data/*/*.parquet')"
    )
    with open_session(project, read_only=True) as session:
        assert session.sql(query).rows() == [(2,)]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["top", "-n", "1", "--csv"], "AAPL,1,1,1.5,1.5,1.5,1.5,0"),
        (["volume", "AAPL", "--csv"], "AAPL,2024-08-08,1,,,,,,,0,0,0"),
        (["sectors", "--csv"], "UNKNOWN,1,1,100,1,0,0,0,0"),
        (["portfolio", "A1", "--csv"], "symbol,bought_qty"),
        (["top", "--as-of", "2024-08-07", "--csv"], "symbol,trade_count"),
    ],
)
def test_the_questions_from_the_command_line(
    project: Settings, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 0
    assert any(line.startswith(expected) for line in capsys.readouterr().out.splitlines())


def test_the_table_names_units_moment_and_snapshot(
    project: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["top"])
    output = capsys.readouterr().out
    assert "[quote currency]" in output
    assert f"as of {at(2):%Y-%m-%d %H:%M:%S} UTC · market.trades @ " in output


def test_what_is_not_utf8_is_named_with_its_line(project: Settings, tmp_path: Path) -> None:
    file = tmp_path / "q.sql"
    file.write_bytes(b"SELECT 1;\n\xff\xfe")
    for result, name in (
        (run("-f", str(file)), str(file)),
        (run("-c", "SELECT 1;\n\udcff"), "-c"),
        (CliRunner().invoke(command, [], input=file.read_bytes()), "the input"),
    ):
        assert isinstance(result.exception, UsageError)
        assert f"{name} is not UTF-8 text at line 2" in str(result.exception)
    file.write_bytes(b"\xef\xbb\xbfSELECT 1 AS a")
    assert run("-f", str(file), "--csv").output == "a\n1\n"


def test_json_has_no_infinity(project: Settings) -> None:
    told = run("-c", "SELECT 1 / 0::DOUBLE AS a, ['nan'::DOUBLE] AS b", "--json").output
    assert json.loads(told, parse_constant=pytest.fail) == [{"a": None, "b": [None]}]


def test_a_bound_that_duckdb_does_not_take_is_an_error_of_usage(
    project: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in ("lots", "1KB", "80%"):
        monkeypatch.setenv("WORKBENCH_DUCKDB__MEMORY_LIMIT", value)
        error = run("-c", "SELECT 1").exception
        assert isinstance(error, UsageError)
        assert "duckdb.memory_limit" in str(error)
        assert f"got {value!r}" in str(error)


def test_a_statement_has_a_time_limit_where_one_is_given(
    project: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    endless = "SELECT max(hash(a.range, b.range)) FROM range(10000000) a, range(10000000) b"
    with pytest.raises(SystemExit) as end:
        main(["sql", "--timeout", "0.2", "-c", f"SELECT 1 AS first; {endless}; SELECT 2 AS third"])
    assert end.value.code == 124
    printed = capsys.readouterr()
    assert "first" in printed.out and "third" not in printed.out
    assert printed.err == (
        "error: the query took longer than 0.2 s and was ended: "
        "give it more time, or ask for less\n"
    )
    assert run("--timeout", "60", "-c", "SELECT 1 AS a", "--csv").output == "a\n1\n"
    assert run("--timeout", "0", "-c", "SELECT 1").exit_code == 2
