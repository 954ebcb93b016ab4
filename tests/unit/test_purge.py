"""What the workbench removes is its own: a purge, a fresh demo and a batch run spare the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from workbench.cli.demo import command as demo_command
from workbench.cli.stack import command as stack_command
from workbench.config import Settings, load_settings
from workbench.demo import start_over
from workbench.errors import UsageError
from workbench.jobs.batch import _keep, run_batch
from workbench.stack import Stack

OWN = ("jobs/a.json", "batch/x", "reference/symbols.csv", "logs/kafka.log", "demo-batch/x")


def write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def shared(tmp_path: Path, name: str) -> str:
    """A folder that is not the workbench's alone, as a setting of the project tmp_path/project."""
    return {"project": ".", "parent": "..", "home": "~", "root": "/"}[name].replace(
        "~", str(tmp_path / "home")
    )


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with files of a person's own."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write(tmp_path / "home", "letter")
    folder = tmp_path / "project"
    write(folder, "notes.md", "logs/mine", "jobs/mine", "market/mine", "data/mine")
    return folder


def test_a_purge_removes_what_the_stack_made(settings: Settings) -> None:
    stack = Stack(settings)
    stack.layout.make()
    write(stack.layout.folder, *OWN, "kafka/data/0", "stack.json", "hs_err_pid7.log")
    assert stack.purge() == []
    assert not stack.layout.folder.exists()


def test_a_purge_leaves_what_the_stack_did_not_make(settings: Settings) -> None:
    stack = Stack(settings)
    stack.layout.make()
    folder = stack.layout.folder
    write(folder, *OWN, "notes.md", "warehouse/catalog.db")
    assert [path.name for path in stack.purge()] == ["notes.md", "warehouse"]
    # It is a stack's still: the next `up` and the next purge may use it.
    assert files(folder) == {".workbench-stack", "notes.md", "warehouse/catalog.db"}
    stack._check_folder()


def test_a_purge_follows_no_link(settings: Settings, tmp_path: Path) -> None:
    stack = Stack(settings)
    stack.layout.make()
    write(tmp_path / "elsewhere", "mine")
    (stack.layout.folder / "jobs").symlink_to(tmp_path / "elsewhere")
    stack.purge()
    assert files(tmp_path / "elsewhere") == {"mine"}


def test_without_a_marker_nothing_is_removed(project: Path) -> None:
    write(project / "data", "logs/mine", "kafka/mine")
    stack = Stack(load_settings(project, stack={"folder": "data"}))
    before = files(project)
    stack.purge()
    assert stack.down() == []
    assert files(project) == before


def test_the_ports_of_an_older_stack_are_its_marker(settings: Settings) -> None:
    stack = Stack(settings)
    write(stack.layout.folder, "stack.json", "kafka/data/0")
    stack.purge()
    assert not stack.layout.folder.exists()


@pytest.mark.parametrize("name", ["project", "parent", "home", "root"])
def test_a_stack_folder_that_holds_more_is_refused(
    project: Path, tmp_path: Path, name: str
) -> None:
    stack = Stack(load_settings(project, stack={"folder": shared(tmp_path, name)}))
    before = files(tmp_path)
    for act in (stack.up, stack.purge):
        with pytest.raises(UsageError, match=r"stack\.folder is /.*: set stack\.folder to"):
            act()
    assert files(tmp_path) == before


def test_up_refuses_a_folder_of_other_things(project: Path) -> None:
    stack = Stack(load_settings(project, stack={"folder": "data"}))
    with pytest.raises(UsageError, match=r"data holds mine, which is not of a stack: set"):
        stack.up()
    assert files(project / "data") == {"mine"}


