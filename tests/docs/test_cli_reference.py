"""The pages under docs/reference are what the code says; every command explains itself."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from docs.build_reference import FOLDER, PAGES, commands
from workbench.cli import COMMANDS

COMMAND_NAMES = [name for name, _, _ in commands()]


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_what_the_code_says(name: str) -> None:
    written = (FOLDER / name).read_text(encoding="utf-8")
    assert written == PAGES[name](), f"docs/reference/{name} is stale: run `make docs`"


def test_no_page_is_left_over() -> None:
    written = (file for file in FOLDER.rglob("*") if file.is_file())
    assert {file.relative_to(FOLDER).as_posix() for file in written} == set(PAGES)


@pytest.mark.parametrize("name", COMMAND_NAMES)
def test_a_command_and_each_of_its_options_has_help(name: str) -> None:
    command = next(command for path, command, _ in commands() if path == name)
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts[0]} has no help"


def test_a_command_has_a_file_of_its_own() -> None:
    package = Path(__file__).parents[2] / "workbench" / "cli"
    for name, (module, short_help) in COMMANDS.items():
        assert short_help.endswith(".")
        assert (package / f"{module.rpartition('.')[2]}.py").is_file(), name
