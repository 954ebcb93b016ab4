"""docs/guarantees.md: each promise has a test that exists, or says why there is none."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guarantees.md"
FAULTS = sorted((ROOT / "tests" / "faults").glob("test_*.py"))
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows() -> list[list[str]]:
    """The rows of the matrix, without their headers."""
    lines = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in cells if row[0] != "promise" and not set(row[0]) <= set("- |")]


def defined(file: str) -> set[str]:
    path = ROOT / file
    assert path.is_file(), f"no file {file}"
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_the_matrix_has_rows() -> None:
    assert len(rows()) > 20


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:60])
def test_every_promise_has_a_test_or_a_reason(row: list[str]) -> None:
    assert len(row) == 4, row
    promise, rests_on, test, _ = row
    assert promise and rests_on, row
    assert NAMED.search(test) or test.startswith("none: "), row


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED.findall(PAGE.read_text("utf-8")))))
def test_every_named_test_exists(file: str, name: str) -> None:
    assert name.startswith("test_")
    assert name in defined(file), f"{file} has no {name}"


def test_every_fault_test_is_in_the_matrix() -> None:
    named = set(NAMED.findall(PAGE.read_text("utf-8")))
    for path in FAULTS:
        file = path.relative_to(ROOT).as_posix()
        missing = {n for n in defined(file) if n.startswith("test_")} - {
            n for f, n in named if f == file
        }
        assert not missing, f"{file}: {missing}"


@pytest.mark.parametrize("path", FAULTS, ids=lambda path: path.name)
def test_every_fault_test_is_marked_as_one(path: Path) -> None:
    """What is not marked is left out by `make faults`."""
    tree = ast.parse(path.read_text("utf-8"))
    of_module = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            marks = [ast.unparse(mark) for mark in (*node.decorator_list, *of_module)]
            assert any(re.search(r"\bpytest\.mark\.fault\b", mark) for mark in marks), node.name
