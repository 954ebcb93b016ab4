"""The doctor: a line per thing, a fix per problem; a stack that is not up is no problem."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from workbench import doctor
from workbench.cli import main
from workbench.config import load_settings
from workbench.doctor import CHECKS, Check, examine
from workbench.errors import StackError


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as end:
        main(["doctor", *arguments])
    return int(str(end.value.code)), capsys.readouterr().out


def of(checks: list[Check], name: str) -> list[Check]:
    return [check for check in checks if check.name == name]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WORKBENCH_PROJECT", str(tmp_path))
    return tmp_path


def test_a_fresh_project_is_healthy(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out = run(capsys, "--json")
    report = json.loads(out)
    states = {check["name"]: check["state"] for check in report["checks"]}
    assert (code, report["ok"]) == (0, True), out
    assert states["broker"] == states["cluster"] == states["catalog"] == "note"
    assert {"python", "packages", "java", "jars", "ports", "disk", "memory"} <= set(states)
    assert not (project / "warehouse").exists(), "to look is not to make"


def test_what_is_broken_has_a_fix_and_exit_code_1(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setenv("WORKBENCH_STACK__KAFKA_PORT", str(port))
        code, out = run(capsys)
    assert code == 1
    assert f"fail  ports      port {port} is taken by" in out
    assert "-> end it, or set stack.kafka_port to 0" in out


def test_a_configured_broker_and_cluster_that_do_not_answer_are_broken(tmp_path: Path) -> None:
    settings = load_settings(
        tmp_path,
        kafka={"bootstrap_servers": "127.0.0.1:1"},
        flink={"rest_url": "http://127.0.0.1:1"},
    )
    checks = list(CHECKS["stack"](settings))
    assert [(check.name, check.state) for check in checks] == [
        ("broker", "fail"),
        ("cluster", "fail"),
    ]
    assert "kafka.bootstrap_servers" in checks[0].fix


def test_a_check_that_cannot_be_made_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(settings: object) -> None:
        raise StackError("no Java 17 to 23 found", hint="make setup")

    monkeypatch.setitem(CHECKS, "java", broken)
    monkeypatch.setitem(CHECKS, "packages", lambda settings: 1 / 0)
    checks = list(examine(load_settings(tmp_path)))
    assert of(checks, "java") == [Check("java", "fail", "no Java 17 to 23 found", "make setup")]
    assert of(checks, "packages")[0].state == "fail"
    assert of(checks, "disk")


def test_a_package_of_another_version_is_named_with_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "requirements.lock").write_text("click==0.1 \\\n    --hash=sha256:00\n")
    monkeypatch.setattr(doctor, "CHECKOUT", tmp_path)
    (check,) = CHECKS["packages"](load_settings(tmp_path))
    assert check.state == "fail"
    assert "(locked 0.1)" in check.message
    assert check.fix == "make setup"


def test_a_broken_catalog_is_reported(tmp_path: Path) -> None:
    (tmp_path / "warehouse").mkdir()
    (tmp_path / "warehouse" / "catalog.db").write_text("this is no database, whatever its name")
    checks = of(list(examine(load_settings(tmp_path))), "catalog")
    assert [check.state for check in checks] == ["fail"]


@pytest.mark.parametrize("warehouse", ["/dev/null/x", "/proc/w"])
def test_a_warehouse_that_cannot_be_is_broken(tmp_path: Path, warehouse: str) -> None:
    settings = load_settings(tmp_path, lake={"warehouse": warehouse})
    (disk,) = [check for check in CHECKS["disk"](settings) if "warehouse" in check.message]
    (catalog,) = CHECKS["catalog"](settings)
    for check in (disk, catalog):
        assert check.state == "fail"
        assert warehouse in check.message
        assert "lake.warehouse" in check.fix


@pytest.mark.parametrize("name", ["memory_limit", "max_temp_directory_size"])
def test_a_bound_that_duckdb_does_not_take_is_named(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv(f"WORKBENCH_DUCKDB__{name}".upper(), "lots")
    code, out = run(capsys, "--json")
    (check,) = [check for check in json.loads(out)["checks"] if check["name"] == "duckdb"]
    assert (code, check["state"]) == (1, "fail")
    assert f"duckdb.{name}" in check["message"]
    assert "got 'lots'" in check["message"]
    assert check["fix"] == "write for example 2GB"


def test_settings_that_cannot_be_used_are_a_line_of_their_own(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WORKBENCH_KAFAK__PROFILE", "full")
    code, out = run(capsys)
    assert code == 1
    lines = out.splitlines()
    assert lines[0].startswith("fail  settings   no setting has the variable WORKBENCH_KAFAK")
    assert lines[0].endswith("-> did you mean WORKBENCH_KAFKA__PROFILE?")
    assert any("python" in line for line in lines[1:])
    assert not any("disk" in line for line in lines), "of which folder?"


def test_what_a_library_says_has_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(settings: object) -> None:
        raise RuntimeError("no login with hunter2 at postgresql://me:hunter2@db/lake")

    monkeypatch.setitem(CHECKS, "catalog", broken)
    settings = load_settings(tmp_path, lake={"properties": {"token": "hunter2"}})
    (check,) = of(list(examine(settings)), "catalog")
    assert check.message == "RuntimeError: no login with (hidden) at postgresql://(hidden)@db/lake"
