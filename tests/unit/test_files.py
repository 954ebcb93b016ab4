"""Folders of the stack: a full disk is an error a person can act on, not a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.errors import StackError
from workbench.stack.files import Layout, check_free_space, disk_errors, free_bytes, write_atomic


def test_a_full_device_is_named() -> None:
    full = Path("/dev/full")
    with pytest.raises(StackError, match=r"the disk is full: .*make room"), disk_errors(full):
        full.write_text("x")


def test_too_little_space_is_said_before_anything_is_started(tmp_path: Path) -> None:
    check_free_space(tmp_path, needed=1)
    with pytest.raises(StackError, match="MiB are free for"):
        check_free_space(tmp_path, needed=1 << 62)


def test_free_space_of_a_folder_that_does_not_exist_yet(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "a" / "b") > 0


def test_a_folder_that_cannot_be_made_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises((StackError, NotADirectoryError)):
        Layout(tmp_path / "file" / "stack").make()


def test_a_reader_never_meets_half_a_file(tmp_path: Path) -> None:
    target = tmp_path / "x.json"
    write_atomic(target, "one")
    write_atomic(target, "two")
    assert target.read_text() == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["x.json"]
