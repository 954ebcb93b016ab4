"""Typed queries read files only in the folders that the configuration allows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.unit.conftest import Land
from tests.unit.lake_rows import trade
from tests.unit.test_sql_cli import everything
from workbench.config import Settings, load_settings
from workbench.errors import UsageError, WorkbenchError
from workbench.lake.session import open_session


@pytest.fixture
def project(lake: Settings, land: Land) -> Settings:
    """A project whose folder `data` may be read, with a link in it that leads outside."""
    land(trade(1), trade(2, symbol="MSFT"))
    data = lake.project / "data"
    (data / "more").mkdir(parents=True)
    (data / "watch.csv").write_text("symbol,weight\nAAPL,2\nKO,1\n")
    (data / "more" / "other.csv").write_text("symbol,weight\nMSFT,5\n")
    (lake.project / "secret.csv").write_text("symbol,weight\nSECRET,9\n")
    (lake.project / "data2").mkdir()
    (lake.project / "data2" / "near.csv").write_text("symbol,weight\nSECRET,9\n")
    (data / "link.csv").symlink_to(lake.project / "secret.csv")
    (data / "linked").symlink_to(lake.project)
    return load_settings(lake.project, sql={"allowed_directories": ["data"]})


def test_files_and_globs_of_an_allowed_folder_join_with_tables(project: Settings) -> None:
    data = project.project / "data"
    with open_session(project, read_only=True) as session:
        joined = session.sql(
            f"SELECT symbol, weight FROM market.trades JOIN '{data}/watch.csv' USING (symbol)"
        )
        assert joined.rows() == [("AAPL", 2)]
        globbed = session.sql(f"SELECT count(*) FROM read_csv('{data}/more/*.csv')")
        assert globbed.rows() == [(1,)]
        by_value = session.sql("SELECT weight FROM read_csv($f)", {"f": f"{data}/more/other.csv"})
        assert by_value.rows() == [(5,)]


def test_without_a_setting_no_folder_may_be_read(project: Settings) -> None:
    file = project.project / "data" / "watch.csv"
    with (
        open_session(load_settings(project.project), read_only=True) as session,
        pytest.raises(WorkbenchError, match="refused: Cannot access file"),
    ):
        session.sql(f"FROM '{file}'").rows()


ELSEWHERE = [
    "FROM '{project}/secret.csv'",
    "FROM '{data}/../secret.csv'",
    "FROM '{data}/more/../../secret.csv'",
    "FROM '{project}/data2/near.csv'",
    "FROM read_csv('{data}2/near.csv')",
    "FROM '{data}/link.csv'",
    "FROM read_text('{data}/link.csv')",
    "FROM read_blob('{data}/linked/secret.csv')",
    "FROM read_text('{data}/linked/workbench.toml')",
    "FROM read_csv('{data}/l*.csv')",
    "FROM read_csv('{data}/**/secret.csv')",
    "FROM read_text(['{data}/watch.csv', '/etc/passwd'])",
    "FROM read_text('/proc/self/environ')",
    "FROM read_text('/proc/self/cwd/pyproject.toml')",
    "FROM read_text('/dev/stdin')",
    "FROM glob('{data}/*')",
    "FROM glob('{data}/linked/*')",
    "FROM 'https://example.com/a.csv'",
    "FROM read_csv('http://127.0.0.1:1/a.csv')",
    "FROM read_parquet('hf://datasets/a/b.parquet')",
    "FROM read_text('file:///etc/passwd')",
    "SELECT getenv('HOME')",
    "SELECT content FROM read_text(getvariable('x'))",
    "FROM python_variable",
    "SELECT * FROM symbols_of_the_file",
    "ATTACH '{data}/watch.csv'",
    "ATTACH '{data}/new.db'",
    "ATTACH '{data}/new.db' AS lake (READ_ONLY)",
    "COPY (SELECT 1) TO '{data}/watch.csv'",
    "COPY (SELECT 1) TO '{data}/new.parquet' (FORMAT parquet)",
    "EXPORT DATABASE '{data}/new'",
    "LOAD '{data}/new.duckdb_extension'",
    "INSTALL '{data}/new.duckdb_extension'",
    "SET allowed_directories = ['/']",
    "SET GLOBAL allowed_paths = ['/etc/passwd']",
    "PRAGMA enable_external_access",
    "SET enable_external_access = true",
    "CREATE TABLE t AS FROM '{data}/watch.csv'",
    "FROM read_duckdb('{data}/new.db')",
    "FROM sqlite_scan('{project}/warehouse/catalog.db', 'iceberg_tables')",
    "FROM iceberg_scan('{data}')",
    "FROM sniff_csv('/etc/passwd')",
    "FROM parquet_metadata('/etc/passwd')",
    "FROM read_json('{project}/secret.csv')",
]


@pytest.mark.parametrize("statement", ELSEWHERE)
def test_reading_elsewhere_writing_and_attaching_are_refused(
    project: Settings, statement: str
) -> None:
    python_variable = [{"x": 1}]  # DuckDB would find it, were replacement scans of Python on
    data = project.project / "data"
    text = statement.replace("{data}", str(data)).replace("{project}", str(project.project))
    before = everything(project.project)
    with open_session(project, read_only=True) as session:
        with pytest.raises(WorkbenchError) as refused:
            session.sql(text).rows()
        assert len(str(refused.value).splitlines()) == 1
        assert "SECRET" not in str(refused.value)
        assert session.sql("SELECT count(*) FROM market.trades").rows() == [(2,)]
    assert everything(project.project) == before
    assert python_variable


@pytest.mark.parametrize(
    "file",
    [
        "/etc/passwd",
        "{data}/../secret.csv",
        "{data}/link.csv",
        "{data}/watch.csv' UNION ALL FROM '{project}/secret.csv",
        "http://127.0.0.1:1/x",
        "/proc/self/environ",
        "~/.bashrc",
        "",
        "\x00",
        "{data}/watch.csv\x00/etc/passwd",
    ],
)
def test_a_hostile_value_opens_nothing_else(project: Settings, file: str) -> None:
    data = project.project / "data"
    name = file.replace("{data}", str(data)).replace("{project}", str(project.project))
    with open_session(project, read_only=True) as session:
        for function in ("read_csv", "read_text", "read_parquet"):
            try:
                found = session.sql(f"FROM {function}($f)", {"f": name}).rows()
            except WorkbenchError as error:
                assert len(str(error).splitlines()) == 1
            else:
                # What stands behind a zero byte is not looked at: the allowed file is read.
                assert found == [] or "\x00" in name
                assert not re.search(r"SECRET|root:", str(found))


def test_duckdbs_locks_hold_without_the_judge_of_statements(project: Settings) -> None:
    data = project.project / "data"
    with open_session(project, read_only=True) as session:
        cursor = session._database.cursor()
        for statement in (
            f"FROM read_text('{data}/../secret.csv')",
            f"FROM read_text('{data}/link.csv')",
            f"FROM read_text('{data}/linked/secret.csv')",
            f"COPY (SELECT 1) TO '{data}/../out.csv'",
            f"ATTACH '{data}2/new.db'",
            "SET allowed_directories = ['/']",
            "FROM read_text('/proc/self/environ')",
            "LOAD httpfs",
        ):
            with pytest.raises(Exception, match=r"locked|disabled|Cannot access|not found"):
                cursor.execute(statement).fetchall()


@pytest.mark.parametrize("folder", [".", "..", "/"])
def test_a_folder_with_the_settings_in_it_is_refused(lake: Settings, folder: str) -> None:
    settings = load_settings(lake.project, sql={"allowed_directories": [folder]})
    with pytest.raises(UsageError, match=r"sql\.allowed_directories: .* holds workbench\.toml"):
        open_session(settings, read_only=True)


def test_the_folders_can_be_set_like_a_path(
    lake: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WORKBENCH_SQL__ALLOWED_DIRECTORIES", f"data:{tmp_path / 'more'}")
    assert load_settings(lake.project).readable_folders == [
        lake.project / "data",
        tmp_path / "more",
    ]