def test_the_command_refuses_before_it_asks(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_PROJECT", str(project))
    monkeypatch.setenv("WORKBENCH_STACK__FOLDER", ".")
    done = CliRunner().invoke(stack_command, ["down", "--purge"], input="y\n")
    assert isinstance(done.exception, UsageError)
    assert done.output == ""
    assert (project / "notes.md").exists()


def test_the_command_says_what_stays(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKBENCH_PROJECT", str(settings.project))
    layout = Stack(settings).layout
    layout.make()
    write(layout.folder, "notes.md")
    done = CliRunner().invoke(stack_command, ["down", "--purge", "--yes"])
    assert "notes.md is not of it and stays" in done.output
    (layout.folder / "notes.md").unlink()
    done = CliRunner().invoke(stack_command, ["down", "--purge", "--yes"])
    assert done.output.strip() == f"removed {layout.folder}"
    done = CliRunner().invoke(stack_command, ["down", "--purge", "--yes"])
    assert "nothing to remove" in done.output


def test_a_fresh_demo_removes_the_lake_and_nothing_beside_it(lake: Settings) -> None:
    layout = Stack(lake).layout
    layout.make()
    write(lake.warehouse, "README.md", "catalog.db-wal", "catalog.db.bak", "mine/table")
    assert (lake.warehouse / "market").is_dir()
    start_over(lake)
    assert files(lake.warehouse) == {"README.md", "catalog.db.bak", "mine/table"}
    assert not layout.folder.exists()
    assert {path.name for path in lake.warehouse.iterdir()} == {
        "README.md",
        "catalog.db.bak",
        "mine",
    }


def test_without_a_catalog_there_is_no_lake_to_remove(project: Path) -> None:
    write(project / "data", "market/mine")
    start_over(load_settings(project, lake={"warehouse": "data"}))
    assert "market/mine" in files(project / "data")


@pytest.mark.parametrize("name", ["project", "parent", "home", "root"])
@pytest.mark.parametrize("setting", ["lake.warehouse", "stack.folder"])
def test_a_fresh_demo_refuses_a_folder_that_holds_more(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, name: str
) -> None:
    monkeypatch.setenv("WORKBENCH_PROJECT", str(project))
    key = f"WORKBENCH_{setting.upper().replace('.', '__')}"
    monkeypatch.setenv(key, shared(tmp_path, name))
    if setting == "lake.warehouse":
        write(project, "catalog.db")
        # The stack's data must not be gone before the lake is refused.
        Stack(load_settings(project)).layout.make()
    before = files(tmp_path)
    for arguments in (["--fresh"], ["--fresh", "--yes"]):
        done = CliRunner().invoke(demo_command, arguments, input="y\n")
        assert isinstance(done.exception, UsageError)
        assert str(done.exception).startswith(f"{setting} is ")
        assert done.output == ""
    assert files(tmp_path) == before


def test_a_batch_run_replaces_its_own_files_only(tmp_path: Path) -> None:
    written, output = tmp_path / "written", tmp_path / "out"
    write(written, "landing/dead_letters/part-2", "router/routed/part-2")
    write(output, "landing/dead_letters/part-1", "landing/dlq.deserialization/part-1")
    kept = {"landing/notes.md", "landing/dead_letters/notes.md", "landing/mine/part-1"}
    kept |= {"aggregates/analytics.trade-aggregates/part-1"}
    write(output, *kept)
    _keep(written, output)
    assert files(output) == {"landing/dead_letters/part-2", "router/routed/part-2", *kept}


@pytest.mark.parametrize("name", ["file", "file/below", "out", "in the way"])
def test_an_output_that_cannot_be_used_is_refused_at_the_start(
    lake: Settings, tmp_path: Path, name: str
) -> None:
    write(tmp_path, "file", "out/landing/dead_letters", "in the way/landing")
    said: list[str] = []
    with pytest.raises(UsageError, match=r"--output .*: cannot write into .*: name a folder"):
        run_batch(lake, ["landing"], [], output=tmp_path / name, progress=said.append)
    assert not said


@pytest.mark.parametrize("count", ["-5", "0"])
def test_a_log_has_at_least_one_line(count: str) -> None:
    done = CliRunner().invoke(stack_command, ["logs", "kafka", "-n", count])
    assert done.exit_code == 2
    assert "not in the range" in done.output
