"""What a person gets wrong is one line with the place and a way out, and exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.cli import main


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of an error of usage."""
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    shown = capsys.readouterr().err
    assert end.value.code == 2, shown
    assert shown.count("\n") == 1
    assert "--debug" not in shown
    return shown


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_PROJECT", str(tmp_path))
    return tmp_path


def test_a_settings_file_that_is_not_toml(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "workbench.toml").write_text('[kafka]\nprofile = "dev\n')
    shown = said(capsys, "config", "show")
    assert str(project / "workbench.toml") in shown
    assert "line 2" in shown


def test_a_settings_file_that_is_not_utf8(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "workbench.toml").write_bytes(b'[kafka]\n# B\xf6rse\nprofile = "dev"\n')
    assert f"{project / 'workbench.toml'} is not UTF-8 at line 2" in said(capsys, "config", "show")


@pytest.mark.parametrize("variable", ["WORKBENCH_KAFKA", "WORKBENCH_LAKE__PROPERTIES"])
@pytest.mark.parametrize("value", ["s3cret", "[1]", ""])
def test_a_section_in_the_environment_that_is_no_json(
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    value: str,
) -> None:
    monkeypatch.setenv(variable, value)
    shown = said(capsys, "config", "show")
    assert f"{variable} is not a JSON object" in shown
    assert "s3cret" not in shown


def test_a_working_directory_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert "the working directory is gone" in said(capsys, "config", "show")


def test_an_error_of_a_library_shows_no_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        raise RuntimeError("cannot reach thrift://me:hunter2@db")

    monkeypatch.setattr("workbench.cli.config.load_settings", broken)
    with pytest.raises(SystemExit) as end:
        main(["config", "show"])
    assert end.value.code == 1
    assert "cannot reach thrift://(hidden)@db" in capsys.readouterr().err
